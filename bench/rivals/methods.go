package rivals

import (
	"cmp"
	"math"
	"slices"
)

// ring holds the last [Trailing] windows of every series.
type ring struct {
	windows int // so far
	past    [][Trailing]float32
}

// put stores the newest window of a series and returns what it replaces.
func (r *ring) put(series int, n float64) (old float64) {
	for len(r.past) <= series {
		r.past = append(r.past, [Trailing]float32{})
	}
	slot := &r.past[series][r.windows%Trailing]
	old, *slot = float64(*slot), float32(n)
	return old
}

func (r *ring) kept() int { return min(r.windows, Trailing) }

// leastSigma is what a standard deviation is taken for at least, in events: most
// series are zero nearly always, and a σ of nothing makes everything an alarm.
// Chosen for the rivals' good: the labels of the development recording like it
// better than none and than 1.
const leastSigma = 0.5

// gaussian is the textbook: the mean and the sample standard deviation of the
// trailing windows, (x − mean)/σ.
type gaussian struct {
	ring
	least       int     // windows before there is an opinion; 0 means an hour of them
	sigma       float64 // the least one; 0 means leastSigma
	sum, square []float64
}

func (g *gaussian) score(series int, n float64) (z, expected float64, ok bool) {
	k := g.kept()
	if k < max(g.least, least) {
		return 0, 0, false
	}
	if series >= len(g.sum) {
		return n / cmp.Or(g.sigma, leastSigma), 0, true
	}
	z, expected = standard(n, g.sum[series], g.square[series], float64(k), cmp.Or(g.sigma, leastSigma))
	return z, expected, true
}

// standard is the standard score of n against k values with that sum and sum of
// squares.
func standard(n, sum, square, k, least float64) (z, mean float64) {
	mean = sum / k
	variance := math.Max((square-sum*mean)/(k-1), 0)
	return (n - mean) / math.Max(math.Sqrt(variance), least), mean
}

func (g *gaussian) learn(counts []float64) {
	for len(g.sum) < len(counts) {
		g.sum, g.square = append(g.sum, 0), append(g.square, 0)
	}
	for i, n := range counts {
		old := g.put(i, n)
		g.sum[i] += n - old
		g.square[i] += n*n - old*old
	}
	g.windows++
}

func (g *gaussian) clone() method {
	return &gaussian{ring: ring{g.windows, slices.Clone(g.past)}, least: g.least, sigma: g.sigma, sum: slices.Clone(g.sum), square: slices.Clone(g.square)}
}

// robust is the median and the median absolute deviation, scaled to σ of a normal
// distribution (1.4826). Where more than half of the windows are equal that is
// zero, and the mean absolute deviation (scaled by 1.2533) takes its place: the
// modified z-score of Iglewicz and Hoaglin (1993).
type robust struct {
	ring
	sorted [][]float32 // the windows of each series, ascending
	near   []float32   // scratch
}

func (r *robust) score(series int, n float64) (z, expected float64, ok bool) {
	if r.kept() < least {
		return 0, 0, false
	}
	if series >= len(r.sorted) {
		return n / leastSigma, 0, true
	}
	centre, scale := r.spread(r.sorted[series])
	return (n - centre) / math.Max(scale, leastSigma), centre, true
}

// spread returns the median of ascending values and the scale of their deviations
// from it, which two pointers walk outwards from the middle in ascending order.
func (r *robust) spread(v []float32) (centre, scale float64) {
	centre = middle(v)
	mean := 0.0
	r.near = r.near[:0]
	lo, _ := slices.BinarySearch(v, float32(centre))
	hi := lo
	for lo--; len(r.near) < len(v); {
		var d float32
		if hi >= len(v) || lo >= 0 && float32(centre)-v[lo] < v[hi]-float32(centre) {
			d = float32(centre) - v[lo]
			lo--
		} else {
			d = v[hi] - float32(centre)
			hi++
		}
		mean += float64(d) / float64(len(v))
		r.near = append(r.near, d)
	}
	if scale = 1.4826 * middle(r.near); scale == 0 {
		scale = 1.2533 * mean
	}
	return centre, scale
}

