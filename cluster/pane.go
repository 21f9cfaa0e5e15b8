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
	tenants   map[string]int // partials by tenant
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
		p = &pane{tenants: make(map[string]int)}
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

// hold takes in the partial of a cluster that has none here.
func (p *pane) hold(part *partial, m *memory) {
	s, _ := p.byCluster.put(uint64(part.key.ID), &m.slabs)
	s.n, s.id = 1, uint32(len(p.partials))
	p.partials = append(p.partials, part)
	p.tenants[part.key.Tenant]++
}

// partialOf returns the partial in the pane that an event of the cluster is
// counted in: the cluster's own, or the overflow's when the pane is crowded.
// time is the pane of the event: a partial of several panes has the first one's.
func (w *Windows) partialOf(key *fingerprint.ClusterKey, at *pane, time int64) *partial {
	found := at.find(key.ID)
	if found == nil {
		tenant, crowded := w.crowded(key, at)
		if crowded {
			w.spilled++
			if found = at.find(overflowID(tenant)); found == nil {
				key = overflowKey(tenant)
			}
		}
	}
	if found == nil {
		found = w.mem.newPartial(time, key)
		at.hold(found, &w.mem)
		return found
	}
	found.pane = min(found.pane, time)
	if found.key != key && found.key.ID == key.ID && betterKnown(key, found.key) {
		found.key = key
	}
	return found
}

// minOpen is how many tenants, and how many clusters of each, a pane holds at
// least before it is crowded.
const minOpen = 4096

// crowded reports whether the pane has no room for another cluster, and whose
// overflow then counts it. Which of the new clusters are admitted is decided
// when the pane closes, in an order that no interleaving of sources changes. Until
// then all of them take memory; so a pane that holds more of them than can be
// admitted takes only what was admitted before.
func (w *Windows) crowded(key *fingerprint.ClusterKey, at *pane) (tenant string, crowded bool) {
	held, here := at.tenants[key.Tenant]
	t := w.tenants[key.Tenant]
	switch {
	case t == nil && !here && len(at.tenants) >= w.openTenants && w.limits.byTenant[key.Tenant] == nil:
		return OverflowName, true
	case held >= minOpen && held >= w.limitsOf(key.Tenant).MaxClusters && (t == nil || t.clusters[key.ID] == nil):
		return key.Tenant, true
	}
	return "", false
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

// recyclePane takes back a pane whose partials have gone elsewhere.
func (m *memory) recyclePane(p *pane) {
	p.byCluster.reset(&m.slabs)
	clear(p.partials)
	clear(p.tenants)
	*p = pane{partials: p.partials[:0], tenants: p.tenants}
	m.panes = append(m.panes, p)
}
