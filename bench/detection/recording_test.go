package detection_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/policy"
	"github.com/logcluster/logcluster/ingest/recording"
)

var sweep = flag.Bool("sweep", false, "print the detection at half and double of every constant")

// recorded is a recording, decoded and fingerprinted.
type recorded struct {
	labels *detection.Labels
	events []fingerprint.Event
	prints []*fingerprint.Fingerprint
}

// keying is what the clusters are told apart by.
type keying struct {
	name string
	// policy uses the recording's RBAC objects, and reasons the authorizer's
	// word; with neither, the mapping counts.
	policy, reasons bool
	mapping         []fingerprint.MappingRule
}

var (
	byRole       = keying{name: "all bound roles (as shipped)", policy: true, reasons: true}
	byAnnotation = keying{name: "annotation only", reasons: true}
	byUser       = keying{name: "user name only", mapping: []fingerprint.MappingRule{{User: "(?P<user>.*)", Role: "${user}"}}}
)

func load(t *testing.T, by keying) *recorded {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("LOGCLUSTER_DATA"), filepath.Join("..", "..", "..", "shared", "data")), "dev")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if testing.Short() {
		t.Skip("replays three days: skipped by -short")
	}
	r := &recorded{}
	var err error
	if r.labels, err = detection.LoadLabels(filepath.Join(dir, "labels.json")); err != nil {
		t.Fatal(err)
	}
	var resolver *rbac.Policy
	if by.policy {
		loaded, err := policy.LoadFiles(filepath.Join(dir, "rbac.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if resolver, err = rbac.New(loaded.Objects); err != nil {
			t.Fatal(err)
		}
	}
	mapping, err := fingerprint.NewMapping(by.mapping)
	if err != nil {
		t.Fatal(err)
	}
	r.decode(t, filepath.Join(dir, "audit.jsonl.zst"), by.reasons, fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{
		Policies: fingerprint.Always(resolver), Mapping: mapping,
	}))
	return r
}

