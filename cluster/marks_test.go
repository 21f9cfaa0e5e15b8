package cluster

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Marks are compared with the sets of keys of all steps, over more steps than
// they have bits.
func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kept := rapid.Int64Range(2, maxMarks-1).Draw(t, "kept")
		limit := rapid.SampledFrom([]int{3, 1000}).Draw(t, "limit")
		var m marks
		mem := &memory{}
		seen := map[int64]map[uint64]bool{}
		distinct := func(last, n int64) map[uint64]bool {
			keys := map[uint64]bool{}
			for step := last - n + 1; step <= last; step++ {
				maps.Copy(keys, seen[step])
			}
			return keys
		}
		for now := int64(1_000); now < 1_000+2*maxMarks; now++ {
			seen[now] = map[uint64]bool{}
			for _, key := range rapid.SliceOfN(rapid.Uint64Range(1, 12), 0, 3).Draw(t, "keys") {
				seen[now][key] = true
				m.mark(key, now, &mem.slabs)
			}
			window := rapid.Int64Range(1, kept).Draw(t, "window")
			if n := m.keep(stepBits(now, kept), stepBits(now, window), &mem.slabs); n != m.count(stepBits(now, window)) {
				t.Fatalf("step %d: keep counts %d keys, count %d", now, n, m.count(stepBits(now, window)))
			}
			m.cap(2*limit, now, mem)
			if m.size > 2*limit {
				t.Fatalf("%d keys are kept, more than %d", m.size, 2*limit)
			}
			if got, want := min(m.count(stepBits(now, window)), limit), min(len(distinct(now, window)), limit); got != want {
				t.Fatalf("step %d: %d keys in %d steps, want %d", now, got, window, want)
			}
			if half := kept / 2; limit == 1000 {
				both, either := m.overlap(stepBits(now, half), stepBits(now-half, half))
				in, before := distinct(now, half), distinct(now-half, half)
				stayed := len(slices.Collect(maps.Keys(in))) + len(before) - len(distinct(now, 2*half))
				if both != stayed || either != len(distinct(now, 2*half)) {
					t.Fatalf("step %d: %d of %d stayed, want %d of %d", now, both, either, stayed, len(distinct(now, 2*half)))
				}
			}
		}
	})
}

func TestTableFits(t *testing.T) {
	var m table
	mem := &slabs{}
	for key := range uint64(1000) {
		s, _ := m.put(key+1, mem)
		s.n = 1
	}
	for key := range uint64(990) {
		m.remove(m.find(key + 1))
	}
	m.fit(mem)
	if len(m.slots) > 64 || m.size != 10 || m.find(1000) == nil || m.find(5) != nil {
		t.Errorf("%d entries in %d slots", m.size, len(m.slots))
	}
}
