package cluster

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/fingerprint"
)

// reach is how far the past of one cluster reaches at a longer scale: the steps
// of the window. A cluster has one as long as it has anything to tell.
type reach struct {
	w    *Windows
	span *span

	steps []*step // in the window, those with events, oldest first
	sum   amounts // of them; without the distinct counts
	sets  [numSets]marks
	sizes [numSets]uint32 // distinct keys in the window, and
	// stayed and either are the subjects of this window and the one before.
	stayed, either uint32
	// topSubject and topObject are the most events of one in the steps, when that
	// is known.
	topSubject, topObject uint32
	known                 bool

	news    []dated   // at most newsOfReach, oldest first
	samples []*sample // at most samplesOfReach, oldest first

	// late are the late events of the training window in hand, nil for none.
	late *partial
}

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

// reachOf returns the reach of a cluster, which it gets if it has none.
func (w *Windows) reachOf(t *tenant, s *series, sp *span) *reach {
	if r := s.reach[sp.scale]; r != nil {
		return r
	}
	r := w.mem.newReach()
	r.w, r.span = w, sp
	s.reach[sp.scale] = r
	list := &t.reaching[sp.scale]
	at, _ := slices.BinarySearchFunc(*list, s.key.ID, func(s *series, id fingerprint.ID) int { return cmp.Compare(s.key.ID, id) })
	*list = slices.Insert(*list, at, s)
	return r
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

// settle moves the window on to the step that is over.
func (r *reach) settle(now int64) {
	gone := 0
	for gone < len(r.steps) && r.steps[gone].index <= now-r.span.steps {
		r.known = false
		r.sum.subtract(&r.steps[gone].sum)
		r.w.mem.recycleStep(r.steps[gone])
		gone++
	}
	if gone > 0 {
		left := copy(r.steps, r.steps[gone:])
		clear(r.steps[left:])
		r.steps = r.steps[:left]
	}
	r.forgetShown(now - r.span.steps + 1)
	in := stepBits(now, r.span.steps)
	for i := range r.sets {
		m := &r.sets[i]
		if m.size == 0 {
			r.sizes[i] = 0
			continue
		}
		n := m.keep(stepBits(now, r.span.kept[i]), in, &r.w.mem.slabs)
		if room := 2 * r.w.cfg.MaxDistinct; m.size > room {
			m.cap(room, now, &r.w.mem)
			n = m.count(in)
		}
		r.sizes[i] = r.w.capped(n)
	}
	stayed, either := r.sets[0].overlap(in, stepBits(now-r.span.steps, r.span.steps))
	r.stayed, r.either = uint32(stayed), uint32(either)
}

// empty reports whether there is nothing left to tell.
func (r *reach) empty() bool {
	if len(r.steps) > 0 || r.late != nil { // what is shown is of steps
		return false
	}
	for i := range r.sets {
		if r.sets[i].size > 0 {
			return false
		}
	}
	return true
}

// totals returns those of the window, as of the last settle; who stayed is
// known when the window before is.
func (r *reach) totals(before bool) totals {
	t := totals{counts: r.sum.counts, shape: r.sum.shape()}
	for i, f := range distinct {
		t.counts[f] = r.sizes[i]
	}
	if !r.known {
		r.known, r.topSubject, r.topObject = true, r.highest(0), r.highest(1)
	}
	t.shape.TopSubject, t.shape.TopObject = r.topSubject, r.topObject
	if before {
		t.shape.Stayed, t.shape.Either = r.stayed, r.either
	}
	return t
}

// highest returns the most events that a key of the set has in the steps.
func (r *reach) highest(set int) (most uint32) {
	if most, ok := r.steady(set); ok {
		return most
	}
	top := &r.w.top
	for _, p := range r.steps {
		top.addAll(p.top(set), &r.w.mem.slabs)
	}
	for i := range top.slots {
		most = max(most, top.slots[i].n)
	}
	top.reset(&r.w.mem.slabs)
	return most
}

// steady is highest for a set with a key that no other one exceeds in any step:
// then none does in all of them. ok is false when that of the last step is no
// such key.
func (r *reach) steady(set int) (most uint32, ok bool) {
	var of slot
	for _, p := range slices.Backward(r.steps) {
		here, highest := uint32(0), slot{}
		for _, s := range p.top(set) {
			if s.n > highest.n {
				highest = s
			}
			if s.key == of.key {
				here = s.n
			}
		}
		if of.n == 0 {
			of, here = highest, highest.n
		}
		if here != highest.n {
			return 0, false
		}
		most += here
	}
	return most, true
}

// fresh returns the counts of the step that is just over.
func (r *reach) fresh(now int64) Counts {
	if last := r.steps[len(r.steps)-1]; last.index == now {
		return last.sum.counts
	}
	return Counts{}
}

// noteLate keeps the late events of a part of the training window in hand.
func (w *Windows) noteLate(l landing) {
	for _, sp := range w.spans {
		r := w.reachOf(l.tenant, l.series, sp)
		if r.late == nil {
			r.late = w.mem.newPartial(l.partial.pane, l.series.key)
		}
		r.late.merge(l.partial, w.cfg.MaxDistinct, &w.mem)
	}
}

// correct adds the late events to the totals of the training window.
func (r *reach) correct(t *totals, index int64) {
	t.add(&r.late.sum)
	last := (index+1)*r.span.steps - 1
	seen := stepBits(last, r.span.steps)
	tops := [numSets]*uint32{&t.shape.TopSubject, &t.shape.TopObject}
	for i, from := range r.late.sets() {
		extra := 0
		for j := range from.slots {
			slot := &from.slots[j]
			if slot.n == 0 {
				continue
			}
			if m := r.sets[i].find(slot.key); m == nil || bitsOf(m)&seen == 0 {
				extra++
			}
			if top := tops[i]; top != nil {
				*top = max(*top, slot.n+r.events(i, slot.key, last))
			}
		}
		t.counts[distinct[i]] = r.w.capped(int(t.counts[distinct[i]]) + extra)
	}
}

// events returns how many events the steps up to the last know of a key.
func (r *reach) events(set int, key uint64, last int64) (n uint32) {
	for _, p := range r.steps {
		if p.index > last {
			break
		}
		tops := p.top(set)
		if at, found := slices.BinarySearchFunc(tops, slot{key: key}, compareSlots); found {
			n += tops[at].n
		}
	}
	return n
}

// newReach returns an empty reach.
func (m *memory) newReach() *reach {
	if last := len(m.reaches) - 1; last >= 0 {
		r := m.reaches[last]
		m.reaches = m.reaches[:last]
		return r
	}
	return &reach{}
}

// recycleReach takes back an empty reach.
func (m *memory) recycleReach(r *reach) {
	for i := range r.sets {
		r.sets[i].reset(&m.slabs)
	}
	*r = reach{steps: r.steps[:0], news: r.news[:0], samples: r.samples[:0]}
	m.reaches = append(m.reaches, r)
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

// AppendTop implements [Detail].
func (r *reach) AppendTop(dst []Count, of Facet, n int) []Count {
	if of >= NumFacets || n <= 0 {
		return dst
	}
	for _, p := range r.steps {
		r.w.top.addAll(p.top(setOf[of]), &r.w.mem.slabs)
	}
	return r.w.appendTop(dst, n)
}

// AppendSteps implements [Detail].
func (r *reach) AppendSteps(dst []uint32, f Feature) []uint32 {
	if f >= NumFeatures {
		return dst
	}
	end := r.w.frontier / r.span.slide
	at := 0
	for index := end - r.span.steps; index < end; index++ {
		n := uint32(0)
		if at < len(r.steps) && r.steps[at].index == index {
			n = r.steps[at].sum.counts[f]
			at++
		}
		dst = append(dst, n)
	}
	return dst
}
