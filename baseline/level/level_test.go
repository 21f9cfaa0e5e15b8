package level

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const minute = int64(time.Minute)

// score runs a series over values five minutes apart.
func score(values []float64) []Result {
	s := New(DefaultConfig())
	out := make([]Result, len(values))
	for i, v := range values {
		out[i] = s.Next(int64(i)*5*minute, v)
	}
	return out
}

// days are n rows of days of 288 rows with noise.
func days(seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // not a secret
	out := make([]float64, n)
	for i := range out {
		out[i] = 20 + 5*math.Sin(2*math.Pi*float64(i)/288) + rng.NormFloat64()
	}
	return out
}

func noise(seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // not a secret
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.NormFloat64()
	}
	return out
}

// sane is what holds for every result.
func sane(r Result) bool {
	for _, v := range []float64{r.Expected, r.Low, r.High, r.Z, r.AnomalyScore} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return r.AnomalyScore >= 0 && r.AnomalyScore <= 1 && r.Low <= r.Expected && r.Expected <= r.High
}

// TestNeverLooksAhead: what is said of the first rows does not depend on later
// ones, and no value whatever makes a result that is not finite.
func TestNeverLooksAhead(t *testing.T) {
	value := rapid.OneOf(
		rapid.Float64(), rapid.Float64Range(-1, 1), rapid.SampledFrom([]float64{0, 1, 5, 1e300, -1e300, 1e-300, math.MaxFloat64, math.NaN()}),
		rapid.Map(rapid.IntRange(0, 3), func(i int) float64 { return float64(i) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(value, 0, 60).Draw(t, "values")
		step := rapid.SliceOfN(rapid.Int64Range(-minute, 1000*minute), len(values), len(values)).Draw(t, "steps")
		n := rapid.IntRange(0, len(values)).Draw(t, "n")
		run := func(values []float64) []Result {
			s, at := New(DefaultConfig()), int64(0)
			var out []Result
			for i, v := range values {
				at += step[i]
				out = append(out, s.Next(at, v))
				if !sane(out[i]) {
					t.Fatalf("row %d: %+v", i, out[i])
				}
			}
			return out
		}
		if all, part := run(values)[:n], run(values[:n]); !slices.Equal(all, part) {
			t.Fatalf("with the rest %+v, without %+v", all, part)
		}
	})
}

// TestGoesOnAfterRestart: a snapshot and a restore at any row change nothing.
func TestGoesOnAfterRestart(t *testing.T) {
	values := append(days(1, 900), noise(1, 300)...)
	want := score(values)
	for _, at := range []int{0, 1, 2, 500, 1000} {
		s := New(DefaultConfig())
		for i, v := range values[:at] {
			s.Next(int64(i)*5*minute, v)
		}
		state := s.Snapshot()
		s.Next(0, 1e9) // what happens to the original does not reach the copy
		again := New(DefaultConfig())
		if err := again.Restore(state); err != nil {
			t.Fatal(err)
		}
		for i := at; i < len(values); i++ {
			if got := again.Next(int64(i)*5*minute, values[i]); got != want[i] {
				t.Fatalf("row %d after a restart at %d: %+v, want %+v", i, at, got, want[i])
			}
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := New(DefaultConfig())
	if err := s.Restore(State{}); err == nil || !strings.Contains(err.Error(), "season") {
		t.Error(err)
	}
	state := s.Snapshot()
	state.Rows = -1
	if err := s.Restore(state); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Error(err)
	}
}

// TestUnitsDoNotMatter: another unit and another origin of the values leave the
// scores as they are, up to rounding.
func TestUnitsDoNotMatter(t *testing.T) {
	values := days(3, 2000)
	values[1500] += 9
	want := score(values)
	for _, unit := range []struct{ scale, shift float64 }{{1 << 10, 0}, {1, 1 << 10}, {1.0 / 8, -512}, {-1, 0}, {1.8, 32}, {1e12, -7}} {
		moved := make([]float64, len(values))
		for i, v := range values {
			moved[i] = unit.scale*v + unit.shift
		}
		for i, r := range score(moved) {
			if math.Abs(want[i].AnomalyScore-r.AnomalyScore) > 0.05 || math.Abs(math.Abs(want[i].Z)-math.Abs(r.Z)) > 0.05 {
				t.Fatalf("row %d, %+v: %+v, want %+v", i, unit, r, want[i])
			}
		}
	}
}

// TestIsCalibrated: on quiet series of several kinds, |z| > 2.5 happens as
// often as its nominal 1.24 % says, within a factor of two.
func TestIsCalibrated(t *testing.T) {
	heavy := noise(5, 8000)
	for i, v := range heavy {
		heavy[i] = v * v * v
	}
	walk := noise(6, 8000)
	for i := 1; i < len(walk); i++ {
		walk[i] += walk[i-1]
	}
	counts := noise(7, 8000)
	for i, v := range counts {
		counts[i] = math.Round(math.Abs(2 * v))
	}
	for name, values := range map[string][]float64{
		"days": days(4, 8000), "noise": noise(4, 8000), "heavy": heavy, "walk": walk, "counts": counts,
	} {
		beyond, rows := 0, 0
		for i, r := range score(values) {
			if i > 600 {
				rows++
				if math.Abs(r.Z) > 2.5 {
					beyond++
				}
			}
		}
		share := float64(beyond) / float64(rows)
		if share < 0.0062 || share > 0.0248 {
			t.Errorf("%s: %.4f of the rows", name, share)
		}
	}
}

// top is the row with the largest score, from row 50 on.
func top(rows []Result) (int, float64) {
	best := 50
	for i := best; i < len(rows); i++ {
		if rows[i].AnomalyScore > rows[best].AnomalyScore {
			best = i
		}
	}
	return best, rows[best].AnomalyScore
}

func TestFinds(t *testing.T) {
	flat := make([]float64, 2000)
	for i := range flat {
		flat[i] = 7
	}
	cases := map[string]struct {
		values []float64
		change func(v []float64)
		within int // rows after 1500
		least  float64
	}{
		"a spike":                {days(10, 2000), func(v []float64) { v[1500] += 9 }, 0, 0.9},
		"a drop":                 {days(11, 2000), func(v []float64) { v[1500] -= 9 }, 0, 0.9},
		"a level shift":          {noise(12, 2000), func(v []float64) { add(v[1500:], 8) }, 2, 0.9},
		"an end of the flatness": {flat, func(v []float64) { v[1500] = 8 }, 0, 0.9},
		"more noise":             {noise(13, 2000), func(v []float64) { scale(v[1500:], 6) }, 5, 0.9},
		"a stuck sensor":         {noise(14, 2000), func(v []float64) { scale(v[1500:], 0) }, 40, 0.4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.change(c.values)
			at, s := top(score(c.values))
			if at < 1500 || at > 1500+c.within || s < c.least {
				t.Errorf("the most anomalous is row %d with %.3f", at, s)
			}
		})
	}
}

func add(v []float64, x float64) {
	for i := range v {
		v[i] += x
	}
}

func scale(v []float64, x float64) {
	for i := range v {
		v[i] *= x
	}
}

// TestAlarmsAreRare: on series where nothing happens, scores beyond ½ are rarer
// than one row in a thousand, and a constant one has none.
func TestAlarmsAreRare(t *testing.T) {
	const n = 20_000
	for name, values := range map[string][]float64{"days": days(20, n), "noise": noise(20, n)} {
		beyond := 0
		for _, r := range score(values) {
			if r.AnomalyScore > 0.5 {
				beyond++
			}
		}
		if beyond > n/1000 {
			t.Errorf("%s: %d of %d rows", name, beyond, n)
		}
	}
	for i, r := range score(make([]float64, 3000)) {
		if r.AnomalyScore > 0.01 || r.Low != 0 || r.High != 0 {
			t.Fatalf("row %d of zeros: %+v", i, r)
		}
	}
}

func TestFirstRows(t *testing.T) {
	rows := score([]float64{1, 2})
	if rows[0] != (Result{}) {
		t.Errorf("the first row: %+v", rows[0])
	}
	if !rows[1].Known || rows[1].Expected != 1 {
		t.Errorf("the second row: %+v", rows[1])
	}
	for i, r := range score(noise(1, 10)) {
		if r.AnomalyScore > 0.5 {
			t.Errorf("row %d: %+v: ten rows are no history", i, r)
		}
	}
}

// TestMissingPoints: a missing value is not known and changes nothing.
func TestMissingPoints(t *testing.T) {
	values := days(30, 1000)
	want := score(values)
	s := New(DefaultConfig())
	for i, v := range values {
		if i%7 == 0 {
			if r := s.Next(int64(i)*5*minute, math.NaN()); r != (Result{}) {
				t.Fatalf("a missing row: %+v", r)
			}
		}
		if r := s.Next(int64(i)*5*minute, v); r != want[i] {
			t.Fatalf("row %d: %+v, want %+v", i, r, want[i])
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Day: -1, Memory: 1, Quiet: -1, Rare: math.NaN()}.Validate()
	for _, part := range []string{"negative", "memory", "quiet", "rare"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: no %s", err, part)
		}
	}
	// Without seasons everything else works.
	c := DefaultConfig()
	c.Day, c.Week = 0, 0
	s := New(c)
	for i, v := range days(1, 500) {
		if r := s.Next(int64(i)*minute, v); !sane(r) {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	s, values, i := New(DefaultConfig()), days(1, 4096), 0
	allocs := testing.AllocsPerRun(2000, func() {
		s.Next(int64(i)*5*minute, values[i%len(values)])
		i++
	})
	if allocs != 0 {
		t.Errorf("%v allocations a row", allocs)
	}
}

func BenchmarkNext(b *testing.B) {
	s, values, i := New(DefaultConfig()), days(1, 4096), 0
	b.ReportAllocs()
	for b.Loop() {
		s.Next(int64(i)*5*minute, values[i%len(values)])
		i++
	}
}
