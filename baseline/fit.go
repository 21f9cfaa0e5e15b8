package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
)

// The prior of a cluster's level, in events and windows: half an event in one
// window, the Gamma(½, 1) prior of a Poisson rate. It gives a cluster an
// opinion from its second window and is forgotten after a few.
const (
	priorCount   = 0.5
	priorWindows = 1
)

// fitter fits the predictive distributions of one tenant's clusters at one
// hour.
type fitter struct {
	cfg   *Config
	grid  *grid
	live  *liveHours
	prior *priors
	hour  int64 // of the windows that are predicted
	until int64 // hour of the last window in the baseline
}

// fit fills h's prediction.
func (f *fitter) fit(h *history) {
	p := &h.prediction
	p.lived = f.live.lived(h)
	if h.spreadHour != f.until {
		f.fitSpread(h)
		h.spreadHour = f.until
	}
	near, nearWindows, seenBefore := f.near(h)
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		overall := (float64(h.total.Sum[i]) + priorCount) / (p.lived + priorWindows)
		mean := (near[i] + f.cfg.HourWeight*overall) / (nearWindows + f.cfg.HourWeight)
		// What is not known of the mean widens the band like a varying rate:
		// Var(mean)/mean² = (1/mean + dispersion)/n for a mean of n windows.
		n := math.Min(p.lived+priorWindows, nearWindows+f.cfg.HourWeight)
		spread := h.spread[i]
		if !seenBefore {
			spread += unseenHour
		}
		p.counts[i] = f.grid.at(mean, spread+(1/mean+spread)/n)
	}
	p.denied = fitShare(&h.total, cluster.Denied, h.total.DeniedEvents, f.prior.denied[p.class])
	p.failed = fitShare(&h.total, cluster.Failed, h.total.FailedEvents, f.prior.failed[p.class])
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

// near sums the windows around this hour of the day: the hour before, this and
// the next one on earlier days, and the hour before and this one today. It
// reports also whether there was such a day.
func (f *fitter) near(h *history) (sum [counted]float64, windows float64, seenBefore bool) {
	first := h.born / nanosPerHour
	for day := f.hour; day+1 >= first; day -= 24 {
		for hour := day - 1; hour <= day+1; hour++ {
			n := f.live.of(h, hour)
			windows += n
			seenBefore = seenBefore || n > 0 && day != f.hour
			if c := h.cell(hour); c != nil {
				for i, v := range c.Sum {
					sum[i] += float64(v)
				}
			}
		}
		if len(f.live.hours) == 0 || day < f.live.hours[0].Hour {
			break
		}
	}
	return sum, windows, seenBefore
}

// fitSpread fits the dispersions: how much the windows varied around what the
// other hours made expect of them (each hour is predicted without itself), by
// the method of moments,
//
//	dispersion = Σ((x − μ)² − μ) / Σ μ²
//
// drawn towards the tenant's typical dispersion by DispersionWeight windows.
func (f *fitter) fitSpread(h *history) {
	var excess, scale [counted]float64
	lived := f.livedDaily(h)
	next := 0
	for _, l := range f.live.hours {
		n := f.live.of(h, l.Hour)
		if n <= 0 {
			continue
		}
		for next < len(h.cells) && h.cells[next].Hour < l.Hour {
			next++
		}
		own := &noCell
		if next < len(h.cells) && h.cells[next].Hour == l.Hour {
			own = &h.cells[next]
		}
		f.addSpread(h, hourOfDay(l.Hour), n, own, lived, &excess, &scale)
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

// addSpread adds one hour of n windows to the sums of fitSpread.
func (f *fitter) addSpread(h *history, ofDay int64, n float64, own *Cell, lived [24]float64, excess, scale *[counted]float64) {
	before, after := (ofDay+23)%24, (ofDay+1)%24
	nearWindows := lived[before] + lived[ofDay] + lived[after] - n
	for i := range counted {
		if !asCount(cluster.Feature(i)) {
			continue
		}
		near := float64(h.daily[before][i] + h.daily[ofDay][i] + h.daily[after][i] - own.Sum[i])
		overall := (float64(h.total.Sum[i]-own.Sum[i]) + priorCount) / (h.prediction.lived - n + priorWindows)
		mean := (near + f.cfg.HourWeight*overall) / (nearWindows + f.cfg.HourWeight)
		excess[i] += float64(own.Square[i]) - 2*mean*float64(own.Sum[i]) + n*mean*mean - n*mean
		scale[i] += n * mean * mean
	}
}

// livedDaily returns how many live windows of each hour of the day the cluster
// has lived.
func (f *fitter) livedDaily(h *history) [24]float64 {
	lived := f.live.daily
	born := h.born / nanosPerHour
	for _, l := range f.live.hours {
		if l.Hour > born {
			break
		}
		lived[hourOfDay(l.Hour)] -= l.Windows - f.live.of(h, l.Hour)
	}
	return lived
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
