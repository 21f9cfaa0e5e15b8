package baseline

import (
	"maps"
	"slices"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// State is everything a store must keep to go on bit for bit: the sums and what
// was fitted to them. It shares no memory with the store.
type State struct{ Tenants []TenantState }

// TenantState is a tenant's part of a [State].
type TenantState struct {
	Name  string
	Since int64 // Unix nanoseconds
	// Keys names every cluster that is referred to, ascending by id.
	Keys     []fingerprint.ClusterKey
	Families []FamilyState     // ascending by role
	Scales   []PopulationState // by scale
}

// FamilyState is the role family of a role key.
type FamilyState struct{ Role, Family string }

// PopulationState is what is kept of a tenant at one scale.
type PopulationState struct {
	Window   int64 // length in nanoseconds, 0 when none was trained on
	Until    int64 // Unix nanoseconds
	Waiting  []WaitingState
	Clusters []HistoryState // ascending by id
	Live     []LiveCell
	LiveEver float64
	Rates    RatesState
	// Calibration is how the predictions have done.
	Calibration calibration.State
}

// WaitingState is a window that the next retrain lets in.
type WaitingState struct {
	Start, End int64
	Rows       []RowState
}

// RowState is one cluster in a waiting window.
type RowState struct {
	Cluster fingerprint.ID
	Counts  cluster.Counts
	Shape   cluster.Shape
}

// HistoryState is one cluster's history.
type HistoryState struct {
	Cluster    fingerprint.ID
	Born       int64
	BornSeq    float64
	BornInCell float64
	Cells      []Cell
	Excluded   []Span
	Run        *RunState // nil without one
	Form       *Form     // nil without one
	Spread     []float64
	SpreadCell int64
	Told       []float32 // nil when not settled
	// Beyond is the end of the last window that was far beyond its baseline.
	Beyond int64
}

// RunState is a run of windows that are far from the cluster's level.
type RunState struct {
	Since, First int64
	Seq, InCell  float64
	Up, Down     []uint32
	As, Bounded  []Cell
	Waits        bool
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

// Snapshot returns the state.
func (s *Store) Snapshot() State {
	var st State
	for _, tn := range s.sorted() {
		st.Tenants = append(st.Tenants, tn.snapshot())
	}
	return st
}

func (tn *tenant) snapshot() TenantState {
	st := TenantState{Name: tn.name, Since: tn.since, Keys: tn.keys()}
	for _, role := range slices.Sorted(maps.Keys(tn.families)) {
		st.Families = append(st.Families, FamilyState{Role: role, Family: tn.families[role]})
	}
	for i := range tn.scales {
		st.Scales = append(st.Scales, tn.scales[i].snapshot())
	}
	return st
}

func (p *population) snapshot() PopulationState {
	st := PopulationState{
		Window: p.time.window, Until: p.until,
		Live: slices.Clone(p.live.cells), LiveEver: p.live.ever,
		Rates:       p.rates.snapshot(),
		Calibration: p.table.Snapshot(),
	}
	for _, w := range p.waiting {
		ws := WaitingState{Start: w.start, End: w.end, Rows: make([]RowState, len(w.rows))}
		for i, r := range w.rows {
			ws.Rows[i] = RowState{Cluster: r.key.ID, Counts: r.counts, Shape: r.shape}
		}
		st.Waiting = append(st.Waiting, ws)
	}
	for _, h := range p.order {
		hs := HistoryState{
			Cluster: h.key.ID, Born: h.born, BornSeq: h.bornSeq, BornInCell: h.bornInCell,
			Cells: h.cells.snapshot(), Excluded: slices.Clone(h.excluded),
			Spread: slices.Clone(h.spread[:]), SpreadCell: h.spreadCell, Beyond: h.beyond,
		}
		if h.run != nil {
			hs.Run = h.run.snapshot()
		}
		if h.form != nil {
			hs.Form = h.form.clone()
		}
		if h.settled {
			hs.Told = slices.Clone(h.told[:])
		}
		st.Clusters = append(st.Clusters, hs)
	}
	return st
}

func (f *Form) clone() *Form {
	out := *f
	out.Verbs.Of, out.Outcomes.Of = slices.Clone(f.Verbs.Of), slices.Clone(f.Outcomes.Of)
	return &out
}

func (u *run) snapshot() *RunState {
	return &RunState{
		Since: u.since, First: u.first, Seq: u.seq, InCell: u.inCell, Up: slices.Clone(u.up[:]), Down: slices.Clone(u.down[:]),
		As: u.as.snapshot(), Bounded: u.bounded.snapshot(), Waits: u.waits,
	}
}

func (r *rates) snapshot() RatesState {
	st := RatesState{Windows: r.windows, Clusters: r.clusters, Present: r.present}
	for c := range r.of {
		st.Of = append(st.Of, slices.Clone(r.of[c][:]))
	}
	for _, key := range slices.Sorted(maps.Keys(r.roles)) {
		st.Roles = append(st.Roles, RoleState{Key: key, Rates: slices.Clone(r.roles[key].rates[:])})
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
	for i := range tn.scales {
		p := &tn.scales[i]
		for _, h := range p.order {
			add(h.key)
		}
		for _, w := range p.waiting {
			for _, r := range w.rows {
				add(r.key)
			}
		}
	}
	slices.Sort(ids)
	keys := make([]fingerprint.ClusterKey, len(ids))
	for i, id := range ids {
		keys[i] = *known[id]
	}
	return keys
}
