package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// How long a snapshot waits for the anomalies topic: while records wait
// themselves, and at the end. A stop has to be over in ten seconds, with the
// sinks' drains still to come; what is not in the topic by then is derived again
// at the next start. Nor does either wait long for the commit, which a Kafka
// that hangs does not answer.
const (
	flushTimeout  = time.Second
	stopTimeout   = 2 * time.Second
	commitTimeout = time.Second
)

// keeper writes snapshots and publishes their offsets. Its order is what
// "nothing is lost" rests on: what has left through Kafka is acknowledged, then
// the snapshot is on disk, then the offsets are committed, for people to look
// at. It belongs to the session's goroutine.
type keeper struct {
	every time.Duration
	dir   *stateDir
	take  func(now time.Time) *savedState
	// The sinks' undelivered rest is part of a snapshot. Nil for a sink that
	// is not configured.
	alertmanager *alertmanager.Sink
	loki         *loki.Sink
	// flush waits until the anomalies topic has everything; nil without one.
	flush  func(ctx context.Context) error
	commit func(ctx context.Context, o kafka.Offsets) error
	log    *slog.Logger

	savedAt time.Time
	// failing and behind say that the last snapshot, the last commit failed:
	// the log hears of a change only.
	failing, behind bool
	metrics         *keeperMetrics
}

type keeperMetrics struct {
	saved    prometheus.Counter
	failed   prometheus.Counter
	seconds  prometheus.Histogram
	bytes    prometheus.Gauge
	lastTime prometheus.Gauge
}

func newKeeperMetrics(reg prometheus.Registerer) *keeperMetrics {
	f := promauto.With(reg)
	m := &keeperMetrics{
		saved:  f.NewCounter(prometheus.CounterOpts{Name: "logcluster_snapshots_total", Help: "Snapshots of the state written."}),
		failed: f.NewCounter(prometheus.CounterOpts{Name: "logcluster_snapshot_failures_total", Help: "Snapshots that could not be written; nothing is committed without one."}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "logcluster_snapshot_duration_seconds", Help: "Time to take and write a snapshot; no record is processed meanwhile.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		bytes:    f.NewGauge(prometheus.GaugeOpts{Name: "logcluster_snapshot_size_bytes", Help: "Size of the last snapshot on disk; -1 before the first."}),
		lastTime: f.NewGauge(prometheus.GaugeOpts{Name: "logcluster_snapshot_timestamp_seconds", Help: "When the last snapshot was written, by the wall clock; -1 before the first."}),
	}
	m.bytes.Set(-1)
	m.lastTime.Set(-1)
	return m
}

// saveIfDue writes a snapshot when the last one is old enough. A failure is
// logged, counted and tried again: the stream goes on, and the old snapshot
// with its offsets still holds.
func (k *keeper) saveIfDue(ctx context.Context, now time.Time) error {
	if k.savedAt.IsZero() {
		k.savedAt = now
	}
	if now.Sub(k.savedAt) < k.every {
		return nil
	}
	k.savedAt = now
	if err := k.save(ctx, now, flushTimeout); err != nil {
		if !k.failing {
			k.log.Error("snapshot not written, trying again", "error", err)
		}
		k.failing = true
		return nil
	}
	if k.failing {
		k.log.Info("snapshots are written again")
	}
	k.failing = false
	return nil
}

func (k *keeper) save(ctx context.Context, now time.Time, wait time.Duration) (err error) {
	began := time.Now()
	defer func() {
		if err != nil {
			k.metrics.failed.Inc()
		}
	}()
	if k.flush != nil {
		flushing, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if err := k.flush(flushing); err != nil {
			return fmt.Errorf("flush anomalies topic: %w", err)
		}
	}
	s := k.take(now)
	if k.alertmanager != nil {
		s.Alertmanager = k.alertmanager.Snapshot()
	}
	if k.loki != nil {
		s.Loki = k.loki.Snapshot()
	}
	size, err := k.dir.save(s)
	if err != nil {
		return err
	}
	k.metrics.saved.Inc()
	k.metrics.bytes.Set(float64(size))
	k.metrics.lastTime.Set(float64(now.Unix()))
	k.metrics.seconds.Observe(time.Since(began).Seconds())
	k.publish(ctx, s.Offsets)
	return nil
}

// publish commits offsets. The snapshot is the truth; the commit is for people
// to look at.
func (k *keeper) publish(ctx context.Context, o kafka.Offsets) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	err := k.commit(ctx, o)
	switch {
	case err != nil && !k.behind:
		k.log.Warn("offsets not committed, trying again", "error", err)
	case err == nil && k.behind:
		k.log.Info("offsets are committed again")
	}
	k.behind = err != nil
}

// stop writes the last snapshot. After a failure of the session the state may be
// in the middle of a batch: then the snapshot before it is the one to go on
// from.
func (k *keeper) stop(failure error) error {
	if failure == nil {
		return k.save(context.Background(), time.Now(), stopTimeout)
	}
	return nil
}
