package level

import "math"

// begin takes the first row.
func (s *State) begin(at int64, x float64, c Config) {
	s.At, s.Last, s.Before = at, x, x
	s.Fast, s.Mid, s.Slow, s.Smooth = x, x, x, x
	s.seasons(at, x, &forecast{}, c)
	s.Atoms.learn(x, 1)
}

// learn takes a row that was scored.
func (s *State) learn(at int64, x float64, f *forecast, m *mixture, p chances, c Config) {
	change := math.Abs(x - s.Last)
	moved := s.parents(p)
	s.judge(x, moved, f, m)
	s.residual(x, f, m)
	s.seasons(at, x, f, c)
	s.levels(x, change)
	s.Atoms.learn(x, math.Max(1/float64(s.Rows), 1/2000.0))
	if passed := float64(at - s.At); passed > 0 {
		s.pace(passed)
		s.At = at
	}
	s.Before, s.Last = s.Last, x
}

// pace follows the median distance of two rows.
func (s *State) pace(passed float64) {
	switch {
	case s.Step == 0:
		s.Step = passed
	case passed > 1.001*s.Step:
		s.Step = math.Min(s.Step*1.03, passed)
	case passed < 0.999*s.Step:
		s.Step = math.Max(s.Step/1.03, passed)
	}
}

// parents updates the shares of rows that keep the last value, that return to
// an atom and that move, by the probability that the row was each (online
// expectation maximisation: Cappé and Moulines 2009). It returns the
// probability that the row moved.
func (s *State) parents(c chances) float64 {
	const shareRows = 200
	total := c.kept + c.returned + c.moved
	if total == 0 {
		c.moved, total = 1, 1
	}
	n := float64(s.Rows)
	s.Kept = towards(s.Kept, c.kept/total, shareRows, n+4)
	s.Returned = towards(s.Returned, c.returned/total, shareRows, n+4)
	s.Moved = math.Max(1-s.Kept-s.Returned, 1e-3)
	return c.moved / total
}

const (
	// forget is what is left of an expert's record a row later: experts are
	// compared by the last hundred rows or so.
	forget = 0.99
	// shareMin keeps every expert ready to come back.
	logShareMin = -9
)

// judge updates the weights of the experts by how much probability they gave
// to the row, as far as it moved, and their scales by how far off they were.
// Experts without an opinion keep their weight relative to the mixture
// ("sleeping experts": Freund et al. 1997).
func (s *State) judge(x, moved float64, f *forecast, m *mixture) {
	top := math.Inf(-1)
	for i := range m.n {
		c := &m.parts[i]
		l := c.logDensity(x)
		w := &s.Experts[c.expert].LogWeight[c.tail]
		*w = forget**w + moved*l
		top = math.Max(top, *w)
	}
	for i := range m.n {
		c := &m.parts[i]
		w := &s.Experts[c.expert].LogWeight[c.tail]
		*w = math.Max(*w-top, logShareMin)
	}
	for k := range s.Experts {
		if !math.IsNaN(f.mean[k]) {
			s.Experts[k].learn(x-f.mean[k], moved, f.wide[k])
		}
	}
}

// residual learns how noisy the phase of the day is.
func (s *State) residual(x float64, f *forecast, m *mixture) {
	if m.n == 0 {
		return
	}
	center := 0.0
	for i := range m.n {
		center += m.parts[i].weight * m.parts[i].mean
	}
	r := math.Abs(x - center)
	if s.Residual == 0 {
		s.Residual = r
		return
	}
	r = math.Min(r, 5*s.Residual)
	n := &s.Noise
	n.Rows[f.noise] = math.Min(n.Rows[f.noise]+1, 200)
	n.Mean[f.noise] += (r/s.Residual - n.Mean[f.noise]) / n.Rows[f.noise]
	s.Residual = towards(s.Residual, r, usualRows, float64(s.Rows))
}

// seasons learns what is usual at the phases of the row.
func (s *State) seasons(at int64, x float64, f *forecast, c Config) {
	const limit, floor = 4, 0.1
	far := limit * s.Spread
	if c.Day > 0 {
		s.OffDay = off(&s.Day1, x, f.phases[fineDay], s.OffDay, s.Spread)
		s.Daily.learn(s.Daily.bin(at, int64(c.Day)), x, far, floor)
		s.Hours.learn(s.Hours.bin(at, int64(c.Day)), x, far, floor/4)
	}
	if c.Week > 0 {
		s.OffWeek = off(&s.Week1, x, f.phases[week], s.OffWeek, s.Spread)
		s.Weekly.learn(s.Weekly.bin(at, int64(c.Week)), x, far, floor)
	}
}

// off is how far the row is from its season; it learns how that lasts.
func off(m *Moments, x float64, p phase, before, spread float64) float64 {
	if !p.known {
		return 0
	}
	d := x - p.mean
	if spread > 0 && before != 0 {
		m.learn(bound(d/spread, 8), bound(before/spread, 8), 0)
	}
	return d
}

// levels moves the means. The fast ones follow everything; the slow one takes
// what is far off as less far.
func (s *State) levels(x, change float64) {
	n := float64(s.Rows)
	if s.Spread > 0 {
		s.Neighbours.learn(bound((x-s.Slow)/s.Spread, 8), bound((s.Last-s.Slow)/s.Spread, 8), bound((s.Before-s.Slow)/s.Spread, 8))
	}
	s.Fast = towards(s.Fast, x, 3, n)
	s.Mid = towards(s.Mid, x, 20, n)
	r := x - s.Slow
	s.Spread = usual(s.Spread, math.Abs(r), n)
	s.Slow += bound(r, 4*s.Spread) / math.Min(usualRows, n)
	s.Change = usual(s.Change, change, n)
	const level, slope = 0.3, 0.05
	expected := s.Smooth + damping*s.Slope
	miss := x - expected
	s.Smooth = expected + level*miss
	s.Slope = damping*s.Slope + slope*miss
}
