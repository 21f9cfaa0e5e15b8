package baseline

import "math"

// NormalQuantile returns z with log Φ(z) = logP for a natural logarithm
// logP ≤ 0: the inverse of the standard normal distribution from the
// logarithm of a probability. The result is finite for every argument: values
// are bounded to |z| ≤ 4.5e7, positive ones to what a float64 below 1 can
// express (8.3).
//
// Newton's method on log Φ, which is concave and nearly a parabola in the
// tail; it starts from the first terms of the asymptotic expansion and takes
// three to five steps to 1e-14.
func NormalQuantile(logP float64) float64 {
	switch {
	case math.IsNaN(logP) || logP >= 0:
		return -normalQuantileLow(math.Log(0x1p-54))
	case logP > -math.Ln2:
		return -normalQuantileLow(math.Max(log1mExp(logP), math.Log(0x1p-54)))
	default:
		return normalQuantileLow(math.Max(logP, lowestLog))
	}
}

// normalQuantileLow is NormalQuantile for logP ≤ −ln 2.
func normalQuantileLow(logP float64) float64 {
	t := -2*logP - math.Log(2*math.Pi)
	z := 0.0
	if t > 1 {
		z = -math.Sqrt(math.Max(t-math.Log(t), 0.1))
	}
	for range 50 {
		logCDF, hazard := normalLow(z)
		step := (logCDF - logP) / hazard
		z -= step
		if math.Abs(step) <= 1e-14*math.Abs(z) {
			break
		}
	}
	return math.Min(z, 0)
}

// normalLow returns log Φ(z) and its derivative φ(z)/Φ(z), for z up to about 1.
func normalLow(z float64) (logCDF, hazard float64) {
	const logRoot2Pi = 0.91893853320467274178032973640562
	logPDF := -z*z/2 - logRoot2Pi
	if z > -5 {
		cdf := math.Erfc(-z/math.Sqrt2) / 2
		return math.Log(cdf), math.Exp(logPDF) / cdf
	}
	// Mills ratio Φ(z)/φ(z) by its continued fraction 1/(x + 1/(x + 2/(x + …)))
	// with x = −z (NIST DLMF 7.9.3), from the far end: at x = 5, 60 terms reach
	// the last bit.
	x := -z
	f := x
	for k := 60.0; k >= 1; k-- {
		f = x + k/f
	}
	return logPDF - math.Log(f), f
}
