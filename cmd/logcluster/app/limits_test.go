package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/logcluster/logcluster/cluster"
)

func TestReadLimits(t *testing.T) {
	defaults := cluster.DefaultLimits()
	big := defaults
	big.MaxClusters = 40_000
	for _, tc := range []struct {
		name, text string
		want       map[string]cluster.Limits
		wrong      string
	}{
		{"nothing", "", nil, ""},
		{"some", "overrides:\n  a: {max_clusters: 40000}\n  b: {}\n", tenantLimits{"a": big, "b": defaults}, ""},
		{"unknown field", "overrides:\n  a: {max_cluster: 1}\n", nil, "did you mean max_clusters"},
		{"out of range", "overrides:\n  a: {max_clusters: 0}\n", nil, "overrides.a"},
		{"not a section", "overrides: 3\n", nil, "line 1"},
		{"unknown section", "override: {}\n", nil, "field override not found"},
		{"not YAML", "{{", nil, "f.yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readLimits("f.yaml", []byte(tc.text), defaults)
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Fatalf("error %v, want one that tells %q", err, tc.wrong)
				}
				return
			}
			if err != nil || len(got) != len(tc.want) {
				t.Fatal(got, err)
			}
			for tenant, want := range tc.want {
				if got[tenant] != want {
					t.Errorf("%s: %+v, want %+v", tenant, got[tenant], want)
				}
			}
		})
	}
}

// A bad file changes nothing, and says so; a good one is in force again.
func TestOverridesAreRolledBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overrides.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("overrides: {a: {max_clusters: 7}}")
	o := newOverrides(TenantsConfig{Overrides: path, Reload: 5 * time.Millisecond}, cluster.DefaultLimits(), testLogger(t), prometheus.NewRegistry())
	if err := services.StartAndAwaitRunning(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	l := limits{overrides: o}
	w := cluster.New(cluster.DefaultConfig())
	settle := func() int {
		t.Helper()
		if err := l.settle(0, nil, w); err != nil {
			t.Fatal(err)
		}
		return l.last["a"].MaxClusters
	}
	until := func(what string, done func() bool) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for !done() {
			select {
			case <-deadline:
				t.Fatal("never: ", what)
			case <-time.After(time.Millisecond):
			}
		}
	}
	if got := settle(); got != 7 {
		t.Fatal(got)
	}
	write("overrides: {a: {max_clusters: -1}}")
	until("told that it is bad", func() bool { return testutil.ToFloat64(o.healthy) == 0 })
	if got := settle(); got != 7 {
		t.Fatal(got)
	}
	write("overrides: {a: {max_clusters: 8}}")
	until("in force again", func() bool { return settle() == 8 })
	if testutil.ToFloat64(o.healthy) != 1 {
		t.Error("still called bad")
	}
	if err := services.StopAndAwaitTerminated(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	// A run without the file ends what one with it has decided.
	l.overrides = nil
	if settle(); l.last == nil || len(l.last) > 0 {
		t.Error(l.last)
	}
	write("overrides: {a: {max_clusters: -1}}")
	bad := newOverrides(TenantsConfig{Overrides: path, Reload: time.Hour}, cluster.DefaultLimits(), testLogger(t), prometheus.NewRegistry())
	if err := services.StartAndAwaitRunning(t.Context(), bad); err == nil {
		t.Fatal("started with a bad file")
	}
}
