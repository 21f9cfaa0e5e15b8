//go:build e2e

package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

// realSink is a sink for the Loki of the environment.
func realSink(t *testing.T, labels ...string) (*Sink, string) {
	t.Helper()
	base := os.Getenv("LOKI_URL")
	if base == "" {
		t.Skip("LOKI_URL is not set: no Loki to talk to")
	}
	cfg := DefaultConfig()
	cfg.URL, cfg.Labels = base, map[string]string{}
	for i := 0; i+1 < len(labels); i += 2 {
		cfg.Labels[labels[i]] = labels[i+1]
	}
	s, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry(), nil, func(entries []Entry, reason error) {
		t.Errorf("%d lines refused: %v", len(entries), reason)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
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

// query asks Loki for lines around a time, oldest first.
func query(ctx context.Context, base, logql string, around time.Time) ([]string, error) {
	q := url.Values{
		"query": {logql}, "direction": {"forward"}, "limit": {"1000"},
		"start": {strconv.FormatInt(around.Add(-time.Hour).UnixNano(), 10)},
		"end":   {strconv.FormatInt(around.Add(time.Hour).UnixNano(), 10)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/loki/api/v1/query_range?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text := make([]byte, 500)
		n, _ := resp.Body.Read(text)
		return nil, fmt.Errorf("query %s: %s: %s", logql, resp.Status, text[:n])
	}
	var answer struct {
		Data struct {
			Result []struct{ Values [][]string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	var lines []string
	for _, stream := range answer.Data.Result {
		for _, v := range stream.Values {
			lines = append(lines, v[1])
		}
	}
	return lines, nil
}

// await asks until there are n lines.
func await(t *testing.T, base, logql string, around time.Time, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		lines, err := query(ctx, base, logql, around)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if len(lines) == n {
			return lines
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %d lines, want %d", logql, len(lines), n)
		case <-tick.C:
		}
	}
}

// flush makes Loki write its chunks, so that a repeat lands in another one.
func flush(t *testing.T, base string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/flush", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// hostile is a user name that does what it can.
const hostile = "\x1b[2J\x1b]0;owned\x07<b>{{ .x }}\"'`\\ | $y\u202egnp\u200b é"

func realAnomaly(tenant string, end time.Time) *anomaly.Anomaly {
	return &anomaly.Anomaly{
		ID: tenant, State: anomaly.Firing,
		Cluster: &fingerprint.ClusterKey{ID: 7, Tenant: tenant, Role: "ClusterRole/x", Resource: "secrets", Access: fingerprint.AccessRead},
		Z:       9, Rank: 1, Severity: anomaly.Critical,
		StartedAt: end.Add(-time.Minute), FiredAt: end, WindowStart: end.Add(-5 * time.Minute), WindowEnd: end,
		Features: []anomaly.Feature{{Name: "events", Observed: 124, High: 2, Z: 9}},
		Subjects: []anomaly.Share{{Name: hostile, Share: 0.9}, {Name: "alice", Share: 0.1}},
	}
}

// TestRealRepeats: a line that is pushed again, by the same process or by one
// that derived it anew after a crash, is there once.
func TestRealRepeats(t *testing.T) {
	for name, end := range map[string]time.Time{
		"now":        time.Now().Truncate(30 * time.Second),
		"a year ago": time.Now().Add(-365 * 24 * time.Hour).Truncate(30 * time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			tenant := fmt.Sprintf("e2e-%d", time.Now().UnixNano())
			var history string
			// Loki refuses what is far behind the newest of its stream: each
			// recording has a stream of its own.
			run := []string{"run", tenant}
			for range 3 {
				s, base := realSink(t, run...)
				start(t, s)
				a := alert.From(realAnomaly(tenant, end), alert.DefaultConfig(), nil)
				s.Put(Change, a)
				stop(t, s)
				history = alert.HistoryQuery(&a)
				await(t, base, history, end, 1)
				flush(t, base)
			}
			s, base := realSink(t, run...)
			start(t, s)
			over := realAnomaly(tenant, end.Add(10*time.Minute))
			over.State, over.ResolvedAt = anomaly.Resolved, end.Add(10*time.Minute)
			s.Put(Change, alert.From(over, alert.DefaultConfig(), nil))
			stop(t, s)
			lines := await(t, base, history, end, 2)
			for i, state := range []string{"firing", "resolved"} {
				var a alert.Alert
				if err := json.Unmarshal([]byte(lines[i]), &a); err != nil || a.State != state {
					t.Errorf("line %d: %v: %s", i, err, lines[i])
				}
				for _, r := range a.Summary + a.Subjects[0].Name {
					if !unicode.IsPrint(r) {
						t.Errorf("line %d holds %U: %s", i, r, lines[i])
					}
				}
			}
			if lines := await(t, base, alert.TenantHistoryQuery(tenant), end, 2); len(lines) != 2 {
				t.Errorf("by tenant: %d lines", len(lines))
			}
		})
	}
}

// TestRealAuditQuery: the query of an alert finds exactly the audit records
// behind it, in the Loki that the audit log is shipped to.
func TestRealAuditQuery(t *testing.T) {
	s, base := realSink(t)
	end := time.Now()
	job := fmt.Sprintf("audit-%d", end.UnixNano())
	record := func(verb, user, acting, group, resource, sub string) string {
		body, err := json.Marshal(map[string]any{
			"verb": verb, "user": map[string]string{"username": user}, "impersonatedUser": map[string]string{"username": acting},
			"objectRef": map[string]string{"apiGroup": group, "resource": resource, "subresource": sub, "name": fmt.Sprint(verb, user, acting)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	want := []string{
		record("list", hostile, "", "", "secrets", ""),
		record("get", "alice", "", "", "secrets", ""),
		record("get", "root", "alice", "", "secrets", ""),
		`{"verb":"watch","user":{"username":"alice"},"objectRef":{"resource":"secrets"}}`,
	}
	others := []string{
		record("delete", "alice", "", "", "secrets", ""),
		record("get", "bob", "", "", "secrets", ""),
		record("get", "alice2", "", "", "secrets", ""),
		record("get", "alice", "", "example.com", "secrets", ""),
		record("get", "alice", "", "", "secrets", "status"),
		record("get", "alice", "", "", "configmaps", ""),
		`{"stage":"RequestReceived","verb":"get","user":{"username":"alice"},"objectRef":{"resource":"secrets"}}`,
		`not json`,
	}
	stream := push.Stream{Labels: fmt.Sprintf("{job=%q}", job)}
	for i, line := range append(want, others...) {
		stream.Entries = append(stream.Entries, push.Entry{Timestamp: end.Add(time.Duration(i)), Line: line})
	}
	raw, err := (&push.PushRequest{Streams: []push.Stream{stream}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if a := s.client.Post(t.Context(), "/loki/api/v1/push", snappy.Encode(nil, raw), s.header()); a.Verdict != delivery.Accepted {
		t.Fatal(a.Err)
	}
	await(t, base, fmt.Sprintf("{job=%q}", job), end, len(want)+len(others))

	a := alert.From(realAnomaly("t", end), alert.Config{AuditSelector: fmt.Sprintf("{job=%q}", job)}, nil)
	t.Log(a.LogQL)
	got := await(t, base, a.LogQL, end, len(want))
	all := strings.Join(got, "\n")
	for _, line := range want {
		if !strings.Contains(all, line) {
			t.Errorf("not found: %s", line)
		}
	}
}
