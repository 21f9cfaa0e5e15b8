package baseline

import "math"

// BetaBinomial is the predictive distribution of how many of N events have a
// property, when the share itself varies as Beta(Alpha, Beta). N ≥ 0 is a
// whole number; Alpha, Beta > 0.
type BetaBinomial struct{ N, Alpha, Beta float64 }

// Tails returns the mid-p tails of the count x, which is bounded to 0 … N.
//
// The shorter side is summed term by term with the ratio of neighbouring
// probabilities, so it costs at most N/2 steps; a term that no longer changes
// the sum ends it, unless the distribution rises again at its end.
func (d BetaBinomial) Tails(x float64) Tails {
	x = math.Min(math.Max(math.Floor(x), 0), d.N)
	if d.N <= 0 {
		return Tails{Up: -math.Ln2, Low: -math.Ln2}
	}
	if x > d.N*d.Alpha/(d.Alpha+d.Beta) {
		up, at := d.sumFrom(x)
		// up is log P(X ≥ x)
		above := up + log1mExp(math.Min(at-up, 0))
		return midTails(above, log1mExp(math.Min(above, 0)), at)
	}
	mirror := BetaBinomial{N: d.N, Alpha: d.Beta, Beta: d.Alpha}
	upTo, at := mirror.sumFrom(d.N - x)
	below := upTo + log1mExp(math.Min(at-upTo, 0))
	t := midTails(below, log1mExp(math.Min(below, 0)), at)
	return Tails{Up: t.Low, Low: t.Up}
}

// sumFrom returns log P(X ≥ x) and log P(X = x).
func (d BetaBinomial) sumFrom(x float64) (logFrom, logAt float64) {
	logAt = d.logAt(x)
	sum, term := 1.0, 1.0
	falls := d.Beta >= 1
	for k := x; k < d.N; k++ {
		term *= (d.N - k) * (d.Alpha + k) / ((k + 1) * (d.Beta + d.N - k - 1))
		sum += term
		if falls && term < sum*1e-17 {
			break
		}
	}
	return math.Min(logAt+math.Log(sum), 0), logAt
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
