package rivals_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/rivals"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

var beside = flag.Bool("rivals", false, "print the detection beside its rivals")

func load(t *testing.T, by stream.Keying) *stream.Recording {
	t.Helper()
	if testing.Short() {
		t.Skip("replays three days: skipped by -short")
	}
	r, err := stream.Read(filepath.Join(stream.Folder("../.."), "dev"), stream.Options{Keying: by, Text: true})
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run is what one detector came to on a recording.
type run struct {
	name   string
	report detection.Report
	scores []rivals.Score
	cost   float64 // ns an event
	kept   int64   // bytes
}

// measured runs f and returns its cost an event, and what the state that it
// returns keeps alive.
func measured(events int, f func() any) (cost float64, kept int64) {
	begun := time.Now()
	state := f()
	took := time.Since(begun)
	with := heap()
	runtime.KeepAlive(state)
	return float64(took.Nanoseconds()) / float64(events), with - heap()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestRivals prints the detection beside its rivals, all on the same events
// (make detection):
//
//	go test ./bench/rivals -run Rivals -rivals -v
func TestRivals(t *testing.T) {
	if !*beside {
		t.Skip("a table for people: make detection, or -rivals")
	}
	r := load(t, stream.ByRole())
	ours := runOurs(r)
	start, end := ours.report.Start, ours.report.End
	fmt.Print(rule, "\n")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DETECTOR\tz >\tFOUND\tEXACTLY\tIN TIME\tRECALL\tPRECISION\tFALSE A DAY\tDUPLICATES\tBENIGN\tTIME TO DETECT\tBY CHANCE\tNS/EVENT\tMB KEPT")
	ours.row(w, "")
	for _, rival := range rivals.All() {
		tried := runRival(r, rival)
		judge := func(rule rivals.Rule) detection.Report {
			return detection.Judge(r.Labels, rule.Alerts(tried.scores), start, end)
		}
		best, quiet := rivals.Choose(judge, ours.report.FalsePerDay.Value)
		for _, z := range []float64{2.5, 4, 8} {
			tried.report = judge(rivals.Fair(z))
			tried.row(w, fmt.Sprint(z))
		}
		tried.report = judge(rivals.Fair(best))
		tried.row(w, fmt.Sprintf("%v (best)", best))
		tried.report = judge(rivals.Fair(quiet))
		tried.row(w, fmt.Sprintf("%.3g (as quiet)", quiet))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

const rule = `Rivals count windows of 5 minutes and are judged like ours. At most the 10 highest |z| of
a window are told, each once while it stands out; after 10 minutes below the threshold it
ends, and is not told again for 2 hours. best: the threshold with the highest F1 of recall
and precision on these very labels, in the rival's favour. as quiet: the lowest one with no
more false alerts a day than ours.
`

func runOurs(r *stream.Recording) run {
	out := run{name: "logcluster"}
	var o stream.Outcome
	out.cost, out.kept = measured(len(r.Items), func() any {
		e := engine.New(engine.DefaultConfig(), r.Policies(), o.Observe())
		stream.AddSources(e, r.Items)
		stream.Feed(e, r.Items)
		e.Finish()
		return e
	})
	out.report = detection.Judge(r.Labels, o.Alerts, time.Unix(0, o.First), time.Unix(0, o.Last))
	return out
}

func runRival(r *stream.Recording, rival *rivals.Rival) run {
	out := run{name: rival.Name}
	var scores []rivals.Score
	out.cost, out.kept = measured(len(r.Items), func() any {
		own := rival.Clone()
		own.Feed(r.Items, func(s rivals.Score) { scores = append(scores, s) })
		return own
	})
	out.scores = scores
	return out
}

func (r *run) row(w *tabwriter.Writer, z string) {
	p := &r.report
	fmt.Fprintf(w, "%s\t%s\t%d of %d\t%d\t%d\t%s\t%s\t%.1f (%.1f to %.1f)\t%d\t%d\t%s\t%.2f\t%.0f\t%.1f\n",
		r.name, z, p.Found, p.Incidents, p.Exact, p.InTime, percent(p.Recall), percent(p.Precision),
		p.FalsePerDay.Value, p.FalsePerDay.Low, p.FalsePerDay.High, p.Duplicates, p.Benign,
		(time.Duration(p.MedianSeconds) * time.Second).String(), p.Chance*float64(p.Incidents), r.cost, float64(max(r.kept, 0))/1e6)
}

func percent(i detection.Interval) string {
	return fmt.Sprintf("%.0f %% (%.0f to %.0f)", 100*i.Value, 100*i.Low, 100*i.High)
}

// orientation is what the authors of the recording found with a plain detector of
// their own: z, incidents found, false alerts a day.
var orientation = [][3]float64{{2.5, 14, 1168}, {4, 12, 423}, {8, 12, 112}}

// A check of the judge and of the rivals: the plainest detector, which tells of
// every window above the threshold and keys by the authorizer's annotation, comes
// to about what somebody else's came to on the same recording.
func TestPlainDetectorIsAsBadAsPublished(t *testing.T) {
	r := load(t, stream.Keying{Reasons: true})
	tried := runRival(r, rivals.Textbook())
	for _, o := range orientation {
		p := detection.Judge(r.Labels, rivals.Plain(o[0]).Alerts(tried.scores), time.Time{}, time.Time{})
		t.Logf("z > %v without deduplication: %d of %d found and %.0f false alerts a day; published %v and %v",
			o[0], p.Found, p.Incidents, p.FalsePerDay.Value, o[1], o[2])
		if math.Abs(float64(p.Found)-o[1]) > 3 || p.FalsePerDay.Value > 2*o[2] || p.FalsePerDay.Value < o[2]/2 {
			t.Errorf("z > %v: that is another detector than the published one", o[0])
		}
	}
}
