// Package alertmanager keeps Alertmanagers informed of what is anomalous now.
//
// It holds a table, not a log: what is true of each set of labels. Every
// Alertmanager of the set is told the table at its own pace, changes at once and
// the rest every minute, and after an outage what is true then. An alert that
// Alertmanager is not reminded of expires there.
package alertmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery"
)

// Sink delivers alerts to every configured Alertmanager. It is a dskit service:
// nothing is sent before it is started, and a stop delivers the changes that
// wait, until drain_timeout. Its methods are safe for concurrent use.
type Sink struct {
	services.Service

	cfg      Config
	table    *table
	replicas []*replica
}

// New returns a sink that is not started. now is the wall clock; nil means
// [time.Now]. It reads the TLS files of the configuration.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) (*Sink, error) {
	return newSink(cfg, log, reg, now, nil)
}

func newSink(cfg Config, log *slog.Logger, reg prometheus.Registerer, now func() time.Time, transport http.RoundTripper) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure alertmanager: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	s := &Sink{cfg: cfg}
	s.table = newTable(&s.cfg, now)
	metrics := delivery.NewMetrics(reg, "alertmanager")
	for _, url := range cfg.URLs {
		client, err := delivery.NewClient(url, cfg.Client, transport)
		if err != nil {
			return nil, fmt.Errorf("configure alertmanager %s: %w", url, err)
		}
		log := log.With("sink", "alertmanager", "target", url)
		r := &replica{
			table: s.table, client: client, log: log,
			outage: delivery.NewOutage(cfg.Backoff, log, now),
			ledger: ledger{}, wake: make(chan struct{}, 1),
		}
		r.target = metrics.Target(url, r)
		s.replicas = append(s.replicas, r)
	}
	s.Service = services.NewBasicService(nil, s.run, s.stop).WithName("alertmanager sink")
	return s, nil
}

// Put says what is true of alerts: their state, and what they say. It never
// blocks and keeps nothing that the caller may change.
//
// It wants every change of state (firing, resolved) and, at each evaluation,
// the alerts that go on firing, with their new window: that refreshes the
// annotations, and tells a sink that was restored from an old snapshot what is
// still true. Pending alerts are ignored. An alert whose window ended more than
// max_age ago is not sent but listed in the alert about what was missed.
func (s *Sink) Put(alerts ...alert.Alert) {
	for i := range alerts {
		s.put(&alerts[i])
	}
	for _, r := range s.replicas {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (s *Sink) put(a *alert.Alert) {
	if _, err := json.Marshal(a); err != nil {
		s.drop(delivery.NotEncodable)
		return
	}
	switch s.table.put(a) {
	case listedAsMissed:
		s.drop(delivery.TooOld)
	case droppedAtBound:
		s.drop(delivery.QueueFull)
	}
}

func (s *Sink) drop(why delivery.Dropped) {
	for _, r := range s.replicas {
		r.target.Drop(why, 1)
	}
}

// Snapshot returns what is true now, to be saved. It shares nothing with the
// sink.
func (s *Sink) Snapshot() State { return s.table.snapshot() }

// Restore replaces what is true by a snapshot, before the start. It restores
// what it can and returns what it could not as an error. When the snapshot is
// older than max_age, its firing alerts wait until they are put again.
func (s *Sink) Restore(state State) error { return s.table.restore(state) }

func (s *Sink) run(ctx context.Context) error {
	s.each(func(r *replica) { r.run(ctx) })
	<-ctx.Done() // without any replica there is nothing to do, and that is fine
	return nil
}

func (s *Sink) stop(error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	s.each(func(r *replica) {
		r.drain(ctx)
		if n := r.Len(); n > 0 {
			r.log.Warn("stopped before everything was delivered", "undelivered", n)
		}
		r.client.Close()
	})
	return nil
}

// each calls f for every replica at once and waits for all of them.
func (s *Sink) each(f func(*replica)) {
	var wg sync.WaitGroup
	for _, r := range s.replicas {
		wg.Go(func() { f(r) })
	}
	wg.Wait()
}

// Check asks every Alertmanager for its status and posts an empty list of
// alerts, and says what works. It needs no started sink.
func (s *Sink) Check(ctx context.Context) []delivery.Check {
	var checks []delivery.Check
	for _, r := range s.replicas {
		status := delivery.Check{Target: r.client.Base(), Step: "ask for its status"}
		a := r.client.Get(ctx, "/api/v2/status")
		if status.Err = a.Err; status.Err == nil {
			status.Detail, status.Err = describeStatus(a.Body)
		}
		post := delivery.Check{Target: r.client.Base(), Step: "post an empty list of alerts"}
		post.Err = r.client.Post(ctx, "/api/v2/alerts", []byte("[]"), jsonHeaders).Err
		checks = append(checks, status, post)
		r.client.Close()
	}
	return checks
}

// describeStatus reads the answer of /api/v2/status.
func describeStatus(body []byte) (string, error) {
	var status struct {
		Cluster     struct{ Status string }
		VersionInfo struct{ Version string }
	}
	if err := json.Unmarshal(body, &status); err != nil || status.VersionInfo.Version == "" {
		return "", fmt.Errorf("read status: this is not an Alertmanager")
	}
	return alert.Clean(fmt.Sprintf("Alertmanager %s, cluster %s", status.VersionInfo.Version, status.Cluster.Status), 200), nil
}
