package loki

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery/pipenet"
)

// fault is how the fake Loki treats one request.
type fault int

const (
	none          fault = iota
	rateLimited         // 429, nothing stored
	serverError         // 500, nothing stored
	cutBefore           // the connection breaks, nothing stored
	cutAfter            // everything stored, then the connection breaks
	slowAndStored       // everything stored, the answer comes too late
	numFaults
)

// fakeLoki answers as Loki does, in success and in failure: it drops exact
// repeats, stores the valid lines of a request that it answers with 400, and
// refuses requests over its limit.
type fakeLoki struct {
	mu       sync.Mutex
	faults   []fault // of the next requests; then none
	limit    int     // bytes of a request, 0 for none
	refuse   string  // a line with this in it is not valid
	requests int
	headers  []http.Header
	arrived  []stored // every entry of every request that was stored, in order
}

type stored struct {
	at     int64
	labels string
	line   string
	meta   string
}

func (f *fakeLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	f.headers = append(f.headers, r.Header)
	next := none
	if len(f.faults) > 0 {
		next, f.faults = f.faults[0], f.faults[1:]
	}
	switch {
	case next == rateLimited:
		w.Header().Set("Retry-After", "3")
		http.Error(w, "ingestion rate limit exceeded", http.StatusTooManyRequests)
		return
	case next == serverError:
		http.Error(w, "too many unhealthy instances in the ring", http.StatusInternalServerError)
		return
	case next == cutBefore:
		cut(w)
		return
	case f.limit > 0 && len(body) > f.limit:
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	refused := f.store(body)
	switch {
	case next == cutAfter:
		cut(w)
	case next == slowAndStored:
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
	case refused > 0:
		http.Error(w, fmt.Sprintf("%d entries have timestamp too old", refused), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func cut(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

func (f *fakeLoki) store(body []byte) (refused int) {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		panic(err)
	}
	var req push.PushRequest
	if err := req.Unmarshal(raw); err != nil {
		panic(err)
	}
	for _, s := range req.Streams {
		for _, e := range s.Entries {
			if f.refuse != "" && strings.Contains(e.Line, f.refuse) {
				refused++
				continue
			}
			f.arrived = append(f.arrived, stored{e.Timestamp.UnixNano(), s.Labels, e.Line, fmt.Sprint(e.StructuredMetadata)})
		}
	}
	return refused
}

// visible are the lines that a query shows: exact repeats once, in the order of
// their first arrival.
func (f *fakeLoki) visible() []stored {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []stored
	seen := map[stored]bool{}
	for _, s := range f.arrived {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func (f *fakeLoki) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// ids are the alerts of the visible lines.
func (f *fakeLoki) ids() []string {
	var out []string
	for _, s := range f.visible() {
		_, after, _ := strings.Cut(s.line, `"id":"`)
		id, _, _ := strings.Cut(after, `"`)
		out = append(out, id)
	}
	return out
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.URL = "http://loki"
	return cfg
}

func startSink(t *testing.T, cfg Config, network *pipenet.Network, dead DeadLetter) (*Sink, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	s, err := newSink(cfg, slog.New(slog.DiscardHandler), reg, time.Now, dead, network.Transport())
	if err != nil {
		t.Fatal(err)
	}
	return s, reg
}

func testAlert(i int) alert.Alert {
	end := time.Date(2026, 11, 3, 2, 0, 0, 0, time.UTC).Add(time.Duration(i) * 30 * time.Second)
	return alert.Alert{
		SchemaVersion: 1, ID: fmt.Sprintf("id-%03d", i), State: "firing", Tenant: "audit", Cluster: "000000000000feed",
		Role: "ClusterRole/x", Resource: "secrets", Access: "read", Severity: "warning", Rank: i%12 + 1,
		WindowStart: end.Add(-5 * time.Minute), WindowEnd: end, Summary: "somebody reads secrets",
	}
}

func testAlerts(from, to int) (out []alert.Alert) {
	for i := from; i < to; i++ {
		out = append(out, testAlert(i))
	}
	return out
}

func wantIDs(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("id-%03d", i))
	}
	return out
}

func checkIDs(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("lines in Loki:\n%v\nwant\n%v", got, want)
	}
}
