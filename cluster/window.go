// Package cluster counts events into clusters over event-time panes and
// sliding windows.
//
// It is pure: no goroutine, no I/O, no clock; event time is an argument. It
// does not know ingest: the application hands it events (or, later, partial
// counts) and watermarks.
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
	// not have (distinct counts within those panes only).
	Fresh Counts
	// Top are the most active subjects, most active first, ties by name: at
	// most [TopSubjects] of them. Valid until the visit returns.
	Top []SubjectCount
}

// TopSubjects is how many subjects of a window are named.
const TopSubjects = 3

// SubjectCount is a subject and its events in a window.
type SubjectCount struct {
	Name   string
	Events uint32
}

// Evaluation is one window of one tenant, closed by the watermark: every
// cluster that has events in it. It is produced exactly once for every
// tenant and window end.
type Evaluation struct {
	Tenant     string
	Start, End int64 // Unix nanoseconds, End exclusive
	// Partial names the sources that were left out because they stalled; nil
	// for a complete window.
	Partial []string
	// Windows are in ascending order of cluster id. Clusters without events
	// are not listed. The slice is valid until the visit returns.
	Windows []Window
}

// Training is one finalised, non-overlapping window of a tenant, corrected by
// late events inside the grace: what baselines are fitted to. Clusters without
// events are not listed: they had a window of zeros.
type Training struct {
	Tenant     string
	Start, End int64
	Windows    []Window // ascending cluster id; Fresh and Top are not set
}

// Visitor receives what a watermark closes, in order of event time; at equal
// time trainings come first, then evaluations, tenants in ascending order.
type Visitor interface {
	Train(*Training)
	Evaluate(*Evaluation)
}
