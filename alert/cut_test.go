package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// The alert for what is past the cut says how many there are, names the first, and
// asks for all records of its window.
func TestCutIsSummarised(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	a := &anomaly.Anomaly{
		ID: "1", State: anomaly.Firing, Summary: true, Severity: anomaly.Critical, StartedAt: at, FiredAt: at,
		WindowStart: at.Add(-5 * time.Minute), WindowEnd: at, Cut: 20,
		Cluster:  &fingerprint.ClusterKey{Tenant: "t", Role: anomaly.SummaryRole, Resource: "*"},
		Features: []anomaly.Feature{{Name: "anomalies_cut", Observed: 22}},
		Parts: []anomaly.Part{
			{Cluster: &fingerprint.ClusterKey{Role: "Role/ns/web", Resource: "pods/exec", Access: fingerprint.AccessConnect}, Z: 4.2},
			{Cluster: &fingerprint.ClusterKey{Role: "Role/ns/api", Resource: "secrets", Access: fingerprint.AccessRead}, Z: 3.9},
		},
	}
	got := From(a, DefaultConfig(), nil)
	want := "22 anomalies more than people are told of at once, since 10:00"
	if !strings.HasPrefix(got.Summary, want) || !strings.Contains(got.Summary, "connect pods/exec as ") || !strings.Contains(got.Summary, "…") {
		t.Errorf("the sentence: %s", got.Summary)
	}
	if want := DefaultConfig().AuditSelector + " # from 2026-03-02T09:55:00Z to 2026-03-02T10:00:00Z"; got.LogQL != want {
		t.Errorf("the query: %s", got.LogQL)
	}
	a.State, a.ResolvedAt = anomaly.Resolved, at.Add(time.Hour)
	if got := From(a, DefaultConfig(), nil); !strings.HasPrefix(got.Summary, "Over at 11:00") {
		t.Errorf("the sentence at the end: %s", got.Summary)
	}
}
