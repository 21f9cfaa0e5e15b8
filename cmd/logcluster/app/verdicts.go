package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// The sources of decisions that are kept in the book of verdicts.
const (
	sourceVerdict     = "verdict"
	sourceMaintenance = "maintenance"
)

// verdicts is the way of a person's decision from the API into the book: a request
// waits until the stream is between two batches, becomes a decision in force from
// the next pane that no event has reached, is written down, and is answered when
// it is on disk. It implements [web.Verdicts] for any goroutine; all but that
// belongs to the stream.
type verdicts struct {
	cfg  verdict.Config
	book *verdict.Book
	// also are the books of other engines on the same events.
	also []*verdict.Book

	// written are the requests that are decided upon and not on disk yet.
	written []*request
	// looked is when the book was last copied for people, and stale says that
	// something was decided since.
	looked time.Time
	stale  bool

	mu      sync.Mutex
	waiting []*request
	shown   shownVerdicts
}

// shownVerdicts is what people are shown of the book.
type shownVerdicts struct {
	verdicts, suppressions []verdict.Standing
	maintenance            []verdict.Windows
	counts                 verdict.Counts
	inForce                int
}

// maxWaitingRequests bounds the requests that wait for the stream, and
// decideTimeout how long one does: as when Kafka has hung.
const (
	maxWaitingRequests = 100
	decideTimeout      = 10 * time.Second
)

// request is something that is to be decided upon.
type request struct {
	ctx context.Context
	// make makes the decision but for its number and its time.
	make func(b *verdict.Book, from verdict.Instant) (verdict.Decision, error)
	// decision and err are the answer, valid when done is closed.
	done     chan struct{}
	decision verdict.Decision
	err      error
}

func (r *request) answer(err error) {
	r.err = err
	close(r.done)
}

func newVerdicts(cfg verdict.Config, book *verdict.Book) *verdicts {
	return &verdicts{cfg: cfg, book: book, stale: true}
}

// ask has the stream decide and waits for it.
func (v *verdicts) ask(ctx context.Context, decide func(*verdict.Book, verdict.Instant) (verdict.Decision, error)) (verdict.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, decideTimeout)
	defer cancel()
	r := &request{ctx: ctx, make: decide, done: make(chan struct{})}
	v.mu.Lock()
	full := len(v.waiting) >= maxWaitingRequests
	if !full {
		v.waiting = append(v.waiting, r)
	}
	v.mu.Unlock()
	if full {
		return verdict.Decision{}, fmt.Errorf("%w: %d others wait already", web.ErrBusy, maxWaitingRequests)
	}
	select {
	case <-r.done:
		return r.decision, r.err
	case <-ctx.Done():
		return verdict.Decision{}, fmt.Errorf("%w: no records are read, so nothing can be brought into force", web.ErrBusy)
	}
}

// settle decides upon what people ask for and upon changed maintenance windows, in
// force from the event time on. An error means that a decision is not written
// down.
func (v *verdicts) settle(from int64, j *journal) error {
	taken := v.take()
	for i, r := range taken {
		if r.ctx.Err() != nil {
			continue // nobody waits for it any more
		}
		if err := v.decide(r, from, j); err != nil {
			for _, r := range taken[i:] {
				r.answer(fmt.Errorf("%w: %w", errNotWritten, err))
			}
			return err
		}
	}
	now := v.cfg.Maintenance
	if now == nil {
		now = []verdict.Maintenance{}
	}
	if before := v.book.Decided(); len(now) == 0 && len(before) == 0 || reflect.DeepEqual(now, before) {
		return nil
	}
	d := verdict.Decision{Maintenance: now}
	return v.write(&d, sourceMaintenance, from, j)
}

// take returns the requests that wait.
func (v *verdicts) take() []*request {
	v.mu.Lock()
	defer v.mu.Unlock()
	taken := v.waiting
	v.waiting = nil
	return taken
}

// errNotWritten is the error of a decision that could not be written down.
var errNotWritten = errors.New("the decision could not be written down")

