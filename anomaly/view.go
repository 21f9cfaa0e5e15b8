package anomaly

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// View is what the last evaluation of one scale longer than the short one came
// to: it holds until the next. It is a part of [DetectorState].
type View struct {
	// Start and End are of the window, in Unix nanoseconds.
	Start, End int64
	// Step is how far apart evaluations of the scale are, zero until there were
	// two.
	Step int64
	// IDs are the clusters that were judged, ascending; Opinions is how many
	// features had one of each.
	IDs      []fingerprint.ID
	Opinions []uint8
	// Heard are those that stand out, ascending by cluster.
	Heard []Heard
}

// Heard is what a longer scale says of a cluster that stands out at it.
type Heard struct {
	Cluster *fingerprint.ClusterKey
	Verdict
	// Speaks tells that the newest step of the window deviates by itself: a burst
	// is news once, though a long window contains it for long.
	Speaks bool
	// Enough tells that the deviation is enough to matter.
	Enough bool
	// Silent tells that the cluster is expected and has no events.
	Silent bool
	Account
}

// valid reports whether the view still holds at an event time.
func (v *View) valid(at int64) bool { return v.End > 0 && (at == v.End || at-v.End < v.Step) }

// opinions returns how many opinions the view rests on about a cluster.
func (v *View) opinions(id fingerprint.ID) int {
	if i, ok := slices.BinarySearch(v.IDs, id); ok {
		return int(v.Opinions[i])
	}
	return 0
}

// of returns what the view says of a cluster that stands out.
func (v *View) of(id fingerprint.ID) *Heard {
	i, ok := slices.BinarySearchFunc(v.Heard, id, func(h Heard, id fingerprint.ID) int { return cmp.Compare(h.Cluster.ID, id) })
	if !ok {
		return nil
	}
	return &v.Heard[i]
}

// noting is one evaluation of a longer scale in progress.
type noting struct {
	*Detector
	*tenant
	ev       *cluster.Evaluation
	fraction float64
	last     *View
	next     View
}

// Note judges one window of a scale longer than the short one. What it comes to
// is a part of what [Detector.Evaluate] says until the next window of that
// scale. The findings are about the same windows, in ascending order of cluster;
// they count once the tenant is learnt.
// Nothing of the evaluation is retained.
func (d *Detector) Note(ev *cluster.Evaluation, findings []baseline.Finding) {
	if ev.Scale == cluster.Short || ev.Scale >= cluster.NumScales {
		return
	}
	tn := d.tenant(ev.Tenant)
	last := &tn.views[ev.Scale]
	n := noting{
		Detector: d, tenant: tn, ev: ev, fraction: fraction(last.End, ev), last: last,
		next: View{Start: ev.Start, End: ev.End, Step: last.Step},
	}
	if step := ev.End - last.End; last.End > 0 && (last.Step == 0 || step < last.Step) {
		n.next.Step = step
	}
	if d.store.Learning(ev.Tenant, ev.End) {
		findings = nil // who is like whom is not known either
	}
	n.next.IDs = make([]fingerprint.ID, 0, len(ev.Windows))
	n.next.Opinions = make([]uint8, 0, len(ev.Windows))
	for i := range ev.Windows {
		w := &ev.Windows[i]
		for len(findings) > 0 && findings[0].Cluster < w.Cluster.ID {
			findings = findings[1:]
		}
		own := 0
		for own < len(findings) && findings[own].Cluster == w.Cluster.ID {
			own++
		}
		n.present(w, findings[:own])
		findings = findings[own:]
	}
	d.store.Missing(ev, n.absent)
	slices.SortFunc(n.next.Heard, func(a, b Heard) int { return cmp.Compare(a.Cluster.ID, b.Cluster.ID) })
	*last = n.next
}

