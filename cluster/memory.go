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
	reaches  []*reach
	steps    []*step
	samples  []*sample
	sorted   []slot // scratch of one sort
}

// names holds the texts of what is in live partials and steps, once each, for all
// tenants: so a text is found by itself and not by its hash, which somebody
// else's text may have been made to share. A text that nobody refers to any
// more is kept for a while, since most of them come back.
type names struct {
	byText map[string]uint32
	list   []name // list[0] is unused: id 0 is nobody
	free   []uint32
	idle   int    // entries without references
	path   []byte // scratch of holdPath
	// recent are ids by the hash that the text was asked for with last: a guess,
	// which saves looking up most of them.
	recent [1 << recentBits]uint32
}

const recentBits = 12

type name struct {
	text string
	refs uint32
}

// idleNames is how many unreferenced names are kept at least.
const idleNames = 4096

// hold returns the id of the text, which is not empty, and refers to it once.
// The hash is of the text, or of anything that mostly goes with it.
func (n *names) hold(hash uint64, text string) uint32 {
	guess := &n.recent[hash>>(64-recentBits)]
	if id := *guess; id != 0 && n.list[id].text == text {
		n.retain(id)
		return id
	}
	id, ok := n.byText[text]
	if ok {
		n.retain(id)
	} else {
		id = n.insert(strings.Clone(text))
	}
	*guess = id
	return id
}

// holdPath is hold for "namespace/name", or for the name if there is no
// namespace.
func (n *names) holdPath(hash uint64, namespace, object string) uint32 {
	if namespace == "" {
		return n.hold(hash, object)
	}
	guess := &n.recent[hash>>(64-recentBits)]
	if id := *guess; id != 0 && isPath(n.list[id].text, namespace, object) {
		n.retain(id)
		return id
	}
	n.path = append(append(append(n.path[:0], namespace...), '/'), object...)
	id, ok := n.byText[string(n.path)]
	if ok {
		n.retain(id)
	} else {
		id = n.insert(string(n.path))
	}
	*guess = id
	return id
}

// isPath reports whether the text is "namespace/name".
func isPath(text, namespace, object string) bool {
	at := len(namespace)
	return len(text) == at+1+len(object) && text[at] == '/' && text[:at] == namespace && text[at+1:] == object
}

func (n *names) insert(text string) uint32 {
	if n.byText == nil {
		n.byText = make(map[string]uint32)
		n.list = append(n.list, name{})
	}
	var id uint32
	if last := len(n.free) - 1; last >= 0 {
		id, n.free = n.free[last], n.free[:last]
	} else {
		id = uint32(len(n.list))
		n.list = append(n.list, name{})
	}
	n.list[id] = name{text: text, refs: 1}
	n.byText[text] = id
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
	if n.idle > idleNames && n.idle > len(n.byText)/2 {
		n.sweep()
	}
}

// sweep forgets every name without references.
func (n *names) sweep() {
	for id := 1; id < len(n.list); id++ {
		e := &n.list[id]
		if e.refs == 0 && e.text != "" {
			delete(n.byText, e.text)
			*e = name{}
			n.free = append(n.free, uint32(id))
		}
	}
	n.idle = 0
}

// text returns the text of an id.
func (n *names) text(id uint32) string { return n.list[id].text }
