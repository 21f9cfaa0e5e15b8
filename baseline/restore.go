package baseline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Restore replaces everything in the store by a state. On an error the store is
// unchanged.
func (s *Store) Restore(st State) error {
	tenants := make(map[string]*tenant, len(st.Tenants))
	for i := range st.Tenants {
		tn, err := s.restore(&st.Tenants[i])
		if err != nil {
			return fmt.Errorf("restore the baselines of tenant %q: %w", st.Tenants[i].Name, err)
		}
		tenants[tn.name] = tn
	}
	s.tenants = tenants
	s.epoch++
	return nil
}

// errVersion is of a state whose features are not those of this version.
var errVersion = errors.New("the state is of another version")

func (s *Store) restore(st *TenantState) (*tenant, error) {
	if len(st.Scales) != int(cluster.NumScales) {
		return nil, errVersion
	}
	tn := &tenant{name: st.Name, since: st.Since}
	if len(st.Families) > 0 {
		tn.families = make(map[string]string, len(st.Families))
	}
	for _, f := range st.Families {
		tn.families[f.Role] = f.Family
	}
	keys := make(map[fingerprint.ID]*fingerprint.ClusterKey, len(st.Keys))
	for i := range st.Keys {
		key := st.Keys[i]
		keys[key.ID] = &key
	}
	for scale := range cluster.NumScales {
		tn.scales[scale] = s.newPopulation(scale, st.Scales[scale].Window)
		if err := tn.scales[scale].restore(&st.Scales[scale], keys); err != nil {
			return nil, fmt.Errorf("%v scale: %w", scale, err)
		}
		tn.scales[scale].regroup(tn.families)
		tn.scales[scale].rates.refit(s.grid)
	}
	tn.link()
	return tn, nil
}

func (p *population) restore(st *PopulationState, keys map[fingerprint.ID]*fingerprint.ClusterKey) error {
	p.until = st.Until
	p.live.cells, p.live.ever = slices.Clone(st.Live), st.LiveEver
	for _, l := range st.Live {
		p.live.total += l.Windows
	}
	for i := range st.Clusters {
		h, err := st.Clusters[i].history(keys)
		if err != nil {
			return err
		}
		p.clusters[h.key.ID] = h
		p.order = append(p.order, h)
		if h.run != nil {
			p.runs = append(p.runs, h)
		}
	}
	if !slices.IsSortedFunc(p.order, func(a, b *history) int { return compareID(a, b.key.ID) }) {
		return errors.New("clusters are not in order")
	}
	for _, ws := range st.Waiting {
		w := waiting{start: ws.Start, end: ws.End, rows: make([]row, len(ws.Rows))}
		for i, r := range ws.Rows {
			if keys[r.Cluster] == nil {
				return fmt.Errorf("cluster %v has no key", r.Cluster)
			}
			w.rows[i] = row{key: keys[r.Cluster], counts: r.Counts, shape: r.Shape}
		}
		p.waiting = append(p.waiting, w)
	}
	if err := p.rates.restore(&st.Rates); err != nil {
		return err
	}
	for _, h := range p.order {
		p.rates.uses[useOf(h.key)]++
	}
	return p.table.Restore(st.Calibration)
}

func (st *HistoryState) history(keys map[fingerprint.ID]*fingerprint.ClusterKey) (*history, error) {
	key := keys[st.Cluster]
	if key == nil {
		return nil, fmt.Errorf("cluster %v has no key", st.Cluster)
	}
	if len(st.Spread) != counted {
		return nil, errVersion
	}
	h := &history{
		key: key, born: st.Born, bornSeq: st.BornSeq, bornInCell: st.BornInCell,
		cells: restored(st.Cells), excluded: slices.Clone(st.Excluded),
		spread: [counted]float64(st.Spread), spreadCell: st.SpreadCell, beyond: st.Beyond,
	}
	if u := st.Run; u != nil {
		if len(u.Up) != counted || len(u.Down) != counted {
			return nil, errVersion
		}
		h.run = &run{
			since: u.Since, first: u.First, seq: u.Seq, inCell: u.InCell,
			up: [counted]uint32(u.Up), down: [counted]uint32(u.Down),
			as: restored(u.As), bounded: restored(u.Bounded), waits: u.Waits,
		}
	}
	if f := st.Form; f != nil {
		if !f.Verbs.fits(cluster.NumVerbs) || !f.Outcomes.fits(cluster.NumOutcomeClasses) {
			return nil, errVersion
		}
		h.form = &form{Form: *f.clone()}
	}
	if st.Told != nil {
		if len(st.Told) != counted {
			return nil, errVersion
		}
		h.told, h.settled = [counted]float32(st.Told), true
	}
	h.prediction.class = classOf(key)
	h.prediction.epoch = -1
	for i := range st.Cells {
		h.total.add(&st.Cells[i].Moments)
	}
	return h, nil
}

func (r *rates) restore(st *RatesState) error {
	if len(st.Of) != classes {
		return errVersion
	}
	r.windows, r.clusters, r.present = st.Windows, st.Clusters, st.Present
	for c := range st.Of {
		if len(st.Of[c]) != int(kinds) {
			return errVersion
		}
		r.of[c] = [kinds]Rate(st.Of[c])
	}
	for _, who := range st.Roles {
		if len(who.Rates) != int(kinds) {
			return errVersion
		}
		r.roles[who.Key] = &role{rates: [kinds]RoleRate(who.Rates)}
	}
	return nil
}

// fits reports whether a restored mix is of so many classes.
func (m *Mix) fits(classes int) bool { return len(m.Of) == 0 || len(m.Of) == classes }
