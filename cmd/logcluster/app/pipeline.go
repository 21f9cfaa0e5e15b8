package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// outlet is where the results go. Its methods must not block.
type outlet interface {
	// evaluated is given every evaluation: the alerts that changed state, those
	// that go on firing, and the changes that nobody is told of, for the record.
	evaluated(changed, firing, withheld []alert.Alert)
}

// pipeline is the way of a record from a batch of Kafka to the outlets. It is
// the session's handler and lives in the session's goroutine: one batch at a
// time, and nothing of it is shared but the board.
type pipeline struct {
	group   string
	topics  []string
	render  alert.Config
	letters kafka.Letters
	outlets []outlet
	board   *board
	log     *slog.Logger
	now     func() time.Time

	// recorded tells that event time is a recording's.
	recorded bool
	policies *policies
	kept     int64 // how long versions of policies are kept, in nanoseconds
	limits   limits
	verdicts *verdicts
	journal  *journal
	deciding bool // the last decision could not be written down
	decode   *decodeStage
	engine   *engine.Engine
	shadow   *shadow // nil without one
	// renewShadow puts one without history in its place.
	renewShadow func()
	// passed is the event time that the engine has come to, after the last batch.
	passed  atomic.Int64
	sources *sources
	totals  totals
	out     observations

	keeper *keeper
	meter  meter
	// budgets are what every tenant used of its budgets when they were counted.
	budgets []cluster.TenantStats
	counted time.Time
}

// Consume implements [kafka.Handler].
func (p *pipeline) Consume(ctx context.Context, batch *kafka.Batch) error {
	now := p.now()
	p.decide(now)
	p.out.reset()
	for i := range batch.Partitions {
		part := &batch.Partitions[i]
		id := p.sources.id(partition{part.Topic, part.ID})
		p.sources.moved(id, part, now)
		p.decodePartition(id, part, now.UnixNano())
	}
	if err := p.journal.sync(); err != nil {
		return err
	}
	p.verdicts.synced()
	p.sources.tick(now)
	p.totals.add(&p.out)
	p.shadow.beside(&p.out, func() { p.out.apply(p.engine, p.accepted, p.ahead) })
	p.passed.Store(p.engine.Windows().Stats().Watermark)
	p.sources.balance(now)
	p.report(now)
	return p.keeper.saveIfDue(ctx, now)
}

// decide brings into force what sources and files have told since the last
// batch. What can't be written down waits.
func (p *pipeline) decide(now time.Time) {
	clock := int64(0)
	if !p.recorded {
		clock = now.UnixNano()
	}
	p.policies.clock = now.UnixNano()
	err := p.policies.settle(clock)
	if err == nil {
		err = p.limits.settle(p.policies.next(clock), p.journal, p.windows())
	}
	if err == nil { // whatever the clock says: as soon as it can be
		err = p.verdicts.settle(p.policies.next(0), p.journal)
	}
	if p.journal != nil {
		if err := p.journal.foldIfDue(time.Unix(0, p.settled())); err != nil {
			p.log.Warn("decisions not folded, the journal goes on growing", "error", err)
		}
	}
	if failing := err != nil; failing != p.deciding {
		p.deciding = failing
		if failing {
			p.log.Error("decision not written down, the ones before stay in force", "error", err)
		} else {
			p.log.Info("decisions are written down again")
		}
	}
}

// settled is the event time before which no event can come that counts: of what
// was decided before, the outcome is enough.
func (p *pipeline) settled() int64 {
	return max(p.passed.Load()-p.kept, 0)
}

// keepDecisions goes on from the decisions of earlier runs, and writes new ones
// to their journal.
func (p *pipeline) keepDecisions(j *journal, decided []decision) error {
	p.policies.newest = p.engine.Windows().Stats().Newest
	decided = fold(decided, time.Unix(0, p.settled()))
	p.policies.restore(decided)
	p.policies.retire()
	for i := range decided {
		p.limits.enact(&decided[i], p.windows())
	}
	p.journal, p.policies.journal = j, j
	for _, b := range p.verdicts.books() {
		if err := repeatVerdicts(b, decided); err != nil {
			return err
		}
	}
	return nil
}

// decodePartition decodes the records of one partition; what is rejected gets a
// dead letter and moves nothing. A record's own time is the producer's word: it
// is believed up to now.
func (p *pipeline) decodePartition(id int, part *kafka.Partition, now int64) {
	p.out.result.Rejected[ingest.ReasonPoisonBatch] += int(part.Poison)
	for i := range part.Records {
		r := &part.Records[i]
		before := p.out.result.TotalRejected()
		err := p.decode.decode(&p.out, part.Topic, origin{id, part.ID, r.Offset, min(r.Timestamp, now)}, r.Value)
		var reject *ingest.RejectError
		if errors.As(err, &reject) {
			p.letter(id, r.Offset, reject.Reason.String(), p.out.result.TotalRejected()-before, err.Error())
		}
	}
}

