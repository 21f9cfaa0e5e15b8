package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logcluster/logcluster/ingest"
)

// pollReason is the bounded cause of an error that a poll gave.
type pollReason string

// The reasons of poll errors, the values of a metric's label.
const (
	pollOutOfRange    pollReason = "offset_out_of_range"
	pollTopicGone     pollReason = "topic_gone"
	pollDataLoss      pollReason = "data_loss"
	pollAuthorization pollReason = "authorization"
	pollGroup         pollReason = "group"
	pollTooLarge      pollReason = "batch_too_large"
	pollCorrupt       pollReason = "batch_corrupt"
	pollBroker        pollReason = "broker"
	pollClosed        pollReason = "closed"
	pollNetwork       pollReason = "network"
)

var pollReasons = []pollReason{
	pollOutOfRange, pollTopicGone, pollDataLoss, pollAuthorization, pollGroup,
	pollTooLarge, pollCorrupt, pollBroker, pollClosed, pollNetwork,
}

// classify says what an error of a poll is and whether the session must end
// with it. The client retries by itself what can be retried.
func classify(topic string, err error) (reason pollReason, fatal bool) {
	var (
		tooLarge *kgo.ErrDecompressTooLarge
		loss     *kgo.ErrDataLoss
		group    *kgo.ErrGroupSession
		broker   *kerr.Error
	)
	switch {
	case errors.As(err, &tooLarge):
		return pollTooLarge, false
	case errors.As(err, &loss):
		return pollDataLoss, true
	case errors.Is(err, kgo.ErrClientClosed):
		return pollClosed, true
	case errors.Is(err, kerr.OffsetOutOfRange):
		return pollOutOfRange, true
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return pollTopicGone, true
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed):
		return pollAuthorization, true
	case errors.As(err, &group):
		return pollGroup, groupErrorIsFatal(err)
	case errors.Is(err, kerr.CorruptMessage):
		return pollCorrupt, false
	case errors.As(err, &broker):
		return pollBroker, !kerr.IsRetriable(err)
	case topic == "":
		return pollNetwork, false
	default:
		// What else a partition's fetch can fail of is that its bytes make no
		// sense: a wrong checksum, length, magic or compression.
		return pollCorrupt, false
	}
}

// pollError sees to one error of a poll. It returns an error when the session
// must end.
func (s *Session) pollError(ctx context.Context, topic string, partition int32, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil // nothing to read, or stopping
	}
	reason, fatal := classify(topic, err)
	s.metrics.pollErrors.WithLabelValues(string(reason)).Inc()
	if fatal {
		next, _ := s.positionNow(topic, partition)
		return fmt.Errorf("read topic %s partition %d at offset %d: %w", topic, partition, next, err)
	}
	switch reason {
	case pollTooLarge:
		var tooLarge *kgo.ErrDecompressTooLarge
		errors.As(err, &tooLarge)
		s.skip(topicPartition{topic, partition}, tooLarge.NextOffset, reason, err)
	case pollCorrupt:
		s.corruptBatch(ctx, topicPartition{topic, partition}, err)
	default:
		s.logger.Warn("poll", "reason", string(reason), "topic", topic, "partition", partition, "err", err)
	}
	return nil
}

// A batch that cannot be unpacked may have been damaged on the way. It is
// fetched this often before it is given up.
const corruptAttempts = 3

func (s *Session) corruptBatch(ctx context.Context, tp topicPartition, cause error) {
	if s.corrupt[tp]++; s.corrupt[tp] < corruptAttempts {
		return
	}
	position, ok := s.positionNow(tp.topic, tp.partition)
	if !ok {
		return
	}
	s.skip(tp, batchEnd(ctx, s.client, s.logger, tp, position), pollCorrupt, cause)
}

func (s *Session) positionNow(topic string, partition int32) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position.Get(topic, partition)
}

