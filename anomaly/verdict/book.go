package verdict

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// Max is how many verdicts and suppressions a book holds. When it is full, the
// oldest that is no longer in force makes room for the next.
const Max = 10_000

// ErrFull is the error of a decision for which there is no room: as many as there
// may be are in force.
var ErrFull = fmt.Errorf("%d verdicts and suppressions are in force: remove some first", Max)

// ErrUnknown is the error of a removal of what is not there.
var ErrUnknown = errors.New("there is no such verdict or suppression")

// Baselines is what a verdict does to the baseline; [baseline.Store] does it.
type Baselines interface {
	// Exclude keeps a cluster's windows between two times (Unix nanoseconds, to
	// exclusive) out of its baseline.
	Exclude(tenant string, id fingerprint.ID, from, to int64)
	// Accept takes a cluster's level since a time as its usual one.
	Accept(tenant string, id fingerprint.ID, since int64)
}

// Book holds decisions, and says what is suppressed. It implements
// [anomaly.Suppressions].
type Book struct {
	// window is the length of the shortest windows, in nanoseconds.
	window int64
	// at is the event time that evaluations have come to.
	at int64
	// number and from are the highest of all decisions.
	number uint64
	from   Instant
	// coming are decisions that are not in force yet, in their order.
	coming []Decision
	// entries are what is in force or was, in the order of the decisions.
	entries []*entry
	// byCluster are the entries of verdicts.
	byCluster   map[place][]*entry
	maintenance []*recurring
	told        memory
	counts      Counts
}

var (
	_ anomaly.Suppressions = (*Book)(nil)
	_ anomaly.Dismissals   = (*Book)(nil)
)

// place is a cluster of a tenant.
type place struct {
	tenant string
	id     fingerprint.ID
}

// entry is a verdict or a suppression.
type entry struct {
	Decision
	matchers Matchers // of a suppression
	members  []fingerprint.ID
	until    Instant // when it ends; zero while that is not known
}

// Counts count since the state began.
type Counts struct {
	// Given are the verdicts that came into force, by their place in [Words].
	Given [len(Words)]uint64
	// Suppressed are the alerts nobody was told of, by [Kind].
	Suppressed [NumKinds]uint64
}

// New returns an empty book for windows of the shortest length.
func New(window time.Duration) *Book {
	return &Book{window: int64(window), byCluster: map[place][]*entry{}, told: newMemory()}
}

// Next returns the number that the next decision has, and the earliest time from
// which it may be in force.
func (b *Book) Next() (number uint64, from Instant) { return b.number + 1, b.from }

// Counts returns the counts.
func (b *Book) Counts() Counts { return b.counts }

// Told returns an alert that was told not long ago, by its identity.
func (b *Book) Told(id string) (Told, bool) { return b.told.find(id) }

// Apply takes a decision over, to be in force from its time on. Decisions must
// come in the order of their numbers; one whose number is not higher than that
// of the last was taken over already and changes nothing. The error is that of
// [Decision.Validate]: whether there is room is asked before something is decided
// ([Book.Accepts]), not when it is taken over again. The book keeps the decision.
func (b *Book) Apply(d Decision) error {
	if d.Number <= b.number {
		return nil
	}
	if err := d.Validate(); err != nil {
		return err
	}
	b.number, b.from = d.Number, max(b.from, d.From)
	b.coming = append(b.coming, d)
	return nil
}

// Accepts reports why something can not be decided now, nil when it can.
func (b *Book) Accepts(d *Decision) error {
	if err := d.Validate(); err != nil {
		return err
	}
	switch {
	case d.Remove != "":
		if !b.holds(d.Remove) {
			return fmt.Errorf("%s: %w", d.Remove, ErrUnknown)
		}
	case d.Maintenance == nil:
		n := 0
		for i := range b.coming {
			n += b.coming[i].room()
		}
		for _, e := range b.entries {
			if b.inForce(e) {
				n++
			}
		}
		if n >= Max {
			return ErrFull
		}
	}
	return nil
}

