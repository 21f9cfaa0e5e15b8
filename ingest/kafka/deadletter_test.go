package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readTopic returns the first n records of a topic.
func readTopic(t *testing.T, c *kfake.Cluster, topic string, n int) []*kgo.Record {
	t.Helper()
	client := newProducer(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var records []*kgo.Record
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(records) < n && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { records = append(records, r) })
	}
	return records
}

func deadLetterConfig(c *kfake.Cluster) DeadLetterConfig {
	cfg := DefaultDeadLetterConfig()
	cfg.Client, cfg.SummaryInterval = clientConfig(c), time.Hour
	return cfg
}

func letterOf(t *testing.T, r *kgo.Record) (l letterRecord) {
	t.Helper()
	if err := json.Unmarshal(r.Value, &l); err != nil {
		t.Fatalf("%q: %v", r.Value, err)
	}
	return l
}

func TestLetterIsWrittenWithItsSource(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := NewDeadLetter(deadLetterConfig(c), nil, nil)
	at := time.Date(2026, 3, 9, 14, 7, 31, 0, time.UTC)
	d.Put(Letter{Reason: "invalid_json", Topic: "audit", Partition: 3, Offset: 42, Time: at, Detail: "a \"quote\", \x1b[31m and \xff\n" + strings.Repeat("é", 400)})
	start(t, d)
	records := readTopic(t, c, "logcluster.dlq", 1)
	l := letterOf(t, records[0])
	detail := l.Detail
	l.Detail = ""
	want := letterRecord{SchemaVersion: 1, Reason: "invalid_json", Topic: "audit", Partition: 3, Offset: 42, LastOffset: 42, Count: 1, Time: "2026-03-09T14:07:31Z"}
	if l != want {
		t.Errorf("got %+v, want %+v", l, want)
	}
	if len(detail) > maxDetail+len("…") || strings.ContainsAny(detail, "\x1b\n") || !strings.HasPrefix(detail, `a "quote", `) {
		t.Errorf("detail %q", detail)
	}
	headers := fmt.Sprintf("%s", records[0].Headers)
	wantContains(t, headers, "{logcluster-reason invalid_json}", "{logcluster-topic audit}", "{logcluster-partition 3}", "{logcluster-offset 42}")
	if string(records[0].Key) != "audit/3" {
		t.Errorf("key %q", records[0].Key)
	}
}

// A flood costs a bounded number of letters and every record is accounted for.
func TestExcessIsSummedUpWithItsOffsets(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := deadLetterConfig(c)
	cfg.Burst, cfg.Rate = 10, 0.001
	d := NewDeadLetter(cfg, nil, nil)
	start(t, d)
	const flood = 5000
	for i := range flood {
		d.Put(Letter{Reason: "wrong_type", Topic: "audit", Partition: int32(i % 2), Offset: int64(i), Time: time.Now(), Detail: "x"})
	}
	stop(t, d)
	if err := d.FailureCase(); err != nil {
		t.Fatal(err)
	}
	records := readTopic(t, c, "logcluster.dlq", 12)
	var told int64
	sums := map[int32]letterRecord{}
	for _, r := range records {
		l := letterOf(t, r)
		told += l.Count
		if l.Summary {
			sums[l.Partition] = l
		}
	}
	if len(records) != 12 || told != flood {
		t.Errorf("%d letters about %d records, want 12 about %d", len(records), told, flood)
	}
	for partition, want := range [][2]int64{{10, 4998}, {11, 4999}} {
		if s := sums[int32(partition)]; s.Offset != want[0] || s.LastOffset != want[1] || s.Count != flood/2-5 {
			t.Errorf("partition %d: %+v, want offsets %v", partition, s, want)
		}
	}
	if n := testutil.ToFloat64(d.metrics.letters.WithLabelValues(letterSummed)); n != flood-10 {
		t.Errorf("%v summed up", n)
	}
}

func TestRateLimit(t *testing.T) {
	d := NewDeadLetter(DeadLetterConfig{Client: DefaultClientConfig(), Topic: "x", Queue: 1, Burst: 3, Rate: 2}, nil, nil)
	now := time.Unix(1, 0)
	allowed := func(after time.Duration) (n int) {
		now = now.Add(after)
		for d.allow(now) {
			n++
		}
		return n
	}
	for i, step := range []struct {
		after time.Duration
		want  int
	}{{0, 3}, {time.Second, 2}, {250 * time.Millisecond, 0}, {250 * time.Millisecond, 1}, {time.Hour, 3}} {
		if got := allowed(step.after); got != step.want {
			t.Errorf("step %d: %d allowed, want %d", i, got, step.want)
		}
	}
}

