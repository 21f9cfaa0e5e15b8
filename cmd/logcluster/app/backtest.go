package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// BacktestOptions say what two configurations are compared on.
type BacktestOptions struct {
	// Configs are the two, and Names what they are called in the report.
	Configs [2]*Config
	Names   [2]string
	// Files are read in order as one stream; "-" is standard input.
	Files []string
	// Topic is read instead, from the Kafka of the first configuration, between
	// From and To.
	Topic    string
	From, To kafka.Bound
	// Tenant is the tenant of all events of files; empty means "default". That of
	// a topic's is the topic.
	Tenant string
	// Verdicts is the journal of a run whose verdicts hold for both; empty for
	// none.
	Verdicts string
	// Labels is a file of labelled incidents to judge both by; empty for none.
	Labels string
	// Output receives the report, as a table for people or as JSON.
	Output io.Writer
	JSON   bool
	// Notes receives a summary of what was read.
	Notes io.Writer
	// Progress is told about what has been read; nil for nobody.
	Progress func(read, total int64)
	Logger   *slog.Logger
}

// Backtest says what two configurations would have alerted on the same events.
// Events are decoded once where the configurations read them the same way.
func Backtest(ctx context.Context, o BacktestOptions) error {
	var labels *detection.Labels
	if o.Labels != "" {
		var err error
		if labels, err = detection.LoadLabels(o.Labels); err != nil {
			return err
		}
	}
	b, err := newBacktest(&o)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.run(ctx); err != nil {
		return err
	}
	report, err := b.report(labels)
	if err != nil {
		return err
	}
	if err := report.write(o.Output, o.JSON); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	b.note(time.Since(began))
	return nil
}

// backtest is two engines on one stream of events.
type backtest struct {
	o     *BacktestOptions
	sides [sides]*backtestSide
	// readers are the decoders: one, or one for each side.
	readers []*backtestReader
	compare *comparison
	// accepted is told of every event that the first side has counted.
	accepted func(*observation)
	closed   [sides][]*compared
}

// backtestSide is one configuration.
type backtestSide struct {
	cfg    *Config
	engine *engine.Engine
	totals totals
	// results are what the batch in hand came to.
	results []anomaly.Result
	alerts  []alert.Alert // every firing change
	at      int64         // event time that evaluations have come to
	// first and last are the event times of the first and last evaluation.
	first, last time.Time
}

// backtestReader decodes for the sides that read events alike.
type backtestReader struct {
	decode *decodeStage
	sides  []*backtestSide
	// detected is the event time that all of its sides have come to.
	detected atomic.Int64
}

