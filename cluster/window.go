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
// from which they are subtracted again when the window has moved on. The longer
// scales are added up from those partials a step at a time (see span): they cost
// no time an event, and memory by the step. Nothing depends on the order in which
// sources were interleaved, nor on how often Advance was called.
package cluster

import "github.com/logcluster/logcluster/fingerprint"

// Feature is one property of a window.
type Feature uint8

// The features that are counts. The distinct counts are exact up to the configured cap and
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

// The features that are not counts: what a window was like. They have no place
// in [Counts]; a Window carries what they are judged by.
const (
	Latency    = NumFeatures + iota // mean logarithm of the latency
	VerbMix                         // which verbs
	OutcomeMix                      // which outcomes
	TopObject                       // share of the events on the most active object
	TopSubject                      // share of the events by the most active subject
	Stability                       // share of the subjects that were active in the window before too
	Peer                            // one subject against the others of its role family
	Silhouette                      // how well the subjects' behaviour fits their role
	AllFeatures
)

// Counts is a vector of the features that are counts.
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
	Shape
	// Detail answers what only the few windows that stand out are asked. It is
	// nil in a Training, and in a window that nothing is known about.
	Detail Detail
}

// Shape is what a window was like, beside how much there was of it. The zero
// value is a window without events.
type Shape struct {
	// Verbs and Outcomes count the events by class. Each adds up to the events.
	Verbs    [NumVerbs]uint32
	Outcomes [NumOutcomeClasses]uint32
	// Latency are the moments of the latency where it is known.
	Latency Latencies
	// TopObject and TopSubject are the events of the most active object and
	// subject: at the longer scales of those that were among the 16 most active
	// ones of a step (at the medium scale, of all subjects), at every scale of
	// those that [Config].MaxDistinct has room for. So they are never too high.
	TopObject, TopSubject uint32
	// Stayed is how many of the window's subjects were active in the window
	// before (the one that ended where this one begins) too, and Either how many
	// were active in one of the two: Stayed / Either is the Jaccard overlap.
	// Late events are not in them. Both are zero where the window before is not
	// known: at the short scale, whose subjects are not kept for so long, and
	// when the source was not alive for most of it; and for a window that has
	// late events only.
	Stayed, Either uint32
}

// Latencies are sums over the events whose latency is known, of its logarithm
// to base 2 in steps of 1/256, from 1 µs (0) on. They are whole numbers, so that
// adding and subtracting is exact.
type Latencies struct {
	N           uint32
	Sum, Square uint64
}

// NumVerbs and NumOutcomeClasses are the numbers of classes in a [Shape].
const (
	NumVerbs          = 9
	NumOutcomeClasses = 8
)

// Facet is what the events of a window can be ranked by.
type Facet uint8

// The facets.
const (
	BySubject Facet = iota
	ByObject        // "namespace/name", or "name" without a namespace
	BySource
	ByNamespace
	NumFacets
)

// Detail answers what only the few windows that stand out are asked. It is an
// interface so that a window can be assembled without one (in tests, or from a
// recording). Its methods may be called until the visit that the window came
// with returns; the text that they give may be kept.
type Detail interface {
	// AppendTop appends at most n names of a facet to dst, the most active
	// first, ties by name, and returns the extended slice.
	AppendTop(dst []Count, of Facet, n int) []Count
	// AppendNew appends at most n things that were never seen before.
	AppendNew(dst []Novelty, n int) []Novelty
	// AppendSteps appends one value of a feature for each pane of the window (at
	// longer scales: for each step), oldest first. A feature that is no count has
	// none.
	AppendSteps(dst []uint32, f Feature) []uint32
	// AppendSamples appends at most n of the window's events, oldest first,
	// preferring those that the feature counts.
	AppendSamples(dst []Sample, f Feature, n int) []Sample
}

// Novelty is one thing that was never seen before, with the feature that counts it.
type Novelty struct {
	Feature Feature
	Subject string // empty for a new fingerprint
	// What is new: the verb and resource, the resource, the source, the role
	// key or the class of power.
	What string
}

// Sample is one event of a window: the evidence that is shown.
type Sample struct {
	Time   int64  // Unix nanoseconds
	Source int    // as given to [Windows.Add]
	Offset int64  // of the record in the source, -1 when unknown
	ID     string // the record's own, empty if it has none

	Subject, Verb, Namespace, Object, Address string
	Code                                      int
	Denied                                    bool
}

// AppendTop appends the n most active names of a facet to dst and returns the
// extended slice: most active first, ties by name. It may be called until the
// visit that the window came with returns; the names may be kept.
func (w *Window) AppendTop(dst []Count, of Facet, n int) []Count {
	if w.Detail == nil || n <= 0 {
		return dst
	}
	return w.Detail.AppendTop(dst, of, n)
}

// TopSubjects is how many subjects of a window are named by default.
const TopSubjects = 3

// Count is a name and its events in a window.
type Count struct {
	Name   string
	Events uint32
}

// Evaluation is one window of one tenant, closed by the watermark: every
// cluster that has events in it. It is produced exactly once for every tenant
// and window end for which the input was alive during the whole window (see
// [Config.MaxGap]).
type Evaluation struct {
	Tenant     string
	Scale      Scale
	Start, End int64 // Unix nanoseconds, End exclusive
	// Partial names the sources that were left out of a part of the window
	// because they stalled, ascending; nil for a complete window. At the longer
	// scales a window is complete that lacks no more than one of its steps.
	Partial []string
	// Windows are in ascending order of cluster id. Clusters without events
	// are not listed. The slice is valid until the visit returns.
	Windows []Window
}

// Training is one finalised, non-overlapping window of a tenant, corrected by
// late events inside the grace: what baselines are fitted to. Clusters without
// events are not listed: they had a window of zeros. It is as long as an
// Evaluation's window of the same scale.
type Training struct {
	Tenant     string
	Scale      Scale
	Start, End int64 // Unix nanoseconds, End exclusive
	// Incomplete marks a window that lacks events for a reason that says
	// nothing about the clusters: it began before the first event (or before
	// the first one after a gap longer than [Config.MaxGap]), its end is
	// inside such a gap, or a stalled source was left out of it. At the longer
	// scales one that lacks no more than a step of it in all is complete: a day
	// is not lost by an outage of half an hour. It is handed out so that the
	// sums are right; it is no good for fitting.
	Incomplete bool
	// Windows are in ascending order of cluster id; Fresh and Detail are not
	// set. The slice is valid until the visit returns.
	Windows []Window
}

// Visitor receives what a watermark closes, in the order in which it falls due
// in event time: an Evaluation at its End, a Training at its End plus
// [Config.Grace]. At equal time trainings come first, from the short scale to the
// long, then evaluations, from the long scale to the short, each with tenants in
// ascending order. What it is given is valid until it returns.
// It must not call back into the [Windows] that calls it, except to rank
// subjects.
type Visitor interface {
	Train(*Training)
	Evaluate(*Evaluation)
}