// The stream goes on whatever becomes of the letters: here nobody takes them.
func TestPutNeverBlocks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := deadLetterConfig(c)
	cfg.Queue, cfg.Burst, cfg.DrainTimeout = 10, 100_000, time.Second
	d := NewDeadLetter(cfg, nil, nil)
	start(t, d)
	c.Close()
	for i := range 10_000 {
		d.Put(Letter{Reason: "empty", Topic: "audit", Offset: int64(i)})
	}
	began := time.Now()
	stop(t, d)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if err := d.FailureCase(); err == nil {
		t.Error("letters were lost without an error")
	}
	// All that were taken one by one, and the sum of the rest. The client tells
	// of its own in its own time.
	summed := testutil.ToFloat64(d.metrics.letters.WithLabelValues(letterSummed))
	want, failed := 10_000-summed+1, 0.0
	tick, timeout := time.NewTicker(time.Millisecond), time.After(patience)
	defer tick.Stop()
	for failed != want {
		select {
		case <-tick.C:
			failed = testutil.ToFloat64(d.metrics.letters.WithLabelValues(letterFailed))
		case <-timeout:
			t.Fatalf("%v letters failed, want %v: the rest, %v, was summed up", failed, want, summed)
		}
	}
}

// When the buffer is full at the end, the sums wait for room in it.
func TestSumsAreWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := deadLetterConfig(c)
	cfg.Queue, cfg.Burst = 5, 5
	d := NewDeadLetter(cfg, nil, nil)
	for i := range 8 { // before it runs, so that all are there at once
		d.Put(Letter{Reason: "empty", Topic: "audit", Offset: int64(i), Time: time.Now()})
	}
	start(t, d)
	stop(t, d)
	if err := d.FailureCase(); err != nil {
		t.Fatal(err)
	}
	var told int64
	for _, r := range readTopic(t, c, "logcluster.dlq", 6) {
		l := letterOf(t, r)
		told += l.Count
	}
	if told != 8 {
		t.Errorf("letters about %d records, want 8", told)
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := DefaultWriterConfig()
	cfg.Client, cfg.Topic = clientConfig(c), "out"
	wantContains(t, failure(t, NewWriter(cfg, nil)), "[out]", "do not exist")
	cfg.CreateTopics = true
	w := NewWriter(cfg, nil)
	start(t, w)
	at := time.UnixMilli(1_700_000_000_123)
	if err := w.Write(t.Context(), Message{Key: []byte("k"), Value: []byte("v1"), Timestamp: at, Headers: []Header{{"h", "x"}}}); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 2)
	w.Send(t.Context(), Message{Key: []byte("k"), Value: []byte("v2")}, func(err error) { outcome <- err })
	w.TrySend(t.Context(), Message{Key: []byte("k"), Value: []byte("v3")}, func(err error) { outcome <- err })
	w.Send(t.Context(), Message{Key: []byte("k"), Value: []byte("v4")}, nil)
	stop(t, w)
	for range 2 {
		if err := <-outcome; err != nil {
			t.Error(err)
		}
	}
	records := readTopic(t, c, "out", 4)
	var values []string
	for _, r := range records {
		values = append(values, string(r.Value))
	}
	if got := strings.Join(values, " "); got != "v1 v2 v3 v4" {
		t.Errorf("values %q", got)
	}
	if r := records[0]; !r.Timestamp.Equal(at) || string(r.Key) != "k" || string(r.Headers[0].Value) != "x" {
		t.Errorf("record %+v", r)
	}
	if err := w.Write(t.Context(), Message{Value: []byte("late")}); err == nil {
		t.Error("a stopped writer took a message")
	}
}

func TestTrySendTellsThatTheBufferIsFull(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := DefaultWriterConfig()
	cfg.Client, cfg.Topic, cfg.CreateTopics, cfg.MaxBuffered, cfg.Linger = clientConfig(c), "out", true, 1, time.Minute
	w := NewWriter(cfg, nil)
	start(t, w)
	w.Send(t.Context(), Message{Value: []byte("lingers")}, nil)
	outcome := make(chan error, 1)
	w.TrySend(t.Context(), Message{Value: []byte("x")}, func(err error) { outcome <- err })
	if err := <-outcome; err != ErrFull { //nolint:errorlint // exactly this one is promised
		t.Errorf("error %v", err)
	}
}
