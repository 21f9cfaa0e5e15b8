package alertmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery/pipenet"
)

// fault is how the fake Alertmanager treats one request.
type fault int

const (
	none        fault = iota
	rateLimited       // 429, nothing stored
	serverError       // 503, nothing stored
	cutBefore         // the connection breaks, nothing stored
	cutAfter          // stored, then the connection breaks
	slow              // stored, the answer comes too late
	numFaults
)

// fakeAlertmanager keeps alerts as Alertmanager does: by their labels, until
// they end. It stores the valid alerts of a request that it answers with 400.
type fakeAlertmanager struct {
	mu       sync.Mutex
	faults   []fault // of the next requests; then none
	refuse   string  // an alert with this in its labels is not valid
	requests int
	posts    []wireAlert // every alert that was stored, in order
	alerts   map[string]wireAlert
	notified []string // a notification for each alert that began to fire
}

func (f *fakeAlertmanager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var posted []wireAlert
	if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	next := none
	if len(f.faults) > 0 {
		next, f.faults = f.faults[0], f.faults[1:]
	}
	switch next {
	case rateLimited:
		http.Error(w, "slow down", http.StatusTooManyRequests)
		return
	case serverError:
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	case cutBefore:
		cut(w)
		return
	}
	refused := f.store(posted)
	switch {
	case next == cutAfter:
		cut(w)
	case next == slow:
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
	case refused:
		http.Error(w, "invalid label set", http.StatusBadRequest)
	}
}

func cut(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

func (f *fakeAlertmanager) store(posted []wireAlert) (refused bool) {
	if f.alerts == nil {
		f.alerts = map[string]wireAlert{}
	}
	for _, a := range posted {
		key := keyOf(a.Labels)
		if a.EndsAt.Before(a.StartsAt) || f.refuse != "" && strings.Contains(key, f.refuse) {
			refused = true
			continue
		}
		now := time.Now()
		if old, ok := f.alerts[key]; a.EndsAt.After(now) && (!ok || !old.EndsAt.After(now)) {
			f.notified = append(f.notified, nameOf(a))
		}
		f.posts = append(f.posts, a)
		f.alerts[key] = a
	}
	return refused
}

// firing are the alerts that have not ended.
func (f *fakeAlertmanager) firing() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, a := range f.alerts {
		if a.EndsAt.After(time.Now()) {
			out = append(out, nameOf(a))
		}
	}
	slices.Sort(out)
	return out
}

func (f *fakeAlertmanager) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *fakeAlertmanager) stored() []wireAlert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.posts)
}

func (f *fakeAlertmanager) notifications() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.notified)
}

// nameOf is the resource of an anomaly, or "missed".
func nameOf(a wireAlert) string {
	if a.Labels["alertname"] == MissedAlertName {
		return "missed"
	}
	return a.Labels["resource"]
}

// last is what was stored last of an alert.
func (f *fakeAlertmanager) last(name string) wireAlert {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range slices.Backward(f.posts) {
		if nameOf(a) == name {
			return a
		}
	}
	return wireAlert{}
}

func testConfig(hosts ...string) Config {
	cfg := DefaultConfig()
	for _, h := range hosts {
		cfg.URLs = append(cfg.URLs, "http://"+h)
	}
	return cfg
}

func newTestSink(t *testing.T, cfg Config, network *pipenet.Network) (*Sink, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	s, err := newSink(cfg, slog.New(slog.DiscardHandler), reg, time.Now, network.Transport())
	if err != nil {
		t.Fatal(err)
	}
	return s, reg
}

func start(t *testing.T, s *Sink) {
	t.Helper()
	if err := services.StartAndAwaitRunning(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, s *Sink) {
	t.Helper()
	if err := services.StopAndAwaitTerminated(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

// firing is an alert about a resource, whose last window ended now.
func firing(resource string) alert.Alert {
	now := time.Now()
	fired := now.Add(-30 * time.Second)
	return alert.Alert{
		SchemaVersion: 1, ID: "id-" + resource, State: "firing", Tenant: "audit",
		Cluster: fmt.Sprintf("%016x", len(resource)), Role: "ClusterRole/x", Resource: resource, Access: "read",
		Z: 11.26, Rank: 2, Severity: "critical", StartedAt: now.Add(-time.Minute), FiredAt: &fired,
		WindowStart: now.Add(-5 * time.Minute), WindowEnd: now,
		Features: []alert.Feature{{Name: "events", Observed: 124, Expected: 0, High: 2, Z: 11.26}},
		Subjects: []alert.Subject{{Name: "alice {{ .x }}", Share: 0.96}},
		Parts:    []alert.Part{{Cluster: "1", Role: "Role/y", Resource: "pods", Access: "write", Z: 4}},
		Summary:  "alice {{ .x }} reads " + resource, LogQL: `{job="x"}`,
	}
}

func resolved(a alert.Alert) alert.Alert {
	now := time.Now()
	a.State, a.ResolvedAt, a.WindowEnd = "resolved", &now, now
	return a
}

func older(a alert.Alert, by time.Duration) alert.Alert {
	a.StartedAt, a.WindowStart, a.WindowEnd = a.StartedAt.Add(-by), a.WindowStart.Add(-by), a.WindowEnd.Add(-by)
	return a
}

func checkFiring(t *testing.T, am *fakeAlertmanager, want ...string) {
	t.Helper()
	if got := am.firing(); !slices.Equal(got, want) {
		t.Errorf("%s: firing %v, want %v", time.Now().Format("15:04:05"), got, want)
	}
}
