package baseline

import (
	"cmp"
	"slices"
	"time"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// population is the histories of a tenant's clusters at one scale.
type population struct {
	scale    cluster.Scale
	time     calendar
	until    int64     // end of the last window in the baseline
	waiting  []waiting // in order of time
	clusters map[fingerprint.ID]*history
	order    []*history // clusters, ascending by id
	runs     []*history // those with a run
	live     liveCells
	rates    rates
	prior    priors
	table    *calibration.Table

	// expected are the clusters whose absence would be unusual in expectedCell
	// of expectedEpoch, in ascending order of id.
	expected                    []*history
	expectedEpoch, expectedCell int64

	// shorter is the next shorter scale of the long one, else nil.
	shorter *population

	slots []sums // scratch of the fitter
}

// waiting is a finalised window that the next retrain lets in.
type waiting struct {
	start, end int64
	rows       []row // ascending cluster id
}

type row struct {
	key    *fingerprint.ClusterKey
	counts cluster.Counts
	shape  cluster.Shape
	// bounded is what of the counts is let in, nil when that is all of them, and
	// trust the weight of the shape; set by clip.
	bounded *cluster.Counts
	trust   *trust
}

// newPopulation returns an empty population for windows of a length, 0 when it is
// not known yet.
func (s *Store) newPopulation(scale cluster.Scale, window int64) population {
	p := population{
		scale: scale, time: newCalendar(scale, window, s.cfg.Calendar),
		clusters: make(map[fingerprint.ID]*history), rates: newRates(), expectedEpoch: -1,
		prior: priors{groups: make(map[groupKey]*group)},
		table: calibration.NewTable(scale, calibration.BlockOf(scale, window)),
	}
	p.pool()
	p.rates.refit(s.grid)
	return p
}

// take keeps a window for the next retrain.
func (p *population) take(t *cluster.Training) {
	w := waiting{start: t.Start, end: t.End, rows: make([]row, len(t.Windows))}
	for i := range t.Windows {
		p.renew(t.Windows[i].Cluster)
		w.rows[i] = row{key: t.Windows[i].Cluster, counts: t.Windows[i].Counts, shape: t.Windows[i].Shape}
	}
	p.waiting = append(p.waiting, w)
}

// renew lets a cluster go by its newest key, in which the policy may tell another
// power: there is one key of a cluster, so that a snapshot can keep it once.
func (p *population) renew(key *fingerprint.ClusterKey) {
	if h := p.clusters[key.ID]; h != nil {
		if h.key == key {
			return
		}
		h.key = key
	}
	for i := range p.waiting {
		if at, found := find(p.waiting[i].rows, key.ID); found {
			p.waiting[i].rows[at].key = key
		}
	}
}

// find returns the place of a cluster in rows.
func find(rows []row, id fingerprint.ID) (int, bool) {
	return slices.BinarySearchFunc(rows, id, func(r row, id fingerprint.ID) int { return cmp.Compare(r.key.ID, id) })
}

// learn lets the waiting windows in. All of them are first clipped by the
// baseline in force, which has seen none of them.
func (p *population) learn(s *Store, tn *tenant, at int64) []Shift {
	taken := 0
	for taken < len(p.waiting) {
		w := &p.waiting[taken]
		if w.end+(w.end-w.start) > at {
			break
		}
		p.calibrate(s, tn, w)
		p.clip(s, w)
		taken++
	}
	if taken == 0 {
		return nil
	}
	for i := range p.waiting[:taken] {
		p.add(s, tn, &p.waiting[i])
	}
	p.waiting = slices.Delete(p.waiting, 0, taken)
	shifts := p.settleRuns(s, tn, at)
	p.forget(p.time.at(at - int64(s.cfg.History)))
	p.rates.refit(s.grid)
	p.settle()
	p.pool()
	p.table.Fit()
	return shifts
}

// clip bounds what outliers teach: a count beyond ClipZ enters as the count at
// it (a winsorised pseudo-observation in the sense of Huber). So an attack or
// an outage moves the level little, and what comes again and again is accepted
// in steps. Clusters that were expected and had no events get a row for it.
func (p *population) clip(s *Store, w *waiting) {
	cell := p.time.at(w.start)
	for _, h := range p.expectedAt(s, cell) {
		if p.predict(s, h, cell).counts[cluster.Events].clipped(0, s.cfg.ClipZ) == 0 {
			continue
		}
		if i, listed := find(w.rows, h.key.ID); !listed {
			w.rows = slices.Insert(w.rows, i, row{key: h.key})
		}
	}
	for i := range w.rows {
		r := &w.rows[i]
		h := p.clusters[r.key.ID]
		if h == nil {
			continue
		}
		if p.live.lived(h) > 0 {
			q := p.predict(s, h, cell)
			r.bounded = q.bound(&r.counts, s.cfg.ClipZ)
			if q.form != nil {
				r.trust = q.form.trusts(&r.shape, s.cfg.ClipZ)
			}
		}
	}
}

// bound returns what of the counts of a window may be learned, nil when that is
// all of them.
func (q *Prediction) bound(counts *cluster.Counts, clipZ float64) *cluster.Counts {
	out := *counts
	for f := range counted {
		if asCount(cluster.Feature(f)) && q.counts[f] != nil {
			out[f] = uint32(q.counts[f].clipped(float64(out[f]), clipZ))
		}
	}
	out[cluster.Denied] = q.denied.clipped(min(out[cluster.Denied], out[cluster.Events]), out[cluster.Events], clipZ)
	out[cluster.Failed] = q.failed.clipped(min(out[cluster.Failed], out[cluster.Events]), out[cluster.Events], clipZ)
	if out == *counts {
		return nil
	}
	return &out
}

// add lets one window in.
func (p *population) add(s *Store, tn *tenant, w *waiting) {
	cell := p.time.at(w.start)
	born := make([]bool, len(w.rows))
	for i := range w.rows {
		r := &w.rows[i]
		h := p.clusters[r.key.ID]
		if born[i] = h == nil; born[i] {
			h = p.bear(r.key, cell)
			p.join(h, tn.families)
		}
		if !h.excludes(cell) {
			p.observe(s, h, w, r)
		}
	}
	p.rates.observe(w.rows, born, time.Duration(w.end-w.start), s.halfLife(w.end-w.start))
	p.live.add(cell)
	p.until = w.end
}

// halfLife is how fast the rates of new things forget, which fall all the time
// while a tenant is being learnt: the learning period, and some windows.
func (s *Store) halfLife(window int64) time.Duration {
	const windows = 8
	return max(s.cfg.Learning, windows*time.Duration(window))
}

func (p *population) bear(key *fingerprint.ClusterKey, cell int64) *history {
	h := &history{
		key: key, born: cell, bornSeq: p.live.ever, bornInCell: p.live.at(cell),
		spreadCell: notFitted,
	}
	h.prediction.class = classOf(key)
	h.prediction.epoch = -1
	p.clusters[key.ID] = h
	i, _ := slices.BinarySearchFunc(p.order, key.ID, compareID)
	p.order = slices.Insert(p.order, i, h)
	return h
}

func compareID(h *history, id fingerprint.ID) int { return cmp.Compare(h.key.ID, id) }

// forget removes what is older than the history.
func (p *population) forget(first int64) {
	if len(p.live.cells) == 0 || p.live.cells[0].Cell >= first {
		return
	}
	p.order = slices.DeleteFunc(p.order, func(h *history) bool {
		h.expire(first)
		if h.cells.len() == 0 && len(h.excluded) == 0 && h.run == nil {
			delete(p.clusters, h.key.ID)
			p.rates.retire(useOf(h.key))
			return true
		}
		return false
	})
	p.live.expire(first)
}

// predict returns the prediction of a cluster for windows of a cell, from the
// last retrain.
func (p *population) predict(s *Store, h *history, cell int64) *Prediction {
	q := &h.prediction
	if q.epoch != s.epoch || q.cell != cell {
		f := fitter{population: p, cfg: &s.cfg, grid: s.grid, cell: cell, last: p.time.at(p.until), shorter: p.shorter}
		f.fit(h)
		q.epoch, q.cell = s.epoch, cell
	}
	return q
}

// known reports whether a window of the scale was ever trained on.
func (p *population) known() bool { return p.time.window > 0 }

// cellOf is the cell of an evaluation's windows: that of their middle.
func (p *population) cellOf(ev *cluster.Evaluation) int64 {
	return p.time.at(ev.Start + (ev.End-ev.Start)/2)
}
