package baseline

import (
	"math"
	"slices"

	"github.com/logcluster/logcluster/cluster"
)

// fitter fits the predictive distributions of one tenant's clusters at one scale
// and for the windows of one cell.
type fitter struct {
	*population
	cfg  *Config
	grid *grid
	cell int64 // of the windows that are predicted
	last int64 // cell of the last window in the baseline

	others group // the like of the cluster in hand
	// shorter are the histories of the next shorter scale, at the long scale.
	shorter *population
}

// fit fills h's prediction.
//
// A level is what the cluster did at this time of the day, drawn to what it does
// overall, drawn to what its like do (see [level]). What is not known of it
// widens the band like a varying rate: Var(mean)/mean² = (1/mean + dispersion)/n
// for a mean that rests on n windows, so the predictive distribution of a
// gamma-Poisson rate is again a negative binomial (Gelman et al., Bayesian Data
// Analysis, 2.6), and of two moments here.
func (f *fitter) fit(h *history) {
	p := &h.prediction
	p.lived = f.live.lived(h)
	f.others = f.population.others(h)
	if h.spreadCell != f.last {
		f.fitSpread(h)
		h.spreadCell = f.last
	}
	near := f.near(h)
	weight := f.hourWeight()
	borrowed := f.borrow(h)
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		spread := h.spread[i]
		own := f.others.levelOf(i, spread)
		if cluster.Feature(i) == cluster.Events && borrowed.windows > 0 {
			own = borrowed
		} else if p.lived < leastLived[f.scale] {
			p.counts[i] = nil
			continue
		}
		mean := (near.sum[i] + weight*own.mean(float64(h.total.Sum[i]), p.lived)) / (near.windows + weight)
		n := math.Min(p.lived+own.windows, near.windows+weight)
		window := 1/mean + spread // the squared variation of one
		p.counts[i] = f.grid.at(mean, spread+near.unknown(window)+window/n)
	}
	denied := h.total.parts(cluster.Denied, h.total.DeniedEvents)
	failed := h.total.parts(cluster.Failed, h.total.FailedEvents)
	p.denied = denied.fit(f.prior.share(&f.others, p.class, cluster.Denied))
	p.failed = failed.fit(f.prior.share(&f.others, p.class, cluster.Failed))
	p.form = nil
	if h.form != nil && h.form.fit(&f.prior.usual[p.class], leastForm[f.scale]) {
		p.form = h.form
	}
}

// leastLived is from how many windows on a cluster has an opinion of its own: from
// the first one on, but for days, of which one is like another only by a week.
var leastLived = [cluster.NumScales]float64{cluster.Long: 2}

