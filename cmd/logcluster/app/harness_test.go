package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/ingest/recording"
)

const testTopic = "audit"

// broker starts an embedded Kafka with the topic of the tests.
func broker(t testing.TB, partitions int32) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, testTopic), kfake.AllowAutoTopicCreation(),
		kfake.BrokerConfigs(map[string]string{"group.min.session.timeout.ms": "1000"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// lines returns the lines of a recording.
func lines(t testing.TB, path string) [][]byte {
	t.Helper()
	in, err := recording.Open(path, recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out [][]byte
	for {
		batch, err := in.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range batch.Values {
			out = append(out, bytes.Clone(v))
		}
		batch.Release()
	}
}

// publish writes lines to the topic, those of one user to one partition, in
// order.
func publish(t testing.TB, brokers []string, values [][]byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(testTopic), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var once sync.Once
	var failed error
	for _, v := range values {
		client.Produce(context.Background(), &kgo.Record{Key: userOf(v), Value: v}, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// userOf returns the user of an audit event, without decoding all of it.
func userOf(line []byte) []byte {
	_, rest, _ := bytes.Cut(line, []byte(`"username":"`))
	user, _, _ := bytes.Cut(rest, []byte(`"`))
	return bytes.Clone(user)
}

// testConfig is a configuration for the brokers, with short waits.
func testConfig(t testing.TB, brokers []string, rbac string) *Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Kafka.Client.Brokers = brokers
	cfg.Kafka.Topics = []string{testTopic}
	cfg.Kafka.Group = "logcluster"
	cfg.Kafka.CreateTopics = true
	cfg.Kafka.PollInterval = 50 * time.Millisecond
	cfg.Kafka.SessionTimeout = time.Second
	cfg.State.Dir = t.TempDir()
	cfg.State.Interval = 200 * time.Millisecond
	cfg.Sources.IdleAfter = time.Minute // recorded time runs fast here
	cfg.Web.Listen = "127.0.0.1:0"
	if rbac != "" {
		cfg.Roles.Policy.Files.Paths = []string{rbac}
	}
	return &cfg
}

// running is an app that serves in the background.
type running struct {
	*App
	stop func() error

	mu      sync.Mutex
	changes []string // the changed alerts as JSON lines
}

func start(t testing.TB, cfg *Config) *running {
	t.Helper()
	r := &running{}
	app, err := New(Options{
		Config: cfg, Logger: testLogger(t), Registry: prometheus.NewRegistry(), Version: "test",
		Changed: func(a *alert.Alert) {
			line, err := jsonLines.MarshalToString(a)
			if err != nil {
				t.Error(err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changes = append(r.changes, line)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.App = app
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// await waits until the app has consumed n events and nothing waits in Kafka.
func (r *running) await(t testing.TB, n uint64) {
	t.Helper()
	r.until(t, func() bool {
		s := r.pipeline.board.Status()
		return s.Consumed >= n && s.Lag == 0
	})
}

// awaitSome waits until the app has consumed n events.
func (r *running) awaitSome(t testing.TB, n uint64) {
	t.Helper()
	r.until(t, func() bool { return r.pipeline.board.Status().Consumed >= n })
}

func (r *running) until(t testing.TB, done func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute) // the race detector takes its time
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not done in time: %+v", r.pipeline.board.Status())
		case <-tick.C:
		}
	}
}

func (r *running) changed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.changes)
}

func testLogger(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// places are what a record of Kafka has and one of a file has not.
var places = regexp.MustCompile(`"topic":"[^"]*",|"partition":\d+,|"offset":\d+,`)

// upTo returns the JSON lines of alerts whose window ended at or before the
// time, sorted.
func upTo(t testing.TB, lines []string, end time.Time) []string {
	t.Helper()
	var out []string
	for _, line := range lines {
		var a alert.Alert
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if !a.WindowEnd.After(end) {
			out = append(out, places.ReplaceAllString(line, ""))
		}
	}
	slices.Sort(out)
	return out
}
