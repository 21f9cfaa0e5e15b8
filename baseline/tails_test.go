package baseline

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readReference reads a file of reference values; testdata/reference.py says
// how they were computed.
func readReference(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(line, ","))
		}
	}
	if len(rows) < 20 {
		t.Fatalf("%s has only %d rows", name, len(rows))
	}
	return rows
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near reports whether two logarithms of probabilities agree to 1e-9 relative
// in the logarithm or 1e-9 in the probability's own digits.
func near(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want)) ||
		math.Abs(math.Exp(got)-math.Exp(want)) <= 1e-15
}

func TestTailsAgainstReference(t *testing.T) {
	for _, row := range readReference(t, "tails.csv") {
		a, b, c, x := number(t, row[1]), number(t, row[2]), number(t, row[3]), number(t, row[4])
		var got Tails
		switch row[0] {
		case "nb", "poisson":
			got = NegBinomial{Mean: a, Dispersion: b}.Tails(x)
		case "bb":
			got = BetaBinomial{N: a, Alpha: b, Beta: c}.Tails(x)
		case "t":
			got = StudentT{Scale: 1, DF: a}.Tails(x)
		case "combine":
			got.Up = Combine(a, int(b))
			got.Low = log1mExp(got.Up)
		}
		up, low := number(t, row[5]), number(t, row[6])
		tolerance := 1e-9
		if row[0] == "nb" && (b >= 1e8 || b <= 1e-8) || row[0] == "bb" && a >= 1e4 {
			// At the ends of the grid one tail is 1 − the other, which is within 1e-6 of 1,
			// or log-gammas of 1e8 are subtracted: some digits of log p are lost.
			tolerance = 1e-6
		}
		if !near(got.Up, up, tolerance) || !near(got.Low, low, tolerance) {
			t.Errorf("%v: tails %.15g %.15g, want %.15g %.15g", row[:5], got.Up, got.Low, up, low)
		}
	}
}

func TestNormalQuantileAgainstReference(t *testing.T) {
	for _, row := range readReference(t, "quantiles.csv") {
		logP, want := number(t, row[0]), number(t, row[1])
		if got := NormalQuantile(logP); math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
			t.Errorf("NormalQuantile(%v) = %.15g, want %.15g", logP, got, want)
		}
	}
}

func TestNormalQuantileIsFiniteEverywhere(t *testing.T) {
	for _, logP := range []float64{math.Inf(-1), -math.MaxFloat64, -1e300, -1e15, -math.Ln2, -math.SmallestNonzeroFloat64, 0, 1, math.Inf(1), math.NaN()} {
		if z := NormalQuantile(logP); math.IsNaN(z) || math.IsInf(z, 0) {
			t.Errorf("NormalQuantile(%v) = %v", logP, z)
		}
	}
}

// checkTails holds for every distribution and count.
func checkTails(t interface{ Fatalf(string, ...any) }, what any, x float64, tails Tails) {
	for _, v := range []float64{tails.Up, tails.Low, tails.Z(), tails.LogP()} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%+v at %v: %+v, z %v", what, x, tails, tails.Z())
		}
	}
	if tails.Up > 0 || tails.Low > 0 || tails.LogP() > 0 {
		t.Fatalf("%+v at %v: a logarithm of a probability above 0: %+v", what, x, tails)
	}
	if sum := logSumExp(tails.Up, tails.Low); math.Abs(sum) > 1e-7 {
		t.Fatalf("%+v at %v: the tails %+v add up to exp(%v)", what, x, tails, sum)
	}
}

func drawNegBinomial(t *rapid.T) NegBinomial {
	return NegBinomial{
		Mean:       math.Exp(rapid.Float64Range(math.Log(1e-7), math.Log(1e6)).Draw(t, "log mean")),
		Dispersion: math.Exp(rapid.Float64Range(math.Log(1e-4), math.Log(1e6)).Draw(t, "log dispersion")),
	}
}

func TestNegBinomialProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawNegBinomial(t)
		if rapid.Bool().Draw(t, "poisson") {
			d.Dispersion = 0
		}
		x := math.Floor(math.Exp(rapid.Float64Range(0, math.Log(1e7)).Draw(t, "log x"))) - 1
		at, next := d.Tails(x), d.Tails(x+1)
		checkTails(t, d, x, at)
		if slack := 1e-6 * math.Max(1, math.Abs(at.Z())); next.Z() < at.Z()-slack {
			t.Fatalf("%+v: z falls from %v at %v to %v", d, at.Z(), x, next.Z())
		}
		p := rapid.Float64Range(0.001, 0.999).Draw(t, "p")
		q := d.Quantile(p)
		if math.Exp(d.logUpTo(q)) < p*(1-1e-9) || q > 0 && math.Exp(d.logUpTo(q-1)) > p*(1+1e-9) {
			t.Fatalf("%+v: %v is not the quantile of %v", d, q, p)
		}
	})
}

func TestBetaBinomialProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logParameter := rapid.Float64Range(math.Log(1e-6), math.Log(1e5))
		d := BetaBinomial{
			N:     float64(rapid.IntRange(0, 3000).Draw(t, "n")),
			Alpha: math.Exp(logParameter.Draw(t, "log alpha")),
			Beta:  math.Exp(logParameter.Draw(t, "log beta")),
		}
		x := float64(rapid.IntRange(0, int(d.N)).Draw(t, "x"))
		at := d.Tails(x)
		checkTails(t, d, x, at)
		if x < d.N {
			if next := d.Tails(x + 1); next.Z() < at.Z()-1e-5*math.Max(1, math.Abs(at.Z())) {
				t.Fatalf("%+v: z falls from %v at %v to %v", d, at.Z(), x, next.Z())
			}
		}
		mirror := BetaBinomial{N: d.N, Alpha: d.Beta, Beta: d.Alpha}.Tails(d.N - x)
		if !near(mirror.Up, at.Low, 1e-6) || !near(mirror.Low, at.Up, 1e-6) {
			t.Fatalf("%+v at %v: %+v, mirrored %+v", d, x, at, mirror)
		}
	})
}

// Where data are many and Gaussian, z is the textbook one.
func TestLargeCountsAreGaussian(t *testing.T) {
	d := NegBinomial{Mean: 1e6, Dispersion: 1e-10}
	for _, want := range []float64{-3, -1, 0, 0.5, 2, 3} {
		if got := d.Z(1e6 + want*1e3); math.Abs(got-want) > 0.01 {
			t.Errorf("z of %v σ is %v", want, got)
		}
	}
}

func TestExtremesAreFinite(t *testing.T) {
	for _, mean := range []float64{0, minMean, 1, maxMean, math.Inf(1), math.NaN()} {
		for _, dispersion := range []float64{0, 1e-300, minDispersion, 1, maxDispersion} {
			for _, x := range []float64{0, 1, 1e3, math.MaxUint32} {
				m := newGrid(4).at(mean, dispersion)
				tails := m.dist.Tails(x)
				if z := tails.Z(); math.IsNaN(z) || math.IsInf(z, 0) {
					t.Errorf("mean %v, dispersion %v, x %v: z %v", mean, dispersion, x, z)
				}
			}
		}
	}
	if tails := (NegBinomial{}).Tails(3); tails.LogP() != math.Ln2+lowestLog {
		t.Errorf("a count that is not possible: %+v", tails)
	}
	if z := (NegBinomial{}).Z(0); z != 0 {
		t.Errorf("the only possible count has z %v", z)
	}
}

func TestCombine(t *testing.T) {
	// 1 − (1 − p)^n, by hand.
	for _, c := range []struct {
		p    float64
		n    int
		want float64
	}{{0.05, 1, 0.05}, {0.05, 2, 0.0975}, {0.01, 11, 0.10466174}, {1, 5, 1}} {
		if got := math.Exp(Combine(math.Log(c.p), c.n)); math.Abs(got-c.want) > 1e-8 {
			t.Errorf("Combine(%v, %d) = %v, want %v", c.p, c.n, got, c.want)
		}
	}
	if got, want := Combine(-5000, 11), -5000+math.Log(11); math.Abs(got-want) > 1e-9 {
		t.Errorf("far out: %v, want %v", got, want)
	}
}

// The cheap band of a model must lie inside of the exact one, or scoring would
// miss exceedances.
func TestNearBandIsInsideTheBand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawNegBinomial(t)
		m := newGrid(4).at(d.Mean, d.Dispersion)
		for _, x := range []float64{math.Max(m.nearLow, 0), m.nearHigh} {
			if z := m.dist.Z(x); x >= 0 && math.Abs(z) > Exceedance {
				t.Fatalf("%+v: the near band reaches to %v, z %v", m.dist, x, z)
			}
		}
		b := m.within(Exceedance)
		if b.low > b.high+1 {
			t.Fatalf("%+v: band %+v", m.dist, b)
		}
		if b.high >= 0 && math.Abs(m.dist.Z(b.high)) > Exceedance+1e-9 && b.high >= b.low {
			t.Fatalf("%+v: band %+v, z %v", m.dist, b, m.dist.Z(b.high))
		}
		if m.dist.Z(b.high+1) <= Exceedance-1e-9 {
			t.Fatalf("%+v: band %+v ends too early, z %v", m.dist, b, m.dist.Z(b.high+1))
		}
	})
}

func FuzzTails(f *testing.F) {
	f.Add(1.0, 1.0, 3.0)
	f.Add(1e9, 1e8, 4e9)
	f.Fuzz(func(t *testing.T, mean, dispersion, x float64) {
		m := newGrid(4).at(mean, dispersion)
		x = math.Min(math.Max(x, 0), math.MaxUint32)
		if math.IsNaN(x) {
			x = 0
		}
		tails := m.dist.Tails(x)
		if z := tails.Z(); math.IsNaN(z) || math.IsInf(z, 0) || tails.Up > 0 || tails.Low > 0 {
			t.Fatalf("%+v at %v: %+v", m.dist, x, tails)
		}
	})
}

func BenchmarkTails(b *testing.B) {
	d := NegBinomial{Mean: 40, Dispersion: 0.1}
	b.ReportAllocs()
	for b.Loop() {
		_ = d.Tails(200).Z()
	}
}
