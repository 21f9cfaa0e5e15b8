package alertmanager

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// item is what is to be true of one set of labels in every Alertmanager.
type item struct {
	key         string
	labels      map[string]string
	annotations map[string]string
	startsAt    time.Time
	resolvedAt  time.Time // zero while firing
	url         string

	// version goes up when people should know at once: it fired, it resolved,
	// something was missed. Annotations of a firing alert change without it
	// and travel with the next resend.
	version   uint64
	fired     uint64    // the version that it fired with
	changedAt time.Time // wall clock of the last version
	// told says that an Alertmanager accepted it while it was firing.
	told bool
	// held says that it comes from a snapshot that is too old to be believed:
	// it is not sent until it is put again.
	held bool

	source alert.Alert // of an anomaly
	missed *missed     // of the alert about what was missed, else nil
}

// table is what is true now, shared by the replicas. What they have delivered
// of it is their own business (a ledger each).
type table struct {
	cfg *Config
	now func() time.Time

	mu      sync.Mutex
	items   map[string]*item
	version uint64
}

func newTable(cfg *Config, now func() time.Time) *table {
	return &table{cfg: cfg, now: now, items: map[string]*item{}}
}

// outcome is what became of an alert that was put.
type outcome uint8

const (
	taken outcome = iota
	ignored
	listedAsMissed
	droppedAtBound
)

// put makes an alert's state what is true of its labels.
func (t *table) put(a *alert.Alert) outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.prune(now)
	labels := t.cfg.labelsOf(a)
	key := keyOf(labels)
	it := t.items[key]
	stale := t.cfg.MaxAge > 0 && now.Sub(a.WindowEnd) > t.cfg.MaxAge
	switch {
	case a.State != "firing" && a.State != "resolved":
		return ignored
	case a.State == "resolved":
		return t.resolve(it, a, key, labels, stale, now)
	case it != nil && it.held && stale:
		return ignored
	case it == nil && stale:
		if t.miss(a, now) {
			return listedAsMissed
		}
		return ignored
	case it == nil && !t.room():
		return droppedAtBound
	}
	t.unmiss(a)
	t.fire(it, a, key, labels, now)
	return taken
}

// fire makes a the firing alert of its labels.
func (t *table) fire(it *item, a *alert.Alert, key string, labels map[string]string, now time.Time) {
	if it == nil || it.source.ID != a.ID || !it.resolvedAt.IsZero() {
		it = &item{key: key, labels: labels}
		t.items[key] = it
		t.touch(it, now)
		it.fired = it.version
	}
	if it.held {
		it.held = false
		t.touch(it, now)
	}
	t.fill(it, a)
}

// resolve ends the alert of these labels. An alert that the table does not know
// may be known to Alertmanager, from before a crash.
func (t *table) resolve(it *item, a *alert.Alert, key string, labels map[string]string, stale bool, now time.Time) outcome {
	if it == nil {
		if stale || t.isMissed(a) {
			return ignored
		}
		if !t.room() {
			return droppedAtBound
		}
		it = &item{key: key, labels: labels, told: true}
		t.items[key] = it
	} else if it.source.ID != a.ID || !it.resolvedAt.IsZero() {
		return ignored // another one took its place, or a repeat
	}
	it.held = false
	t.fill(it, a)
	it.resolvedAt = a.WindowEnd
	if a.ResolvedAt != nil {
		it.resolvedAt = *a.ResolvedAt
	}
	t.touch(it, now)
	return taken
}

func (t *table) fill(it *item, a *alert.Alert) {
	it.source = *a
	it.annotations = annotationsOf(a)
	it.startsAt = a.StartedAt
	it.url = linkTo(t.cfg.PageURL, a.Cluster)
}

func (t *table) touch(it *item, now time.Time) {
	t.version++
	it.version, it.changedAt = t.version, now
}

// room makes room for one more, at the cost of the resolved alert that has been
// sent for longest.
func (t *table) room() bool {
	if len(t.items) < t.cfg.MaxActive {
		return true
	}
	var oldest *item
	for _, it := range t.items {
		if !it.resolvedAt.IsZero() && (oldest == nil || it.version < oldest.version) {
			oldest = it
		}
	}
	if oldest != nil {
		delete(t.items, oldest.key)
	}
	return oldest != nil
}

