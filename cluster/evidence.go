package cluster

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

const (
	// samplesOfPane is of how many pairs of subject and fingerprint a partial
	// keeps an event.
	samplesOfPane = 3
	// newsOfPane is how many things that were never seen before a partial names.
	newsOfPane = 8
	// samplesOfReach and newsOfReach are how many a cluster keeps at a longer
	// scale: the last ones.
	samplesOfReach, newsOfReach = 8, 16
	// longestID is the longest record identity that is kept. Those of audit
	// events have 36 bytes.
	longestID = 128
)

// isNew notes that something of the partial was never seen before: the count,
// its name while there is room, and the samples that show it.
func (p *partial) isNew(k kind, subject string, what func() string, shown func(*sample) bool) {
	p.sum.counts[firstSeen[k]]++
	if len(p.news) < newsOfPane {
		p.news = append(p.news, Novelty{Feature: firstSeen[k], Subject: subject, What: what()})
	}
	for _, s := range p.samples {
		if s != nil && shown(s) {
			s.news |= 1 << k
		}
	}
}

// contactOf returns the names of a pair of subject and source of the partial.
func (p *partial) contactOf(contact slot, n *names) (subject, source string) {
	for i := range p.subjects.slots {
		who := &p.subjects.slots[i]
		if who.n == 0 || uint32(who.key) != contact.id {
			continue
		}
		for j := range p.sources.slots {
			if from := &p.sources.slots[j]; from.n != 0 && mix(who.key, from.key) == contact.key {
				return n.text(who.id), n.text(from.id)
			}
		}
	}
	return "", ""
}

// newContact is isNew for a pair of subject and source.
func (p *partial) newContact(contact slot, n *names) {
	subject, source := "", ""
	if len(p.news) < newsOfPane {
		subject, source = p.contactOf(contact, n)
	}
	p.isNew(seenContacts, subject, func() string { return source }, func(s *sample) bool {
		return uint32(s.who) == contact.id && mix(s.who, xxhash.Sum64String(s.Address)) == contact.key
	})
}

// newPrint is isNew for a fingerprint.
func (p *partial) newPrint(print slot, n *names) {
	p.isNew(seenPrints, "", func() string { return n.text(print.id) + " " + p.key.Resource },
		func(s *sample) bool { return s.print == fingerprint.ID(print.key) })
}

// newOf is isNew for what a subject has with the cluster.
func (p *partial) newOf(k kind, subject slot, what string, n *names) {
	p.isNew(k, n.text(subject.id), func() string { return what }, func(s *sample) bool { return s.who == subject.key })
}

// newPower is newOf for a class of power.
func (p *partial) newPower(subject slot, class rbac.Class, n *names) {
	p.newOf(seenPowers, subject, class.String(), n)
}

// evidence collects what is shown of a window.
type evidence struct {
	feature Feature
	best    []*sample
	n       int
}

// counted reports whether the feature counts the event.
func (s *sample) counted(f Feature) bool {
	switch f {
	case Denied:
		return s.rank == 2
	case Failed:
		return s.rank == 1
	}
	for k, of := range firstSeen {
		if f == of {
			return s.news&(1<<k) != 0
		}
	}
	return true
}

// tells is how much the sample tells, if the feature counts it or not.
func (s *sample) tells(f Feature) int {
	n := 2 * int(s.rank)
	if s.news != 0 {
		n++
	}
	if s.counted(f) {
		n += 8
	}
	return n
}

// offer takes in a sample: those that the feature counts first, then those that
// tell more, then the last ones.
func (e *evidence) offer(s *sample) {
	before := func(a, b *sample) bool {
		if x, y := a.tells(e.feature), b.tells(e.feature); x != y {
			return x > y
		}
		if a.Time != b.Time {
			return a.Time > b.Time
		}
		return a.merit().better(b.merit())
	}
	at := len(e.best)
	for at > 0 && before(s, e.best[at-1]) {
		at--
	}
	if at >= e.n {
		return
	}
	if len(e.best) < e.n {
		e.best = append(e.best, nil)
	}
	copy(e.best[at+1:], e.best[at:])
	e.best[at] = s
}

