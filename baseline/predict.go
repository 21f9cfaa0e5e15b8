package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Prediction is what the windows of one cluster are expected to look like in
// one cell of time, by the last retrain.
type Prediction struct {
	epoch, cell    int64
	class          class
	lived          float64 // windows it rests on
	counts         [counted]*model
	denied, failed share
}

// Expectation is what is expected of one window of one cluster: its
// [Prediction] and the tenant's rates of new things. It is valid until the
// next call of a method of the [Store].
type Expectation struct {
	prediction *Prediction // nil for a cluster without a baseline
	rates      *rates      // nil while the tenant is being learnt
	role       string
	class      class
	birth      kind // of new cluster, when born
	born       bool // the cluster's first window
}

// Expect returns what is expected of a window of an evaluation.
func (s *Store) Expect(ev *cluster.Evaluation, w *cluster.Window) Expectation {
	x := Expectation{class: classOf(w.Cluster), role: w.Cluster.Role, born: w.FirstPane >= ev.Start}
	tn := s.tenants[ev.Tenant]
	if tn == nil || ev.Scale >= cluster.NumScales {
		return x
	}
	p := &tn.scales[ev.Scale]
	if p.until > 0 && !s.learning(tn, ev.End) {
		x.rates = &p.rates
		x.birth = birthKind(&w.Counts, p.rates.uses[useOf(w.Cluster)] > 0)
	}
	if h := p.clusters[w.Cluster.ID]; h != nil && !x.born && p.live.lived(h) > 0 {
		x.prediction = p.predict(s, h, p.cellOf(ev))
	}
	return x
}

// Born reports whether it is the cluster's first window.
func (x *Expectation) Born() bool { return x.born }

// has reports whether the feature has an opinion about a window.
func (x *Expectation) has(f cluster.Feature, c *cluster.Counts) bool {
	if f >= cluster.NumFeatures {
		return false
	}
	switch {
	case f == cluster.NewSubjectPowers && c[f] == 0:
		// A new power comes with a new role nearly always: while there is none it
		// is no test of its own, and costs the others nothing.
		return false
	case int(f) >= counted:
		return x.rates != nil && !x.born
	case x.born:
		return x.rates != nil && f == cluster.Events
	case x.prediction == nil:
		return false
	case asCount(f):
		return true
	default:
		return c[cluster.Events] > 0
	}
}

// Opinions returns how many features have an opinion about a window.
func (x *Expectation) Opinions(w *cluster.Window) int {
	n := 0
	for f := range cluster.AllFeatures {
		if x.has(f, &w.Counts) {
			n++
		}
	}
	return n
}

// Usual reports whether no feature of the window is beyond [Exceedance]. It is
// what scoring costs for most windows: a few comparisons.
func (x *Expectation) Usual(w *cluster.Window) bool {
	for f := range cluster.AllFeatures {
		if !x.UsualIn(f, w) {
			return false
		}
	}
	return true
}

// UsualIn reports whether one feature of the window is within [Exceedance], or
// has no opinion. New things, where there are any, always have to be scored.
func (x *Expectation) UsualIn(f cluster.Feature, w *cluster.Window) bool {
	c := &w.Counts
	switch {
	case f >= cluster.NumFeatures:
		return true
	case x.born:
		return x.rates == nil || f != cluster.Events
	case int(f) >= counted:
		return x.rates == nil || c[f] == 0
	case x.prediction == nil:
		return true
	case f == cluster.Denied:
		return x.prediction.denied.usual(c[f], c[cluster.Events])
	case f == cluster.Failed:
		return x.prediction.failed.usual(c[f], c[cluster.Events])
	default:
		return x.prediction.counts[f].usual(float64(c[f]))
	}
}

// usual reports whether x of n events is within the band. A share is only
// looked at closely when there is more of it than the mean.
func (s share) usual(x, n uint32) bool {
	if n == 0 || s.alpha < s.beta && float64(x) <= float64(n)*s.alpha/(s.alpha+s.beta) {
		return true
	}
	return math.Abs(s.of(n).Z(float64(x))) <= Exceedance
}

func (s share) of(n uint32) BetaBinomial {
	return BetaBinomial{N: float64(n), Alpha: s.alpha, Beta: s.beta}
}

