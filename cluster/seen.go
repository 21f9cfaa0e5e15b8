package cluster

import (
	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// kind is one of the things that are watched for being new.
type kind uint8

const (
	seenPrints    kind = iota // fingerprint, by role
	seenResources             // (subject, resource, access), by subject
	seenContacts              // (subject, source), by subject
	seenRoles                 // (subject, role key), by subject
	seenPowers                // (subject, class of power), by subject
	numKinds
)

// firstSeen are the features that count news, in the order of kind.
var firstSeen = [numKinds]Feature{NewFingerprints, NewSubjectResources, NewSubjectSources, NewSubjectRoles, NewSubjectPowers}

// relearnShare is the part of Config.SeenFor for which, after its memory was full,
// a tenant's things are unknown although there is room again, and for which, after
// the first class of power was known, none is new. What comes every day is learnt
// in that time: half a day of the default 30.
const relearnShare = 60

// seen is a tenant's bounded memory of what was seen before: two generations a
// kind. What is met goes into the current one; every Config.SeenFor the
// current one becomes the old one and the old one is forgotten. So a thing is
// remembered for one to two times SeenFor after it was last seen.
//
// There is no other eviction. Both generations together hold as many distinct
// things as the limit says, so that what is known can always be carried over,
// and nothing that is met once displaces what is met all the time. What comes
// when it is full is unknown and not counted as new, and so is everything that
// is not found for a while after (see relearnShare): it may have been refused. The
// same holds for an owner that has used up its quota, and a role its share, to
// the end of the generation after.
//
// What is new in a pane is new in every cluster that has it in that pane: which of
// them is looked at first must not matter.
type seen struct {
	relearn  int64 // see relearnShare
	now      int64 // event time, never going back
	era      int64 // event time divided by SeenFor
	current  [numKinds]generation
	previous [numKinds]generation
	carried  [numKinds]int    // how many keys are in both
	full     [numKinds]int64  // when something was refused for lack of room, 0 for never
	powers   int64            // when the first class of power was met, 0 for never
	unknown  [numKinds]uint64 // things met that could not be told from new ones

	// landing numbers the panes, from 2 on; the keys that one of them brought have
	// it as their n, all others 1. newcomers are the subjects that it brought with
	// a class of power.
	landing   uint32
	newcomers table
}

// land begins a pane.
func (s *seen) land(number uint32, mem *slabs) {
	if s.landing == number {
		return
	}
	s.landing = number
	s.newcomers.reset(mem)
}

type generation struct {
	keys table
	// quotas are how many keys of it each owner has, and how many new ones each
	// role brought in. The id is 1 when some were refused, else 0.
	quotas table
}

// turn moves on to the time and its era. Neither goes back.
func (s *seen) turn(now, era int64, mem *slabs) {
	s.now = max(s.now, now)
	if era <= s.era {
		return
	}
	for k := range s.current {
		s.previous[k].reset(mem)
		if era == s.era+1 {
			s.previous[k] = s.current[k]
			s.current[k] = generation{}
		} else {
			s.current[k].reset(mem)
		}
		s.carried[k] = 0
	}
	s.era = era
}

func (g *generation) reset(mem *slabs) {
	g.keys.reset(mem)
	g.quotas.reset(mem)
}

// sighting is a thing that was met: its key, who is made to pay for it, and the
// role under which it was met.
type sighting struct{ key, owner, role uint64 }

// meet notes a sighting and reports whether it is the first of its key.
func (s *seen) meet(k kind, m sighting, l *Limits, mem *slabs) bool {
	current, previous := &s.current[k], &s.previous[k]
	if entry := current.keys.find(m.key); entry != nil {
		return entry.n > 1 && entry.n == s.landing
	}
	if previous.keys.find(m.key) != nil {
		if current.affords(m.owner, l.MaxSeenPerSubject) {
			current.charge(m.owner, mem)
			current.remember(m.key, mem)
			s.carried[k]++
		}
		return false
	}
	if !s.admit(k, m, l, mem) || s.blind(k, m) {
		s.unknown[k]++
		return false
	}
	current.keys.find(m.key).n = max(s.landing, 1)
	return true
}

// admit remembers a key that is in neither generation, and reports whether
// there was room.
func (s *seen) admit(k kind, m sighting, l *Limits, mem *slabs) bool {
	if s.distinct(k) >= l.seen(k) {
		s.full[k] = s.now
		return false
	}
	current, paysRole := &s.current[k], k != seenPrints // whose owner is the role
	if !current.affords(m.owner, l.MaxSeenPerSubject) || paysRole && !current.affords(m.role, l.seenOfRole()) {
		return false
	}
	if paysRole {
		current.charge(m.role, mem)
	}
	current.charge(m.owner, mem)
	current.remember(m.key, mem)
	return true
}

// blind reports whether the key may have been refused before: then it cannot
// be told from a new one.
func (s *seen) blind(k kind, m sighting) bool {
	if s.full[k] != 0 && s.now < s.full[k]+s.relearn {
		return true
	}
	for _, quotas := range [...]*table{&s.current[k].quotas, &s.previous[k].quotas} {
		for _, payer := range [...]uint64{m.owner, m.role} {
			if q := quotas.find(payer); q != nil && q.id != 0 {
				return true
			}
		}
	}
	return false
}

// affords reports whether the payer has taken less than the quota, and notes
// when it was refused.
func (g *generation) affords(payer uint64, quota int) bool {
	q := g.quotas.find(payer)
	if q == nil || int(q.n) < quota {
		return true
	}
	q.id = 1
	return false
}

// charge adds one to what the payer has taken.
func (g *generation) charge(payer uint64, mem *slabs) {
	q, added := g.quotas.put(payer, mem)
	if added {
		q.n = 0
	}
	q.n++
}

func (g *generation) remember(key uint64, mem *slabs) {
	entry, _ := g.keys.put(key, mem)
	entry.n = 1
}

// meetPowers notes the classes of power that a subject of the partial was seen
// with, and counts those that are news. A policy that is loaded tells the
// power of everybody at once: so what a subject has when it is first met is no
// news, nor are the others until the tenant has had the time to show them.
func (s *seen) meetPowers(who slot, role uint64, p *partial, l *Limits, mem *memory) {
	subject := who.key
	// That a subject has any class at all is told by its quota: so it is kept
	// under its whole hash.
	known := s.current[seenPowers].quotas.find(subject) != nil || s.previous[seenPowers].quotas.find(subject) != nil
	if !known {
		entry, _ := s.newcomers.put(subject, &mem.slabs)
		entry.n = 1
	}
	known = known && s.newcomers.find(subject) == nil
	for class := rbac.ClassUnknown + 1; class < rbac.NumClasses; class++ {
		key := mix(subject, uint64(class))
		if p.powers.find(key) == nil {
			continue
		}
		if s.powers == 0 {
			s.powers = s.now
		}
		if s.meet(seenPowers, sighting{key, subject, role}, l, &mem.slabs) && known && s.now >= s.powers+s.relearn {
			p.newPower(who, class, &mem.names)
		}
	}
}

// distinct is the number of different keys of a kind that are remembered.
func (s *seen) distinct(k kind) int {
	return s.current[k].keys.size + s.previous[k].keys.size - s.carried[k]
}

// size is the number of keys remembered, in both generations.
func (s *seen) size() int {
	n := 0
	for k := range s.current {
		n += s.current[k].keys.size + s.previous[k].keys.size
	}
	return n
}

// unknownThings is how many things of all kinds could not be told from new ones.
func (s *seen) unknownThings() (n uint64) {
	for _, k := range s.unknown {
		n += k
	}
	return n
}

func (s *seen) reset(mem *slabs) {
	s.newcomers.reset(mem)
	for k := range s.current {
		s.current[k].reset(mem)
		s.previous[k].reset(mem)
	}
}

// traits are the hashes of the parts of a cluster's key that pairs are made of.
type traits struct {
	resource uint64 // API group, resource and access
	role     uint64
}

func traitsOf(key *fingerprint.ClusterKey) traits {
	return traits{
		resource: mix(mix(xxhash.Sum64String(key.APIGroup), xxhash.Sum64String(key.Resource)), uint64(key.Access)),
		role:     xxhash.Sum64String(key.Role),
	}
}

// recognise counts in p.sum what of the partial was never seen before, and
// remembers it. Keys are met in ascending order.
func (s *seen) recognise(p *partial, t traits, l *Limits, mem *memory) {
	// Owners have 32 bits where a tally keeps them; roles are told from them by
	// the other 32.
	role := t.role | 1<<63
	mem.sorted = p.subjects.appendSorted(mem.sorted[:0])
	for _, subject := range mem.sorted {
		owner := uint64(uint32(subject.key))
		if s.meet(seenResources, sighting{mix(subject.key, t.resource), owner, role}, l, &mem.slabs) {
			p.newOf(seenResources, subject, p.key.Resource, &mem.names)
		}
		if s.meet(seenRoles, sighting{mix(subject.key, t.role), owner, role}, l, &mem.slabs) {
			p.newOf(seenRoles, subject, p.key.Role, &mem.names)
		}
		s.meetPowers(subject, role, p, l, mem)
	}
	mem.sorted = p.contacts.appendSorted(mem.sorted[:0])
	for _, contact := range mem.sorted {
		if s.meet(seenContacts, sighting{contact.key, uint64(contact.id), role}, l, &mem.slabs) {
			p.newContact(contact, &mem.names)
		}
	}
	mem.sorted = p.prints.appendSorted(mem.sorted[:0])
	for _, print := range mem.sorted {
		if s.meet(seenPrints, sighting{print.key, uint64(uint32(t.role)), role}, l, &mem.slabs) {
			p.newPrint(print, &mem.names)
		}
	}
}
