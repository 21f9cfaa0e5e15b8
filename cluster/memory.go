package cluster

import "strings"

// memory recycles everything that comes and goes with the events of a
// [Windows], so that its steady state allocates nothing.
type memory struct {
	slabs    slabs
	names    names
	partials []*partial
	panes    []*pane
	pending  []*pending
	sorted   []slot // scratch of one sort
}

// names holds the texts of the subjects in live partials, once each. A text
// that nobody refers to any more is kept for a while, since most subjects come
// back.
type names struct {
	byHash map[uint64]uint32
	list   []name // list[0] is unused: id 0 is nobody
	free   []uint32
	idle   int // entries without references
}

type name struct {
	hash uint64
	text string
	refs uint32
}

// idleNames is how many unreferenced names are kept at least.
const idleNames = 4096

// hold returns the id of the text and refers to it once. Two texts with the
// same hash share the first one's name.
func (n *names) hold(hash uint64, text string) uint32 {
	if id, ok := n.byHash[hash]; ok {
		n.retain(id)
		return id
	}
	if n.byHash == nil {
		n.byHash = make(map[uint64]uint32)
		n.list = append(n.list, name{})
	}
	var id uint32
	if last := len(n.free) - 1; last >= 0 {
		id, n.free = n.free[last], n.free[:last]
	} else {
		id = uint32(len(n.list))
		n.list = append(n.list, name{})
	}
	n.list[id] = name{hash: hash, text: strings.Clone(text), refs: 1}
	n.byHash[hash] = id
	return id
}

// retain adds a reference.
func (n *names) retain(id uint32) {
	e := &n.list[id]
	if e.refs == 0 {
		n.idle--
	}
	e.refs++
}

// release takes a reference back.
func (n *names) release(id uint32) {
	e := &n.list[id]
	e.refs--
	if e.refs > 0 {
		return
	}
	n.idle++
	if n.idle > idleNames && n.idle > len(n.byHash)/2 {
		n.sweep()
	}
}

// sweep forgets every name without references.
func (n *names) sweep() {
	for id := 1; id < len(n.list); id++ {
		e := &n.list[id]
		if e.refs == 0 && e.text != "" {
			delete(n.byHash, e.hash)
			*e = name{}
			n.free = append(n.free, uint32(id))
		}
	}
	n.idle = 0
}

// text returns the text of an id.
func (n *names) text(id uint32) string { return n.list[id].text }
