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
	counts Counts
}

// capture keeps the counts of the sliding windows that end here as the training
// window that they are, until it becomes final. In a silence that is no
// window of zeros but the absence of any source nothing is kept.
func (w *Windows) capture(end int64) {
	alive := w.alive(end)
	p := &pending{
		index:      end/w.window - 1,
		incomplete: !w.whole(end-w.window, end) || len(w.partialSince(end-w.window)) > 0,
	}
	for _, t := range w.byTenant {
		rows := make([]row, 0, len(t.active))
		for _, s := range t.active {
			if s.win < len(s.ring) {
				rows = append(rows, row{s, s.counts()})
			}
		}
		if alive || len(rows) > 0 {
			p.tenants = append(p.tenants, tenantRows{t.name, rows})
		}
	}
	if len(p.tenants) > 0 {
		w.pending = append(w.pending, p)
	}
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
			p = &pending{index: index, incomplete: true}
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
				Counts:    r.counts,
			})
		}
		v.Train(&Training{
			Tenant:     p.tenants[i].name,
			Start:      index * w.window,
			End:        (index + 1) * w.window,
			Incomplete: p.incomplete,
			Windows:    w.visit,
		})
	}
}

// correct adds the late events of a training window to its rows.
func (w *Windows) correct(p *pending, late *pane) {
	w.land(late.partials, w.era((p.index+1)*w.window))
	for _, l := range w.landings {
		r := p.row(l.tenant.name, l.series)
		l.series.correct(&r.counts, l.partial, p.index*w.panesPerWindow)
		w.mem.recycle(l.partial)
	}
	w.mem.recyclePane(late)
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
