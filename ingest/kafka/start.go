package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// resolveStart finds the offset to start from for every partition: that of the
// snapshot, else the committed one, else the configured end of the partition.
// One that the partition does not have is an error: what was between cannot be
// read any more, and an operator has to know.
func (s *Session) resolveStart(ctx context.Context) error {
	starts, err := listOffsets(ctx, s.admin.ListStartOffsets, s.cfg.Topics)
	if err != nil {
		return fmt.Errorf("list start offsets: %w", err)
	}
	ends, err := listOffsets(ctx, s.admin.ListEndOffsets, s.cfg.Topics)
	if err != nil {
		return fmt.Errorf("list end offsets: %w", err)
	}
	committed, err := s.committed(ctx)
	if err != nil {
		return err
	}
	position, err := s.chooseStart(starts, ends, committed)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.position, s.ends = position, ends
	return position.each(func(topic string, partition int32, _ int64) error {
		s.announce = append(s.announce, topicPartition{topic, partition})
		return nil
	})
}

func (s *Session) chooseStart(starts, ends, committed Offsets) (Offsets, error) {
	position := Offsets{}
	var errs []error
	_ = starts.each(func(topic string, partition int32, first int64) error {
		end, _ := ends.Get(topic, partition)
		next, origin := s.startOf(topic, partition, first, end, committed)
		if next < first || next > end {
			errs = append(errs, fmt.Errorf(
				"start topic %s partition %d: the offset %d of the %s is outside of what the partition holds (%d to %d): "+
					"retention has removed it or the topic was made anew", topic, partition, next, origin, first, end))
		}
		position.Set(topic, partition, next)
		return nil
	})
	_ = s.opts.Resume.each(func(topic string, partition int32, _ int64) error {
		if _, ok := starts.Get(topic, partition); !ok && slices.Contains(s.cfg.Topics, topic) {
			errs = append(errs, fmt.Errorf(
				"start topic %s partition %d: it is in the snapshot but not in the topic: the topic was made anew", topic, partition))
		}
		return nil
	})
	return position, errors.Join(errs...)
}

func (s *Session) startOf(topic string, partition int32, first, end int64, committed Offsets) (next int64, origin string) {
	if next, ok := s.opts.Resume.Get(topic, partition); ok {
		return next, "snapshot"
	}
	if len(s.opts.Resume[topic]) > 0 {
		return first, "beginning" // a partition added since the snapshot
	}
	if next, ok := committed.Get(topic, partition); ok {
		return next, "group's last commit"
	}
	if s.cfg.Start == StartLatest {
		return end, StartLatest
	}
	return first, StartEarliest
}

func (s *Session) committed(ctx context.Context) (Offsets, error) {
	responses, err := s.admin.FetchOffsets(ctx, s.cfg.Group)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		return Offsets{}, nil
	case err != nil:
		return nil, fmt.Errorf("fetch committed offsets of group %s: %w", s.cfg.Group, err)
	}
	offsets := Offsets{}
	var errs []error
	responses.Each(func(r kadm.OffsetResponse) {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("fetch committed offset of %s/%d: %w", r.Topic, r.Partition, r.Err))
		} else if r.At >= 0 {
			offsets.Set(r.Topic, r.Partition, r.At)
		}
	})
	return offsets, errors.Join(errs...)
}

func listOffsets(
	ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error), topics []string,
) (Offsets, error) {
	listed, err := list(ctx, topics...)
	if err != nil {
		return nil, err
	}
	offsets := Offsets{}
	var errs []error
	listed.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			errs = append(errs, fmt.Errorf("%s/%d: %w", o.Topic, o.Partition, o.Err))
			return
		}
		offsets.Set(o.Topic, o.Partition, o.Offset)
	})
	return offsets, errors.Join(errs...)
}

// adjustOffsets is asked by the client where to start the partitions that it
// was assigned: always where the session's own position is. A partition that it
// has none in was added to the topic while the session ran and is read from its
// beginning.
func (s *Session) adjustOffsets(
	_ context.Context, offsets map[string]map[int32]kgo.Offset,
) (map[string]map[int32]kgo.Offset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, partitions := range offsets {
		for partition := range partitions {
			if next, ok := s.position.Get(topic, partition); ok {
				partitions[partition] = kgo.NewOffset().At(next)
				continue
			}
			s.logger.Info("partition added", "topic", topic, "partition", partition)
			s.position.Set(topic, partition, 0)
			s.announce = append(s.announce, topicPartition{topic, partition})
			partitions[partition] = kgo.NewOffset().AtStart()
		}
	}
	return offsets, nil
}

func (b *Batch) sort() {
	slices.SortStableFunc(b.Partitions, func(x, y Partition) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.ID, y.ID))
	})
}