// skip goes on behind a poison batch. What is skipped is counted, noted and
// handed to the application as a gap in its accounting.
func (s *Session) skip(tp topicPartition, next int64, reason pollReason, cause error) {
	s.mu.Lock()
	from, ok := s.position.Get(tp.topic, tp.partition)
	if !ok || next <= from {
		s.mu.Unlock()
		return
	}
	s.position.Set(tp.topic, tp.partition, next)
	end, _ := s.ends.Get(tp.topic, tp.partition)
	s.mu.Unlock()
	delete(s.corrupt, tp)

	s.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{tp.topic: {tp.partition: {Epoch: -1, Offset: next}}})
	s.batch.Partitions = append(s.batch.Partitions, Partition{
		Topic: tp.topic, ID: tp.partition, Poison: next - from, Next: next, HighWatermark: max(end, next),
	})
	s.metrics.poison(reason, next-from)
	s.logger.Error("poison batch skipped",
		"topic", tp.topic, "partition", tp.partition, "from_offset", from, "next_offset", next, "err", cause)
	if s.opts.Letters != nil {
		s.opts.Letters.Put(Letter{
			Reason: ingest.ReasonPoisonBatch.String(), Topic: tp.topic, Partition: tp.partition,
			Offset: from, LastOffset: next - 1, Count: next - from, Time: time.Now(), Detail: cause.Error(),
		})
	}
}

// batchEnd asks the broker for the damaged batch once more, as bytes, and
// returns the offset after it as its header has it. If the header makes no
// sense either, only one offset is given up.
func batchEnd(ctx context.Context, client *kgo.Client, logger *slog.Logger, tp topicPartition, position int64) int64 {
	raw, end, err := rawBatch(ctx, client, tp, position)
	if err != nil {
		logger.Warn("read damaged batch", "topic", tp.topic, "partition", tp.partition, "err", err)
		return position + 1
	}
	return endOfBatch(raw, position, end)
}

// endOfBatch reads the offset after a batch from its header. It is given the
// position that is stuck in the batch and the end of the partition, and returns
// position + 1 if the header does not fit between them.
func endOfBatch(raw []byte, position, end int64) int64 {
	base, next, _, ok := batchHeader(raw)
	if !ok || base > position || next <= position || next > end {
		return position + 1
	}
	return next
}

// batchHeader reads the header that a batch begins with: its first offset, the
// offset after it, and how many records are left in it. It is not ok if what is
// there is not the header of a batch.
func batchHeader(raw []byte) (base, next int64, records int32, ok bool) {
	// baseOffset int64, batchLength int32, partitionLeaderEpoch int32,
	// magic int8, crc int32, attributes int16, lastOffsetDelta int32,
	// baseTimestamp int64, maxTimestamp int64, producerId int64,
	// producerEpoch int16, baseSequence int32, records int32
	const lastDeltaAt, recordsAt = 23, 57
	if len(raw) < recordsAt+4 {
		return 0, 0, 0, false
	}
	base = int64(binary.BigEndian.Uint64(raw))
	delta := int64(int32(binary.BigEndian.Uint32(raw[lastDeltaAt:])))
	records = int32(binary.BigEndian.Uint32(raw[recordsAt:]))
	return base, base + delta + 1, records, base >= 0 && delta >= 0 && base+delta+1 > 0
}

// rawBatch fetches the bytes at a position, and the end of the partition.
func rawBatch(ctx context.Context, client *kgo.Client, tp topicPartition, position int64) (raw []byte, end int64, err error) {
	topics, err := kadm.NewClient(client).ListTopics(ctx, tp.topic)
	if err != nil {
		return nil, 0, err
	}
	detail := topics[tp.topic]
	p, ok := detail.Partitions[tp.partition]
	if !ok || p.Leader < 0 {
		return nil, 0, errors.New("the partition has no leader")
	}
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = tp.partition, position, 1<<10
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = tp.topic, detail.ID
	topic.Partitions = append(topic.Partitions, partition)
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = 1000, 1, 1<<10, -1
	request.Topics = append(request.Topics, topic)
	response, err := client.Broker(int(p.Leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, 0, err
	}
	fetched := response.(*kmsg.FetchResponse)
	if len(fetched.Topics) != 1 || len(fetched.Topics[0].Partitions) != 1 {
		return nil, 0, errors.New("the broker's answer has not the one partition asked for")
	}
	answer := &fetched.Topics[0].Partitions[0]
	return answer.RecordBatches, answer.HighWatermark, kerr.ErrorForCode(answer.ErrorCode)
}
