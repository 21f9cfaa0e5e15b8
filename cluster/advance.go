package cluster

import "slices"

// Advance closes everything that the watermark has passed since the last call
// and hands it to v. The watermark is the smallest one of the active sources,
// where a source's own is its highest accepted event time minus
// Config.OutOfOrderness; it never goes back. With no active source it stays.
func (w *Windows) Advance(v Visitor) {
	mark, ok := w.watermark()
	if !ok || w.started && mark <= w.mark {
		return
	}
	w.advanceTo(mark, v)
}

// Finish closes what can be closed at the end of all input: windows and
// trainings that end at or before the highest accepted event time, without
// waiting for events out of order or late. What is behind it is not handed out,
// since its windows are not over. Events added afterwards are judged late by
// what Finish has closed.
func (w *Windows) Finish(v Visitor) {
	mark, known := w.mark, w.started
	for _, s := range w.bySource {
		if !s.seen && s.clock.n > 0 {
			s.seen, s.high = true, s.clock.highest()
		}
		if s.seen {
			mark, known = max(mark, s.high), true
		}
	}
	if !known {
		return
	}
	w.advanceTo(mark, v)
	for (w.training+1)*w.window <= w.frontier {
		w.finalise(v)
	}
}

// advanceTo closes panes up to the mark, one after the other.
func (w *Windows) advanceTo(mark int64, v Visitor) {
	if !w.started {
		w.start(mark)
	}
	w.mark = mark
	for {
		end := w.frontier + w.pane
		if due := w.due(); due < end {
			if due > mark {
				return
			}
			w.finalise(v)
			continue
		}
		if end > mark {
			return
		}
		w.closePane(end)
		if end%w.slide == 0 {
			w.closeWindow(end, v)
		}
		w.skip()
	}
}

// start places the frontier before everything that was added.
func (w *Windows) start(mark int64) {
	w.started = true
	w.frontier = mark - mark%w.pane
	if len(w.open) > 0 {
		w.frontier = min(w.frontier, w.open[0].index*w.pane)
	}
	w.training = min(w.frontier, max(mark-w.grace, 0)) / w.window
	if len(w.late) > 0 {
		w.training = min(w.training, w.late[0].index)
	}
}

// due is when the next training window becomes final. The smallest watermark
// is then behind its end by the grace, so no event that would be accepted for
// it can follow, from any source.
func (w *Windows) due() int64 { return (w.training+1)*w.window + w.grace }

// alive reports whether any source had an event not longer than Config.MaxGap
// before the time, which is at or before the frontier.
func (w *Windows) alive(at int64) bool {
	return w.aliveUntil != 0 && at-w.aliveUntil <= w.maxGap
}

// whole reports whether the sources were alive during the whole window.
func (w *Windows) whole(start, end int64) bool {
	return w.aliveSince <= start && w.alive(end)
}

// closePane moves the frontier to end, over one pane.
func (w *Windows) closePane(end int64) {
	w.frontier = end
	w.turnLimits(end - w.pane)
	w.missStalled(end-w.pane, end)
	p := takeFirst(&w.open, end/w.pane-1)
	if p == nil {
		return
	}
	if start := end - w.pane; !w.alive(start) {
		w.aliveSince = start - start%w.slide
		w.missed(w.aliveUntil, w.aliveSince, false)
	}
	w.aliveUntil = end
	w.land(p.partials, end, false)
	for _, l := range w.landings {
		l.tenant.activate(l.series)
		l.series.renew(l.partial.key)
		l.series.push(l.partial)
	}
	w.letGo(p)
}

// refuse notes that the budget kept events that came in time out of a cluster
// of their own.
func (w *Windows) refuse(t *tenant, by Budget, events uint32) {
	n := uint64(events)
	w.outcomes[Clustered] -= n
	w.outcomes[Overflow] += n
	w.refused[by] += n
	t.refused[by] += n
}

func (w *Windows) era(end int64) int64 { return end / w.seenFor }

// closeWindow slides every window to end and hands out what is complete.
func (w *Windows) closeWindow(end int64, v Visitor) {
	for w.grace > 0 && w.due() <= end {
		w.finalise(v) // as long as the steps of its windows are there
	}
	first := end/w.pane - w.panesPerWindow
	keep := min(first, w.training*w.panesPerWindow)
	if len(w.spans) > 0 {
		// The step that is not over, or just now, is added up from panes.
		step := w.spans[0].slide
		keep = min(keep, (end-w.pane)/step*step/w.pane)
	}
	for _, t := range w.byTenant {
		left := t.active[:0]
		for _, s := range t.active {
			if s.slide(first, keep) {
				left = append(left, s)
			}
		}
		clear(t.active[len(left):])
		t.active = left
	}
	w.advanceSpans(end)
	if end%w.window == 0 {
		w.capture(end)
	}
	w.captureSpans(end)
	if end%w.forgetEvery == 0 {
		w.forget(end)
	}
	for w.due() <= end {
		w.finalise(v)
	}
	for _, sp := range slices.Backward(w.spans) {
		if end%sp.slide != 0 {
			continue
		}
		if scored, _ := w.wholeSpan(sp, end); scored {
			w.evaluateSpan(sp, end, v)
		}
	}
	if start := end - w.window; w.whole(start, end) {
		w.evaluate(start, end, v)
	}
}

// evaluate hands out the window of every tenant.
func (w *Windows) evaluate(start, end int64, v Visitor) {
	partial := w.partialSince(start)
	freshFrom := (end - w.slide) / w.pane
	for _, t := range w.byTenant {
		w.visit = w.visit[:0]
		for _, s := range t.active {
			if s.win == len(s.ring) {
				continue
			}
			sum := s.totals()
			w.visit = append(w.visit, Window{
				Cluster:   s.key,
				FirstPane: s.first * w.pane,
				Counts:    sum.counts,
				Fresh:     s.fresh(freshFrom),
				Shape:     sum.shape,
				Detail:    s,
			})
		}
		w.evaluation = Evaluation{Tenant: t.name, Start: start, End: end, Partial: partial, Windows: w.visit}
		v.Evaluate(&w.evaluation)
	}
}

// skip jumps over a stretch of event time in which nothing can happen: no
// events are kept, none is waiting, and the silence has lasted longer than
// Config.MaxGap. It costs the same for a minute as for a century, and leaves
// the state in which closing every pane of it would have.
func (w *Windows) skip() {
	if w.anyPending() || w.alive(w.frontier) || w.anyActive() {
		return
	}
	to := max(w.mark-w.grace, 0) / w.window
	if len(w.open) > 0 {
		to = min(to, w.open[0].index/w.panesPerWindow)
	}
	if len(w.late) > 0 {
		to = min(to, w.late[0].index)
	}
	from := w.frontier
	if to*w.window <= from {
		return
	}
	w.frontier = to * w.window
	w.turnLimits(w.frontier - w.pane)
	w.training = max(w.training, to)
	w.missStalled(from, w.frontier)
	if at := w.frontier - w.frontier%w.forgetEvery; at > from {
		w.forget(at)
	}
}

func (w *Windows) anyPending() bool {
	return len(w.pending) > 0 || slices.ContainsFunc(w.spans, func(sp *span) bool { return len(sp.pending) > 0 })
}

func (w *Windows) anyActive() bool {
	for _, t := range w.byTenant {
		if len(t.active) > 0 {
			return true
		}
		for _, sp := range w.spans {
			if len(t.reaching[sp.scale]) > 0 {
				return true
			}
		}
	}
	return false
}