// decide makes a decision of a request. The error is one of writing it down.
func (v *verdicts) decide(r *request, from int64, j *journal) error {
	number, after := v.book.Next()
	from = max(from, int64(after))
	d, err := r.make(v.book, verdict.Instant(from))
	if err == nil {
		d.Number, d.From = number, verdict.Instant(from)
		err = v.book.Accepts(&d)
	}
	if err != nil {
		r.answer(err)
		return nil
	}
	r.decision = d
	if err := v.write(&r.decision, sourceVerdict, from, j); err != nil {
		return err
	}
	v.written = append(v.written, r)
	return nil
}

// write gives a decision its number and its time, writes it down and takes it over.
func (v *verdicts) write(d *verdict.Decision, source string, from int64, j *journal) error {
	number, after := v.book.Next()
	d.Number, d.From = number, max(after, verdict.Instant(from))
	if d.Suppression != nil {
		d.Suppression.ID = verdict.SuppressionID(number)
	}
	if j != nil {
		if err := j.append(&decision{From: d.From.Time(), Source: source, Verdict: d}); err != nil {
			return err
		}
	}
	return v.enact(d)
}

// enact takes a decision over, of this run or of one before it.
func (v *verdicts) enact(d *verdict.Decision) error {
	v.stale = true
	for _, b := range v.books() {
		if err := b.Apply(*d); err != nil {
			return fmt.Errorf("decision %d: %w", d.Number, err)
		}
	}
	return nil
}

// books are the books of all engines, the service's own first.
func (v *verdicts) books() []*verdict.Book { return append([]*verdict.Book{v.book}, v.also...) }

// synced answers the requests whose decisions are on disk now.
func (v *verdicts) synced() {
	for _, r := range v.written {
		r.answer(nil)
	}
	v.written = v.written[:0]
}

// lookEvery is how often the book is copied for people.
const lookEvery = time.Second

// show copies the book for people, when it has changed and from time to time.
func (v *verdicts) show(now time.Time) {
	if !v.stale && now.Sub(v.looked) < lookEvery {
		return
	}
	v.stale, v.looked = false, now
	shown := shownVerdicts{
		verdicts: v.book.Verdicts(), suppressions: v.book.Suppressions(), maintenance: v.book.Maintenance(),
		counts: v.book.Counts(), inForce: v.book.InForce(),
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shown = shown
}

// current returns what people are shown. It may be asked by any goroutine.
func (v *verdicts) current() shownVerdicts {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.shown
}

// repeatVerdicts takes over what people decided in another run.
func repeatVerdicts(book *verdict.Book, list []decision) error {
	for i := range list {
		if d := list[i].Verdict; d != nil {
			if err := book.Apply(*d); err != nil {
				return fmt.Errorf("decision %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// knownVerdicts takes over the verdicts of a journal, or without one the
// maintenance windows of a configuration, in force from the beginning.
func knownVerdicts(book *verdict.Book, journal string, windows []verdict.Maintenance) error {
	if journal == "" {
		if len(windows) == 0 {
			return nil
		}
		return book.Apply(verdict.Decision{Number: 1, Maintenance: windows})
	}
	decided, err := readDecisionsFile(journal)
	if err != nil {
		return err
	}
	return repeatVerdicts(book, decided)
}

// foldMargin is for how long after its end a decision is kept: its windows began
// before.
const foldMargin = 24 * time.Hour

// foldVerdicts reports of each decision whether it is still needed, for every event
// at or after the time. What a verdict does to the baseline lasts, and so does
// what is removed: a snapshot may be older than the removal.
func foldVerdicts(list []decision, before time.Time) []bool {
	before = before.Add(-foldMargin)
	needed := make([]bool, len(list))
	named := map[string]bool{} // verdicts that are given again later
	maintained, last := false, true
	kept := 0
	for i := len(list) - 1; i >= 0; i-- {
		d := list[i].Verdict
		if d == nil {
			continue
		}
		switch {
		case d.Maintenance != nil:
			needed[i] = !maintained
			maintained = true
		case d.Suppression != nil:
			needed[i] = d.Suppression.Until.Time().After(before)
		case d.Verdict != nil:
			v := d.Verdict
			over := v.Until != 0 && !v.Until.Time().After(before) && v.Baseline == verdict.AsAlways
			needed[i] = !over && !named[v.ID]
			named[v.ID] = true
		default:
			needed[i] = true
		}
		needed[i] = (needed[i] || last) && kept < 2*verdict.Max
		last = false
		if needed[i] {
			kept++
		}
	}
	return needed
}
