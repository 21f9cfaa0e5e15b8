package kafka

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Handler is given the records of a [Session].
type Handler interface {
	// Consume is given the next records, in one goroutine, one batch at a
	// time. The batch and what it refers to must not be retained. Consume is
	// called at least every [Config.PollInterval], if need be with a batch
	// without partitions. An error ends the session, which fails with it.
	Consume(ctx context.Context, batch *Batch) error
}

// Batch is what one poll gave.
type Batch struct {
	// Partitions are those that got on, ordered by topic and partition.
	Partitions []Partition
}

// Partition is the part of a batch that comes from one partition. The records
// are in the order of their offsets.
type Partition struct {
	// Topic and ID name the partition.
	Topic string
	ID    int32
	// Records are the records in offset order. There may be none when only
	// control records or poison lay between.
	Records []Record
	// Poison counts offsets that were skipped because their batch could not be
	// unpacked. To the accounting they are rejected events.
	Poison int64
	// Next is the offset to go on from when this batch has been dealt with.
	Next int64
	// HighWatermark is the offset that the next produced record would have
	// had when the batch was fetched: the lag is HighWatermark - Next.
	HighWatermark int64
}

// Lag returns the number of offsets between this batch and the end of the
// partition, as known when it was fetched; never negative.
func (p *Partition) Lag() int64 { return max(0, p.HighWatermark-p.Next) }

// Record is one record of a partition.
type Record struct {
	// Offset is the record's place in its partition.
	Offset int64
	// Timestamp is the record's own time in Unix nanoseconds (to the
	// millisecond): when it was created or appended, as the topic has it; 0 when
	// it has none.
	Timestamp int64
	// Value is nil for a tombstone.
	Value []byte
}

func recordOf(r *kgo.Record) Record {
	return Record{Offset: r.Offset, Timestamp: max(r.Timestamp.UnixNano(), 0), Value: r.Value}
}

// Offsets are the next offsets to consume, by topic and partition.
type Offsets map[string]map[int32]int64

// Set sets the next offset of a partition.
func (o Offsets) Set(topic string, partition int32, next int64) {
	if o[topic] == nil {
		o[topic] = make(map[int32]int64)
	}
	o[topic][partition] = next
}

// Get returns the next offset of a partition, and whether it has one.
func (o Offsets) Get(topic string, partition int32) (next int64, ok bool) {
	next, ok = o[topic][partition]
	return next, ok
}

// Clone returns a deep copy.
func (o Offsets) Clone() Offsets {
	c := make(Offsets, len(o))
	for topic, partitions := range o {
		c[topic] = maps.Clone(partitions)
	}
	return c
}

// each calls f for every partition in the order of topic and partition, until
// it returns an error.
func (o Offsets) each(f func(topic string, partition int32, next int64) error) error {
	for _, topic := range slices.Sorted(maps.Keys(o)) {
		for _, partition := range slices.Sorted(maps.Keys(o[topic])) {
			if err := f(topic, partition, o[topic][partition]); err != nil {
				return err
			}
		}
	}
	return nil
}
