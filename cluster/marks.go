package cluster

import (
	"math/bits"
	"slices"
)

// marks are the steps in which each distinct key was seen: an entry has one bit
// a step, by the step's number modulo maxMarks. So the distinct keys of a window,
// of the window before it, or of both, are the entries with any of some bits;
// going on by a step means to clear one bit of every entry.
//
// Of a saturated set those seen last are kept, twice as many as the cap: then the
// number of any window that ends now is right up to the cap, whatever was let go
// of.
type marks struct{ table }

// maxMarks is the number of bits of an entry: those of id and all but one of n,
// which says that the entry is in use.
const maxMarks = 63

func bitsOf(s *slot) uint64 { return uint64(s.id)<<31 | uint64(s.n>>1) }

func setBits(s *slot, b uint64) {
	s.id, s.n = uint32(b>>31), uint32(b)<<1|1
}

// stepBits are the bits of the n steps up to the last.
func stepBits(last, n int64) (b uint64) {
	for step := max(last-n+1, 0); step <= last; step++ {
		b |= 1 << (step % maxMarks)
	}
	return b
}

// mark notes that the key was seen in the step.
func (m *marks) mark(key uint64, step int64, mem *slabs) {
	s, added := m.put(key, mem)
	if added {
		s.n = 1
	}
	setBits(s, bitsOf(s)|1<<(step%maxMarks))
}

// keep clears all other bits, forgets the keys that have none left, and returns
// how many of the others have any of the bits of a window.
func (m *marks) keep(live, window uint64, mem *slabs) (n int) {
	before := m.size
	for i := 0; i < len(m.slots); {
		s := &m.slots[i]
		if s.n == 0 {
			i++
			continue
		}
		left := bitsOf(s) & live
		if left == 0 {
			m.remove(s) // which may move another entry here
			continue
		}
		setBits(s, left)
		if left&window != 0 {
			n++
		}
		i++
	}
	if m.size < before { // what was moved may have been met twice
		n = m.count(window)
	}
	m.fit(mem)
	return n
}

// count returns how many keys have any of the bits.
func (m *marks) count(of uint64) (n int) {
	for i := range m.slots {
		if s := &m.slots[i]; s.n != 0 && bitsOf(s)&of != 0 {
			n++
		}
	}
	return n
}

// overlap returns how many keys have bits of both and how many of either.
func (m *marks) overlap(a, b uint64) (both, either int) {
	for i := range m.slots {
		s := &m.slots[i]
		if s.n == 0 {
			continue
		}
		seen := bitsOf(s)
		inA, inB := seen&a != 0, seen&b != 0
		if inA && inB {
			both++
		}
		if inA || inB {
			either++
		}
	}
	return both, either
}

// age is how many steps ago before now an entry was seen last.
func age(s *slot, now int64) int {
	// The bit of now becomes the highest one, that of the step before the one
	// below it, and so on.
	b, at := bitsOf(s), uint(now%maxMarks)
	turned := b<<(maxMarks-1-at) | b>>(at+1)
	return bits.LeadingZeros64(turned << 1)
}

// cap keeps the n keys seen last, of those seen at the same step the smallest.
func (m *marks) cap(n int, now int64, mem *memory) {
	if m.size <= n {
		return
	}
	var ages [maxMarks + 1]int
	for i := range m.slots {
		if m.slots[i].n != 0 {
			ages[age(&m.slots[i], now)]++
		}
	}
	oldest := 0
	for n >= ages[oldest] {
		n -= ages[oldest]
		oldest++
	}
	mem.sorted = mem.sorted[:0]
	for i := range m.slots {
		if s := &m.slots[i]; s.n != 0 && age(s, now) >= oldest {
			mem.sorted = append(mem.sorted, *s)
		}
	}
	slices.SortFunc(mem.sorted, func(a, b slot) int {
		if a, b := age(&a, now), age(&b, now); a != b {
			return a - b
		}
		return compareSlots(a, b)
	})
	for _, s := range mem.sorted[n:] {
		m.remove(m.find(s.key))
	}
	m.fit(&mem.slabs)
}
