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

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// tenants of the random tests have so many clusters.
const randomClusters = 20

// randomPlayer has clusters of every access; learning is short.
func randomPlayer(t testing.TB) *player {
	p := newPlayer(t)
	p.baseline.Learning = time.Hour
	p.anomaly.CoolDown = 20 * time.Minute
	for i := range randomClusters {
		p.addCluster(fmt.Sprint("c", i), []string{
			fmt.Sprint("role=Role/ns/r", i%5), fmt.Sprint("resource=x", i%8),
			"access=" + fingerprint.Access(i%6).String(), []string{"sensitive", "role=Role/ns/r9"}[i%2],
		})
	}
	return p
}

// randomWindows are some clusters, now and then with something odd.
func (p *player) randomWindows(rng *rand.Rand) []cluster.Window {
	var words []string
	for i := range randomClusters {
		if rng.IntN(4) == 0 {
			continue
		}
		n := 1 + rng.IntN(3)*i
		w := fmt.Sprintf("c%d=%d", i, n)
		switch rng.IntN(40) {
		case 0:
			w = fmt.Sprintf("c%d=%d", i, 50*n)
		case 1:
			w += fmt.Sprintf(",denied=%d", n)
		case 2:
			w += fmt.Sprintf(",failed=%d", n)
		case 3:
			w += fmt.Sprintf(",new_subject_resources=%d", 1+rng.IntN(3))
		}
		words = append(words, w+fmt.Sprintf("@user%d", rng.IntN(6)))
	}
	return p.windows(words)
}

// throughCBOR restarts with state that went through the encoding the
// application uses.
func (p *player) throughCBOR(t *rapid.T) {
	var bs baseline.State
	var ds DetectorState
	data, err := cbor.Marshal(p.store.Snapshot())
	if err == nil {
		err = cbor.Unmarshal(data, &bs)
	}
	if err == nil {
		data, err = cbor.Marshal(p.detector.Snapshot())
	}
	if err == nil {
		err = cbor.Unmarshal(data, &ds)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.store = baseline.New(p.baseline)
	p.detector = New(p.anomaly, p.store)
	if err := p.store.Restore(bs); err != nil {
		t.Fatal(err)
	}
	if err := p.detector.Restore(ds); err != nil {
		t.Fatal(err)
	}
}

func TestRestartGoesOnBitForBit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		blocks := rapid.IntRange(5, 60).Draw(rt, "blocks")
		restart := rapid.IntRange(1, blocks).Draw(rt, "restart before")
		play := func(restartAt int) (results []Result) {
			rng := rand.New(rand.NewPCG(seed, 0))
			p := randomPlayer(t)
			for b := range blocks {
				if b == restartAt {
					p.throughCBOR(rt)
				}
				p.run(5*time.Minute, p.randomWindows(rng), func(r Result) { results = append(results, r) })
			}
			return results
		}
		want, got := play(-1), play(restart)
		for i := range want {
			if !reflect.DeepEqual(want[i], got[i]) {
				rt.Fatalf("evaluation %d differs after a restart:\n%+v\n%+v", i, want[i], got[i])
			}
		}
	})
}

// What every result must be like, whatever comes.
func checkResult(t interface{ Fatalf(string, ...any) }, r *Result, k int) {
	if len(r.Top) > k || r.Exceedances > r.Evaluated {
		t.Fatalf("%d shown, %d of %d exceed", len(r.Top), r.Exceedances, r.Evaluated)
	}
	for i := range r.Top {
		if a := &r.Top[i]; a.Rank != i+1 || a.State == Resolved || a.State == Pending != a.FiredAt.IsZero() {
			t.Fatalf("place %d: %+v", i+1, a)
		}
	}
	for _, a := range slices.Concat(r.Top, r.Changes) {
		numbers := []float64{a.Z}
		for _, f := range a.Features {
			numbers = append(numbers, f.Observed, f.Expected, f.Low, f.High, f.Z)
		}
		for _, p := range a.Parts {
			numbers = append(numbers, p.Z)
		}
		for _, n := range append(numbers, a.Trend...) {
			if math.IsNaN(n) || math.IsInf(n, 0) {
				t.Fatalf("a number is not finite: %+v", a)
			}
		}
		if a.ID == "" || len(a.Features) == 0 || len(a.Trend) == 0 || len(a.Trend) > trendWindows {
			t.Fatalf("incomplete: %+v", a)
		}
		if (a.State == Resolved) == a.ResolvedAt.IsZero() || a.StartedAt.After(a.WindowEnd) {
			t.Fatalf("times: %+v", a)
		}
	}
}

