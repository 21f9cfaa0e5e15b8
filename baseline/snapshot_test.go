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
	cfg.History = 3 * time.Hour
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
		ws = append(ws, cluster.Window{Cluster: k, FirstPane: origin + int64(i)*int64(20*time.Minute), Counts: c})
	}
	return ws
}

// step advances one slide: retrain, train and evaluate where they fall due.
func (w *world) step(salt func(start int64) uint64) {
	w.at += slide
	if start := w.at - grace - window; start >= origin && (start-origin)%window == 0 {
		w.store.Train(training(start, w.windows(start, salt(start))...))
	}
	if mark := w.at - w.at%int64(10*time.Minute); mark > w.last {
		w.store.Retrain(mark)
		w.last = mark
	}
	ev := evaluation(w.at, w.windows(w.at-window, 99)...)
	w.scores = w.scores[:0]
	for i := range ev.Windows {
		x := w.store.Expect(ev, &ev.Windows[i])
		for f := range cluster.NumFeatures {
			if o, ok := x.Opinion(f, &ev.Windows[i]); ok {
				w.scores = append(w.scores, o.Z, o.LogP, o.Expected, o.Low, o.High)
			}
		}
	}
	w.store.Missing(ev, func(a *Absent) { w.scores = append(w.scores, a.Tails(2).Z()) })
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
		tested := origin + int64(steps)*slide
		a, b := newWorld(seed), newWorld(seed)
		for range steps {
			a.step(noSalt)
			b.step(func(start int64) uint64 {
				if start+window > tested-window {
					return 7
				}
				return 0
			})
		}
		if !slices.Equal(a.scores, b.scores) {
			t.Fatalf("the window that ends at step %d is judged by itself", steps)
		}
		if until := a.store.Until("t"); until > tested-window {
			t.Fatalf("the baseline reaches to %v after the window's start", time.Duration(until-tested+window))
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
