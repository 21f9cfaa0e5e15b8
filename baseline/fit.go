package baseline

import (
	"math"
	"slices"

	"github.com/logcluster/logcluster/cluster"
)

// The prior of a cluster's level, in events and windows: half an event in one
// window, the Gamma(½, 1) prior of a Poisson rate. It gives a cluster an
// opinion from its second window and is forgotten after a few.
const (
	priorCount   = 0.5
	priorWindows = 1
)

// fitter fits the predictive distributions of one tenant's clusters at one scale
// and for the windows of one cell.
type fitter struct {
	*population
	cfg  *Config
	grid *grid
	cell int64 // of the windows that are predicted
	last int64 // cell of the last window in the baseline
}

// fit fills h's prediction.
func (f *fitter) fit(h *history) {
	p := &h.prediction
	p.lived = f.live.lived(h)
	if h.spreadCell != f.last {
		f.fitSpread(h)
		h.spreadCell = f.last
	}
	near, nearWindows, seenBefore := f.near(h)
	weight := f.hourWeight()
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		overall := (float64(h.total.Sum[i]) + priorCount) / (p.lived + priorWindows)
		mean := (near[i] + weight*overall) / (nearWindows + weight)
		// What is not known of the mean widens the band like a varying rate:
		// Var(mean)/mean² = (1/mean + dispersion)/n for a mean of n windows.
		n := math.Min(p.lived+priorWindows, nearWindows+weight)
		spread := h.spread[i]
		if !seenBefore {
			spread += unseenHour
		}
		p.counts[i] = f.grid.at(mean, spread+(1/mean+spread)/n)
	}
	p.denied = fitShare(&h.total, cluster.Denied, h.total.DeniedEvents, f.prior.denied[p.class])
	p.failed = fitShare(&h.total, cluster.Failed, h.total.FailedEvents, f.prior.failed[p.class])
}

// hourWeight is [Config.HourWeight] in windows of the scale: the configured
// number is of windows of which a cell holds twelve.
func (f *fitter) hourWeight() float64 {
	return f.cfg.HourWeight * float64(cellWindows[f.scale]) / float64(cellWindows[cluster.Short])
}

// asCount reports whether a feature is predicted as a count; the others are
// shares of the events, or first-seen.
func asCount(f cluster.Feature) bool {
	return f != cluster.Denied && f != cluster.Failed && int(f) < counted
}

// unseenHour is added to the dispersion for an hour of the day at which the
// cluster has not been seen yet: its level may be several times another one,
// as with the first working morning after a night.
const unseenHour = 1.0

// near sums the windows around this time of the day: the cell before, this and
// the next one on earlier days, and the cell before and this one today. It
// reports also whether there was such a day. With the calendar off there is
// only today.
func (f *fitter) near(h *history) (sum [counted]float64, windows float64, seenBefore bool) {
	aside := int64(1)
	if f.time.hours && f.time.slots() < 3 {
		aside = 0
	}
	seenBefore = !f.time.hours
	for days := int64(0); ; days++ {
		at := f.time.daysBefore(f.cell, days)
		if at+aside < h.born {
			break
		}
		for cell := at - aside; cell <= at+aside; cell++ {
			n := f.live.of(h, cell)
			windows += n
			seenBefore = seenBefore || n > 0 && days > 0
			if c := h.cell(cell); c != nil {
				for i, v := range c.Sum {
					sum[i] += float64(v)
				}
			}
		}
		if !f.time.hours || len(f.live.cells) == 0 || at < f.live.cells[0].Cell {
			break
		}
	}
	return sum, windows, seenBefore
}

// sums are the counts of the cells at one time of the day, and their live
// windows.
type sums struct {
	of      [counted]uint64
	windows float64
}

// fitSpread fits the dispersions: how much the windows varied around what the
// other cells made expect of them (each cell is predicted without itself), by
// the method of moments,
//
//	dispersion = Σ((x − μ)² − μ) / Σ μ²
//
// drawn towards the tenant's typical dispersion by DispersionWeight windows.
func (f *fitter) fitSpread(h *history) {
	var excess, scale [counted]float64
	daily := f.daily(h)
	next := 0
	for _, l := range f.live.cells {
		n := f.live.of(h, l.Cell)
		if n <= 0 {
			continue
		}
		for next < len(h.cells) && h.cells[next].Cell < l.Cell {
			next++
		}
		own := &noCell
		if next < len(h.cells) && h.cells[next].Cell == l.Cell {
			own = &h.cells[next]
		}
		f.addSpread(h, l.Cell, n, own, daily, &excess, &scale)
	}
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		own := 0.0
		if scale[i] > 0 {
			own = math.Max(excess[i]/scale[i], 0)
		}
		n, k := float64(h.total.Windows), f.cfg.DispersionWeight
		h.spread[i] = (n*own + k*f.prior.spread[i]) / (n + k)
	}
}

var noCell Cell

// daily returns the sums of what the cluster has lived, by time of the day. It is
// valid until the next call.
func (f *fitter) daily(h *history) []sums {
	slots := int(f.time.slots())
	f.slots = slices.Grow(f.slots[:0], slots)[:slots]
	clear(f.slots)
	for i := range h.cells {
		c := &h.cells[i]
		s := &f.slots[f.time.slot(c.Cell)]
		for k, v := range c.Sum {
			s.of[k] += v
		}
	}
	for i := len(f.live.cells) - 1; i >= 0 && f.live.cells[i].Cell >= h.born; i-- {
		cell := f.live.cells[i].Cell
		f.slots[f.time.slot(cell)].windows += f.live.of(h, cell)
	}
	return f.slots
}

// addSpread adds one cell of n windows to the sums of fitSpread.
func (f *fitter) addSpread(h *history, cell int64, n float64, own *Cell, daily []sums, excess, scale *[counted]float64) {
	var near sums
	slot, slots := int(f.time.slot(cell)), len(daily)
	aside := 0
	if slots >= 3 {
		aside = 1
	}
	for k := slot - aside; k <= slot+aside; k++ {
		s := &daily[(k+slots)%slots]
		near.windows += s.windows
		for i, v := range s.of {
			near.of[i] += v
		}
	}
	near.windows -= n
	weight := f.hourWeight()
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		overall := (float64(h.total.Sum[i]-own.Sum[i]) + priorCount) / (h.prediction.lived - n + priorWindows)
		mean := (float64(near.of[i]-own.Sum[i]) + weight*overall) / (near.windows + weight)
		excess[i] += float64(own.Square[i]) - 2*mean*float64(own.Sum[i]) + n*mean*mean - n*mean
		scale[i] += n * mean * mean
	}
}

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
