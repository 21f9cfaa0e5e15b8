package baseline

import "math"

// The regularised incomplete gamma and beta functions as logarithms. gonum's
// mathext has them in linear space, where a tail below 1e-308 is zero and the
// other one cannot be told from 1; an alert's p-value is often far beyond.

// The continued fractions converge in about √max(a, b) steps: counts of a
// window are at most some millions.
const maxTerms = 100_000

// logIncBeta returns log I_x(a, b) and log(1 − I_x(a, b)), where y is 1 − x
// (given apart, so that neither is rounded away). a, b > 0; 0 ≤ x ≤ 1.
//
// NIST DLMF 8.17.22: the continued fraction converges fast for
// x < (a+1)/(a+b+2); elsewhere I_x(a,b) = 1 − I_y(b,a) (8.17.4).
func logIncBeta(a, b, x, y float64) (logI, logRest float64) {
	if x <= 0 {
		return math.Inf(-1), 0
	}
	if y <= 0 {
		return 0, math.Inf(-1)
	}
	if x*(a+b+2) <= a+1 {
		logI = math.Min(logBetaPrefix(a, b, x, y)+math.Log(betaFraction(a, b, x)), 0)
		return logI, log1mExp(logI)
	}
	logRest = math.Min(logBetaPrefix(b, a, y, x)+math.Log(betaFraction(b, a, y)), 0)
	return log1mExp(logRest), logRest
}

// logBetaPrefix is log(x^a y^b / (a B(a,b))).
func logBetaPrefix(a, b, x, y float64) float64 {
	return a*logOf(x, y) + b*logOf(y, x) - math.Log(a) - logBeta(a, b)
}

// logOf is log(x) where rest is 1 − x, precise at both ends.
func logOf(x, rest float64) float64 {
	if rest < 0.5 {
		return math.Log1p(-rest)
	}
	return math.Log(x)
}

// logBeta is the logarithm of the beta function. For one large argument the
// difference of the two large log-gammas is taken from the Stirling series
// (NIST DLMF 5.11.1), where their leading terms cancel on paper and not in the
// floating point.
func logBeta(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if a < 1e3 {
		return logGamma(a) + logGamma(b) - logGamma(a+b)
	}
	// log Γ(a) − log Γ(a+b)
	diff := -(a-0.5)*math.Log1p(b/a) - b*math.Log(a+b) + b + stirling(a) - stirling(a+b)
	return logGamma(b) + diff
}

// stirling is the correction 1/(12a) − 1/(360a³) + 1/(1260a⁵) − 1/(1680a⁷) of
// log Γ(a), for a ≥ 50 exact to 1e-17.
func stirling(a float64) float64 {
	i := 1 / a
	return i * (1./12 - i*i*(1./360-i*i*(1./1260-i*i/1680)))
}

// logGammaRatio is log Γ(x+a) − log Γ(x) for x ≥ 1, x + a > 0. Where x is
// large, the leading terms of the two are subtracted on paper, as in logBeta.
func logGammaRatio(x, a float64) float64 {
	if x < 50 || x+a < 50 {
		return logGamma(x+a) - logGamma(x)
	}
	return (x+a-0.5)*math.Log1p(a/x) + a*(math.Log(x)-1) + stirling(x+a) - stirling(x)
}

// betaFraction is the continued fraction of NIST DLMF 8.17.22, by the modified
// method of Lentz.
func betaFraction(a, b, x float64) float64 {
	const tiny = 1e-300
	c, d := 1.0, 1-(a+b)*x/(a+1)
	if math.Abs(d) < tiny {
		d = tiny
	}
	d = 1 / d
	f := d
	for k := 1.0; k < maxTerms; k++ {
		even := k * (b - k) * x / ((a + 2*k - 1) * (a + 2*k))
		d = lentz(1 + even*d)
		c = nonZero(1 + even/c)
		f *= c * d
		odd := -(a + k) * (a + b + k) * x / ((a + 2*k) * (a + 2*k + 1))
		d = lentz(1 + odd*d)
		c = nonZero(1 + odd/c)
		f *= c * d
		if math.Abs(c*d-1) < 1e-15 {
			break
		}
	}
	return f
}

func nonZero(v float64) float64 {
	if math.Abs(v) < 1e-300 {
		return 1e-300
	}
	return v
}

func lentz(v float64) float64 { return 1 / nonZero(v) }

// logIncGamma returns log P(a, x) and log Q(a, x), the lower and upper
// regularised incomplete gamma functions. a > 0, x ≥ 0.
//
// The series NIST DLMF 8.7.1 (times e^-x, 8.11.4) for x < a + 1, else the
// continued fraction 8.9.2.
func logIncGamma(a, x float64) (logP, logQ float64) {
	if x <= 0 {
		return 0 + math.Inf(-1), 0
	}
	prefix := a*math.Log(x) - x - logGamma(a)
	if x < a+1 {
		sum, term := 1/a, 1/a
		for n := a + 1; term > sum*1e-16 && n < a+maxTerms; n++ {
			term *= x / n
			sum += term
		}
		logP = math.Min(prefix+math.Log(sum), 0)
		return logP, log1mExp(logP)
	}
	b := x + 1 - a
	c, d := 1e300, 1/nonZero(b)
	f := d
	for k := 1.0; k < maxTerms; k++ {
		an := -k * (k - a)
		b += 2
		d = lentz(an*d + b)
		c = nonZero(b + an/c)
		f *= c * d
		if math.Abs(c*d-1) < 1e-15 {
			break
		}
	}
	logQ = math.Min(prefix+math.Log(f), 0)
	return log1mExp(logQ), logQ
}
