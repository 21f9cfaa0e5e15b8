// Package memo remembers what was computed for a key, within bounds. It is what
// makes the answers of fingerprint and of fingerprint/rbac cheap the second time;
// no answer ever depends on what it remembers.
package memo

// Cache is a bounded map in two generations. What is used moves to the young
// one; when that is full, the old one is forgotten and the young one becomes
// old. So anything used at least once in every capacity insertions stays, a
// flood of keys that are never seen again costs at most two generations of
// memory, and no list has to be kept in order.
//
// In the steady state it does not allocate: a forgotten generation's buckets
// are used again. It is not safe for concurrent use.
type Cache[V any] struct {
	capacity   int // entries a generation
	bytes      int // of the young generation's keys
	young, old map[string]entry[V]
}

type entry[V any] struct {
	key   string
	value V
}

// AverageKeyBytes bounds the bytes of a generation's keys to its entries times
// this, so that long keys (a subject with a thousand groups) count for many.
const AverageKeyBytes = 512

// New returns a cache that keeps at least the entries used last, and at most
// twice as many (fewer when their keys average more than [AverageKeyBytes]).
// Values below 1 count as 1.
func New[V any](entries int) *Cache[V] {
	return &Cache[V]{
		capacity: max(entries, 1),
		young:    map[string]entry[V]{},
		old:      map[string]entry[V]{},
	}
}

// Get returns the value of a key and whether it is known. The key is not
// retained.
func (c *Cache[V]) Get(key []byte) (V, bool) {
	if e, ok := c.young[string(key)]; ok {
		return e.value, true
	}
	e, ok := c.old[string(key)]
	if ok {
		c.insert(e)
	}
	return e.value, ok
}

// GetString is Get for a key that is a string.
func (c *Cache[V]) GetString(key string) (V, bool) {
	if e, ok := c.young[key]; ok {
		return e.value, true
	}
	e, ok := c.old[key]
	if ok {
		c.insert(e)
	}
	return e.value, ok
}

// Put enters a value under a copy of the key, in place of an earlier one.
func (c *Cache[V]) Put(key []byte, value V) { c.PutString(string(key), value) }

// PutString is Put for a key that may be retained.
func (c *Cache[V]) PutString(key string, value V) { c.insert(entry[V]{key: key, value: value}) }

// Len returns how many entries are held, at most twice what [New] was given.
// One that was used again may count twice.
func (c *Cache[V]) Len() int { return len(c.young) + len(c.old) }

func (c *Cache[V]) insert(e entry[V]) {
	if _, again := c.young[e.key]; again {
		c.young[e.key] = e
		return
	}
	if len(c.young) >= c.capacity || c.bytes+len(e.key) > c.capacity*AverageKeyBytes {
		c.young, c.old = c.old, c.young
		clear(c.young)
		c.bytes = 0
	}
	c.young[e.key] = e
	c.bytes += len(e.key)
}
