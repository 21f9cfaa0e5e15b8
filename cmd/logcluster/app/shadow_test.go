package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
)

// withShadow names a second configuration.
func withShadow(t testing.TB, cfg *Config, text string) {
	t.Helper()
	cfg.Shadow.Config = filepath.Join(t.TempDir(), "shadow.yaml")
	if err := os.WriteFile(cfg.Shadow.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shown asks a service for its shadow.
func (r *running) shown(t testing.TB) *web.Shadow {
	t.Helper()
	var answer web.ShadowAnswer
	r.ask(t, http.MethodGet, "/api/v1/shadow", "", http.StatusOK, &answer)
	return answer.Shadow
}

// ask sends a request to a service and reads its answer.
func (r *running) ask(t testing.TB, method, path, body string, code int, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+r.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != code {
		t.Fatalf("%s %s: %s, want %d", method, path, resp.Status, code)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// A shadow with another configuration changes nothing of what the service tells,
// says what it would have told, and goes on after a restart.
func TestAShadowRunsBeside(t *testing.T) {
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	brokers := broker(t, 3)
	publish(t, brokers, values)

	alone := start(t, testConfig(t, brokers, rbac))
	alone.await(t, uint64(len(values)))
	if alone.shown(t) != nil {
		t.Error("there is a shadow of nothing")
	}
	if err := alone.stop(); err != nil {
		t.Fatal(err)
	}

	cfg := testConfig(t, brokers, rbac)
	cfg.Kafka.Group = "shadowed"
	withShadow(t, cfg, "anomaly: {false_alerts_per_day: 0.05, fire_after: 8}")
	var told []string
	r := start(t, cfg)
	r.awaitSome(t, uint64(len(values))*5/6)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	told = append(told, r.changed()...)
	before := r.pipeline.shadow.snapshot()
	r = start(t, cfg)
	r.await(t, uint64(len(values)))
	now := r.shown(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	told = append(told, r.changed()...)
	if len(told) == 0 || !reflect.DeepEqual(sorted(told), sorted(alone.changed())) {
		t.Errorf("%d changes with a shadow, %d without", len(told), len(alone.changed()))
	}
	if now == nil || now.Problem != "" || now.Since.UnixNano() != before.Since || before.Since == 0 {
		t.Fatalf("the shadow is %+v, before the restart since %d", now, before.Since)
	}
	if now.Main+now.Both == 0 || now.Main < before.Counts.Main || len(now.Last) == 0 {
		t.Errorf("the shadow counts %+v, before the restart %+v", now, before.Counts)
	}
	t.Logf("only the service %d, only the shadow %d, both %d", now.Main, now.Shadow, now.Both)
}

// With the same configuration the shadow agrees.
func TestAShadowOfTheSameAgrees(t *testing.T) {
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	brokers := broker(t, 3)
	publish(t, brokers, values)
	cfg := testConfig(t, brokers, rbac)
	withShadow(t, cfg, "{}")
	r := start(t, cfg)
	r.await(t, uint64(len(values)))
	now := r.shown(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if now.Main != 0 || now.Shadow != 0 || now.Both == 0 {
		t.Errorf("only the service %d, only the shadow %d, both %d", now.Main, now.Shadow, now.Both)
	}
}

// A shadow that fails ends, and nothing else does.
func TestAShadowThatFailsEnds(t *testing.T) {
	cfg := DefaultConfig()
	s := newShadow(&cfg, &cfg, fingerprint.Always(nil), testLogger(t))
	s.engine = nil
	worked := 0
	for range 2 {
		s.beside(&observations{}, func() { worked++; s.take(sideA, &anomaly.Result{}) })
	}
	if _, now := s.view(); worked != 2 || now.Problem == "" || s.snapshot() != nil {
		t.Errorf("the service worked %d times, the shadow says %+v", worked, now)
	}
}

func TestABadShadowIsAnError(t *testing.T) {
	for _, text := range []string{"anomaly: {top_k: 0}", "anomalies: {}"} {
		cfg := testConfig(t, []string{"127.0.0.1:1"}, "")
		withShadow(t, cfg, text)
		_, err := New(Options{Config: cfg, Logger: testLogger(t), Registry: prometheus.NewRegistry()})
		var problems config.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
