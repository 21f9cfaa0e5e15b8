package baseline

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// world plays a random tenant to a store as the application does.
type world struct {
	rng   *rand.Rand
	store *Store
	keys  []*fingerprint.ClusterKey
	at    int64
	last  int64
	// scores are everything that was asked of the store.
	scores []float64
}

func newWorld(seed uint64) *world {
	cfg := DefaultConfig()
	cfg.Learning = time.Hour
	cfg.History = 12 * time.Hour
	cfg.LevelShiftAfter = 30 * time.Minute
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), store: New(cfg), at: origin}
	for id := range uint64(12) {
		w.keys = append(w.keys, key(id+1))
	}
	return w
}

// windows makes the windows of a span, reproducibly: the same span always has
// the same content, unless salt differs.
func (w *world) windows(start int64, salt uint64) []cluster.Window {
	rng := rand.New(rand.NewPCG(uint64(start), salt))
	var ws []cluster.Window
	for i, k := range w.keys {
		if rng.IntN(3) == 0 && i > 3 {
			continue
		}
		c := counts(uint32(1 + rng.IntN(1+10*i)))
		if rng.IntN(20) == 0 {
			c[cluster.Events] *= 30
			c[cluster.Denied] = c[cluster.Events] / 2
			c[cluster.NewSubjectSources] = 1
		}
		ws = append(ws, cluster.Window{
			Cluster: k, FirstPane: origin + int64(i)*int64(20*time.Minute), Counts: c, Shape: shapeOf(rng, c[cluster.Events]),
		})
	}
	return ws
}

// shapeOf makes a shape of so many events.
func shapeOf(rng *rand.Rand, events uint32) cluster.Shape {
	var x cluster.Shape
	for range events {
		x.Verbs[rng.IntN(3)]++
		x.Outcomes[rng.IntN(10)/9]++
		log := uint64(2000 + rng.IntN(1000))
		x.Latency.N++
		x.Latency.Sum += log
		x.Latency.Square += log * log
	}
	x.TopObject = 1 + uint32(rng.IntN(int(events)))
	x.TopSubject = 1 + uint32(rng.IntN(int(events)))
	x.Either = 5
	x.Stayed = uint32(rng.IntN(6))
	return x
}

// ask evaluates, asks for everything and keeps the answers.
func (w *world) ask(scale cluster.Scale, length int64) {
	ev := evaluation(w.at, w.windows(w.at-length, 99)...)
	ev.Scale, ev.Start = scale, w.at-length
	for i := range ev.Windows {
		x := w.store.Expect(ev, &ev.Windows[i])
		for f := range cluster.AllFeatures {
			if o, ok := x.Opinion(f, &ev.Windows[i]); ok {
				w.scores = append(w.scores, o.Z, o.LogP, o.Expected, o.Low, o.High)
			}
		}
	}
	w.store.Missing(ev, func(a *Absent) { w.scores = append(w.scores, a.Tails(2).Z()) })
}

// spans are the lengths of the windows of each scale: shorter than by default, so
// that there are some in what a test can play.
var spans = [cluster.NumScales]int64{window, 4 * window, 12 * window}

// step advances one slide: retrain, train and evaluate where they fall due.
func (w *world) step(salt func(start int64) uint64) {
	w.at += slide
	for scale, length := range spans {
		if start := w.at - grace - length; start >= origin && (start-origin)%length == 0 {
			t := training(start, w.windows(start, salt(start+length))...)
			t.Scale, t.End = cluster.Scale(scale), start+length
			w.store.Train(t)
		}
	}
	if mark := w.at - w.at%int64(10*time.Minute); mark > w.last {
		w.store.SetFamilies("t", func(role string) string { return role[:len(role)-1] })
		w.store.Retrain(mark)
		w.last = mark
	}
	w.scores = w.scores[:0]
	for scale, length := range spans {
		if w.at-length >= origin {
			w.ask(cluster.Scale(scale), length)
		}
	}
}

func noSalt(int64) uint64 { return 0 }

func TestRestoreGoesOnBitForBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(0, 600).Draw(t, "steps before") {
			w.step(noSalt)
		}
		data, err := cbor.Marshal(w.store.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		var st State
		if err := cbor.Unmarshal(data, &st); err != nil {
			t.Fatal(err)
		}
		again := *w
		again.scores = nil
		again.store = New(w.store.cfg)
		if err := again.store.Restore(st); err != nil {
			t.Fatal(err)
		}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps after") {
			w.step(noSalt)
			again.step(noSalt)
			if !slices.Equal(w.scores, again.scores) {
				t.Fatalf("step %d after the restore differs", i)
			}
		}
		if !reflect.DeepEqual(w.store.Snapshot(), again.store.Snapshot()) {
			t.Fatal("the snapshots differ in the end")
		}
	})
}

// Two histories that differ only in windows that overlap the tested one (and in
// later ones) must expect the same of it.
func TestNoScoredWindowIsInItsOwnBaseline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		steps := rapid.IntRange(20, 600).Draw(t, "steps")
		scale := cluster.Scale(rapid.IntRange(0, int(cluster.Long)).Draw(t, "scale"))
		length := spans[scale]
		tested := origin + int64(steps)*slide
		a, b := newWorld(seed), newWorld(seed)
		for range steps {
			a.step(noSalt)
			b.step(func(end int64) uint64 {
				if end > tested-length {
					return 7
				}
				return 0
			})
		}
		a.scores, b.scores = nil, nil
		a.ask(scale, length)
		b.ask(scale, length)
		if !slices.Equal(a.scores, b.scores) {
			t.Fatalf("the window that ends at step %d is judged by itself", steps)
		}
		if tn := a.store.tenants["t"]; tn != nil && tn.scales[scale].until > tested-length {
			t.Fatalf("the baseline reaches to %v after the window's start", time.Duration(tn.scales[scale].until-tested+length))
		}
	})
}

func TestRestoreRejectsWhatDoesNotFit(t *testing.T) {
	w := newWorld(3)
	for range 200 {
		w.step(noSalt)
	}
	for name, breakIt := range map[string]func(*TenantState){
		"no keys":           func(st *TenantState) { st.Keys = nil },
		"waiting unknown":   func(st *TenantState) { st.Scales[0].Waiting[0].Rows[0].Cluster = 999 },
		"short dispersions": func(st *TenantState) { st.Scales[0].Clusters[0].Spread = nil },
		"order":             func(st *TenantState) { slices.Reverse(st.Scales[0].Clusters) },
		"rates":             func(st *TenantState) { st.Scales[0].Rates.Of = nil },
		"kinds":             func(st *TenantState) { st.Scales[0].Rates.Of[0] = nil },
		"roles":             func(st *TenantState) { st.Scales[0].Rates.Roles[0].Rates = nil },
	} {
		st := w.store.Snapshot()
		st.Tenants[0].Scales[0].Waiting = append(st.Tenants[0].Scales[0].Waiting, WaitingState{Rows: []RowState{{Cluster: 1}}})
		breakIt(&st.Tenants[0])
		s := New(w.store.cfg)
		if err := s.Restore(st); err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(s.tenants) != 0 {
			t.Errorf("%s: the store is changed", name)
		}
	}
}
