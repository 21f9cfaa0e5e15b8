package peer

import (
	"math"

	"github.com/logcluster/logcluster/baseline"
)

// How often a subject that is active does something is a hierarchy: the counts
// of a subject vary around his own rate, and the rates of the subjects of a role
// family around that of the family. A count is of the events beyond the first,
// because only who was active in a cluster is judged there.
//
// The rate that is expected of a subject weighs his own mean by credibility
// (Bühlmann and Straub 1970; it is the posterior mean of a gamma rate with
// Poisson counts):
//
//	Z = n/(n + v/a)    rate = Z·own + (1 − Z)·peers
//
// where n are his windows, v is the variance of a window's count around the
// subject's rate, and a that of the rates around the peers' mean. Somebody who
// has always done ten times as much as his peers is no news every hour;
// somebody who begins to is. The peers are those of the family without the
// subject (leave-one-out).

// minPeers is how many subjects besides the one that is judged an opinion takes.
const minPeers = 3

// The prior of a group's rate is half an event in one window, as that of a
// cluster's.
const (
	priorEvents  = 0.5
	priorWindows = 1
)

// sums are what members of a group did: enough to fit the rates of the group,
// and to leave one subject out by subtracting. All of them are decayed.
type sums struct {
	windows, events  float64 // Σ n, Σ S
	windows2, levels float64 // Σ n², Σ S²/n
	// excess and scale fit the variance within subjects: around a mean of n
	// windows Σ(x−mean)² is (n−1)(m + δm²) on average.
	excess, scale, free float64
	members, subjects   float64
}

func (s *sums) add(n, sum, square float64) {
	mean := sum / n
	s.windows += n
	s.events += sum
	s.windows2 += n * n
	s.levels += sum * mean
	if free := n - 1; free > 0 {
		s.excess += math.Max(square-sum*mean, 0) - free*mean
		s.scale += free * mean * mean
		s.free += free
	}
	s.members++
}

// without returns the sums less those of one subject.
func (s sums) without(o *sums) sums {
	return sums{
		windows: s.windows - o.windows, events: math.Max(s.events-o.events, 0),
		windows2: s.windows2 - o.windows2, levels: math.Max(s.levels-o.levels, 0),
		excess: s.excess - o.excess, scale: math.Max(s.scale-o.scale, 0), free: math.Max(s.free-o.free, 0),
		members: s.members - o.members, subjects: s.subjects - o.subjects,
	}
}

// spread is how much counts vary: squared coefficients of variation of a
// subject's rate from window to window, and of the rates of subjects.
type spread struct{ within, between float64 }

// raw fits the spread by moments; both are at least 0, and 0 where nothing
// tells.
func (s *sums) raw() spread {
	var r spread
	if s.scale > 0 {
		r.within = math.Max(s.excess/s.scale, 0)
	}
	if !(s.events > 0) {
		return r
	}
	mean := s.events / s.windows
	variance := mean + r.within*mean*mean
	// Σ n(m − mean)² is a·(N − Σn²/N) + (members − 1)·v on average.
	between := s.levels - 2*mean*s.events + mean*mean*s.windows - (s.members-1)*variance
	if c := s.windows - s.windows2/s.windows; c > 1e-9*s.windows && between > 0 {
		r.between = between / c / (mean * mean)
	}
	return r
}

// crowd is what is known of peers.
type crowd struct {
	mean              float64
	spread            spread
	windows, subjects float64
}

// fit draws the spread of the peers to the tenant's. It reports false where
// there are too few of them for an opinion.
func (s *sums) fit(typical spread, by *constants) (crowd, bool) {
	if s.subjects < minPeers || !(s.windows > 0) {
		return crowd{}, false
	}
	c := crowd{windows: s.windows + priorWindows, subjects: s.subjects}
	c.mean = (s.events + priorEvents) / c.windows
	raw := s.raw()
	c.spread.within = (s.free*raw.within + by.within*typical.within) / (s.free + by.within)
	few := math.Max(s.members-1, 0)
	c.spread.between = (few*raw.between + by.between*typical.between) / (few + by.between)
	return c, true
}

// expect is the predictive distribution of the count of a subject that had so
// many events in so many windows.
//
// Its variance is that of a window, of the subject's rate given what he did
// (which is gamma's: it grows with the rate), and of the peers' mean.
func (c *crowd) expect(windows, events float64) baseline.NegBinomial {
	within, between := c.spread.within*c.mean*c.mean+c.mean, c.spread.between*c.mean*c.mean
	mean, rest := c.mean, 1.0
	if between > 0 && windows > 0 {
		k := within / between
		mean = (events + k*c.mean) / (windows + k)
		rest = k / (windows + k)
	}
	ofMean := ((1/c.mean+c.spread.within)/c.windows + c.spread.between/c.subjects) * c.mean * c.mean
	more := c.spread.within*mean*mean + rest*between*mean/c.mean + rest*rest*ofMean
	return baseline.NegBinomial{Mean: mean, Dispersion: more / (mean * mean)}
}
