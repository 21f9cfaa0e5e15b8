package nab

import (
	"math"
	"slices"
)

// Profile weighs what a detector does.
type Profile struct {
	TruePositive, FalsePositive, FalseNegative float64
}

// Standard is the standard profile of the benchmark.
var Standard = Profile{TruePositive: 1, FalsePositive: 0.11, FalseNegative: 1}

// Probation is the number of rows at the beginning of a series of n rows that
// are for learning: 15 %, of at most 5,000.
func Probation(n int) int { return int(0.15 * float64(min(n, 5000))) }

// sigmoid is the scoring function of the benchmark: y is the place of a
// detection relative to a window, −1 at its beginning, 0 at its end. It falls
// from 0.987 over 0 to −1.
func sigmoid(y float64) float64 {
	if y > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*y)) - 1
}

// reward is what detections at each row of a series would earn: positive
// inside a window, where only the largest counts, negative outside, where all
// add up.
func (p Profile) reward(s *Series) []float64 {
	out := make([]float64, len(s.Value))
	next, last := 0, -1
	for i := range out {
		for next < len(s.Windows) && s.Windows[next].Last < i {
			last = next
			next++
		}
		switch {
		case next < len(s.Windows) && i >= s.Windows[next].First:
			w := s.Windows[next]
			length := float64(w.Last - w.First + 1)
			out[i] = p.TruePositive * sigmoid(-float64(w.Last-i+1)/length) / sigmoid(-1)
		case last < 0:
			out[i] = -p.FalsePositive
		default:
			w := s.Windows[last]
			out[i] = p.FalsePositive * sigmoid(float64(i-w.Last)/math.Max(float64(w.Last-w.First), 1))
		}
	}
	return out
}

// Result is how a detector did on a corpus.
type Result struct {
	// Score is the normalised score: 0 for a detector that never detects
	// anything, 100 for one that detects every window at its first row and
	// nothing else.
	Score float64
	// Threshold is the score from which a row is a detection, the best one for
	// the whole corpus.
	Threshold float64
	// Windows is the number of labelled windows, Found of those with a
	// detection, False the number of detections outside (after probation).
	Windows, Found, False int
}

// candidate is a row after probation.
type candidate struct {
	score  float64
	reward float64
	window int // index over the corpus, -1 for none
}

// Judge scores a detector: scores[i] are its scores of corpus[i], a row each.
// The threshold is one for the whole corpus, the one with the best sum.
func (p Profile) Judge(corpus []Series, scores [][]float64) Result {
	rows, windows := p.candidates(corpus, scores)
	slices.SortStableFunc(rows, func(a, b candidate) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		default:
			return 0
		}
	})
	best := make([]float64, windows)
	for i := range best {
		best[i] = math.Inf(-1)
	}
	r := Result{Windows: windows, Threshold: math.Inf(1)}
	raw := -p.FalseNegative * float64(windows)
	worst := raw
	top, found, wrong := raw, 0, 0
	for i, c := range rows {
		if c.window < 0 {
			raw += c.reward
			wrong++
		} else if b := best[c.window]; math.IsInf(b, -1) {
			raw += c.reward + p.FalseNegative
			best[c.window] = c.reward
			found++
		} else if c.reward > b {
			raw += c.reward - b
			best[c.window] = c.reward
		}
		if (i+1 == len(rows) || rows[i+1].score < c.score) && raw > top {
			top = raw
			r.Threshold, r.Found, r.False = c.score, found, wrong
		}
	}
	perfect := p.TruePositive * float64(windows)
	r.Score = 100 * (top - worst) / math.Max(perfect-worst, math.SmallestNonzeroFloat64)
	return r
}

// candidates are the rows after probation, and the number of windows.
func (p Profile) candidates(corpus []Series, scores [][]float64) ([]candidate, int) {
	var rows []candidate
	windows := 0
	for i := range corpus {
		s := &corpus[i]
		reward := p.reward(s)
		w := 0
		for j := Probation(len(s.Value)); j < len(s.Value); j++ {
			for w < len(s.Windows) && s.Windows[w].Last < j {
				w++
			}
			c := candidate{score: scores[i][j], reward: reward[j], window: -1}
			if w < len(s.Windows) && j >= s.Windows[w].First {
				c.window = windows + w
			}
			rows = append(rows, c)
		}
		windows += len(s.Windows)
	}
	return rows, windows
}
