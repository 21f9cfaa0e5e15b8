package anomaly

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// DetectorState is everything a detector must keep to go on bit for bit. Its
// slices must not be modified.
type DetectorState struct{ Tenants []TenantState }

// TenantState is a tenant's part of a [DetectorState].
type TenantState struct {
	Name    string
	End     int64  // of the last evaluation of the short scale
	Window  int64  // length of that one
	Views   []View // of the scales from medium on
	Number  int64  // of the last story
	Told    []int64
	Summary Summary
	Recent  []RecentState
	Tracks  []Track // ascending by cluster
	Stories []Story // ascending by number
}

// RecentState is what one cluster did lately.
type RecentState struct {
	Cluster fingerprint.ID
	Recent
}

// Snapshot returns the state.
func (d *Detector) Snapshot() DetectorState {
	var st DetectorState
	for _, name := range slices.Sorted(maps.Keys(d.tenants)) {
		tn := d.tenants[name]
		ts := TenantState{Name: name, End: tn.end, Window: tn.window, Number: tn.number, Told: slices.Clone(tn.told), Summary: tn.summary}
		for s := cluster.Medium; s < cluster.NumScales; s++ {
			ts.Views = append(ts.Views, tn.views[s])
		}
		for _, id := range slices.Sorted(maps.Keys(tn.recent)) {
			ts.Recent = append(ts.Recent, RecentState{Cluster: id, Recent: tn.recent[id].clone()})
		}
		for _, id := range slices.Sorted(maps.Keys(tn.tracks)) {
			tr := tn.tracks[id].Track
			tr.Trend = slices.Clone(tr.Trend)
			ts.Tracks = append(ts.Tracks, tr)
		}
		for _, s := range tn.stories {
			c := *s
			c.Parts = slices.Clone(s.Parts)
			ts.Stories = append(ts.Stories, c)
		}
		st.Tenants = append(st.Tenants, ts)
	}
	return st
}

// Restore replaces everything in the detector by a state. On an error the
// detector is unchanged.
func (d *Detector) Restore(st DetectorState) error {
	tenants := make(map[string]*tenant, len(st.Tenants))
	for i := range st.Tenants {
		ts := &st.Tenants[i]
		tn, err := ts.tenant()
		if err != nil {
			return fmt.Errorf("restore the anomalies of tenant %q: %w", ts.Name, err)
		}
		tenants[ts.Name] = tn
	}
	d.tenants = tenants
	return nil
}

func (ts *TenantState) tenant() (*tenant, error) {
	tn := &tenant{
		end: ts.End, window: ts.Window, number: ts.Number, told: slices.Clone(ts.Told), summary: ts.Summary,
		recent: make(map[fingerprint.ID]*Recent, len(ts.Recent)),
		tracks: make(map[fingerprint.ID]*track, len(ts.Tracks)),
	}
	if len(ts.Views) >= int(cluster.NumScales) {
		return nil, fmt.Errorf("%d scales are more than there are", len(ts.Views))
	}
	for i := range ts.Views {
		if err := ts.Views[i].check(); err != nil {
			return nil, err
		}
		tn.views[int(cluster.Medium)+i] = ts.Views[i]
	}
	for _, r := range ts.Recent {
		kept := r.clone()
		tn.recent[r.Cluster] = &kept
	}
	for _, t := range ts.Tracks {
		if t.Cluster == nil {
			return nil, fmt.Errorf("a track names no cluster")
		}
		t.Trend = slices.Clone(t.Trend)
		tn.tracks[t.Cluster.ID] = &track{Track: t}
	}
	for _, s := range ts.Stories {
		s.Parts = slices.Clone(s.Parts)
		for _, id := range s.members() {
			if tn.tracks[id] == nil {
				return nil, fmt.Errorf("story %d refers to cluster %v, which has no track", s.Number, id)
			}
		}
		tn.stories = append(tn.stories, &s)
	}
	slices.SortFunc(tn.stories, func(a, b *Story) int { return cmp.Compare(a.Number, b.Number) })
	return tn, nil
}

// check reports a view that could not have been noted.
func (v *View) check() error {
	if len(v.IDs) != len(v.Opinions) || !slices.IsSorted(v.IDs) {
		return fmt.Errorf("%d clusters with %d numbers of opinions", len(v.IDs), len(v.Opinions))
	}
	for i := range v.Heard {
		if v.Heard[i].Cluster == nil {
			return fmt.Errorf("a cluster that stands out has no name")
		}
	}
	return nil
}

// clone returns a copy that shares nothing that changes.
func (r *Recent) clone() Recent {
	c := *r
	c.Events = slices.Clone(r.Events)
	for f := range c.Usual.Facets {
		c.Usual.Facets[f] = slices.Clone(r.Usual.Facets[f])
	}
	return c
}
