package cluster

// tally counts events by key (a 64-bit hash). Beyond twice its limit it keeps
// the entries with the smallest keys only, the limit of them. What is kept is
// then a function of the set of keys and not of their order, each kept count
// is exact, and merging two tallies gives the tally of both together (a
// bottom-k sketch).
type tally struct {
	table
	// named says that the ids of the entries hold names in memory.names.
	named bool
	// pruned says that keys above ceiling were dropped.
	pruned  bool
	ceiling uint64
}

// add returns the entry for the key and whether it is a new one, which the
// caller must give an n above zero at once; nil when the key is one of those
// that are dropped.
func (t *tally) add(key uint64, limit int, mem *memory) (s *slot, added bool) {
	if t.pruned && key > t.ceiling {
		return nil, false
	}
	if t.size >= 2*limit && t.find(key) == nil {
		t.prune(limit, mem)
		if key > t.ceiling {
			return nil, false
		}
	}
	return t.put(key, &mem.slabs)
}

// count adds one event of the key, which has a name, and returns its entry, nil
// when it is one of those that are dropped.
func (t *tally) count(key uint64, name string, limit int, mem *memory) *slot {
	s, added := t.add(key, limit, mem)
	if s != nil {
		s.n++
		if added {
			s.id = mem.names.hold(key, name)
		}
	}
	return s
}

// mark adds the key without counting.
func (t *tally) mark(key uint64, limit int, mem *memory) {
	if s, added := t.add(key, limit, mem); added {
		s.n = 1
	}
}

// prune keeps the limit smallest keys, and everything when there are not more.
func (t *tally) prune(limit int, mem *memory) {
	if t.size <= limit {
		return
	}
	mem.sorted = t.appendSorted(mem.sorted[:0])
	kept, dropped := mem.sorted[:limit], mem.sorted[limit:]
	if t.named {
		for _, s := range dropped {
			mem.names.release(s.id)
		}
	}
	t.pruned, t.ceiling = true, kept[limit-1].key
	t.table.reset(&mem.slabs)
	for _, k := range kept {
		s, _ := t.put(k.key, &mem.slabs)
		*s = k
	}
}

// merge adds the counts of o, which stays as it is.
func (t *tally) merge(o *tally, limit int, mem *memory) {
	if o.pruned {
		t.lower(o.ceiling, mem)
	}
	for i := range o.slots {
		from := &o.slots[i]
		if from.n == 0 {
			continue
		}
		s, added := t.add(from.key, limit, mem)
		if s == nil {
			continue
		}
		s.n += from.n
		if added {
			s.id = from.id
			if t.named {
				mem.names.retain(s.id)
			}
		}
	}
}

// lower drops the keys above ceiling: the other side of a merge dropped them,
// so their counts here would not be the whole.
func (t *tally) lower(ceiling uint64, mem *memory) {
	if t.pruned && t.ceiling <= ceiling {
		return
	}
	mem.sorted = t.appendSorted(mem.sorted[:0])
	for _, k := range mem.sorted {
		if k.key <= ceiling {
			continue
		}
		if t.named {
			mem.names.release(k.id)
		}
		t.remove(t.find(k.key))
	}
	t.pruned, t.ceiling = true, ceiling
}

// reset empties the tally and gives its memory back.
func (t *tally) reset(mem *memory) {
	if t.named && t.size > 0 {
		for i := range t.slots {
			if t.slots[i].n != 0 {
				mem.names.release(t.slots[i].id)
			}
		}
	}
	t.table.reset(&mem.slabs)
	t.pruned, t.ceiling = false, 0
}

// recency holds the pane in which each key of a sliding window was last seen,
// and its events: entries carry pane + 1 in n and the events in id. Expiring a
// pane removes the keys that were not seen later. The number of keys last seen
// at or after the mark is kept as well: the fresh ones.
type recency struct {
	table
	freshFrom uint32 // pane + 1
	fresh     uint32
	// top is the most events of a key; unsure when the key that had them lost
	// some.
	top    uint32
	unsure bool
}

// touch notes that key was seen in events of the pane, which is not before any
// pane touched so far, where freshFrom is the first fresh pane.
func (r *recency) touch(key uint64, events uint32, pane, freshFrom int64, mem *slabs) {
	if from := uint32(freshFrom + 1); r.freshFrom != from {
		r.freshFrom, r.fresh = from, 0
	}
	s, added := r.put(key, mem)
	if added || s.n < r.freshFrom {
		r.fresh++
	}
	s.n = uint32(pane + 1)
	s.id += events
	r.top = max(r.top, s.id)
}

// expire takes back the keys of t, which was touched in the pane.
func (r *recency) expire(t *table, pane int64) {
	for i := range t.slots {
		if t.slots[i].n == 0 {
			continue
		}
		s := r.find(t.slots[i].key)
		if s == nil {
			continue
		}
		r.unsure = r.unsure || s.id == r.top
		if s.n == uint32(pane+1) {
			r.remove(s)
		} else {
			s.id -= t.slots[i].n
		}
	}
}

// highest returns the most events of a key.
func (r *recency) highest() uint32 {
	if r.unsure {
		r.unsure, r.top = false, 0
		for i := range r.slots {
			r.top = max(r.top, r.slots[i].id)
		}
	}
	return r.top
}

// freshSince returns how many keys were last seen in the pane or later, which
// must be the first pane of the slide in hand.
func (r *recency) freshSince(pane int64) uint32 {
	if r.freshFrom != uint32(pane+1) {
		return 0
	}
	return r.fresh
}

// reset empties the window and gives its memory back.
func (r *recency) reset(mem *slabs) {
	r.table.reset(mem)
	*r = recency{}
}
