package alert

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// The most bytes of text from records, and the most list entries, that an
// [Alert] carries. They bound the size of an alert (about 16 KiB at the very
// most) whatever a record said.
const (
	maxName     = 256 // a subject, tenant or source
	maxKey      = fingerprint.MaxText
	maxSummary  = 1024
	maxFeatures = 8
	maxShown    = 3 // of subjects, objects, sources and evidence
	maxNew      = 5
	maxParts    = 10
	maxPartial  = 16
)

// Config is how alerts are written.
type Config struct {
	// AuditSelector is the LogQL stream selector of the audit log, where it is
	// also shipped to Loki: the query of an alert starts with it.
	AuditSelector string `yaml:"audit_selector"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{AuditSelector: `{job="kubernetes-audit"}`}
}

// Validate checks the configuration and returns all problems joined.
func (c Config) Validate() error {
	s := c.AuditSelector
	if len(s) < 3 || s[0] != '{' || s[len(s)-1] != '}' || Clean(s, len(s)) != s || strings.Contains(s, "{{") {
		return fmt.Errorf(`audit_selector: %q is not a LogQL stream selector such as {job="kubernetes-audit"}`, s)
	}
	return nil
}

// Places tells where the records of a source are in Kafka: the number is that of
// [cluster.Sample]. It reports false for a source that is not a partition.
type Places func(source int) (topic string, partition int32, ok bool)

// From writes an anomaly as an alert: every field of the JSON form, the
// sentence and the query among them. It keeps nothing of a, and gives the same
// alert for the same anomaly. Text from records comes out through [Clean];
// numbers come out finite. Places may be nil: then nothing is a partition.
func From(a *anomaly.Anomaly, c Config, places Places) Alert {
	key := a.Cluster
	out := Alert{
		SchemaVersion: SchemaVersion,
		ID:            Clean(a.ID, maxName),
		State:         string(a.State),
		Tenant:        Clean(key.Tenant, maxName),
		Cluster:       key.ID.String(),
		Role:          Clean(key.Role, maxKey),
		RoleSource:    key.RoleSource.String(),
		Power:         key.Power.String(),
		APIGroup:      Clean(key.APIGroup, maxName),
		Resource:      Clean(key.Resource, maxKey),
		Access:        key.Access.String(),
		Z:             finite(a.Z),
		Rank:          a.Rank,
		Severity:      string(a.Severity),
		StartedAt:     a.StartedAt.UTC(),
		FiredAt:       instant(a.FiredAt),
		ResolvedAt:    instant(a.ResolvedAt),
		WindowStart:   a.WindowStart.UTC(),
		WindowEnd:     a.WindowEnd.UTC(),
		Scale:         a.Scale.String(),
		Features:      features(a.Features),
		Subjects:      shares(a.Subjects),
		Objects:       shares(a.Objects),
		Sources:       shares(a.Sources),
		New:           novelties(a.New),
		Evidence:      evidence(a.Evidence, places),
		BeganAt:       instant(a.BeganAt),
		Like:          Clean(a.Like, maxKey),
		Parts:         parts(a.Parts),
		PartsCut:      a.Cut + max(len(a.Parts)-maxParts, 0),
		Learning:      a.Learning,
		Extrapolated:  a.Extrapolated,
		LevelShift:    a.LevelShift,
		Suppressed:    Clean(a.Suppressed, maxName),
		Partial:       partial(a.PartialSources),
	}
	out.Summary = summarize(&out)
	if a.Summary {
		out.Summary = summarizeCut(&out)
	}
	out.LogQL = auditQuery(c.AuditSelector, a)
	return out
}

// instant is a time that may not have come.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// finite guards the JSON form: a number that is not finite would lose the
// whole alert.
func finite(x float64) float64 {
	switch {
	case math.IsNaN(x):
		return 0
	case math.IsInf(x, 0):
		return math.Copysign(math.MaxFloat64, x)
	}
	return x
}

func features(in []anomaly.Feature) []Feature {
	in = in[:min(len(in), maxFeatures)]
	out := make([]Feature, len(in))
	for i, f := range in {
		out[i] = Feature{
			Name:     Clean(f.Name, maxName),
			Observed: finite(f.Observed),
			Expected: finite(f.Expected),
			Low:      finite(f.Low),
			High:     finite(f.High),
			Z:        finite(f.Z),
			P:        math.Exp(min(finite(f.LogP), 0)),
			Log10P:   min(finite(f.LogP), 0) / math.Ln10,
			Scale:    f.Scale.String(),
			Window:   f.Window.Seconds(),
			Subject:  Clean(f.Subject, maxName),
		}
	}
	return out
}

func shares(in []anomaly.Share) []Subject {
	in = in[:min(len(in), maxShown)]
	out := make([]Subject, len(in))
	for i, s := range in {
		out[i] = Subject{Name: Clean(s.Name, maxName), Share: finite(s.Share)}
		if s.Usual >= 0 {
			usual := finite(s.Usual)
			out[i].Usual = &usual
		}
	}
	return out
}

func parts(in []anomaly.Part) []Part {
	in = in[:min(len(in), maxParts)]
	out := make([]Part, len(in))
	for i, p := range in {
		out[i] = part(p.Cluster, p.Z)
	}
	return out
}

func part(key *fingerprint.ClusterKey, z float64) Part {
	return Part{
		Cluster:  key.ID.String(),
		Role:     Clean(key.Role, maxKey),
		Resource: Clean(key.Resource, maxKey),
		Access:   key.Access.String(),
		Z:        finite(z),
	}
}

func partial(in []string) []string {
	var out []string
	for _, s := range in[:min(len(in), maxPartial)] {
		out = append(out, Clean(s, maxName))
	}
	return out
}
