package calibration

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/logcluster/logcluster/cluster"
	"pgregory.net/rapid"
)

// gaussian is the place of z in the standard normal distribution.
func gaussian(z float64) PIT { return PIT{Below: probability(-z), Above: probability(z)} }

// fill adds n windows a block of standard normal scores times width.
func fill(t *Table, source *rand.Rand, blocks, n int, f cluster.Feature, s Stratum, width float64) {
	for range blocks {
		t.Begin((t.newest + 1) * t.block)
		for range n {
			t.Add(f, s, gaussian(width*source.NormFloat64()))
		}
		t.Fit()
	}
}

func find(t *testing.T, rows []Row, f cluster.Feature, s Stratum, z float64) Row {
	t.Helper()
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Feature == f && !r.All && r.Stratum == s && r.Z == z })
	if i < 0 {
		t.Fatalf("no row of feature %d, stratum %v, |z| > %v", f, s, z)
	}
	return rows[i]
}

// A right model needs no correction, and its interval holds 1.
func TestRightModel(t *testing.T) {
	table := NewTable(cluster.Short, 1000)
	fill(table, rand.New(rand.NewPCG(1, 1)), 20, 500, cluster.Events, 2, 1)
	for _, z := range []float64{2, 2.5} {
		row := find(t, table.Report(), cluster.Events, 2, z)
		if row.Nominal.Low > 1 || row.Nominal.High < 1 || !row.Corrected.Calibrated() || !row.Enough() {
			t.Errorf("|z| > %v: %+v", z, row)
		}
	}
	for side, c := range table.Corrections().For(cluster.Events, 2) {
		if c.Near < -2 || c.Near > 2 || c.Far > 2 {
			t.Errorf("side %d: %+v", side, c)
		}
	}
}

// A model that is too narrow or too wide is not calibrated, and is once it is
// corrected, although every window is judged before it counts.
func TestWrongModelIsCorrected(t *testing.T) {
	for _, width := range []float64{0.5, 0.7, 1.5, 2} {
		table := NewTable(cluster.Short, 1000)
		source := rand.New(rand.NewPCG(2, 2))
		fill(table, source, Blocks, 500, cluster.Events, 2, width)
		fill(table, source, Blocks, 500, cluster.Events, 2, width) // the first ones are forgotten
		for _, z := range []float64{2, 2.5} {
			row := find(t, table.Report(), cluster.Events, 2, z)
			if row.Nominal.Calibrated() {
				t.Errorf("width %v, |z| > %v: nominally calibrated: %+v", width, z, row.Nominal)
			}
			if !row.Corrected.Calibrated() || row.Corrected.Value < 0.5 || row.Corrected.Value > 2 {
				t.Errorf("width %v, |z| > %v: %+v", width, z, row)
			}
		}
	}
}

// The correction of one side leaves the other alone.
func TestSidesApart(t *testing.T) {
	table := NewTable(cluster.Short, 1000)
	source := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		table.Begin((table.newest + 1) * table.block)
		for range 500 {
			z := source.NormFloat64()
			if z > 0 {
				z *= 1.6
			}
			table.Add(cluster.Events, 0, gaussian(z))
		}
	}
	table.Fit()
	in := table.Corrections().For(cluster.Events, 0)
	if in[Up].Near < 6 || in[Low].Near > 2 || in[Low].Near < -2 {
		t.Errorf("%+v", in)
	}
}

// What is not known of a stratum is taken from its feature, and that of a
// feature from all.
func TestBorrowing(t *testing.T) {
	table := NewTable(cluster.Short, 1000)
	source := rand.New(rand.NewPCG(4, 4))
	fill(table, source, 20, 1000, cluster.Events, 2, 1.7)
	fill(table, source, 1, 3, cluster.Events, 3, 1)
	fill(table, source, 1, 3, cluster.Latency, 1, 1)
	for _, in := range []Correction{
		table.Corrections().For(cluster.Events, 3)[Up],
		table.Corrections().For(cluster.Latency, 1)[Up],
	} {
		if in.Near < 6 {
			t.Errorf("%+v", in)
		}
	}
	if in := (&Table{}).Corrections().For(cluster.Events, 1); in != [2]Correction{} {
		t.Errorf("nothing measured: %+v", in)
	}
}

// Exceedances that come together say less than as many that come apart.
func TestDependenceIsHeeded(t *testing.T) {
	apart, together := NewTable(cluster.Short, 1000), NewTable(cluster.Short, 1000)
	for b := range int64(16) {
		apart.Begin(b * 1000)
		together.Begin(b * 1000)
		for i := range 100 {
			high := gaussian(0)
			if i < 5 {
				high = gaussian(2.8)
			}
			apart.Add(cluster.Events, 1, high)
			high = gaussian(0)
			if b == 3 && i < 80 {
				high = gaussian(2.8)
			}
			together.Add(cluster.Events, 1, high)
		}
	}
	apart.Fit()
	together.Fit()
	a, b := apart.Corrections().For(cluster.Events, 1)[Up], together.Corrections().For(cluster.Events, 1)[Up]
	if a.Near <= b.Near {
		t.Errorf("apart %+v, together %+v", a, b)
	}
	ra, rb := find(t, apart.Report(), cluster.Events, 1, 2), find(t, together.Report(), cluster.Events, 1, 2)
	if ra.Nominal.High-ra.Nominal.Low >= rb.Nominal.High-rb.Nominal.Low {
		t.Errorf("intervals: apart %+v, together %+v", ra.Nominal, rb.Nominal)
	}
}

func TestCorrectionIsAMonotoneMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var observed [NumLevels]float64
		for l := range observed {
			observed[l] = rapid.Float64Range(0.01, 9).Draw(t, "observed z")
		}
		c := correction(&observed)
		if c.Near < minStep || c.Near > maxStep || c.Far < 0 {
			t.Fatalf("%+v", c)
		}
		z := rapid.Float64Range(0, 50).Draw(t, "z")
		if got := c.Nominal(c.Of(z)); math.Abs(got-z) > 1e-9*math.Max(1, z) {
			t.Fatalf("%+v: %v comes back as %v", c, z, got)
		}
		step := c.Of(z+1e-6) - c.Of(z)
		if step <= 0 || step > 1e-4 {
			t.Fatalf("%+v: from %v to %v at %v", c, c.Of(z), c.Of(z+1e-6), z)
		}
		if z > farZ*c.Far.Factor() && c.Of(z) > z+1e-9 {
			t.Fatalf("%+v raises %v to %v", c, z, c.Of(z))
		}
	})
}

func TestMeasured(t *testing.T) {
	table := NewTable(cluster.Short, 1000)
	fill(table, rand.New(rand.NewPCG(5, 5)), 10, 1000, cluster.Events, 2, 1)
	c := table.Corrections()
	for _, r := range []struct {
		z    float64
		want bool
	}{{0, true}, {1.9, true}, {2.4, true}, {-2.9, true}, {3.5, false}, {-40, false}} {
		if got := c.Measured(cluster.Events, 2, r.z); got != r.want {
			t.Errorf("z %v: measured %v", r.z, got)
		}
	}
	if c.Measured(cluster.Denied, 2, 2.2) || (*Corrections)(nil).Measured(cluster.Events, 2, 3) {
		t.Error("measured without windows")
	}
}

// What a window counts for does not depend on the order of windows: so nothing
// depends on what things are called.
func TestOrderDoesNotMatter(t *testing.T) {
	source := rand.New(rand.NewPCG(6, 6))
	var pits []PIT
	for range 1000 {
		a, b := source.Float64(), source.Float64()
		pits = append(pits, PIT{Below: min(a, b), At: math.Abs(a - b), Above: 1 - max(a, b), Folded: source.IntN(4) == 0})
	}
	one, other := NewTable(cluster.Medium, 1000), NewTable(cluster.Medium, 1000)
	one.Begin(5)
	other.Begin(5)
	for i := range pits {
		one.Add(cluster.Failed, 1, pits[i])
		other.Add(cluster.Failed, 1, pits[len(pits)-1-i])
	}
	if !reflect.DeepEqual(one.Snapshot(), other.Snapshot()) {
		t.Error("another order gives another table")
	}
}

func TestSnapshot(t *testing.T) {
	source := rand.New(rand.NewPCG(7, 7))
	table := NewTable(cluster.Long, 1000)
	fill(table, source, 12, 300, cluster.Events, 2, 1.4)
	fill(table, source, 3, 300, cluster.Latency, 4, 0.8)
	restored := NewTable(cluster.Long, 1000)
	if err := restored.Restore(table.Snapshot()); err != nil {
		t.Fatal(err)
	}
	again := rand.New(rand.NewPCG(8, 8))
	fill(table, rand.New(rand.NewPCG(8, 8)), 4, 300, cluster.Events, 2, 1.4)
	fill(restored, again, 4, 300, cluster.Events, 2, 1.4)
	if !reflect.DeepEqual(table.Snapshot(), restored.Snapshot()) || table.corrections != restored.corrections {
		t.Error("a restored table goes on differently")
	}
	bad := table.Snapshot()
	bad.Cells[0].Tallies = bad.Cells[0].Tallies[1:]
	if err := restored.Restore(bad); err == nil {
		t.Error("a state of another version is taken")
	}
}

func TestBlocksAreForgotten(t *testing.T) {
	table := NewTable(cluster.Short, 1000)
	add := func(at int64) {
		table.Begin(at)
		table.Add(cluster.Events, 0, gaussian(3))
	}
	windows := func() int { return find(t, table.Report(), cluster.Events, 0, 2).Windows }
	add(-500)
	add(0)
	add(999)
	add(500) // late
	if got := windows(); got != 4 {
		t.Errorf("%d windows", got)
	}
	add((Blocks - 1) * 1000)
	if got := windows(); got != 4 {
		t.Errorf("%d windows after the first block is forgotten", got)
	}
	add(1_000_000_000)
	if got := windows(); got != 1 {
		t.Errorf("%d windows after a long gap", got)
	}
}

func TestStrata(t *testing.T) {
	for expected, want := range map[float64]Stratum{0: 0, 0.05: 0, 0.1: 1, 0.99: 1, 1: 2, 9.9: 2, 10: 3, 100: 4, 1e9: 4} {
		if got := StratumOf(expected); got != want {
			t.Errorf("%v: %v", expected, got)
		}
	}
	if StratumOf(math.NaN()) != 0 || StratumOf(math.Inf(1)) != Strata-1 {
		t.Error("no number")
	}
}

func BenchmarkAdd(b *testing.B) {
	table := NewTable(cluster.Short, 1000)
	table.Begin(0)
	b.ReportAllocs()
	for b.Loop() {
		table.Add(cluster.Events, 1, PIT{Below: 0, At: 0.7, Above: 0.3})
	}
}
