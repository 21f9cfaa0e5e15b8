package anomaly

import (
	"cmp"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
)

// SummaryRole is the role of the anomaly that says that others are past the cut;
// see [Anomaly.Summary].
const SummaryRole = "_cut"

// Summary is the life of a tenant's summary of the anomalies past the cut. It is a
// part of [DetectorState]; the zero value is none.
type Summary struct {
	ID        string
	StartedAt int64
	Severity  Severity
	Learning  bool
}

// tell decides which of the stories that fire people are told of, and whose
// turn it is now. Those that are suppressed wait until they are not. Of the
// others at most [Config.TopK] are news within the length of a window, the most
// severe and then the heaviest first; the rest is past the cut, and the summary
// lists it. What is past the cut is told after all when all of it is little enough.
func (j *judging) tell() {
	j.told = slices.DeleteFunc(j.told, func(at int64) bool { return j.ev.End-at >= j.window })
	var waiting []*Story
	for _, s := range j.stories {
		s.Suppressed = ""
		lead := j.tracks[s.Lead]
		if why, ok := j.suppressed(lead); ok {
			s.Suppressed = why
		} else if !s.Told {
			waiting = append(waiting, s)
		}
	}
	slices.SortFunc(waiting, j.bySeverity)
	room := max(j.cfg.TopK-len(j.told), 0)
	if len(waiting) > room {
		waiting = slices.DeleteFunc(waiting, func(s *Story) bool { return s.PastCut })
	}
	for i, s := range waiting {
		if i >= room {
			s.PastCut = true
			continue
		}
		s.Told, s.PastCut = true, false
		j.news = append(j.news, s)
		j.told = append(j.told, j.ev.End)
	}
}

// suppressed asks why nobody is to be told of what a track leads.
func (j *judging) suppressed(tr *track) (string, bool) {
	if j.suppressions == nil {
		return "", false
	}
	why, ok := j.suppressions.Suppressed(tr.Cluster, tr.Last.Subjects, j.ev.End)
	if ok && why == "" {
		why = "suppressed"
	}
	return why, ok
}

// bySeverity orders stories, the most severe first, then the heaviest, ties by
// their lead.
func (j *judging) bySeverity(a, b *Story) int {
	return cmp.Or(cmp.Compare(b.Severity.order(), a.Severity.order()), cmp.Compare(j.storyWeight(b), j.storyWeight(a)), byWhat(j.tracks[a.Lead].Cluster, j.tracks[b.Lead].Cluster))
}

// order is greater for what is more severe.
func (s Severity) order() int { return slices.Index([]Severity{Info, Warning, Critical}, s) }

// storyWeight is the weight of a story's heaviest cluster.
func (j *judging) storyWeight(s *Story) float64 {
	w := j.tracks[s.Lead].weight
	for _, id := range s.Parts {
		w = max(w, j.tracks[id].weight)
	}
	return w
}

// summarize takes the summary of what is past the cut through its life. It lasts
// as long as anything is; where that becomes more severe than the summary said,
// another one begins, because a severity never changes.
func (j *judging) summarize() (changes, firing []Anomaly) {
	var cut []*Story
	for _, s := range j.stories {
		if s.PastCut && s.Suppressed == "" {
			cut = append(cut, s)
		}
	}
	slices.SortFunc(cut, j.bySeverity)
	sum := &j.summary
	if sum.ID != "" && (len(cut) == 0 || cut[0].Severity.order() > sum.Severity.order()) {
		changes = append(changes, j.summaryOf(Resolved, cut))
		*sum = Summary{}
	}
	if len(cut) == 0 {
		return changes, nil
	}
	if sum.ID != "" {
		return changes, []Anomaly{j.summaryOf(Firing, cut)}
	}
	*sum = Summary{
		ID: identity(summaryKey(j.ev.Tenant, cut[0].Severity), j.ev.End), StartedAt: j.ev.End,
		Severity: cut[0].Severity, Learning: j.learning,
	}
	a := j.summaryOf(Firing, cut)
	return append(changes, a), []Anomaly{a}
}

// summaryOf renders the summary.
func (j *judging) summaryOf(state State, cut []*Story) Anomaly {
	sum := &j.summary
	a := Anomaly{
		ID: sum.ID, State: state, Cluster: summaryKey(j.ev.Tenant, sum.Severity), Severity: sum.Severity, Summary: true,
		StartedAt: unix(sum.StartedAt), FiredAt: unix(sum.StartedAt), WindowStart: unix(j.ev.Start), WindowEnd: unix(j.ev.End),
		Learning: sum.Learning, Trend: []float64{float64(len(cut))},
		Features: []Feature{{Name: "anomalies_cut", Window: time.Duration(j.window), Observed: float64(len(cut))}},
	}
	if state == Resolved {
		a.ResolvedAt = unix(j.ev.End)
	}
	for _, s := range cut {
		lead := j.tracks[s.Lead]
		if len(a.Parts) == maxParts {
			a.Cut++
			continue
		}
		a.Parts = append(a.Parts, Part{Cluster: lead.Cluster, Z: lead.Z})
	}
	if len(a.Parts) > 0 {
		a.Z = a.Parts[0].Z
		a.Features[0].Z = a.Z
	}
	return a
}

// summaryKey names the summary of a tenant where a cluster is wanted.
func summaryKey(tenant string, severity Severity) *fingerprint.ClusterKey {
	return &fingerprint.ClusterKey{
		ID:     fingerprint.ID(xxhash.Sum64String(tenant + "\x00" + SummaryRole + "\x00" + string(severity))),
		Tenant: tenant, Role: SummaryRole, Resource: "*",
	}
}
