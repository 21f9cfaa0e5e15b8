package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadOptions are what [ReadTopic] works with besides its configuration.
type ReadOptions struct {
	// From and To bound what is read of each partition: from the first record at
	// or after From up to the last before To. Zero bounds are the start and the
	// end.
	From, To Bound
	// Hold reports whether a partition is to wait for others; it is asked before
	// every fetch. Nil holds nothing.
	Hold func(partition int32) bool
	// Fetched is called after every fetch has been visited; an error ends the
	// reading and is returned as it is. Nil does nothing.
	Fetched func() error
	// Found is told of every partition before anything is read. Nil is nobody.
	Found func(partition int32)
	// Ended is told when a partition has been read to its end. Nil is nobody.
	Ended func(partition int32)
	// Progress is told after every fetch how many offsets have been passed, of
	// all partitions together, and how many there are. Nil is nobody.
	Progress func(read, total int64)
	// Logger is where the reading logs; nil discards.
	Logger *slog.Logger
}

// Reading says what a topic held when it was read.
type Reading struct {
	// Partitions is the number of partitions, empty ones included.
	Partitions int
	// Records is the number of records visited, and Bytes the size of their
	// values.
	Records, Bytes int64
	// Poison counts offsets that were passed over because their batch could not
	// be unpacked.
	Poison int64
}

// ReadTopic visits every record that the topic holds now, and returns. Records
// that come while it reads are not waited for: each partition is read from its
// start to where its last stable offset was at the beginning, of transactions
// what was committed, or between the bounds of the options. It joins no group, commits nothing and creates nothing, so
// it can be done beside anything that consumes the topic. Of the configuration
// the client and the limits of fetching count.
//
// The records of one partition come in the order of their offsets, those of
// different partitions as the brokers give them, all from the calling goroutine.
// A record is valid until visit returns; an error of visit ends the reading and
// is returned as it is. What retention removes before it was read is not
// visited.
//
// The Reading holds up to the error, if there is one.
func ReadTopic(
	ctx context.Context, cfg *Config, topic string, o ReadOptions, visit func(partition int32, r Record) error,
) (Reading, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &topicReader{topic: topic, o: o, visit: visit, pending: map[int32]*partitionReader{}}
	var err error
	r.client, err = NewClient(&cfg.Client, o.Logger, append(
		fetchOptions(cfg),
		// An offset is out of range when retention was faster: what is left is read.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RetryTimeout(askTimeout))...)
	if err != nil {
		return Reading{}, err
	}
	defer r.client.Close()
	if err := r.lookUp(ctx); err != nil {
		return Reading{}, err
	}
	return r.sum, r.run(ctx)
}

const (
	// askTimeout bounds how long a broker that does not answer is asked again.
	askTimeout = 10 * time.Second
	// quietAfter is how long a poll waits for records before it is worth a
	// look whether there is anything to wait for.
	quietAfter = time.Second
	// stalledAfter is how long records that are there may fail to come.
	stalledAfter = time.Minute
)

// topicReader is one reading of a topic. It belongs to one goroutine.
type topicReader struct {
	topic  string
	o      ReadOptions
	visit  func(partition int32, r Record) error
	client *kgo.Client

	// pending are the partitions that have not been read to their ends.
	pending     map[int32]*partitionReader
	sum         Reading
	read, total int64
}

// partitionReader is where the reading of one partition is.
type partitionReader struct {
	// next is the offset to go on from and end the one to stop at.
	next, end int64
	// within says that next is where a batch was handed out up to: within it,
	// if its last records are compacted.
	within  bool
	corrupt int // errors in a row at next
}

// lookUp finds the partitions and what there is to read of each.
func (r *topicReader) lookUp(ctx context.Context) error {
	admin := kadm.NewClient(r.client)
	listed, err := admin.ListTopics(ctx, r.topic)
	if err == nil {
		err = listed[r.topic].Err
		if err == nil && !listed.Has(r.topic) {
			err = kerr.UnknownTopicOrPartition
		}
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("look up topic %s: it does not exist, or this user may not know of it: %w", r.topic, err)
	case err != nil:
		return fmt.Errorf("look up topic %s: %w", r.topic, err)
	}
	// The ends first: what is appended in between is not missed at the start.
	ends, err := listOffsets(ctx, admin.ListCommittedOffsets, []string{r.topic})
	if err != nil {
		return fmt.Errorf("list end offsets: %w", err)
	}
	starts, err := listOffsets(ctx, admin.ListStartOffsets, []string{r.topic})
	if err != nil {
		return fmt.Errorf("list start offsets: %w", err)
	}
	from := map[int32]kgo.Offset{}
	low, err := r.bound(ctx, admin, r.o.From)
	if err != nil {
		return err
	}
	high, err := r.bound(ctx, admin, r.o.To)
	if err != nil {
		return err
	}
	_ = ends.each(func(_ string, partition int32, _ int64) error {
		if r.o.Found != nil {
			r.o.Found(partition)
		}
		return nil
	})
	_ = ends.each(func(topic string, partition int32, end int64) error {
		r.sum.Partitions++
		first, ok := starts.Get(topic, partition)
		first = max(first, low(partition, 0))
		end = min(end, high(partition, end))
		if ok && first >= end && r.o.Ended != nil {
			r.o.Ended(partition)
		}
		if ok && first < end {
			r.pending[partition] = &partitionReader{next: first, end: end}
			r.total += end - first
			from[partition] = kgo.NewOffset().At(first)
		}
		return nil
	})
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: from})
	return nil
}

