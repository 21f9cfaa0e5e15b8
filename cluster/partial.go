package cluster

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// partial is what one cluster did in one pane: the unit that is counted,
// merged, slid over and kept. It is mergeable, so that partials of several
// counters can be added up to the partial of all of them, whatever the order:
// that is the seam at which counting and detecting can become two processes.
type partial struct {
	pane int64 // index: start divided by the pane's length
	key  *fingerprint.ClusterKey
	// newcomer says that the cluster was not admitted when its pane took it in.
	newcomer bool

	// sum counts the events. What was never seen before is in it once the pane
	// is closed.
	sum amounts

	// These are with names.
	subjects   tally // by subject
	objects    tally // by namespace and object
	namespaces tally
	sources    tally
	// contacts are (subject, source) pairs, the low half of the subject's
	// hash in id; powers are (subject, class of power) pairs, which the key
	// cannot tell: a role that is bound in a namespace gives less than in the
	// whole cluster; prints are fingerprints. They are only needed until the
	// pane closes.
	contacts tally
	powers   tally
	prints   tally

	// samples are events to be shown, of those in time. news are the first
	// things of those counted that were never seen before.
	samples samples
	news    []Novelty
}

// sets are the tallies that count a feature each, in the order of distinct.
func (p *partial) sets() [numSets]*tally {
	return [numSets]*tally{&p.subjects, &p.objects, &p.namespaces, &p.sources}
}

// numSets is the number of features that count distinct keys.
const numSets = 4

// distinct are these features, in the order of partial.sets.
var distinct = [numSets]Feature{Subjects, Objects, Namespaces, Sources}

// newPartial returns an empty partial.
func (m *memory) newPartial(pane int64, key *fingerprint.ClusterKey) *partial {
	var p *partial
	if last := len(m.partials) - 1; last >= 0 {
		p, m.partials = m.partials[last], m.partials[:last]
	} else {
		p = &partial{}
	}
	p.pane, p.key = pane, key
	for _, t := range p.sets() {
		t.named = true
	}
	p.prints.named = true // by verb
	return p
}

// recycle takes back a partial that nothing refers to any more.
func (m *memory) recycle(p *partial) {
	for _, t := range p.sets() {
		t.reset(m)
	}
	p.forgetPairs(m)
	for _, s := range p.samples {
		if s != nil {
			m.recycleSample(s)
		}
	}
	clear(p.news)
	*p = partial{news: p.news[:0]}
	m.partials = append(m.partials, p)
}

// forgetPairs drops what is needed until the pane closes only.
func (p *partial) forgetPairs(m *memory) {
	p.contacts.reset(m)
	p.powers.reset(m)
	p.prints.reset(m)
}

// add counts one event, which may be late. Of distinct keys about limit are kept.
func (p *partial) add(e *fingerprint.Event, fp *fingerprint.Fingerprint, from Origin, late bool, limit int, m *memory) {
	p.sum.note(e, fp.Verb)
	p.prints.count(uint64(fp.ID), fp.Verb, limit, m)

	user, _ := e.Subject()
	var subject, source uint64
	var who, address *slot
	if user != "" {
		subject = xxhash.Sum64String(user)
		who = p.subjects.count(subject, user, limit, m)
		if power := fp.Cluster.Power; power != rbac.ClassUnknown {
			p.powers.mark(mix(subject, uint64(power)), limit, m)
		}
	}
	if e.Source != "" {
		source = xxhash.Sum64String(e.Source)
		address = p.sources.count(source, e.Source, limit, m)
		if user != "" {
			if s, added := p.contacts.add(mix(subject, source), limit, m); added {
				s.n, s.id = 1, uint32(subject)
			}
		}
	}
	object := p.addObject(&e.Resource, limit, m)
	if !late {
		what := source
		if object != nil {
			what = mix(source, object.key)
		}
		p.noteSample(e, fp, from, subject, what, who, address, object, m)
	}
}

func (p *partial) addObject(r *fingerprint.Resource, limit int, m *memory) (object *slot) {
	var namespace uint64
	if r.Namespace != "" {
		namespace = xxhash.Sum64String(r.Namespace)
		p.namespaces.count(namespace, r.Namespace, limit, m)
	}
	if r.Object != "" {
		var added bool
		if object, added = p.objects.add(mix(namespace, xxhash.Sum64String(r.Object)), limit, m); object != nil {
			object.n++
			if added {
				object.id = m.names.holdPath(object.key, r.Namespace, r.Object)
			}
		}
	}
	return object
}

// merge adds the counts of o, which stays as it is.
func (p *partial) merge(o *partial, limit int, m *memory) {
	p.sum.add(&o.sum)
	for _, s := range o.samples {
		if s != nil {
			p.samples.offer(s, m)
		}
	}
	p.news = append(p.news, o.news[:min(newsOfPane-len(p.news), len(o.news))]...)
	from := o.sets()
	for i, t := range p.sets() {
		t.merge(from[i], limit, m)
	}
	p.contacts.merge(&o.contacts, limit, m)
	p.powers.merge(&o.powers, limit, m)
	p.prints.merge(&o.prints, limit, m)
}

// settle brings every tally to its final form: at most limit keys.
func (p *partial) settle(limit int, m *memory) {
	for _, t := range p.sets() {
		t.prune(limit, m)
	}
	p.contacts.prune(limit, m)
	p.powers.prune(limit, m)
	p.prints.prune(limit, m)
}

// mix combines two hashes to one; mix(a, b) and mix(b, a) differ.
func mix(a, b uint64) uint64 {
	h := (a ^ bits.RotateLeft64(b, 29)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h = (h ^ b) * 0xd6e8feb86659fd93
	return h ^ h>>32
}
