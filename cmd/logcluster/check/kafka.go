package check

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// kafkaWorks tries the brokers that are named, those that they name, the
// topics and the group.
func kafkaWorks(ctx context.Context, cfg *app.Config, logger *slog.Logger) []Result {
	var results []Result
	reached := false
	for _, address := range cfg.Kafka.Client.Brokers {
		r := brokerWorks(ctx, cfg.Kafka.Client, address, logger)
		reached = reached || r.OK
		results = append(results, r)
	}
	if !reached {
		return append(results, Result{
			Target: "topics " + strings.Join(cfg.Kafka.Topics, " "), Step: "look them up", Error: "not tried: no broker answers",
		})
	}
	client, err := kafka.NewClient(&cfg.Kafka.Client, logger)
	if err != nil {
		return append(results, outcome("kafka", "prepare", "", err))
	}
	defer client.Close()
	results = append(results, advertisedWork(ctx, client, cfg.Kafka.Client.Brokers)...)
	results = append(results, topicsWork(ctx, client, cfg)...)
	return append(results, groupWorks(ctx, client, cfg.Kafka.Group))
}

// brokerWorks connects to one of the addresses of the configuration, with its
// TLS and SASL.
func brokerWorks(ctx context.Context, cfg kafka.ClientConfig, address string, logger *slog.Logger) Result {
	const step = "connect"
	target := "kafka " + address
	cfg.Brokers = []string{address}
	client, err := kafka.NewClient(&cfg, logger, kgo.RetryTimeout(0), kgo.RequestRetries(0))
	if err != nil {
		return outcome(target, step, "", err)
	}
	defer client.Close()
	began := time.Now()
	err = client.Ping(ctx)
	return outcome(target, step, "answers in "+time.Since(began).Round(100*time.Microsecond).String(), err)
}

// advertisedWork connects to the brokers as the cluster names them: that is
// how they are reached once the first answer is in.
func advertisedWork(ctx context.Context, client *kgo.Client, named []string) []Result {
	meta, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil {
		return []Result{outcome("kafka", "ask for the brokers of the cluster", "", err)}
	}
	var results []Result
	for _, b := range meta.Brokers {
		address := fmt.Sprintf("%s:%d", b.Host, b.Port)
		if slices.Contains(named, address) {
			continue // has been tried
		}
		_, err := client.Broker(int(b.NodeID)).Request(ctx, kmsg.NewPtrApiVersionsRequest())
		r := outcome("kafka "+address, fmt.Sprintf("connect as the cluster advertises it (broker %d)", b.NodeID), "", err)
		if err != nil {
			r.Hint = "the broker's advertised.listeners must name it as this machine reaches it"
		}
		results = append(results, r)
	}
	return results
}

// topicsWork looks up the topics that are read and those that are written.
func topicsWork(ctx context.Context, client *kgo.Client, cfg *app.Config) []Result {
	written := slices.DeleteFunc([]string{cfg.Topics.DeadLetter, cfg.Topics.Anomalies}, func(t string) bool { return t == "" })
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	request.AllowAutoTopicCreation = false
	for _, name := range slices.Concat(cfg.Kafka.Topics, written) {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return []Result{outcome("topics", "look them up", "", err)}
	}
	found := make(map[string]*kmsg.MetadataResponseTopic, len(response.Topics))
	for i := range response.Topics {
		if name := response.Topics[i].Topic; name != nil {
			found[*name] = &response.Topics[i]
		}
	}
	var results []Result
	for _, name := range cfg.Kafka.Topics {
		detail, err := topicWorks(found[name], kadm.OpRead, cfg.Kafka.CreateTopics)
		if err == nil && detail == "" {
			detail, err = contents(ctx, client, name)
		}
		results = append(results, outcome("topic "+name, "read", detail, err))
	}
	for _, name := range written {
		detail, err := topicWorks(found[name], kadm.OpWrite, cfg.Kafka.CreateTopics)
		results = append(results, outcome("topic "+name, "write", detail, err))
	}
	return results
}

// topicWorks judges what the broker says of one topic: a detail when there is
// something to be said though it works.
func topicWorks(t *kmsg.MetadataResponseTopic, need kadm.ACLOperation, create bool) (string, error) {
	if t == nil {
		return "", kerr.UnknownTopicOrPartition
	}
	switch err := kerr.ErrorForCode(t.ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicOrPartition) && create:
		return "does not exist yet, will be created", nil
	case err != nil:
		return "", err
	}
	allowed := kadm.DecodeACLOperations(t.AuthorizedOperations)
	if len(allowed) > 0 && !slices.Contains(allowed, need) && !slices.Contains(allowed, kadm.OpAll) {
		return "", fmt.Errorf("this user may not %s it: %w", strings.ToLower(need.String()), kerr.TopicAuthorizationFailed)
	}
	for i := range t.Partitions {
		if err := kerr.ErrorForCode(t.Partitions[i].ErrorCode); err != nil && !errors.Is(err, kerr.ReplicaNotAvailable) {
			return "", fmt.Errorf("partition %d: %w", t.Partitions[i].Partition, err)
		}
	}
	return "", nil
}

// contents says how much is in a topic.
func contents(ctx context.Context, client *kgo.Client, name string) (string, error) {
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(ctx, name)
	if err != nil {
		return "", err
	}
	ends, err := admin.ListEndOffsets(ctx, name)
	if err != nil {
		return "", err
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return "", err
	}
	var records int64
	partitions := 0
	ends.Each(func(end kadm.ListedOffset) {
		partitions++
		if start, ok := starts.Lookup(name, end.Partition); ok {
			records += end.Offset - start.Offset
		}
	})
	return fmt.Sprintf("%d partitions, %d records", partitions, records), nil
}

// groupWorks asks who owns the consumer group. A member is no error: it is
// most likely the instance that runs already.
func groupWorks(ctx context.Context, client *kgo.Client, group string) Result {
	target, step := "group "+group, "describe"
	g, err := kafka.DescribeGroup(ctx, kadm.NewClient(client), group)
	switch {
	case err != nil:
		return outcome(target, step, "", err)
	case len(g.Members) > 0:
		return outcome(target, step, fmt.Sprintf("owned by %d member: another instance would be refused", len(g.Members)), nil)
	default:
		return outcome(target, step, "free", nil)
	}
}
