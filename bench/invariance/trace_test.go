package invariance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

// trace is everything that an engine came to, without names, so that two runs can
// be compared in which other things have other names.
type trace struct {
	steps []step
	// whole is every change as text: for runs in which names are the same.
	whole []string
	fired int
}

// step is one evaluation.
type step struct {
	end                 int64
	evaluated, exceeded int
	z                   []float64 // of all anomalies, ascending
	scores              []float64 // of all features of all windows, ascending; now and then
}

// every is how often the features of all windows are compared, in evaluations.
const every = 10

// watch returns an observer that writes a trace; the engine is known only after
// the observer is.
func (tr *trace) watch(e **engine.Engine) engine.Observer {
	return engine.Observer{Found: func(ev *cluster.Evaluation, r anomaly.Result) {
		s := step{end: ev.End, evaluated: r.Evaluated, exceeded: r.Exceedances}
		for _, list := range [][]anomaly.Anomaly{r.Top, r.Firing, r.Unseen, r.Changes, r.Withheld} {
			for i := range list {
				s.z = append(s.z, list[i].Z)
				for _, f := range list[i].Features {
					s.z = append(s.z, f.Z)
				}
			}
		}
		slices.Sort(s.z)
		if len(tr.steps)%every == 0 {
			for i := range ev.Windows {
				x := (*e).Baselines().Expect(ev, &ev.Windows[i])
				for f := range cluster.AllFeatures {
					if t, ok := x.Score(f, &ev.Windows[i]); ok {
						s.scores = append(s.scores, t.Z())
					}
				}
			}
			slices.Sort(s.scores)
		}
		tr.steps = append(tr.steps, s)
		for i := range r.Changes {
			if r.Changes[i].State == anomaly.Firing {
				tr.fired++
			}
			change := r.Changes[i]
			change.Evidence = slices.Clone(change.Evidence)
			for j := range change.Evidence {
				change.Evidence[j].Source = 0 // where it was is another matter
			}
			text, err := json.Marshal(&change)
			if err != nil {
				panic(err)
			}
			tr.whole = append(tr.whole, string(text))
		}
	}}
}

// run gives items to an engine and returns what it came to.
func run(cfg engine.Config, items []stream.Item) *trace {
	tr := &trace{}
	var e *engine.Engine
	e = engine.New(cfg, fingerprint.Always(nil), tr.watch(&e))
	stream.AddSources(e, items)
	stream.Feed(e, items)
	e.Finish()
	return tr
}

// same compares two runs: numbers to within a tolerance relative to their size,
// zero for bit for bit; times after multiplying those of a. In so many evaluations
// other anomalies may be told of, with the same scores.
func same(t *testing.T, a, b *trace, tolerance float64, times int64, ties int) {
	t.Helper()
	if len(a.steps) != len(b.steps) {
		t.Fatalf("%d evaluations, not %d", len(b.steps), len(a.steps))
	}
	if a.fired < 3 {
		t.Fatalf("%d alerts are too few to compare anything", a.fired)
	}
	worst, wrong, tied := 0.0, 0, 0
	for i := range a.steps {
		x, y := &a.steps[i], &b.steps[i]
		w, err := x.differs(y, times)
		if tied < ties && errors.Is(err, errTold) {
			tied++
			continue
		}
		worst = math.Max(worst, w)
		if err == nil && w > tolerance {
			err = fmt.Errorf("scores differ by %g", w)
		}
		if err != nil {
			if wrong++; wrong <= 3 {
				t.Errorf("evaluation %d, at %s: %v", i, time.Unix(0, x.end).UTC().Format(time.TimeOnly), err)
			}
		}
	}
	t.Logf("%d evaluations, %d alerts, %d differ, the largest difference of a score %g", len(a.steps), a.fired, wrong+tied, worst)
}

// errTold is the difference of two evaluations with the same scores that tell of
// other anomalies.
var errTold = errors.New("other anomalies are told")

// differs returns the largest difference of a number.
func (s *step) differs(o *step, times int64) (worst float64, err error) {
	if s.end*times != o.end {
		return 0, fmt.Errorf("it ends at %d, not %d", o.end, s.end*times)
	}
	if s.evaluated != o.evaluated || len(s.scores) != len(o.scores) {
		return 0, fmt.Errorf("%d clusters and %d scores, not %d and %d", o.evaluated, len(o.scores), s.evaluated, len(s.scores))
	}
	if s.exceeded != o.exceeded {
		return 0, fmt.Errorf("%d exceed, not %d", o.exceeded, s.exceeded)
	}
	worst = distance(s.scores, o.scores)
	if len(s.z) != len(o.z) {
		return worst, fmt.Errorf("%w: %d numbers, not %d", errTold, len(o.z), len(s.z))
	}
	return math.Max(worst, distance(s.z, o.z)), nil
}

// distance is the largest difference of two lists of the same length, relative to
// the size of a number where that is above 1.
func distance(a, b []float64) (worst float64) {
	for i, v := range a {
		worst = math.Max(worst, math.Abs(v-b[i])/math.Max(1, math.Abs(v)))
	}
	return worst
}

// evening returns some hours of the bundled recording in which things happen, with
// a short learning period, everything ranked, and roles as the annotation has them.
func evening(t *testing.T) (engine.Config, []stream.Item) {
	t.Helper()
	r, err := stream.Bundled(stream.Options{Keying: stream.ByRole()})
	if err != nil {
		t.Fatal(err)
	}
	first := r.Items[0].Time
	items := slices.Clone(stream.Between(r.Items, first+int64(7*time.Hour), first+int64(18*time.Hour)))
	// The policy knows the names; without it keys must not claim to be its.
	keys := make(map[*fingerprint.ClusterKey]*fingerprint.ClusterKey)
	for i := range items {
		items[i].Print = rekeyed(items[i].Print, keys, func(k *fingerprint.ClusterKey) { k.RoleSource = 2 })
	}
	cfg := engine.DefaultConfig()
	cfg.Cluster = threeScales(2 * time.Hour)
	cfg.Baseline.Learning = 3 * time.Hour
	cfg.Anomaly.TopK = 1000
	return cfg, items
}

// rekeyed is a copy of a fingerprint whose cluster is changed, the same one for the
// same cluster.
func rekeyed(fp *fingerprint.Fingerprint, known map[*fingerprint.ClusterKey]*fingerprint.ClusterKey, change func(*fingerprint.ClusterKey)) *fingerprint.Fingerprint {
	key := known[fp.Cluster]
	if key == nil {
		k := *fp.Cluster
		change(&k)
		key = &k
		known[fp.Cluster] = key
	}
	c := *fp
	c.Cluster = key
	return &c
}

// threeScales is the default configuration with all scales on, the longest as long
// as given.
func threeScales(long time.Duration) cluster.Config {
	c := cluster.DefaultConfig()
	c.MediumWindow, c.LongWindow = time.Hour, long
	return c
}