// room is how many entries a decision makes.
func (d *Decision) room() int {
	if d.Verdict != nil || d.Suppression != nil {
		return 1
	}
	return 0
}

// name is the identity under which a decision is listed and removed.
func (d *Decision) name() string {
	switch {
	case d.Verdict != nil:
		return d.Verdict.ID
	case d.Suppression != nil:
		return d.Suppression.ID
	}
	return ""
}

// holds reports whether there is a verdict or suppression of that name, or will
// be.
func (b *Book) holds(name string) bool {
	is := slices.ContainsFunc(b.entries, func(e *entry) bool { return e.name() == name })
	for i := range b.coming {
		if b.coming[i].name() == name {
			is = true
		}
		if b.coming[i].Remove == name {
			is = false
		}
	}
	return is
}

// Advance brings into force what is due at an event time, the end of the window
// that is evaluated next. Before the baselines are retrained, retraining must be
// true: then what goes on is kept out of them.
func (b *Book) Advance(at int64, baselines Baselines, retraining bool) {
	b.at = max(b.at, at)
	due := 0
	for due < len(b.coming) && int64(b.coming[due].From) <= at {
		b.enact(&b.coming[due], baselines)
		due++
	}
	if due > 0 {
		b.coming = slices.Delete(b.coming, 0, due)
	}
	if !retraining {
		return
	}
	for _, e := range b.entries {
		if e.keepsOut() && e.Verdict.About.End == 0 {
			e.exclude(Instant(at), baselines)
		}
	}
}

// enact brings a decision into force.
func (b *Book) enact(d *Decision, baselines Baselines) {
	switch {
	case d.Verdict != nil:
		b.judge(d, baselines)
	case d.Suppression != nil:
		matchers, err := ParseMatchers(d.Suppression.Matchers)
		if err != nil {
			return // Apply has seen to it
		}
		b.add(&entry{Decision: *d, matchers: matchers, until: d.Suppression.Until})
	case d.Maintenance != nil:
		b.maintenance = nil
		for _, m := range d.Maintenance {
			if r, err := m.parse(); err == nil { // Apply has seen to it
				b.maintenance = append(b.maintenance, r)
			}
		}
	default:
		b.remove(d.Remove)
	}
}

// judge brings a verdict into force.
func (b *Book) judge(d *Decision, baselines Baselines) {
	v := *d.Verdict
	b.remove(v.ID)
	if now, ok := b.told.find(v.ID); ok {
		v.About = now // it went on since
	}
	e := &entry{Decision: *d, until: v.Until}
	e.Verdict = &v
	e.index()
	if v.Word == Expected && v.Until == 0 && v.About.End != 0 {
		e.until = max(v.About.End, d.From) + Instant(v.For)
	}
	b.add(e)
	b.counts.Given[v.Word.index()]++
	switch {
	case v.Baseline == LetIn:
		for _, id := range e.members {
			baselines.Accept(v.About.Tenant, id, int64(v.About.Start))
		}
	case e.keepsOut():
		e.exclude(cmp.Or(v.About.End, d.From), baselines)
	}
}

// index fills the members from what the verdict is about.
func (e *entry) index() {
	e.members = e.members[:0]
	for _, m := range e.Verdict.About.Members {
		if id, err := parseID(m.Cluster); err == nil {
			e.members = append(e.members, id)
		}
	}
}

// keepsOut reports whether a verdict keeps its alert out of the baseline.
func (e *entry) keepsOut() bool {
	return e.Verdict != nil && (e.Verdict.Word == True || e.Verdict.Baseline == KeepOut)
}

func (e *entry) exclude(to Instant, baselines Baselines) {
	for _, id := range e.members {
		baselines.Exclude(e.Verdict.About.Tenant, id, int64(e.Verdict.About.Start), int64(to))
	}
}

