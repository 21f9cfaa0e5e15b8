package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

const (
	window = int64(5 * time.Minute)
	slide  = int64(30 * time.Second)
	grace  = int64(2 * time.Minute)
	origin = int64(1_700_006_400_000_000_000) // a midnight, UTC
)

func key(id uint64) *fingerprint.ClusterKey {
	return &fingerprint.ClusterKey{
		ID: fingerprint.ID(id), Tenant: "t", Role: "Role/ns/r" + string(rune('a'+id%7)),
		Resource: "pods", Access: fingerprint.Access(id % 6), Sensitive: id%5 == 0,
	}
}

// counts makes a plausible vector for so many events.
func counts(events uint32) cluster.Counts {
	var c cluster.Counts
	c[cluster.Events] = events
	for f := cluster.Subjects; f <= cluster.Sources; f++ {
		c[f] = min(events, 1+events/4)
	}
	return c
}

func training(start int64, windows ...cluster.Window) *cluster.Training {
	slices.SortFunc(windows, func(a, b cluster.Window) int { return int(a.Cluster.ID) - int(b.Cluster.ID) })
	return &cluster.Training{Tenant: "t", Start: start, End: start + window, Windows: windows}
}

func evaluation(end int64, windows ...cluster.Window) *cluster.Evaluation {
	return &cluster.Evaluation{Tenant: "t", Start: end - window, End: end, Windows: windows}
}

// steady trains n windows of a cluster that has events(i) events in each.
func steady(s *Store, k *fingerprint.ClusterKey, n int, events func(i int) uint32) int64 {
	for i := range n {
		start := origin + int64(i)*window
		var ws []cluster.Window
		if e := events(i); e > 0 {
			ws = append(ws, cluster.Window{Cluster: k, FirstPane: origin, Counts: counts(e)})
		}
		s.Train(training(start, ws...))
	}
	end := origin + int64(n)*window
	s.Retrain(end + window)
	return end + window
}

func opinion(t *testing.T, s *Store, at int64, k *fingerprint.ClusterKey, c cluster.Counts, f cluster.Feature) Opinion {
	t.Helper()
	w := cluster.Window{Cluster: k, FirstPane: origin, Counts: c}
	x := s.Expect(evaluation(at, w), &w)
	o, ok := x.Opinion(f, &w)
	if !ok {
		t.Fatalf("no opinion about feature %d", f)
	}
	return o
}

func TestFitOfASteadyCluster(t *testing.T) {
	s := New(DefaultConfig())
	rng := rand.New(rand.NewPCG(1, 2))
	at := steady(s, key(1), 2*288, func(int) uint32 { return 90 + uint32(rng.IntN(21)) })
	o := opinion(t, s, at, key(1), counts(100), cluster.Events)
	if math.Abs(o.Expected-100) > 2 || math.Abs(o.Z) > 0.3 {
		t.Errorf("expected %v with z %v of 100 events, want about 100 and 0", o.Expected, o.Z)
	}
	// The model's floor of the dispersion and Poisson noise make a standard
	// deviation of at least 11.
	if o.Low < 65 || o.Low > 90 || o.High < 110 || o.High > 135 {
		t.Errorf("95 %% band %v to %v", o.Low, o.High)
	}
	if z := opinion(t, s, at, key(1), counts(300), cluster.Events).Z; z < 6 {
		t.Errorf("three times as many: z %v", z)
	}
}

func TestFitFollowsTheHourOfTheDay(t *testing.T) {
	s := New(DefaultConfig())
	night := func(i int) bool { h := i / 12 % 24; return h < 8 || h >= 18 }
	at := steady(s, key(1), 4*288, func(i int) uint32 {
		if night(i) {
			return 2
		}
		return 60
	})
	midnight := opinion(t, s, at, key(1), counts(60), cluster.Events)
	noon := opinion(t, s, at+12*int64(time.Hour), key(1), counts(60), cluster.Events)
	if midnight.Z < noon.Z+2 || math.Abs(noon.Z) > 1.5 {
		t.Errorf("60 events have z %v at midnight and %v at noon", midnight.Z, noon.Z)
	}
}

func TestOpinionFromTheSecondWindow(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Learning = 0
	s := New(cfg)
	steady(s, key(9), 24, func(int) uint32 { return 5 })
	born := origin + 24*window
	s.Train(training(born, cluster.Window{Cluster: key(1), FirstPane: born, Counts: counts(2)}))
	s.Retrain(born + 2*window)
	w := cluster.Window{Cluster: key(1), FirstPane: born, Counts: counts(2)}
	x := s.Expect(evaluation(born+2*window, w), &w)
	if x.Born() {
		t.Fatal("the second window is taken for the first")
	}
	if o, ok := x.Opinion(cluster.Events, &w); !ok || math.Abs(o.Z) > Exceedance {
		t.Errorf("2 events after 2: %+v, %v", o, ok)
	}
	many := counts(500)
	if o, _ := x.Opinion(cluster.Events, &cluster.Window{Counts: many}); o.Z < 4 {
		t.Errorf("500 events after 2: z %v", o.Z)
	}
}

