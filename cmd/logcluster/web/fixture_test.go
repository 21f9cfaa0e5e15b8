package web

import (
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/logcluster/logcluster/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wall is the wall clock of these tests, and watermark the event time.
var (
	wall      = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	watermark = time.Date(2026, 11, 2, 14, 31, 30, 0, time.UTC)
)

// hostile is a user name as an attacker would choose it: markup, a script, a
// template, an attribute's end, terminal escapes and a bidirectional override.
//
// It is cleaned as the application does, which leaves the markup to the page.
var hostile = alert.Clean("</bdi></th><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"+
	"{{.Version}}{{`"+"`}}' onmouseover='document.title=1' \x1b[31mred\x1b]0;title\x07 \u202Egpj.exe ${jndi:x}", 256)

// fixed is a source that always says the same.
type fixed struct {
	status    Status
	anomalies []Anomaly
}

func (f *fixed) Status() Status       { return f.status }
func (f *fixed) Anomalies() []Anomaly { return f.anomalies }
func quietLogger() *slog.Logger       { return slog.New(slog.DiscardHandler) }
func pointer(t time.Time) *time.Time  { return &t }

func minutesAgo(n float64) time.Time {
	return watermark.Add(-time.Duration(n * float64(time.Minute)))
}

func wave(n int, f func(i int) float64) (out []float64) {
	for i := range n {
		out = append(out, f(i))
	}
	return out
}

// story is a source with anomalies of every kind.
func story() *fixed {
	noise := func(i int) float64 { return math.Abs(math.Sin(float64(i) * 12.9898)) }
	base := func(id string, rank int, z float64, severity string) alert.Alert {
		return alert.Alert{
			SchemaVersion: 1, ID: id, State: "firing", Tenant: "production", Cluster: "00c1" + id, RoleSource: "rbac",
			Z: z, Rank: rank, Severity: severity, WindowStart: minutesAgo(5), WindowEnd: watermark, Parts: []alert.Part{},
			LogQL: `{job="kube-audit"} | json | objectRef_resource="secrets"`,
		}
	}
	theft := base("9f0c2d6be1a45d01", 1, 14.2, "critical")
	theft.Role, theft.Resource, theft.Access = "ClusterRole/ci-deployer,Role/payments/ci", "secrets", "read"
	theft.StartedAt, theft.FiredAt = minutesAgo(9), pointer(minutesAgo(8))
	theft.Features = []alert.Feature{
		{Name: "objects", Observed: 212, Expected: 2, Low: 0, High: 6, Z: 14.2},
		{Name: "events", Observed: 431, Expected: 12, Low: 3, High: 25, Z: 11.8},
		{Name: "new_subject_resources", Observed: 9, Expected: 0, Low: 0, High: 1, Z: 6.1},
		{Name: "denied_share", Observed: 0.312, Expected: 0.004, Low: 0, High: 0.02, Z: 5.4},
	}
	theft.Subjects = []alert.Subject{
		{Name: "system:serviceaccount:payments:ci-runner", Share: 0.93}, {Name: "alice@example.com", Share: 0.05}, {Name: "bob@example.com", Share: 0.02},
	}
	usually, seldom := 0.41, 0.02
	theft.Subjects[0].Usual, theft.Subjects[1].Usual = &usually, &seldom
	for i := range theft.Features {
		theft.Features[i].Window, theft.Features[i].Log10P = 300, -theft.Features[i].Z*theft.Features[i].Z/4.6
	}
	theft.Features[2].Window = 3600
	theft.Objects = []alert.Subject{{Name: "payments/registry-key", Share: 0.06, Usual: &seldom}, {Name: "identity/signing-key", Share: 0.02}}
	theft.Sources = []alert.Subject{{Name: "203.0.113.77", Share: 0.93}}
	theft.New = []alert.Novelty{
		{Feature: "new_subject_sources", Subject: "system:serviceaccount:payments:ci-runner", What: "203.0.113.77"},
		{Feature: "new_fingerprints", What: "list secrets"},
	}
	partition, offset, line := int32(3), int64(8_123_456), int64(4711)
	theft.Evidence = []alert.Record{
		{
			Time: minutesAgo(4.6), Topic: "audit", Partition: &partition, Offset: &offset, Subject: "system:serviceaccount:payments:ci-runner",
			Verb: "get", Namespace: "payments", Object: "registry-key", Source: "203.0.113.77", Code: 200,
		},
		{Time: minutesAgo(3.1), Offset: &line, Subject: hostile, Verb: "list", Namespace: "identity", Source: "203.0.113.77", Code: 403, Denied: true},
	}
	theft.BeganAt, theft.Like, theft.Extrapolated, theft.PartsCut = pointer(minutesAgo(4.7)), "ClusterRole/backup-all", true, 4
	theft.Parts = []alert.Part{
		{Cluster: "1", Role: "ClusterRole/ci-deployer", Resource: "configmaps", Access: "read", Z: 6.3},
		{Cluster: "2", Role: "ClusterRole/ci-deployer", Resource: "serviceaccounts/token", Access: "escalate", Z: 8.8},
	}
	theft.Summary = "system:serviceaccount:payments:ci-runner (ClusterRole/ci-deployer, Role/payments/ci) reads secrets: 212 different objects in 5 min, usually 2 (0–6), since 14:22 UTC"

	evil := base("2b7e151628aed2a6", 2, 9.7, "critical")
	evil.Role, evil.Resource, evil.APIGroup, evil.Access = "ClusterRole/admin", "clusterrolebindings", "rbac.authorization.k8s.io", "escalate"
	evil.StartedAt, evil.FiredAt = minutesAgo(22), pointer(minutesAgo(21))
	evil.Features = []alert.Feature{{Name: "events", Observed: 3, Expected: 0, Low: 0, High: 0, Z: 9.7}}
	evil.Subjects = []alert.Subject{{Name: hostile, Share: 1}}
	evil.Summary = hostile + " escalates through clusterrolebindings: 3 events in 5 min, usually 0 (0–0), since 14:09 UTC"
	evil.LogQL = `{job="kube-audit"} | json | user_username="` + hostile + `"`

	exec := base("51a0c3d2e7f80911", 3, 6.4, "warning")
	exec.Role, exec.RoleSource, exec.Resource, exec.Access = "Role/shop/debugger", "annotation", "pods/exec", "connect"
	exec.StartedAt, exec.FiredAt, exec.Learning = minutesAgo(4), pointer(minutesAgo(3)), true
	exec.Features = []alert.Feature{{Name: "new_subject_sources", Observed: 4, Expected: 0.2, Low: 0, High: 1, Z: 6.4}}
	exec.Subjects = []alert.Subject{{Name: "carol@example.com", Share: 0.6}, {Name: "dave@example.com", Share: 0.4}}
	exec.Summary = "carol@example.com (Role/shop/debugger) connects through pods/exec: 4 subjects from addresses never seen before in 5 min, usually 0.2 (0–1), since 14:27 UTC"

	silent := base("7c9e66794b1c4b2e", 4, -5.1, "warning")
	silent.Role, silent.RoleSource, silent.Resource, silent.APIGroup, silent.Access = "unknown", "unknown", "leases", "coordination.k8s.io", "write"
	silent.StartedAt, silent.FiredAt, silent.Partial = minutesAgo(185), pointer(minutesAgo(184)), []string{"audit/3", "audit/7"}
	silent.Features = []alert.Feature{{Name: "events", Observed: 0, Expected: 1540, Low: 1380, High: 1702, Z: -5.1}}
	silent.Summary = "role unknown writes leases: silent for 5 min, usually 1,540 (1,380–1,702), since 11:26 UTC; incomplete, without audit/3, audit/7"

	over := base("a1b2c3d4e5f60718", 0, 3.1, "info")
	over.Role, over.Resource, over.Access, over.State = "Group/developers", "nonresource:/metrics", "read", "resolved"
	over.StartedAt, over.FiredAt, over.ResolvedAt = minutesAgo(64), pointer(minutesAgo(62)), pointer(minutesAgo(12))
	over.LevelShift, exec.Suppressed = true, "maintenance: node upgrade, until 15:00 UTC"
	over.Features = []alert.Feature{{Name: "failed_share", Observed: 0.871, Expected: 0.02, Low: 0, High: 0.1, Z: 3.1}}
	over.Subjects = []alert.Subject{{Name: "erin@example.com", Share: 1}}
	over.Summary = "Over at 14:19 UTC: erin@example.com (Group/developers) reads /metrics: 87 % failed in 5 min, usually 2 % (0–10 %), since 13:27 UTC"

	theft.Power, evil.Power, exec.Power = "escalate", "admin", "elevated"

	jump := func(quiet, loud float64, from int) []float64 {
		return wave(60, func(i int) float64 {
			if i < from {
				return math.Round(quiet * noise(i) * 2)
			}
			return math.Round(loud * (0.7 + 0.3*noise(i)))
		})
	}
	return &fixed{
		status: Status{
			Version: "v0.1.0", StartedAt: wall.Add(-3 * time.Hour), Watermark: watermark, Recorded: true,
			EventsPerSecond: 18423.4, Consumed: 12_345_678, Late: 1204, Rejected: 17, Lag: 2310, Clusters: 512, Tenants: 3,
		},
		anomalies: []Anomaly{
			{
				Alert: theft, Trend: jump(2, 212, 44),
				Family: &FamilyRef{ID: "00aa11bb22cc33de", Name: "ClusterRole/ci-deployer,Role/payments/ci", Members: 1},
			},
			{Alert: evil, Trend: jump(0, 3, 40)},
			{
				Alert: exec, Trend: jump(0.2, 4, 55),
				Family: &FamilyRef{ID: "5be1a45d019f0c2d", Name: "Role/*/debugger", Members: 4},
			},
			{Alert: silent, Trend: wave(60, func(i int) float64 {
				if i > 30 {
					return 0
				}
				return 1450 + 180*noise(i)
			})},
			{Alert: over, Trend: wave(60, func(i int) float64 { return 0.02 + 0.85*math.Exp(-math.Pow(float64(i-30)/8, 2)) })},
		},
	}
}

// learning is a source in its first hours, without anomalies.
func learning() *fixed {
	return &fixed{status: Status{
		Version: "v0.1.0", Watermark: wall.Add(-40 * time.Second), EventsPerSecond: 812.3, Consumed: 45_000,
		Clusters: 207, Tenants: 1, Learning: true, LearningUntil: wall.Add(9 * time.Hour), Lag: 0,
	}}
}

func optionsOf(src Source) Options {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "logcluster_test", Help: "Test."})
	reg.MustRegister(g)
	return Options{
		Source: src, Gatherer: reg, Logger: quietLogger(), Now: func() time.Time { return wall },
		Config: func() ([]byte, error) { return []byte("web: {}\n"), nil },
	}
}

func many(n int) *fixed {
	s := story()
	one := s.anomalies[0]
	s.anomalies = nil
	for i := range n {
		one.ID, one.Rank = fmt.Sprintf("%016x", i), i+1
		s.anomalies = append(s.anomalies, one)
	}
	return s
}