// add makes an entry, in the place of the oldest that is not in force when there
// is no other room.
func (b *Book) add(e *entry) {
	if len(b.entries) >= Max {
		oldest := slices.IndexFunc(b.entries, func(e *entry) bool { return !b.inForce(e) })
		b.drop(max(oldest, 0))
	}
	b.entries = append(b.entries, e)
	b.link(e)
}

func (b *Book) link(e *entry) {
	for _, id := range e.members {
		at := place{e.Verdict.About.Tenant, id}
		b.byCluster[at] = append(b.byCluster[at], e)
	}
}

// unlink ends what a verdict says of clusters.
func (b *Book) unlink(e *entry) {
	for _, id := range e.members {
		at := place{e.Verdict.About.Tenant, id}
		b.byCluster[at] = slices.DeleteFunc(b.byCluster[at], func(other *entry) bool { return other == e })
		if len(b.byCluster[at]) == 0 {
			delete(b.byCluster, at)
		}
	}
}

func (b *Book) drop(i int) {
	b.unlink(b.entries[i])
	b.entries = slices.Delete(b.entries, i, i+1)
}

// remove ends a verdict or a suppression, if it is there.
func (b *Book) remove(name string) {
	i := slices.IndexFunc(b.entries, func(e *entry) bool { return e.name() == name })
	if i < 0 {
		return
	}
	b.drop(i)
}

// inForce reports whether an entry can still change anything.
func (b *Book) inForce(e *entry) bool {
	switch {
	case e.Verdict != nil && e.Verdict.Word == True:
		return e.Verdict.About.End == 0
	case e.until == 0:
		return true
	}
	return b.at-b.window < int64(e.until)
}

// clearly is how many times further from zero a z must be to be clearly more
// unlikely: the logarithm of a p-value, which goes with the square of z, is twice
// as far.
const clearly = math.Sqrt2

// Dismissed implements [anomaly.Dismissals]: a person has called it nothing to see,
// of the cluster, driven by the same feature, in the same direction and not clearly
// further from zero.
func (b *Book) Dismissed(key *fingerprint.ClusterKey, feature string, z float64, at int64) bool {
	for _, e := range b.byCluster[place{key.Tenant, key.ID}] {
		v := e.Verdict
		if v.Word != False || at >= int64(e.until) {
			continue
		}
		for i, id := range e.members {
			if id == key.ID && (i > 0 || v.About.Feature == feature) && z*v.About.Members[i].Z > 0 &&
				math.Abs(z) <= clearly*math.Abs(v.About.Members[i].Z) {
				return true
			}
		}
	}
	return false
}

// Suppressed implements [anomaly.Suppressions].
func (b *Book) Suppressed(key *fingerprint.ClusterKey, subjects []anomaly.Share, at int64) (why string, ok bool) {
	r, ok := b.reason(key, subjects, at)
	return r.text(), ok
}

// reason returns the first that holds of verdicts, suppressions and maintenance.
func (b *Book) reason(key *fingerprint.ClusterKey, subjects []anomaly.Share, at int64) (reason, bool) {
	began := at - b.window // what happened since is in the window
	for _, e := range b.byCluster[place{key.Tenant, key.ID}] {
		if e.Verdict.Word == Expected && (e.until == 0 || began < int64(e.until)) {
			return reason{ByVerdict, e.Verdict.ID, e.Verdict.Comment, e.Verdict.By}, true
		}
	}
	for _, e := range b.entries {
		if s := e.Suppression; s != nil && began < int64(s.Until) && e.matchers.match(key, subjects) {
			return reason{BySuppression, s.ID, s.Comment, s.By}, true
		}
	}
	for _, m := range b.maintenance {
		if m.matchers.match(key, subjects) && m.covers(began, at) {
			return reason{kind: ByMaintenance, id: m.Name}, true
		}
	}
	return reason{}, false
}
