package scenario_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/rivals"
	"github.com/logcluster/logcluster/bench/scenario"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

var (
	seeds   = flag.Int("seeds", 0, "how many seeds of made-up attacks to try, and print what came of them")
	attacks = flag.Int("attacks", 8, "attacks a seed")
	verbose = flag.Bool("seed-reports", false, "print the report of every seed")
)

// span is a part of a world that attacks are put into.
type span struct {
	world    *scenario.World
	from, to int64
}

// try lets detectors loose on seeds, each in one of the spans, in turn.
func try(t *testing.T, n int, spans []span, contenders []scenario.Contender) *scenario.Summary {
	t.Helper()
	warm := make([]*scenario.Warm, len(spans))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range spans {
		group.Go(func() (err error) {
			warm[i], err = s.world.Warm(engine.DefaultConfig(), s.from, contenders)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []scenario.Result
	for seed := range n {
		group.Go(func() error {
			at := seed % len(spans)
			results, err := warm[at].Try(uint64(seed), *attacks, spans[at].to)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, results...)
			if *verbose && len(results) > 0 {
				_ = results[0].Report.WriteText(os.Stdout)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return scenario.Summarise(all)
}

func bundled(t *testing.T) *stream.Recording {
	t.Helper()
	r, err := stream.Bundled(stream.Options{Keying: stream.ByRole(), Text: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The detection holds up against attacks that nobody has looked at, in the hours
// of the bundled recording after the learning period. The bounds leave room; they
// are no target.
func TestMadeUpAttacksInTheBundledRecording(t *testing.T) {
	r := bundled(t)
	first, last := r.Items[0].Time, r.Items[len(r.Items)-1].Time
	from := first + int64(14*time.Hour)
	from -= from % int64(10*time.Minute)
	s := try(t, 6, []span{{scenario.Audited("bundled", r), from, last}}, nil)
	recall, wrong := s.Recall("logcluster", ""), s.FalsePerDay("logcluster")
	t.Logf("recall %.2f (%.2f to %.2f), %.1f false alerts a day (%.1f to %.1f)", recall.Value, recall.Low, recall.High, wrong.Value, wrong.Low, wrong.High)
	if recall.Value < 0.5 || wrong.Value > 20 {
		t.Errorf("recall %.2f, %.1f false alerts a day", recall.Value, wrong.Value)
	}
}

// The same seed is the same plan; another one is another.
func TestPlansAreRepeatable(t *testing.T) {
	r := bundled(t)
	w := scenario.Audited("bundled", r)
	first, last := r.Items[0].Time, r.Items[len(r.Items)-1].Time
	from := first + int64(14*time.Hour)
	w.Learn(from)
	a, b, c := w.Draw(7, 8, from, last), w.Draw(7, 8, from, last), w.Draw(8, 8, from, last)
	if got, want := fmt.Sprint(a.Labels.Incidents), fmt.Sprint(b.Labels.Incidents); got != want {
		t.Errorf("the same seed gives\n%s\nand\n%s", got, want)
	}
	if fmt.Sprint(a.Labels.Incidents) == fmt.Sprint(c.Labels.Incidents) {
		t.Error("another seed gives the same")
	}
	if len(a.Attacks) < 4 {
		t.Errorf("%d attacks fit", len(a.Attacks))
	}
	for i := range a.Attacks {
		one := &a.Attacks[i]
		for _, known := range w.Known {
			if !known.Slow() && one.Start < known.End.UnixNano() && one.End > known.Start.UnixNano() {
				t.Errorf("%s begins in %s", one.Shape, known.Name)
			}
		}
		for j := range a.Attacks[:i] {
			if other := &a.Attacks[j]; one.Start < other.End && one.End > other.Start {
				t.Errorf("%s and %s at the same time", one.Shape, other.Shape)
			}
		}
	}
	for i := 1; i < len(a.Items); i++ {
		if a.Items[i].Time < a.Items[i-1].Time-int64(10*time.Second) {
			t.Fatalf("item %d is %v early", i, time.Duration(a.Items[i-1].Time-a.Items[i].Time))
		}
	}
	if len(a.Items) > 2*len(r.Items) {
		t.Errorf("%d items are put into %d", len(a.Items), len(r.Items))
	}
}

// TestMadeUpAttacks prints recall and false alerts a day on made-up attacks in the
// recording (make detection):
//
//	go test ./bench/scenario -run MadeUpAttacks$ -seeds 100 -v -timeout 30m
func TestMadeUpAttacks(t *testing.T) {
	if *seeds == 0 {
		t.Skip("a table for people: make scenarios, or -seeds 100")
	}
	r, err := stream.Read(filepath.Join(stream.Folder("../.."), "dev"), stream.Options{Keying: stream.ByRole(), Text: true})
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := scenario.Audited("recording", r)
	day := int64(24 * time.Hour)
	begin := r.Labels.Start.UnixNano()
	spans := []span{{w, begin + day, begin + 2*day}, {w, begin + 2*day, begin + 3*day}}
	begun := time.Now()
	s := try(t, *seeds, spans, contenders(r))
	fmt.Printf("%d seeds of %d attacks each, in turn in the second and the third day of the recording; rivals at their best threshold on the recording's own labels\n\n", *seeds, *attacks)
	if err := s.WriteText(os.Stdout); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nin %s\n", time.Since(begun).Round(time.Second))
}

// contenders are the rivals at the threshold that is best for them on a recording.
func contenders(r *stream.Recording) []scenario.Contender {
	var out []scenario.Contender
	for _, rival := range rivals.All() {
		var scores []rivals.Score
		rival.Clone().Feed(r.Items, func(s rivals.Score) { scores = append(scores, s) })
		best, _ := rivals.Choose(func(rule rivals.Rule) detection.Report {
			return detection.Judge(r.Labels, rule.Alerts(scores), time.Time{}, time.Time{})
		}, 1e9)
		out = append(out, scenario.Contender{Rival: rival, Threshold: best})
	}
	return out
}

// TestMadeUpAttacksInCloudTrail prints the same over another kind of log, whose
// background is made of recorded records (make detection):
//
//	go test ./bench/scenario -run MadeUpAttacksInCloudTrail -seeds 100 -v -timeout 30m
func TestMadeUpAttacksInCloudTrail(t *testing.T) {
	if *seeds == 0 {
		t.Skip("a table for people: ask for it with -seeds 100")
	}
	dir := filepath.Join(stream.Folder("../.."), "cloudtrail")
	const backgrounds = 4
	var spans []span
	events := 0
	for i := range backgrounds {
		w, err := scenario.Trail(dir, uint64(i), 3)
		if errors.Is(err, os.ErrNotExist) {
			t.Skipf("the logs are not here (set LOGCLUSTER_DATA): %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		events += len(w.Items)
		from := scenario.TrailBegin.Add(48 * time.Hour).UnixNano()
		spans = append(spans, span{w, from, from + int64(24*time.Hour)})
	}
	begun := time.Now()
	s := try(t, *seeds, spans, published())
	fmt.Printf("%d seeds of %d attacks each, in turn in the third day of %d made backgrounds of %d records on average; rivals at the threshold that is best for them on the audit log\n\n",
		*seeds, *attacks, backgrounds, events/backgrounds)
	if err := s.WriteText(os.Stdout); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nin %s\n", time.Since(begun).Round(time.Second))
}

// published are the rivals at their best thresholds on the recording, where it is
// here; else at 8.
func published() []scenario.Contender {
	r, err := stream.Read(filepath.Join(stream.Folder("../.."), "dev"), stream.Options{Keying: stream.ByRole(), Text: true})
	if err == nil {
		return contenders(r)
	}
	var out []scenario.Contender
	for _, rival := range rivals.All() {
		out = append(out, scenario.Contender{Rival: rival, Threshold: 8})
	}
	return out
}
