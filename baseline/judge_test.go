package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/logcluster/logcluster/baseline/calibration"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// uniform fails unless the randomised transforms are uniform, by the statistic of
// Kolmogorov and Smirnov at a level of 0.1 %.
func uniform(t *testing.T, what any, source *rand.Rand, pits []calibration.PIT) {
	t.Helper()
	u := make([]float64, len(pits))
	for i, p := range pits {
		if sum := p.Below + p.At + p.Above; math.Abs(sum-1) > 1e-6 {
			t.Fatalf("%+v: %+v adds up to %v", what, p, sum)
		}
		u[i] = p.Below + source.Float64()*p.At
	}
	slices.Sort(u)
	d, n := 0.0, float64(len(u))
	for i, v := range u {
		d = math.Max(d, math.Max(v-float64(i)/n, float64(i+1)/n-v))
	}
	if d*math.Sqrt(n) > 1.95 {
		t.Errorf("%+v: the transform is %v from uniform", what, d)
	}
}

const draws = 5000

// The transform of data that come from the model is uniform.
func TestTransformOfTheModelIsUniform(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for _, d := range []NegBinomial{{0.03, 5}, {0.5, 1}, {3, 0.3}, {40, 0.05}, {2000, 0.01}, {4, 0}} {
		m := &model{dist: d}
		pits := make([]calibration.PIT, draws)
		for i := range pits {
			rate := d.Mean
			if d.Dispersion > 0 {
				rate = distuv.Gamma{Alpha: 1 / d.Dispersion, Beta: 1 / (d.Dispersion * d.Mean), Src: source}.Rand()
			}
			j := judgeCount(m, distuv.Poisson{Lambda: rate, Src: source}.Rand())
			pits[i] = j.pit()
		}
		uniform(t, d, source, pits)
	}
	for _, c := range []struct {
		s share
		n uint32
	}{{share{0.1, 5}, 10}, {share{2, 2}, 5}, {share{5, 50}, 1000}, {share{0.5, 0.5}, 5000}} {
		pits := make([]calibration.PIT, draws)
		for i := range pits {
			p := distuv.Beta{Alpha: c.s.alpha, Beta: c.s.beta, Src: source}.Rand()
			j := judgeShare(c.s, uint32(distuv.Binomial{N: float64(c.n), P: p, Src: source}.Rand()), c.n)
			pits[i] = j.pit()
		}
		uniform(t, c, source, pits)
	}
	for _, df := range []float64{1, 4, 200} {
		d := StudentT{Mean: 3, Scale: 2, DF: df}
		pits := make([]calibration.PIT, draws)
		for i := range pits {
			j := judgement{tails: d.Tails(distuv.StudentsT{Mu: 3, Sigma: 2, Nu: df, Src: source}.Rand()), logAt: math.Inf(-1)}
			pits[i] = j.pit()
		}
		uniform(t, d, source, pits)
	}
	alpha, counts := []float64{30, 20, 10, 5}, make([]uint32, 4)
	pits := make([]calibration.PIT, draws)
	for i := range pits {
		drawMix(source, 20_000, alpha, counts)
		j := judgement{tails: MixTails(counts, alpha), logAt: math.Inf(-1)}
		pits[i] = j.pit()
	}
	uniform(t, alpha, source, pits)
}

// Counts of twice and half of the dispersion that a model believes in are not
// calibrated, and are after the correction.
func TestWrongDispersionIsCorrected(t *testing.T) {
	for _, c := range []struct{ mean, truth, believed float64 }{
		{20, 0.4, 0.1}, {20, 0.02, 0.3}, {3, 2, 0.2}, {300, 0.2, 0.03},
	} {
		source := rand.New(rand.NewPCG(3, 4))
		m := &model{dist: NegBinomial{c.mean, c.believed}, stratum: calibration.StratumOf(c.mean)}
		table := calibration.NewTable(0, 1)
		for block := range int64(2 * calibration.Blocks) {
			table.Begin(block)
			for range 300 {
				rate := distuv.Gamma{Alpha: 1 / c.truth, Beta: 1 / (c.truth * c.mean), Src: source}.Rand()
				j := judgeCount(m, distuv.Poisson{Lambda: rate, Src: source}.Rand())
				table.Add(0, j.stratum, j.pit())
			}
			table.Fit()
		}
		for _, row := range table.Report() {
			if row.Z > 2.5 || !row.Enough() {
				continue
			}
			if row.Nominal.Calibrated() && row.Nominal.Value > 0.5 && row.Nominal.Value < 2 {
				t.Errorf("%+v, |z| > %v: nominally calibrated: %+v", c, row.Z, row.Nominal)
			}
			if row.Corrected.Value < 0.5 || row.Corrected.Value > 2 {
				t.Errorf("%+v, |z| > %v: %+v", c, row.Z, row.Corrected)
			}
		}
	}
}

func drawCorrection(t *rapid.T, name string) calibration.Correction {
	near := rapid.IntRange(-20, 20).Draw(t, name)
	return calibration.Correction{Near: calibration.Step(near), Far: calibration.Step(max(0, near-5))}
}

// What is usual is what is scored within the exceedance, however it is corrected.
func TestUsualAgreesWithTheScore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := [2]calibration.Correction{drawCorrection(t, "low"), drawCorrection(t, "high")}
		d := drawNegBinomial(t)
		m := newGrid(4).at(d.Mean, d.Dispersion)
		x := math.Floor(math.Exp(rapid.Float64Range(0, math.Log(1e6)).Draw(t, "x"))) - 1
		if z := m.dist.Tails(x).Corrected(in).Z(); m.usual(x, in) != (math.Abs(z) <= Exceedance) && math.Abs(math.Abs(z)-Exceedance) > 1e-6 {
			t.Fatalf("%+v at %v, corrected by %+v: z %v, usual %v", m.dist, x, in, z, m.usual(x, in))
		}
	})
}

// Corrected tails are tails, and their order is that of the nominal ones.
func TestCorrectedTails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := [2]calibration.Correction{drawCorrection(t, "low"), drawCorrection(t, "high")}
		d := drawNegBinomial(t)
		x := math.Floor(math.Exp(rapid.Float64Range(0, math.Log(1e7)).Draw(t, "x"))) - 1
		at, next := d.Tails(x).Corrected(in), d.Tails(x+1).Corrected(in)
		checkTails(t, d, x, at)
		if next.Z() < at.Z()-1e-5*math.Max(1, math.Abs(at.Z())) {
			t.Fatalf("%+v corrected by %+v: z falls from %v at %v to %v", d, in, at.Z(), x, next.Z())
		}
	})
}
