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
// window that they are, until it becomes final.
func (w *Windows) capture(end int64) {
	p := w.mem.newPending(end/w.window - 1)
	p.incomplete = !w.whole(end-w.window, end) || len(w.partialSince(end-w.window)) > 0
	for _, t := range w.byTenant {
		rows := p.addTenant(t.name)
		for _, s := range t.active {
			if s.win < len(s.ring) {
				rows.rows = append(rows.rows, row{s, s.totals()})
			}
		}
	}
	if p = w.keepPending(p, end); p != nil {
		w.pending = append(w.pending, p)
	}
}

// keepPending drops the tenants without rows in a silence that is no window of
// zeros but the absence of any source. It returns nil when there is nothing left.
func (w *Windows) keepPending(p *pending, end int64) *pending {
	if !w.alive(end) {
		kept := 0
		for i := range p.tenants {
			if len(p.tenants[i].rows) > 0 {
				// Swapped, so that the memory of the rows stays.
				p.tenants[kept], p.tenants[i] = p.tenants[i], p.tenants[kept]
				kept++
			}
		}
		p.tenants = p.tenants[:kept]
	}
	if len(p.tenants) > 0 {
		return p
	}
	w.mem.recyclePending(p)
	return nil
}

// takePending removes the training window with the index, which none of the list
// comes before, and returns it; nil when it is not there.
func takePending(list *[]*pending, index int64) *pending {
	if len(*list) == 0 || (*list)[0].index != index {
		return nil
	}
	p := (*list)[0]
	*list = slices.Delete(*list, 0, 1)
	return p
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
	p := takePending(&w.pending, index)
	if late := takeFirst(&w.late, index); late != nil {
		if p == nil {
			p = w.mem.newPending(index)
			p.incomplete = true
		}
		w.correct(p, late)
	}
	if p != nil {
		w.handOut(p, Short, w.window, v)
	}
	w.finaliseSpans((index+1)*w.window, v)
}

// handOut hands out the training window, which is so long, and takes it back.
func (w *Windows) handOut(p *pending, scale Scale, length int64, v Visitor) {
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
			Scale:      scale,
			Start:      p.index * length,
			End:        (p.index + 1) * length,
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
		w.noteLate(l)
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
