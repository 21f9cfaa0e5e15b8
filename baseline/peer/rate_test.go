package peer

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/baseline"
)

// Leaving a subject out by subtraction is summing the others up.
func TestWithoutIsTheSumOfTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var total, others, own sums
		for i := range rapid.IntRange(5, 20).Draw(t, "members") {
			n := rapid.Float64Range(0.1, 100).Draw(t, "windows")
			sum := n * rapid.Float64Range(0, 100).Draw(t, "mean")
			square := sum * sum / n * rapid.Float64Range(1, 3).Draw(t, "square")
			total.add(n, sum, square)
			if i == 0 {
				own.add(n, sum, square)
			} else {
				others.add(n, sum, square)
			}
		}
		total.subjects, own.subjects, others.subjects = total.members, 1, others.members
		left := total.without(&own)
		got, ok := left.fit(spread{1, 1}, &shipped)
		want, wantOK := others.fit(spread{1, 1}, &shipped)
		if !ok || !wantOK || !alike(got.mean, want.mean) || !alike(got.spread.within, want.spread.within) ||
			!alike(got.spread.between, want.spread.between) || !alike(got.windows, want.windows) || got.subjects != want.subjects {
			t.Fatalf("%+v, not %+v", got, want)
		}
	})
}

func alike(a, b float64) bool { return math.Abs(a-b) <= 1e-6*(1+math.Abs(b)) }

// gamma draws a rate with a mean and a squared coefficient of variation: the sum
// of n exponentials has 1/n, which is all that is needed here.
func gamma(rng *rand.Rand, mean float64, n int) float64 {
	sum := 0.0
	for range n {
		sum += rng.ExpFloat64()
	}
	return mean * sum / float64(n)
}

func poisson(rng *rand.Rand, rate float64) float64 {
	n := 0.0
	for at := rng.ExpFloat64(); at < rate; at += rng.ExpFloat64() {
		n++
	}
	return n
}

// population are the sums of subjects whose rates vary by 1/between around the
// mean, and in each window by 1/within around that.
func population(rng *rand.Rand, subjects, windows int, mean float64, between, within int) (s sums, rates []float64) {
	for range subjects {
		rate := gamma(rng, mean, between)
		sum, square := 0.0, 0.0
		for range windows {
			x := poisson(rng, gamma(rng, rate, within))
			sum += x
			square += x * x
		}
		s.add(float64(windows), sum, square)
		rates = append(rates, rate)
	}
	s.subjects = float64(subjects)
	return s, rates
}

// The spread of a large population is found again.
func TestSpreadOfAPopulation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range []struct {
		mean            float64
		between, within int
	}{{20, 2, 4}, {2, 1, 2}, {100, 10, 20}, {0.5, 1, 1}} {
		s, _ := population(rng, 4000, 20, p.mean, p.between, p.within)
		c, ok := s.fit(spread{within: 1, between: 1}, &shipped)
		near := func(got, want float64) bool { return math.Abs(got-want) < 0.15*want }
		// The mean of the windows' squared means is a little more than the squared
		// rate: the spread within is found 5 % low for 20 windows.
		if !ok || !near(c.mean, p.mean) || !near(c.spread.between, 1/float64(p.between)) || !near(c.spread.within, 1/float64(p.within)) {
			t.Errorf("%+v: %+v", p, c)
		}
	}
}

// What is expected of a subject is calibrated: with a long past and with none,
// the share of counts beyond |z| = 2 is about that of the normal distribution.
func TestExpectedCountsAreCalibrated(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, windows := range []int{0, 1, 4, 30} {
		beyond, n := 0.0, 0.0
		for range 300 {
			s, _ := population(rng, 15, 20, 10, 2, 4)
			c, _ := s.fit(spread{within: 1, between: 1}, &shipped)
			for range 20 {
				rate, sum := gamma(rng, 10, 2), 0.0
				for range windows {
					sum += poisson(rng, gamma(rng, rate, 4))
				}
				if math.Abs(c.expect(float64(windows), sum).Z(poisson(rng, gamma(rng, rate, 4)))) > 2 {
					beyond++
				}
				n++
			}
		}
		if share := beyond / n / 0.0455; share < 0.5 || share > 2 {
			t.Errorf("%d windows: %.2f times the nominal share beyond 2", windows, share)
		}
	}
}

// The more is known of somebody the less his peers count, and an impossible
// count of nothing known stays finite.
func TestCredibility(t *testing.T) {
	c := crowd{mean: 2, spread: spread{within: 0.5, between: 0.5}, windows: 100, subjects: 10}
	last := c.mean
	for _, windows := range []float64{0, 1, 2, 5, 20, 1000} {
		d := c.expect(windows, 20*windows)
		if d.Mean < last || d.Mean > 20 {
			t.Errorf("%v windows of 20: %v expected, and %v before", windows, d.Mean, last)
		}
		last = d.Mean
	}
	if last < 19 {
		t.Errorf("after 1000 windows of 20 events %v are expected", last)
	}
	alone := crowd{mean: 2, spread: spread{within: 0.5}, windows: 100, subjects: 10}
	if d := alone.expect(50, 1000); d.Mean != 2 {
		t.Errorf("subjects that do not differ have the mean of all, not %v", d.Mean)
	}
}

func TestCorrected(t *testing.T) {
	up := baseline.NegBinomial{Mean: 2, Dispersion: 0.5}.Tails(30)
	if got := corrected(up, 1); math.Abs(got.Z()-up.Z()) > 1e-9 {
		t.Errorf("one test: %v, not %v", got.Z(), up.Z())
	}
	if got := corrected(up, 10); !(got.Z() > 0 && got.Z() < up.Z()) || math.Abs(math.Exp(got.Up)+math.Exp(got.Low)-1) > 1e-12 {
		t.Errorf("ten tests: %+v", got)
	}
	low := baseline.NegBinomial{Mean: 50, Dispersion: 0.1}.Tails(1)
	if got := corrected(low, 3); !(got.Z() < 0 && got.Z() > low.Z()) {
		t.Errorf("below: %v of %v", got.Z(), low.Z())
	}
}
