package cluster

import (
	"fmt"
	"time"
)

func (l *loader) reach(t *tenant, s *series, from *SavedReach) error {
	sp := l.w.span(from.Scale)
	if sp == nil || s.reach[from.Scale] != nil || len(from.Late) > 1 {
		return errState
	}
	r := l.w.reachOf(t, s, sp)
	for i := range from.Steps {
		p, err := l.step(&from.Steps[i])
		if err != nil {
			return err
		}
		r.steps = append(r.steps, p)
		r.sum.add(&p.sum)
	}
	for i := range from.Marks {
		m := &from.Marks[i]
		if len(m.Keys) != len(m.Bits) {
			return errState
		}
		for j, key := range m.Keys {
			to, _ := r.sets[i].put(key, &l.w.mem.slabs)
			setBits(to, m.Bits[j])
		}
	}
	if len(from.Samples) > samplesOfReach || len(from.News) > newsOfReach {
		return fmt.Errorf("%d samples, %d news: %w", len(from.Samples), len(from.News), errState)
	}
	for i := range from.Samples {
		s, err := l.sample(&from.Samples[i])
		if err != nil {
			return err
		}
		r.samples = append(r.samples, s)
	}
	for i := range from.News {
		n, err := l.novelty(&from.News[i])
		if err != nil {
			return err
		}
		r.news = append(r.news, dated{from.News[i].Step, n})
	}
	for i := range from.Late {
		late, err := l.partial(&from.Late[i])
		if err != nil {
			return err
		}
		r.late = late
	}
	return nil
}

func (l *loader) step(from *SavedStep) (*step, error) {
	p := l.w.mem.newStep(from.Index)
	p.sum = loadAmounts(&from.Sum)
	for i := range from.Tops {
		var top tally
		top.named = true
		if err := l.tally(&top, &from.Tops[i]); err != nil {
			return nil, err
		}
		p.tops = top.appendSorted(p.tops)
		p.ends[i] = len(p.tops)
		top.table.reset(&l.w.mem.slabs) // the step has the names now
	}
	tops := l.w.mem.slabs.takeFor(len(p.tops))
	p.tops = append(tops, p.tops...)
	return p, nil
}

// span returns the longer scale, nil when it is off.
func (w *Windows) span(scale Scale) *span {
	for _, sp := range w.spans {
		if sp.scale == scale {
			return sp
		}
	}
	return nil
}

func (l *loader) spans() error {
	if len(l.Spans) != len(l.w.spans) {
		return fmt.Errorf("state has %d longer scales, the configuration %d", len(l.Spans), len(l.w.spans))
	}
	for i := range l.Spans {
		from, to := &l.Spans[i], l.w.spans[i]
		if from.Scale != to.scale || from.Window != to.window || from.Slide != to.slide {
			return fmt.Errorf("state has %v window %v, slide %v, the configuration %v, %v", from.Scale,
				time.Duration(from.Window), time.Duration(from.Slide), time.Duration(to.window), time.Duration(to.slide))
		}
		for _, s := range from.Lacks {
			if s.Step < 0 {
				return fmt.Errorf("step %d: %w", s.Step, errState)
			}
			to.lacks[s.Step%maxMarks] = lack{step: s.Step, gap: s.Gap, stall: s.Stall}
		}
		if err := l.trainings(from.Pending, &to.pending); err != nil {
			return err
		}
	}
	return nil
}
