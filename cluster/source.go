package cluster

import (
	"cmp"
	"slices"
	"strconv"
)

// SourceState says whether a source takes part in the watermark.
type SourceState uint8

// The states of a source.
const (
	// SourceActive is the zero value: the watermark waits for the source.
	SourceActive SourceState = iota
	// SourceIdle is for a source that has nothing to give (no lag): nobody
	// waits for it. An event makes it active again.
	SourceIdle
	// SourceStalled is for a source that has something to give and does not:
	// nobody waits for it, and what is closed without it is marked partial,
	// naming it. It becomes active again by itself when its events have caught
	// up with the watermark.
	SourceStalled
)

// source is a partition or a file: events of one source are roughly in order.
// Tenants that share a source share its clock: whoever is newest in it says how
// far it has come, though no further than the time of the record.
type source struct {
	id    int
	name  string
	state SourceState
	// seen says that high is valid: the highest event time accepted.
	seen bool
	high int64
	// missing is the end of the last pane that was closed while the source
	// was stalled; 0 for none.
	missing int64
	clock   clock
}

// AddSource registers a source under an id of the caller's, with the name that
// partial windows are marked with (such as "audit/3"). The watermark waits for
// its first event, unless it is marked idle. A known id only gets the new name.
func (w *Windows) AddSource(id int, name string) {
	if s := w.sources[id]; s != nil {
		s.name = name
		return
	}
	s := &source{id: id, name: name}
	w.sources[id] = s
	at, _ := slices.BinarySearchFunc(w.bySource, id, func(s *source, id int) int { return cmp.Compare(s.id, id) })
	w.bySource = slices.Insert(w.bySource, at, s)
}

// RemoveSource forgets a source; its counted events stay. An unknown id is
// ignored.
func (w *Windows) RemoveSource(id int) {
	delete(w.sources, id)
	w.bySource = slices.DeleteFunc(w.bySource, func(s *source) bool { return s.id == id })
	w.lastSource = nil
}

// MarkSource sets the state of a source. An unknown id is ignored.
func (w *Windows) MarkSource(id int, state SourceState) {
	if s := w.sources[id]; s != nil {
		s.state = state
	}
}

// source returns the source of the id; one that was not added is, under its
// number.
func (w *Windows) source(id int) *source {
	if w.lastSource != nil && w.lastSource.id == id {
		return w.lastSource
	}
	s := w.sources[id]
	if s == nil {
		w.AddSource(id, strconv.Itoa(id))
		s = w.sources[id]
	}
	w.lastSource = s
	return s
}

// watermark returns the smallest watermark of the active sources, and false
// when there is none, or one that gave nothing yet.
func (w *Windows) watermark() (mark int64, ok bool) {
	for _, s := range w.bySource {
		if s.state != SourceActive {
			continue
		}
		if !s.seen {
			return 0, false
		}
		if own := s.high - w.outOfOrder; !ok || own < mark {
			mark, ok = own, true
		}
	}
	return max(mark, 0), ok
}

// moved takes note of the time t that the source has reached. A source whose
// clock is still warming up does not move.
func (w *Windows) moved(s *source, t int64, warming bool) {
	switch {
	case warming:
	case !s.seen:
		s.seen, s.high = true, max(t, s.high)
	case t > s.high:
		s.high = t
	}
	switch {
	case s.state == SourceIdle:
		s.state = SourceActive
	case s.state == SourceStalled && s.seen && s.high-w.outOfOrder >= w.mark:
		s.state = SourceActive
	}
}

// missStalled notes for every stalled source that panes up to end, from start
// on, are closed without it.
func (w *Windows) missStalled(start, end int64) {
	stalled := false
	for _, s := range w.bySource {
		if s.state == SourceStalled && (!s.seen || s.high-w.outOfOrder < end) {
			s.missing, stalled = end, true
		}
	}
	if stalled {
		w.missed(start, end, true)
	}
}

// partialSince names the sources missing from panes that end after start.
func (w *Windows) partialSince(start int64) []string {
	var names []string
	for _, s := range w.bySource {
		if s.missing > start {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return names
}

const (
	clockEvents  = 15 // event times that the median is of
	clockWarm    = 5  // event times needed before the watermark may move
	clockStretch = 4
	clockReach   = int64(7 * 24 * 3600 * 1e9) // at most a week
)

// clock estimates, for records without a time of their own (files), how far an
// event time may be trusted. Of the last 15 event times, rejected ones
// included, it takes the median m and the lower quartile q; up to
//
//	m + MaxAhead + min(4·(m − q), 1 week)
//
// an event time is believed. In a steady flow the newest event lies 2·(m − q)
// ahead of the median, so the second term makes room for slow sources (one
// event an hour) with a factor of two to spare. Up to 7 wrong times among 15,
// at most 3 of them in the past, move nothing; after a real jump forward (a pause in the recording) the first
// 7 events are rejected until they are the majority. Until 5 times are known
// the watermark of the source stays undefined, so that a wrong time in the
// first record does no harm either.
type clock struct {
	recent [clockEvents]int64
	n      int // valid entries
	next   int // where the next one goes
	bound  int64
}

// note takes in an event time. It reports whether it is too far ahead.
func (c *clock) note(t, maxAhead int64) (ahead bool) {
	c.recent[c.next] = t
	c.next = (c.next + 1) % clockEvents
	c.n = min(c.n+1, clockEvents)
	if c.n <= clockWarm || c.next == 0 || t > c.bound {
		c.bound = c.estimate(maxAhead)
	}
	return c.n > clockWarm && t > c.bound
}

func (c *clock) estimate(maxAhead int64) int64 {
	sorted := c.recent
	times := sorted[:c.n]
	slices.Sort(times)
	median, quartile := times[c.n/2], times[c.n/4]
	spread := min(median-quartile, clockReach/clockStretch)
	return median + maxAhead + clockStretch*spread
}

// highest returns the highest time known that is believed.
func (c *clock) highest() (high int64) {
	for _, t := range c.recent[:c.n] {
		if t <= c.bound && t > high {
			high = t
		}
	}
	return high
}
