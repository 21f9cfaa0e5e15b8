package app

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hangingBroker is an embedded Kafka that stops answering, with its connections
// left open, as one behind a broken network does.
func hangingBroker(t *testing.T) (brokers []string, hang func()) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic), kfake.AllowAutoTopicCreation(),
		kfake.BrokerConfigs(map[string]string{"group.min.session.timeout.ms": "1000"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var hanging atomic.Bool
	release := make(chan struct{})
	c.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if hanging.Load() {
			<-release
		}
		return nil, nil, false
	})
	t.Cleanup(func() { close(release) })
	return c.ListenAddrs(), func() { hanging.Store(true) }
}

// stopLimit is what the service promises for SIGTERM.
const stopLimit = 10 * time.Second

func stopInTime(t *testing.T, r *running) error {
	t.Helper()
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	select {
	case err := <-ended:
		t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
		return err
	case <-time.After(stopLimit):
		t.Fatalf("not stopped within %s", stopLimit)
		return nil
	}
}

// A Kafka that hangs must not hang the stop.
func TestStopWhileKafkaHangs(t *testing.T) {
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	brokers, hang := hangingBroker(t)
	publish(t, brokers, values[:5000])
	cfg := testConfig(t, brokers, rbac)
	r := start(t, cfg)
	r.await(t, 5000)
	hang()
	// A commit that hangs is given up, and the next snapshot is written.
	saved := snapshots(t, r)
	r.until(t, func() bool { return snapshots(t, r) >= saved+2 })
	if err := stopInTime(t, r); err != nil {
		t.Log("stop said:", err) // it may complain, but it must end
	}
	d := &stateDir{path: cfg.State.Dir}
	s, err := d.load()
	if err != nil || s == nil || s.Totals.Consumed != 5000 {
		t.Errorf("state after the stop: %+v, %v, want one of 5000 events", s, err)
	}
}

// snapshots returns how many have been written.
func snapshots(t *testing.T, r *running) float64 {
	t.Helper()
	families, err := r.o.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "logcluster_snapshots_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no metric of snapshots")
	return 0
}

// Whoever stops a service that can't start yet has not made a mistake.
func TestStopWhileStarting(t *testing.T) {
	brokers, hang := hangingBroker(t)
	hang()
	r := start(t, testConfig(t, brokers, ""))
	r.until(t, func() bool { return r.Addr() != nil })
	if err := stopInTime(t, r); err != nil {
		t.Errorf("stopped while it started: %v", err)
	}
}
