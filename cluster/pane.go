package cluster

import (
	"slices"

	"github.com/logcluster/logcluster/fingerprint"
)

// pane collects partials by cluster: those of one pane of event time, or the
// late ones of one training window.
type pane struct {
	index     int64 // start divided by the length
	byCluster table // cluster id to the place in partials, in id
	partials  []*partial
	newcomers map[string]int // partials of clusters not admitted yet, by tenant
}

// paneAt returns the pane with the index from the ascending list, inserting it
// when it is not there.
func (m *memory) paneAt(list *[]*pane, index int64) *pane {
	at := len(*list)
	for at > 0 && (*list)[at-1].index >= index {
		at--
	}
	if at < len(*list) && (*list)[at].index == index {
		return (*list)[at]
	}
	var p *pane
	if last := len(m.panes) - 1; last >= 0 {
		p, m.panes = m.panes[last], m.panes[:last]
	} else {
		p = &pane{newcomers: make(map[string]int)}
	}
	p.index = index
	*list = slices.Insert(*list, at, p)
	return p
}

// find returns the partial of a cluster, nil when it has none here.
func (p *pane) find(id fingerprint.ID) *partial {
	s := p.byCluster.find(uint64(id))
	if s == nil {
		return nil
	}
	return p.partials[s.id]
}

// hold takes the partial of a cluster that has none there into the pane.
func (w *Windows) hold(part *partial, at *pane) {
	s, _ := at.byCluster.put(uint64(part.key.ID), &w.mem.slabs)
	s.n, s.id = 1, uint32(len(at.partials))
	at.partials = append(at.partials, part)
	if part.newcomer {
		at.newcomers[part.key.Tenant]++
		w.newcomers[part.key.Tenant]++
	}
}

// letGo takes back a pane whose partials have gone elsewhere.
func (w *Windows) letGo(p *pane) {
	for tenant, n := range p.newcomers {
		if w.newcomers[tenant] -= n; w.newcomers[tenant] == 0 {
			delete(w.newcomers, tenant)
		}
	}
	w.mem.recyclePane(p)
}

// partialOf returns the partial in the pane that an event of the cluster is
// counted in: the cluster's own, or the overflow's when the pane is crowded.
// time is the pane of the event: a partial of several panes has the first one's.
func (w *Windows) partialOf(key *fingerprint.ClusterKey, at *pane, time int64) *partial {
	found, newcomer := at.find(key.ID), false
	if found == nil {
		t := w.tenants[key.Tenant]
		if newcomer = t == nil || t.clusters[key.ID] == nil; newcomer {
			if tenant, crowded := w.crowded(t, key.Tenant, at); crowded {
				w.spilled++
				if found = at.find(overflowID(tenant)); found == nil {
					key = overflowKey(tenant)
				}
			}
		}
	}
	if found == nil {
		found = w.mem.newPartial(time, key)
		found.newcomer = newcomer
		w.hold(found, at)
		return found
	}
	found.pane = min(found.pane, time)
	if found.key != key && found.key.ID == key.ID && betterKnown(key, found.key) {
		found.key = key
	}
	return found
}

const (
	// minOpen is how many new tenants, and how many new clusters of each, a
	// pane holds at least before it is crowded.
	minOpen = 4096
	// fullPanes is how many such panes there may be at once: events from the
	// past and the future open many.
	fullPanes = 4
)

// crowded reports whether the pane has no room for another new cluster of the
// tenant, which is nil when it is new itself, and whose overflow then counts it.
// Which of the new clusters are admitted is decided when the pane closes, in an
// order that no interleaving of sources changes. Until then all of them take
// memory; so a pane that holds more of them than can be admitted takes only
// what was admitted before.
func (w *Windows) crowded(t *tenant, name string, at *pane) (tenant string, crowded bool) {
	here, open := at.newcomers[name], w.newcomers[name]
	if t == nil && here == 0 && w.limits.byTenant[name] == nil {
		room := max(w.cfg.MaxTenants, minOpen)
		if len(at.newcomers) >= room || open == 0 && len(w.newcomers) >= fullPanes*room {
			return OverflowName, true
		}
	}
	if here < minOpen && open < fullPanes*minOpen {
		return "", false
	}
	room := max(w.limitsOf(name).MaxClusters, minOpen)
	return name, here >= room || open >= fullPanes*room
}

// betterKnown reports whether a tells more of the cluster's role than b: it
// names a source with more authority, or the same one and more power. Nothing
// else may differ between two keys of a cluster, so the best known of several
// does not depend on their order.
func betterKnown(a, b *fingerprint.ClusterKey) bool {
	if a.RoleSource != b.RoleSource {
		return a.RoleSource != 0 && (b.RoleSource == 0 || a.RoleSource < b.RoleSource)
	}
	return a.Power > b.Power
}

// takeFirst removes the pane with the index, which no pane of the list comes
// before, and returns it; nil when it is not there.
func takeFirst(list *[]*pane, index int64) *pane {
	if len(*list) == 0 || (*list)[0].index != index {
		return nil
	}
	p := (*list)[0]
	*list = slices.Delete(*list, 0, 1)
	return p
}

// recyclePane takes back an empty pane.
func (m *memory) recyclePane(p *pane) {
	p.byCluster.reset(&m.slabs)
	clear(p.partials)
	clear(p.newcomers)
	*p = pane{partials: p.partials[:0], newcomers: p.newcomers}
	m.panes = append(m.panes, p)
}