// middle is the median of ascending values.
func middle(v []float32) float64 {
	m := len(v) / 2
	if len(v)%2 == 1 {
		return float64(v[m])
	}
	return (float64(v[m-1]) + float64(v[m])) / 2
}

func (r *robust) learn(counts []float64) {
	k := r.kept()
	for i, n := range counts {
		if len(r.sorted) <= i {
			r.sorted = append(r.sorted, make([]float32, k, Trailing)) // zeros so far
		}
		old := r.put(i, n)
		v := r.sorted[i]
		if k == Trailing {
			at, _ := slices.BinarySearch(v, float32(old))
			v = slices.Delete(v, at, at+1)
		}
		at, _ := slices.BinarySearch(v, float32(n))
		r.sorted[i] = slices.Insert(v, at, float32(n))
	}
	r.windows++
}

func (r *robust) clone() method {
	c := &robust{ring: ring{r.windows, slices.Clone(r.past)}}
	for _, v := range r.sorted {
		c.sorted = append(c.sorted, append(make([]float32, 0, Trailing), v...))
	}
	return c
}

// ewma is the exponentially weighted mean and variance (Finch 2009, Incremental
// calculation of weighted mean and variance), with the weight of a mean over 24
// hours: 2/(288 + 1). With a chart it is the control chart of Roberts (1959): a
// second, fast mean with that weight λ against limits of σ·√(λ/(2 − λ)).
type ewma struct {
	chart    float64
	windows  int
	mean     []float64
	variance []float64
	fast     []float64
}

const ewmaWeight = 2.0 / (Trailing + 1)

func (e *ewma) score(series int, n float64) (z, expected float64, ok bool) {
	if e.windows < least {
		return 0, 0, false
	}
	mean, sigma, fast := 0.0, leastSigma, 0.0
	if series < len(e.mean) {
		mean, fast = e.mean[series], e.fast[series]
		sigma = math.Max(math.Sqrt(e.variance[series]), leastSigma)
	}
	if e.chart > 0 {
		n = e.chart*n + (1-e.chart)*fast
		sigma *= math.Sqrt(e.chart / (2 - e.chart))
	}
	return (n - mean) / sigma, mean, true
}

func (e *ewma) learn(counts []float64) {
	for len(e.mean) < len(counts) {
		e.mean, e.variance, e.fast = append(e.mean, 0), append(e.variance, 0), append(e.fast, 0)
	}
	// At first a plain mean: else it would take a day to leave zero.
	weight := math.Max(ewmaWeight, 1/float64(e.windows+1))
	for i, n := range counts {
		d := n - e.mean[i]
		e.mean[i] += weight * d
		e.variance[i] = (1 - weight) * (e.variance[i] + weight*d*d)
		e.fast[i] = e.chart*n + (1-e.chart)*e.fast[i]
	}
	e.windows++
}

func (e *ewma) clone() method {
	return &ewma{chart: e.chart, windows: e.windows, mean: slices.Clone(e.mean), variance: slices.Clone(e.variance), fast: slices.Clone(e.fast)}
}

// pooled is one mean and σ for all clusters of the tenant together.
type pooled struct {
	windows             int
	past                [Trailing][3]float64 // series, sum, sum of squares
	series, sum, square float64
}

func (p *pooled) score(_ int, n float64) (z, expected float64, ok bool) {
	if p.windows < least {
		return 0, 0, false
	}
	z, expected = standard(n, p.sum, p.square, p.series, leastSigma)
	return z, expected, true
}

func (p *pooled) learn(counts []float64) {
	slot := &p.past[p.windows%Trailing]
	p.series, p.sum, p.square = p.series-slot[0], p.sum-slot[1], p.square-slot[2]
	*slot = [3]float64{float64(len(counts))}
	for _, n := range counts {
		slot[1] += n
		slot[2] += n * n
	}
	p.series, p.sum, p.square = p.series+slot[0], p.sum+slot[1], p.square+slot[2]
	p.windows++
}

func (p *pooled) clone() method {
	c := *p
	return &c
}
