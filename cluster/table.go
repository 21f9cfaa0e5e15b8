package cluster

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// slot is one entry of a table: a 64-bit hash and two numbers that belong to
// it. An entry with n == 0 is empty.
type slot struct {
	key uint64
	n   uint32
	id  uint32
}

// table is an open-addressing hash table (linear probing, at most three
// quarters full) whose memory comes from slabs. The zero value is empty. Most
// tables hold one to three entries for some minutes: at 64 bytes for the first
// three, and recycled, they are much cheaper than maps.
type table struct {
	slots []slot
	size  int
}

// scatter makes the place of a key unpredictable: keys are hashes of attackers'
// text, and a chain of colliding ones would be slow to walk. It is the one
// random thing in the package; no result depends on it, because whatever
// leaves a table is sorted first.
var scatter = maphash.String(maphash.MakeSeed(), "scatter") | 1

func (t *table) home(key uint64) int {
	return int((key * scatter) >> (64 - uint(bits.TrailingZeros(uint(len(t.slots))))))
}

// find returns the entry of the key, nil when there is none. It is valid until
// the next put or remove.
func (t *table) find(key uint64) *slot {
	if t.size == 0 {
		return nil
	}
	mask := len(t.slots) - 1
	for i := t.home(key); ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.n == 0 {
			return nil
		}
		if s.key == key {
			return s
		}
	}
}

// put returns the entry of the key and whether it was added. The caller must
// give an added entry an n above zero at once.
func (t *table) put(key uint64, mem *slabs) (s *slot, added bool) {
	if len(t.slots) == 0 {
		t.slots = mem.take(minSlab)
	}
	mask := len(t.slots) - 1
	for i := t.home(key); ; i = (i + 1) & mask {
		s = &t.slots[i]
		if s.n == 0 {
			break
		}
		if s.key == key {
			return s, false
		}
	}
	if (t.size+1)*4 > len(t.slots)*3 {
		t.grow(mem)
		s = t.vacant(key)
	}
	s.key, s.id = key, 0
	t.size++
	return s, true
}

func (t *table) vacant(key uint64) *slot {
	mask := len(t.slots) - 1
	for i := t.home(key); ; i = (i + 1) & mask {
		if t.slots[i].n == 0 {
			return &t.slots[i]
		}
	}
}

func (t *table) grow(mem *slabs) {
	old := t.slots
	t.slots = mem.take(bits.TrailingZeros(uint(len(old))) + 1)
	for i := range old {
		if old[i].n != 0 {
			*t.vacant(old[i].key) = old[i]
		}
	}
	mem.give(old)
}

// remove deletes an entry that find returned, moving back the entries behind
// it that would no longer be reached.
func (t *table) remove(s *slot) {
	mask := len(t.slots) - 1
	hole := t.home(s.key)
	for &t.slots[hole] != s {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i].n != 0; i = (i + 1) & mask {
		// The entry at i may fill the hole if its home is not between the
		// hole (exclusive) and i (inclusive), cyclically.
		if (i-t.home(t.slots[i].key))&mask >= (i-hole)&mask {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = slot{}
	t.size--
}

// fit moves the entries to a smaller place when they fill little of theirs.
func (t *table) fit(mem *slabs) {
	if len(t.slots) <= 1<<minSlab || t.size*8 >= len(t.slots) {
		return
	}
	old := t.slots
	t.slots = mem.take(max(bits.Len(uint(t.size*2)), minSlab))
	for i := range old {
		if old[i].n != 0 {
			*t.vacant(old[i].key) = old[i]
		}
	}
	mem.give(old)
}

// reset empties the table and gives its memory back.
func (t *table) reset(mem *slabs) {
	if t.slots != nil {
		mem.give(t.slots)
	}
	*t = table{}
}

// appendSorted appends the entries in ascending order of key.
func (t *table) appendSorted(dst []slot) []slot {
	if t.size == 0 {
		return dst
	}
	from := len(dst)
	for i := range t.slots {
		if t.slots[i].n != 0 {
			dst = append(dst, t.slots[i])
		}
	}
	if added := dst[from:]; len(added) > 1 {
		slices.SortFunc(added, compareSlots)
	}
	return dst
}

func compareSlots(a, b slot) int {
	if a.key < b.key {
		return -1
	}
	if a.key > b.key {
		return 1
	}
	return 0
}

const (
	minSlab  = 2  // four slots
	keepSlab = 14 // slabs above 2^14 slots (256 KB) go back to the collector
)

// slabs recycles the memory of tables by size, so that a table never holds
// more than twice what it needs and the steady state allocates nothing.
type slabs struct {
	free [keepSlab + 1][][]slot
}

func (m *slabs) take(bits int) []slot {
	if bits <= keepSlab {
		if free := m.free[bits]; len(free) > 0 {
			s := free[len(free)-1]
			m.free[bits] = free[:len(free)-1]
			return s
		}
	}
	return make([]slot, 1<<bits)
}

// takeFor returns room for n entries, nil for none. It goes back by giveBack.
func (m *slabs) takeFor(n int) []slot {
	if n == 0 {
		return nil
	}
	return m.take(max(bits.Len(uint(n-1)), minSlab))[:0]
}

func (m *slabs) giveBack(s []slot) {
	if cap(s) > 0 {
		m.give(s[:cap(s)])
	}
}

func (m *slabs) give(s []slot) {
	class := bits.TrailingZeros(uint(len(s)))
	if class > keepSlab {
		return
	}
	clear(s)
	m.free[class] = append(m.free[class], s)
}
