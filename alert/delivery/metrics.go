package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Dropped is why something was given up, as a bounded metric label.
type Dropped string

// The reasons for dropping.
const (
	QueueFull     Dropped = "queue_full"    // the bound was reached: the oldest line, or the newest alert, went
	RefusedByPeer Dropped = "refused"       // the server will never take it
	TooLargeAlone Dropped = "too_large"     // a single one that the server finds too large
	NotEncodable  Dropped = "not_encodable" // it has no JSON form
	TooOld        Dropped = "too_old"       // past max_age at delivery: listed as missed
)

// Metrics are those of one sink: its servers are told apart by the label
// target, the sinks by the label sink.
type Metrics struct {
	reg      prometheus.Registerer
	sent     *prometheus.CounterVec
	failures *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers the metrics of a sink.
func NewMetrics(reg prometheus.Registerer, sink string) *Metrics {
	if reg != nil {
		reg = prometheus.WrapRegistererWith(prometheus.Labels{"sink": sink}, reg)
	}
	f := promauto.With(reg)
	return &Metrics{
		reg: reg,
		sent: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_delivery_sent_total",
			Help: "Alerts (Alertmanager; resends included) and lines (Loki) that the server accepted.",
		}, []string{"target"}),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_delivery_failures_total",
			Help: "Requests that were not accepted, by reason. Most are tried again.",
		}, []string{"target", "reason"}),
		dropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_delivery_dropped_total",
			Help: "Alerts and lines that will not be delivered, by reason.",
		}, []string{"target", "reason"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "logcluster_delivery_request_duration_seconds",
			Help:    "Duration of requests, failed ones included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"target"}),
	}
}

// Queue is what the gauges of a target are read from.
type Queue interface {
	// Len is how many wait, Cap how many may.
	Len() int
	Cap() int
	// OldestAge is how long the oldest has been waiting, zero when none is.
	OldestAge() time.Duration
}

// Target are the metrics of one server of a sink.
type Target struct {
	sent     prometheus.Counter
	failures *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	duration prometheus.Observer
}

// Target registers the gauges of one server and starts its series at zero. The
// name becomes a label: a configured URL.
func (m *Metrics) Target(name string, q Queue) *Target {
	labels := prometheus.Labels{"target": name}
	f := promauto.With(m.reg)
	gauge := func(metric, help string, read func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help, ConstLabels: labels}, read)
	}
	gauge("logcluster_delivery_queue_entries", "What waits for delivery.", func() float64 { return float64(q.Len()) })
	gauge("logcluster_delivery_queue_capacity_entries", "How much may wait for delivery.", func() float64 { return float64(q.Cap()) })
	gauge("logcluster_delivery_oldest_pending_age_seconds", "How long the oldest undelivered has been waiting; 0 when nothing waits.",
		func() float64 { return q.OldestAge().Seconds() })
	t := &Target{
		sent:     m.sent.With(labels),
		failures: m.failures.MustCurryWith(labels),
		dropped:  m.dropped.MustCurryWith(labels),
		duration: m.duration.With(labels),
	}
	for _, r := range Reasons() {
		t.failures.WithLabelValues(string(r))
	}
	for _, r := range []Dropped{QueueFull, RefusedByPeer, TooLargeAlone, NotEncodable, TooOld} {
		t.dropped.WithLabelValues(string(r))
	}
	return t
}

// Request records a request that carried n alerts or lines.
func (t *Target) Request(a Answer, n int, took time.Duration) {
	t.duration.Observe(took.Seconds())
	if a.Verdict == Accepted {
		t.sent.Add(float64(n))
		return
	}
	t.failures.WithLabelValues(string(a.Reason)).Inc()
}

// Drop counts n that will not be delivered.
func (t *Target) Drop(why Dropped, n int) { t.dropped.WithLabelValues(string(why)).Add(float64(n)) }
