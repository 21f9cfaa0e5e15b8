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
		p = &pane{}
	}
	p.index = index
	*list = slices.Insert(*list, at, p)
	return p
}

// partial returns the partial of the cluster. time is the pane of the event at
// hand: a partial of several panes has the first one's.
func (p *pane) partial(key *fingerprint.ClusterKey, time int64, m *memory) *partial {
	s, added := p.byCluster.put(uint64(key.ID), &m.slabs)
	if added {
		s.n, s.id = 1, uint32(len(p.partials))
		p.partials = append(p.partials, m.newPartial(time, key))
		return p.partials[s.id]
	}
	found := p.partials[s.id]
	found.pane = min(found.pane, time)
	if found.key != key && betterKnown(key, found.key) {
		found.key = key
	}
	return found
}

// betterKnown reports whether a names the source of the cluster's role with
// more authority than b. Only that may differ between two keys of a cluster.
func betterKnown(a, b *fingerprint.ClusterKey) bool {
	return a.RoleSource != 0 && (b.RoleSource == 0 || a.RoleSource < b.RoleSource)
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
	*p = pane{partials: p.partials[:0]}
	m.panes = append(m.panes, p)
}
