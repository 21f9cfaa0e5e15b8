package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// times is a handler that hands on the timestamps of records.
type times chan int64

func (t times) Consume(_ context.Context, b *Batch) error {
	for _, p := range b.Partitions {
		for _, r := range p.Records {
			t <- r.Timestamp
		}
	}
	return nil
}

// Kafka writes -1 for a record without a timestamp: that is none, and not a
// millisecond before 1970, which every event would be ahead of.
func TestRecordWithoutATimestamp(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "audit"))
	p := newProducer(t, c)
	for _, millis := range []int64{-1, 1_700_000_000_000} {
		r := &kgo.Record{Topic: "audit", Value: []byte("x"), Timestamp: time.UnixMilli(millis)}
		if err := p.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	got := make(times, 2)
	start(t, NewSession(sessionConfig(c, "audit"), got, Options{}))
	for _, want := range []int64{0, 1_700_000_000e9} {
		select {
		case have := <-got:
			if have != want {
				t.Errorf("timestamp %d, want %d", have, want)
			}
		case <-time.After(patience):
			t.Fatal("no record")
		}
	}
}
