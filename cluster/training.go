package cluster

import (
	"cmp"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint"
)

// pending is a training window that is over and not final yet: late events
// inside the grace may still correct it.
type pending struct {
	index      int64 // start divided by the length
	incomplete bool
	tenants    []tenantRows // ascending name
}

// tenantRows are the counts of a tenant's clusters, in ascending order of id.
type tenantRows struct {
	name string
	rows []row
}

type row struct {
	series *series
	totals totals
}

// capture keeps the counts of the sliding windows that end here as the training
// window that they are, until it becomes final. In a silence that is no
// window of zeros but the absence of any source nothing is kept.
func (w *Windows) capture(end int64) {
	alive := w.alive(end)
	p := w.mem.newPending(end/w.window - 1)
	p.incomplete = !w.whole(end-w.window, end) || len(w.partialSince(end-w.window)) > 0
	for _, t := range w.byTenant {
		rows := p.addTenant(t.name)
		for _, s := range t.active {
			if s.win < len(s.ring) {
				rows.rows = append(rows.rows, row{s, s.totals()})
			}
		}
		if !alive && len(rows.rows) == 0 {
			p.tenants = p.tenants[:len(p.tenants)-1]
		}
	}
	if len(p.tenants) == 0 {
		w.mem.recyclePending(p)
		return
	}
	w.pending = append(w.pending, p)
}

// newPending returns an empty training window.
func (m *memory) newPending(index int64) *pending {
	p := &pending{}
	if last := len(m.pending) - 1; last >= 0 {
		p, m.pending = m.pending[last], m.pending[:last]
	}
	p.index = index
	return p
}

// recyclePending takes back a training window that was handed out. It keeps
// the memory of the rows.
func (m *memory) recyclePending(p *pending) {
	p.tenants = p.tenants[:cap(p.tenants)]
	for i := range p.tenants {
		t := &p.tenants[i]
		clear(t.rows[:cap(t.rows)])
		*t = tenantRows{rows: t.rows[:0]}
	}
	*p = pending{tenants: p.tenants[:0]}
	m.pending = append(m.pending, p)
}

// addTenant appends a tenant without rows.
func (p *pending) addTenant(name string) *tenantRows {
	n := len(p.tenants)
	if n < cap(p.tenants) {
		p.tenants = p.tenants[:n+1]
	} else {
		p.tenants = append(p.tenants, tenantRows{})
	}
	p.tenants[n].name, p.tenants[n].rows = name, p.tenants[n].rows[:0]
	return &p.tenants[n]
}

// finalise corrects the next training window by its late events and hands it
// out.
func (w *Windows) finalise(v Visitor) {
	index := w.training
	w.training++
	var p *pending
	if len(w.pending) > 0 && w.pending[0].index == index {
		p = w.pending[0]
		w.pending = slices.Delete(w.pending, 0, 1)
	}
	if late := takeFirst(&w.late, index); late != nil {
		if p == nil {
			p = w.mem.newPending(index)
			p.incomplete = true
		}
		w.correct(p, late)
	}
	if p == nil {
		return
	}
	for i := range p.tenants {
		w.visit = w.visit[:0]
		for _, r := range p.tenants[i].rows {
			w.visit = append(w.visit, Window{
				Cluster:   r.series.key,
				FirstPane: r.series.first * w.pane,
				Counts:    r.totals.counts,
				Shape:     r.totals.shape,
			})
		}
		w.train = Training{
			Tenant:     p.tenants[i].name,
			Start:      index * w.window,
			End:        (index + 1) * w.window,
			Incomplete: p.incomplete,
			Windows:    w.visit,
		}
		v.Train(&w.train)
	}
	w.mem.recyclePending(p)
}

// correct adds the late events of a training window to its rows.
func (w *Windows) correct(p *pending, late *pane) {
	w.land(late.partials, (p.index+1)*w.window, true)
	for _, l := range w.landings {
		r := p.row(l.tenant.name, l.series)
		l.series.correct(&r.totals, l.partial, p.index*w.panesPerWindow)
		w.mem.recycle(l.partial)
	}
	w.letGo(late)
}

// row returns the row of a cluster, inserting what is missing.
func (p *pending) row(tenant string, s *series) *row {
	at, found := slices.BinarySearchFunc(p.tenants, tenant, func(t tenantRows, name string) int {
		return strings.Compare(t.name, name)
	})
	if !found {
		p.tenants = slices.Insert(p.tenants, at, tenantRows{name: tenant})
	}
	t := &p.tenants[at]
	at, found = slices.BinarySearchFunc(t.rows, s.key.ID, func(r row, id fingerprint.ID) int {
		return cmp.Compare(r.series.key.ID, id)
	})
	if !found {
		t.rows = slices.Insert(t.rows, at, row{series: s})
	}
	return &t.rows[at]
}
