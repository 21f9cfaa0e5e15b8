package level

import "math"

// The residuals of an expert are Student t with one of these degrees of
// freedom. They are even, for which the tail is a finite sum: a heavy one,
// which no outlier surprises for ever, and one that is nearly normal.
const (
	heavy   = 0
	light   = 1
	weights = 2 // how many tail weights there are
)

var degrees = [weights]float64{heavy: 2, light: 8}

// logNorm is the logarithm of the density of a standard Student t at 0.
var logNorm = [weights]float64{
	heavy: studentNorm(2),
	light: studentNorm(8),
}

func studentNorm(df float64) float64 {
	a, _ := math.Lgamma((df + 1) / 2)
	b, _ := math.Lgamma(df / 2)
	return a - b - 0.5*math.Log(df*math.Pi)
}

// studentTail is P(T > x) for a standard Student t with degrees[w] degrees of
// freedom and x ≥ 0. With a = df/2 and u = (1 − x/√(df+x²))/2, which is
// computed without the difference, it is the regularised incomplete beta
// function I_u(a, a), for whole a the binomial sum over j = a … 2a−1 of
// C(2a−1, j)·u^j·(1−u)^(2a−1−j) (NIST DLMF 8.17.5). All terms are positive, so
// that the far tail keeps its relative accuracy.
func studentTail(w int, x float64) float64 {
	df := degrees[w]
	root := math.Sqrt(df + x*x)
	u := df / (2 * root * (root + x))
	if w == heavy {
		return u
	}
	v := 1 - u
	return u * u * u * u * (v*v*(35*v+21*u) + u*u*(7*v+u))
}
