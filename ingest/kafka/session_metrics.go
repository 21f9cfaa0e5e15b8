package kafka

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type sessionMetrics struct {
	records, bytes, poisoned *prometheus.CounterVec
	lag                      *prometheus.GaugeVec
	pollErrors               *prometheus.CounterVec
	commitFailures           prometheus.Counter
}

func newSessionMetrics(reg prometheus.Registerer) *sessionMetrics {
	f := promauto.With(reg)
	m := &sessionMetrics{
		records: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_ingest_records_total",
			Help: "Records read from Kafka.",
		}, []string{"topic"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_ingest_bytes_total",
			Help: "Bytes of the values of the records read from Kafka, unpacked.",
		}, []string{"topic"}),
		poisoned: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_ingest_poisoned_offsets_total",
			Help: "Offsets skipped because their batch could not be unpacked.",
		}, []string{"reason"}),
		lag: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "logcluster_ingest_lag_records",
			Help: "Offsets between the last record read and the end of the partition, as of the last fetch.",
		}, []string{"topic", "partition"}),
		pollErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "logcluster_ingest_poll_errors_total",
			Help: "Errors that polling Kafka gave, by cause.",
		}, []string{"reason"}),
		commitFailures: f.NewCounter(prometheus.CounterOpts{
			Name: "logcluster_ingest_commit_failures_total",
			Help: "Commits of offsets that failed.",
		}),
	}
	for _, reason := range pollReasons {
		m.pollErrors.WithLabelValues(string(reason))
	}
	for _, reason := range []pollReason{pollTooLarge, pollCorrupt} {
		m.poisoned.WithLabelValues(string(reason))
	}
	return m
}

func (m *sessionMetrics) batch(p *Partition, bytes int) {
	m.records.WithLabelValues(p.Topic).Add(float64(len(p.Records)))
	m.bytes.WithLabelValues(p.Topic).Add(float64(bytes))
	m.lag.WithLabelValues(p.Topic, strconv.Itoa(int(p.ID))).Set(float64(p.Lag()))
}

func (m *sessionMetrics) poison(reason pollReason, offsets int64) {
	m.poisoned.WithLabelValues(string(reason)).Add(float64(offsets))
}
