package level

import "math"

// The experts: ways to say where the next row will be. Each is right for some
// series, none for all.
const (
	last       = iota // where the last one was
	fast              // the mean of the last few rows
	mid               // the mean of the last twenty or so
	slow              // the long-run level
	trend             // a damped trend
	regress           // an autoregression on the last two rows
	daily             // the same time on other days, and how far off the last row was
	dailyLevel        // the same half hour on other days, whatever the last row was
	weekly            // the same half hour in other weeks, and how far off the last row was
	numExperts
)

// Expert is what is known of one expert: how far off it usually is.
type Expert struct {
	// Rows is the number of residuals that it was judged by, Up the share of
	// those above 0.
	Rows, Up float64
	// Scale are the Student t scales by tail weight, of residuals below and
	// above 0. 0 before the first residual that is not 0.
	Scale [weights][2]float64
	// LogWeight is the logarithm of its weight in the mixture, not normalised.
	LogWeight [weights]float64
}

const (
	below = 0
	above = 1
)

func side(r float64) int {
	if r > 0 {
		return above
	}
	return below
}

// scaleFloor is the least gain of the scales: the light-tailed one
// follows the volatility of the last hundred rows, the heavy-tailed one that of
// the last thousand.
var scaleFloor = [weights]float64{heavy: 0.002, light: 0.02}

// learn updates scales by the residual, which counts for the given part of a
// row and was expected to be wider by the given factor. The step is that of
// expectation maximisation for a Student t scale, bounded in both directions:
// an outlier of any size moves a scale no more than a large one.
func (e *Expert) learn(r, part, factor float64) {
	r = math.Abs(r) / factor * sign(r)
	if e.Scale[light][above] == 0 {
		if r == 0 {
			return
		}
		s := math.Abs(r)
		e.Scale = [weights][2]float64{{s, s}, {s, s}}
	}
	e.Rows += part
	gain := part * math.Max(1/(e.Rows+2), 0.005)
	to := 0.0
	switch {
	case r > 0:
		to = 1
	case r == 0:
		to = 0.5
	}
	e.Up += gain * (to - e.Up)
	e.Up = math.Min(math.Max(e.Up, 0.05), 0.95)
	d := side(r)
	for w := range weights {
		s := e.Scale[w][d]
		q := math.Min(math.Abs(r)/s, 1e100)
		df := degrees[w]
		pull := (df + 1) / (df/(q*q) + 1)
		// Each side sees about half of the rows.
		g := math.Min(2*part*math.Max(1/(e.Rows+2), scaleFloor[w]), 0.5)
		e.Scale[w][d] = math.Max(s*math.Sqrt(1+g*(pull-1)), 1e-300)
	}
}

func sign(r float64) float64 {
	if r < 0 {
		return -1
	}
	return 1
}

// Moments are the exponentially weighted second moments of a row and the two
// before it, as distances from the long-run level in units of its spread: what
// an autoregression is solved from.
type Moments struct {
	// Of the two rows before: their variances and covariance; Now1 and Now2 are
	// the covariances with the row itself.
	Var1, Var2, Cov, Now1, Now2 float64
	// Rows is the number of rows.
	Rows float64
}

func (m *Moments) learn(now, one, two float64) {
	m.Rows++
	g := math.Max(1/m.Rows, 0.002)
	m.Var1 += g * (one*one - m.Var1)
	m.Var2 += g * (two*two - m.Var2)
	m.Cov += g * (one*two - m.Cov)
	m.Now1 += g * (now*one - m.Now1)
	m.Now2 += g * (now*two - m.Now2)
}

// coefficients solves the normal equations with a small ridge.
func (m *Moments) coefficients() (a, b float64) {
	ridge := 0.01*(m.Var1+m.Var2)/2 + 1e-12
	v1, v2 := m.Var1+ridge, m.Var2+ridge
	det := v1*v2 - m.Cov*m.Cov
	if det <= 0 || m.Rows < 8 {
		return 0, 0
	}
	return (m.Now1*v2 - m.Now2*m.Cov) / det, (m.Now2*v1 - m.Now1*m.Cov) / det
}

// bound keeps x within ±limit.
func bound(x, limit float64) float64 { return math.Min(math.Max(x, -limit), limit) }
