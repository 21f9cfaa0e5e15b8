package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Of a tenant that is gone for long, nothing stays anywhere.
func TestTenantsAreForgotten(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Cluster.MediumWindow, cfg.Cluster.LongWindow = 0, 0 // a day is longer than this test
	cfg.Cluster.SeenFor = 2 * time.Hour
	var gone []string
	e := New(cfg, fingerprint.Always(nil), Observer{Forgotten: func(tenant string) { gone = append(gone, tenant) }})
	fp := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
	add := func(tenant string, at time.Time) {
		ev := fingerprint.Event{Time: at.UnixNano(), Tenant: tenant, User: "u", Verb: "get"}
		e.windows.Add(&ev, fp.Of(&ev), cluster.Origin{RecordTime: ev.Time})
	}
	known := func() []string {
		var names []string
		for _, d := range e.detector.Snapshot().Tenants {
			names = append(names, d.Name)
		}
		if !slices.Equal(e.baselines.Tenants(), names) {
			t.Errorf("the baselines have %q, the detector %q", e.baselines.Tenants(), names)
		}
		for _, f := range e.families.Snapshot().Tenants {
			if !slices.Contains(names, f.Tenant) {
				t.Errorf("there are families of %q", f.Tenant)
			}
		}
		return names
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := time.Duration(0); at < 4*time.Hour; at += time.Minute {
		add("stays", begin.Add(at))
		if at < time.Hour {
			add("goes", begin.Add(at))
		}
		e.Advance()
		if at == time.Hour && !slices.Equal(known(), []string{"goes", "stays"}) {
			t.Errorf("after an hour: %q", known())
		}
	}
	gone = slices.Compact(gone) // what was waiting to become final comes after
	if !slices.Equal(known(), []string{"stays"}) || !slices.Equal(gone, []string{"goes"}) {
		t.Errorf("in the end: %q; forgotten: %q", known(), gone)
	}
}
