package cluster

import (
	"cmp"
	"slices"
)

// step is what one cluster did in one step of a longer scale.
type step struct {
	index int64   // start divided by the slide
	sum   amounts // with the distinct counts of the step
	// tops are the keys with the most events in the step and their names, set by
	// set, in ascending order of key; ends is where each set ends.
	tops []slot
	ends [numSets]int
}

// topsOfStep is of how many keys of a set a step knows the events, but for the
// subjects of a medium step: those are all known (up to Config.MaxDistinct),
// since one is compared with the others.
const topsOfStep = 16

// top returns the keys of a set with the most events.
func (p *step) top(set int) []slot {
	from := 0
	if set > 0 {
		from = p.ends[set-1]
	}
	return p.tops[from:p.ends[set]]
}

// stepFromPanes adds to the clusters of a tenant the step that ends there, from
// their panes.
func (w *Windows) stepFromPanes(t *tenant, sp *span, end int64) {
	first := (end - sp.slide) / w.pane
	for _, s := range t.active {
		at := len(s.ring)
		for at > 0 && s.ring[at-1].pane >= first {
			at--
		}
		if at == len(s.ring) {
			continue
		}
		r, to := w.reachOf(t, s, sp), w.mem.newStep(end/sp.slide-1)
		var best pick
		news := w.news[:0]
		for _, p := range s.ring[at:] {
			to.sum.add(&p.sum)
			news = append(news, p.news...)
			for _, s := range p.samples {
				if s != nil {
					best.offer(s)
				}
			}
			for i, from := range p.sets() {
				w.gather[i].addAll(from.slots, &w.mem.slabs)
			}
		}
		for i := range w.gather {
			to.sum.counts[distinct[i]] = w.capped(w.gather[i].size)
			r.markAll(i, to.index, &w.gather[i])
		}
		w.closeStep(r, to, w.cfg.MaxDistinct)
		r.show(to.index, news, best)
		clear(news)
		w.news = news
	}
}

// stepFromSteps is stepFromPanes for a scale above the medium one.
func (w *Windows) stepFromSteps(t *tenant, sp *span, end int64) {
	below := w.spans[0]
	n := sp.slide / below.slide
	first := end/below.slide - n
	seen := stepBits(first+n-1, n)
	for _, s := range t.reaching[below.scale] {
		from := s.reach[below.scale]
		at := len(from.steps)
		for at > 0 && from.steps[at-1].index >= first {
			at--
		}
		if at == len(from.steps) {
			continue
		}
		r, to := w.reachOf(t, s, sp), w.mem.newStep(end/sp.slide-1)
		for _, p := range from.steps[at:] {
			to.sum.add(&p.sum)
			for i := range w.gather {
				w.gather[i].addAll(p.top(i), &w.mem.slabs)
			}
		}
		for i := range from.sets {
			keys := 0
			for j := range from.sets[i].slots {
				if m := &from.sets[i].slots[j]; m.n != 0 && bitsOf(m)&seen != 0 {
					r.sets[i].mark(m.key, to.index, &w.mem.slabs)
					keys++
				}
			}
			to.sum.counts[distinct[i]] = w.capped(keys)
		}
		w.closeStep(r, to, topsOfStep)
		r.showBelow(to.index, from, first)
	}
}

// addAll adds the events of slots, and takes over their names.
func (t *table) addAll(from []slot, mem *slabs) {
	for i := range from {
		if from[i].n == 0 {
			continue
		}
		s, added := t.put(from[i].key, mem)
		if added {
			s.n, s.id = 0, from[i].id
		}
		s.n += from[i].n
	}
}

// markAll marks the keys of a set that were seen in the step. More than the cap
// say no more than the cap.
func (r *reach) markAll(set int, step int64, keys *table) {
	mem := &r.w.mem
	if keys.size <= r.w.cfg.MaxDistinct {
		for i := range keys.slots {
			if keys.slots[i].n != 0 {
				r.sets[set].mark(keys.slots[i].key, step, &mem.slabs)
			}
		}
		return
	}
	mem.sorted = keys.appendSorted(mem.sorted[:0])
	for _, s := range mem.sorted[:r.w.cfg.MaxDistinct] {
		r.sets[set].mark(s.key, step, &mem.slabs)
	}
}

// closeStep keeps what has the most events of what was gathered, of subjects as
// many as told, and appends the step.
func (w *Windows) closeStep(r *reach, to *step, subjects int) {
	m := &w.mem
	most := [numSets]int{subjects, topsOfStep, topsOfStep, topsOfStep}
	size := 0
	for i := range w.gather {
		size += min(w.gather[i].size, most[i])
	}
	to.tops = m.slabs.takeFor(size)
	for i := range w.gather {
		to.tops = m.appendMost(to.tops, &w.gather[i], most[i])
		to.ends[i] = len(to.tops)
		w.gather[i].reset(&m.slabs)
	}
	for i := range to.tops {
		if id := to.tops[i].id; id != 0 {
			m.names.retain(id)
		}
	}
	r.steps = append(r.steps, to)
	r.known = false
	r.sum.add(&to.sum)
}

// appendMost appends the n entries with the most events, in ascending order of
// key; of those with as many, the smallest keys.
func (m *memory) appendMost(dst []slot, t *table, n int) []slot {
	m.sorted = t.appendSorted(m.sorted[:0])
	if len(m.sorted) > n {
		slices.SortFunc(m.sorted, func(a, b slot) int {
			return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.key, b.key))
		})
		m.sorted = m.sorted[:n]
		slices.SortFunc(m.sorted, compareSlots)
	}
	return append(dst, m.sorted...)
}

// newStep returns an empty step.
func (m *memory) newStep(index int64) *step {
	if last := len(m.steps) - 1; last >= 0 {
		p := m.steps[last]
		m.steps = m.steps[:last]
		p.index = index
		return p
	}
	return &step{index: index}
}

// recycleStep takes back a step.
func (m *memory) recycleStep(p *step) {
	for i := range p.tops {
		if id := p.tops[i].id; id != 0 {
			m.names.release(id)
		}
	}
	m.slabs.giveBack(p.tops)
	*p = step{}
	m.steps = append(m.steps, p)
}
