package baseline

import (
	"math"

	"github.com/logcluster/logcluster/baseline/calibration"
)

// Exceedance is the |z| beyond which a feature or a cluster is marked:
// nominally 1.24 % of all windows, two-sided.
const Exceedance = 2.5

// model is a negative binomial whose parameters lie on a grid, so that equal
// models are one value and its thresholds are computed once: for nearly every
// window of nearly every cluster, scoring is then two comparisons.
type model struct {
	dist NegBinomial
	// near is a band of counts that is well inside |z| ≤ Exceedance; it needs
	// no tail to be computed.
	nearLow, nearHigh float64
	stratum           calibration.Stratum
	// lows and highs are the exact ends of the counts with |z| ≤ Exceedance, by
	// near step of the correction of their side, which is at Exceedance; clip has those with |z| ≤ clipZ. All
	// are filled on first use.
	lows, highs []bound
	clip        interval
	// median and its 95 % band, filled on first use.
	median float64
	middle interval
}

// interval is a closed interval of counts; unset until known.
type interval struct {
	low, high float64
	known     bool
}

// bound is an end of a band of counts at a near step of a correction.
type bound struct {
	step calibration.Step
	at   float64
}

// The grid is 0.8 % in the mean and 12 % in the dispersion: a fifth of a
// standard deviation of the steadiest model at most (minDispersion), and much
// less than what a day of windows can tell.
const (
	meanSteps       = 128
	dispersionSteps = 8

	minMean       = 1e-7
	maxMean       = 1e9
	minDispersion = 0.0025
	maxDispersion = 1e8
)

type gridPoint struct{ mean, dispersion int16 }

// grid interns models.
type grid struct {
	models map[gridPoint]*model
	clipZ  float64
}

func newGrid(clipZ float64) *grid {
	return &grid{models: make(map[gridPoint]*model), clipZ: clipZ}
}

// at returns the model nearest to the parameters, which are bounded to the
// range of the grid.
func (g *grid) at(mean, dispersion float64) *model {
	p := gridPoint{
		mean:       snap(mean, minMean, maxMean, meanSteps),
		dispersion: snap(dispersion, minDispersion, maxDispersion, dispersionSteps),
	}
	if m, ok := g.models[p]; ok {
		return m
	}
	m := &model{dist: NegBinomial{
		Mean:       math.Exp(float64(p.mean) / meanSteps),
		Dispersion: math.Exp(float64(p.dispersion) / dispersionSteps),
	}}
	// A property test holds this against the exact band. Where the dispersion is
	// high a window is nearly always 0, and anything else may be unusual.
	if m.dist.Dispersion <= 4 {
		sd := m.dist.sd()
		m.nearLow = math.Ceil(math.Max(m.dist.Mean-1.5*sd, m.dist.Mean/5-0.5))
		m.nearHigh = math.Floor(m.dist.Mean + 1.5*sd)
	}
	m.stratum = calibration.StratumOf(m.dist.Mean)
	g.models[p] = m
	return m
}

// limit drops the interned models when there are more than a tenant's worth of
// different ones: those in use are held by their predictions.
func (g *grid) limit() {
	const most = 1 << 17
	if len(g.models) > most {
		g.models = make(map[gridPoint]*model)
	}
}

func snap(v, low, high, steps float64) int16 {
	if !(v > low) {
		v = low
	}
	return int16(math.Round(math.Log(math.Min(v, high)) * steps))
}

// usual reports whether the count x has a calibrated |z| ≤ Exceedance, given the
// corrections of the low and the high side.
func (m *model) usual(x float64, in [2]calibration.Correction) bool {
	if x >= m.nearLow && x <= m.nearHigh && in[0].Near >= 0 && in[1].Near >= 0 {
		return true
	}
	return x >= m.low(in[0]) && x <= m.high(in[1])
}

// low and high are the ends of the counts with a calibrated |z| ≤ Exceedance.
func (m *model) low(in calibration.Correction) float64 {
	for i := range m.lows {
		if m.lows[i].step == in.Near {
			return m.lows[i].at
		}
	}
	at := m.lowAt(in.Nominal(Exceedance))
	m.lows = append(m.lows, bound{in.Near, at})
	return at
}

func (m *model) high(in calibration.Correction) float64 {
	for i := range m.highs {
		if m.highs[i].step == in.Near {
			return m.highs[i].at
		}
	}
	at := m.highAt(in.Nominal(Exceedance))
	m.highs = append(m.highs, bound{in.Near, at})
	return at
}

// clipped returns x, bounded to what an outlier may teach.
func (m *model) clipped(x, clipZ float64) float64 {
	if m.usual(x, [2]calibration.Correction{}) {
		return x
	}
	if !m.clip.known {
		m.clip = m.within(clipZ)
	}
	return math.Max(math.Min(x, math.Max(m.clip.high, 1)), m.clip.low)
}

// within returns the counts with a nominal |z| ≤ bound.
func (m *model) within(bound float64) interval {
	return interval{low: m.lowAt(bound), high: m.highAt(bound), known: true}
}

func (m *model) lowAt(bound float64) float64 {
	logP, _ := normalLow(-bound)
	return m.dist.search(func(x float64) bool { return m.dist.Tails(x).Low >= logP })
}

func (m *model) highAt(bound float64) float64 {
	logP, _ := normalLow(-bound)
	return m.dist.search(func(x float64) bool { return m.dist.Tails(x).Up < logP }) - 1
}

// quantiles returns the median and the ends of the 95 % band.
func (m *model) quantiles() (median, low, high float64) {
	if !m.middle.known {
		m.median = m.dist.Quantile(0.5)
		m.middle = interval{low: m.dist.Quantile(0.025), high: m.dist.Quantile(0.975), known: true}
	}
	return m.median, m.middle.low, m.middle.high
}
