package anomaly

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/cluster"
)

// rank orders the tenant's anomalies: stories by their heaviest cluster, and
// the pending ones that belong to none. It returns the first TopK and all that
// fire, and fills the changes.
func (j *judging) rank(resolved, fired []*Story) (top, firing []Anomaly) {
	type place struct {
		weight float64
		story  *Story
		lead   *track
	}
	var places []place
	for _, s := range j.stories {
		p := place{story: s, lead: j.tracks[s.Lead]}
		for _, id := range s.members() {
			p.weight = math.Max(p.weight, j.tracks[id].weight)
		}
		places = append(places, p)
	}
	for _, tr := range j.tracks {
		if tr.Story == 0 && tr.weight > 0 {
			places = append(places, place{weight: tr.weight, lead: tr})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.lead.Cluster.ID, b.lead.Cluster.ID))
	})
	for _, s := range resolved {
		j.changes = append(j.changes, j.anomaly(j.tracks[s.Lead], s, Resolved, 0))
		j.close(s)
	}
	for i, p := range places {
		rank := i + 1
		if rank > j.cfg.TopK {
			rank = 0
		}
		if rank == 0 && p.story == nil {
			continue
		}
		state := Firing
		if p.story == nil {
			state = Pending
		}
		a := j.anomaly(p.lead, p.story, state, rank)
		if rank > 0 {
			top = append(top, a)
		}
		if p.story != nil {
			firing = append(firing, a)
		}
		if slices.Contains(fired, p.story) {
			j.changes = append(j.changes, a)
		}
	}
	return top, firing
}

// anomaly renders a track, as the lead of a story where there is one.
func (j *judging) anomaly(tr *track, s *Story, state State, rank int) Anomaly {
	a := Anomaly{
		State: state, Cluster: tr.Cluster, Z: tr.Z, Rank: rank, Severity: severityOf(tr, j.learning),
		StartedAt: unix(tr.StartedAt), WindowStart: unix(j.ev.Start), WindowEnd: unix(j.ev.End),
		Scale: tr.Scale, Features: tr.Features, Subjects: tr.Peak.Subjects, Trend: j.trend(tr),
		Learning: j.learning, PartialSources: slices.Clone(j.ev.Partial),
	}
	if s == nil {
		a.ID = identity(tr.Cluster, tr.StartedAt)
		return a
	}
	a.ID, a.Severity, a.Learning = s.ID, s.Severity, s.Learning
	a.StartedAt, a.FiredAt = unix(s.StartedAt), unix(s.FiredAt)
	if state == Resolved {
		a.LevelShift = tr.Shifted
		a.ResolvedAt = unix(j.ev.End)
	}
	for _, id := range s.Parts {
		p := j.tracks[id]
		a.Parts = append(a.Parts, Part{Cluster: p.Cluster, Z: p.Z})
	}
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