// appendTo appends the samples, oldest first.
func (e *evidence) appendTo(dst []Sample) []Sample {
	slices.SortStableFunc(e.best, func(a, b *sample) int { return cmp.Compare(a.Time, b.Time) })
	for _, s := range e.best {
		shown := s.Sample
		shown.ID = string(s.id)
		dst = append(dst, shown)
	}
	return dst
}

// AppendNew implements [Detail].
func (s *series) AppendNew(dst []Novelty, n int) []Novelty {
	for _, p := range s.ring[s.win:] {
		for _, news := range p.news {
			if n--; n < 0 {
				return dst
			}
			dst = append(dst, news)
		}
	}
	return dst
}

// AppendSamples implements [Detail].
func (s *series) AppendSamples(dst []Sample, f Feature, n int) []Sample {
	e := evidence{feature: f, n: n}
	for _, p := range s.ring[s.win:] {
		for _, sample := range p.samples {
			if sample != nil {
				e.offer(sample)
			}
		}
	}
	return e.appendTo(dst)
}

// dated is something new, and the step in which it was.
type dated struct {
	step int64
	Novelty
}

// pick is what is shown of the events of a step: the one that tells most, and the
// one that tells most of those that show something new.
type pick struct{ most, new *sample }

func (b *pick) offer(s *sample) {
	if b.most == nil || s.tells(NumFeatures) > b.most.tells(NumFeatures) {
		b.most = s
	}
	if s.news != 0 && (b.new == nil || s.tells(NumFeatures) > b.new.tells(NumFeatures)) {
		b.new = s
	}
}

// show keeps of what is shown of a step what there is room for: the last.
func (r *reach) show(step int64, news []Novelty, best pick) {
	for _, n := range news {
		r.news = append(r.news, dated{step, n})
	}
	if more := len(r.news) - newsOfReach; more > 0 {
		r.news = slices.Delete(r.news, 0, more)
	}
	r.keepSample(best.most)
	if best.new != best.most {
		r.keepSample(best.new)
	}
}

func (r *reach) keepSample(of *sample) {
	if of == nil {
		return
	}
	s := r.w.mem.newSample()
	s.copy(of)
	r.samples = append(r.samples, s)
	if len(r.samples) > samplesOfReach {
		r.dropSample()
	}
}

// showBelow is show for a step that is added up from those of the scale below,
// from the first on.
func (r *reach) showBelow(step int64, below *reach, first int64) {
	var best pick
	for _, s := range below.samples {
		if s.Time >= first*below.span.slide {
			best.offer(s)
		}
	}
	news := r.w.news[:0]
	for _, d := range below.news {
		if d.step >= first {
			news = append(news, d.Novelty)
		}
	}
	r.show(step, news, best)
	clear(news)
	r.w.news = news
}

// dropSample lets go of the sample that tells least, of several the oldest.
func (r *reach) dropSample() {
	least := 0
	for i, s := range r.samples {
		if s.tells(NumFeatures) < r.samples[least].tells(NumFeatures) {
			least = i
		}
	}
	r.w.mem.recycleSample(r.samples[least])
	r.samples = slices.Delete(r.samples, least, least+1)
}

// forgetShown lets go of what was shown before the step.
func (r *reach) forgetShown(first int64) {
	r.news = slices.DeleteFunc(r.news, func(d dated) bool { return d.step < first })
	kept := r.samples[:0]
	for _, s := range r.samples {
		if s.Time < first*r.span.slide {
			r.w.mem.recycleSample(s)
			continue
		}
		kept = append(kept, s)
	}
	clear(r.samples[len(kept):])
	r.samples = kept
}

// AppendNew implements [Detail].
func (r *reach) AppendNew(dst []Novelty, n int) []Novelty {
	for _, d := range r.news[:min(max(n, 0), len(r.news))] {
		dst = append(dst, d.Novelty)
	}
	return dst
}

// AppendSamples implements [Detail].
func (r *reach) AppendSamples(dst []Sample, f Feature, n int) []Sample {
	e := evidence{feature: f, n: n}
	for _, s := range r.samples {
		e.offer(s)
	}
	return e.appendTo(dst)
}