func (n *noting) present(w *cluster.Window, findings []baseline.Finding) {
	x := n.store.Expect(n.ev, w)
	v := judge(&x, w, findings, len(n.ev.Partial) > 0)
	n.next.IDs = append(n.next.IDs, w.Cluster.ID)
	n.next.Opinions = append(n.next.Opinions, uint8(min(v.Opinions, 255)))
	if v.LogP == 0 {
		return
	}
	h := Heard{Cluster: w.Cluster, Verdict: v}
	if i := slices.IndexFunc(findings, func(f baseline.Finding) bool { return f.Feature == v.Driver }); i >= 0 {
		h.Observed, h.Expected = findings[i].Observed, findings[i].Expected
		h.Speaks, h.Enough = n.grows(&h), true
	} else {
		h.Speaks = x.Deviates(v.Driver, &w.Fresh, n.fraction, v.Up, freshP) && (v.Driver < cluster.NumFeatures || n.grows(&h))
		if x.Born() { // it was born once, though the window contains that for long
			h.Speaks = w.FirstPane >= n.last.End
		}
		o, _ := x.Opinion(v.Driver, w)
		h.Observed, h.Expected = o.Observed, o.Expected
		h.Enough = n.enough(&o, v.Up, w.Counts[cluster.Events])
	}
	if h.Speaks {
		var usual *Usual
		if r := n.recent[w.Cluster.ID]; r != nil {
			usual = &r.Usual
		}
		h.explain(&x, w, findings, &v, n.ev)
		h.findingsOf(findings)
		n.recount(&h.Account, w, &h.Verdict, usual, n.ev.Start, n.ev.End)
	}
	n.next.Heard = append(n.next.Heard, h)
}

// grows reports whether a verdict is more unlikely than at the evaluation before.
func (n *noting) grows(h *Heard) bool {
	before := n.last.of(h.Cluster.ID)
	return before == nil || h.grows(&before.Verdict)
}

// absent judges a cluster whose silence can be unusual at this scale, where it
// cannot be at a shorter one.
func (n *noting) absent(a *baseline.Absent) {
	r := n.recent[a.Cluster.ID]
	if r == nil {
		return // silent for longer than anybody remembers
	}
	r.AskedAt = n.ev.End
	window := float64(n.ev.End - n.ev.Start)
	silent := max(window, float64(n.ev.End-r.End))
	tested := r.Tested&(1<<n.ev.Scale-1) != 0
	n.tests(r, a, n.ev)
	if tested || len(n.ev.Partial) > 0 || !n.bound(a.Cluster, n.ev.End) {
		return
	}
	v := Verdict{LogP: a.Tails(silent / window).LogP(), Driver: cluster.Events, Opinions: 1}
	if baseline.Magnitude(v.LogP) <= baseline.Exceedance {
		return
	}
	h := Heard{Cluster: a.Cluster, Verdict: v, Speaks: true, Enough: silent >= float64(n.cfg.AbsentAfter), Silent: true}
	h.Account = n.missing(a, r, &v, n.ev)
	n.next.Heard = append(n.next.Heard, h)
}

// missing is the account of a silence.
func (d *Detector) missing(a *baseline.Absent, r *Recent, v *Verdict, ev *cluster.Evaluation) Account {
	began := r.End - d.tenant(ev.Tenant).window // the last event was in the first pane of the last window with events
	account := Account{Subjects: r.Usual.top(), BeganAt: max(began, 0)}
	account.explain(&a.Expectation, &nothing, nil, v, ev)
	return account
}

// tests notes whether the longest silence that is looked at could fire at a scale.
func (d *Detector) tests(r *Recent, a *baseline.Absent, ev *cluster.Evaluation) {
	if bit := uint8(1) << ev.Scale; r.Tested&bit == 0 {
		if a.Tails(longSilence).LogP() <= d.level(ev.Tenant, len(ev.Windows)) {
			r.Tested |= bit
		}
	}
}

// longSilence is more windows than any silence is told apart by.
const longSilence = 1e6

// bound reports whether anybody is still bound to a cluster's role.
func (d *Detector) bound(key *fingerprint.ClusterKey, at int64) bool {
	return d.bindings == nil || d.bindings.Bound(key, at)
}