func TestSparseClusterIsNotZeroOverZero(t *testing.T) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 2*288, func(i int) uint32 {
		if i%144 == 0 {
			return 1
		}
		return 0
	})
	one, three := opinion(t, s, at, key(1), counts(1), cluster.Events), opinion(t, s, at, key(1), counts(30), cluster.Events)
	if one.Z < 1.5 || one.Z > 3.5 || three.Z < one.Z+0.5 {
		t.Errorf("z of 1 and 30 events: %v and %v", one.Z, three.Z)
	}
}

func TestNewThings(t *testing.T) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 2*288, func(int) uint32 { return 20 })
	w := cluster.Window{Cluster: key(2), FirstPane: at - window, Counts: counts(1)}
	x := s.Expect(evaluation(at, w), &w)
	if o, ok := x.Opinion(cluster.Events, &w); !ok || !x.Born() || o.Z < 2.5 || o.Expected != 0 || o.High != 0 {
		t.Errorf("the first new cluster in two days: %+v, opinion %v", o, ok)
	}
	c := counts(20)
	c[cluster.NewSubjectResources] = 1
	if o := opinion(t, s, at, key(1), c, cluster.NewSubjectResources); o.Z < 2.5 {
		t.Errorf("the first new subject in two days: %+v", o)
	}
	if o := opinion(t, s, at, key(1), counts(20), cluster.NewSubjectResources); o.Z != 0 || o.LogP != 0 {
		t.Errorf("nothing new: %+v", o)
	}
}

// A new power is news like any other; without one it takes no part.
func TestNewPower(t *testing.T) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 2*288, func(int) uint32 { return 20 })
	usual, risen := counts(20), counts(20)
	risen[cluster.NewSubjectPowers] = 1
	if o := opinion(t, s, at, key(1), risen, cluster.NewSubjectPowers); o.Z < 2.5 {
		t.Errorf("the first new power in two days: %+v", o)
	}
	w := cluster.Window{Cluster: key(1), FirstPane: origin, Counts: usual}
	x := s.Expect(evaluation(at, w), &w)
	with := cluster.Window{Counts: risen}
	if _, ok := x.Opinion(cluster.NewSubjectPowers, &w); ok || x.Opinions(&with) != x.Opinions(&w)+1 {
		t.Errorf("opinion %v, %d opinions without and %d with one", ok, x.Opinions(&w), x.Opinions(&with))
	}
}

func TestLearningHasNoOpinionAboutNewThings(t *testing.T) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 100, func(int) uint32 { return 20 })
	if !s.Learning("t", at) || !s.Learning("unknown", at) || s.Learning("t", origin+int64(12*time.Hour)) {
		t.Error("learning is not the first 12 hours")
	}
	w := cluster.Window{Cluster: key(2), FirstPane: at - window, Counts: counts(1)}
	x := s.Expect(evaluation(at, w), &w)
	if n := x.Opinions(&w); n != 0 || !x.Usual(&w) {
		t.Errorf("%d opinions about a new cluster while learning", n)
	}
}

func TestSharesOfTheEvents(t *testing.T) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 288, func(int) uint32 { return 50 })
	c := counts(50)
	c[cluster.Denied] = 40
	if o := opinion(t, s, at, key(1), c, cluster.Denied); o.Z < 4 || o.Expected != 0 {
		t.Errorf("40 of 50 denied, never one before: %+v", o)
	}
	w := cluster.Window{Cluster: key(1), FirstPane: origin}
	x := s.Expect(evaluation(at, w), &w)
	if _, ok := x.Opinion(cluster.Denied, &cluster.Window{}); ok {
		t.Error("an opinion about the share of no events")
	}
}

// trainOn trains one window after the other from the i-th on, retraining each
// time.
func trainOn(s *Store, k *fingerprint.ClusterKey, i, n int, events func(i int) uint32) (at int64) {
	for ; n > 0; i, n = i+1, n-1 {
		start := origin + int64(i)*window
		at = start + 2*window
		s.Train(training(start, cluster.Window{Cluster: k, FirstPane: origin, Counts: counts(events(i))}))
		s.Retrain(at)
	}
	return at
}

func TestOutliersAreClipped(t *testing.T) {
	band := func(attack uint32) float64 {
		s := New(DefaultConfig())
		steady(s, key(1), 2*288, func(int) uint32 { return 20 })
		at := trainOn(s, key(1), 2*288, 12, func(i int) uint32 {
			if i < 2*288+6 {
				return attack
			}
			return 20
		})
		return opinion(t, s, at, key(1), counts(20), cluster.Events).High
	}
	if quiet, after := band(20), band(5000); after > 4*quiet {
		t.Errorf("half an hour of 5000 events instead of 20 moves the band from %v to %v", quiet, after)
	}
}