// Score returns the tails of one feature of a window, and false when there is
// no opinion about it.
func (x *Expectation) Score(f cluster.Feature, w *cluster.Window) (Tails, bool) {
	c := &w.Counts
	if !x.has(f, c) {
		return Tails{}, false
	}
	switch {
	case int(f) >= counted:
		if c[f] == 0 {
			return Tails{Up: -math.Ln2, Low: -math.Ln2}, true
		}
		return x.rates.score(x.class, kindOf(f), x.role, float64(c[f])), true
	case x.born:
		return x.rates.score(x.class, x.birth, x.role, float64(c[f])), true
	case f == cluster.Denied:
		return x.prediction.denied.of(c[cluster.Events]).Tails(float64(c[f])), true
	case f == cluster.Failed:
		return x.prediction.failed.of(c[cluster.Events]).Tails(float64(c[f])), true
	default:
		return x.prediction.counts[f].dist.Tails(float64(c[f])), true
	}
}

// Deviates reports whether the fresh part of a window deviates by itself in the
// direction of up, for one feature: the part is a fraction (0 to 1) of the
// window, and deviates where its one-sided mid-p tail is below p. New things
// deviate when there are any. A feature without an opinion does not deviate.
func (x *Expectation) Deviates(f cluster.Feature, fresh *cluster.Counts, fraction float64, up bool, p float64) bool {
	if !x.has(f, fresh) {
		return false
	}
	var t Tails
	switch {
	case int(f) >= counted || x.born:
		return up && fresh[f] > 0
	case f == cluster.Denied:
		t = x.prediction.denied.of(fresh[cluster.Events]).Tails(float64(fresh[f]))
	case f == cluster.Failed:
		t = x.prediction.failed.of(fresh[cluster.Events]).Tails(float64(fresh[f]))
	case f == cluster.Events:
		d := x.prediction.counts[f].dist
		d.Mean *= fraction
		t = d.Tails(float64(fresh[f]))
	default:
		// Distinct counts do not add up: a tenth of the window has more than a
		// tenth of them. Their deviation is borne by the events.
		return x.Deviates(cluster.Events, fresh, fraction, up, p)
	}
	if up {
		return t.Up < math.Log(p)
	}
	return t.Low < math.Log(p)
}

// Opinion is one feature of a window against what was expected of it. All
// numbers are finite.
type Opinion struct {
	Feature  cluster.Feature
	Observed float64
	// Expected is the predictive median, Low and High are the 95 % band.
	Expected, Low, High float64
	Z                   float64
	// LogP is the natural logarithm of the two-sided p-value.
	LogP float64
}

// Opinion returns the whole opinion of a feature about a window, and false
// where there is none.
func (x *Expectation) Opinion(f cluster.Feature, w *cluster.Window) (Opinion, bool) {
	c := &w.Counts
	t, ok := x.Score(f, w)
	if !ok {
		return Opinion{}, false
	}
	o := Opinion{Feature: f, Observed: float64(c[f]), Z: t.Z(), LogP: t.LogP()}
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

// Learning reports whether the tenant is still being learnt at a time.
func (s *Store) Learning(name string, at int64) bool {
	tn := s.tenants[name]
	return tn == nil || s.learning(tn, at)
}

func (s *Store) learning(tn *tenant, at int64) bool {
	return at-tn.since < int64(s.cfg.Learning)
}

// Learned returns when the tenant's learning period ends or has ended, in Unix
// nanoseconds; zero for a tenant that was never trained on.
func (s *Store) Learned(name string) int64 {
	tn := s.tenants[name]
	if tn == nil {
		return 0
	}
	return tn.since + int64(s.cfg.Learning)
}

// Tests returns how many clusters a short window of the tenant tests, on average
// of about the last learning period: at least 1.
func (s *Store) Tests(name string) float64 {
	tn := s.tenants[name]
	if tn == nil || tn.scales[cluster.Short].rates.windows == 0 {
		return 1
	}
	r := &tn.scales[cluster.Short].rates
	return math.Max(1, r.clusters/r.windows)
}

// Until returns the end of the last short window that is in the tenant's baseline,
// zero when there is none.
func (s *Store) Until(name string) int64 {
	if tn := s.tenants[name]; tn != nil {
		return tn.scales[cluster.Short].until
	}
	return 0
}
