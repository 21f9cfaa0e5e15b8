package nab

import (
	"math"
	"slices"
)

// Curve is how a detector does over all thresholds, without any of the
// benchmark's weights and without adjusting points to events.
type Curve struct {
	// RowAUC is the area under the curve of precision over recall of rows (as
	// average precision): every row of a window is one to find. What shows only
	// the beginning of an anomaly can't have much of it.
	RowAUC float64
	// EventF1 is the best harmonic mean of the share of windows that have a
	// detection and the share of detections that are right, where those in one
	// window count once and each one outside counts.
	EventF1 float64
}

// CurveOf judges scores as Profile.Judge takes them.
func CurveOf(corpus []Series, scores [][]float64) Curve {
	rows, windows := Standard.candidates(corpus, scores)
	slices.SortStableFunc(rows, func(a, b candidate) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	positive := 0.0
	for _, r := range rows {
		if r.window >= 0 {
			positive++
		}
	}
	var c Curve
	hit, found, wrong, right, before := make([]bool, windows), 0.0, 0.0, 0.0, 0.0
	for i, r := range rows {
		if r.window < 0 {
			wrong++
		} else {
			right++
			if !hit[r.window] {
				hit[r.window] = true
				found++
			}
		}
		if i+1 < len(rows) && rows[i+1].score == r.score {
			continue // a threshold takes all rows of a score, or none
		}
		c.RowAUC += (right - before) / math.Max(positive, 1) * right / (right + wrong)
		before = right
		c.EventF1 = math.Max(c.EventF1, 2*found/(found+wrong+float64(windows)))
	}
	return c
}
