package baseline

import (
	"math"

	"github.com/logcluster/logcluster/baseline/calibration"
)

// PIT is the place of the count x in its distribution.
func (d NegBinomial) PIT(x float64) calibration.PIT {
	x = math.Max(math.Floor(x), 0)
	j := judgement{tails: d.Tails(x), logAt: 0}
	if d.Mean > 0 {
		j.logAt = d.logAt(x)
	}
	return j.pit()
}

// PIT is the place of the value x in its distribution.
func (d StudentT) PIT(x float64) calibration.PIT {
	j := judgement{tails: d.Tails(x), logAt: math.Inf(-1)}
	return j.pit()
}
