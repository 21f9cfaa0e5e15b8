package nab

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/logcluster/logcluster/baseline/level"
)

// Detector scores the rows of a series one after the other; the score of a row
// never depends on later ones. Larger is more anomalous.
type Detector struct {
	Name  string
	Score func(s *Series) []float64
}

// Detectors are the score of this project and its simple rivals.
func Detectors() []Detector {
	return []Detector{
		{"logcluster score", Level},
		{"logcluster z alone", levelZ},
		{"windowed Gaussian", windowedGaussian},
		{"EWMA", ewma},
		{"median and MAD", medianMAD},
		{"random", random},
		{"null", func(s *Series) []float64 { return make([]float64, len(s.Value)) }},
	}
}

// Level is the anomaly score of baseline/level with its defaults.
func Level(s *Series) []float64 {
	l := level.New(level.DefaultConfig())
	out := make([]float64, len(s.Value))
	for i, v := range s.Value {
		out[i] = l.Next(s.At[i], v).AnomalyScore
	}
	return out
}

// levelZ is the size of the calibrated z of baseline/level: rows for
// themselves, without what makes alarms of them.
func levelZ(s *Series) []float64 {
	l := level.New(level.DefaultConfig())
	out := make([]float64, len(s.Value))
	for i, v := range s.Value {
		out[i] = math.Abs(l.Next(s.At[i], v).Z)
	}
	return out
}

// normalScore is 1 − p of a two-sided normal z.
func normalScore(z float64) float64 { return math.Erf(math.Abs(z) / math.Sqrt2) }

// windowedGaussian is the baseline of that name: the two-sided normal tail of
// a row under the mean and standard deviation of the rows before it, the last
// 6,400 at most.
func windowedGaussian(s *Series) []float64 {
	const window = 6400
	out := make([]float64, len(s.Value))
	var sum, squares float64
	origin := 0.0
	if len(s.Value) > 0 {
		origin = s.Value[0]
	}
	for i, v := range s.Value {
		v -= origin
		n := float64(min(i, window))
		if n > 1 {
			mean := sum / n
			sd := math.Sqrt(math.Max(squares/n-mean*mean, 0))
			out[i] = normalScore((v - mean) / math.Max(sd, 1e-9*math.Abs(v-mean)+math.SmallestNonzeroFloat64))
		}
		sum, squares = sum+v, squares+v*v
		if i >= window {
			old := s.Value[i-window] - origin
			sum, squares = sum-old, squares-old*old
		}
	}
	return out
}

// ewma is the residual from an exponentially weighted mean in units of an
// exponentially weighted standard deviation.
func ewma(s *Series) []float64 {
	out := make([]float64, len(s.Value))
	var mean, variance float64
	for i, v := range s.Value {
		if i == 0 {
			mean = v
			continue
		}
		r := v - mean
		if r != 0 {
			out[i] = math.Abs(r) / math.Max(math.Sqrt(variance), 1e-9*math.Abs(r))
		}
		mean += 0.1 * r
		variance += 0.01 * (r*r - variance)
	}
	return out
}

// medianMAD is the distance from the median of the last 288 rows in units of
// their median absolute deviation.
func medianMAD(s *Series) []float64 {
	const window = 288
	out := make([]float64, len(s.Value))
	var buffer []float64
	for i, v := range s.Value {
		if i < 10 {
			continue
		}
		buffer = append(buffer[:0], s.Value[max(0, i-window):i]...)
		slices.Sort(buffer)
		median := buffer[len(buffer)/2]
		for j, b := range buffer {
			buffer[j] = math.Abs(b - median)
		}
		mean := 0.0
		for _, b := range buffer {
			mean += b / float64(len(buffer))
		}
		slices.Sort(buffer)
		// More than half of the rows at one value leave no median deviation.
		spread := math.Max(1.4826*buffer[len(buffer)/2], mean)
		if distance := math.Abs(v - median); distance > 0 {
			out[i] = distance / math.Max(spread, 1e-9*distance)
		}
	}
	return out
}

// random knows nothing.
func random(s *Series) []float64 {
	rng := rand.New(rand.NewPCG(uint64(len(s.Value)), 7)) //nolint:gosec // not a secret
	out := make([]float64, len(s.Value))
	for i := range out {
		out[i] = rng.Float64()
	}
	return out
}
