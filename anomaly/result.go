package anomaly

import (
	"cmp"
	"slices"
	"time"

	"github.com/logcluster/logcluster/cluster"
)

// Result is what one evaluation came to.
type Result struct {
	Tenant     string
	Start, End time.Time
	// Evaluated is how many clusters were judged, those that are unusually
	// absent included; Exceedances is how many of them were beyond |z| 2.5.
	Evaluated, Exceedances int
	// Learning tells that the tenant's learning period is not over.
	Learning bool
	// Changes are what people are told: the anomalies that were resolved, then
	// those that fired, each in order of rank, and the summary of those past the cut.
	Changes []Anomaly
	// Withheld are the changes that people are not told: of anomalies that are
	// suppressed or past the cut. They are for the record. One that fires here may
	// be among the Changes later, with the same identity.
	Withheld []Anomaly
	// Top are the tenant's anomalies of this evaluation, pending and firing, at
	// most [Config.TopK], by rank.
	Top []Anomaly
	// Firing are all anomalies that are firing and that people know of, by rank;
	// those beyond TopK (rank 0) and those suppressed since are included.
	Firing []Anomaly
	// Unseen are those that are firing and that people are not told of.
	Unseen []Anomaly
}

// maxParts is how many parts of a story are listed.
const maxParts = 10

// place is an anomaly in the ranking; one that is pending has no story.
type place struct {
	weight float64
	story  *Story
	lead   *track
}

// places orders the tenant's anomalies: stories by their heaviest cluster, and the
// pending ones that belong to none.
func (j *judging) places() []place {
	var places []place
	for _, s := range j.stories {
		places = append(places, place{weight: j.storyWeight(s), story: s, lead: j.tracks[s.Lead]})
	}
	for _, tr := range j.tracks {
		if tr.Story == 0 && tr.weight > 0 {
			places = append(places, place{weight: tr.weight, lead: tr})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), byWhat(a.lead.Cluster, b.lead.Cluster))
	})
	return places
}

// rank fills the lists of the result.
func (j *judging) rank(r *Result, resolved, fired []*Story) {
	for _, s := range resolved {
		a := j.anomaly(j.tracks[s.Lead], s, Resolved, 0)
		j.close(s)
		if s.Told {
			r.Changes = append(r.Changes, a)
		} else {
			r.Withheld = append(r.Withheld, a)
		}
	}
	rank := 0
	for _, p := range j.places() {
		if p.story != nil && (p.story.Suppressed != "" || p.story.PastCut) {
			a := j.anomaly(p.lead, p.story, Firing, 0)
			if p.story.Told {
				r.Firing = append(r.Firing, a)
				continue
			}
			r.Unseen = append(r.Unseen, a)
			if slices.Contains(fired, p.story) {
				r.Withheld = append(r.Withheld, a)
			}
			continue
		}
		rank++
		j.ranked(r, p, rank)
	}
	changes, firing := j.summarize()
	r.Changes = append(r.Changes, changes...)
	r.Firing = append(r.Firing, firing...)
}

// ranked lists an anomaly that people may know of, by its place.
func (j *judging) ranked(r *Result, p place, rank int) {
	if rank > j.cfg.TopK {
		rank = 0
	}
	if p.story == nil {
		if rank > 0 {
			r.Top = append(r.Top, j.anomaly(p.lead, nil, Pending, rank))
		}
		return
	}
	a := j.anomaly(p.lead, p.story, Firing, rank)
	if rank > 0 {
		r.Top = append(r.Top, a)
	}
	r.Firing = append(r.Firing, a)
	if slices.Contains(j.news, p.story) {
		r.Changes = append(r.Changes, a)
	}
}

// anomaly renders a track, as the lead of a story where there is one.
func (j *judging) anomaly(tr *track, s *Story, state State, rank int) Anomaly {
	a := Anomaly{
		State: state, Cluster: tr.Cluster, Z: tr.Z, Rank: rank, Severity: severityOf(tr, j.learning),
		StartedAt: unix(tr.StartedAt), WindowStart: unix(j.ev.Start), WindowEnd: unix(j.ev.End),
		Scale: tr.Scale, Features: tr.Last.Features, Subjects: tr.Peak.Subjects, Objects: tr.Peak.Objects,
		Sources: tr.Peak.Sources, New: tr.Peak.New, Evidence: tr.Peak.Evidence, Like: tr.Peak.Like,
		Trend: j.trend(tr), Learning: j.learning, Extrapolated: tr.Last.Extrapolated,
		PartialSources: slices.Clone(j.ev.Partial),
	}
	if tr.BeganAt != 0 {
		a.BeganAt = unix(tr.BeganAt)
	}
	if s == nil {
		a.ID = identity(tr.Cluster, tr.StartedAt)
		return a
	}
	a.ID, a.Severity, a.Learning = s.ID, s.Severity, s.Learning
	a.StartedAt, a.FiredAt = unix(s.StartedAt), unix(s.FiredAt)
	a.PastCut, a.Suppressed, a.Repeats = s.PastCut, s.Suppressed, tr.Repeats
	if state == Resolved {
		a.LevelShift = tr.Shifted
		a.ResolvedAt = unix(j.ev.End)
	}
	for _, id := range s.Parts[:min(len(s.Parts), maxParts)] {
		p := j.tracks[id]
		a.Parts = append(a.Parts, Part{Cluster: p.Cluster, Z: p.Z})
	}
	a.Cut = len(s.Parts) - len(a.Parts)
	return a
}

// trend returns the driving feature's values in the last windows.
func (j *judging) trend(tr *track) []float64 {
	if tr.Driver != cluster.Events || tr.Scale != cluster.Short {
		return slices.Clone(tr.Trend)
	}
	r := j.recent[tr.Cluster.ID]
	if r == nil {
		return nil
	}
	out := make([]float64, len(r.Events))
	for i, v := range r.Events {
		out[i] = float64(v)
	}
	return out
}
