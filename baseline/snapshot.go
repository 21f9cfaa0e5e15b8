package baseline

import (
	"fmt"
	"maps"
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// State is everything a store must keep to go on bit for bit: the sums and what
// was fitted to them. It shares no memory with the store.
type State struct{ Tenants []TenantState }

// TenantState is a tenant's part of a [State].
type TenantState struct {
	Name         string
	Since, Until int64 // Unix nanoseconds
	// Keys names every cluster that is referred to, ascending by id.
	Keys     []fingerprint.ClusterKey
	Waiting  []WaitingState
	Clusters []HistoryState // ascending by id
	Live     []LiveHour
	LiveEver float64
	Rates    RatesState
	Priors   PriorState
}

// WaitingState is a window that the next retrain lets in.
type WaitingState struct {
	Start, End int64
	Rows       []RowState
}

// RowState is one cluster in a waiting window.
type RowState struct {
	Cluster fingerprint.ID
	Born    int64
	Counts  cluster.Counts
}

// HistoryState is one cluster's history.
type HistoryState struct {
	Cluster    fingerprint.ID
	Born       int64
	BornSeq    float64
	BornInHour float64
	Cells      []Cell
	Spread     []float64
	SpreadHour int64
}

// RatesState are a tenant's rates of new things, by class and kind.
type RatesState struct {
	Windows, Clusters, Present float64
	Of                         [][]Rate
	Roles                      []RoleState // ascending by key
}

// RoleState is how often one role does new things, by kind.
type RoleState struct {
	Key   string
	Rates []RoleRate
}

// PriorState is what a tenant's clusters have in common.
type PriorState struct{ Denied, Failed, Spread []float64 }

// Snapshot returns the state.
func (s *Store) Snapshot() State {
	var st State
	for _, tn := range s.sorted() {
		st.Tenants = append(st.Tenants, tn.snapshot())
	}
	return st
}

func (tn *tenant) snapshot() TenantState {
	st := TenantState{
		Name: tn.name, Since: tn.since, Until: tn.until, Keys: tn.keys(),
		Live: slices.Clone(tn.live.hours), LiveEver: tn.live.ever,
		Rates: RatesState{Windows: tn.rates.windows, Clusters: tn.rates.clusters, Present: tn.rates.present},
		Priors: PriorState{
			Denied: slices.Clone(tn.prior.denied[:]), Failed: slices.Clone(tn.prior.failed[:]),
			Spread: slices.Clone(tn.prior.spread[:]),
		},
	}
	for c := range tn.rates.of {
		st.Rates.Of = append(st.Rates.Of, slices.Clone(tn.rates.of[c][:]))
	}
	for _, key := range slices.Sorted(maps.Keys(tn.rates.roles)) {
		st.Rates.Roles = append(st.Rates.Roles, RoleState{Key: key, Rates: slices.Clone(tn.rates.roles[key].rates[:])})
	}
	for _, w := range tn.waiting {
		ws := WaitingState{Start: w.start, End: w.end, Rows: make([]RowState, len(w.rows))}
		for i, r := range w.rows {
			ws.Rows[i] = RowState{Cluster: r.key.ID, Born: r.born, Counts: r.counts}
		}
		st.Waiting = append(st.Waiting, ws)
	}
	for _, h := range tn.order {
		st.Clusters = append(st.Clusters, HistoryState{
			Cluster: h.key.ID, Born: h.born, BornSeq: h.bornSeq, BornInHour: h.bornInHour,
			Cells: slices.Clone(h.cells), Spread: slices.Clone(h.spread[:]), SpreadHour: h.spreadHour,
		})
	}
	return st
}

// keys returns the keys of all clusters known or waiting, ascending by id.
func (tn *tenant) keys() []fingerprint.ClusterKey {
	known := make(map[fingerprint.ID]*fingerprint.ClusterKey)
	var ids []fingerprint.ID
	add := func(k *fingerprint.ClusterKey) {
		if known[k.ID] == nil {
			known[k.ID] = k
			ids = append(ids, k.ID)
		}
	}
	for _, h := range tn.order {
		add(h.key)
	}
	for _, w := range tn.waiting {
		for _, r := range w.rows {
			add(r.key)
		}
	}
	slices.Sort(ids)
	keys := make([]fingerprint.ClusterKey, len(ids))
	for i, id := range ids {
		keys[i] = *known[id]
	}
	return keys
}

// Restore replaces everything in the store by a state. On an error the store is
// unchanged.
func (s *Store) Restore(st State) error {
	tenants := make(map[string]*tenant, len(st.Tenants))
	for i := range st.Tenants {
		tn, err := restore(&st.Tenants[i])
		if err != nil {
			return fmt.Errorf("restore the baselines of tenant %q: %w", st.Tenants[i].Name, err)
		}
		tn.rates.refit(s.grid)
		tenants[tn.name] = tn
	}
	s.tenants = tenants
	s.epoch++
	return nil
}

func restore(st *TenantState) (*tenant, error) {
	tn := &tenant{name: st.Name, since: st.Since, until: st.Until, clusters: make(map[fingerprint.ID]*history), expectedEpoch: -1}
	keys := make(map[fingerprint.ID]*fingerprint.ClusterKey, len(st.Keys))
	for i := range st.Keys {
		key := st.Keys[i]
		keys[key.ID] = &key
	}
	for _, l := range st.Live {
		tn.live.hours = append(tn.live.hours, l)
		tn.live.total += l.Windows
		tn.live.daily[hourOfDay(l.Hour)] += l.Windows
	}
	tn.live.ever = st.LiveEver
	for i := range st.Clusters {
		h, err := st.Clusters[i].history(keys)
		if err != nil {
			return nil, err
		}
		tn.clusters[h.key.ID] = h
		tn.order = append(tn.order, h)
	}
	if !slices.IsSortedFunc(tn.order, func(a, b *history) int { return compareID(a, b.key.ID) }) {
		return nil, fmt.Errorf("clusters are not in order")
	}
	for _, ws := range st.Waiting {
		w := waiting{start: ws.Start, end: ws.End, rows: make([]row, len(ws.Rows))}
		for i, r := range ws.Rows {
			if keys[r.Cluster] == nil {
				return nil, fmt.Errorf("cluster %v has no key", r.Cluster)
			}
			w.rows[i] = row{key: keys[r.Cluster], born: r.Born, counts: r.Counts}
		}
		tn.waiting = append(tn.waiting, w)
	}
	return tn, tn.restoreRates(st)
}

func (st *HistoryState) history(keys map[fingerprint.ID]*fingerprint.ClusterKey) (*history, error) {
	key := keys[st.Cluster]
	if key == nil {
		return nil, fmt.Errorf("cluster %v has no key", st.Cluster)
	}
	if len(st.Spread) != counted {
		return nil, fmt.Errorf("cluster %v has %d dispersions, not %d", st.Cluster, len(st.Spread), counted)
	}
	h := &history{
		key: key, born: st.Born, bornSeq: st.BornSeq, bornInHour: st.BornInHour,
		cells: slices.Clone(st.Cells), spread: [counted]float64(st.Spread), spreadHour: st.SpreadHour,
	}
	h.prediction.class = classOf(key)
	h.prediction.epoch = -1
	for i := range h.cells {
		c := &h.cells[i]
		h.total.add(&c.Moments)
		for f := range counted {
			h.daily[hourOfDay(c.Hour)][f] += c.Sum[f]
		}
	}
	return h, nil
}

func (tn *tenant) restoreRates(st *TenantState) error {
	r := st.Rates
	if len(r.Of) != classes || len(st.Priors.Denied) != classes ||
		len(st.Priors.Failed) != classes || len(st.Priors.Spread) != counted {
		return fmt.Errorf("the rates are of another version")
	}
	tn.rates = newRates()
	tn.rates.windows, tn.rates.clusters, tn.rates.present = r.Windows, r.Clusters, r.Present
	for c := range r.Of {
		if len(r.Of[c]) != int(kinds) {
			return fmt.Errorf("the rates are of another version")
		}
		tn.rates.of[c] = [kinds]Rate(r.Of[c])
	}
	for _, who := range r.Roles {
		if len(who.Rates) != int(kinds) {
			return fmt.Errorf("the rates of role %q are of another version", who.Key)
		}
		tn.rates.roles[who.Key] = &role{rates: [kinds]RoleRate(who.Rates)}
	}
	for _, h := range tn.order {
		tn.rates.uses[useOf(h.key)]++
	}
	tn.prior.denied = [classes]float64(st.Priors.Denied)
	tn.prior.failed = [classes]float64(st.Priors.Failed)
	tn.prior.spread = [counted]float64(st.Priors.Spread)
	return nil
}
