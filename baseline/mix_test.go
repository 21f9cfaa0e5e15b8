package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// drawMix draws a vector of n events whose shares are Dirichlet.
func drawMix(source *rand.Rand, n int, alpha []float64, counts []uint32) {
	shares, sum := make([]float64, len(alpha)), 0.0
	for i, a := range alpha {
		// Gamma(a) is Gamma(a+1)·U^(1/a) (Marsaglia and Tsang 2000).
		shares[i] = distuv.Gamma{Alpha: a + 1, Beta: 1, Src: source}.Rand() * math.Pow(source.Float64(), 1/a)
		sum += shares[i]
	}
	left, rest := n, sum
	for i := range counts {
		counts[i] = 0
		if left == 0 {
			continue
		}
		k := left
		if i < len(alpha)-1 {
			k = 0
			if p := math.Min(shares[i]/rest, 1); p > 0 {
				k = int(distuv.Binomial{N: float64(left), P: p, Src: source}.Rand())
			}
		}
		counts[i] = uint32(k)
		left -= k
		rest -= shares[i]
	}
}

// TestMixTailsAgainstSimulation draws vectors from the model and counts how many
// are more unlike than nominally one in 10, 100 and 1000. The sizes of the
// tests hold from 1 to 100,000 events and for shares from even to one in a
// thousand: at least half and at most 1.5 times the nominal where there are
// enough events for the vector to take many values; else at most twice, which
// is what the mid-p of a value with twice the level's probability gives.
func TestMixTailsAgainstSimulation(t *testing.T) {
	const draws = 10000
	for _, c := range []struct {
		share []float64
		n     []int
	}{
		{[]float64{0.5, 0.3, 0.2}, []int{1, 5, 30, 1000, 100_000}},
		{[]float64{0.9, 0.08, 0.02}, []int{1, 5, 30, 1000}},
		{[]float64{0.989, 0.01, 0.001}, []int{5, 100, 10_000}},
		{[]float64{0.6, 0.1, 0.1, 0.1, 0.05, 0.03, 0.01, 0.005, 0.005}, []int{5, 50, 2000}},
		{[]float64{0.7, 0.3}, []int{3, 40, 5000}},
		{[]float64{0.97, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005}, []int{3, 30, 300}},
	} {
		for _, concentration := range []float64{0.5, 5, 50, 2000} {
			for _, n := range c.n {
				alpha := make([]float64, len(c.share))
				for i, s := range c.share {
					alpha[i] = s * concentration
				}
				checkMix(t, n, alpha, draws)
			}
		}
	}
}

func checkMix(t *testing.T, n int, alpha []float64, draws int) {
	t.Helper()
	source := rand.New(rand.NewPCG(7, uint64(n)))
	counts := make([]uint32, len(alpha))
	levels := []float64{0.1, 0.01, 0.001}
	seen := make([]int, len(levels))
	distinct := make(map[string]int)
	for range draws {
		drawMix(source, n, alpha, counts)
		tails := MixTails(counts, alpha)
		distinct[fmt.Sprint(counts)]++
		for i, l := range levels {
			if tails.Up < math.Log(l) {
				seen[i]++
			}
		}
	}
	for i, l := range levels {
		expected := l * float64(draws)
		slack := 4 * math.Sqrt(expected)
		low, high := 0.0, 2.0
		if len(distinct) > draws/10 {
			low, high = 0.5, 1.5
		}
		if got := float64(seen[i]); got > high*expected+slack || got < low*expected-slack {
			t.Errorf("%d events, alpha %v: %v beyond p = %v, nominally %v (%d different vectors)", n, alpha, got, l, expected, len(distinct))
		}
	}
}

// With two categories it is the two-sided beta-binomial, or the one-sided where
// the other side has nothing as unlikely.
func TestMixTailsOfTwo(t *testing.T) {
	for x, sides := range map[uint32]float64{0: 2, 3: 2, 30: 2, 45: 2, 60: 1} {
		got := MixTails([]uint32{x, 60 - x}, []float64{4, 8})
		want := BetaBinomial{N: 60, Alpha: 4, Beta: 8}.Tails(float64(x))
		if want := math.Min(want.Up, want.Low) + math.Log(sides); math.Abs(got.Up-want) > 1e-9 {
			t.Errorf("%d of 60: %v, beta-binomial %v", x, got.Up, want)
		}
	}
}

func TestMixTailsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "categories")
		counts, alpha := make([]uint32, n), make([]float64, n)
		for i := range n {
			counts[i] = rapid.OneOf(rapid.Uint32Range(0, 5), rapid.Uint32()).Draw(t, "count")
			alpha[i] = math.Exp(rapid.Float64Range(-30, 12).Draw(t, "log alpha"))
		}
		got := MixTails(counts, alpha)
		checkTails(t, alpha, float64(n), got)
		// Categories have no order.
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) {
			counts[i], counts[j] = counts[j], counts[i]
			alpha[i], alpha[j] = alpha[j], alpha[i]
		})
		if again := MixTails(counts, alpha); !near(again.Up, got.Up, 1e-6) {
			t.Fatalf("%v of %v: %+v, in another order %+v", counts, alpha, got, again)
		}
	})
}

func TestMixTailsExtremes(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		counts []uint32
		alpha  []float64
	}{
		{nil, nil},
		{[]uint32{3}, []float64{1}},
		{[]uint32{3, 0}, nil},
		{[]uint32{0, 0, 0}, []float64{1, 2, 3}},
		{[]uint32{1, 2, 3}, []float64{1, 2}},
		{[]uint32{1}, []float64{1, 2, 3}},
		{[]uint32{math.MaxUint32, math.MaxUint32, 0}, []float64{1e-300, 1e300, 0}},
		{[]uint32{5, 5}, []float64{nan, inf}},
		{make([]uint32, 100), make([]float64, 100)},
	} {
		checkTails(t, c, 0, MixTails(c.counts, c.alpha))
	}
	if z := MixTails([]uint32{0, 1000}, []float64{1000, 1e-9}).Z(); z < 30 {
		t.Errorf("a thousand events of what never happened: z %v", z)
	}
	if z := MixTails([]uint32{600, 300, 100}, []float64{60, 30, 10}).Z(); z > 0 {
		t.Errorf("just as expected: z %v", z)
	}
}

func BenchmarkMixTails(b *testing.B) {
	for _, c := range []struct {
		counts []uint32
		alpha  []float64
	}{
		{[]uint32{20, 12, 8}, []float64{10, 6, 4}},
		{[]uint32{400, 30, 0, 0, 0, 0, 0, 0, 0}, []float64{18, 2, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02}},
		{[]uint32{40_000, 3000, 100, 10}, []float64{18, 2, 0.1, 0.1}},
	} {
		b.Run(fmt.Sprint(c.counts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = MixTails(c.counts, c.alpha)
			}
		})
	}
}
