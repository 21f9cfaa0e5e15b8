package baseline

import (
	"math"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
)

// fit fits what is expected and reports whether there is an opinion about
// anything.
func (f *form) fit(usual *usualMix, least float64) bool {
	f.verbs = f.Verbs.fit(f.verbs, usual.verbs[:], least)
	f.outcomes = f.Outcomes.fit(f.outcomes, usual.outcomes[:], least)
	edge := f.latency
	if f.latency = f.Latency.fit(least); f.latency.windows == edge.windows {
		f.latency.edge = edge.edge
	}
	f.top, f.hasTop = f.TopObject.varied(least)
	f.subject, f.hasSubject = f.TopSubject.varied(least)
	f.stability, f.hasStability = f.Stability.varied(least)
	return f.verbs != nil || f.outcomes != nil || f.latency.windows > 0 || f.hasTop || f.hasSubject || f.hasStability
}

// fit returns the parameters of the Dirichlet distribution: the shares so far,
// drawn to the usual ones, and the concentration that the windows leave. Two
// events of one window are of one class with probability ρ + (1−ρ)·Σp², which
// gives the intraclass correlation ρ by moments. It reuses the slice and returns
// nil where there is no opinion.
func (m *Mix) fit(alpha, usual []float64, least float64) []float64 {
	if m.Windows < least || m.N < least*2 {
		return nil
	}
	same, top := 0.0, 0
	for i, v := range m.Of {
		same += v * v / (m.N * m.N)
		if v > m.Of[top] {
			top = i
		}
	}
	if m.N-m.Of[top]+shareEvents*(1-usual[top]) < possible*(m.N+shareEvents) {
		return nil
	}
	own := math.NaN()
	if m.Pairs > 0 && same < 1 {
		own = (m.Same/m.Pairs - same) / (1 - same)
	}
	concentration := concentrated(own, m.Windows, m.N)
	alpha = append(alpha[:0], m.Of...)
	for i := range alpha {
		alpha[i] = concentration * (alpha[i] + shareEvents*usual[i]) / (m.N + shareEvents)
	}
	return alpha
}

// fit takes the variances by the method of moments (one-way analysis of variance
// with random effects): the windows' means vary by what is between them and by
// what N events each leave of that within.
func (d *Delays) fit(least float64) latencyFit {
	if d.Windows < least || d.N <= d.Windows {
		return latencyFit{}
	}
	f := latencyFit{mean: d.Mean / d.Windows, windows: d.Windows}
	f.within = (d.Inside + priorInside*delayWindows) / (d.N - d.Windows + delayWindows)
	of := math.Max(d.Square/d.Windows-f.mean*f.mean, 0) * d.Windows / (d.Windows - 1)
	f.between = math.Max(of-f.within*d.Harmonic/d.Windows, 0)
	f.between = (f.between*d.Windows + priorBetween*delayWindows) / (d.Windows + delayWindows)
	return f
}

// The prior of how latencies vary, worth so many windows: by a factor of 2^½
// within a window, and of 2^¼ between.
const (
	priorInside  = 0.25
	priorBetween = 0.0625
	delayWindows = 3
)

// varied fits a share of which both sides were seen: what always was all or
// nothing is told by the counts.
func (s *Parts) varied(least float64) (share, bool) {
	if s.Windows < least || s.X < 1 || s.N-s.X < 1 {
		return share{}, false
	}
	return s.fit(s.X / s.N), true
}

// of predicts the mean of n events.
func (l *latencyFit) of(n float64) StudentT {
	variance := l.between + l.within/n + (l.between+l.within)/l.windows
	return StudentT{Mean: l.mean, Scale: math.Sqrt(variance), DF: math.Max(l.windows-1, 1)}
}

// band returns the ends of the 95 % band of the mean of n events.
func (l *latencyFit) band(n float64) (low, high float64) {
	d := l.of(n)
	if l.edge == 0 {
		l.edge = StudentT{Scale: 1, DF: d.DF}.Quantile(0.975)
	}
	return d.Mean - l.edge*d.Scale, d.Mean + l.edge*d.Scale
}

// has reports whether a feature has an opinion about a shape.
func (f *form) has(of cluster.Feature, x *cluster.Shape) bool {
	switch of {
	case cluster.Latency:
		return f.latency.windows > 0 && x.Latency.N > 0
	case cluster.VerbMix:
		return f.verbs != nil && total(x.Verbs[:]) >= leastEvents
	case cluster.OutcomeMix:
		return f.outcomes != nil && total(x.Outcomes[:]) >= leastEvents
	case cluster.TopObject, cluster.TopSubject, cluster.Stability:
		_, ok := f.share(of)
		return ok && partOf(of, x).n >= leastPart
	default:
		return false
	}
}

// leastPart is how many events (subjects for the stability) a share is of at
// least.
const leastPart = 4

func (f *fits) share(of cluster.Feature) (*share, bool) {
	switch of {
	case cluster.TopObject:
		return &f.top, f.hasTop
	case cluster.TopSubject:
		return &f.subject, f.hasSubject
	default:
		return &f.stability, f.hasStability
	}
}

