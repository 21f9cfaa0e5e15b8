package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	jsoniter "github.com/json-iterator/go"
	"golang.org/x/sync/errgroup"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/recording"
)

// jsonLines encodes alerts; it does not escape HTML, which is the page's
// business.
var jsonLines = jsoniter.Config{EscapeHTML: false, SortMapKeys: true}.Froze()

// ReplayOptions say what is replayed and how the result is written.
type ReplayOptions struct {
	Config *Config
	// Files are read in order as one stream; "-" is standard input.
	Files []string
	// Output receives the alerts, as a table for people or as JSON lines.
	Output io.Writer
	JSON   bool
	// Style is how the lines of the table look; Explain writes below each alert
	// that fires what it was found by.
	Style   alert.LineStyle
	Explain bool
	// Tenant is the tenant of all events; empty means "default".
	Tenant string
	// Decisions is the journal of the run that is to be repeated: its role
	// policies and limits are in force instead of the configuration's. Empty for
	// none. Its tenants must be those of that run.
	Decisions string
	// Verdicts is the journal of a run whose verdicts, suppressions and maintenance
	// windows hold instead of the configuration's, with other role policies and
	// limits than that run's; empty for none.
	Verdicts string
	// Labels is a file of labelled incidents to judge the detection by; empty
	// for none. The verdict goes to Output after a table, to Notes in JSON mode.
	Labels string
	// Notes receives what is not an alert: the summary at the end.
	Notes io.Writer
	// Learned receives the role families of a tenant after every retrain; nil
	// for nobody. They may be kept.
	Learned func(*family.Families)
	// Progress is told about the bytes read; nil for nobody.
	Progress func(read, total int64)
	Logger   *slog.Logger
}

// replaySlots is how many decoded batches are under way between decoding and
// detection.
const replaySlots = 4

