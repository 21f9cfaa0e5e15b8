package anomaly

import (
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
)

// Account is what there is to tell of a window that stands out. It is a part of
// [DetectorState].
type Account struct {
	// Features are beyond the exceedance, most deviating first.
	Features []Feature
	// Subjects are the most active ones.
	Subjects []Share
}

// account looks up what there is to tell of a window in hand.
func (d *Detector) account(x *baseline.Expectation, w *cluster.Window, findings []baseline.Finding, v *Verdict, ev *cluster.Evaluation) Account {
	return Account{
		Features: explain(x, w, findings, v, ev.Scale),
		Subjects: d.subjects(w),
	}
}

// subjects returns the shares of the window's most active subjects.
func (d *Detector) subjects(w *cluster.Window) []Share {
	d.scratch = w.AppendTop(d.scratch[:0], cluster.BySubject, cluster.TopSubjects)
	shares := make([]Share, len(d.scratch))
	for i, s := range d.scratch {
		shares[i] = Share{Name: s.Name, Share: float64(s.Events) / float64(max(1, w.Counts[cluster.Events])), Usual: -1}
	}
	return shares
}
