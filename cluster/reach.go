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
