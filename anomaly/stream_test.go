package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// scaleOf is how a stream is cut.
var scaleOf = [cluster.NumScales]struct{ window, slide int }{
	cluster.Short: {10, 1}, cluster.Medium: {120, 10}, cluster.Long: {2880, 120},
}

// stream plays event counts, one for each cluster and slide of 30 seconds, at
// all three scales, as the windows would hand them out.
type stream struct {
	store    *baseline.Store
	detector *Detector
	clusters []*fingerprint.ClusterKey
	slides   [][]uint32 // of each slide so far, by cluster
	mark     int64
	slide    time.Duration
	base     baseline.Config
	scales   []cluster.Scale // that are in use, the longest first
	results  []Result
}

func newStream(cfg Config, keys ...*fingerprint.ClusterKey) *stream {
	b := baseline.DefaultConfig()
	b.Calendar = false
	store := baseline.New(b)
	return &stream{
		store: store, detector: New(cfg, store), clusters: keys, slide: 30 * time.Second, base: b,
		scales: []cluster.Scale{cluster.Long, cluster.Medium, cluster.Short},
	}
}

func key(i int, role, resource string, access fingerprint.Access, sensitive bool) *fingerprint.ClusterKey {
	return &fingerprint.ClusterKey{ID: fingerprint.ID(i), Tenant: "t", Role: role, Resource: resource, Access: access, Sensitive: sensitive}
}

// sum adds up the events of a cluster in the last slides.
func (s *stream) sum(cluster, slides int) uint32 {
	n := uint32(0)
	for _, row := range s.slides[max(0, len(s.slides)-slides):] {
		n += row[cluster]
	}
	return n
}

// windows are the clusters that have events in the last slides.
func (s *stream) windows(slides, fresh int) []cluster.Window {
	var ws []cluster.Window
	for i, k := range s.clusters {
		n := s.sum(i, slides)
		if n == 0 {
			continue
		}
		born := slices.IndexFunc(s.slides, func(row []uint32) bool { return row[i] > 0 })
		w := cluster.Window{Cluster: k, FirstPane: testOrigin + int64(born)*int64(s.slide), Detail: named{"user-" + k.Role, n}}
		w.Counts[cluster.Events], w.Fresh[cluster.Events] = n, s.sum(i, fresh)
		for f := cluster.Subjects; f <= cluster.Sources; f++ {
			w.Counts[f] = 1
		}
		ws = append(ws, w)
	}
	return ws
}

// play plays one slide.
func (s *stream) play(counts ...uint32) {
	s.slides = append(s.slides, counts)
	at := testOrigin + int64(len(s.slides))*int64(s.slide)
	for _, scale := range s.scales {
		window := scaleOf[scale].window
		if len(s.slides)%window == 0 {
			s.store.Train(&cluster.Training{
				Tenant: "t", Scale: scale, Start: at - int64(window)*int64(s.slide), End: at, Windows: s.windows(window, 0),
			})
		}
	}
	if mark := at - at%int64(s.base.Retrain); mark > s.mark {
		s.detector.Shifted(s.store.Retrain(mark))
		s.mark = mark
	}
	for _, scale := range s.scales {
		cut := scaleOf[scale]
		if len(s.slides) < cut.window || len(s.slides)%cut.slide != 0 {
			continue
		}
		ev := &cluster.Evaluation{
			Tenant: "t", Scale: scale, Start: at - int64(cut.window)*int64(s.slide), End: at,
			Windows: s.windows(cut.window, cut.slide),
		}
		if scale == cluster.Short {
			s.results = append(s.results, s.detector.Evaluate(ev))
		} else {
			s.detector.Note(ev, nil)
		}
	}
}

// rate is Poisson noise around a mean.
func rate(rng *rand.Rand, mean float64) uint32 {
	n, p := uint32(0), math.Exp(-mean)
	for u := rng.Float64(); u > p; u *= rng.Float64() {
		n++
	}
	return n
}

// brief prints anomalies for people.
func brief(anomalies []Anomaly) string {
	var b strings.Builder
	for i := range anomalies {
		a := &anomalies[i]
		fmt.Fprintf(&b, "\n%s %s %s %s z %.1f", a.WindowEnd.Format("Mon 15:04:05"), a.State, a.Cluster.Role, a.Scale, a.Z)
		for _, f := range a.Features {
			fmt.Fprintf(&b, ", %s %s %.0f (%.0f, %.0f to %.0f)", f.Name, f.Scale, f.Observed, f.Expected, f.Low, f.High)
		}
	}
	return b.String()
}

// changes are those of a role since a result, of what fired since then.
func (s *stream) changes(from int, role string) []Anomaly {
	var out []Anomaly
	for _, r := range s.results[from:] {
		for _, a := range r.Changes {
			if a.Cluster.Role == role && !a.FiredAt.Before(s.results[from].End) {
				out = append(out, a)
			}
		}
	}
	return out
}

const perDay = 2880

