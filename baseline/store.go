package baseline

import (
	"cmp"
	"slices"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

const nanosPerHour = int64(time.Hour)

// Store keeps the history of every cluster of every tenant and fits the
// predictions to it. It is not safe for concurrent use.
//
// [Store.Train] only takes windows in; [Store.Retrain] lets them into the
// baseline. So between two retrains every prediction is the same, and a window
// is never judged by a baseline that has seen it.
type Store struct {
	cfg     Config
	grid    *grid
	tenants map[string]*tenant
	// epoch counts retrains: predictions made in another one are stale.
	epoch int64
}

type tenant struct {
	name     string
	since    int64 // start of the first window
	until    int64 // end of the last window in the baseline
	waiting  []waiting
	clusters map[fingerprint.ID]*history
	order    []*history // clusters, ascending by id
	live     liveHours
	rates    rates
	prior    priors

	// expected are the clusters whose absence would be unusual at expectedHour
	// of expectedEpoch, in ascending order of id.
	expected                    []*history
	expectedEpoch, expectedHour int64
}

// waiting is a finalised window that the next retrain lets in.
type waiting struct {
	start, end int64
	rows       []row // ascending cluster id
}

type row struct {
	key    *fingerprint.ClusterKey
	born   int64
	counts cluster.Counts
}

// New returns an empty store. The configuration must be valid.
func New(cfg Config) *Store {
	return &Store{cfg: cfg, grid: newGrid(cfg.ClipZ), tenants: make(map[string]*tenant)}
}

// Train takes a finalised window in. It is copied; the next retrain that is at
// least one window length later lets it into the baseline. Incomplete windows
// are left out: they say nothing about the clusters.
func (s *Store) Train(t *cluster.Training) {
	if t.Incomplete {
		return
	}
	tn := s.tenant(t.Tenant, t.Start)
	w := waiting{start: t.Start, end: t.End, rows: make([]row, len(t.Windows))}
	for i := range t.Windows {
		tn.renew(t.Windows[i].Cluster)
		w.rows[i] = row{key: t.Windows[i].Cluster, born: t.Windows[i].FirstPane, counts: t.Windows[i].Counts}
	}
	tn.waiting = append(tn.waiting, w)
}

// renew lets a cluster go by its newest key, in which the policy may tell another
// power: there is one key of a cluster, so that a snapshot can keep it once.
func (tn *tenant) renew(key *fingerprint.ClusterKey) {
	if h := tn.clusters[key.ID]; h != nil {
		if h.key == key {
			return
		}
		h.key = key
	}
	for i := range tn.waiting {
		rows := tn.waiting[i].rows
		at, found := slices.BinarySearchFunc(rows, key.ID, func(r row, id fingerprint.ID) int { return cmp.Compare(r.key.ID, id) })
		if found {
			rows[at].key = key
		}
	}
}

func (s *Store) tenant(name string, start int64) *tenant {
	tn := s.tenants[name]
	if tn == nil {
		tn = &tenant{name: name, since: start, clusters: make(map[fingerprint.ID]*history), rates: newRates()}
		tn.prior.reset()
		tn.rates.refit(s.grid)
		s.tenants[name] = tn
	}
	return tn
}

// Retrain lets the windows into the baselines that ended at least one window
// length before at (Unix nanoseconds of event time), forgets what is older
// than the history, and makes every later prediction from that. The
// application calls it when the watermark crosses a multiple of
// [Config.Retrain], before the windows that end at or after it are evaluated.
func (s *Store) Retrain(at int64) {
	s.grid.limit()
	for _, tn := range s.sorted() {
		tn.learn(s, at)
	}
	s.epoch++
}

// Forget removes everything about a tenant, whose learning period begins anew
// with its next window.
func (s *Store) Forget(tenant string) { delete(s.tenants, tenant) }

func (s *Store) sorted() []*tenant {
	all := make([]*tenant, 0, len(s.tenants))
	for _, tn := range s.tenants {
		all = append(all, tn)
	}
	slices.SortFunc(all, func(a, b *tenant) int { return cmp.Compare(a.name, b.name) })
	return all
}

// learn lets one tenant's waiting windows in. All of them are first clipped by
// the baseline in force, which has seen none of them.
func (tn *tenant) learn(s *Store, at int64) {
	taken := 0
	for taken < len(tn.waiting) {
		w := &tn.waiting[taken]
		if w.end+(w.end-w.start) > at {
			break
		}
		tn.clip(s, w)
		taken++
	}
	if taken == 0 {
		return
	}
	for i := range tn.waiting[:taken] {
		tn.add(&tn.waiting[i])
	}
	tn.waiting = slices.Delete(tn.waiting, 0, taken)
	tn.forget((at - int64(s.cfg.History)) / nanosPerHour)
	tn.rates.refit(s.grid)
	tn.prior.refit(tn.order)
}

// clip bounds what outliers teach: a count beyond ClipZ enters as the count at
// it (a winsorised pseudo-observation in the sense of Huber). So an attack or
// an outage moves the level little, and what comes again and again is accepted
// in steps. Clusters that were expected and had no events get a row for it.
func (tn *tenant) clip(s *Store, w *waiting) {
	hour := w.start / nanosPerHour
	for _, h := range s.expectedAt(tn, hour) {
		if s.predict(tn, h, hour).counts[cluster.Events].clipped(0, s.cfg.ClipZ) == 0 {
			continue
		}
		i, listed := slices.BinarySearchFunc(w.rows, h.key.ID, func(r row, id fingerprint.ID) int {
			return cmp.Compare(r.key.ID, id)
		})
		if !listed {
			w.rows = slices.Insert(w.rows, i, row{key: h.key, born: h.born})
		}
	}
	for i := range w.rows {
		r := &w.rows[i]
		h := tn.clusters[r.key.ID]
		if h == nil {
			continue
		}
		p := s.predict(tn, h, hour)
		for f := range counted {
			if asCount(cluster.Feature(f)) {
				r.counts[f] = uint32(p.counts[f].clipped(float64(r.counts[f]), s.cfg.ClipZ))
			}
		}
		r.counts[cluster.Denied] = min(r.counts[cluster.Denied], r.counts[cluster.Events])
		r.counts[cluster.Failed] = min(r.counts[cluster.Failed], r.counts[cluster.Events])
	}
}

// add lets one window in.
func (tn *tenant) add(w *waiting) {
	hour := w.start / nanosPerHour
	born := make([]bool, len(w.rows))
	for i := range w.rows {
		r := &w.rows[i]
		h := tn.clusters[r.key.ID]
		if born[i] = h == nil; born[i] {
			h = tn.bear(r.key, w.start)
		}
		h.add(hour, &r.counts)
	}
	tn.rates.observe(w.rows, born, time.Duration(w.end-w.start))
	tn.live.add(hour)
	tn.until = w.end
}

func (tn *tenant) bear(key *fingerprint.ClusterKey, start int64) *history {
	h := &history{
		key: key, born: start, bornSeq: tn.live.ever, bornInHour: tn.live.at(start / nanosPerHour),
		spreadHour: -1,
	}
	h.prediction.class = classOf(key)
	h.prediction.epoch = -1
	tn.clusters[key.ID] = h
	i, _ := slices.BinarySearchFunc(tn.order, key.ID, compareID)
	tn.order = slices.Insert(tn.order, i, h)
	return h
}

func compareID(h *history, id fingerprint.ID) int { return cmp.Compare(h.key.ID, id) }

// forget removes what is older than the history.
func (tn *tenant) forget(first int64) {
	if len(tn.live.hours) == 0 || tn.live.hours[0].Hour >= first {
		return
	}
	tn.order = slices.DeleteFunc(tn.order, func(h *history) bool {
		h.expire(first)
		if len(h.cells) == 0 {
			delete(tn.clusters, h.key.ID)
			tn.rates.retire(useOf(h.key))
			return true
		}
		return false
	})
	tn.live.expire(first)
}

// predict returns the prediction of a cluster for windows of an hour, from the
// last retrain.
func (s *Store) predict(tn *tenant, h *history, hour int64) *Prediction {
	p := &h.prediction
	if p.epoch != s.epoch || p.hour != hour {
		f := fitter{cfg: &s.cfg, grid: s.grid, live: &tn.live, prior: &tn.prior, hour: hour, until: tn.until / nanosPerHour}
		f.fit(h)
		p.epoch, p.hour = s.epoch, hour
	}
	return p
}

// expectedAt returns the clusters whose absence from a window of the hour would
// be unusual.
func (s *Store) expectedAt(tn *tenant, hour int64) []*history {
	if tn.expectedEpoch == s.epoch && tn.expectedHour == hour {
		return tn.expected
	}
	unusual, _ := normalLow(-Exceedance)
	tn.expectedEpoch, tn.expectedHour = s.epoch, hour
	tn.expected = tn.expected[:0]
	for _, h := range tn.order {
		lived := tn.live.lived(h)
		if lived < expectedWindows || float64(h.total.Sum[cluster.Events]) < expectedMean*lived {
			continue
		}
		d := s.predict(tn, h, hour).counts[cluster.Events].dist
		if silence(d, longestSilence).Low < unusual {
			tn.expected = append(tn.expected, h)
		}
	}
	return tn.expected
}

// A cluster can be missed when it is a few hours old, and when it has enough
// events that a silence of the longest length looked at could be unusual.
const (
	expectedWindows = 36
	expectedMean    = 0.5
	longestSilence  = 12 // windows
)

// silence is the score of no events in a number of windows, of which each is
// expected to be like d. The rate is taken to vary together in all of them: what
// is quiet now may well be quiet for an hour.
func silence(d NegBinomial, windows float64) Tails {
	d.Mean *= windows
	return d.Tails(0)
}
