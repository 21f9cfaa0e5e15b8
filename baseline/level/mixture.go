package level

import "math"

// component is an expert with one of the tail weights, for the row at hand.
type component struct {
	mean   float64
	scale  [2]float64 // below and above the mean
	share  [2]float64 // of its probability below and above the mean
	tail   int
	expert int
	weight float64
}

// upper is P(X > x) under the component.
func (c *component) upper(x float64) float64 {
	r := x - c.mean
	d := side(r)
	t := 2 * studentTail(c.tail, math.Min(math.Abs(r)/c.scale[d], 1e100)) * c.share[d]
	if d == above {
		return t
	}
	return 1 - t
}

// tails is P(X > x) and P(X < x), each without a difference in its tail.
func (c *component) tails(x float64) (up, low float64) {
	r := x - c.mean
	d := side(r)
	t := 2 * studentTail(c.tail, math.Min(math.Abs(r)/c.scale[d], 1e100)) * c.share[d]
	if d == above {
		return t, 1 - t
	}
	return 1 - t, t
}

// logDensity is the logarithm of its density at x.
func (c *component) logDensity(x float64) float64 {
	r := x - c.mean
	d := side(r)
	q := math.Min(math.Abs(r)/c.scale[d], 1e100)
	df := degrees[c.tail]
	return logNorm[c.tail] + math.Log(2*c.share[d]/c.scale[d]) - (df+1)/2*math.Log1p(q*q/df)
}

// mixture is the predictive distribution of one row.
type mixture struct {
	parts [numExperts * weights]component
	n     int
	// kept, returned and moved are the probabilities of the last value, of an
	// atom, and of a move. What atoms do not cover moves too.
	kept, returned, moved float64
	last                  float64
	atoms                 *Atoms
}

// prepare sets the components from the experts' means; asleep ones, those
// without an opinion, are NaN. wide is by how much each is less sure than usual.
func (m *mixture) prepare(s *State, mean, wide *[numExperts]float64) {
	m.n = 0
	top := math.Inf(-1)
	for k := range s.Experts {
		e := &s.Experts[k]
		if math.IsNaN(mean[k]) || e.Scale[light][above] == 0 {
			continue
		}
		for w := range weights {
			c := &m.parts[m.n]
			m.n++
			*c = component{
				mean: mean[k], tail: w, expert: k, weight: e.LogWeight[w],
				scale: [2]float64{e.Scale[w][below] * wide[k], e.Scale[w][above] * wide[k]},
				share: [2]float64{1 - e.Up, e.Up},
			}
			top = math.Max(top, c.weight)
		}
	}
	total := 0.0
	for i := range m.n {
		c := &m.parts[i]
		c.weight = math.Exp(c.weight - top)
		total += c.weight
	}
	for i := range m.n {
		m.parts[i].weight /= total
	}
	m.kept, m.returned, m.moved = s.Kept, s.Returned, s.Moved
	m.last, m.atoms = s.Last, &s.Atoms
}

// tails is the probability of more and of less than x, half of that of x
// itself in both, so that they sum to 1.
func (m *mixture) tails(x float64) (up, low float64) {
	for i := range m.n {
		c := &m.parts[i]
		u, l := c.tails(x)
		up += c.weight * u
		low += c.weight * l
	}
	if m.n == 0 {
		// Nothing but repetitions was seen so far: what else comes is as
		// likely above as below.
		up, low = 0.5, 0.5
	}
	return m.lump(x, up, low)
}

// lump adds the parts that are single values to the tails of a move.
func (m *mixture) lump(x, up, low float64) (float64, float64) {
	under, at, over := m.atoms.at(x)
	move := m.moved + m.returned*math.Max(0, 1-under-at-over)
	up, low = move*up+m.returned*(over+at/2), move*low+m.returned*(under+at/2)
	switch {
	case m.last > x:
		up += m.kept
	case m.last < x:
		low += m.kept
	default:
		up += m.kept / 2
		low += m.kept / 2
	}
	sum := up + low
	return up / sum, low / sum
}

// chances are the probabilities that a row has just the value it has: because
// it kept the last one, returned to an atom, or moved there.
type chances struct{ kept, returned, moved float64 }

// chances compares the density of a move with single values by the resolution
// of the values.
func (m *mixture) chances(x, resolution float64) chances {
	var c chances
	if x == m.last {
		c.kept = m.kept
	}
	_, at, _ := m.atoms.at(x)
	c.returned = m.returned * at
	density := 0.0
	for i := range m.n {
		c := &m.parts[i]
		density += c.weight * math.Exp(c.logDensity(x))
	}
	c.moved = m.moved * (1 - 1/(1+density*resolution))
	return c
}

// quantile is the value with the probability p above it, to a thousandth of
// the spread of the experts; an atom if it falls on one. It is the regula
// falsi with the correction of Illinois (Dowell and Jarratt 1971).
func (m *mixture) quantile(p float64) float64 {
	if m.n == 0 {
		return m.last
	}
	low, high, unit := m.bracket(p)
	fl, fh := m.over(low)-p, m.over(high)-p
	moved := -1
	for range 30 {
		if high-low <= 1e-3*unit || fl <= fh {
			break
		}
		x := low + (high-low)*fl/(fl-fh)
		if !(x > low && x < high) {
			x = low + (high-low)/2
		}
		f := m.over(x) - p
		if math.Abs(f) < 1e-4*p {
			low, high = x, x
			break
		}
		if f > 0 {
			if low, fl = x, f; moved == below {
				fh /= 2
			}
			moved = below
		} else {
			if high, fh = x, f; moved == above {
				fl /= 2
			}
			moved = above
		}
	}
	return m.snap(low+(high-low)/2, 2e-3*unit)
}

// over is P(X > x), with half of the probability of x.
func (m *mixture) over(x float64) float64 {
	up := 0.0
	for i := range m.n {
		if c := &m.parts[i]; c.weight > 1e-3 {
			up += c.weight * c.upper(x)
		}
	}
	u, _ := m.lump(x, up, 1-up)
	return u
}

// bracket returns values that enclose the quantile, and the spread of the
// experts.
func (m *mixture) bracket(p float64) (low, high, unit float64) {
	center := 0.0
	for i := range m.n {
		c := &m.parts[i]
		center += c.weight * c.mean
		unit += c.weight * (c.scale[below] + c.scale[above])
	}
	unit = math.Max(unit, 1e-300)
	low, high = center-unit, center+unit
	for grow := unit; m.over(low) < p && grow < 1e301; grow *= 3 {
		low -= grow
	}
	for grow := unit; m.over(high) > p && grow < 1e301; grow *= 3 {
		high += grow
	}
	return low, high, unit
}

// snap returns the single value near x, if there is one, and x otherwise.
func (m *mixture) snap(x, near float64) float64 {
	if m.kept > 0.05 && math.Abs(m.last-x) <= near {
		return m.last
	}
	for i, s := range m.atoms.Share {
		if s > 0 && s >= m.atoms.Least && math.Abs(m.atoms.Value[i]-x) <= near {
			return m.atoms.Value[i]
		}
	}
	return x
}
