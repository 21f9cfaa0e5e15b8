package policy

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// sourceMetrics are what every source tells of itself.
type sourceMetrics struct {
	succeeded, failed prometheus.Counter
	lastSuccess       prometheus.Gauge
	objects           [numKinds]prometheus.Gauge

	mu     sync.Mutex
	health Health
}

// Health is how a source is doing.
type Health struct {
	// UpToDate is when the source was last known to be up to date, by the wall
	// clock; zero for never.
	UpToDate time.Time
	// Problem is why it is not now, empty when all is well.
	Problem string
}

// fresh notes that the source is up to date.
func (m *sourceMetrics) fresh() {
	m.lastSuccess.SetToCurrentTime()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.health = Health{UpToDate: time.Now()}
}

// failure notes that the source could not be read.
func (m *sourceMetrics) failure(err error) {
	m.failed.Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.health.Problem = err.Error()
}

func (m *sourceMetrics) now() Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.health
}

func newSourceMetrics(source string, reg prometheus.Registerer) *sourceMetrics {
	f := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"source": source}, reg))
	reloads := f.NewCounterVec(prometheus.CounterOpts{
		Name: "logcluster_policy_reloads_total",
		Help: "Times that a source read RBAC objects anew because they had changed, and times that it could not.",
	}, []string{"outcome"})
	objects := f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "logcluster_policy_objects",
		Help: "RBAC objects that a source knows.",
	}, []string{"kind"})
	m := &sourceMetrics{
		succeeded: reloads.WithLabelValues("success"),
		failed:    reloads.WithLabelValues("failure"),
		lastSuccess: f.NewGauge(prometheus.GaugeOpts{
			Name: "logcluster_policy_last_success_timestamp_seconds",
			Help: "When a source was last known to be up to date, as Unix time; -1 for never.",
		}),
	}
	m.lastSuccess.Set(-1)
	for k := range numKinds {
		m.objects[k] = objects.WithLabelValues(k.String())
	}
	return m
}

// count shows how many objects the source knows.
func (m *sourceMetrics) count(o *rbac.Objects) {
	m.objects[kindRole].Set(float64(len(o.Roles)))
	m.objects[kindClusterRole].Set(float64(len(o.ClusterRoles)))
	m.objects[kindRoleBinding].Set(float64(len(o.RoleBindings)))
	m.objects[kindClusterRoleBinding].Set(float64(len(o.ClusterRoleBindings)))
}
