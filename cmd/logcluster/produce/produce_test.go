package produce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/logcluster/logcluster/ingest/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recordingOf writes n events, one a second, of three users in turn.
func recordingOf(t *testing.T, n int, start time.Time) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		at := start.Add(time.Duration(i) * time.Second).Format(microTime)
		fmt.Fprintf(w, `{"kind":"Event","auditID":"%d","user":{"username":"user-%d"},"requestReceivedTimestamp":"%s","stageTimestamp":"%s"}`+"\n", i, i%3, at, at)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "recording.zst")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func broker(t *testing.T) kafka.ClientConfig {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := kafka.DefaultClientConfig()
	cfg.Brokers = cluster.ListenAddrs()
	return cfg
}

// consume returns the records of a topic by partition.
func consume(t *testing.T, cfg kafka.ClientConfig, topic string, n int) map[int32][]*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[int32][]*kgo.Record{}
	for n > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records missing: %v", n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			got[r.Partition] = append(got[r.Partition], r)
			n--
		})
	}
	return got
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRun(t *testing.T) {
	start := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	cfg := broker(t)
	var progress int
	sum, err := Run(t.Context(), Options{
		Client: cfg, Topic: "audit", Create: true, Partitions: 3, Files: []string{recordingOf(t, 300, start)},
		Progress: func(read, total int64) {
			if read > total {
				t.Errorf("%d bytes read of %d", read, total)
			}
			progress++
		},
		Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Records != 300 || sum.Failed+sum.TooLong+sum.Timeless != 0 || sum.Bytes < 300*100 ||
		!sum.First.Equal(start) || !sum.Last.Equal(start.Add(299*time.Second)) {
		t.Errorf("summary: %+v", sum)
	}
	if progress == 0 {
		t.Error("no progress")
	}
	home := map[string]int32{}
	for partition, records := range consume(t, cfg, "audit", 300) {
		last := map[string]time.Time{}
		for _, r := range records {
			key := string(r.Key)
			if p, ok := home[key]; ok && p != partition {
				t.Fatalf("key %s is in partitions %d and %d", key, p, partition)
			}
			home[key] = partition
			if !r.Timestamp.After(last[key]) {
				t.Fatalf("key %s: %s after %s", key, r.Timestamp, last[key])
			}
			last[key] = r.Timestamp
		}
	}
	if len(home) != 3 {
		t.Errorf("%d keys, want one for each user", len(home))
	}
}

func TestRunRebased(t *testing.T) {
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg := broker(t)
	before := time.Now()
	sum, err := Run(t.Context(), Options{
		Client: cfg, Topic: "audit", Create: true, Files: []string{recordingOf(t, 10, start)},
		Rebase: true, NoKey: true, Speed: 90, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	if sum.Took < 90*time.Millisecond {
		t.Errorf("9 s at 90x took %s", sum.Took)
	}
	if span := sum.Last.Sub(sum.First); span != 9*time.Second {
		t.Errorf("the recorded time became %s", span)
	}
	if sum.Last.Before(before.Add(100*time.Millisecond-time.Millisecond)) || sum.Last.After(after) {
		t.Errorf("the last event happens at %s, published until %s", sum.Last, after)
	}
	for _, records := range consume(t, cfg, "audit", 10) {
		for _, r := range records {
			stamp := r.Timestamp.UTC().Format("2006-01-02T15:04:05.000")
			if !strings.Contains(string(r.Value), `"stageTimestamp":"`+stamp) || r.Key != nil {
				t.Errorf("record at %s with key %q: %s", stamp, r.Key, r.Value)
			}
		}
	}
}

func TestRunFails(t *testing.T) {
	cfg := broker(t)
	file := recordingOf(t, 5, time.Now())
	odd := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(odd, []byte("no json\n"+strings.Repeat("x", 2<<20)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx    context.Context
		change func(*Options)
		want   string
		sum    Summary
	}{
		"missing topic": {t.Context(), func(o *Options) { o.Topic = "absent" }, "do not exist", Summary{}},
		"missing file":  {t.Context(), func(o *Options) { o.Files = []string{"absent"} }, "open recording", Summary{}},
		"missing file, rebased": {t.Context(), func(o *Options) {
			o.Files, o.Rebase = []string{"absent"}, true
		}, "open recording", Summary{}},
		"interrupted": {cancelled, func(*Options) {}, "canceled", Summary{}},
		"too large for the broker": {t.Context(), func(o *Options) { o.Files = []string{odd} }, "publish to topic there", Summary{
			Records: 1, Bytes: 7, Failed: 1, Timeless: 1,
		}},
	}
	if _, err := Run(t.Context(), Options{Client: cfg, Topic: "there", Create: true, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := Options{Client: cfg, Topic: "there", Files: []string{file}, Logger: quiet()}
			test.change(&o)
			sum, err := Run(test.ctx, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			sum.Took = 0
			if sum != test.sum {
				t.Errorf("summary %+v, want %+v", sum, test.sum)
			}
		})
	}
}

func TestRunInterrupted(t *testing.T) {
	cfg := broker(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The second event is a second after the first: waiting for it is cut short.
	time.AfterFunc(100*time.Millisecond, cancel)
	sum, err := Run(ctx, Options{
		Client: cfg, Topic: "audit", Create: true, Speed: 1, Files: []string{recordingOf(t, 50, time.Now())},
		Logger: quiet(),
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if sum.Records != 1 || sum.Failed != 0 {
		t.Errorf("summary %+v: what was read is to be delivered", sum)
	}
}
