package verdict

import (
	"fmt"
	"maps"
	"slices"
)

// State is everything that a book must keep to go on bit for bit. Its slices must
// not be modified.
type State struct {
	At          int64
	Number      uint64
	From        Instant
	Coming      []Decision
	Entries     []EntryState
	Maintenance []Maintenance
	Told        []Told // by tenant, oldest first
	Counts      Counts
}

// EntryState is a verdict or a suppression, and when it ends: zero while that is
// not known.
type EntryState struct {
	Decision
	Until Instant
}

// Snapshot returns the state. It shares nothing with the book that changes.
func (b *Book) Snapshot() State {
	s := State{At: b.at, Number: b.number, From: b.from, Coming: slices.Clone(b.coming), Counts: b.counts}
	for _, e := range b.entries {
		kept := EntryState{Decision: e.Decision, Until: e.until}
		if e.Verdict != nil {
			kept.Verdict = e.Verdict.clone()
		}
		s.Entries = append(s.Entries, kept)
	}
	for _, m := range b.maintenance {
		s.Maintenance = append(s.Maintenance, m.Maintenance)
	}
	for _, tenant := range slices.Sorted(maps.Keys(b.told.byTenant)) {
		for _, t := range b.told.byTenant[tenant] {
			kept := *t
			kept.Members = slices.Clone(t.Members)
			s.Told = append(s.Told, kept)
		}
	}
	return s
}

// Restore puts a book, which must be new, into a state. After an error it must not
// be used.
func (b *Book) Restore(s State) error {
	b.at, b.number, b.from, b.counts = s.At, s.Number, s.From, s.Counts
	for i := range s.Coming {
		if err := s.Coming[i].Validate(); err != nil {
			return fmt.Errorf("restore decision: %w", err)
		}
	}
	b.coming = slices.Clone(s.Coming)
	for i := range s.Entries {
		if err := b.restore(&s.Entries[i]); err != nil {
			return fmt.Errorf("restore decision: %w", err)
		}
	}
	for _, m := range s.Maintenance {
		r, err := m.parse()
		if err != nil {
			return fmt.Errorf("restore maintenance: %w", err)
		}
		b.maintenance = append(b.maintenance, r)
	}
	for i := range s.Told {
		t := s.Told[i]
		t.Members = slices.Clone(t.Members)
		b.told.add(&t)
	}
	return nil
}

func (b *Book) restore(s *EntryState) error {
	if err := s.Validate(); err != nil {
		return err
	}
	e := &entry{Decision: s.Decision, until: s.Until}
	switch {
	case s.Verdict != nil:
		e.Verdict = s.Verdict.clone()
		e.index()
	case s.Suppression != nil:
		e.matchers, _ = ParseMatchers(s.Suppression.Matchers) // validated above
	default:
		return fmt.Errorf("number %d is neither a verdict nor a suppression", s.Number)
	}
	b.entries = append(b.entries, e)
	b.link(e)
	return nil
}
