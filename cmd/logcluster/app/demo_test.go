package app

import (
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestDemoNamesTheIncidents(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Web.Listen = "127.0.0.1:0"
	var out strings.Builder
	err := Demo(t.Context(), DemoOptions{
		Config: &cfg, Output: &out, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
		Version: "test", Speed: 0, Once: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"http://127.0.0.1:",
		"system:serviceaccount:team-catalog:reviews-api",    // dev-01
		"system:serviceaccount:image-scanner:image-scanner", // dev-02
		"The recording is over",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not name %s:\n%s", want, out.String())
		}
	}
}

// What a demo writes to a live Loki is marked with its run: without that, a
// second one is refused there as too old.
func TestDemoMarksItsLines(t *testing.T) {
	configured := DefaultConfig()
	configured.Alert.Loki.Labels = map[string]string{"region": "eu"}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	cfg, err := demoConfig(configured, t.TempDir(), nil, at)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"region": "eu", "run": "2026-01-02T03:04:05.006Z"}
	if got := cfg.Alert.Loki.Labels; !maps.Equal(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
	if len(configured.Alert.Loki.Labels) != 1 {
		t.Error("the caller's labels were changed")
	}
	configured.Alert.Loki.Labels["run"] = "mine"
	if cfg, err = demoConfig(configured, t.TempDir(), nil, at); err != nil || cfg.Alert.Loki.Labels["run"] != "mine" {
		t.Errorf("labels %v, %v, want the configured run", cfg.Alert.Loki.Labels, err)
	}
}

func TestDemoWritesToLiveSinksOnlyWhenTold(t *testing.T) {
	for name, configure := range map[string]func(*Config){
		"loki":         func(c *Config) { c.Alert.Loki.URL = "http://127.0.0.1:1" },
		"alertmanager": func(c *Config) { c.Alert.Alertmanager.URLs = []string{"http://127.0.0.1:1"} },
	} {
		cfg := DefaultConfig()
		configure(&cfg)
		o := DemoOptions{Config: &cfg}
		if err := o.checkSinks(); err == nil || !strings.Contains(err.Error(), "--live-sinks") {
			t.Errorf("%s: %v, want it refused", name, err)
		}
		o.LiveSinks = true
		if err := o.checkSinks(); err != nil {
			t.Errorf("%s: %v, want it allowed", name, err)
		}
	}
}
