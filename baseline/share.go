package baseline

import (
	"math"

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

// fitShare fits a beta distribution to the share of a feature among the events;
// crossed is the sum over windows of the feature times the events.
//
// Its mean is the share so far, drawn to the prior. Its concentration is what
// the windows' variation leaves (the intraclass correlation ρ by moments,
// concentration 1/ρ − 1), and never more than the events that were seen: what
// was never seen in 10 events may well come in the eleventh.
func fitShare(m *Moments, of cluster.Feature, crossed uint64, prior float64) share {
	x, xx, xn := float64(m.Sum[of]), float64(m.Square[of]), float64(crossed)
	n, nn := float64(m.Sum[cluster.Events]), float64(m.Square[cluster.Events])
	mean := (x + shareEvents*prior) / (n + shareEvents)
	between := mean * (1 - mean)
	rho := 1.0 / (1 + shareConcentration)
	if pairs := nn - n; pairs > 0 && between > 0 {
		residual := xx - 2*mean*xn + mean*mean*nn
		own := math.Min(math.Max((residual/between-n)/pairs, 1e-6), 1)
		weight := float64(m.Windows)
		rho = (weight*own + shareWindows*rho) / (weight + shareWindows)
	}
	concentration := math.Min(math.Max(1/rho-1, 0.05), n+shareEvents)
	return share{alpha: mean * concentration, beta: (1 - mean) * concentration}
}

// clipped returns x of n events, bounded to what an outlier may teach.
func (s share) clipped(x, n uint32, clipZ float64) uint32 {
	if s.usual(x, n) || s.of(n).Z(float64(x)) <= clipZ {
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
