package anomaly

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// judging is one evaluation of the short scale of one tenant in progress.
type judging struct {
	*Detector
	*tenant
	ev       *cluster.Evaluation
	fraction float64
	learning bool
	// current tells which longer scales have something to say, fresh which of them
	// say it for the first time.
	current, fresh [cluster.NumScales]bool
	// meanStake is that of the window's clusters, 0 until somebody asks.
	meanStake float64

	candidates             []candidate
	judged                 int // the candidates that the short scale knows of, ascending by cluster
	evaluated, exceedances int
	news                   []*Story // that people are told of now
}

// candidate is a cluster that may be unlike itself, or has been lately.
type candidate struct {
	cluster *fingerprint.ClusterKey
	window  *cluster.Window // of the short scale; empty when it has no events
	recent  *Recent         // nil when nothing is remembered
	track   *track
	said    [cluster.NumScales]said
	tests   int // opinions of all scales

	// z, logP, driver and scale are of the whole.
	z, logP float64
	driver  cluster.Feature
	scale   cluster.Scale
}

// said is what one scale says of a candidate; without a verdict, nothing.
type said struct {
	Verdict
	// speaks, enough and silent are as in [Heard].
	speaks, enough, silent bool
	born                   bool // the cluster's first window
	account                Account
}

// gather judges every cluster that the evaluation and the longer scales know of.
func (j *judging) gather() {
	for i := range j.ev.Windows {
		j.present(&j.ev.Windows[i])
	}
	j.store.Missing(j.ev, j.absent)
	slices.SortFunc(j.candidates, func(a, b candidate) int { return cmp.Compare(a.cluster.ID, b.cluster.ID) })
	j.judged = len(j.candidates)
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		if !j.current[s] {
			continue
		}
		for i := range j.views[s].Heard {
			j.elsewhere(&j.views[s].Heard[i], s)
		}
	}
}

// heard reports whether a longer scale has something to say of a cluster.
func (j *judging) heard(id fingerprint.ID) bool {
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		if j.current[s] && len(j.views[s].Heard) > 0 && j.views[s].of(id) != nil {
			return true
		}
	}
	return false
}

// present judges a cluster that has events.
func (j *judging) present(w *cluster.Window) {
	r := j.remember(w)
	j.evaluated++
	x := j.store.Expect(j.ev, w)
	if j.tracks[w.Cluster.ID] == nil && x.Usual(w) && !j.heard(w.Cluster.ID) {
		j.unremarkable(r, w)
		return
	}
	c := candidate{cluster: w.Cluster, window: w, recent: r}
	s := &c.said[cluster.Short]
	s.Verdict = judge(&x, w, nil, j.lacks(w.Cluster.ID))
	if s.LogP == 0 {
		j.unremarkable(r, w)
	} else {
		s.born = x.Born()
		s.speaks = x.Deviates(s.Driver, &w.Fresh, j.fraction, s.Up, freshP)
		if tr := j.tracks[w.Cluster.ID]; tr != nil && s.Driver >= cluster.NumFeatures {
			s.speaks = s.speaks && s.grows(&tr.Said)
		}
		o, _ := x.Opinion(s.Driver, w)
		s.Observed, s.Expected = o.Observed, o.Expected
		s.enough = j.enough(&o, s.Up, w.Counts[cluster.Events])
		s.account.explain(&x, w, nil, &s.Verdict, j.ev)
	}
	j.combine(&c)
}

// lacks reports whether less than usual says nothing about a cluster: the window
// lacks a source. What fires already goes on.
func (j *judging) lacks(id fingerprint.ID) bool {
	tr := j.tracks[id]
	return len(j.ev.Partial) > 0 && (tr == nil || tr.Story == 0)
}

var nothing cluster.Window

// absent judges a cluster that is expected and has no events, by how long it has
// been silent.
func (j *judging) absent(a *baseline.Absent) {
	r := j.recent[a.Cluster.ID]
	if r == nil {
		return // silent for longer than anybody remembers
	}
	r.AskedAt = j.ev.End
	r.Events = pushed(r.Events, 0)
	j.evaluated++
	j.tests(r, a, j.ev)
	c := candidate{cluster: a.Cluster, window: &nothing, recent: r}
	if !j.lacks(a.Cluster.ID) && j.bound(a.Cluster, j.ev.End) {
		// The last window with events ended at r.End; they may have been the first
		// of it.
		window := float64(j.ev.End - j.ev.Start)
		silent := math.Max(window, float64(j.ev.End-r.End)+window*(1-j.fraction))
		s := &c.said[cluster.Short]
		s.Verdict = Verdict{LogP: a.Tails(silent / window).LogP(), Driver: cluster.Events, Opinions: 1}
		s.silent, s.speaks, s.enough = true, true, time.Duration(silent) >= j.cfg.AbsentAfter
		if baseline.Magnitude(s.LogP) > baseline.Exceedance {
			s.account = j.missing(a, r, &s.Verdict, j.ev)
		}
	}
	j.combine(&c)
}

// elsewhere judges a cluster that only longer scales speak about.
func (j *judging) elsewhere(h *Heard, scale cluster.Scale) {
	id := h.Cluster.ID
	if _, ok := slices.BinarySearchFunc(j.ev.Windows, id, func(w cluster.Window, id fingerprint.ID) int {
		return cmp.Compare(w.Cluster.ID, id)
	}); ok {
		return
	}
	if _, ok := slices.BinarySearchFunc(j.candidates[:j.judged], id, func(c candidate, id fingerprint.ID) int {
		return cmp.Compare(c.cluster.ID, id)
	}); ok {
		return
	}
	for s := cluster.Medium; s < scale; s++ {
		if j.current[s] && j.views[s].of(id) != nil {
			return
		}
	}
	j.evaluated++
	j.combine(&candidate{cluster: h.Cluster, window: &nothing, recent: j.recent[id]})
}

// combine joins what the scales say into one z: the most unlikely feature of all
// drives; that it is the most unlikely of so many is paid for once (Šidák), and
// the sign is its. A candidate that neither exceeds nor lives is dropped.
func (j *judging) combine(c *candidate) {
	id := c.cluster.ID
	c.tests = c.said[cluster.Short].Opinions
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		if !j.current[s] {
			continue
		}
		c.tests += j.views[s].opinions(id)
		if h := j.views[s].of(id); h != nil && h.Speaks && !j.contradicted(h) {
			c.said[s] = said{Verdict: h.Verdict, speaks: true, enough: h.Enough, silent: h.Silent, account: h.Account}
		}
	}
	up := false
	for s := range c.said {
		if v := &c.said[s]; v.LogP < c.logP {
			c.logP, c.driver, c.scale, up = v.LogP, v.Driver, cluster.Scale(s), v.Up
		}
	}
	if c.logP < 0 {
		c.logP = baseline.Combine(c.logP, c.tests)
		c.z = baseline.Magnitude(c.logP)
		if !up {
			c.z = -c.z
		}
	}
	c.track = j.tracks[id]
	if c.exceeds() {
		j.exceedances++
		if c.track == nil {
			c.track = &track{Track: Track{Cluster: c.cluster}}
			c.track.begin(j.ev.End)
			j.tracks[id] = c.track
		}
	}
	if c.track != nil {
		j.candidates = append(j.candidates, *c)
	}
}

// contradicted reports whether what a longer scale missed has come back since.
func (j *judging) contradicted(h *Heard) bool {
	r := j.recent[h.Cluster.ID]
	return h.Silent && r != nil && r.End > j.ev.Start
}

func (c *candidate) exceeds() bool { return math.Abs(c.z) > baseline.Exceedance }

// beyond reports whether one scale by itself is beyond the exceedance.
func (c *candidate) beyond(s cluster.Scale) bool {
	return c.said[s].LogP < 0 && baseline.Magnitude(c.said[s].alone(c.tests)) > baseline.Exceedance
}

// age steps the tracks whose cluster had nothing to judge in this window, and
// forgets those that nothing refers to any more.
func (j *judging) age() {
	for id, tr := range j.tracks {
		if tr.at != j.ev.End {
			j.turn(tr)
		}
		if tr.Story == 0 && !j.lately(tr) && j.ev.End-tr.ResolvedAt > j.soon() {
			delete(j.tracks, id)
		}
	}
	keep := j.memory()
	if j.ev.End%keep >= j.ev.End-j.ev.Start {
		return
	}
	for id, r := range j.recent {
		if j.ev.End-r.AskedAt > keep {
			delete(j.recent, id)
		}
	}
}

// memory is how long a cluster without events is remembered, when nobody misses
// it: two of the longest windows, and two dozen of the short ones at least.
func (j *judging) memory() int64 {
	keep := 24 * (j.ev.End - j.ev.Start)
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		keep = max(keep, 2*(j.views[s].End-j.views[s].Start))
	}
	return keep
}

// sorted returns the tracks that satisfy keep, heaviest first, ties by cluster.
func (j *judging) sorted(keep func(*track) bool) []*track {
	var out []*track
	for _, tr := range j.tracks {
		if keep(tr) {
			out = append(out, tr)
		}
	}
	slices.SortFunc(out, func(a, b *track) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), byWhat(a.Cluster, b.Cluster))
	})
	return out
}

// active reports whether a role has events in the window.
func (j *judging) active(role string) bool {
	return slices.ContainsFunc(j.ev.Windows, func(w cluster.Window) bool { return w.Cluster.Role == role })
}

// byWhat orders clusters that are equally anomalous: by what was done to what, so
// that which of them leads does not depend on what people are called, and only then
// by their ids.
func byWhat(a, b *fingerprint.ClusterKey) int {
	return cmp.Or(cmp.Compare(b.Access, a.Access), cmp.Compare(b.Power, a.Power),
		cmp.Compare(a.APIGroup, b.APIGroup), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.ID, b.ID))
}
