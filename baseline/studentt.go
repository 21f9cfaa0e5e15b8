package baseline

import "math"

// StudentT is the predictive distribution of a value that is not a count, such
// as a mean logarithm: Mean + Scale·T, where T has Student's t distribution with
// DF degrees of freedom.
//
// Scale ≥ 0 (0: only Mean is possible), DF > 0; from 1e10 on it is the normal
// distribution, from which it then differs by less than 1e-4 of log p at |z| = 40.
type StudentT struct{ Mean, Scale, DF float64 }

// normalAbove is the DF from which the normal limit is used.
const normalAbove = 1e10

// Tails returns the tails of the value x. The distribution is continuous: there
// is no half of P(X = x) to add, but where Scale is 0.
func (d StudentT) Tails(x float64) Tails {
	if !(d.Scale > 0) {
		return certain(x - d.Mean)
	}
	t := (x - d.Mean) / d.Scale
	if math.IsNaN(t) || !(d.DF > 0) {
		return certain(0)
	}
	beyond, rest := logTBeyond(math.Abs(t), d.DF)
	if t > 0 {
		return Tails{Up: boundLog(beyond), Low: boundLog(rest)}
	}
	return Tails{Up: boundLog(rest), Low: boundLog(beyond)}
}

// certain is the tails where only one value is possible, and seen was so far
// above it.
func certain(above float64) Tails {
	switch {
	case above > 0:
		return Tails{Up: lowestLog, Low: 0}
	case above < 0:
		return Tails{Up: 0, Low: lowestLog}
	default:
		return Tails{Up: -math.Ln2, Low: -math.Ln2}
	}
}

// logTBeyond returns log P(T > t) and log P(T ≤ t) for t ≥ 0:
// P(T > t) = I_x(ν/2, ½)/2 with x = ν/(ν + t²) (Abramowitz and Stegun 26.7.1).
func logTBeyond(t, df float64) (beyond, rest float64) {
	if df >= normalAbove {
		beyond, _ = normalLow(-math.Min(t, 1e7))
		return beyond, log1mExp(beyond)
	}
	s := t / math.Sqrt(df)
	switch {
	case t == 0:
		return -math.Ln2, -math.Ln2
	case s > 1e100:
		// s² is too large for a float64, and the first term of the series is all.
		beyond = -df*math.Log(s) - math.Log(df) - logBeta(df/2, 0.5)
	default:
		beyond, _ = logIncBeta(df/2, 0.5, 1/(1+s*s), s*s/(1+s*s))
		beyond -= math.Ln2
	}
	beyond = math.Min(beyond, -math.Ln2)
	return beyond, log1mExp(beyond)
}

// Quantile returns the value below which the probability is p, 0 < p < 1.
func (d StudentT) Quantile(p float64) float64 {
	if !(d.Scale > 0) || !(d.DF > 0) || math.IsNaN(p) {
		return d.Mean
	}
	if p > 0.5 {
		return d.Mean + d.Scale*tQuantile(math.Log1p(-math.Min(p, 1-0x1p-53)), d.DF)
	}
	return d.Mean - d.Scale*tQuantile(math.Log(math.Max(p, math.SmallestNonzeroFloat64)), d.DF)
}

// tQuantile returns t ≥ 0 with log P(T > t) = logP, for logP ≤ −ln 2: by halving
// an interval of log t, 1e-12 relative. It is bounded to 1e150.
func tQuantile(logP, df float64) float64 {
	if logP >= -math.Ln2 {
		return 0
	}
	low, high := -20.0, 2.0 // of log t
	for high < 345 {
		if beyond, _ := logTBeyond(math.Exp(high), df); beyond < logP {
			break
		}
		low, high = high, 2*high
	}
	for high-low > 1e-12 {
		mid := (low + high) / 2
		if beyond, _ := logTBeyond(math.Exp(mid), df); beyond < logP {
			high = mid
		} else {
			low = mid
		}
	}
	return math.Exp((low + high) / 2)
}
