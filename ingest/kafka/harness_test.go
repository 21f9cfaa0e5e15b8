package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests; nothing normal comes near it.
const patience = 30 * time.Second

func newCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(2), kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "33554432", "group.initial.rebalance.delay.ms": "0"}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func clientConfig(c *kfake.Cluster) ClientConfig {
	cfg := DefaultClientConfig()
	cfg.Brokers = c.ListenAddrs()
	return cfg
}

func sessionConfig(c *kfake.Cluster, topics ...string) Config {
	cfg := DefaultConfig()
	cfg.Client, cfg.Topics = clientConfig(c), topics
	cfg.SessionTimeout, cfg.PollInterval = time.Second, 50*time.Millisecond
	return cfg
}

func newProducer(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cfg := clientConfig(c)
	client, err := NewClient(&cfg, slog.New(slog.DiscardHandler), append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(32 << 20),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func produce(t *testing.T, client *kgo.Client, topic string, partition int32, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
		if v == "<null>" {
			r.Value = nil
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// collector is a handler that keeps copies of everything.
type collector struct {
	mu      sync.Mutex
	changed chan struct{}
	records []string // topic/partition@offset=value
	seen    map[string]Partition
	poison  []string
	err     error
	block   chan struct{} // when not nil, Consume waits until it is closed
}

func newCollector() *collector {
	return &collector{changed: make(chan struct{}), seen: map[string]Partition{}}
}

func (c *collector) Consume(_ context.Context, b *Batch) error {
	if c.block != nil {
		<-c.block
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range b.Partitions {
		name := fmt.Sprintf("%s/%d", p.Topic, p.ID)
		last := p
		last.Records = nil
		c.seen[name] = last
		if p.Poison > 0 {
			c.poison = append(c.poison, fmt.Sprintf("%s:%d-%d", name, p.Next-p.Poison, p.Next-1))
		}
		for _, r := range p.Records {
			c.records = append(c.records, fmt.Sprintf("%s@%d=%.20s", name, r.Offset, r.Value))
		}
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return c.err
}

// until waits for a condition on what was collected.
func (c *collector) until(t *testing.T, what string, condition func(*collector) bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		ok, changed := condition(c), c.changed
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Fatalf("no %s within %v; records %q, poison %q, partitions %+v", what, patience, c.records, c.poison, c.seen)
		}
	}
}

func (c *collector) untilRecords(t *testing.T, n int) {
	t.Helper()
	c.until(t, fmt.Sprintf("%d records", n), func(c *collector) bool { return len(c.records) >= n })
}

// offsets returns what the collector has consumed, as a snapshot would have it.
func (c *collector) offsets() Offsets {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := Offsets{}
	for _, p := range c.seen {
		o.Set(p.Topic, p.ID, p.Next)
	}
	return o
}

func start(t *testing.T, s services.Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// The context of StartAsync is that of the service's whole life.
	if err := s.StartAsync(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	if err := s.AwaitRunning(ctx); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, s services.Service) {
	t.Helper()
	s.StopAsync()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.AwaitTerminated(ctx) // a test that cares looks at FailureCase
	if state := s.State(); state != services.Terminated && state != services.Failed {
		t.Fatalf("service did not stop: %v", state)
	}
}

// failure starts a service that is to fail, or waits for a running one to, and
// returns the error.
func failure(t *testing.T, s services.Service) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s.State() == services.New {
		if err := s.StartAsync(ctx); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.AwaitTerminated(ctx)
	if s.State() != services.Failed {
		t.Fatalf("service is %v, not failed", s.State())
	}
	return s.FailureCase().Error()
}

func wantContains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}
