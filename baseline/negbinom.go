package baseline

import "math"

// NegBinomial is the predictive distribution of a count: a Poisson count whose
// rate itself varies. Its mean is Mean and its variance Mean + Dispersion·Mean².
//
// Mean is at least 0 (0: only the count 0 is possible). Dispersion is the
// squared coefficient of variation of the rate, at least 0; at 0 (below 1e-9)
// it is the Poisson distribution.
type NegBinomial struct{ Mean, Dispersion float64 }

// poissonBelow is the dispersion under which the Poisson limit is used: the
// variance differs from it by less than a part in 1000 for means below 1e6.
const poissonBelow = 1e-9

// Tails returns the mid-p tails of the count x ≥ 0.
//
// P(X > x) is the regularised incomplete beta function I_q(x+1, r) with
// r = 1/Dispersion and q = Mean/(Mean + r); in the limit the incomplete gamma
// function P(x+1, Mean) (NIST DLMF 8.17.24 and 8.4.10).
func (d NegBinomial) Tails(x float64) Tails {
	t, _ := d.tailsAt(x)
	return t
}

// tailsAt is Tails, and the log of the probability of x itself.
func (d NegBinomial) tailsAt(x float64) (t Tails, at float64) {
	x = math.Max(math.Floor(x), 0)
	if !(d.Mean > 0) {
		if x == 0 {
			return Tails{Up: -math.Ln2, Low: -math.Ln2}, 0
		}
		return Tails{Up: lowestLog, Low: 0}, math.Inf(-1)
	}
	at = d.logAt(x)
	var above, upTo float64
	switch {
	case x == 0: // the most frequent count by far
		above, upTo = log1mExp(at), at
	case d.Dispersion < poissonBelow:
		above, upTo = logIncGamma(x+1, d.Mean)
	default:
		r := 1 / d.Dispersion
		above, upTo = logIncBeta(x+1, r, d.Mean/(d.Mean+r), r/(d.Mean+r))
	}
	return midTails(above, upTo, at), at
}

// logAt is log P(X = x).
func (d NegBinomial) logAt(x float64) float64 {
	if d.Dispersion < poissonBelow {
		return x*math.Log(d.Mean) - d.Mean - logGamma(x+1)
	}
	r := 1 / d.Dispersion
	q, rest := d.Mean/(d.Mean+r), r/(d.Mean+r)
	l := r * logOf(rest, q)
	if x > 0 {
		// Γ(x+r)/(Γ(r) x!) = 1/(x·B(x, r))
		l += x*logOf(q, rest) - math.Log(x) - logBeta(x, r)
	}
	return l
}

// Z is the z-score of the count x.
func (d NegBinomial) Z(x float64) float64 { return d.Tails(x).Z() }

// Quantile returns the smallest count whose cumulative probability is at least
// p, 0 < p < 1.
func (d NegBinomial) Quantile(p float64) float64 {
	if !(d.Mean > 0) {
		return 0
	}
	logP := math.Log(p)
	return d.search(func(x float64) bool { return d.logUpTo(x) >= logP })
}

func (d NegBinomial) logUpTo(x float64) float64 {
	if d.Dispersion < poissonBelow {
		_, q := logIncGamma(x+1, d.Mean)
		return q
	}
	r := 1 / d.Dispersion
	_, upTo := logIncBeta(x+1, r, d.Mean/(d.Mean+r), r/(d.Mean+r))
	return upTo
}

// sd is the standard deviation.
func (d NegBinomial) sd() float64 {
	return math.Sqrt(d.Mean + d.Dispersion*d.Mean*d.Mean)
}

// search returns the smallest count x ≥ 0 with ok(x), where ok is false below
// some count and true from it on. It looks near the mean first.
func (d NegBinomial) search(ok func(x float64) bool) float64 {
	if ok(0) {
		return 0
	}
	lo, step := 0.0, math.Max(1, math.Floor(d.sd()))
	hi := math.Floor(d.Mean) + step
	for !ok(hi) {
		lo = hi
		step *= 2
		hi += step
		if hi > 1e12 {
			return hi
		}
	}
	for hi-lo > 1 {
		mid := math.Floor((lo + hi) / 2)
		if ok(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
