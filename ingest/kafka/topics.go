package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ensureTopics makes sure that the topics exist: missing ones are created with
// the broker's defaults if create is set, else they are an error.
func ensureTopics(ctx context.Context, admin *kadm.Client, topics []string, create bool, logger *slog.Logger) error {
	listed, err := admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var missing []string
	var errs []error
	for _, topic := range topics {
		switch err := listed[topic].Err; {
		case err == nil && listed.Has(topic):
		case err == nil, errors.Is(err, kerr.UnknownTopicOrPartition):
			missing = append(missing, topic)
		default:
			errs = append(errs, fmt.Errorf("look up topic %s: %w", topic, err))
		}
	}
	if len(missing) > 0 && !create {
		return errors.Join(append(errs, fmt.Errorf("look up topics %v: they do not exist, and create_topics is off", missing))...)
	}
	for _, topic := range missing {
		const brokerDefault = -1
		_, err := admin.CreateTopic(ctx, brokerDefault, brokerDefault, nil, topic)
		switch {
		case errors.Is(err, kerr.TopicAlreadyExists):
		case err != nil:
			errs = append(errs, fmt.Errorf("create topic %s: %w", topic, err))
		default:
			logger.Info("topic created", "topic", topic)
		}
	}
	if err := errors.Join(errs...); err != nil || len(missing) == 0 {
		return err
	}
	return awaitTopics(ctx, admin, missing)
}

// A topic that was just created is usable when all brokers have heard of it.
const (
	topicWait         = 30 * time.Second
	topicPollInterval = 100 * time.Millisecond
)

func awaitTopics(ctx context.Context, admin *kadm.Client, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, topicWait)
	defer cancel()
	for {
		_, err := listOffsets(ctx, admin.ListEndOffsets, topics)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for new topics %v: %w", topics, err)
		case <-time.After(topicPollInterval):
		}
	}
}
