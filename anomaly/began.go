package anomaly

import (
	"math"
	"slices"

	"github.com/logcluster/logcluster/cluster"
)

// changed returns the step at which counts left their usual rate, by maximum
// likelihood of a Poisson change point: the first k steps have the usual rate,
// the rest has its own, which is higher (or, not up, lower). Expected is the
// usual sum of all steps. It returns 0 when all of it is changed, and when
// nothing is: then the counts do not show it.
//
// Hinkley 1970, with the rate before known. Counts that vary more than Poisson's
// do scale all likelihoods alike, and move the maximum little.
func changed(counts []uint32, expected float64, up bool) int {
	if len(counts) == 0 {
		return 0
	}
	// Half an event is added: nothing expected is not impossible.
	usual := (math.Max(expected, 0) + 0.5) / float64(len(counts))
	best, at, sum := 0.0, 0, 0.0
	for k := len(counts) - 1; k >= 0; k-- {
		sum += float64(counts[k])
		n := float64(len(counts) - k)
		rate := sum / n
		if rate > usual != up {
			continue
		}
		// The gain in log likelihood of the rest having its own rate.
		gain := n*usual - sum
		if sum > 0 {
			gain += sum * math.Log(rate/usual)
		}
		if gain > best {
			best, at = gain, k
		}
	}
	return at
}

// before returns when the events of a cluster left their usual rate, for a window of
// the short scale that is past that as a whole, as far as the windows before it
// show: to the length of a window, in Unix nanoseconds. It is zero when they do not.
func (j *judging) before(r *Recent, v *Verdict) int64 {
	if r == nil || v.Driver != cluster.Events || j.fraction <= 0 {
		return 0
	}
	// Of the windows, which overlap, those that do not, ending with the last.
	j.steps = j.steps[:0]
	stride := max(1, int(math.Round(1/j.fraction)))
	for i := len(r.Events) - 1; i >= 0; i -= stride {
		j.steps = append(j.steps, r.Events[i])
	}
	slices.Reverse(j.steps)
	k := changed(j.steps, v.Expected*float64(len(j.steps)), v.Up)
	if k == 0 {
		return 0
	}
	return j.ev.End - int64(len(j.steps)-k)*(j.ev.End-j.ev.Start)
}
