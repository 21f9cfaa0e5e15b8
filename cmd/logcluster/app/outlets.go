package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// changedOutlet tells a function of every change.
type changedOutlet func(*alert.Alert)

func (o changedOutlet) evaluated(changed, _, _ []alert.Alert) {
	for i := range changed {
		o(&changed[i])
	}
}

// alertmanagerOutlet tells Alertmanager what is true and people are to be told.
type alertmanagerOutlet struct {
	sink *alertmanager.Sink
	// hushed are the alerts that fire and are suppressed, of which Alertmanager has
	// been told that they are over: it may have heard of them before.
	hushed map[string]bool
}

// maxHushed bounds what is remembered: beyond it everything is told once more.
const maxHushed = 10_000

func (o *alertmanagerOutlet) evaluated(changed, firing, _ []alert.Alert) {
	o.sink.Put(o.heard(changed)...)
	o.sink.Put(o.heard(firing)...)
}

// heard returns the alerts that people are told of. What is suppressed is over for
// them, once, until it is not suppressed any more.
func (o *alertmanagerOutlet) heard(alerts []alert.Alert) []alert.Alert {
	out := make([]alert.Alert, 0, len(alerts))
	for _, a := range alerts {
		switch {
		case a.Suppressed == "" || a.State != string(anomaly.Firing):
			delete(o.hushed, a.ID)
		case o.hushed[a.ID]:
			continue
		default:
			if len(o.hushed) >= maxHushed {
				clear(o.hushed)
			}
			o.hushed[a.ID] = true
			a.State, a.ResolvedAt = string(anomaly.Resolved), &a.WindowEnd
		}
		out = append(out, a)
	}
	return out
}

// lokiOutlet writes a line for every change of an alert, and one for every
// evaluation that an alert goes on through.
type lokiOutlet struct{ sink *loki.Sink }

func (o lokiOutlet) evaluated(changed, firing, withheld []alert.Alert) {
	o.sink.Put(loki.Change, changed...)
	o.sink.Put(loki.Change, withheld...)
	o.sink.Put(loki.Evaluation, firing...)
}

// What the anomalies topic may hold up (about 4 KB each): records that are under
// way, fewer than the writer's own bound, at which it would wait; and records
// that it had no room for or has refused, which are tried again.
const (
	maxUnderWay = 5_000
	maxOwed     = 10_000
)

// topicOutlet writes every change of an alert to the anomalies topic, keyed by
// tenant, with the cluster in a header.
type topicOutlet struct {
	writer  *kafka.Writer
	log     *slog.Logger
	written prometheus.Counter
	failed  prometheus.Counter
	dropped prometheus.Counter

	mu       sync.Mutex
	underWay int
	// owed are the records that are not under way, oldest first.
	owed []kafka.Message
}

func newTopicOutlet(w *kafka.Writer, log *slog.Logger, reg prometheus.Registerer) *topicOutlet {
	f := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "logcluster_anomaly_records_total",
		Help: "Records of the anomalies topic, by outcome; a failed one is tried again until it is dropped at the bound.",
	}, []string{"outcome"})
	return &topicOutlet{
		writer: w, log: log, written: f.WithLabelValues("written"),
		failed: f.WithLabelValues("failed"), dropped: f.WithLabelValues("dropped"),
	}
}

func (o *topicOutlet) evaluated(changed, _, withheld []alert.Alert) {
	o.write(changed)
	o.write(withheld)
}

// write sends changes to the topic.
func (o *topicOutlet) write(changed []alert.Alert) {
	for i := range changed {
		a := &changed[i]
		value, err := jsonLines.Marshal(a)
		if err != nil {
			o.dropped.Inc()
			o.log.Error("anomaly not encoded", "id", a.ID, "error", err)
			continue
		}
		o.send(kafka.Message{
			Key:   []byte(a.Tenant),
			Value: value,
			Headers: []kafka.Header{
				{Key: "cluster", Value: a.Cluster}, {Key: "id", Value: a.ID}, {Key: "state", Value: a.State},
			},
		})
	}
}

// send writes a record in the background. When that fails, when too many are
// under way, or when others wait before it, it is owed.
func (o *topicOutlet) send(m kafka.Message) {
	o.mu.Lock()
	if o.underWay >= maxUnderWay || len(o.owed) > 0 {
		o.owe(m)
		o.mu.Unlock()
		return
	}
	o.underWay++
	o.mu.Unlock()
	o.writer.Send(context.Background(), m, func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.underWay--
		if err == nil {
			o.written.Inc()
			return
		}
		o.failed.Inc()
		o.owe(m)
	})
}

// owe keeps a record for later, at the cost of the oldest. The caller holds the
// lock.
func (o *topicOutlet) owe(m kafka.Message) {
	if len(o.owed) >= maxOwed {
		o.owed = o.owed[1:]
		o.dropped.Inc()
	}
	o.owed = append(o.owed, m)
}

// flush waits until the topic has everything. An error means that it does not:
// then no snapshot may be written, so that a restart derives what is missing
// once more.
func (o *topicOutlet) flush(ctx context.Context) error {
	o.mu.Lock()
	again := o.owed
	o.owed = nil
	o.mu.Unlock()
	for _, m := range again {
		o.send(m)
	}
	if err := o.writer.Flush(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.owed) > 0 {
		return fmt.Errorf("%d anomalies are not in their topic", len(o.owed))
	}
	return nil
}
