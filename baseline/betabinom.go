package baseline

import "math"

// BetaBinomial is the predictive distribution of how many of N events have a
// property, when the share itself varies as Beta(Alpha, Beta). N ≥ 0 is a
// whole number; Alpha, Beta > 0.
type BetaBinomial struct{ N, Alpha, Beta float64 }

// Tails returns the mid-p tails of the count x, which is bounded to 0 … N.
//
// The shorter side is summed: see [BetaBinomial.sumFrom] for what it costs.
func (d BetaBinomial) Tails(x float64) Tails {
	t, _ := d.tailsAt(x)
	return t
}

// tailsAt returns the tails of x and log P(X = x).
func (d BetaBinomial) tailsAt(x float64) (tails Tails, logAt float64) {
	x = math.Min(math.Max(math.Floor(x), 0), d.N)
	if !(d.N > 0) || math.IsNaN(x) {
		return Tails{Up: -math.Ln2, Low: -math.Ln2}, 0
	}
	if x > d.N*d.Alpha/(d.Alpha+d.Beta) {
		up, at := d.sumFrom(x)
		// up is log P(X ≥ x)
		above := up + log1mExp(math.Min(at-up, 0))
		return midTails(above, log1mExp(math.Min(above, 0)), at), at
	}
	mirror := BetaBinomial{N: d.N, Alpha: d.Beta, Beta: d.Alpha}
	upTo, at := mirror.sumFrom(d.N - x)
	below := upTo + log1mExp(math.Min(at-upTo, 0))
	t := midTails(below, log1mExp(math.Min(below, 0)), at)
	return Tails{Up: t.Low, Low: t.Up}, at
}

// A sum is taken term by term at both of its ends, and in blocks in between.
const (
	firstTerms = 256
	lastTerms  = 64
)

// sumFrom returns log P(X ≥ x) and log P(X = x).
//
// Near x the probabilities are summed with the ratio of neighbours, until a
// term no longer changes the sum. Where that is not so after firstTerms, as with
// many events whose share varies much, the rest is summed in blocks
// ([BetaBinomial.blocks]) that grow with the distance from x and shrink towards N,
// where a Beta below 1 makes the distribution rise again; the last terms are
// summed one by one. So it costs some 20 blocks at most, however large N is.
func (d BetaBinomial) sumFrom(x float64) (logFrom, logAt float64) {
	logAt = d.logAt(x)
	end := d.N
	if d.N-x > firstTerms+4*lastTerms {
		end = x + firstTerms
	}
	sum, settled := d.terms(x, end)
	if end == d.N || settled {
		return math.Min(logAt+math.Log(sum), 0), logAt
	}
	return math.Min(logAt+math.Log(sum+d.blocks(x, end+1)), 0), logAt
}

// blocks sums P(X = k)/P(X = x) from k on.
//
// By the formula of Euler and Maclaurin with midpoints (NIST DLMF 2.10.1), a sum
// is the integral from half a step before the first term to half a step after
// the last, less the difference of the derivative at these two over 24.
func (d BetaBinomial) blocks(x, k float64) float64 {
	shape := d.shapeAt(x)
	sum := d.slope(k-0.5, shape) / 24
	for d.N-k >= lastTerms {
		n := math.Floor(math.Min((k-x)/2, (d.N-k)/2))
		part := d.block(k, n, shape)
		sum += part
		k += n
		if d.Beta >= 1 && part < sum*1e-17 {
			return sum
		}
	}
	rest, _ := d.terms(k, d.N)
	return sum - d.slope(k-0.5, shape)/24 + math.Exp(d.shapeAt(k)-shape)*rest
}

// terms sums P(X = k)/P(X = from) for k = from … to, and reports whether what
// comes after it no longer counts.
func (d BetaBinomial) terms(from, to float64) (sum float64, settled bool) {
	sum, term := 1.0, 1.0
	falls := d.Beta >= 1
	for k := from; k < to; k++ {
		term *= (d.N - k) * (d.Alpha + k) / ((k + 1) * (d.Beta + d.N - k - 1))
		sum += term
		if falls && term < sum*1e-17 {
			return sum, true
		}
	}
	return sum, false
}

// block integrates over the steps of the n terms from k on, in units of the
// exponential of shape, by the eight-point rule of Gauss and Legendre.
func (d BetaBinomial) block(k, n, shape float64) float64 {
	centre, half := k+(n-1)/2, n/2
	sum := 0.0
	for i, at := range legendreAt {
		sum += legendreWeight[i] * (math.Exp(d.shapeAt(centre+at*half)-shape) + math.Exp(d.shapeAt(centre-at*half)-shape))
	}
	return sum * half
}

// The nodes and weights of the eight-point rule (NIST DLMF table 3.5.2).
var (
	legendreAt     = [4]float64{0.183434642495649805, 0.525532409916328986, 0.796666477413626740, 0.960289856497536232}
	legendreWeight = [4]float64{0.362683783378361983, 0.313706645877887287, 0.222381034453374471, 0.101228536290376259}
)

// shapeAt is log P(X = x) but for a constant; x need not be whole.
func (d BetaBinomial) shapeAt(x float64) float64 {
	return logGammaRatio(x+1, d.Alpha-1) + logGammaRatio(d.N-x+1, d.Beta-1)
}

// slope is the derivative of P(X = x), in units of the exponential of shape.
func (d BetaBinomial) slope(x, shape float64) float64 {
	before, after := math.Exp(d.shapeAt(x-0.5)-shape), math.Exp(d.shapeAt(x+0.5)-shape)
	return after - before
}

// logAt is log P(X = x): C(N, x)·B(x+α, N−x+β)/B(α, β).
func (d BetaBinomial) logAt(x float64) float64 {
	choose := -math.Log1p(d.N) - logBeta(x+1, d.N-x+1)
	return choose + logBeta(x+d.Alpha, d.N-x+d.Beta) - logBeta(d.Alpha, d.Beta)
}

// Z is the z-score of the count x.
func (d BetaBinomial) Z(x float64) float64 { return d.Tails(x).Z() }

// Quantile returns the smallest count whose cumulative probability is at least
// p, 0 < p < 1.
func (d BetaBinomial) Quantile(p float64) float64 {
	lo, hi := -1.0, d.N
	for hi-lo > 1 {
		mid := math.Floor((lo + hi) / 2)
		if d.cumulative(mid) >= p {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

func (d BetaBinomial) cumulative(x float64) float64 {
	if x >= d.N {
		return 1
	}
	mirror := BetaBinomial{N: d.N, Alpha: d.Beta, Beta: d.Alpha}
	upTo, _ := mirror.sumFrom(d.N - x)
	return math.Exp(upTo)
}
