package cluster

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
)

// OverflowName is the tenant and the role of what is beyond the budgets.
const OverflowName = "_overflow"

// tenant is the state of one tenant.
type tenant struct {
	name     string
	limits   *Limits
	clusters map[fingerprint.ID]*series // without the overflow
	ofRole   map[string]int             // how many of them each role has
	overflow *series                    // nil until needed
	active   []*series                  // those with partials kept, ascending cluster id
	// reaching are those with a reach at each longer scale, ascending.
	reaching [NumScales][]*series
	seen     seen
	rate     bucket             // of new clusters
	refused  [NumBudgets]uint64 // events in time

	// folded is the overflow's partial of the pane being closed.
	folded *partial
}

// overflowKey is the cluster of a tenant that everything beyond its budget of
// clusters is added up in.
func overflowKey(tenant string) *fingerprint.ClusterKey {
	return &fingerprint.ClusterKey{ID: overflowID(tenant), Tenant: tenant, Role: OverflowName}
}

func overflowID(tenant string) fingerprint.ID {
	return fingerprint.ID(mix(xxhash.Sum64String(tenant), xxhash.Sum64String("logcluster/overflow")))
}

// isOverflow reports whether a key is an overflowKey: every other has a
// resource.
func isOverflow(key *fingerprint.ClusterKey) bool {
	return key.Role == OverflowName && key.Resource == ""
}

// landing is a partial and the series that it belongs to.
type landing struct {
	tenant  *tenant
	series  *series
	partial *partial
}

// land decides where partials belong: in ascending (tenant, cluster id) order
// it admits tenants and clusters as far as the budgets reach, folds the rest
// into the overflow, and counts what was never seen before. Partials that were
// folded are recycled. The partials are of before the time at, and late or not.
func (w *Windows) land(partials []*partial, at int64, late bool) {
	slices.SortFunc(partials, func(a, b *partial) int {
		if c := strings.Compare(a.key.Tenant, b.key.Tenant); c != 0 {
			return c
		}
		return cmp.Compare(a.key.ID, b.key.ID)
	})
	w.landings = w.landings[:0]
	w.landed++
	for _, p := range partials {
		p.settle(w.cfg.MaxDistinct, &w.mem)
		t := w.admitTenant(p.key.Tenant)
		t.seen.turn(at, w.era(at), &w.mem.slabs)
		t.seen.land(w.landed, &w.mem.slabs)
		s, by := w.admitCluster(t, p)
		switch {
		case s != nil:
			t.seen.recognise(p, s.traits, t.limits, &w.mem)
		case !isOverflow(p.key):
			t.seen.recognise(p, traitsOf(p.key), t.limits, &w.mem)
		}
		p.forgetPairs(&w.mem)
		if s != nil {
			w.landings = append(w.landings, landing{t, s, p})
			continue
		}
		if !late {
			w.refuse(t, by, p.sum.counts[Events])
		}
		w.fold(t, p)
	}
	for _, l := range w.landings {
		if l.series == l.tenant.overflow {
			l.partial.settle(w.cfg.MaxDistinct, &w.mem) // once, and not at every fold
			l.tenant.folded = nil
		}
		l.series.first = min(l.series.first, l.partial.pane)
		l.series.last = max(l.series.last, l.partial.pane)
	}
}

// fold adds a partial to the overflow of its tenant and recycles it.
func (w *Windows) fold(t *tenant, p *partial) {
	if t.overflow == nil {
		t.overflow = w.newSeries(overflowKey(t.name), p.pane)
	}
	if t.folded == nil {
		t.folded = w.mem.newPartial(p.pane, t.overflow.key)
		w.landings = append(w.landings, landing{t, t.overflow, t.folded})
	}
	t.folded.pane = min(t.folded.pane, p.pane)
	t.folded.merge(p, w.cfg.MaxDistinct, &w.mem)
	w.mem.recycle(p)
}

// admitTenant returns the tenant, or the overflow tenant when there is no room
// for another. There is always room for one that has limits of its own.
func (w *Windows) admitTenant(name string) *tenant {
	if t := w.tenants[name]; t != nil {
		return t
	}
	named := len(w.tenants)
	if w.tenants[OverflowName] != nil {
		named--
	}
	if named >= w.cfg.MaxTenants && name != OverflowName && w.limits.byTenant[name] == nil {
		return w.admitTenant(OverflowName)
	}
	t := w.newTenant(strings.Clone(name))
	w.addTenant(t)
	return t
}

func (w *Windows) newTenant(name string) *tenant {
	return &tenant{
		name: name, limits: w.limitsOf(name),
		clusters: make(map[fingerprint.ID]*series), ofRole: make(map[string]int),
		seen: seen{relearn: w.seenFor / relearnShare},
	}
}

func (w *Windows) addTenant(t *tenant) {
	w.tenants[t.name] = t
	at, _ := slices.BinarySearchFunc(w.byTenant, t.name, func(t *tenant, name string) int { return strings.Compare(t.name, name) })
	w.byTenant = slices.Insert(w.byTenant, at, t)
}

// admitCluster returns the series of the partial's cluster, nil when it
// belongs to the overflow, and then the budget that it is beyond.
func (w *Windows) admitCluster(t *tenant, p *partial) (*series, Budget) {
	if s := t.clusters[p.key.ID]; s != nil {
		return s, 0
	}
	switch {
	case t.name != p.key.Tenant, t.name == OverflowName && isOverflow(p.key):
		return nil, BudgetTenants
	case isOverflow(p.key):
		return nil, BudgetPane
	case len(t.clusters) >= t.limits.MaxClusters:
		return nil, BudgetClusters
	case t.ofRole[p.key.Role] >= t.limits.ClustersOfRole():
		return nil, BudgetRole
	case !t.rate.take(t.seen.now, t.limits.MaxNewClusters):
		return nil, BudgetRate
	}
	s := w.newSeries(p.key, p.pane)
	w.addCluster(t, s)
	return s, 0
}

func (w *Windows) addCluster(t *tenant, s *series) {
	t.clusters[s.key.ID] = s
	t.ofRole[s.key.Role]++
	w.clusters++
}

func (w *Windows) removeCluster(t *tenant, s *series) {
	delete(t.clusters, s.key.ID)
	if t.ofRole[s.key.Role]--; t.ofRole[s.key.Role] == 0 {
		delete(t.ofRole, s.key.Role)
	}
	w.clusters--
}

// activate lists a series among those with partials.
func (t *tenant) activate(s *series) {
	if len(s.ring) > 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(t.active, s.key.ID, func(s *series, id fingerprint.ID) int { return cmp.Compare(s.key.ID, id) })
	t.active = slices.Insert(t.active, at, s)
}

// forget drops the clusters that had no events for Config.SeenFor before the
// given time, and tenants without clusters. It is called at multiples of
// forgetEvery only, so that a jump over several of them forgets the same.
func (w *Windows) forget(now int64) {
	stale := func(s *series) bool {
		return len(s.ring) == 0 && s.reach == [NumScales]*reach{} && (s.last+1)*w.pane+w.seenFor <= now
	}
	w.byTenant = slices.DeleteFunc(w.byTenant, func(t *tenant) bool {
		for _, s := range t.clusters {
			if stale(s) {
				w.removeCluster(t, s)
			}
		}
		if t.overflow != nil && stale(t.overflow) {
			t.overflow = nil
		}
		if len(t.clusters) > 0 || t.overflow != nil {
			return false
		}
		w.unknown += t.seen.unknownThings()
		t.seen.reset(&w.mem.slabs)
		delete(w.tenants, t.name)
		return true
	})
}
