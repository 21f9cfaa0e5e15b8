package anomaly

import (
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
)

// Account is what there is to tell of a window that stands out. It is a part of
// [DetectorState].
type Account struct {
	// Features are beyond the exceedance, most deviating first.
	Features []Feature
	// Subjects, Objects and Sources are the most active ones, at most 3 each.
	Subjects, Objects, Sources []Share
	New                        []cluster.Novelty // at most 5
	Evidence                   []cluster.Sample  // at most 3
	// Extrapolated marks a p-value beyond what the calibration could measure.
	Extrapolated bool
	// Like is the role whose behaviour the finding that deviates most resembles.
	Like string
	// BeganAt is when the driver changed, in Unix nanoseconds; zero when the window
	// does not show it.
	BeganAt int64
}

const (
	maxNew      = 5
	maxEvidence = 3
	// evidenceFrom is how many samples those that are shown are chosen from.
	evidenceFrom = 16
)

// recount looks up who and what is behind a window in hand whose features are
// explained already: it is asked of few windows only.
func (d *Detector) recount(a *Account, w *cluster.Window, v *Verdict, usual *Usual, start, end int64) {
	a.Subjects = d.shares(w, cluster.BySubject, usual)
	a.Objects = d.shares(w, cluster.ByObject, usual)
	a.Sources = d.shares(w, cluster.BySource, usual)
	if w.Detail == nil {
		return
	}
	a.New = w.Detail.AppendNew(nil, maxNew)
	a.Evidence = evidence(w.Detail, v.Driver, a.Subjects)
	f, expected, up, ok := a.dating(v)
	if !ok {
		return
	}
	d.steps = w.Detail.AppendSteps(d.steps[:0], f)
	if k := changed(d.steps, expected, up); k > 0 {
		a.BeganAt = start + (end-start)/int64(len(d.steps))*int64(k)
	}
}

// dating returns the count that tells when a window changed, and what was expected
// of it: the driver, or where that is no count the one that deviates most beyond
// the exceedance. It is false where there is none.
func (a *Account) dating(v *Verdict) (f cluster.Feature, expected float64, up, ok bool) {
	if v.Driver < cluster.NumFeatures {
		return v.Driver, v.Expected, v.Up, true
	}
	for i := range a.Features {
		named := &a.Features[i]
		if f := slices.Index(featureNames[:cluster.NumFeatures], named.Name); f >= 0 && math.Abs(named.Z) > baseline.Exceedance {
			return cluster.Feature(f), named.Expected, named.Z > 0, true
		}
	}
	return 0, 0, false, false
}

// shares returns the most active names of a facet, with their shares of the events.
func (d *Detector) shares(w *cluster.Window, of cluster.Facet, usual *Usual) []Share {
	d.scratch = w.AppendTop(d.scratch[:0], of, cluster.TopSubjects)
	shares := make([]Share, len(d.scratch))
	for i, s := range d.scratch {
		shares[i] = Share{
			Name: s.Name, Share: float64(s.Events) / float64(max(1, w.Counts[cluster.Events])),
			Usual: usual.share(of, s.Name),
		}
	}
	return shares
}

// evidence chooses the samples that are shown: those of the most active subject
// first, then by time.
func evidence(detail cluster.Detail, driver cluster.Feature, subjects []Share) []cluster.Sample {
	samples := detail.AppendSamples(nil, driver, evidenceFrom)
	if len(subjects) > 0 {
		slices.SortStableFunc(samples, func(a, b cluster.Sample) int {
			return last(a.Subject != subjects[0].Name) - last(b.Subject != subjects[0].Name)
		})
	}
	return slices.Clone(samples[:min(len(samples), maxEvidence)])
}

func last(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// findingsOf notes what the findings about a cluster add to its account.
func (a *Account) findingsOf(findings []baseline.Finding) {
	least := 0.0
	for i := range findings {
		if f := &findings[i]; f.Like != "" && f.LogP < least {
			a.Like, least = f.Like, f.LogP
		}
	}
}

// length is how long a window of an evaluation is.
func length(ev *cluster.Evaluation) time.Duration { return time.Duration(ev.End - ev.Start) }
