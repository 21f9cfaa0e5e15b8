// Package cluster counts events into clusters over event-time panes and
// sliding windows.
//
// It is pure: no goroutine, no I/O, no clock; event time is an argument. It
// does not know ingest: the application hands it events (or, later, partial
// counts), says which sources are idle or stalled, and calls [Windows.Advance].
//
// An event is added to the partial of its (pane, cluster). When the watermark
// passes the end of a pane, the pane is closed: its partials are admitted under
// the tenant's budgets in (tenant, cluster id) order, looked up in the memory
// of what was seen before, and added to the sliding sums of their clusters,
// from which they are subtracted again when the window has moved on. Nothing
// depends on the order in which sources were interleaved, nor on how often
// Advance was called.
package cluster

import "github.com/logcluster/logcluster/fingerprint"

// Feature is one counted property of a window.
type Feature uint8

// The features. The distinct counts are exact up to the configured cap and
// saturate there.
const (
	Events              Feature = iota // events
	Denied                             // events refused by the authorizer
	Failed                             // events that failed otherwise (status 400 and above)
	Subjects                           // distinct subjects
	Objects                            // distinct (namespace, object) pairs
	Namespaces                         // distinct namespaces
	Sources                            // distinct source addresses
	NewFingerprints                    // fingerprints never seen before by this tenant
	NewSubjectResources                // (subject, resource, access) pairs never seen before
	NewSubjectSources                  // (subject, source) pairs never seen before
	NewSubjectRoles                    // (subject, role key) pairs never seen before
	NewSubjectPowers                   // (subject, class of power) pairs never seen before
	NumFeatures
)

// Counts is a vector of all features.
type Counts [NumFeatures]uint32

// Window is what one cluster did in one window of event time.
type Window struct {
	Cluster *fingerprint.ClusterKey
	// FirstPane is the start (Unix nanoseconds) of the first pane that the
	// cluster ever had; a cluster whose first pane lies in this window has no
	// history of its own.
	FirstPane int64
	// Counts are of the whole window.
	Counts Counts
	// Fresh are the counts of the panes that the window before this one did
	// not have (distinct counts within those panes only). Zero in a Training.
	Fresh Counts
	// Ranking answers who was most active in the window. It is nil in a
	// Training, and then nobody is. Use [Window.AppendTop].
	Ranking Ranking
}

// Ranking names the most active subjects of a window. It is an interface so
// that a window can be assembled without one (in tests, or from a recording);
// [Windows] ranks on demand, because only the few windows that stand out are
// ever asked.
type Ranking interface {
	// AppendTop appends at most n subjects to dst, the most active first,
	// ties by name, and returns the extended slice.
	AppendTop(dst []SubjectCount, n int) []SubjectCount
}

// AppendTop appends the n most active subjects of the window to dst and returns
// the extended slice: most active first, ties by name. It may be called until
// the visit that the window came with returns; the names may be kept.
func (w *Window) AppendTop(dst []SubjectCount, n int) []SubjectCount {
	if w.Ranking == nil || n <= 0 {
		return dst
	}
	return w.Ranking.AppendTop(dst, n)
}

// TopSubjects is how many subjects of a window are named by default.
const TopSubjects = 3

// SubjectCount is a subject and its events in a window.
type SubjectCount struct {
	Name   string
	Events uint32
}

// Evaluation is one window of one tenant, closed by the watermark: every
// cluster that has events in it. It is produced exactly once for every tenant
// and window end for which the input was alive during the whole window (see
// [Config.MaxGap]).
type Evaluation struct {
	Tenant     string
	Start, End int64 // Unix nanoseconds, End exclusive
	// Partial names the sources that were left out of a part of the window
	// because they stalled, ascending; nil for a complete window.
	Partial []string
	// Windows are in ascending order of cluster id. Clusters without events
	// are not listed. The slice is valid until the visit returns.
	Windows []Window
}

// Training is one finalised, non-overlapping window of a tenant, corrected by
// late events inside the grace: what baselines are fitted to. Clusters without
// events are not listed: they had a window of zeros. It is as long as an
// Evaluation's window.
type Training struct {
	Tenant     string
	Start, End int64 // Unix nanoseconds, End exclusive
	// Incomplete marks a window that lacks events for a reason that says
	// nothing about the clusters: it began before the first event (or before
	// the first one after a gap longer than [Config.MaxGap]), its end is
	// inside such a gap, or a stalled source was left out of it. It is handed
	// out so that the sums are right; it is no good for fitting.
	Incomplete bool
	// Windows are in ascending order of cluster id; Fresh and Ranking are not
	// set. The slice is valid until the visit returns.
	Windows []Window
}

// Visitor receives what a watermark closes, in the order in which it falls due
// in event time: an Evaluation at its End, a Training at its End plus
// [Config.Grace]. At equal time trainings come first, then evaluations, each
// with tenants in ascending order. What it is given is valid until it returns.
// It must not call back into the [Windows] that calls it, except to rank
// subjects.
type Visitor interface {
	Train(*Training)
	Evaluate(*Evaluation)
}
