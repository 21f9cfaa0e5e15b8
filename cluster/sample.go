package cluster

import (
	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
)

// Origin is where an event came from.
type Origin struct {
	// Source is the partition or file, as given to [Windows.AddSource].
	Source int
	// Offset is the place of the record in the source, -1 when it has none.
	Offset int64
	// RecordTime is the time (Unix nanoseconds) that the transport gave the
	// record, such as the Kafka record timestamp; 0 when there is none.
	RecordTime int64
}

// sample is an event that is kept. Its texts are those of names, so they cost
// nothing but the reference.
type sample struct {
	Sample        // without ID
	id     []byte // recycled
	// print and who are the fingerprint and the hash of the subject: of the
	// events of both the best is kept. what is the hash of object and address.
	print fingerprint.ID
	who   uint64
	what  uint64
	rank  uint8
	news  uint8 // a bit for each kind of what it shows that is new
}

// rankOf is 2 for an event that was refused, 1 for one that failed, else 0.
func rankOf(e *fingerprint.Event) uint8 {
	switch {
	case e.Decision == fingerprint.DecisionForbid:
		return 2
	case e.Failed():
		return 1
	}
	return 0
}

// merit is what decides which events are kept.
type merit struct {
	time      int64
	print     fingerprint.ID
	who, what uint64
	code      int
	source    int
	offset    int64
	rank      uint8
}

func (s *sample) merit() merit {
	return merit{s.Time, s.print, s.who, s.what, s.Code, s.Source, s.Offset, s.rank}
}

// better reports whether a is to be kept rather than b: it tells more, or as much
// and earlier. It is a total order, but for events of one record: so what is kept
// does not depend on the order in which sources were interleaved. What is shown of
// an event comes before its place, so that it does not depend on partitions either.
func (a merit) better(b merit) bool {
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	if a.time != b.time {
		return a.time < b.time
	}
	if a.print != b.print {
		return a.print < b.print
	}
	if a.who != b.who {
		return a.who < b.who
	}
	if a.what != b.what {
		return a.what < b.what
	}
	if a.code != b.code {
		return a.code < b.code
	}
	if a.source != b.source {
		return a.source < b.source
	}
	return a.offset < b.offset
}

// samples are the best ones, best first.
type samples [samplesOfPane]*sample

// place returns where the sample belongs that a candidate takes the place of (nil
// for nobody's), and false when the candidate is not better.
func (l *samples) place(candidate merit) (at int, ok bool) {
	last := samplesOfPane - 1
	if l[last] != nil && !candidate.better(l[last].merit()) {
		return 0, false
	}
	for i, s := range l {
		if s == nil {
			return i, true
		}
		if s.print == candidate.print && s.who == candidate.who {
			return i, candidate.better(s.merit())
		}
	}
	return last, true
}

// put puts the sample there, and moves it up to its place.
func (l *samples) put(at int, s *sample) {
	for l[at] = s; at > 0 && l[at].merit().better(l[at-1].merit()); at-- {
		l[at], l[at-1] = l[at-1], l[at]
	}
}

// offer takes a copy of the sample if it is among the best.
func (l *samples) offer(s *sample, m *memory) {
	if at, ok := l.place(s.merit()); ok {
		to := l[at]
		if to == nil {
			to = m.newSample()
		}
		to.copy(s)
		l.put(at, to)
	}
}

func (s *sample) copy(from *sample) {
	id := append(s.id[:0], from.id...)
	*s = *from
	s.id = id
}

// newSample returns a sample to be filled.
func (m *memory) newSample() *sample {
	if last := len(m.samples) - 1; last >= 0 {
		s := m.samples[last]
		m.samples = m.samples[:last]
		return s
	}
	return &sample{}
}

func (m *memory) recycleSample(s *sample) {
	*s = sample{id: s.id[:0]}
	m.samples = append(m.samples, s)
}

// noteSample keeps the event if it is among the best. The slots are those of its
// names, nil where there is none or the tally dropped it.
func (p *partial) noteSample(e *fingerprint.Event, fp *fingerprint.Fingerprint, from Origin, who, what uint64, subject, source, object *slot, m *memory) {
	rank := rankOf(e)
	if last := p.samples[samplesOfPane-1]; last != nil && (rank < last.rank || rank == last.rank && e.Time > last.Time) {
		return // as place would say, but for most events sooner
	}
	at, ok := p.samples.place(merit{e.Time, fp.ID, who, what, e.Code, from.Source, from.Offset, rank})
	if !ok {
		return
	}
	to := p.samples[at]
	if to == nil {
		to = m.newSample()
	}
	id := to.id[:0]
	if len(e.ID) <= longestID {
		id = append(id, e.ID...)
	}
	user, _ := e.Subject()
	namespace, name := m.names.keepPath(e.Resource.Namespace, e.Resource.Object, object)
	*to = sample{
		Sample: Sample{
			Time: e.Time, Source: from.Source, Offset: from.Offset,
			Subject: m.names.keep(user, subject), Verb: fp.Verb, Namespace: namespace, Object: name,
			Address: m.names.keep(e.Source, source), Code: e.Code, Denied: e.Decision == fingerprint.DecisionForbid,
		},
		id: id, print: fp.ID, who: who, what: what, rank: rank,
	}
	p.samples.put(at, to)
}

// keepPath is keep for the parts of a name that holdPath has put into the slot.
func (n *names) keepPath(namespace, object string, s *slot) (keptNamespace, keptObject string) {
	if s != nil && s.id != 0 && namespace != "" {
		if path, at := n.text(s.id), len(namespace); isPath(path, namespace, object) {
			return path[:at], path[at+1:]
		}
	}
	return n.keep(namespace, nil), n.keep(object, s)
}

// keep returns the text in memory that may be kept: the name in the slot, if it
// is there.
func (n *names) keep(text string, s *slot) string {
	if s != nil && s.id != 0 && n.text(s.id) == text {
		return n.text(s.id)
	}
	if text == "" {
		return ""
	}
	id := n.hold(xxhash.Sum64String(text), text)
	text = n.text(id)
	n.release(id)
	return text
}