// Every identity fires once and is resolved at most once, after it fired.
func TestLifeIsInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		p := randomPlayer(t)
		state := make(map[string]State)
		changes := 0
		for range 60 {
			p.run(5*time.Minute, p.randomWindows(rng), func(r Result) {
				checkResult(rt, &r, p.anomaly.TopK)
				for i := range r.Changes {
					a := &r.Changes[i]
					changes++
					switch {
					case a.State == Firing && state[a.ID] == "":
					case a.State == Resolved && state[a.ID] == Firing:
					default:
						rt.Fatalf("%s is %s after %q", a.ID, a.State, state[a.ID])
					}
					state[a.ID] = a.State
				}
			})
		}
		if changes == 0 {
			rt.Fatalf("nothing ever fired: the test tests nothing")
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	f.Add([]byte{1, 20, 0, 2, 200, 255, 9, 9, 9, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := randomPlayer(t)
		p.baseline.Learning = 0
		for len(data) >= 3 && len(data) < 600 {
			var words []string
			for i := range 3 {
				words = append(words, fmt.Sprintf("c%d=%d,denied=%d,new_fingerprints=%d@u%d",
					(int(data[0])+5*i)%randomClusters, uint64(data[1])<<(data[2]%20), data[2], data[1]%3, data[2]%4))
			}
			slices.Sort(words)
			words = slices.CompactFunc(words, func(a, b string) bool {
				return strings.Split(a, "=")[0] == strings.Split(b, "=")[0]
			})
			data = data[3:]
			p.run(3*time.Minute, p.windows(words), func(r Result) { checkResult(t, &r, p.anomaly.TopK) })
		}
	})
}

func TestRestoreRejectsWhatDoesNotFit(t *testing.T) {
	d := New(DefaultConfig(), baseline.New(baseline.DefaultConfig()))
	for name, ts := range map[string]TenantState{
		"track without a cluster": {Tracks: []Track{{}}},
		"story without a track":   {Stories: []Story{{Number: 1, Lead: 7}}},
	} {
		if err := d.Restore(DetectorState{Tenants: []TenantState{ts}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRisk(t *testing.T) {
	read := Risk(&fingerprint.ClusterKey{Access: fingerprint.AccessRead})
	secret := Risk(&fingerprint.ClusterKey{Access: fingerprint.AccessRead, Sensitive: true})
	escalate := Risk(&fingerprint.ClusterKey{Access: fingerprint.AccessEscalate, Sensitive: true})
	if read != 1 || secret != 1.25 || escalate != 2.5 {
		t.Errorf("risks %v, %v, %v", read, secret, escalate)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults are invalid: %v", err)
	}
	err := Config{FireWithin: 65}.Validate()
	for _, field := range []string{"false_alerts_per_day", "fire_after", "fire_within", "min_ratio", "top_k"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("a wrong %s is not named: %v", field, err)
		}
	}
}

// One evaluation of 300 clusters that are as usual.
func BenchmarkEvaluate(b *testing.B) {
	p := newPlayer(b)
	var words []string
	for i := range 300 {
		name := fmt.Sprint("c", i)
		p.addCluster(name, []string{fmt.Sprint("role=r", i%40), fmt.Sprint("resource=x", i), "access=read"})
		words = append(words, fmt.Sprintf("%s=%d@u", name, 5+i))
	}
	ws := p.windows(words)
	p.run(26*time.Hour, ws, func(Result) {})
	ev := &cluster.Evaluation{Tenant: "t", Start: p.at - testWindow, End: p.at, Windows: ws}
	b.ReportAllocs()
	for b.Loop() {
		ev.Start += testSlide
		ev.End += testSlide
		if r := p.detector.Evaluate(ev); r.Exceedances > 0 {
			b.Fatal("the usual is unusual")
		}
	}
}
