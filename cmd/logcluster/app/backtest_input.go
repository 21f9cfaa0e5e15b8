package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/kafka"
	"github.com/logcluster/logcluster/ingest/recording"
)

// readFiles feeds files, one after the other.
func (b *backtest) readFiles(ctx context.Context) error {
	b.source(0, "backtest")
	for _, name := range b.o.Files {
		if err := b.readFile(ctx, name); err != nil {
			return fmt.Errorf("backtest %s: %w", name, err)
		}
	}
	return nil
}

func (b *backtest) readFile(ctx context.Context, name string) error {
	// Whoever allows less counts what is longer as too large himself.
	longest := max(b.o.Configs[sideA].Ingest.MaxRecordBytes, b.o.Configs[sideB].Ingest.MaxRecordBytes)
	in, err := recording.Open(name, recording.Options{MaxLineBytes: longest})
	if err != nil {
		return err
	}
	return in.Each(ctx, func(lines *recording.Batch) error {
		var records batch
		for i, line := range lines.Values {
			records.records = append(records.records, batchRecord{origin{partition: noPartition, offset: lines.Line + int64(i)}, line})
		}
		records.tooLong = lines.TooLong
		if err := b.take(ctx, &records, b.o.Tenant); err != nil {
			return err
		}
		if b.o.Progress != nil {
			b.o.Progress(in.Progress())
		}
		return nil
	})
}

// topicFeed reads a topic. Partitions are fetched as brokers like; they are fed so
// that none is far ahead of another in event time: always the one that is
// furthest behind.
type topicFeed struct {
	*backtest
	ctx   context.Context
	parts map[int32]*partFeed
}

// partFeed is a partition that has not been fed to its end.
type partFeed struct {
	queue  []batchRecord
	newest int64 // the highest event time fed
	ended  bool  // nothing more is fetched
}

// What waits in a queue, and how much is fed at once, in records.
const (
	maxQueued = 20_000
	feedChunk = 500
)

// readTopic feeds what a topic holds.
func (b *backtest) readTopic(ctx context.Context) error {
	cfg := b.o.Configs[sideA]
	if len(cfg.Kafka.Client.Brokers) == 0 {
		return errors.New("no broker to read the topic from: name kafka.brokers in the first configuration")
	}
	f := &topicFeed{backtest: b, ctx: ctx, parts: map[int32]*partFeed{}}
	b.accepted = func(o *observation) {
		if p := f.parts[o.origin.partition]; p != nil {
			p.newest = max(p.newest, o.event.Time)
		}
	}
	read, err := kafka.ReadTopic(ctx, &cfg.Kafka, b.o.Topic, kafka.ReadOptions{
		From: b.o.From, To: b.o.To, Progress: b.o.Progress, Logger: b.o.Logger,
		Found: f.found, Fetched: f.feed, Ended: func(partition int32) { f.parts[partition].ended = true },
		Hold: func(partition int32) bool { p := f.parts[partition]; return p != nil && len(p.queue) >= maxQueued },
	}, f.visit)
	if err == nil {
		err = f.feed()
	}
	if err != nil {
		return fmt.Errorf("backtest %s: %w", b.o.Topic, err)
	}
	for _, s := range b.sides {
		s.totals.Consumed += uint64(read.Poison)
		s.totals.Rejected[ingest.ReasonPoisonBatch] += uint64(read.Poison)
	}
	return nil
}

// found makes a partition known before the first record of any: it is waited for.
func (f *topicFeed) found(partition int32) {
	f.source(int(partition), fmt.Sprintf("%s/%d", f.o.Topic, partition))
	f.parts[partition] = &partFeed{}
}

// visit puts one record into its queue.
func (f *topicFeed) visit(partition int32, r kafka.Record) error {
	p := f.parts[partition]
	p.queue = append(p.queue, batchRecord{origin{int(partition), partition, r.Offset, r.Timestamp}, bytes.Clone(r.Value)})
	return nil
}

// feed feeds until the partition that is furthest behind has nothing to give. One
// that has ended holds nobody up.
func (f *topicFeed) feed() error {
	for len(f.parts) > 0 {
		slowest := int32(-1)
		for _, id := range slices.Sorted(maps.Keys(f.parts)) {
			if slowest < 0 || f.parts[id].newest < f.parts[slowest].newest {
				slowest = id
			}
		}
		p := f.parts[slowest]
		n := min(len(p.queue), feedChunk)
		switch {
		case n == 0 && !p.ended:
			return nil
		case n == 0:
			delete(f.parts, slowest)
			for _, s := range f.sides {
				s.engine.Windows().MarkSource(int(slowest), cluster.SourceIdle)
			}
			continue
		}
		if err := f.take(f.ctx, &batch{records: p.queue[:n]}, f.o.Topic); err != nil {
			return err
		}
		p.queue = slices.Delete(p.queue, 0, n)
	}
	return nil
}
