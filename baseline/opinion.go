package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Opinion is one feature of a window against what was expected of it. All
// numbers are finite.
type Opinion struct {
	Feature cluster.Feature
	// Observed is the count; of Latency the geometric mean in seconds; of the
	// mixes the share of the events (0 to 1) that are of another class than
	// expected; of TopObject and TopSubject the share of the events, of Stability
	// that of the subjects.
	Observed float64
	// Expected is the predictive median, Low and High are the 95 % band.
	Expected, Low, High float64
	Z                   float64
	// LogP is the natural logarithm of the two-sided p-value.
	LogP float64
	// Extrapolated marks a z beyond what the calibration could measure.
	Extrapolated bool
}

// Opinion returns the whole opinion of a feature about a window, and false
// where there is none.
func (x *Expectation) Opinion(f cluster.Feature, w *cluster.Window) (Opinion, bool) {
	t, stratum, ok := x.score(f, w)
	if !ok {
		return Opinion{}, false
	}
	o := Opinion{Feature: f, Z: t.Z(), LogP: t.LogP()}
	o.Extrapolated = !x.corrections.Measured(f, stratum, o.Z)
	if f >= cluster.NumFeatures {
		x.prediction.form.describe(&o, &w.Shape)
		return o, true
	}
	c := &w.Counts
	o.Observed = float64(c[f])
	switch {
	case x.born, int(f) >= counted:
		// Nothing new is expected, and the band is empty.
	case asCount(f):
		o.Expected, o.Low, o.High = x.prediction.counts[f].quantiles()
	default:
		s := x.prediction.denied
		if f == cluster.Failed {
			s = x.prediction.failed
		}
		q := s.of(c[cluster.Events])
		o.Expected, o.Low, o.High = q.Quantile(0.5), q.Quantile(0.025), q.Quantile(0.975)
	}
	return o, true
}

// Finding is an opinion about a cluster's window that does not come from the
// cluster's own history: a subject against its peers, a role against the others.
type Finding struct {
	Cluster fingerprint.ID
	Opinion
	Tails Tails
	// Subject is whom it is about; empty for the cluster as a whole.
	Subject string
	// Like is the role key whose subjects behave most alike, where that is not
	// the subject's own; else empty.
	Like string
}

// Combine joins the smallest of n independent two-sided p-values into one
// (Šidák): log p = log(1 − (1 − p_min)^n), from and to natural logarithms.
func Combine(logPMin float64, n int) float64 {
	if n <= 1 {
		return math.Min(logPMin, 0)
	}
	p := math.Exp(logPMin)
	if p < 1e-12 { // (1 − p)^n = 1 − n·p to the last bit
		return math.Min(boundLog(logPMin+math.Log(float64(n))), 0)
	}
	return boundLog(math.Log(-math.Expm1(float64(n) * math.Log1p(-p))))
}

// Magnitude is |z| of a two-sided p-value given as a natural logarithm.
func Magnitude(logP float64) float64 {
	return math.Max(0, -NormalQuantile(math.Min(logP, 0)-math.Ln2))
}

// describe fills in what is said of a shape.
func (f *form) describe(o *Opinion, x *cluster.Shape) {
	switch o.Feature {
	case cluster.Latency:
		low, high := f.latency.band(float64(x.Latency.N))
		o.Observed = seconds(x.Latency.Mean())
		o.Expected, o.Low, o.High = seconds(f.latency.mean), seconds(low), seconds(high)
	case cluster.VerbMix, cluster.OutcomeMix:
		o.Observed, o.Expected, o.High = otherwise(f.mix(o.Feature, x))
	default:
		s, _ := f.share(o.Feature)
		p := partOf(o.Feature, x)
		d := s.of(p.n)
		first, n := 1.0, float64(p.n)+1
		if o.Feature == cluster.Stability {
			first, n = 0, float64(p.n)
		}
		o.Observed = (float64(p.x) + first) / n
		o.Expected, o.Low, o.High = (d.Quantile(0.5)+first)/n, (d.Quantile(0.025)+first)/n, (d.Quantile(0.975)+first)/n
	}
}

// seconds of a log2 of microseconds, bounded to what is a time.
func seconds(log float64) float64 {
	return math.Exp2(math.Min(math.Max(log, -40), 60)) / 1e6
}

// otherwise returns how many of the events are of another class than expected, as
// a share: the total variation distance, 0 to 1; what of it is expected by chance;
// and the end of the 95 % band, by the normal approximation of each class.
func otherwise(counts []uint32, alpha []float64) (observed, expected, high float64) {
	n, c := float64(total(counts)), 0.0
	for _, a := range alpha {
		c += a
	}
	for i, v := range counts {
		p := alpha[i] / c
		sd := math.Sqrt(p * (1 - p) * (c + n) / (c + 1) / n)
		observed += math.Abs(float64(v)/n-p) / 2
		expected += sd / math.Sqrt(2*math.Pi)
		high += 1.96 * sd / 2
	}
	return observed, math.Min(expected, 1), math.Min(high, 1)
}
