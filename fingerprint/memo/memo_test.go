package memo

import (
	"bytes"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestNeverWrong checks that whatever is asked in whatever order, a known value
// is the last one put, what was used in the last capacity insertions is known,
// and the bounds hold.
func TestNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 8).Draw(t, "capacity")
		c := New[int](capacity)
		last := map[string]int{}
		var recent []string // the keys used, newest last
		for step, k := range rapid.SliceOfN(rapid.IntRange(0, 20), 1, 200).Draw(t, "keys") {
			key := strconv.Itoa(k)
			got, ok := c.Get([]byte(key))
			if ok && got != last[key] {
				t.Fatalf("%s is %d, want %d", key, got, last[key])
			}
			if !ok && used(recent, key, capacity) {
				t.Fatalf("%s was forgotten after fewer than %d others", key, capacity)
			}
			if !ok || step%3 == 0 {
				last[key] = step
				c.Put([]byte(key), step)
			}
			recent = append(recent, key)
			if c.Len() > 2*capacity {
				t.Fatalf("%d entries in a cache of %d", c.Len(), capacity)
			}
		}
	})
}

// used reports whether key is among the last n distinct keys used.
func used(recent []string, key string, n int) bool {
	seen := map[string]bool{}
	for i := len(recent) - 1; i >= 0 && len(seen) < n; i-- {
		if recent[i] == key {
			return true
		}
		seen[recent[i]] = true
	}
	return false
}

func TestLongKeysCountForMany(t *testing.T) {
	c := New[int](4)
	for i := range 100 {
		key := bytes.Repeat([]byte{byte(i)}, 2*AverageKeyBytes)
		c.Put(key, i)
		c.Put(key[:AverageKeyBytes], i)
	}
	if c.Len() > 6 {
		t.Errorf("%d long keys are held", c.Len())
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	c := New[int](4)
	key := []byte("key")
	c.Put(key, 1)
	if n := testing.AllocsPerRun(100, func() { c.Get(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