// Replay runs the stages of the service over files, as fast as the machine
// allows. Time is event time alone, so the result is what the live service
// would have given.
func Replay(ctx context.Context, o ReplayOptions) error {
	var labels *detection.Labels
	if o.Labels != "" {
		var err error
		if labels, err = detection.LoadLabels(o.Labels); err != nil {
			return err
		}
	}
	r, err := newReplay(&o)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.run(ctx); err != nil {
		return err
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return r.finish(labels, time.Since(began))
}

// replay is one run over files.
type replay struct {
	o      *ReplayOptions
	decode *decodeStage
	engine *engine.Engine
	totals totals
	out    *bufio.Writer
	alerts []alert.Alert // that fired, when there are labels to judge them by
	fired  int
	err    error // of writing
	// detected is the event time that detection has come to: decoding is ahead.
	detected atomic.Int64
	// first and last are the event times of the first and last evaluation.
	first, last time.Time
}

func newReplay(o *ReplayOptions) (*replay, error) {
	if o.Tenant == "" {
		o.Tenant = "default"
	}
	policies := newPolicies(o.Config, o.Logger, nil)
	r := &replay{o: o, out: bufio.NewWriter(o.Output), decode: newDecodeStage(o.Config, policies)}
	kept := keptVersions(o.Config)
	policies.settled = func() int64 { return r.detected.Load() - kept }
	r.engine = engine.New(o.Config.engine(), policies, engine.Observer{Found: r.found, Learned: o.Learned})
	r.engine.Windows().AddSource(0, "replay")
	if o.Decisions == "" {
		if err := knownVerdicts(r.engine.Book(), o.Verdicts, o.Config.Verdicts.Maintenance); err != nil {
			return nil, err
		}
		return r, loadPolicies(&o.Config.Roles, policies)
	}
	decided, err := readDecisionsFile(o.Decisions)
	if err != nil {
		return nil, err
	}
	policies.learns = func(string) bool { return false } // that was decided upon too
	var limits limits
	for i := range decided {
		limits.enact(&decided[i], r.engine.Windows())
	}
	policies.repeat(decided)
	return r, repeatVerdicts(r.engine.Book(), decided)
}

// run reads, decodes and detects in three goroutines, in order.
func (r *replay) run(ctx context.Context) error {
	if !r.o.JSON {
		if err := alert.WriteHeader(r.out, r.o.Style); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	free := make(chan *observations, replaySlots)
	full := make(chan *observations, replaySlots)
	for range replaySlots {
		free <- new(observations)
	}
	group.Go(func() error {
		defer close(full)
		return r.read(ctx, free, full)
	})
	group.Go(func() error { return r.detect(ctx, free, full) })
	return group.Wait()
}

// read decodes the files batch by batch.
func (r *replay) read(ctx context.Context, free <-chan *observations, full chan<- *observations) error {
	for _, name := range r.o.Files {
		if err := r.readFile(ctx, name, free, full); err != nil {
			return fmt.Errorf("replay %s: %w", name, err)
		}
	}
	return nil
}

func (r *replay) readFile(ctx context.Context, name string, free <-chan *observations, full chan<- *observations) error {
	in, err := recording.Open(name, recording.Options{MaxLineBytes: r.o.Config.Ingest.MaxRecordBytes})
	if err != nil {
		return err
	}
	return in.Each(ctx, func(batch *recording.Batch) error {
		out, err := receive(ctx, free)
		if err != nil {
			return err
		}
		r.decodeBatch(out, batch)
		if r.o.Progress != nil {
			r.o.Progress(in.Progress())
		}
		select {
		case full <- out:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

func receive(ctx context.Context, free <-chan *observations) (*observations, error) {
	select {
	case out := <-free:
		return out, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// decodeBatch decodes the lines of a batch into out.
func (r *replay) decodeBatch(out *observations, batch *recording.Batch) {
	out.reset()
	out.result.Rejected[ingest.ReasonTooLarge] += batch.TooLong
	for i, line := range batch.Values {
		from := origin{partition: noPartition, offset: batch.Line + int64(i)}
		if err := r.decode.decode(out, r.o.Tenant, from, line); err != nil {
			r.o.Logger.Debug("record rejected", "line", from.offset, "error", err)
		}
	}
}

// detect counts and scores batch by batch, and closes what is open at the end.
func (r *replay) detect(ctx context.Context, free chan<- *observations, full <-chan *observations) error {
	for out := range full {
		r.totals.add(out)
		out.apply(r.engine, ignore, ignore)
		r.detected.Store(r.engine.Windows().Stats().Watermark)
		if r.err != nil {
			return r.err
		}
		free <- out
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.engine.Finish()
	return r.err
}

func ignore(*observation) {}

// found writes the changes of one evaluation.
func (r *replay) found(_ *cluster.Evaluation, res anomaly.Result) {
	if r.first.IsZero() {
		r.first = res.Start
	}
	r.last = res.End
	for i := range res.Changes {
		a := alert.From(&res.Changes[i], r.o.Config.Alert.Render, nil)
		if a.State == string(anomaly.Firing) {
			r.fired++
			if r.o.Labels != "" {
				r.alerts = append(r.alerts, a)
			}
		}
		if err := r.write(&a); err != nil && r.err == nil {
			r.err = fmt.Errorf("write result: %w", err)
		}
	}
}

func (r *replay) write(a *alert.Alert) error {
	if !r.o.JSON {
		err := alert.WriteLine(r.out, a, r.o.Style)
		if err == nil && r.o.Explain && a.State == string(anomaly.Firing) {
			err = alert.WriteFacts(r.out, a, r.o.Style)
		}
		return err
	}
	line, err := jsonLines.Marshal(a)
	if err != nil {
		return err
	}
	_, err = r.out.Write(append(line, '\n'))
	return err
}

// finish checks the accounting identity, judges against labels, and says what
// was read.
func (r *replay) finish(labels *detection.Labels, took time.Duration) error {
	stats := r.engine.Windows().Stats()
	if err := r.totals.check(&stats); err != nil {
		return err
	}
	notes := r.o.Notes
	if labels != nil {
		report := detection.Judge(labels, r.alerts, r.first, r.last)
		if r.o.JSON {
			if err := json.NewEncoder(notes).Encode(report); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
		} else if err := report.WriteText(r.o.Output); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	n := &stats.Outcomes
	_, err := fmt.Fprintf(notes, "%d events (%d clustered, %d late, %d rejected, %d filtered), %s of event time, %d alerts, %.1f s, %.0f events/s\n",
		r.totals.Consumed, n[cluster.Clustered]+n[cluster.Overflow], n[cluster.LateCorrected]+n[cluster.LateDropped],
		r.totals.rejected()+n[cluster.RejectedAhead], r.totals.filtered(),
		r.last.Sub(r.first).Round(time.Minute), r.fired, took.Seconds(), float64(r.totals.Consumed)/took.Seconds())
	return err
}