func TestALastingLevelIsAccepted(t *testing.T) {
	s := New(DefaultConfig())
	steady(s, key(1), 288, func(int) uint32 { return 20 })
	at := trainOn(s, key(1), 288, 288, func(int) uint32 { return 60 })
	if o := opinion(t, s, at, key(1), counts(60), cluster.Events); math.Abs(o.Z) > Exceedance {
		t.Errorf("after a day at the new level: %+v", o)
	}
}

func TestMissing(t *testing.T) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 2*288, func(int) uint32 { return 20 })
	missing := func(ev *cluster.Evaluation) (z []float64) {
		s.Missing(ev, func(a *Absent) {
			for _, n := range []float64{0, 1, 2, 5, 100} {
				z = append(z, a.Tails(n).Z())
			}
		})
		return z
	}
	z := missing(evaluation(at))
	if len(z) == 0 || z[1] > -Exceedance || !slices.IsSortedFunc(z, func(a, b float64) int {
		return int(math.Copysign(1, b-a))
	}) && z[0] != z[1] {
		t.Errorf("z of longer and longer silences: %v", z)
	}
	w := cluster.Window{Cluster: key(1), FirstPane: origin, Counts: counts(1)}
	if z := missing(evaluation(at, w)); z != nil {
		t.Errorf("a cluster that is there is missed: %v", z)
	}
}

func TestHistoryIsForgotten(t *testing.T) {
	cfg := DefaultConfig()
	cfg.History = 24 * time.Hour
	s := New(cfg)
	steady(s, key(1), 12, func(int) uint32 { return 20 })
	for i := 12; i < 600; i++ {
		start := origin + int64(i)*window
		s.Train(training(start, cluster.Window{Cluster: key(2), FirstPane: origin, Counts: counts(5)}))
		s.Retrain(start + 2*window)
	}
	tn := &s.tenants["t"].scales[cluster.Short]
	if tn.clusters[1] != nil || len(tn.order) != 1 {
		t.Error("a cluster outlives the history")
	}
	if n := len(tn.live.cells); n < 24 || n > 26 {
		t.Errorf("%d cells are kept", n)
	}
	h := tn.clusters[2]
	var total Moments
	for _, c := range h.cells.snapshot() {
		total.add(&c.Moments)
	}
	if total != h.total {
		t.Errorf("the total %+v is not the sum of the cells %+v", h.total, total)
	}
	if use := useOf(key(1)); tn.rates.uses[use] != 0 {
		t.Error("the use of a forgotten cluster is remembered")
	}
}

func TestIncompleteWindowsAreLeftOut(t *testing.T) {
	s := New(DefaultConfig())
	tr := training(origin, cluster.Window{Cluster: key(1), FirstPane: origin, Counts: counts(5)})
	tr.Incomplete = true
	s.Train(tr)
	s.Retrain(origin + 10*window)
	if s.Until("t") != 0 {
		t.Error("an incomplete window is in the baseline")
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults are invalid: %v", err)
	}
	err := Config{}.Validate()
	for _, field := range []string{"history", "retrain", "hour_weight", "clip_z"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("the zero configuration is not said to have a wrong %s: %v", field, err)
		}
	}
}

func BenchmarkUsual(b *testing.B) {
	s := New(DefaultConfig())
	at := steady(s, key(1), 288, func(int) uint32 { return 20 })
	w := cluster.Window{Cluster: key(1), FirstPane: origin, Counts: counts(22)}
	ev := evaluation(at, w)
	b.ReportAllocs()
	for b.Loop() {
		x := s.Expect(ev, &w)
		if !x.Usual(&w) {
			b.Fatal("22 after 20 is not usual")
		}
	}
}

// A retrain of a tenant with 1,000 clusters and 3 days of history.
func BenchmarkRetrain(b *testing.B) {
	s := New(DefaultConfig())
	keys := make([]*fingerprint.ClusterKey, 1000)
	for i := range keys {
		keys[i] = key(uint64(i + 1))
	}
	train := func(start int64) {
		ws := make([]cluster.Window, len(keys))
		for i, k := range keys {
			ws[i] = cluster.Window{Cluster: k, FirstPane: origin, Counts: counts(uint32(1 + (i+int(start/window))%50))}
		}
		s.Train(&cluster.Training{Tenant: "t", Start: start, End: start + window, Windows: ws})
	}
	start := origin
	for range 3 * 288 {
		train(start)
		start += window
	}
	s.Retrain(start + window)
	b.ReportAllocs()
	for b.Loop() {
		train(start)
		start += window
		s.Retrain(start + window)
	}
}
