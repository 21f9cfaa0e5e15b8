package invariance_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// expecting is a store of baselines that writes down how it scores one and the same
// window at certain times.
type expecting struct {
	store     *baseline.Store
	every     int64
	retrained int64
	at        []int64
	scores    map[expectation]float64
}

type expectation struct {
	scale   cluster.Scale
	end     int64
	cluster fingerprint.ID
	feature cluster.Feature
}

func (x *expecting) Train(t *cluster.Training) { x.store.Train(t) }

func (x *expecting) Evaluate(ev *cluster.Evaluation) {
	if mark := ev.End - ev.End%x.every; mark > x.retrained {
		x.retrained = mark
		x.store.Retrain(mark)
	}
	if !slices.Contains(x.at, ev.End) {
		return
	}
	for i := range ev.Windows {
		// A window like the others of the cluster: only the baseline differs.
		w := ev.Windows[i]
		w.Counts = cluster.Counts{cluster.Events: 7, cluster.Denied: 1, cluster.Failed: 1, cluster.Subjects: 2, cluster.Objects: 4, cluster.Namespaces: 1, cluster.Sources: 3}
		e := x.store.Expect(ev, &w)
		for f := range cluster.NewFingerprints {
			if t, ok := e.Score(f, &w); ok {
				x.scores[expectation{ev.Scale, ev.End, w.Cluster.ID, f}] = t.Z()
			}
		}
	}
}

// The span of the invented stream, and the end of the windows that are looked at.
const (
	streamDays = 9
	lookAt     = 5
)

var streamBegin = time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC).UnixNano()

// expectations runs an invented stream of some clusters, with bursts in the minutes
// that are told, and returns what was expected of the windows that end at those times.
func expectations(burst func(minute int64) bool, at ...int64) map[expectation]float64 {
	x := &expecting{
		store: baseline.New(baseline.DefaultConfig()), every: int64(baseline.DefaultConfig().Retrain), at: at,
		scores: make(map[expectation]float64),
	}
	w := cluster.New(threeScales(24 * time.Hour))
	prints := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
	rng := rand.New(rand.NewPCG(11, 12)) // the same whether there is a burst or not
	emit := func(at int64, c, n int) {
		e := fingerprint.Event{
			Time: at, Tenant: "t", User: fmt.Sprintf("user-%d", n%7), Groups: []string{fmt.Sprintf("group-%d", c)}, Verb: "get",
			Resource: fingerprint.Resource{Name: fmt.Sprintf("things-%d", c%3), Object: fmt.Sprintf("object-%d", n%23)},
			Source:   fmt.Sprintf("10.0.0.%d", n%5), Code: 200, Decision: fingerprint.DecisionAllow, Latency: 1e6,
		}
		w.Add(&e, prints.Of(&e), cluster.Origin{Offset: -1})
	}
	end := streamBegin + streamDays*int64(24*time.Hour)
	for minute := streamBegin; minute < end; minute += int64(time.Minute) {
		for c := range 8 {
			for range rng.IntN(3) {
				n := rng.IntN(1000)
				emit(minute+rng.Int64N(int64(time.Minute)), c, n)
			}
			if c == 3 && burst(minute) {
				for i := range 40 {
					emit(minute+int64(i)*int64(time.Second), c, 1000+i)
				}
			}
		}
		w.Advance(x)
	}
	w.Finish(x)
	return x.scores
}

// What is expected of a window does not depend on what is in it, at no scale: the
// baseline had no part of it. That windows which are long gone do matter shows that
// the test would see it.
func TestNoWindowIsInItsOwnBaseline(t *testing.T) {
	c := threeScales(24 * time.Hour)
	end := streamBegin + lookAt*int64(24*time.Hour)
	later := end + int64(72*time.Hour)
	quiet := expectations(func(int64) bool { return false }, end, later)
	for scale, length := range map[cluster.Scale]time.Duration{cluster.Short: c.Window, cluster.Medium: c.MediumWindow, cluster.Long: c.LongWindow} {
		// In its first and last minutes, so that it is no new level.
		const minutes = 5 * int64(time.Minute)
		start := end - int64(length)
		burst := expectations(func(at int64) bool {
			return at >= start && at < start+minutes || at >= end-minutes && at < end
		}, end, later)
		compared, moved := 0, 0
		for at, want := range quiet {
			if at.scale != scale {
				continue
			}
			if at.end == later {
				if got := burst[at]; got != want {
					moved++
				}
				continue
			}
			compared++
			if got := burst[at]; got != want {
				t.Errorf("%s: feature %d of cluster %v scores %v with a burst in the window, %v without", scale, at.feature, at.cluster, got, want)
			}
		}
		if compared < 20 || moved == 0 {
			t.Errorf("%s: %d expectations compared, %d moved later", scale, compared, moved)
		}
	}
}
