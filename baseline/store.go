package baseline

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Store keeps the history of every cluster of every tenant at every scale, and
// fits the predictions to it. It is not safe for concurrent use.
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
	// judged is told what is judged for the calibration; nil for nobody.
	judged func(*Judged)
}

type tenant struct {
	name   string
	since  int64 // start of the first window
	scales [cluster.NumScales]population
	// families are the role families as they were last told, by role key. A role
	// that is not in it is a family of its own.
	families map[string]string
}

// New returns an empty store. The configuration must be valid.
func New(cfg Config) *Store {
	return &Store{cfg: cfg, grid: newGrid(cfg.ClipZ), tenants: make(map[string]*tenant)}
}

// Train takes a finalised window in. It is copied; the next retrain that is at
// least one window length later lets it into the baseline. Incomplete windows
// are left out: they say nothing about the clusters.
func (s *Store) Train(t *cluster.Training) {
	if t.Incomplete || t.Scale >= cluster.NumScales || t.End <= t.Start {
		return
	}
	tn := s.tenant(t.Tenant, t.Start)
	p := &tn.scales[t.Scale]
	if length := t.End - t.Start; p.time.window != length {
		// Windows of another length say nothing about these.
		*p = s.newPopulation(t.Scale, length)
		tn.link()
	}
	p.take(t)
}

func (s *Store) tenant(name string, start int64) *tenant {
	tn := s.tenants[name]
	if tn == nil {
		tn = &tenant{name: name, since: start}
		for scale := range cluster.NumScales {
			tn.scales[scale] = s.newPopulation(scale, 0)
		}
		tn.link()
		s.tenants[name] = tn
	}
	return tn
}

// link lets the long scale know the medium one.
func (tn *tenant) link() { tn.scales[cluster.Long].shorter = &tn.scales[cluster.Medium] }

// Retrain lets the windows into the baselines that ended at least one window
// length of their scale before at (Unix nanoseconds of event time), forgets what
// is older than the history, and makes every later prediction from that. The
// application calls it when the watermark crosses a multiple of
// [Config.Retrain], before the windows that end at or after it are evaluated.
// It returns the new levels that it has accepted, by tenant, scale and cluster.
func (s *Store) Retrain(at int64) []Shift {
	s.grid.limit()
	var shifts []Shift
	for _, tn := range s.sorted() {
		for i := range tn.scales {
			shifts = append(shifts, tn.scales[i].learn(s, tn, at)...)
		}
	}
	s.epoch++
	return shifts
}

// SetFamilies tells which role family each role key of a tenant belongs to: the
// clusters of a family that have the resource and access in common are what a
// young one borrows from. It holds until the next call, and for roles that are
// known to the store by then.
func (s *Store) SetFamilies(tenant string, familyOf func(role string) string) {
	tn := s.tenants[tenant]
	if tn == nil || familyOf == nil {
		return
	}
	tn.families = make(map[string]string)
	for i := range tn.scales {
		for _, h := range tn.scales[i].order {
			role := h.key.Role
			if _, known := tn.families[role]; !known {
				tn.families[role] = familyOf(role)
			}
		}
	}
	for i := range tn.scales {
		tn.scales[i].regroup(tn.families)
	}
	s.epoch++
}

// Accept lets a cluster's new level in: its baseline is what it did from since
// (Unix nanoseconds) on. A cluster that is not known is ignored.
func (s *Store) Accept(tenant string, id fingerprint.ID, since int64) {
	tn := s.tenants[tenant]
	if tn == nil {
		return
	}
	for i := range tn.scales {
		p := &tn.scales[i]
		if h := p.clusters[id]; h != nil {
			p.accept(h, p.time.at(since-1)+1)
			p.pool()
		}
	}
	s.epoch++
}

// Exclude keeps a cluster's windows between two times (Unix nanoseconds, to
// exclusive) out of its baseline: those that are in it already too, by whole
// cells. A cluster that is not known is ignored.
func (s *Store) Exclude(tenant string, id fingerprint.ID, from, to int64) {
	tn := s.tenants[tenant]
	if tn == nil || to <= from {
		return
	}
	for i := range tn.scales {
		p := &tn.scales[i]
		if h := p.clusters[id]; h != nil {
			if h.run != nil {
				p.abandon(h)
			}
			p.exclude(h, Span{First: p.time.at(from), Last: p.time.at(to - 1)})
			p.pool()
		}
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
