package cluster

// A longer scale is counted in steps: what a cluster did in one
// [Config.MediumSlide] or [Config.LongSlide]. When a step of the medium scale is
// over, it is added up from the panes that the short scale still has; one of the
// long scale is added up from the medium ones. So the longer scales cost nothing
// an event, and the panes of an hour or a day are never kept: of a step there are
// its sums and the names that had the most events in it, and of the distinct
// keys one table with the steps in which each was seen (see marks).

// span is a longer scale of a [Windows].
type span struct {
	scale         Scale
	window, slide int64
	steps         int64 // of a window
	// kept is for how many steps the marks of each set are kept: two windows
	// for subjects, so that it is known who stayed; for the others the window
	// and the grace, in which late events ask for them.
	kept [numSets]int64
	// pending are the training windows that are over and not final.
	pending []*pending
	lacks   [maxMarks]lack // by step modulo maxMarks
}

// lack is how much of a step passed without any source and without some.
type lack struct{ step, gap, stall int64 }

func (w *Windows) newSpan(scale Scale, window, slide int64) *span {
	steps := window / slide
	kept := steps + graceSteps(w.grace, slide)
	return &span{
		scale: scale, window: window, slide: slide, steps: steps,
		kept: [numSets]int64{max(kept, 2*steps), kept, kept, kept},
	}
}

// graceSteps is how many steps may be over before the training window before
// them is final.
func graceSteps(grace, slide int64) int64 { return (grace+slide-1)/slide + 1 }

// missed notes that a stretch of event time passed without any source, or
// without some.
func (sp *span) missed(from, to int64, stalled bool) {
	from = max(from, to-(maxMarks-1)*sp.slide, 0)
	for from < to {
		step := from / sp.slide
		until := min((step+1)*sp.slide, to)
		l := &sp.lacks[step%maxMarks]
		if l.step != step {
			*l = lack{step: step}
		}
		if stalled {
			l.stall += until - from
		} else {
			l.gap += until - from
		}
		from = until
	}
}

// missing returns how much of the window that ends there was missed.
func (sp *span) missing(end int64) (gap, stall int64) {
	last := end/sp.slide - 1
	for step := max(last-sp.steps+1, 0); step <= last; step++ {
		if l := &sp.lacks[step%maxMarks]; l.step == step {
			gap, stall = gap+l.gap, stall+l.stall
		}
	}
	return gap, stall
}

// missed notes it at every longer scale.
func (w *Windows) missed(from, to int64, stalled bool) {
	for _, sp := range w.spans {
		sp.missed(from, to, stalled)
	}
}

// wholeSpan reports whether the window of a longer scale that ends there is good
// for being scored, and for being learned from. It may lack as much as one of its
// steps: a day is not lost by an outage of half an hour.
func (w *Windows) wholeSpan(sp *span, end int64) (scored, learned bool) {
	gap, stall := sp.missing(end)
	scored = end >= sp.window && w.alive(end) && gap <= sp.slide
	return scored, scored && gap+stall <= sp.slide
}

// partialOfSpan names the sources missing from the window of a longer scale that
// ends there, when it lacks more than a step by them.
func (w *Windows) partialOfSpan(sp *span, end int64) []string {
	if _, stall := sp.missing(end); stall <= sp.slide {
		return nil
	}
	return w.partialSince(end - sp.window)
}

// advanceSpans adds the steps that end there to the longer scales.
func (w *Windows) advanceSpans(end int64) {
	for _, sp := range w.spans {
		if end%sp.slide != 0 {
			continue
		}
		for _, t := range w.byTenant {
			if sp.scale == Medium {
				w.stepFromPanes(t, sp, end)
			} else {
				w.stepFromSteps(t, sp, end)
			}
			w.settle(t, sp, end/sp.slide-1)
		}
	}
}

// settle moves the windows of a tenant's clusters to the step that is over, and
// lets go of the clusters that have nothing left.
func (w *Windows) settle(t *tenant, sp *span, now int64) {
	reaching := t.reaching[sp.scale]
	left := reaching[:0]
	for _, s := range reaching {
		r := s.reach[sp.scale]
		r.settle(now)
		if r.empty() {
			s.reach[sp.scale] = nil
			w.mem.recycleReach(r)
			continue
		}
		left = append(left, s)
	}
	clear(reaching[len(left):])
	t.reaching[sp.scale] = left
}

// captureSpans keeps the windows of longer scales that end here, as capture does.
func (w *Windows) captureSpans(end int64) {
	for _, sp := range w.spans {
		if end%sp.window != 0 {
			continue
		}
		_, learned := w.wholeSpan(sp, end)
		p := w.mem.newPending(end/sp.window - 1)
		p.incomplete = !learned
		known := w.knownBefore(sp, end)
		for _, t := range w.byTenant {
			rows := p.addTenant(t.name)
			for _, s := range t.reaching[sp.scale] {
				if r := s.reach[sp.scale]; len(r.steps) > 0 {
					rows.rows = append(rows.rows, row{s, r.totals(known)})
				}
			}
		}
		if p = w.keepPending(p, end); p != nil {
			sp.pending = append(sp.pending, p)
		}
	}
}

// knownBefore reports whether it is known what was in the window before the one
// that ends there.
func (w *Windows) knownBefore(sp *span, end int64) bool {
	gap, _ := sp.missing(end - sp.window)
	return end >= 2*sp.window && gap <= sp.slide
}

// evaluateSpan hands out the window of a longer scale that ends there, of every
// tenant.
func (w *Windows) evaluateSpan(sp *span, end int64, v Visitor) {
	partial, known := w.partialOfSpan(sp, end), w.knownBefore(sp, end)
	for _, t := range w.byTenant {
		w.visit = w.visit[:0]
		for _, s := range t.reaching[sp.scale] {
			r := s.reach[sp.scale]
			if len(r.steps) == 0 {
				continue
			}
			sum := r.totals(known)
			w.visit = append(w.visit, Window{
				Cluster:   s.key,
				FirstPane: s.first * w.pane,
				Counts:    sum.counts,
				Fresh:     r.fresh(end/sp.slide - 1),
				Shape:     sum.shape,
				Detail:    r,
			})
		}
		w.evaluation = Evaluation{
			Tenant: t.name, Scale: sp.scale, Start: end - sp.window, End: end,
			Partial: partial, Windows: w.visit,
		}
		v.Evaluate(&w.evaluation)
	}
}

// finaliseSpans corrects the training windows of longer scales that end with a
// short one, which has just become final, and hands them out.
func (w *Windows) finaliseSpans(end int64, v Visitor) {
	for _, sp := range w.spans {
		if end%sp.window != 0 {
			continue
		}
		index := end/sp.window - 1
		p := takePending(&sp.pending, index)
		for _, t := range w.byTenant {
			for _, s := range t.reaching[sp.scale] {
				r := s.reach[sp.scale]
				if r.late == nil {
					continue
				}
				if p == nil {
					p = w.mem.newPending(index)
					p.incomplete = true
				}
				r.correct(&p.row(t.name, s).totals, index)
				w.mem.recycle(r.late)
				r.late = nil
			}
		}
		if p != nil {
			w.handOut(p, sp.scale, sp.window, v)
		}
	}
}
