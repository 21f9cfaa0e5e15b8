package level

import "math"

// Season is what the series usually is at each phase of a season.
type Season struct {
	// Mean is the usual value and Rows the number of rows seen in each bin.
	Mean, Rows []float64
}

func newSeason(bins int) Season {
	return Season{Mean: make([]float64, bins), Rows: make([]float64, bins)}
}

// bin is where a time falls in a season of the given length in nanoseconds.
func (s *Season) bin(at, length int64) int {
	phase := at % length
	if phase < 0 {
		phase += length
	}
	steps := int64(len(s.Mean))
	return int(phase / ((length + steps - 1) / steps))
}

// learn moves the bin towards the value, by its mean at first and by the
// latest seasons later. A value further than limit from what is usual moves it
// as if it were there: a strange day does not spoil the next ones.
func (s *Season) learn(bin int, x, limit, floor float64) {
	s.Rows[bin]++
	r := x - s.Mean[bin]
	if s.Rows[bin] > 2 {
		r = math.Min(math.Max(r, -limit), limit)
	}
	s.Mean[bin] += r * math.Max(1/s.Rows[bin], floor)
}

func (s Season) clone() Season {
	return Season{Mean: append([]float64(nil), s.Mean...), Rows: append([]float64(nil), s.Rows...)}
}
