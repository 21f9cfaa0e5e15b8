package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics exports the counts of decoding: its side of the accounting identity.
// It is safe for concurrent use.
type Metrics struct {
	consumed, emitted   prometheus.Counter
	rejected            [ReasonCount]prometheus.Counter
	filtered            [RuleCount]prometheus.Counter
	truncated, redacted prometheus.Counter
}

// NewMetrics registers the metrics; a nil registerer does not.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &Metrics{
		consumed:  counter("logcluster_ingest_events_consumed_total", "Events met in records: emitted + rejected + filtered."),
		emitted:   counter("logcluster_ingest_events_emitted_total", "Events decoded and handed to the next stage, one a request."),
		truncated: counter("logcluster_ingest_fields_truncated_total", "Fields of events cut to a limit."),
		redacted:  counter("logcluster_ingest_secrets_redacted_total", "Secrets masked in the text of events."),
	}
	rejected := f.NewCounterVec(prometheus.CounterOpts{
		Name: "logcluster_ingest_events_rejected_total",
		Help: "Events that could not be used, by reason.",
	}, []string{"reason"})
	for _, r := range Reasons() {
		m.rejected[r] = rejected.WithLabelValues(r.String())
	}
	filtered := f.NewCounterVec(prometheus.CounterOpts{
		Name: "logcluster_ingest_events_filtered_total",
		Help: "Events left out so that a request counts once, by rule.",
	}, []string{"rule"})
	for _, r := range Rules() {
		m.filtered[r] = filtered.WithLabelValues(r.String())
	}
	return m
}

// Add adds the counts of a result.
func (m *Metrics) Add(r *Result) {
	m.consumed.Add(float64(r.Consumed()))
	m.emitted.Add(float64(r.Emitted))
	m.truncated.Add(float64(r.Truncated))
	m.redacted.Add(float64(r.Redacted))
	for _, reason := range Reasons() {
		if n := r.Rejected[reason]; n > 0 {
			m.rejected[reason].Add(float64(n))
		}
	}
	for _, rule := range Rules() {
		if n := r.Filtered[rule]; n > 0 {
			m.filtered[rule].Add(float64(n))
		}
	}
}
