package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// flood gives w n events in one pane, each of another tenant or role.
func flood(w *Windows, at int64, n int, name func(i int) (tenant, role string)) {
	for i := range n {
		tenant, role := name(i)
		e := fingerprint.Event{Time: at, User: fmt.Sprint("user", i)}
		w.Add(&e, printOf(tenant, role, "get", "pods", fingerprint.AccessRead), Origin{RecordTime: at})
	}
}

func byRole(i int) (tenant, role string) { return "t", fmt.Sprint("r", i) }

func byTenant(i int) (tenant, role string) { return fmt.Sprint("t", i), "r" }

// What has not been admitted yet takes bounded memory, too; what is past the
// bound is counted in the overflow.
func TestFloodOfNewNamesIsBounded(t *testing.T) {
	const n = 3 * minOpen
	for _, test := range []struct {
		name  string
		names func(int) (string, string)
		late  bool
	}{{"clusters", byRole, false}, {"tenants", byTenant, false}, {"late clusters", byRole, true}} {
		t.Run(test.name, func(t *testing.T) {
			c := smallConfig()
			c.MaxClusters, c.MaxTenants = 10, 10
			w, out := New(c), &transcript{}
			at := int64(1_700_000_040e9)
			if test.late {
				e := fingerprint.Event{Time: at + 60e9}
				w.Add(&e, printOf("t", "known", "get", "pods", fingerprint.AccessRead), Origin{RecordTime: e.Time})
				w.Advance(out)
			}
			flood(w, at, n, test.names)
			held := 0
			for _, p := range append(w.open, w.late...) {
				held += len(p.partials)
			}
			if st := w.Stats(); held > minOpen+2 || st.Spilled != n-minOpen && !test.late {
				t.Errorf("%d partials are held, %d events spilled", held, st.Spilled)
			}
			w = reload(t, w)
			e := fingerprint.Event{Time: at + int64(time.Hour)}
			w.Add(&e, printOf("t", "known", "get", "pods", fingerprint.AccessRead), Origin{RecordTime: e.Time})
			w.Advance(out)
			if o := w.Stats().Outcomes; !test.late && o[Overflow] != n-10 || test.late && o[LateCorrected] != n {
				t.Errorf("outcomes %v", o)
			}
			if trained := out.trained; trained != n && !test.late || test.late && trained != n+1 {
				t.Errorf("trainings have %d events", trained)
			}
		})
	}
}

// A crowd of new names in a pane keeps no known cluster from being counted.
func TestKnownClustersAreCountedInACrowd(t *testing.T) {
	w := New(smallConfig())
	at := int64(1_700_000_040e9)
	known := printOf("t", "known", "get", "pods", fingerprint.AccessRead)
	add := func(at int64) {
		e := fingerprint.Event{Time: at}
		w.Add(&e, known, Origin{RecordTime: at})
	}
	add(at)
	add(at + 60e9)
	w.Advance(&counter{})
	flood(w, at+60e9, max(w.cfg.MaxClusters, minOpen)+5, byRole)
	add(at + 60e9)
	add(at + int64(time.Hour))
	var got uint32
	w.Advance(visitor(func(e *Evaluation) {
		for i := range e.Windows {
			if e.Windows[i].Cluster.ID == known.Cluster.ID {
				got = max(got, e.Windows[i].Counts[Events])
			}
		}
	}))
	if got != 3 {
		t.Errorf("%d events in the known cluster, want 3", got)
	}
}

// A role that takes up ever more clusters, such as a scanner of paths that has
// no name at all, leaves room for the new clusters of others.
func TestOneRoleCannotTakeTheWholeBudget(t *testing.T) {
	c := smallConfig()
	c.MaxClusters, c.SeenFor = 1000, 3*time.Hour
	w, v := New(c), &counter{}
	at := int64(1_700_000_040e9)
	scan := func(n int) {
		for i := range n {
			e := fingerprint.Event{Time: at}
			w.Add(&e, printOf("t", "anonymous", "get", fmt.Sprint("nonresource:/", at, i), fingerprint.AccessRead), Origin{RecordTime: at})
		}
		at += int64(time.Minute)
	}
	scan(2000)
	flood(w, at, 100, byRole)
	at += int64(time.Hour)
	scan(1)
	w.Advance(v)
	w = reload(t, w)
	scan(1)
	if got := w.Stats().Clusters; got != 250+100 {
		t.Errorf("%d clusters, want a quarter of the budget and the hundred others", got)
	}
	// What is forgotten makes room for the role again.
	at += 2 * int64(c.SeenFor)
	scan(10)
	at += int64(c.SeenFor / 4)
	scan(1)
	w.Advance(v)
	if got := w.Stats().Clusters; got != 10 {
		t.Errorf("%d clusters, want the last ten", got)
	}
}
