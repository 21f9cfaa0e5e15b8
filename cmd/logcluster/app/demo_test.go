package app

import (
	"io"
	"log/slog"
	"strings"
	"testing"

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

func TestDemoDoesNotWriteToLiveSinksUnlessTold(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Alert.Loki.URL = "http://127.0.0.1:1"
	err := Demo(t.Context(), DemoOptions{Config: &cfg, Output: io.Discard, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err == nil || !strings.Contains(err.Error(), "--live-sinks") {
		t.Errorf("got %v, want a hint at --live-sinks", err)
	}
}