// What is a few events an hour more is nothing in five minutes and clear in an
// hour; it fires by the longer scale and is over when that is quiet for as many
// evaluations as firing may take.
func TestSlowAndLow(t *testing.T) {
	s := newStream(DefaultConfig(),
		key(1, "a", "pods", fingerprint.AccessRead, false), key(2, "b", "maps", fingerprint.AccessRead, false))
	rng := rand.New(rand.NewPCG(1, 2))
	steady := func() uint32 { return rate(rng, 5) }
	for range 6 * perDay {
		s.play(steady(), rate(rng, 3.0/120))
	}
	before := len(s.results)
	for i := range 200 {
		low := uint32(0)
		if i%5 == 0 { // 24 an hour, 2 in five minutes, instead of 3 an hour
			low = 1
		}
		s.play(steady(), low)
	}
	fired := s.changes(before, "b")
	if len(fired) != 1 || fired[0].State != Firing || fired[0].Scale == cluster.Short {
		t.Fatalf("slow and low: %s", brief(fired))
	}
	if wait := fired[0].FiredAt.Sub(unix(testOrigin)) - 144*time.Hour; wait > 2*time.Hour {
		t.Errorf("fired after %v", wait)
	}
	for range 5 * 120 {
		s.play(steady(), rate(rng, 3.0/120))
	}
	over := s.changes(before, "b")
	if len(over) != 2 || over[1].State != Resolved || over[1].ID != fired[0].ID {
		t.Errorf("afterwards: %s", brief(over))
	}
}

// A short burst is told once and is over ten minutes later, although the hour and
// the day contain it for long.
func TestBurstFiresOnce(t *testing.T) {
	s := newStream(DefaultConfig(),
		key(1, "a", "pods", fingerprint.AccessRead, false), key(2, "b", "secrets", fingerprint.AccessRead, true))
	rng := rand.New(rand.NewPCG(3, 4))
	play := func(slides int, burst uint32) {
		for range slides {
			s.play(rate(rng, 5), rate(rng, 1)+burst)
		}
	}
	s.scales = s.scales[1:] // the day is another test
	play(6*perDay, 0)
	before := len(s.results)
	play(20, 30)
	play(perDay+4*120, 0)
	of := s.changes(before, "b")
	if len(of) != 2 || of[0].State != Firing || of[1].State != Resolved {
		t.Fatalf("a burst of ten minutes: %s%s", brief(of), brief(s.results[before+15].Firing))
	}
	if lasted := of[1].ResolvedAt.Sub(of[0].FiredAt); lasted > time.Hour {
		t.Errorf("it lasted %v", lasted)
	}
}

// Any restart goes on bit for bit, with the longer scales too.
func TestRestartWithAllScales(t *testing.T) {
	run := func(restart int) []Result {
		s := newStream(DefaultConfig(),
			key(1, "a", "pods", fingerprint.AccessRead, false), key(2, "b", "secrets", fingerprint.AccessRead, true),
			key(3, "c", "jobs", fingerprint.AccessWrite, false))
		rng := rand.New(rand.NewPCG(5, 6))
		for i := range perDay + 600 {
			if i == restart {
				fresh := baseline.New(s.base)
				if err := fresh.Restore(s.store.Snapshot()); err != nil {
					t.Fatal(err)
				}
				d := New(s.detector.cfg, fresh)
				if err := d.Restore(s.detector.Snapshot()); err != nil {
					t.Fatal(err)
				}
				s.store, s.detector = fresh, d
			}
			burst := uint32(0)
			if i > perDay+100 && i < perDay+130 {
				burst = 40
			}
			s.play(rate(rng, 5), rate(rng, 0.1)+burst, uint32(i%7/6)*rate(rng, 20))
		}
		return s.results
	}
	want := run(-1)
	for _, at := range []int{700, perDay + 110, perDay + 245} {
		got := run(at)
		for i := range want {
			if !reflect.DeepEqual(want[i], got[i]) {
				t.Fatalf("restart before slide %d: evaluation %d differs:\n%+v\n%+v", at, i, want[i], got[i])
			}
		}
	}
	changes := 0
	for _, r := range want {
		changes += len(r.Changes)
	}
	if changes == 0 {
		t.Error("nothing ever fired: the test tests nothing")
	}
}

// What is slow and becomes fast is told again: the slow one does not hide it.
func TestSlowDoesNotHideFast(t *testing.T) {
	s := newStream(DefaultConfig(),
		key(1, "a", "pods", fingerprint.AccessRead, false), key(2, "b", "maps", fingerprint.AccessRead, false))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 6 * perDay {
		s.play(rate(rng, 5), rate(rng, 3.0/120))
	}
	before := len(s.results)
	for i := range 240 {
		n := uint32(0)
		switch {
		case i >= 200:
			n = 40
		case i%5 == 0:
			n = 1
		}
		s.play(rate(rng, 5), n)
	}
	got := s.changes(before, "b")
	if len(got) != 3 || got[1].State != Resolved || got[1].ID != got[0].ID || got[2].State != Firing || got[2].Scale != cluster.Short {
		t.Fatalf("slow, then fast: %s", brief(got))
	}
	if wait := got[2].FiredAt.Sub(unix(testOrigin)) - 144*time.Hour - 100*time.Minute; wait > 3*time.Minute {
		t.Errorf("the fast one fired after %v", wait)
	}
}
