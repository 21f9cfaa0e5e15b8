package cluster

import (
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func TestSeenRemembersOneToTwoEras(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	var s seen
	meet := func(era int64, key uint64) bool {
		s.turn(0, era, mem)
		return s.meet(seenRoles, sighting{key, 1, 2}, &c.Limits, mem)
	}
	for _, step := range []struct {
		era  int64
		key  uint64
		want bool
	}{
		{10, 1, true},
		{10, 1, false},
		{11, 1, false}, // from the era before, and kept for the next
		{12, 1, false},
		{14, 1, true},  // a whole era without it
		{13, 1, false}, // eras never go back
		{14, 2, true},
		{15, 3, true},
		{16, 2, true},
	} {
		if got := meet(step.era, step.key); got != step.want {
			t.Errorf("era %d key %d: new is %v, want %v", step.era, step.key, got, step.want)
		}
	}
}

// What a subject did beyond its quota was not remembered: it stays unknown in
// the next era too, and nobody else is affected.
func TestSeenQuota(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	c.MaxSeenPerSubject = 3
	var s seen
	count := func(owner, from, to uint64) (news int) {
		for key := from; key < to; key++ {
			if s.meet(seenContacts, sighting{mix(owner, key), owner, 1 << 63}, &c.Limits, mem) {
				news++
			}
		}
		return news
	}
	s.turn(0, 1, mem)
	if got := count(7, 0, 10); got != 3 {
		t.Errorf("%d new for the scanner, want its quota of 3", got)
	}
	if got := count(8, 0, 2); got != 2 {
		t.Errorf("%d new for another subject, want 2", got)
	}
	if s.unknownThings() != 7 {
		t.Errorf("%d unknown, want 7", s.unknownThings())
	}
	s.turn(0, 2, mem)
	if got := count(7, 0, 12); got != 0 {
		t.Errorf("%d new in the era after, want 0", got)
	}
	if got := count(8, 0, 3); got != 1 {
		t.Errorf("%d new for another subject, want 1", got)
	}
}

func TestSeenFull(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	c.MaxFingerprints = 5
	var s seen
	news := 0
	for key := range uint64(20) {
		if s.meet(seenPrints, sighting{key * 0x9e3779b97f4a7c15, key, 1 << 63}, &c.Limits, mem) {
			news++
		}
	}
	if news != 5 || s.unknownThings() != 15 || s.size() != 5 {
		t.Errorf("%d new, %d unknown, %d remembered; want 5, 15, 5", news, s.unknownThings(), s.size())
	}
}

// A flood that fills the memory makes nothing forgotten that is seen all the
// time, and nothing new that it did not let in.
func TestSeenKeepsWhatItKnowsInAFlood(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	c.MaxSeen, c.MaxSeenPerSubject = 1000, 1000
	var s seen
	now := int64(0)
	turn := func(era int64) {
		now = max(now, era*int64(c.SeenFor))
		s.turn(now, now/int64(c.SeenFor), mem)
	}
	news := 0
	meet := func(key, owner uint64) {
		if s.meet(seenResources, sighting{mix(key, owner), owner, 1<<63 | owner%100}, &c.Limits, mem) {
			news++
		}
	}
	expect := func(what string, want int) {
		t.Helper()
		if news != want {
			t.Errorf("%s: %d new, want %d", what, news, want)
		}
		news = 0
	}
	known := func() {
		for owner := range uint64(100) {
			meet(1, owner)
		}
	}
	turn(10)
	known()
	expect("first met", 100)
	for owner := uint64(1000); owner < 100_000; owner++ {
		meet(1, owner)
	}
	expect("the flood", 900)
	known()
	expect("known, in the flood", 0)
	meet(2, 5)
	expect("not let in", 0)
	for era := int64(11); era < 15; era++ {
		turn(era)
		known()
		for owner := era * 100_000; owner < era*100_000+5000; owner++ {
			meet(1, uint64(owner))
		}
		known()
	}
	news = 0
	turn(15)
	known()
	expect("known, after four eras of it", 0)
	turn(17)
	known()
	expect("after an era without anything", 100)
	if got := s.distinct(seenResources); got != 100 {
		t.Errorf("%d remembered, want 100", got)
	}
}

// When there is room again after the memory was full, things are learnt for a
// while before any is new.
func TestSeenRelearns(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	c.MaxSeen = 2
	const relearn = 12 * hour
	s := seen{relearn: relearn}
	meet := func(key uint64) bool { return s.meet(seenResources, sighting{key, key, 1 << 63}, &c.Limits, mem) }
	s.turn(100, 1, mem)
	if !meet(1) || !meet(2) || meet(3) {
		t.Error("two of three should be new")
	}
	c.MaxSeen = 100
	s.turn(100+relearn-1, 1, mem)
	if meet(3) {
		t.Error("what was refused is new soon after")
	}
	s.turn(100+relearn, 1, mem)
	if meet(3) || !meet(4) {
		t.Error("after a while only what was not met is new")
	}
	if s.unknownThings() != 2 {
		t.Errorf("%d unknown, want 2", s.unknownThings())
	}
}

// A role that brings in made-up subjects is refused before it takes the memory
// of the others, and only it is.
func TestSeenShareOfARole(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	c.MaxSeen = 1000
	var s seen
	s.turn(1, 1, mem)
	count := func(role, from, to uint64) (news int) {
		for owner := from; owner < to; owner++ {
			if s.meet(seenRoles, sighting{mix(owner, role), owner, role}, &c.Limits, mem) {
				news++
			}
		}
		return news
	}
	const flood, other = 1<<63 | 1, 1<<63 | 2
	if got := count(flood, 0, 5000); got != 250 {
		t.Errorf("%d new of the flood, want a quarter", got)
	}
	if got := count(other, 0, 100); got != 100 {
		t.Errorf("%d new of another role, want all", got)
	}
	s.turn(2, 2, mem)
	if got := count(flood, 5000, 5010); got != 0 {
		t.Errorf("%d new in the era after, of a role that was refused", got)
	}
	if got := count(other, 200, 210); got != 10 {
		t.Errorf("%d new in the era after, of another", got)
	}
	if got := count(flood, 0, 250); got != 0 {
		t.Errorf("%d of the flood are new that were remembered", got)
	}
}

// A policy that is loaded late makes nothing new: what a subject has at first is
// learnt, and so are all for some hours.
func TestMeetPowers(t *testing.T) {
	c, mem := DefaultConfig(), &memory{}
	s := seen{relearn: 12 * hour}
	mem.names.hold(1, "somebody")
	for i, step := range []struct {
		hours   int64
		subject uint64
		classes []uint64
		want    uint32
	}{
		{100, 1, nil, 0},
		{100, 1, []uint64{2}, 0}, // the policy is loaded
		{101, 1, []uint64{3}, 0}, // in another namespace
		{112, 1, []uint64{4, 5}, 2},
		{112, 1, []uint64{4}, 0},
		{112, 1, []uint64{2}, 0},
		{113, 2, []uint64{5, 6}, 0}, // a new subject
		{113, 2, []uint64{3, 6}, 1},
	} {
		s.turn(step.hours*hour, 1, &mem.slabs)
		s.land(uint32(i+2), &mem.slabs)
		var p partial
		for _, class := range step.classes {
			p.powers.mark(mix(step.subject, class), c.MaxDistinct, mem)
			p.powers.mark(mix(99, 1), c.MaxDistinct, mem) // somebody else's
		}
		s.meetPowers(slot{key: step.subject}, 1<<63, &p, &c.Limits, mem)
		if got := p.sum.counts[NewSubjectPowers]; got != step.want {
			t.Errorf("step %d: %d are new, want %d", i, got, step.want)
		}
	}
}

// Two subjects may have the same role, one in a namespace and the other in the
// whole cluster: each has his own power, in whatever order they come.
func TestEachHasHisOwnPower(t *testing.T) {
	c := DefaultConfig()
	at := func(hour int64, w *Windows, user string, power rbac.Class) {
		key := fingerprint.ClusterKey{ID: 1, Tenant: "t", Role: "ClusterRole/cluster-admin", Power: power, Resource: "pods"}
		e := fingerprint.Event{Time: hour * int64(time.Hour), User: user}
		w.Add(&e, &fingerprint.Fingerprint{ID: 1, Verb: "get", Cluster: &key}, Origin{RecordTime: e.Time})
	}
	for _, order := range [][]string{{"ann", "bob"}, {"bob", "ann"}} {
		powers := map[string]rbac.Class{"ann": rbac.ClassEscalate, "bob": rbac.ClassAdmin}
		w, news := New(c), uint32(0)
		for hour := int64(100); hour < 130; hour++ {
			here := order
			if hour < 125 { // alone, at first
				here = order[hour%2:][:1]
			}
			for _, user := range here {
				at(hour, w, user, powers[user])
			}
			w.Advance(visitor(func(ev *Evaluation) {
				for i := range ev.Windows {
					news += ev.Windows[i].Counts[NewSubjectPowers]
				}
			}))
		}
		if news != 0 {
			t.Errorf("%v: %d powers are new to somebody", order, news)
		}
	}
}

// What is new in a pane is new in every cluster that has it there, whichever comes
// first; and known from the next pane on.
func TestSeenIsNewInAllOfAPane(t *testing.T) {
	c, mem := DefaultConfig(), &slabs{}
	s := seen{relearn: 12 * hour}
	s.turn(1, 1, mem)
	meet := func(key uint64) bool { return s.meet(seenContacts, sighting{key, 1, 2}, &c.Limits, mem) }
	s.land(2, mem)
	if !meet(1) || !meet(2) || !meet(1) {
		t.Error("not new in another cluster of the pane")
	}
	s.land(3, mem)
	if meet(1) || !meet(3) || !meet(3) || meet(2) {
		t.Error("known of another pane")
	}
}
