package anomaly

import (
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Detector turns evaluations into anomalies. It is not safe for concurrent use.
//
// The windows of the longer scales are handed to [Detector.Note], those of the
// short one to [Detector.Evaluate], which says what came of all of them. Windows
// of one tenant and scale must come in order of time, and at equal time the
// longer scales first.
type Detector struct {
	cfg          Config
	store        *baseline.Store
	suppressions Suppressions
	dismissals   Dismissals
	bindings     Bindings
	tenants      map[string]*tenant
	// scratch and steps are used again.
	scratch []cluster.Count
	steps   []uint32
}

// tenant is what the detector remembers of one tenant.
type tenant struct {
	end     int64                   // of the last evaluation of the short scale
	window  int64                   // length of that one
	views   [cluster.NumScales]View // of the longer scales
	recent  map[fingerprint.ID]*Recent
	tracks  map[fingerprint.ID]*track
	stories []*Story // by number
	number  int64    // of the last story
	told    []int64  // when people were told of something, within the last window
	summary Summary
}

// New returns a detector that judges by the store's baselines. The
// configuration must be valid.
func New(cfg Config, store *baseline.Store) *Detector {
	return &Detector{cfg: cfg, store: store, tenants: make(map[string]*tenant)}
}

// Evaluate judges one window of the short scale of one tenant, together with
// what was noted of the longer ones. Nothing of the evaluation is retained.
func (d *Detector) Evaluate(ev *cluster.Evaluation) Result {
	tn := d.tenant(ev.Tenant)
	j := &judging{
		Detector: d, tenant: tn, ev: ev,
		fraction: fraction(tn.end, ev),
		learning: d.store.Learning(ev.Tenant, ev.End),
	}
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		j.current[s], j.fresh[s] = tn.views[s].valid(ev.End), tn.views[s].End > tn.end
	}
	tn.end, tn.window = ev.End, ev.End-ev.Start
	j.gather()
	cutoff := j.cutoff()
	for i := range j.candidates {
		if c := &j.candidates[i]; c.track != nil {
			j.step(c, cutoff)
		}
	}
	j.age()
	resolved := append(j.supersede(), j.resolve()...)
	fired := j.fire()
	j.tell()
	r := Result{
		Tenant: ev.Tenant, Start: unix(ev.Start), End: unix(ev.End),
		Evaluated: j.evaluated, Exceedances: j.exceedances, Learning: j.learning,
	}
	j.rank(&r, resolved, fired)
	return r
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

// fraction is how much of a window is new since the evaluation of its scale that
// ended at last.
func fraction(last int64, ev *cluster.Evaluation) float64 {
	if last == 0 {
		return 1
	}
	return min(1, float64(ev.End-last)/float64(ev.End-ev.Start))
}

func unix(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

// Shifted takes note of the levels that a retrain has accepted as the new usual:
// what they are about is resolved at the next evaluation, once, as a level shift.
func (d *Detector) Shifted(shifts []baseline.Shift) {
	for i := range shifts {
		if tn := d.tenants[shifts[i].Tenant]; tn != nil && shifts[i].Cluster != nil {
			if tr := tn.tracks[shifts[i].Cluster.ID]; tr != nil && tr.Story != 0 {
				tr.Shifted = true
			}
		}
	}
}