// borrow returns the level of the events that the shorter scale knows of: all
// that was counted before any window began that this prediction can be asked
// about. What adds up in a day of hours is its level from the second day on, when
// there are two days of them at the most to be drawn to.
func (f *fitter) borrow(h *history) level {
	if f.shorter == nil || !f.shorter.known() {
		return level{}
	}
	other := f.shorter.clusters[h.key.ID]
	if other == nil {
		return level{}
	}
	// A window whose middle is in the cell begins half a window before it at most.
	before := f.shorter.time.at(f.time.start(f.cell) - f.time.window/2)
	sum, windows := 0.0, 0.0
	for i := range other.cells.list {
		if c := &other.cells.list[i]; c.cell < before {
			sum += float64(c.sum[cluster.Events])
		}
	}
	for _, l := range f.shorter.live.cells {
		if l.Cell < before {
			windows += f.shorter.live.of(other, l.Cell)
		}
	}
	ratio := float64(f.time.window) / float64(f.shorter.time.window)
	if windows < ratio {
		return level{}
	}
	return level{rate: math.Max(sum/windows*ratio, minRate), windows: math.Min(windows/ratio, 2)}
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

const (
	// unseenHour is the dispersion for a time of the day at which the cluster has
	// not been seen yet, on such a day: its level may be several times another one,
	// as with the first working morning after a night, or the first weekend.
	unseenHour = 1.0
	// otherDays is the weight of a working day at the weekend, and the other way
	// round: what little is known of the one, the other tells.
	otherDays = 0.25
)

// nearby is what is known of the time around a cell.
type nearby struct {
	sum     [counted]float64
	windows float64
	// before is how many of the windows are of earlier days of the same kind; -1
	// where times of the day are all alike.
	before float64
}

// unknown is what the dispersion has more of for a level at this time of the day
// that was seen in a few windows only: unseenHour with none, and with n windows
// what the credibility of their mean leaves of it.
func (n *nearby) unknown(window float64) float64 {
	if n.before < 0 {
		return 0
	}
	return window / (window/unseenHour + n.before)
}

// near sums the windows around this time of the day: the cell before, this and
// the next one on earlier days, and the cell before and this one today. Days of
// the other kind (working days, weekends) count for less. With the calendar off
// there is only today.
func (f *fitter) near(h *history) nearby {
	near := nearby{before: -1}
	slots, weekend := f.time.slots(), f.time.weekend(f.cell)
	aside := int64(1)
	if f.time.hours && slots < 3 {
		aside = 0
	}
	if slots > 1 {
		near.before = 0
	}
	for days := int64(0); ; days++ {
		at := f.time.daysBefore(f.cell, days)
		if at+aside < h.born {
			break
		}
		for cell := at - aside; cell <= at+aside; cell++ {
			n := f.live.of(h, cell)
			if n == 0 {
				continue
			}
			weight := 1.0
			if f.time.weekend(cell) != weekend {
				weight = otherDays
			} else if days > 0 && slots > 1 {
				near.before += n
			}
			near.windows += weight * n
			if at, had := h.cells.find(cell); had {
				for i, v := range h.cells.list[at].sum {
					near.sum[i] += weight * float64(v)
				}
			}
		}
		if !f.time.hours || len(f.live.cells) == 0 || at < f.live.cells[0].Cell {
			break
		}
	}
	return near
}

// sums are the counts of the cells at one time of the day, and their live
// windows.
type sums struct {
	of      [counted]float64
	windows float64
}

func (s *sums) add(o *sums, weight float64) {
	s.windows += weight * o.windows
	for i, v := range o.of {
		s.of[i] += weight * v
	}
}

// fitSpread fits the dispersions: how much the windows varied around what the
// other cells made expect of them (each cell is predicted without itself), by
// the method of moments,
//
//	dispersion = Σ((x − μ)² − μ) / Σ μ²
//
// drawn towards the typical dispersion of its like by DispersionWeight windows.
func (f *fitter) fitSpread(h *history) {
	var excess, scale [counted]float64
	daily, typical := f.daily(h), f.prior.spreads(&f.others)
	var levels [counted]level
	for i := range counted {
		levels[i] = f.others.levelOf(i, typical[i])
	}
	known := h.prediction.lived
	if borrowed := f.borrow(h); borrowed.windows > 0 {
		levels[cluster.Events] = borrowed
		known += borrowed.windows
	}
	next := 0
	for _, l := range f.live.cells {
		n := f.live.of(h, l.Cell)
		if n <= 0 || n == known {
			continue // nothing else to predict it from
		}
		for next < h.cells.len() && h.cells.number(next) < l.Cell {
			next++
		}
		own := Cell{}
		if next < h.cells.len() && h.cells.number(next) == l.Cell {
			h.cells.get(next, &own)
		}
		f.addSpread(h, l.Cell, n, &own, daily, &levels, &excess, &scale)
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
		h.spread[i] = (n*own + k*typical[i]) / (n + k)
	}
}

// daily returns the sums of what the cluster has lived by time of the day, first
// those of working days, then those of weekends. It is valid until the next call.
func (f *fitter) daily(h *history) []sums {
	slots := int(f.time.slots())
	f.slots = slices.Grow(f.slots[:0], 2*slots)[:2*slots]
	clear(f.slots)
	for i := range h.cells.list {
		c := &h.cells.list[i]
		s := &f.slots[f.place(c.cell, slots)]
		for k, v := range c.sum {
			s.of[k] += float64(v)
		}
	}
	for i := len(f.live.cells) - 1; i >= 0 && f.live.cells[i].Cell >= h.born; i-- {
		cell := f.live.cells[i].Cell
		f.slots[f.place(cell, slots)].windows += f.live.of(h, cell)
	}
	return f.slots
}

// place is where a cell is among the sums of daily.
func (f *fitter) place(cell int64, slots int) int {
	at := int(f.time.slot(cell))
	if f.time.weekend(cell) {
		at += slots
	}
	return at
}

// addSpread adds one cell of n windows to the sums of fitSpread.
func (f *fitter) addSpread(h *history, cell int64, n float64, own *Cell, daily []sums, levels *[counted]level, excess, scale *[counted]float64) {
	var near sums
	slots := len(daily) / 2
	at := f.place(cell, slots)
	slot, kind := at%slots, at-at%slots
	aside := 0
	if slots >= 3 {
		aside = 1
	}
	for k := slot - aside; k <= slot+aside; k++ {
		place := (k + slots) % slots
		near.add(&daily[place+kind], 1)
		near.add(&daily[place+slots-kind], otherDays)
	}
	near.windows -= n
	weight := f.hourWeight()
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		sum := float64(own.Sum[i])
		overall := levels[i].mean(float64(h.total.Sum[i])-sum, h.prediction.lived-n)
		mean := (near.of[i] - sum + weight*overall) / (near.windows + weight)
		excess[i] += float64(own.Square[i]) - 2*mean*sum + n*mean*mean - n*mean
		scale[i] += n * mean * mean
	}
}
