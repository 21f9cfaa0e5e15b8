package baseline

import (
	"math"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
)

// share is the Beta distribution of a share. The zero value has no opinion.
type share struct{ alpha, beta float64 }

// The prior of a share: worth this many events at the tenant's share for the
// class, and windows whose shares correlate as if they had this concentration.
const (
	shareEvents        = 2
	shareConcentration = 20
	shareWindows       = 10
)

// Parts are the sums that a beta-binomial is fitted to: over windows in which X
// of N events had a property.
type Parts struct{ Windows, X, XX, XN, N, NN float64 }

// parts are those of a feature of which crossed is the sum over windows of the
// feature times the events.
func (m *Moments) parts(of cluster.Feature, crossed uint64) Parts {
	return Parts{
		Windows: float64(m.Windows), X: float64(m.Sum[of]), XX: float64(m.Square[of]), XN: float64(crossed),
		N: float64(m.Sum[cluster.Events]), NN: float64(m.Square[cluster.Events]),
	}
}

// fit fits a beta distribution to the share.
//
// Its mean is the share so far, drawn to the prior. Its concentration is what
// the windows' variation leaves (the intraclass correlation ρ by moments,
// concentration 1/ρ − 1), and never more than the events that were seen: what
// was never seen in 10 events may well come in the eleventh.
func (s *Parts) fit(prior float64) share {
	mean := (s.X + shareEvents*prior) / (s.N + shareEvents)
	between := mean * (1 - mean)
	own := math.NaN()
	if pairs := s.NN - s.N; pairs > 0 && between > 0 {
		residual := s.XX - 2*mean*s.XN + mean*mean*s.NN
		own = (residual/between - s.N) / pairs
	}
	concentration := concentrated(own, s.Windows, s.N)
	return share{alpha: mean * concentration, beta: (1 - mean) * concentration}
}

// concentrated returns the concentration of an intraclass correlation that was
// found in so many windows of n events altogether; NaN when nothing was found.
func concentrated(own, windows, n float64) float64 {
	rho := 1.0 / (1 + shareConcentration)
	if !math.IsNaN(own) {
		own = math.Min(math.Max(own, 1e-6), 1)
		rho = (windows*own + shareWindows*rho) / (windows + shareWindows)
	}
	return math.Min(math.Max(1/rho-1, 0.05), n+shareEvents)
}

// of is the distribution of the number among n events.
func (s share) of(n uint32) BetaBinomial {
	return BetaBinomial{N: float64(n), Alpha: s.alpha, Beta: s.beta}
}

// stratum is that of the expected number among n events.
func (s share) stratum(n uint32) calibration.Stratum {
	return calibration.StratumOf(float64(n) * s.alpha / (s.alpha + s.beta))
}

// usual reports whether x of n events have a calibrated |z| ≤ Exceedance, given
// the corrections of the low and the high side. A share is only looked at closely
// when there is more of it than the mean.
func (s share) usual(x, n uint32, in [2]calibration.Correction) bool {
	if n == 0 || s.alpha < s.beta && float64(x) <= float64(n)*s.alpha/(s.alpha+s.beta) {
		return true
	}
	z := s.of(n).Z(float64(x))
	return z >= -in[calibration.Low].Nominal(Exceedance) && z <= in[calibration.Up].Nominal(Exceedance)
}

// clipped returns x of n events, bounded to what an outlier may teach.
func (s share) clipped(x, n uint32, clipZ float64) uint32 {
	if s.usual(x, n, [2]calibration.Correction{}) || s.of(n).Z(float64(x)) <= clipZ {
		return x
	}
	d, low, high := s.of(n), uint32(0), x // z at low is within, at high beyond
	for high-low > 1 {
		if mid := low + (high-low)/2; d.Z(float64(mid)) > clipZ {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}
