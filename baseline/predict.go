package baseline

import (
	"math"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
)

// Prediction is what the windows of one cluster are expected to look like in
// one cell of time, by the last retrain.
type Prediction struct {
	epoch, cell    int64
	class          class
	lived          float64 // windows it rests on
	counts         [counted]*model
	denied, failed share
	form           *form // nil for no opinion about shapes
}

// Expectation is what is expected of one window of one cluster: its
// [Prediction] and the tenant's rates of new things. It is valid until the
// next call of a method of the [Store].
type Expectation struct {
	prediction *Prediction // nil for a cluster without a baseline
	rates      *rates      // nil while the tenant is being learnt
	// corrections calibrate the scores; nil where there is nothing to correct.
	corrections *calibration.Corrections
	role        string
	class       class
	birth       kind // of new cluster, when born
	born        bool // the cluster's first window
}

// Expect returns what is expected of a window of an evaluation.
func (s *Store) Expect(ev *cluster.Evaluation, w *cluster.Window) Expectation {
	x := Expectation{class: classOf(w.Cluster), role: w.Cluster.Role, born: w.FirstPane >= ev.Start}
	tn := s.tenants[ev.Tenant]
	if tn == nil || ev.Scale >= cluster.NumScales {
		return x
	}
	p := &tn.scales[ev.Scale]
	x.corrections = p.table.Corrections()
	if p.live.ever >= learningWindows && !s.learning(tn, ev.End) {
		x.rates = &p.rates
		x.birth = birthKind(&w.Counts, p.rates.uses[useOf(w.Cluster)] > 0)
	}
	if h := p.clusters[w.Cluster.ID]; h != nil && !x.born && p.live.lived(h) > 0 {
		x.prediction = p.predict(s, h, p.cellOf(ev))
	}
	return x
}

// learningWindows is how many windows of a scale are learned from at least before
// there is an opinion about what is new: a week of days.
const learningWindows = 7

// Born reports whether it is the cluster's first window.
func (x *Expectation) Born() bool { return x.born }

// has reports whether the feature has an opinion about a window.
func (x *Expectation) has(f cluster.Feature, w *cluster.Window) bool {
	if f >= cluster.NumFeatures {
		return x.formed() && x.prediction.form.has(f, &w.Shape)
	}
	return x.counts(f, &w.Counts)
}

// formed reports whether there is an opinion about the shape of windows.
func (x *Expectation) formed() bool { return x.prediction != nil && x.prediction.form != nil }

// counts reports whether a feature that is a count has an opinion about counts.
func (x *Expectation) counts(f cluster.Feature, c *cluster.Counts) bool {
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
		return x.prediction.counts[f] != nil
	default:
		return c[cluster.Events] > 0
	}
}

// Opinions returns how many features have an opinion about a window.
func (x *Expectation) Opinions(w *cluster.Window) int {
	n := 0
	for f := range cluster.AllFeatures {
		if x.has(f, w) {
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
		return x.usualForm(f, &w.Shape)
	case x.born:
		return x.rates == nil || f != cluster.Events
	case int(f) >= counted:
		return x.rates == nil || c[f] == 0
	case x.prediction == nil:
		return true
	case f == cluster.Denied:
		return x.usualShare(f, x.prediction.denied, c[f], c[cluster.Events])
	case f == cluster.Failed:
		return x.usualShare(f, x.prediction.failed, c[f], c[cluster.Events])
	default:
		m := x.prediction.counts[f]
		return m == nil || m.usual(float64(c[f]), x.corrections.For(f, m.stratum))
	}
}

func (x *Expectation) usualForm(f cluster.Feature, shape *cluster.Shape) bool {
	if !x.formed() {
		return true
	}
	form := x.prediction.form
	if !form.has(f, shape) {
		return true
	}
	return form.usual(f, shape, x.corrections.For(f, form.stratum(f, shape)))
}

func (x *Expectation) usualShare(f cluster.Feature, s share, of, n uint32) bool {
	return s.usual(of, n, x.corrections.For(f, s.stratum(n)))
}

// Score returns the calibrated tails of one feature of a window, and false when
// there is no opinion about it.
func (x *Expectation) Score(f cluster.Feature, w *cluster.Window) (Tails, bool) {
	t, _, ok := x.score(f, w)
	return t, ok
}

func (x *Expectation) score(f cluster.Feature, w *cluster.Window) (Tails, calibration.Stratum, bool) {
	if f < cluster.NumFeatures && int(f) >= counted && w.Counts[f] == 0 {
		return Tails{Up: -math.Ln2, Low: -math.Ln2}, 0, x.has(f, w)
	}
	j, ok := x.judge(f, w)
	if !ok {
		return Tails{}, 0, false
	}
	return j.tails.Corrected(x.corrections.For(f, j.stratum)), j.stratum, true
}

// Deviates reports whether the fresh part of a window deviates by itself in the
// direction of up, for one feature: the part is a fraction (0 to 1) of the
// window, and deviates where its one-sided mid-p tail is below p. New things
// deviate when there are any, and a shape, which is not known of a part of a
// window, when there are any events. A feature without an opinion does not deviate.
func (x *Expectation) Deviates(f cluster.Feature, fresh *cluster.Counts, fraction float64, up bool, p float64) bool {
	if f >= cluster.NumFeatures {
		return x.formed() && fresh[cluster.Events] > 0
	}
	if !x.counts(f, fresh) {
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