// accepted notes how far the source of an event has come.
func (p *pipeline) accepted(o *observation) {
	src := &p.sources.list[o.origin.source]
	src.newest = max(src.newest, o.event.Time)
}

// ahead notes an event whose time lies in its record's future.
func (p *pipeline) ahead(o *observation) {
	p.letter(o.origin.source, o.origin.offset, cluster.RejectedAhead.String(), 1,
		"event time "+time.Unix(0, o.event.Time).UTC().Format(time.RFC3339)+" is too far ahead of the record")
}

// letter writes a dead letter about events of one record.
func (p *pipeline) letter(source int, offset int64, reason string, count int, detail string) {
	if p.letters == nil {
		return
	}
	at := p.sources.list[source].partition
	p.letters.Put(kafka.Letter{
		Reason: reason, Topic: at.Topic, Partition: at.ID,
		Offset: offset, LastOffset: offset, Count: int64(count), Time: p.now(), Detail: detail,
	})
}

// found is the engine's: it passes an evaluation on.
func (p *pipeline) found(ev *cluster.Evaluation, r anomaly.Result) {
	p.shadowed(&r)
	p.board.show(ev, &r, p.engine.Baselines().Learned(r.Tenant))
	changed := make([]alert.Alert, len(r.Changes))
	fresh := make(map[string]bool, len(r.Changes))
	for i := range r.Changes {
		changed[i] = alert.From(&r.Changes[i], p.render, p.sources.place)
		fresh[changed[i].ID] = true
		p.logChange(&changed[i])
	}
	var firing []alert.Alert
	for i := range r.Firing {
		if !fresh[r.Firing[i].ID] {
			firing = append(firing, alert.From(&r.Firing[i], p.render, p.sources.place))
		}
	}
	withheld := make([]alert.Alert, len(r.Withheld))
	for i := range r.Withheld {
		withheld[i] = alert.From(&r.Withheld[i], p.render, p.sources.place)
	}
	for _, o := range p.outlets {
		o.evaluated(changed, firing, withheld)
	}
}

func (p *pipeline) logChange(a *alert.Alert) {
	p.log.Info("anomaly changed", "id", a.ID, "state", a.State, "tenant", a.Tenant, "cluster", a.Cluster,
		"z", a.Z, "rank", a.Rank, "severity", a.Severity, "summary", a.Summary)
}

// report puts the progress on the board, and now and then what every tenant uses
// of its budgets.
func (p *pipeline) report(now time.Time) {
	if now.Sub(p.counted) >= budgetsEvery {
		p.counted = now
		p.budgets = p.engine.Windows().AppendTenantStats(nil)
	}
	p.verdicts.show(now)
	said := p.verdicts.current()
	p.board.advance(progress{
		totals: p.totals, stats: p.engine.Windows().Stats(), retrained: p.engine.Retrained(),
		lag: p.sources.lag(), rate: p.meter.rate(now, p.totals.Consumed), budgets: p.budgets,
		verdicts: said.counts, inForce: said.inForce, shadow: p.shadow,
	})
}

// budgetsEvery is how often the use of budgets is looked at.
const budgetsEvery = time.Second

// snapshot returns everything that a restart goes on from, as of now: it must be
// called between two batches.
func (p *pipeline) snapshot(now time.Time) *savedState {
	return &savedState{
		Version: stateVersion,
		SavedAt: now.UTC(),
		Group:   p.group,
		Offsets: p.sources.offsets(),
		Sources: p.sources.saved(),
		Totals:  p.totals,
		Engine:  p.engine.Snapshot(),
		Shadow:  p.shadow.snapshot(),
	}
}

// restore goes on from a snapshot.
func (p *pipeline) restore(s *savedState) error {
	if s.Group != p.group {
		return fmt.Errorf("the state belongs to the consumer group %q, not to %q", s.Group, p.group)
	}
	if err := p.engine.Restore(&s.Engine); err != nil {
		return err
	}
	p.passed.Store(p.engine.Windows().Stats().Watermark)
	if p.shadow != nil && !p.shadow.restore(s.Shadow) {
		p.renewShadow()
	}
	p.totals = s.Totals
	p.sources.restore(s.Sources, s.Offsets, p.topics)
	return nil
}

// meter measures the rate of events over the last seconds of the wall clock.
type meter struct {
	at    time.Time
	count uint64
	last  float64
}

// meterWindow is how long a rate is measured over.
const meterWindow = 2 * time.Second

func (m *meter) rate(now time.Time, count uint64) float64 {
	since := now.Sub(m.at)
	switch {
	case m.at.IsZero():
		m.at, m.count = now, count
	case since >= meterWindow:
		m.last = float64(count-m.count) / since.Seconds()
		m.at, m.count = now, count
	}
	return m.last
}
