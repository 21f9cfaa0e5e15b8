package cluster

import "testing"

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
