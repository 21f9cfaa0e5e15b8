package fingerprint

import "strings"

// cache is a bounded map in two generations. What is used moves to the young
// one; when that is full, the old one is forgotten and the young one becomes
// old. So anything used at least once in every capacity insertions stays, a
// flood of keys that are never seen again costs at most two generations of
// memory, and no list has to be kept in order.
//
// In the steady state it does not allocate: a forgotten generation's buckets
// are used again.
type cache[V any] struct {
	capacity   int // entries a generation
	bytes      int // of the young generation's keys
	young, old map[string]cached[V]
}

type cached[V any] struct {
	key   string
	value V
}

// averageKey bounds the bytes of a generation's keys to capacity times this, so
// that long keys (a subject with a thousand groups) count for many.
const averageKey = 512

func newCache[V any](capacity int) cache[V] {
	return cache[V]{
		capacity: capacity,
		young:    map[string]cached[V]{},
		old:      map[string]cached[V]{},
	}
}

// get returns the value of a key, which is not retained.
func (c *cache[V]) get(key []byte) (V, bool) {
	if e, ok := c.young[string(key)]; ok {
		return e.value, true
	}
	e, ok := c.old[string(key)]
	if ok {
		c.insert(e)
	}
	return e.value, ok
}

// put enters a value under a copy of the key.
func (c *cache[V]) put(key []byte, value V) {
	c.insert(cached[V]{key: string(key), value: value})
}

func (c *cache[V]) insert(e cached[V]) {
	if len(c.young) >= c.capacity || c.bytes+len(e.key) > c.capacity*averageKey {
		c.young, c.old = c.old, c.young
		clear(c.young)
		c.bytes = 0
	}
	c.young[e.key] = e
	c.bytes += len(e.key)
}

// Interner keeps one copy of each of the strings it has seen last, for those
// who keep names that alias a record's buffer. It is bounded: what was not seen
// for a long time is forgotten, and a later equal string is another copy (equal,
// but not the same memory). It is not safe for concurrent use.
type Interner struct {
	seen cache[struct{}]
}

// NewInterner returns an interner that keeps at least the entries strings used
// last and at most twice as many (fewer when they average more than 512 bytes).
// Values below 1 count as 1.
func NewInterner(entries int) *Interner {
	return &Interner{seen: newCache[struct{}](max(entries, 1))}
}

// Intern returns a copy of s that is safe to keep. It does not allocate when s
// is known.
func (i *Interner) Intern(s string) string {
	if e, ok := i.seen.young[s]; ok {
		return e.key
	}
	e, ok := i.seen.old[s]
	if !ok {
		e = cached[struct{}]{key: strings.Clone(s)}
	}
	i.seen.insert(e)
	return e.key
}
