package policy

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// sourceMetrics are what every source tells of itself.
type sourceMetrics struct {
	succeeded, failed prometheus.Counter
	lastSuccess       prometheus.Gauge
	objects           [numKinds]prometheus.Gauge
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