func (r *recorded) decode(t *testing.T, path string, reasons bool, prints *fingerprint.Fingerprinter) {
	source, err := recording.Open(path, recording.Options{})
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	keep := func(s string) string {
		kept, ok := texts[s]
		if !ok {
			kept = strings.Clone(s)
			texts[kept] = kept
		}
		return kept
	}
	decoder := ingest.NewDecoder(ingest.DefaultConfig())
	observe := func(e *fingerprint.Event) {
		e.Tenant = "default"
		if !reasons {
			e.Reason = ""
		}
		r.prints = append(r.prints, prints.Of(e))
		user, _ := e.Subject()
		r.events = append(r.events, fingerprint.Event{
			Time: e.Time, User: keep(user), Decision: e.Decision, Code: e.Code, Source: keep(e.Source),
			Resource: fingerprint.Resource{Namespace: keep(e.Resource.Namespace), Object: keep(e.Resource.Object)},
		})
	}
	if err := source.Each(t.Context(), func(batch *recording.Batch) error {
		for _, record := range batch.Values {
			if _, err := decoder.Decode(record, observe); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// stages are the pure stages as the application composes them.
type stages struct {
	store       *baseline.Store
	detector    *anomaly.Detector
	every       int64
	retrained   int64
	alerts      []alert.Alert
	first, last time.Time
	evaluated   int
	exceeded    int
}

func (s *stages) Train(t *cluster.Training) { s.store.Train(t) }

func (s *stages) Evaluate(ev *cluster.Evaluation) {
	if mark := ev.End - ev.End%s.every; mark > s.retrained {
		s.store.Retrain(mark)
		s.retrained = mark
	}
	r := s.detector.Evaluate(ev)
	if s.first.IsZero() {
		s.first = r.Start
	}
	s.last = r.End
	s.evaluated += r.Evaluated
	s.exceeded += r.Exceedances
	for i := range r.Changes {
		s.alerts = append(s.alerts, alert.From(&r.Changes[i], alert.Config{}))
	}
}

// replay returns the report, and the share of windows beyond the exceedance.
func (r *recorded) replay(bc baseline.Config, ac anomaly.Config) (detection.Report, float64) {
	s := &stages{store: baseline.New(bc), every: int64(bc.Retrain)}
	s.detector = anomaly.New(ac, s.store)
	w := cluster.New(cluster.DefaultConfig())
	w.AddSource(0, "recording")
	for i := range r.events {
		w.Add(&r.events[i], r.prints[i], 0, 0)
		if i%64 == 0 {
			w.Advance(s)
		}
	}
	w.Finish(s)
	return detection.Judge(r.labels, s.alerts, s.first, s.last), float64(s.exceeded) / float64(s.evaluated)
}

// The quality that the project promises on its recording, with and without a
// role policy. The bounds leave room for changes that are right for other
// reasons; they are no target to fit to.
func TestDetectionOnTheRecording(t *testing.T) {
	for _, by := range []keying{byRole, byAnnotation} {
		t.Run(by.name, func(t *testing.T) {
			report, exceeded := load(t, by).replay(baseline.DefaultConfig(), anomaly.DefaultConfig())
			var text strings.Builder
			if err := report.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			t.Logf("%.2f %% of the windows exceed\n%s", 100*exceeded, text.String())
			if report.Found < 12 || report.FalsePerDay.Value > 10 {
				t.Errorf("%d incidents found, %.1f false alerts a day", report.Found, report.FalsePerDay.Value)
			}
			// Nominally 1.24 %.
			if exceeded < 0.004 || exceeded > 0.03 {
				t.Errorf("%.2f %% of the windows exceed", 100*exceeded)
			}
		})
	}
}

// constants are what the sweep moves.
var constants = []struct {
	name string
	set  func(b *baseline.Config, a *anomaly.Config, by float64)
}{
	{"baseline.learning", func(b *baseline.Config, _ *anomaly.Config, by float64) { b.Learning = times(b.Learning, by) }},
	{"baseline.retrain", func(b *baseline.Config, _ *anomaly.Config, by float64) { b.Retrain = times(b.Retrain, by) }},
	{"baseline.hour_weight", func(b *baseline.Config, _ *anomaly.Config, by float64) { b.HourWeight *= by }},
	{"baseline.dispersion_weight", func(b *baseline.Config, _ *anomaly.Config, by float64) { b.DispersionWeight *= by }},
	{"baseline.clip_z", func(b *baseline.Config, _ *anomaly.Config, by float64) { b.ClipZ = max(b.ClipZ*by, 2.5) }},
	{"anomaly.false_alerts_per_day", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.FalseAlertsPerDay *= by }},
	{"anomaly.fire_after", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.FireAfter = whole(a.FireAfter, by) }},
	{"anomaly.min_events", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.MinEvents = whole(a.MinEvents, by) }},
	{"anomaly.min_ratio, less 1", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.MinRatio = 1 + (a.MinRatio-1)*by }},
	{"anomaly.absent_after", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.AbsentAfter = times(a.AbsentAfter, by) }},
	{"anomaly.resolve_after", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.ResolveAfter = times(a.ResolveAfter, by) }},
	{"anomaly.cool_down", func(_ *baseline.Config, a *anomaly.Config, by float64) { a.CoolDown = times(a.CoolDown, by) }},
}

func times(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

func whole(n int, by float64) int { return int(float64(n)*by + 0.5) }

// TestSweep prints the table of ARCHITECTURE.md:
//
//	go test ./bench/detection -run Sweep -sweep -v
func TestSweep(t *testing.T) {
	if !*sweep {
		t.Skip("a table for people: ask for it with -sweep")
	}
	r := load(t, byRole)
	fmt.Println("| constant | by | found | exactly | false a day | alerts a day | median time to detect | by chance |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	row := func(name, by string, bc baseline.Config, ac anomaly.Config) {
		p, _ := r.replay(bc, ac)
		fmt.Printf("| %s | %s | %d | %d | %.1f | %.1f | %.0f s | %.2f |\n",
			name, by, p.Found, p.Exact, p.FalsePerDay.Value, p.AlertsPerDay, p.MedianSeconds, p.Chance*float64(p.Incidents))
	}
	row("as shipped", "1", baseline.DefaultConfig(), anomaly.DefaultConfig())
	for _, c := range constants {
		for _, by := range []float64{0.5, 2} {
			bc, ac := baseline.DefaultConfig(), anomaly.DefaultConfig()
			c.set(&bc, &ac, by)
			row(c.name, fmt.Sprint(by), bc, ac)
		}
	}
}
