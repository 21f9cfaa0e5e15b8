package anomaly

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Detector turns evaluations into anomalies. It is not safe for concurrent use.
type Detector struct {
	cfg     Config
	store   *baseline.Store
	tenants map[string]*tenant
	scratch []cluster.Count
}

// tenant is what the detector remembers of one tenant.
type tenant struct {
	end     int64 // of the last evaluation
	recent  map[fingerprint.ID]*Recent
	tracks  map[fingerprint.ID]*track
	stories []*Story // by number
	number  int64    // of the last story
}

// New returns a detector that judges by the store's baselines. The
// configuration must be valid.
func New(cfg Config, store *baseline.Store) *Detector {
	return &Detector{cfg: cfg, store: store, tenants: make(map[string]*tenant)}
}

// Result is what one evaluation came to.
type Result struct {
	Tenant     string
	Start, End time.Time
	// Evaluated is how many clusters were judged, those that are unusually
	// absent included; Exceedances is how many of them were beyond |z| 2.5.
	Evaluated, Exceedances int
	// Learning tells that the tenant's learning period is not over.
	Learning bool
	// Changes are the anomalies that were resolved, then those that fired, each
	// in order of rank.
	Changes []Anomaly
	// Top are the tenant's anomalies of this evaluation, pending and firing, at
	// most [Config.TopK], by rank.
	Top []Anomaly
	// Firing are all anomalies that are firing, by rank, those past the cut
	// (rank 0) included.
	Firing []Anomaly
}

// Evaluate judges one window of one tenant. The windows of a tenant must come
// in order of time. Nothing of the evaluation is retained.
func (d *Detector) Evaluate(ev *cluster.Evaluation) Result {
	tn := d.tenant(ev.Tenant)
	j := &judging{
		Detector: d, tenant: tn, ev: ev,
		fraction: tn.fraction(ev),
		logFire:  d.logFire(ev),
		learning: d.store.Learning(ev.Tenant, ev.End),
	}
	tn.end = ev.End
	for i := range ev.Windows {
		j.present(&ev.Windows[i])
	}
	d.store.Missing(ev, j.absent)
	j.age()
	resolved := j.resolve()
	fired := j.fire()
	top, firing := j.rank(resolved, fired)
	return Result{
		Tenant: ev.Tenant, Start: unix(ev.Start), End: unix(ev.End),
		Evaluated: j.evaluated, Exceedances: j.exceedances, Learning: j.learning,
		Changes: j.changes, Top: top, Firing: firing,
	}
}

// Forget removes everything about a tenant that is not evaluated any more.
func (d *Detector) Forget(tenant string) { delete(d.tenants, tenant) }

func (d *Detector) tenant(name string) *tenant {
	tn := d.tenants[name]
	if tn == nil {
		tn = &tenant{recent: make(map[fingerprint.ID]*Recent), tracks: make(map[fingerprint.ID]*track)}
		d.tenants[name] = tn
	}
	return tn
}

// fraction is how much of the window is new since the last evaluation.
func (tn *tenant) fraction(ev *cluster.Evaluation) float64 {
	if tn.end == 0 {
		return 1
	}
	return math.Min(1, float64(ev.End-tn.end)/float64(ev.End-ev.Start))
}

// logFire is the logarithm of the p-value that counts towards an alert: the
// wanted number of false alerts over the tests of a day.
func (d *Detector) logFire(ev *cluster.Evaluation) float64 {
	windows := float64(24*time.Hour) / float64(ev.End-ev.Start)
	return math.Min(0, math.Log(d.cfg.FalseAlertsPerDay/(windows*d.store.Tests(ev.Tenant))))
}

// judging is one evaluation of one tenant in progress.
type judging struct {
	*Detector
	*tenant
	ev       *cluster.Evaluation
	fraction float64
	logFire  float64
	learning bool
	// meanStake is that of the window's clusters, 0 until somebody asks.
	meanStake float64

	evaluated, exceedances int
	changes                []Anomaly
}

// present judges a cluster that has events.
func (j *judging) present(w *cluster.Window) {
	r := j.remember(w)
	x := j.store.Expect(j.ev, w)
	if j.tracks[w.Cluster.ID] == nil && x.Usual(w) {
		j.evaluated++
		return
	}
	s := &seen{cluster: w.Cluster, x: x, window: w, recent: r}
	j.judge(s, judge(&s.x, s.window, j.lacks(w.Cluster.ID)))
}

// lacks reports whether less than usual says nothing about a cluster: the window
// lacks a source. What fires already goes on.
func (j *judging) lacks(id fingerprint.ID) bool {
	tr := j.tracks[id]
	return len(j.ev.Partial) > 0 && (tr == nil || tr.Story == 0)
}

var nothing cluster.Window

// absent judges a cluster that is expected and has no events, by how long it has
// been silent.
func (j *judging) absent(a *baseline.Absent) {
	r := j.recent[a.Cluster.ID]
	if r == nil {
		return // silent for longer than anybody remembers
	}
	r.AskedAt = j.ev.End
	r.Events = pushed(r.Events, 0)
	if j.lacks(a.Cluster.ID) {
		j.evaluated++
		return
	}
	// The last window with events ended at r.End; they may have been the first
	// of it.
	window := float64(j.ev.End - j.ev.Start)
	silent := math.Max(window, float64(j.ev.End-r.End)+window*(1-j.fraction))
	t := a.Tails(silent / window)
	j.judge(&seen{
		cluster: a.Cluster, x: a.Expectation, window: &nothing, absent: true, recent: r,
		silence: time.Duration(silent),
	}, score{z: -baseline.Magnitude(t.LogP()), logP: t.LogP(), driver: cluster.Events})
}

func (j *judging) judge(s *seen, v score) {
	j.evaluated++
	tr := j.tracks[s.cluster.ID]
	if v.exceeds() {
		j.exceedances++
		if tr == nil {
			tr = &track{Track: Track{Cluster: s.cluster}}
			tr.begin(j.ev.End)
			j.tracks[s.cluster.ID] = tr
		}
	}
	if tr != nil {
		j.step(tr, s, v)
	}
}

// age steps the tracks whose cluster had nothing to judge in this window, and
// forgets those that nothing refers to any more.
func (j *judging) age() {
	for id, tr := range j.tracks {
		if tr.at != j.ev.End {
			tr.at, tr.ready, tr.weight = j.ev.End, false, 0
			tr.Counted <<= 1
		}
		if tr.Story == 0 && j.ev.End-max(tr.ExceededAt, tr.ResolvedAt+int64(j.cfg.CoolDown)) > j.ev.End-j.ev.Start {
			delete(j.tracks, id)
		}
	}
	if j.ev.End%recentFor >= j.ev.End-j.ev.Start {
		return
	}
	for id, r := range j.recent {
		if j.ev.End-r.AskedAt > recentFor {
			delete(j.recent, id)
		}
	}
}

// recentFor is how long a cluster without events is remembered, when nobody
// misses it.
const recentFor = int64(2 * time.Hour)

// sorted returns the tracks that satisfy keep, heaviest first, ties by cluster.
func (j *judging) sorted(keep func(*track) bool) []*track {
	var out []*track
	for _, tr := range j.tracks {
		if keep(tr) {
			out = append(out, tr)
		}
	}
	slices.SortFunc(out, func(a, b *track) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.Cluster.ID, b.Cluster.ID))
	})
	return out
}

// active reports whether a role has events in the window.
func (j *judging) active(role string) bool {
	return slices.ContainsFunc(j.ev.Windows, func(w cluster.Window) bool { return w.Cluster.Role == role })
}

func unix(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }
