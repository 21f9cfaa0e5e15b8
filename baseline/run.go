package baseline

import (
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// run is a run of windows in which a cluster was far from its level, most of them
// in the same direction. While it goes on the history stands still: the run's
// windows wait beside it, to become the new history when the level lasts, or else
// to join the old one with their outliers bounded.
type run struct {
	since int64 // start of the first window
	first int64 // its cell
	// seq and inCell are the tenant's live windows before it, ever and in its cell.
	seq, inCell float64
	// up and down count the windows that were clipped, by feature.
	up, down [counted]uint32
	// as are the windows as they were, bounded as they teach; bounded is empty in a
	// run that has to wait for a verdict.
	as, bounded cells
	waits       bool
}

// guarded reports whether a cluster's new level wants a verdict: accesses and
// resources with which a lasting attack must not become usual by lasting.
func guarded(k *fingerprint.ClusterKey) bool {
	return k.Sensitive || k.Access == fingerprint.AccessEscalate || k.Access == fingerprint.AccessConnect
}

// observe lets one window into a history, or into its run. Bounded is what the
// window may teach, nil when that is all of it.
func (p *population) observe(s *Store, h *history, w *waiting, r *row) {
	cell := p.time.at(w.start)
	if h.run == nil && r.bounded != nil && p.live.lived(h)*float64(p.time.window) >= float64(s.cfg.LevelShiftAfter) {
		h.run = &run{since: w.start, first: cell, seq: p.live.ever, inCell: p.live.at(cell)}
		p.runs = append(p.runs, h)
	}
	if h.run == nil {
		h.add(cell, r.taught())
		if r.shape != (cluster.Shape{}) {
			if h.form == nil {
				h.form = &form{}
			}
			h.form.learn(w.start, &r.shape, r.trust, float64(s.cfg.History)/2)
		}
		return
	}
	h.run.add(cell, r)
}

// taught are the counts that a row teaches.
func (r *row) taught() *cluster.Counts {
	if r.bounded != nil {
		return r.bounded
	}
	return &r.counts
}

func (u *run) add(cell int64, r *row) {
	as := windowCell(cell, &r.counts)
	u.as.add(&as)
	if !u.waits {
		bounded := windowCell(cell, r.taught())
		u.bounded.add(&bounded)
	}
	if r.bounded == nil {
		return
	}
	for f := range counted {
		switch {
		case !asCount(cluster.Feature(f)):
		case r.bounded[f] < r.counts[f]:
			u.up[f]++
		case r.bounded[f] > r.counts[f]:
			u.down[f]++
		}
	}
}

// lasting returns the feature that was clipped in the same direction in most of
// the windows, and whether there is one.
func (u *run) lasting(windows float64) (cluster.Feature, bool) {
	feature, most := cluster.Events, uint32(0)
	for f := range counted {
		if n := max(u.up[f], u.down[f]); n > most {
			feature, most = cluster.Feature(f), n
		}
	}
	return feature, 2*float64(most) >= windows
}

// leastRun is how many windows a lasting level has at least.
const leastRun = 3

// settleRuns ends the runs that do not last, and accepts those that have lasted.
func (p *population) settleRuns(s *Store, tn *tenant, at int64) (shifts []Shift) {
	slices.SortFunc(p.runs, func(a, b *history) int { return compareID(a, b.key.ID) })
	p.runs = slices.Compact(p.runs) // one that was ended by a verdict may have begun again
	p.runs = slices.DeleteFunc(p.runs, func(h *history) bool {
		u := h.run
		if u == nil {
			return true
		}
		windows := p.live.ever - u.seq
		feature, lasts := u.lasting(windows)
		if !lasts {
			p.abandon(h)
			return true
		}
		after := float64(s.cfg.LevelShiftAfter) / float64(p.time.window)
		if windows < max(after, leastRun) {
			return false
		}
		if guarded(h.key) {
			u.waits, u.bounded = true, cells{}
			return false
		}
		shift := Shift{
			Tenant: tn.name, Cluster: h.key, At: at, Since: u.since, Feature: feature, Scale: p.scale,
			From: p.mean(h, feature),
		}
		p.accept(h, u.first)
		h.bornSeq, h.bornInCell = u.seq, u.inCell
		shift.To = p.mean(h, feature)
		shifts = append(shifts, shift)
		tn.restart(p.scale, h.key.ID, u.since)
		return true
	})
	return shifts
}

// mean is what a window of the history had on average.
func (p *population) mean(h *history, f cluster.Feature) float64 {
	return float64(h.total.Sum[f]) / max(p.live.lived(h), 1)
}

// abandon ends a run whose level did not last: it was an outlier. What waited for
// a verdict without getting one stays out.
func (p *population) abandon(h *history) {
	u := h.run
	h.run = nil
	if u.waits {
		p.exclude(h, Span{First: u.first, Last: p.time.at(p.until - 1)})
		return
	}
	h.merge(&u.bounded)
}

// accept ends a run with its windows as they were, and begins the history at a
// cell.
func (p *population) accept(h *history, cell int64) {
	if u := h.run; u != nil {
		h.run = nil
		h.merge(&u.as)
	}
	h.form = nil
	p.begin(h, cell)
}

// restart begins a cluster's histories at the longer scales anew: their windows
// are of the old level until they lie after since.
func (tn *tenant) restart(above cluster.Scale, id fingerprint.ID, since int64) {
	for scale := above + 1; scale < cluster.NumScales; scale++ {
		p := &tn.scales[scale]
		if h := p.clusters[id]; h != nil {
			p.accept(h, p.time.at(since-1)+1)
		}
	}
}

// merge adds cells that are not before the last one.
func (h *history) merge(from *cells) {
	var c Cell
	for i := range from.list {
		from.get(i, &c)
		h.total.add(&c.Moments)
		h.cells.add(&c)
	}
}
