package baseline

import (
	"math"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// judgement is a feature of a window in its predictive distribution, before it
// is calibrated.
type judgement struct {
	tails Tails
	// logAt is the log of the probability of the observed value; −Inf where that
	// is spread continuously.
	logAt   float64
	stratum calibration.Stratum
	// folded is set where a deviation has no direction: the tails are of both
	// sides then.
	folded bool
}

// judgeCount judges a count by a negative binomial.
func judgeCount(m *model, x float64) judgement {
	t, at := m.dist.tailsAt(x)
	return judgement{tails: t, logAt: at, stratum: m.stratum}
}

// judgeShare judges x of n events by a beta-binomial.
func judgeShare(s share, x, n uint32) judgement {
	t, at := s.of(n).tailsAt(float64(x))
	return judgement{tails: t, logAt: at, stratum: s.stratum(n)}
}

// judge judges a feature of a window, and reports false when there is no opinion
// about it.
func (x *Expectation) judge(f cluster.Feature, w *cluster.Window) (judgement, bool) {
	c := &w.Counts
	if !x.has(f, w) {
		return judgement{}, false
	}
	switch {
	case f >= cluster.NumFeatures:
		return x.prediction.form.judge(f, &w.Shape), true
	case int(f) >= counted:
		return x.rates.judge(x.class, kindOf(f), x.role, float64(c[f])), true
	case x.born:
		return x.rates.judge(x.class, x.birth, x.role, float64(c[f])), true
	case f == cluster.Denied:
		return judgeShare(x.prediction.denied, c[f], c[cluster.Events]), true
	case f == cluster.Failed:
		return judgeShare(x.prediction.failed, c[f], c[cluster.Events]), true
	default:
		return judgeCount(x.prediction.counts[f], float64(c[f])), true
	}
}

// Corrected calibrates the tails by the correction of their side.
func (t Tails) Corrected(in [2]calibration.Correction) Tails {
	if t.Up < t.Low {
		t = Tails{Up: t.Low, Low: t.Up}.lower(in[calibration.Up])
		return Tails{Up: t.Low, Low: t.Up}
	}
	return t.lower(in[calibration.Low])
}

// lower calibrates tails of which the lower is the smaller one.
func (t Tails) lower(in calibration.Correction) Tails {
	if in == (calibration.Correction{}) {
		return t
	}
	low, _ := normalLow(-in.Of(-t.Z()))
	return Tails{Up: boundLog(log1mExp(low)), Low: boundLog(low)}
}

// pit is the place of the observed value in its distribution.
func (j *judgement) pit() calibration.PIT {
	at := math.Exp(j.logAt)
	return calibration.PIT{
		Below:  math.Max(math.Exp(j.tails.Low)-at/2, 0),
		At:     at,
		Above:  math.Max(math.Exp(j.tails.Up)-at/2, 0),
		Folded: j.folded,
	}
}

// judged is how many clusters of a window are judged for the calibration at most;
// of more, an even part that changes from window to window.
const judged = 2048

// storyZ is the |z| from which on neighbouring windows of a cluster are one
// story, which counts once for the calibration: else one attack or outage would
// weigh as much as it is long.
const storyZ = 4

// calibrate judges a window that waits by the baseline in force, which has not
// seen it. Known clusters that are not listed had a window of zeros. While a
// tenant is being learnt nothing is judged.
func (p *population) calibrate(s *Store, tn *tenant, w *waiting) {
	if p.live.ever < learningWindows || s.learning(tn, w.end) {
		return
	}
	p.table.Begin(w.start)
	cell := p.time.at(w.start)
	stride := int64(1 + len(p.order)/judged)
	next := 0
	for i, h := range p.order {
		for next < len(w.rows) && w.rows[next].key.ID < h.key.ID {
			next++
		}
		if (int64(i)+w.start/(w.end-w.start))%stride != 0 || p.live.lived(h) <= 0 || h.excludes(cell) {
			continue
		}
		window := cluster.Window{Cluster: h.key}
		if next < len(w.rows) && w.rows[next].key.ID == h.key.ID {
			window.Counts, window.Shape = w.rows[next].counts, w.rows[next].shape
		}
		x := Expectation{
			prediction: p.predict(s, h, cell), rates: &p.rates, corrections: p.table.Corrections(),
			role: h.key.Role, class: h.prediction.class,
		}
		p.tally(s, tn, h, w, &x, &window)
	}
}

// tally counts one cluster's window.
func (p *population) tally(s *Store, tn *tenant, h *history, w *waiting, x *Expectation, window *cluster.Window) {
	var of [cluster.AllFeatures]judgement
	var has [cluster.AllFeatures]bool
	story, _ := normalLow(-storyZ)
	beyond := false
	for f := range cluster.AllFeatures {
		if int(f) >= counted && window.Counts[cluster.Events] == 0 {
			break // a window without events brings nothing new and has no shape
		}
		of[f], has[f] = x.judge(f, window)
		beyond = beyond || has[f] && math.Min(of[f].tails.Up, of[f].tails.Low) < story
	}
	goesOn := beyond && h.beyond == w.start
	if beyond {
		h.beyond = w.end
	}
	if goesOn {
		return
	}
	for f := range cluster.AllFeatures {
		if !has[f] {
			continue
		}
		pit := of[f].pit()
		p.table.Add(f, of[f].stratum, pit)
		if s.judged != nil {
			s.judged(&Judged{
				Tenant: tn.name, Scale: p.scale, Cluster: h.key, Start: w.start, End: w.end,
				Feature: f, Stratum: of[f].stratum, PIT: pit, Corrections: x.corrections.For(f, of[f].stratum),
			})
		}
	}
}

// Judged is one feature of one window that was judged for the calibration.
type Judged struct {
	Tenant     string
	Scale      cluster.Scale
	Cluster    *fingerprint.ClusterKey
	Start, End int64 // of the window, Unix nanoseconds
	Feature    cluster.Feature
	Stratum    calibration.Stratum
	PIT        calibration.PIT
	// Corrections are those of the low and the high side that were in force.
	Corrections [2]calibration.Correction
}

// OnJudged has a function called with everything that is judged for the
// calibration, in the order in which it is counted. What it is given is valid
// until it returns. It is for whoever measures on a part of the windows.
func (s *Store) OnJudged(judged func(*Judged)) { s.judged = judged }

// Calibration returns the measured calibration of a tenant: scales ascending,
// in each the rows of [calibration.Table.Report]. It is nil for a tenant that is
// not known. It costs a bootstrap, some milliseconds.
func (s *Store) Calibration(tenant string) []calibration.Row {
	tn := s.tenants[tenant]
	if tn == nil {
		return nil
	}
	var rows []calibration.Row
	for i := range tn.scales {
		rows = append(rows, tn.scales[i].table.Report()...)
	}
	return rows
}
