package level

import "math"

// The seasons that a forecast looks into.
const (
	fineDay = iota
	coarseDay
	week
	numPhases
)

// phase is a place in a season, and what is usual there.
type phase struct {
	bin   int
	mean  float64
	known bool
}

// forecast is what each expert says of the row to come.
type forecast struct {
	mean   [numExperts]float64
	wide   [numExperts]float64
	phases [numPhases]phase
	noise  int // the bin of State.Noise
}

// make asks the experts. It reads nothing of the row but its time.
func (f *forecast) make(s *State, at int64, c Config) {
	f.mean = [numExperts]float64{
		last: s.Last, fast: s.Fast, mid: s.Mid, slow: s.Slow,
		trend: s.Smooth + damping*s.Slope,
	}
	a, b := s.Neighbours.coefficients()
	f.mean[regress] = s.Slow + a*(s.Last-s.Slow) + b*(s.Before-s.Slow)
	f.phases = [numPhases]phase{
		fineDay:   look(&s.Daily, at, int64(c.Day)),
		coarseDay: look(&s.Hours, at, int64(c.Day)),
		week:      look(&s.Weekly, at, int64(c.Week)),
	}
	f.mean[daily] = f.phases[fineDay].from(&s.Day1, s.OffDay)
	f.mean[dailyLevel] = f.phases[coarseDay].from(nil, 0)
	f.mean[weekly] = f.phases[week].from(&s.Week1, s.OffWeek)
	f.widen(s, at, c)
}

// damping is how much of a trend is left a row later.
const damping = 0.9

// look finds the time in the season. A phase that was seen less than twice is
// not known.
func look(s *Season, at, length int64) phase {
	if length == 0 {
		return phase{}
	}
	b := s.bin(at, length)
	return phase{bin: b, mean: s.Mean[b], known: s.Rows[b] >= 1}
}

// from is the usual value, and a part of how far the last row was off its own.
func (p phase) from(m *Moments, off float64) float64 {
	switch {
	case !p.known:
		return math.NaN()
	case m == nil || m.Var1 == 0 || off == 0:
		return p.mean
	}
	return p.mean + off*math.Min(math.Max(m.Now1/m.Var1, 0), 1)
}

// widen says how much less sure an expert is than usual: by the noise of the
// phase of the day, and after a gap, those that go by the last rows, as a random walk.
func (f *forecast) widen(s *State, at int64, c Config) {
	noise, gap := 1.0, 1.0
	if c.Day > 0 {
		f.noise = s.Noise.bin(at, int64(c.Day))
		const prior = 20
		n := s.Noise.Rows[f.noise]
		noise = bound((s.Noise.Mean[f.noise]*n+prior)/(n+prior), 5)
		noise = math.Max(noise, 0.2)
	}
	if passed := float64(at - s.At); s.Step > 0 && passed > 1.5*s.Step {
		gap = math.Sqrt(math.Min(passed/s.Step, 100))
	}
	for k := range f.wide {
		f.wide[k] = noise
		switch k {
		case last, fast, trend, regress:
			f.wide[k] *= gap
		}
	}
}