func newBacktest(o *BacktestOptions) (*backtest, error) {
	if o.Tenant == "" {
		o.Tenant = "default"
	}
	b := &backtest{o: o, compare: newComparison(o.Configs[sideA], o.Configs[sideB]), accepted: ignore}
	b.compare.closed = func(side int, c *compared) { b.closed[side] = append(b.closed[side], c) }
	var shared *policies
	for i, cfg := range o.Configs {
		s := &backtestSide{cfg: cfg}
		b.sides[i] = s
		policies := shared
		if policies == nil || !readsAlike(o.Configs[sideA], cfg) {
			policies = newPolicies(cfg, o.Logger, nil)
			kept := keptVersions(cfg)
			r := &backtestReader{decode: newDecodeStage(cfg, policies)}
			policies.settled = func() int64 { return r.detected.Load() - kept }
			if err := loadPolicies(&cfg.Roles, policies); err != nil {
				return nil, fmt.Errorf("%s: %w", o.Names[i], err)
			}
			b.readers = append(b.readers, r)
			shared = policies
		}
		r := b.readers[len(b.readers)-1]
		r.sides = append(r.sides, s)
		s.engine = engine.New(cfg.engine(), policies, engine.Observer{Found: s.found})
		if err := knownVerdicts(s.engine.Book(), o.Verdicts, cfg.Verdicts.Maintenance); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// readsAlike reports whether two configurations make the same events of the same
// records, with the same roles.
func readsAlike(a, b *Config) bool {
	return reflect.DeepEqual(a.Ingest, b.Ingest) && reflect.DeepEqual(a.Roles, b.Roles) && reflect.DeepEqual(a.Fingerprint, b.Fingerprint) &&
		a.Cluster.Pane == b.Cluster.Pane && a.Cluster.MaxAhead == b.Cluster.MaxAhead && keptVersions(a) == keptVersions(b)
}

// watermark is the event time that all sides of a reader have come to.
func (r *backtestReader) watermark() int64 {
	at := r.sides[0].engine.Windows().Stats().Watermark
	for _, s := range r.sides[1:] {
		at = min(at, s.engine.Windows().Stats().Watermark)
	}
	return at
}

// found keeps a result of the batch in hand.
func (s *backtestSide) found(_ *cluster.Evaluation, r anomaly.Result) {
	if s.first.IsZero() {
		s.first = r.Start
	}
	s.last, s.at = r.End, r.End.UnixNano()
	s.results = append(s.results, r)
	for i := range r.Changes {
		if a := &r.Changes[i]; a.State == anomaly.Firing {
			s.alerts = append(s.alerts, alert.From(a, s.cfg.Alert.Render, nil))
		}
	}
}

// source makes a source known to both sides.
func (b *backtest) source(id int, name string) {
	for _, s := range b.sides {
		s.engine.Windows().AddSource(id, name)
	}
}

// batch is a list of records on their way to both sides.
type batch struct {
	records []batchRecord
	tooLong int
}

// batchRecord is one record, and where it came from.
type batchRecord struct {
	from  origin
	value []byte
}

// take counts and scores a batch on both sides at once.
func (b *backtest) take(ctx context.Context, in *batch, tenant string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range b.readers {
		var out observations
		r.fill(&out, in, tenant)
		for _, s := range r.sides {
			s.totals.add(&out)
			group.Go(func() error {
				accepted := ignore
				if s == b.sides[sideA] {
					accepted = b.accepted
				}
				out.apply(s.engine, accepted, ignore)
				return ctx.Err()
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, r := range b.readers {
		r.detected.Store(r.watermark())
	}
	b.settle()
	return nil
}

// fill decodes a batch.
func (r *backtestReader) fill(out *observations, in *batch, tenant string) {
	out.result.Rejected[ingest.ReasonTooLarge] += in.tooLong
	for i := range in.records {
		_ = r.decode.decode(out, tenant, in.records[i].from, in.records[i].value) // counted
	}
}

// settle compares what the sides came to.
func (b *backtest) settle() {
	for side, s := range b.sides {
		for i := range s.results {
			b.compare.observe(side, &s.results[i])
		}
		clear(s.results)
		s.results = s.results[:0]
	}
	b.compare.settle(min(b.sides[sideA].at, b.sides[sideB].at))
}

// run feeds everything through, and closes what is open at the end.
func (b *backtest) run(ctx context.Context) error {
	read := b.readFiles
	if b.o.Topic != "" {
		read = b.readTopic
	}
	if err := read(ctx); err != nil {
		return err
	}
	for _, s := range b.sides {
		s.engine.Finish()
		stats := s.engine.Windows().Stats()
		if err := s.totals.check(&stats); err != nil {
			return err
		}
	}
	b.settle()
	b.compare.finish()
	if b.sides[sideA].totals.Consumed == 0 {
		return errors.New("nothing was compared: no event was read")
	}
	return nil
}

// note says what was read.
func (b *backtest) note(took time.Duration) {
	s := b.sides[sideA]
	times := "once"
	if len(b.readers) > 1 {
		times = "twice: the configurations read records differently"
	}
	fmt.Fprintf(b.o.Notes, "%d events, %s of event time, decoded %s, %.1f s, %.0f events/s\n",
		s.totals.Consumed, s.last.Sub(s.first).Round(time.Minute), times, took.Seconds(), float64(s.totals.Consumed)/took.Seconds())
}