// balance holds partitions back that are to wait.
func (r *topicReader) balance() {
	if r.o.Hold == nil {
		return
	}
	for partition := range r.pending {
		one := map[string][]int32{r.topic: {partition}}
		if r.o.Hold(partition) {
			r.client.PauseFetchPartitions(one)
		} else {
			r.client.ResumeFetchPartitions(one)
		}
	}
}

func (r *topicReader) run(ctx context.Context) error {
	last := time.Now()
	for len(r.pending) > 0 {
		before := r.read
		r.balance()
		poll, cancel := context.WithTimeout(ctx, quietAfter)
		// Whole fetches, so that no batch is handed out in parts; see passGap.
		fetches := r.client.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("read topic %s: %w", r.topic, context.Cause(ctx))
		}
		err := r.take(ctx, fetches)
		if err == nil && r.o.Fetched != nil {
			err = r.o.Fetched()
		}
		if err == nil && r.read == before {
			err = r.passGaps(ctx)
		}
		if err != nil {
			return err
		}
		if r.o.Progress != nil {
			r.o.Progress(r.read, r.total)
		}
		if now := time.Now(); r.read != before {
			last = now
		} else if now.Sub(last) > stalledAfter {
			return fmt.Errorf("read topic %s: nothing came for %v, with %d of %d offsets left", r.topic, stalledAfter, r.total-r.read, r.total)
		}
	}
	return nil
}

// take visits what was fetched and sees to the errors among it.
func (r *topicReader) take(ctx context.Context, fetches kgo.Fetches) error {
	var first error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		at := r.pending[p.Partition]
		if first != nil || p.Topic != "" && at == nil {
			return
		}
		if first = r.records(p.Partition, at, p.Records); first == nil && p.Err != nil {
			first = r.failed(ctx, &p, at)
		}
	})
	return first
}

func (r *topicReader) records(partition int32, at *partitionReader, records []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	for _, record := range records {
		if record.Offset < at.next || record.Offset >= at.end {
			continue // handed out before a reset, or newer than the reading
		}
		if record.Attrs.IsControl() {
			continue
		}
		r.sum.Records++
		r.sum.Bytes += int64(len(record.Value))
		if err := r.visit(partition, recordOf(record)); err != nil {
			return err
		}
	}
	r.passed(partition, at, records[len(records)-1].Offset+1)
	at.within = true
	return nil
}

