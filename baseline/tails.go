package baseline

import "math"

// Tails are the natural logarithms of the two mid-p tails of a count under a
// predictive distribution: Up of P(X > x) + P(X = x)/2, Low of P(X < x) +
// P(X = x)/2. exp(Up) + exp(Low) is 1. Both are at most 0 and finite.
type Tails struct{ Up, Low float64 }

// LogP is the natural logarithm of the two-sided p-value, at most 0.
func (t Tails) LogP() float64 { return math.Min(0, math.Ln2+math.Min(t.Up, t.Low)) }

// Z is the z-score: positive for more than expected, negative for less.
func (t Tails) Z() float64 {
	if t.Up < t.Low {
		return -NormalQuantile(t.Up)
	}
	return NormalQuantile(t.Low)
}

// lowestLog stands for the logarithm of zero: far below anything a real count
// can reach, and finite.
const lowestLog = -1e15

// midTails makes the tails from log P(X > x), log P(X ≤ x) and log P(X = x).
//
// P(X = x) is a part of P(X ≤ x), so the difference loses at most one bit
// where the halved term dominates.
func midTails(logAbove, logUpTo, logAt float64) Tails {
	half := logAt - math.Ln2
	low := logUpTo + log1mExp(math.Min(half-logUpTo, -math.Ln2))
	return Tails{Up: boundLog(logSumExp(logAbove, half)), Low: boundLog(low)}
}

func boundLog(l float64) float64 {
	if math.IsNaN(l) || l < lowestLog {
		return lowestLog
	}
	return math.Min(l, 0)
}

// logSumExp is log(exp(a) + exp(b)).
func logSumExp(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(a, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// log1mExp is log(1 − exp(l)) for l ≤ 0, −Inf for l = 0. The switch at −ln 2
// keeps full precision on both sides (Mächler 2012, "Accurately computing
// log(1 − exp(−|a|))").
func log1mExp(l float64) float64 {
	switch {
	case l >= 0:
		return math.Inf(-1)
	case l > -math.Ln2:
		return math.Log(-math.Expm1(l))
	default:
		return math.Log1p(-math.Exp(l))
	}
}

func logGamma(x float64) float64 {
	l, _ := math.Lgamma(x)
	return l
}
