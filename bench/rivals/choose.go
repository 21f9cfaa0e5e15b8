package rivals

import "github.com/logcluster/logcluster/bench/detection"

// Thresholds are what a rival is tried at.
var Thresholds = []float64{2.5, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64}

// Choose returns the best of the [Thresholds] for a rival, by the F1 of recall and
// precision on labels, in its favour; and the lowest threshold at which it raises
// no more false alerts a day than the number given, found by steps of a tenth.
func Choose(judge func(Rule) detection.Report, falsePerDay float64) (best, quiet float64) {
	f1 := -1.0
	for _, z := range Thresholds {
		p := judge(Fair(z))
		f := 0.0
		if s := p.Recall.Value + p.Precision.Value; s > 0 {
			f = 2 * p.Recall.Value * p.Precision.Value / s
		}
		if f > f1 {
			best, f1 = z, f
		}
	}
	quiet = Thresholds[0]
	for quiet < 1e9 && judge(Fair(quiet)).FalsePerDay.Value > falsePerDay {
		quiet *= 1.1
	}
	return best, quiet
}