// passed moves a partition on, and ends its reading at its end.
func (r *topicReader) passed(partition int32, at *partitionReader, next int64) {
	next = min(next, at.end)
	if next <= at.next {
		return
	}
	r.read += next - at.next
	at.next, at.within, at.corrupt = next, false, 0
	if next == at.end {
		delete(r.pending, partition)
		if r.o.Ended != nil {
			r.o.Ended(partition)
		}
		r.client.RemoveConsumePartitions(map[string][]int32{r.topic: {partition}})
	}
}

// failed sees to one error of a poll. It returns an error when the reading must
// end.
func (r *topicReader) failed(ctx context.Context, p *kgo.FetchTopicPartition, at *partitionReader) error {
	if errors.Is(p.Err, context.DeadlineExceeded) || errors.Is(p.Err, context.Canceled) {
		return nil // nothing came
	}
	reason, fatal := classify(p.Topic, p.Err)
	switch {
	case at == nil && fatal:
		return fmt.Errorf("read topic %s: %w", r.topic, p.Err)
	case fatal:
		return fmt.Errorf("read topic %s partition %d at offset %d: %w", r.topic, p.Partition, at.next, p.Err)
	case reason == pollTooLarge:
		var tooLarge *kgo.ErrDecompressTooLarge
		errors.As(p.Err, &tooLarge)
		r.skip(p.Partition, at, tooLarge.NextOffset, p.Err)
	case reason == pollCorrupt:
		if at.corrupt++; at.corrupt >= corruptAttempts {
			r.skip(p.Partition, at, batchEnd(ctx, r.client, r.o.Logger, topicPartition{r.topic, p.Partition}, at.next), p.Err)
		}
	default:
		r.o.Logger.Warn("poll", "reason", string(reason), "topic", r.topic, "partition", p.Partition, "err", p.Err)
	}
	return nil
}

// skip goes on behind a poison batch.
func (r *topicReader) skip(partition int32, at *partitionReader, next int64, cause error) {
	from := at.next
	r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{r.topic: {partition: {Epoch: -1, Offset: next}}})
	r.passed(partition, at, next)
	r.sum.Poison += at.next - from
	r.o.Logger.Error("poison batch skipped",
		"topic", r.topic, "partition", partition, "from_offset", from, "next_offset", next, "err", cause)
}

// passGaps passes what holds no records any more: compaction and retention
// leave offsets behind that nothing will ever come for.
func (r *topicReader) passGaps(ctx context.Context) error {
	for _, partition := range slices.Sorted(maps.Keys(r.pending)) {
		at := r.pending[partition]
		for r.pending[partition] != nil {
			next, err := r.afterGap(ctx, partition, at)
			if err != nil {
				return fmt.Errorf("read topic %s partition %d at offset %d: %w", r.topic, partition, at.next, err)
			}
			if next <= at.next {
				break // there are records: they are on their way
			}
			r.passed(partition, at, next)
		}
	}
	return nil
}

// afterGap looks at what stands at the position of a partition and returns the
// offset after it, or the position itself if records stand there.
func (r *topicReader) afterGap(ctx context.Context, partition int32, at *partitionReader) (next int64, err error) {
	raw, _, err := rawBatch(ctx, r.client, topicPartition{r.topic, partition}, at.next)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		starts, err := listOffsets(ctx, kadm.NewClient(r.client).ListStartOffsets, []string{r.topic})
		if err != nil {
			return 0, err
		}
		first, _ := starts.Get(r.topic, partition)
		return first, nil
	}
	if err != nil {
		return 0, err
	}
	base, end, records, ok := batchHeader(raw)
	switch {
	case len(raw) == 0, ok && base >= at.end:
		return at.end, nil
	case !ok:
		return at.next, nil // it makes no sense: the client will say so
	case records == 0, base < at.next && at.within:
		// A batch comes as a whole: behind a position that was reached within
		// it there is nothing left of it.
		return end, nil
	case base > at.next:
		return base, nil
	default:
		return at.next, nil
	}
}