// prune forgets what has been sent for long enough, and lists as missed what
// came and went without any Alertmanager having heard of it.
func (t *table) prune(now time.Time) {
	for _, it := range t.sorted() {
		switch {
		case it.missed != nil:
			if it.told && now.Sub(it.changedAt) > t.cfg.ResolvedRetention && now.Sub(it.missed.seen) > t.cfg.ResolvedRetention {
				delete(t.items, it.key)
			}
		case it.resolvedAt.IsZero():
		case !it.told && now.Sub(it.changedAt) >= t.cfg.grace():
			t.miss(&it.source, now)
			it.told = true
		case now.Sub(it.changedAt) > t.cfg.ResolvedRetention:
			delete(t.items, it.key)
		}
	}
}

// grace is how long an alert that resolved untold waits for a request that is
// still under way with the news that it fired.
func (c *Config) grace() time.Duration { return c.Client.Timeout + time.Second }

// sorted are the items in the order of their last change.
func (t *table) sorted() []*item {
	out := make([]*item, 0, len(t.items))
	for _, it := range t.items {
		out = append(out, it)
	}
	slices.SortFunc(out, func(a, b *item) int { return cmp.Compare(a.version, b.version) })
	return out
}

// ledger is what one replica has been told, guarded by the table's lock.
type ledger map[string]receipt

type receipt struct {
	version uint64
	at      time.Time
	refused bool // it will not take this version
}

// post is one alert on its way, and which version of it.
type post struct {
	key     string
	version uint64
	body    json.RawMessage
}

// due returns at most max alerts that a replica is to be told now, changes
// first, and when to look again. With changesOnly it leaves out resends.
func (t *table) due(l ledger, max int, changesOnly bool) (posts []post, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.prune(now)
	next = now.Add(t.cfg.ResendInterval)
	var changed, again []*item
	for _, it := range t.sorted() {
		r, known := l[it.key]
		switch resend := r.at.Add(t.cfg.ResendInterval); {
		case it.held:
		case !known || r.version != it.version:
			changed = append(changed, it)
		case r.refused || changesOnly:
		case !now.Before(resend):
			again = append(again, it)
		case resend.Before(next):
			next = resend
		}
		if untold := it.changedAt.Add(t.cfg.grace()); !it.resolvedAt.IsZero() && !it.told && untold.Before(next) && untold.After(now) {
			next = untold
		}
	}
	for key := range l {
		if _, ok := t.items[key]; !ok {
			delete(l, key)
		}
	}
	all := append(changed, again...)
	for _, it := range all[:min(len(all), max)] {
		posts = append(posts, post{key: it.key, version: it.version, body: t.wire(it, now)})
	}
	return posts, next
}

// wire is what is sent of an item now. Alertmanager refuses an alert that ends
// before it starts, as a clock that is ahead would make it.
func (t *table) wire(it *item, now time.Time) json.RawMessage {
	w := wireAlert{Labels: it.labels, Annotations: it.annotations, GeneratorURL: it.url}
	w.EndsAt = now.Add(4 * t.cfg.ResendInterval)
	if !it.resolvedAt.IsZero() {
		w.EndsAt = it.resolvedAt
		if w.EndsAt.After(now) {
			w.EndsAt = now
		}
	}
	w.StartsAt = it.startsAt
	if w.StartsAt.After(w.EndsAt) {
		w.StartsAt = w.EndsAt
	}
	w.StartsAt, w.EndsAt = w.StartsAt.UTC(), w.EndsAt.UTC()
	body, _ := json.Marshal(w) // strings and times of this age always encode
	return body
}

// accepted records that a replica has taken posts.
func (t *table) accepted(l ledger, posts []post) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, p := range posts {
		l[p.key] = receipt{version: p.version, at: now}
		it, ok := t.items[p.key]
		switch {
		case !ok || it.told:
		case it.missed != nil && p.version == it.version:
			it.told, it.changedAt = true, now
		case it.missed == nil && p.version >= it.fired && (it.resolvedAt.IsZero() || p.version < it.version):
			it.told = true
		}
	}
}

// refused records that a replica will not take a post. It reports whether that
// is news: the replica may have refused it as it was before.
func (t *table) refused(l ledger, p post) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	news := !l[p.key].refused
	l[p.key] = receipt{version: p.version, at: t.now(), refused: true}
	return news
}

// pending counts what a replica has not been told, and says since when the
// oldest of it waits.
func (t *table) pending(l ledger) (n int, oldest time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, it := range t.items {
		if r, known := l[it.key]; it.held || known && r.version == it.version {
			continue
		}
		if n++; oldest.IsZero() || it.changedAt.Before(oldest) {
			oldest = it.changedAt
		}
	}
	return n, oldest
}