// usual reports whether the calibrated |z| of a feature that has an opinion is
// within [Exceedance], given the corrections of the low and the high side. Most
// windows are told by what is cheap to compute and surely inside; property tests
// hold that against the tails.
func (f *form) usual(of cluster.Feature, x *cluster.Shape, in [2]calibration.Correction) bool {
	low, high := in[calibration.Low].Nominal(Exceedance), in[calibration.Up].Nominal(Exceedance)
	limit := math.Min(low, high)
	switch of {
	case cluster.Latency:
		d := f.latency.of(float64(x.Latency.N))
		if math.Abs(x.Latency.Mean()-d.Mean) <= limit*d.Scale {
			return true // no t distribution has less in its tails than the normal
		}
	case cluster.VerbMix, cluster.OutcomeMix:
		if counts, alpha := f.mix(of, x); nearMix(counts, alpha, 0.4*limit) {
			return true
		}
	default:
		s, _ := f.share(of)
		if s.near(partOf(of, x), 0.32*limit) {
			return true
		}
	}
	z := f.tails(of, x).Z()
	return z >= -low && z <= high
}

// judge judges a feature that has an opinion.
func (f *form) judge(of cluster.Feature, x *cluster.Shape) judgement {
	j := judgement{stratum: f.stratum(of, x), logAt: math.Inf(-1)}
	switch of {
	case cluster.Latency:
		j.tails = f.tails(of, x)
	case cluster.VerbMix, cluster.OutcomeMix:
		j.tails, j.folded = f.tails(of, x), true
	default:
		s, _ := f.share(of)
		p := partOf(of, x)
		return judgeShare(*s, p.x, p.n)
	}
	return j
}

// stratum is that of the events which a feature is judged by, of a share that of
// the expected number.
func (f *form) stratum(of cluster.Feature, x *cluster.Shape) calibration.Stratum {
	switch of {
	case cluster.Latency:
		return calibration.StratumOf(float64(x.Latency.N))
	case cluster.VerbMix, cluster.OutcomeMix:
		return calibration.StratumOf(float64(total(x.Verbs[:])))
	default:
		s, _ := f.share(of)
		return s.stratum(partOf(of, x).n)
	}
}

// tails are those of a feature that has an opinion.
func (f *form) tails(of cluster.Feature, x *cluster.Shape) Tails {
	switch of {
	case cluster.Latency:
		return f.latency.of(float64(x.Latency.N)).Tails(x.Latency.Mean())
	case cluster.VerbMix, cluster.OutcomeMix:
		// A mix deviates upwards only: its tail is that of both sides.
		up := MixTails(f.mix(of, x)).Up - math.Ln2
		return Tails{Up: boundLog(up), Low: boundLog(log1mExp(up))}
	default:
		s, _ := f.share(of)
		p := partOf(of, x)
		return s.of(p.n).Tails(float64(p.x))
	}
}

func (f *form) mix(of cluster.Feature, x *cluster.Shape) ([]uint32, []float64) {
	if of == cluster.VerbMix {
		return x.Verbs[:], f.verbs
	}
	return x.Outcomes[:], f.outcomes
}

// nearMix reports whether every count is within so many standard deviations of
// what is expected, or the class is rare and absent.
func nearMix(counts []uint32, alpha []float64, within float64) bool {
	n, c := float64(total(counts)), 0.0
	for _, a := range alpha {
		c += a
	}
	widen := (c + n) / (c + 1)
	for i, v := range counts {
		p := alpha[i] / c
		expected := n * p
		if v == 0 && expected < 1 {
			continue
		}
		if off := float64(v) - expected; off*off > within*within*expected*(1-p)*widen {
			return false
		}
	}
	return true
}

// near reports whether x of n is within so many standard deviations of the mean,
// of a share whose distribution has one peak.
func (s *share) near(x part, within float64) bool {
	if s.alpha < 1 || s.beta < 1 {
		return false
	}
	c, n := s.alpha+s.beta, float64(x.n)
	p := s.alpha / c
	off := float64(x.x) - n*p
	return off*off <= within*within*n*p*(1-p)*(c+n)/(c+1)
}

// trusts returns the weights with which a window teaches, nil where each is 1:
// what is beyond clipZ counts with the square of how much it is beyond, so that
// neither its mean nor its variance can grow without a bound (a redescending
// weight in the sense of Huber).
func (f *form) trusts(x *cluster.Shape, clipZ float64) *trust {
	var out *trust
	for of := cluster.Latency; of <= cluster.Stability; of++ {
		if !f.has(of, x) || f.usual(of, x, [2]calibration.Correction{}) {
			continue
		}
		if z := math.Abs(f.tails(of, x).Z()); z > clipZ {
			if out == nil {
				full := fullTrust
				out = &full
			}
			out[of-cluster.Latency] = float32(clipZ * clipZ / (z * z))
		}
	}
	return out
}
