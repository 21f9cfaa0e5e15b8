package loki

import (
	"sync"
	"time"
)

// queue holds entries in order until Loki has them, bounded in number and
// bytes: at a bound the oldest goes. What is being sent stays in it until it is
// acknowledged, so that a snapshot has everything that may be lost.
type queue struct {
	maxEntries, maxBytes int
	now                  func() time.Time

	mu      sync.Mutex
	waiting []queued // oldest first
	bytes   int
	last    uint64 // number of the youngest entry ever queued
}

type queued struct {
	Entry
	number uint64
	since  time.Time // wall clock
}

func newQueue(maxEntries, maxBytes int, now func() time.Time) *queue {
	return &queue{maxEntries: maxEntries, maxBytes: maxBytes, now: now}
}

// add queues an entry and returns how many old ones had to go for it. An entry
// that is larger than the bound goes itself.
func (q *queue) add(e Entry) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	q.waiting = append(q.waiting, queued{Entry: e, number: q.last, since: q.now()})
	q.bytes += e.size()
	for len(q.waiting) > q.maxEntries || q.bytes > q.maxBytes {
		q.removeFirst()
		dropped++
	}
	return dropped
}

func (q *queue) removeFirst() {
	q.bytes -= q.waiting[0].size()
	q.waiting[0] = queued{}
	q.waiting = q.waiting[1:]
}

// head copies the oldest entries, at most max of them and about maxBytes, but
// at least one; and the number of the last of them, for done.
func (q *queue) head(max, maxBytes int) (batch []Entry, through uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes := 0
	for _, w := range q.waiting {
		bytes += w.size()
		if len(batch) == max || len(batch) > 0 && bytes > maxBytes {
			break
		}
		batch, through = append(batch, w.Entry), w.number
	}
	return batch, through
}

// done removes the entries up to a number: those of them that have not been
// dropped since.
func (q *queue) done(through uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && q.waiting[0].number <= through {
		q.removeFirst()
	}
	if len(q.waiting) == 0 {
		q.waiting = nil // gives back the memory of a long outage
	}
}

func (q *queue) all() []Entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Entry, len(q.waiting))
	for i, w := range q.waiting {
		out[i] = w.Entry
	}
	return out
}

// Len implements [delivery.Queue].
func (q *queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Cap implements [delivery.Queue].
func (q *queue) Cap() int { return q.maxEntries }

// OldestAge implements [delivery.Queue].
func (q *queue) OldestAge() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return 0
	}
	return max(0, q.now().Sub(q.waiting[0].since))
}
