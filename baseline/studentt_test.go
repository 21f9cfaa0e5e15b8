package baseline

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func drawStudentT(t *rapid.T) StudentT {
	return StudentT{
		Mean:  rapid.Float64Range(-1e3, 1e3).Draw(t, "mean"),
		Scale: math.Exp(rapid.Float64Range(-10, 10).Draw(t, "log scale")),
		DF:    math.Exp(rapid.Float64Range(-2, 30).Draw(t, "log df")),
	}
}

func TestStudentTProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawStudentT(t)
		x := d.Mean + d.Scale*math.Sinh(rapid.Float64Range(-12, 12).Draw(t, "x"))
		at := d.Tails(x)
		checkTails(t, d, x, at)
		mirrored := d.Tails(2*d.Mean - x)
		if math.Abs(mirrored.Up-at.Low) > 1e-5*math.Max(1, math.Abs(at.Low)) {
			t.Fatalf("%+v at %v: %+v, mirrored %+v", d, x, at, mirrored)
		}
		next := d.Tails(x + d.Scale/16)
		if next.Z() < at.Z()-1e-9*math.Max(1, math.Abs(at.Z())) {
			t.Fatalf("%+v: z falls from %v at %v to %v", d, at.Z(), x, next.Z())
		}
		p := rapid.Float64Range(1e-9, 1-1e-9).Draw(t, "p")
		if got := math.Exp(d.Tails(d.Quantile(p)).Low); math.Abs(got-p) > 1e-6*math.Min(p, 1-p)+1e-12 {
			t.Fatalf("%+v: below the quantile of %v is %v", d, p, got)
		}
	})
}

// Where nothing is known of the spread, or what was seen is no number, the
// tails are finite all the same.
func TestStudentTExtremes(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, d := range []StudentT{
		{},
		{Scale: 1, DF: 1e-3},
		{Scale: 1e-300, DF: 1},
		{Scale: 1, DF: 1e300},
		{Scale: 1, DF: inf},
		{Scale: nan, DF: 3},
		{Scale: 1, DF: nan},
		{Mean: nan, Scale: 1, DF: 1},
		{Mean: inf, Scale: inf, DF: 2},
	} {
		for _, x := range []float64{0, 1, -1e300, 1e300, inf, -inf, nan} {
			checkTails(t, d, x, d.Tails(x))
		}
		if q := d.Quantile(0.975); d.Mean == 0 && (math.IsNaN(q) || math.IsInf(q, 0)) {
			t.Errorf("%+v: quantile %v", d, q)
		}
	}
	if up := (StudentT{}).Tails(1).Up; up != lowestLog {
		t.Errorf("a value that is not possible: %v", up)
	}
}

func BenchmarkStudentT(b *testing.B) {
	for _, df := range []float64{3, 30, 1e6} {
		b.Run(fmt.Sprint(df), func(b *testing.B) {
			d := StudentT{Scale: 1, DF: df}
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Tails(3.1)
			}
		})
	}
}
