package cluster

import (
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// A tenant may be forgotten while a training window of it waits to become
// final: a state taken then must be fit to restore.
func TestRestoreWithATenantForgottenMeanwhile(t *testing.T) {
	c := smallConfig()
	c.SeenFor = 3 * time.Hour
	w, v := New(c), &counter{}
	start := int64(1_700_000_000e9)
	add := func(tenant string, at int64) {
		e := fingerprint.Event{Time: at}
		w.Add(&e, printOf(tenant, "r", "get", "pods", fingerprint.AccessRead), Origin{RecordTime: at})
		w.Advance(v)
	}
	add("gone", start)
	for at := start; at < start+int64(4*time.Hour); at += int64(30 * time.Second) {
		add("stays", at)
		reload(t, w)
	}
	if st := w.Stats(); st.Tenants != 1 {
		t.Fatalf("%d tenants, want one of the two forgotten", st.Tenants)
	}
}
