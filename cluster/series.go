package cluster

import (
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// series is the recent past of one cluster: its partials, oldest first, and
// the sums of those inside the sliding window.
type series struct {
	w      *Windows
	key    *fingerprint.ClusterKey
	traits traits
	// first and last are the first and last pane that had events, late ones
	// included.
	first, last int64

	// ring[win:] are the partials in the window; ring[:win] left it but are
	// kept until the training window that they belong to is final.
	ring []*partial
	win  int
	sum  amounts // of ring[win:]
	sets [numSets]recency

	// reach is the past at the longer scales, nil where there is none.
	reach [NumScales]*reach
}

func (w *Windows) newSeries(key *fingerprint.ClusterKey, pane int64) *series {
	return &series{w: w, key: key, traits: traitsOf(key), first: pane, last: pane}
}

// renew takes over what a newer pane knows better of the cluster's role: the
// policy may have been loaded, or changed, in between.
func (s *series) renew(key *fingerprint.ClusterKey) {
	if key.Power != s.key.Power && key.Power != rbac.ClassUnknown || betterKnown(key, s.key) {
		s.key = key
	}
}

// push adds the partial of the newest pane.
func (s *series) push(p *partial) {
	s.ring = append(s.ring, p)
	s.sum.add(&p.sum)
	freshFrom := p.pane - p.pane%s.w.panesPerSlide
	sets := p.sets()
	for i := range s.sets {
		t := sets[i]
		for j := range t.slots {
			if t.slots[j].n != 0 {
				s.sets[i].touch(t.slots[j].key, t.slots[j].n, p.pane, freshFrom, &s.w.mem.slabs)
			}
		}
	}
}

// slide takes the partials before the pane first out of the window and lets go
// of those before the pane keep. It reports whether any is left.
func (s *series) slide(first, keep int64) bool {
	if (s.win == len(s.ring) || s.ring[s.win].pane >= first) && (s.win == 0 || s.ring[0].pane >= keep) {
		return true
	}
	for s.win < len(s.ring) && s.ring[s.win].pane < first {
		p := s.ring[s.win]
		s.sum.subtract(&p.sum)
		sets := p.sets()
		for i := range s.sets {
			s.sets[i].expire(&sets[i].table, p.pane)
		}
		s.win++
	}
	gone := 0
	for gone < s.win && s.ring[gone].pane < keep {
		s.w.mem.recycle(s.ring[gone])
		gone++
	}
	if gone > 0 {
		left := copy(s.ring, s.ring[gone:])
		clear(s.ring[left:])
		s.ring = s.ring[:left]
		s.win -= gone
	}
	if s.win == len(s.ring) {
		for i := range s.sets {
			s.sets[i].reset(&s.w.mem.slabs)
		}
	}
	return len(s.ring) > 0
}

// totals are what a window is known by.
type totals struct {
	counts Counts
	shape  Shape
}

// totals returns those of the window.
func (s *series) totals() totals {
	t := totals{counts: s.sum.counts, shape: s.sum.shape()}
	for i, f := range distinct {
		t.counts[f] = s.w.capped(s.sets[i].size)
	}
	t.shape.TopSubject = s.sets[0].highest()
	t.shape.TopObject = s.sets[1].highest()
	return t
}

// fresh returns the counts of the panes from freshFrom on, the first pane of
// the last slide.
func (s *series) fresh(freshFrom int64) Counts {
	var c Counts
	for i := len(s.ring) - 1; i >= s.win && s.ring[i].pane >= freshFrom; i-- {
		c.add(&s.ring[i].sum.counts)
	}
	if c[Events] == 0 {
		return c
	}
	for i, f := range distinct {
		c[f] = s.w.capped(int(s.sets[i].freshSince(freshFrom)))
	}
	return c
}

// correct adds the late events of p to those of a training window, whose panes
// begin with first.
func (s *series) correct(t *totals, p *partial, first int64) {
	t.add(&p.sum)
	sets := p.sets()
	tops := [numSets]*uint32{&t.shape.TopSubject, &t.shape.TopObject}
	for i, f := range distinct {
		extra := 0
		for j := range sets[i].slots {
			slot := &sets[i].slots[j]
			if slot.n == 0 {
				continue
			}
			before := s.had(i, slot.key, first)
			if before == 0 {
				extra++
			}
			if top := tops[i]; top != nil {
				*top = max(*top, before+slot.n)
			}
		}
		t.counts[f] = s.w.capped(int(t.counts[f]) + extra)
	}
}

// add adds what can be added up.
func (t *totals) add(a *amounts) {
	t.counts.add(&a.counts)
	for i, n := range a.verbs {
		t.shape.Verbs[i] += n
	}
	for i, n := range a.outcomes {
		t.shape.Outcomes[i] += n
	}
	t.shape.Latency.add(&a.latency)
}

// had returns how many events with the key the window of panes has that begins
// with first.
func (s *series) had(set int, key uint64, first int64) (events uint32) {
	for _, p := range s.ring {
		if p.pane < first || p.pane >= first+s.w.panesPerWindow {
			continue
		}
		if slot := p.sets()[set].find(key); slot != nil {
			events += slot.n
		}
	}
	return events
}

func (c *Counts) add(o *Counts) {
	for f, n := range o {
		c[f] += n
	}
}

// AppendTop implements [Detail].
func (s *series) AppendTop(dst []Count, of Facet, n int) []Count {
	if of >= NumFacets || n <= 0 {
		return dst
	}
	for _, p := range s.ring[s.win:] {
		s.w.top.addAll(p.sets()[setOf[of]].slots, &s.w.mem.slabs)
	}
	return s.w.appendTop(dst, n)
}

// setOf is the place of each facet in partial.sets.
var setOf = [NumFacets]int{BySubject: 0, ByObject: 1, ByNamespace: 2, BySource: 3}

// appendTop appends at most n names of the most active keys in w.top, which it
// empties.
func (w *Windows) appendTop(dst []Count, n int) []Count {
	base := len(dst)
	for i := range w.top.slots {
		if slot := &w.top.slots[i]; slot.n != 0 {
			dst = insertTop(dst, base, n, Count{Name: w.mem.names.text(slot.id), Events: slot.n})
		}
	}
	w.top.reset(&w.mem.slabs)
	return dst
}

// AppendSteps implements [Detail].
func (s *series) AppendSteps(dst []uint32, f Feature) []uint32 {
	if f >= NumFeatures {
		return dst
	}
	end := s.w.frontier / s.w.pane
	for pane, at := end-s.w.panesPerWindow, s.win; pane < end; pane++ {
		var c Counts
		if at < len(s.ring) && s.ring[at].pane == pane {
			c = s.ring[at].sum.counts
			for i, of := range distinct {
				c[of] = s.w.capped(s.ring[at].sets()[i].size)
			}
			at++
		}
		dst = append(dst, c[f])
	}
	return dst
}

// insertTop inserts c into dst[base:], which is kept in order and at most n
// long.
func insertTop(dst []Count, base, n int, c Count) []Count {
	before := func(a, b Count) bool {
		return a.Events > b.Events || a.Events == b.Events && a.Name < b.Name
	}
	at := len(dst)
	for at > base && before(c, dst[at-1]) {
		at--
	}
	if at-base >= n {
		return dst
	}
	if len(dst)-base < n {
		dst = append(dst, c)
	}
	copy(dst[at+1:], dst[at:])
	dst[at] = c
	return dst
}
