package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// A Kafka that hangs must not hold up the detection and the other sinks: what
// the writer has no room for is owed, in order, and a flush says so.
func TestTopicOutletNeverBlocks(t *testing.T) {
	brokers, hang := hangingBroker(t)
	cfg := kafka.DefaultWriterConfig()
	cfg.Client.Brokers, cfg.Topic, cfg.CreateTopics, cfg.DrainTimeout = brokers, "anomalies", true, time.Millisecond
	writer := kafka.NewWriter(cfg, testLogger(t))
	if err := services.StartAndAwaitRunning(t.Context(), writer); err != nil {
		t.Fatal(err)
	}
	o := newTopicOutlet(writer, testLogger(t), prometheus.NewRegistry())
	hang()
	const more = 10
	changed := make([]alert.Alert, cfg.MaxBuffered+more)
	for i := range changed {
		changed[i].ID = fmt.Sprint(i)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.evaluated(changed, nil, nil)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the outlet waits for Kafka")
	}
	owed := len(changed) - maxUnderWay
	if got := len(o.owed); got != owed {
		t.Fatalf("%d are owed, want %d", got, owed)
	}
	for i := range o.owed {
		if got, want := o.owed[i].Headers[1].Value, fmt.Sprint(maxUnderWay+i); got != want {
			t.Fatalf("owed %d is %s, want %s", i, got, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := o.flush(ctx); err == nil {
		t.Error("flushed, with Kafka hanging")
	}
	if got := len(o.owed); got != owed {
		t.Errorf("after a flush in vain %d are owed, want %d", got, owed)
	}
}
