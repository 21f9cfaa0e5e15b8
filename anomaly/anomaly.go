// Package anomaly decides which clusters are unlike themselves: it scores
// closed windows against their baselines, ranks them, and gives what stands
// out a life (pending, firing, resolved).
//
// It is pure: no goroutine, no I/O, no clock.
package anomaly

import (
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// State is where an anomaly is in its life.
type State string

// The states, in the words of Prometheus alerts.
const (
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Severity is fixed when an anomaly fires.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Anomaly is a cluster outside of its baseline. Values are final at the time
// they are handed out: a receiver may keep them.
type Anomaly struct {
	// ID is the identity: tenant, cluster and end of the first pending window,
	// hashed. It never changes in the life of the anomaly.
	ID      string
	State   State
	Cluster *fingerprint.ClusterKey
	// Z is the cluster's combined z-score, signed by the driving feature:
	// never weighted, always finite.
	Z float64
	// Rank is the place among the tenant's anomalies of this evaluation, 1 is
	// the most anomalous; 0 when it is past the cut.
	Rank     int
	Severity Severity

	StartedAt  time.Time // end of the first pending window
	FiredAt    time.Time // zero while pending
	ResolvedAt time.Time // zero until resolved
	// WindowStart and WindowEnd are of the last window evaluated.
	WindowStart, WindowEnd time.Time

	// Scale is the length of window that drives.
	Scale cluster.Scale
	// Features are the driving features, most deviating first.
	Features []Feature
	// Subjects, Objects and Sources are the most active ones (at most 3 each) of
	// the window that made it fire, or, while it goes on, of the one with the
	// highest |z|.
	Subjects, Objects, Sources []Share
	// New are things never seen before in that window, at most 5.
	New []cluster.Novelty
	// Evidence are at most 3 of that window's events.
	Evidence []cluster.Sample
	// BeganAt is when the driving feature changed, or where that is no count the
	// count that deviates most: to the pane where the window shows it, and to the
	// window where those before it do. Zero when they do not.
	BeganAt time.Time
	// Like is the role key that the subject's behaviour is most alike, where that
	// is not its own; else empty.
	Like string
	// Parts are other clusters of the same story, at most 10; Cut is how many more
	// there are.
	Parts []Part
	Cut   int
	// Trend is the driving feature's observed value in the last windows,
	// oldest first, at most 60.
	Trend []float64
	// Learning marks an anomaly found before the tenant's learning period
	// ended.
	Learning bool
	// Extrapolated marks a z beyond what the calibration could measure.
	Extrapolated bool
	// LevelShift marks an anomaly that was resolved because its level lasted and
	// was accepted as the new usual.
	LevelShift bool
	// Repeats is how often it fired before, not long after it was resolved. What
	// does so again and again goes on firing for longer each time.
	Repeats int
	// PastCut marks an anomaly of which people were not told because there were
	// too many at once (see [Config.TopK]); Rank is 0.
	PastCut bool
	// Summary marks the one anomaly of a tenant that stands for all those past the
	// cut: Parts are the first of them, the most severe first, and Cut is how many
	// more there are. Cluster is no cluster then but a name for it (its role is
	// [SummaryRole]), and the only feature is their number. It fires when the first
	// is cut, and is resolved when none is left. Sinks deliver it as they do any
	// other.
	Summary bool
	// Suppressed says why nobody is told: a verdict or a maintenance window.
	// Empty when people are.
	Suppressed string
	// PartialSources names the sources that the window lacks.
	PartialSources []string
}

// Feature is one feature of a window against what was expected.
type Feature struct {
	Name  string
	Scale cluster.Scale
	// Window is how long its window is.
	Window    time.Duration
	Observed  float64
	Expected  float64 // predictive median
	Low, High float64 // 95 % predictive band
	Z         float64
	// LogP is the natural logarithm of the two-sided p-value.
	LogP float64
	// Subject is whom a peer feature is about; else empty.
	Subject string
}

// Share is a name and its share (0 to 1) of the window's events. Usual is its
// share of the cluster's events before; negative when that
// is not known.
type Share struct {
	Name  string
	Share float64
	Usual float64
}

// Part is another cluster of the same story.
type Part struct {
	Cluster *fingerprint.ClusterKey
	Z       float64
}
