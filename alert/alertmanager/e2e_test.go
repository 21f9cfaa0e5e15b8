//go:build e2e

package alertmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// realSink is a started sink for the Alertmanager of the environment.
func realSink(t *testing.T) (*Sink, string) {
	t.Helper()
	base := os.Getenv("ALERTMANAGER_URL")
	if base == "" {
		t.Skip("ALERTMANAGER_URL is not set: no Alertmanager to talk to")
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	cfg := DefaultConfig()
	cfg.URLs = []string{base}
	cfg.PageURL = "http://logcluster.example:8080"
	s, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, base
}

func TestRealCheck(t *testing.T) {
	s, _ := realSink(t)
	for _, c := range s.Check(t.Context()) {
		t.Logf("%s: %s: %s", c.Target, c.Step, c.Detail)
		if c.Err != nil {
			t.Errorf("%s: %s: %v", c.Target, c.Step, c.Err)
		}
	}
}

// gettable is an alert as Alertmanager's API shows it.
type gettable struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
}

// active asks for the active alerts of a tenant.
func active(ctx context.Context, t *testing.T, base, tenant string) []gettable {
	t.Helper()
	query := url.Values{"filter": {"tenant=" + quote(tenant)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v2/alerts?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var alerts []gettable
	if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	return alerts
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// await asks until there are n active alerts of the tenant.
func await(t *testing.T, base, tenant string, n int) []gettable {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		alerts := active(ctx, t, base, tenant)
		if len(alerts) == n {
			return alerts
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d active alerts, want %d", len(alerts), n)
		case <-tick.C:
		}
	}
}

func TestRealLife(t *testing.T) {
	s, base := realSink(t)
	start(t, s)
	defer stop(t, s)
	tenant := fmt.Sprintf("e2e-%d", time.Now().UnixNano())
	now := time.Now()
	hostile := "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>{{ .ExternalURL }}\"'`\\\u202egnp"
	a := anomaly.Anomaly{
		ID: tenant, State: anomaly.Firing,
		Cluster: &fingerprint.ClusterKey{ID: 7, Tenant: tenant, Role: "ClusterRole/{{x}}", Resource: "secrets", Access: fingerprint.AccessRead},
		Z:       9, Rank: 1, Severity: anomaly.Critical,
		StartedAt: now.Add(-time.Minute), FiredAt: now, WindowStart: now.Add(-5 * time.Minute), WindowEnd: now,
		Features: []anomaly.Feature{{Name: "events", Observed: 124, High: 2, Z: 9}},
		Subjects: []anomaly.Share{{Name: hostile, Share: 1}},
	}
	s.Put(alert.From(&a, alert.DefaultConfig(), nil))
	got := await(t, base, tenant, 1)[0]
	if got.Labels["alertname"] != AlertName || got.Labels["severity"] != "critical" || got.Labels["cluster"] != "0000000000000007" {
		t.Errorf("labels %v", got.Labels)
	}
	if want := "http://logcluster.example:8080/#0000000000000007"; got.GeneratorURL != want {
		t.Errorf("link %s, want %s", got.GeneratorURL, want)
	}
	for name, value := range got.Annotations {
		if strings.ContainsAny(value, "\x1b\x07\u202e") || strings.Contains(value, "{{") {
			t.Errorf("annotation %s is not harmless: %q", name, value)
		}
	}
	if summary := got.Annotations["summary"]; !strings.Contains(summary, `\x1b[2J`) || !strings.Contains(summary, "124 events in 5 min, usually 0 (0–2)") {
		t.Errorf("summary %q", summary)
	}

	resolvedAt := time.Now()
	a.State, a.ResolvedAt = anomaly.Resolved, resolvedAt
	s.Put(alert.From(&a, alert.DefaultConfig(), nil))
	await(t, base, tenant, 0)
}

// TestRealBadAlert: what Alertmanager refuses must not keep it from what is
// fine.
func TestRealBadAlert(t *testing.T) {
	s, base := realSink(t)
	tenant := fmt.Sprintf("e2e-bad-%d", time.Now().UnixNano())
	good, bad := firing("secrets"), firing("pods")
	good.Tenant, bad.Tenant = tenant, tenant
	s.Put(good, bad)
	for _, it := range s.table.items {
		if it.source.Resource == "pods" {
			it.url = "http://logcluster:8080#fragment" // not a link, for Alertmanager
		}
	}
	start(t, s)
	defer stop(t, s)
	if got := await(t, base, tenant, 1)[0]; got.Labels["resource"] != "secrets" {
		t.Errorf("labels %v", got.Labels)
	}
}

func TestRealMissed(t *testing.T) {
	s, base := realSink(t)
	start(t, s)
	defer stop(t, s)
	tenant := fmt.Sprintf("e2e-missed-%d", time.Now().UnixNano())
	a := older(firing("secrets"), 3*time.Hour)
	a.Tenant = tenant
	s.Put(a)
	if got := await(t, base, tenant, 1)[0]; got.Labels["alertname"] != MissedAlertName || !strings.Contains(got.Annotations["description"], "reads secrets") {
		t.Errorf("got %+v", got)
	}
}
