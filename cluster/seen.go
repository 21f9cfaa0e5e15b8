package cluster

import (
	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
)

// kind is one of the things that are watched for being new.
type kind uint8

const (
	seenPrints    kind = iota // fingerprint, by role
	seenResources             // (subject, resource, access), by subject
	seenContacts              // (subject, source), by subject
	seenRoles                 // (subject, role key), by subject
	numKinds
)

// firstSeen are the features that count news, in the order of kind.
var firstSeen = [numKinds]Feature{NewFingerprints, NewSubjectResources, NewSubjectSources, NewSubjectRoles}

// seen is a tenant's bounded memory of what was seen before: two generations a
// kind. What is met goes into the current one; every Config.SeenFor the
// current one becomes the old one and the old one is forgotten. So a thing is
// remembered for one to two times SeenFor after it was last seen.
//
// There is no other eviction: memory that is full, and a subject that has used
// up its quota, take nothing more. What is not found then is unknown and not
// counted as new; and a subject that was over its quota in the old generation
// stays unknown in the current one, since its things were not all remembered.
type seen struct {
	era      int64 // event time divided by SeenFor
	current  [numKinds]generation
	previous [numKinds]generation
	unknown  uint64 // things met that could not be told from new ones
}

type generation struct {
	keys   table
	quotas table // by owner: the keys it has here; one above the quota when some were refused
}

// turn moves on to the era. Eras never go back.
func (s *seen) turn(era int64, mem *slabs) {
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
	}
	s.era = era
}

func (g *generation) reset(mem *slabs) {
	g.keys.reset(mem)
	g.quotas.reset(mem)
}

// meet notes that the owner was seen with the key and reports whether that is
// new.
func (s *seen) meet(k kind, key uint64, owner uint32, c *Config, mem *slabs) bool {
	current, previous := &s.current[k], &s.previous[k]
	if current.keys.find(key) != nil {
		return false
	}
	known := previous.keys.find(key) != nil
	if current.keys.size >= c.MaxSeen {
		if !known {
			s.unknown++
		}
		return false
	}
	quota := uint32(c.MaxSeenPerSubject)
	q, added := current.quotas.put(uint64(owner), mem)
	if !added && q.n >= quota {
		q.n = quota + 1
		if !known {
			s.unknown++
		}
		return false
	}
	q.n++
	entry, _ := current.keys.put(key, mem)
	entry.n = 1
	if known {
		return false
	}
	if q := previous.quotas.find(uint64(owner)); q != nil && q.n > quota {
		s.unknown++
		return false
	}
	return true
}

// size is the number of keys remembered.
func (s *seen) size() int {
	n := 0
	for k := range s.current {
		n += s.current[k].keys.size + s.previous[k].keys.size
	}
	return n
}

func (s *seen) reset(mem *slabs) {
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

// recognise counts in p.news what of the partial was never seen before, and
// remembers it. Keys are met in ascending order.
func (s *seen) recognise(p *partial, t traits, c *Config, mem *memory) {
	mem.sorted = p.subjects.appendSorted(mem.sorted[:0])
	for _, subject := range mem.sorted {
		owner := uint32(subject.key)
		s.count(p, seenResources, mix(subject.key, t.resource), owner, c, mem)
		s.count(p, seenRoles, mix(subject.key, t.role), owner, c, mem)
	}
	mem.sorted = p.contacts.appendSorted(mem.sorted[:0])
	for _, contact := range mem.sorted {
		s.count(p, seenContacts, contact.key, contact.id, c, mem)
	}
	mem.sorted = p.prints.appendSorted(mem.sorted[:0])
	for _, print := range mem.sorted {
		s.count(p, seenPrints, print.key, uint32(t.role), c, mem)
	}
}

func (s *seen) count(p *partial, k kind, key uint64, owner uint32, c *Config, mem *memory) {
	if s.meet(k, key, owner, c, &mem.slabs) {
		p.news[k]++
	}
}
