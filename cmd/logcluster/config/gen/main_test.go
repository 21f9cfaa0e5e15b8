package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

// TestReferenceIsFresh fails when a struct, a comment, a default or a range has
// changed and the page has not.
func TestReferenceIsFresh(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "deploy", "config", "REFERENCE.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("deploy/config/REFERENCE.md is stale: run make generate (first difference in line %d)", difference(got, want))
	}
}

func difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return bytes.Count(a[:i], []byte("\n")) + 1
		}
	}
	return bytes.Count(a[:min(len(a), len(b))], []byte("\n")) + 1
}

func TestRanges(t *testing.T) {
	cfg := app.DefaultConfig()
	got := ranges(config.Fields(&cfg))
	for path, want := range map[string]string{
		"web.refresh": "between 1s and 1h", "kafka.poll_records": "within 1 and 1000000", "kafka.topics": "",
		"roles.files.reload": "between 10ms and 24h0m0s", "roles.tenants.<name>.files.reload": "",
	} {
		if got[path] != want {
			t.Errorf("%s: %q, want %q", path, got[path], want)
		}
	}
}

func TestProse(t *testing.T) {
	names := map[string]string{"FireAfter": "fire_after", "URL": "url", "Client": ""}
	tests := map[string]string{
		"FireAfter of [Config.URL] is\n  one thing.\n":         "`fire_after` of Config.URL is one thing.",
		"Client keeps its name, Kafka too.\n\nMore FireAfter.": "Client keeps its name, Kafka too.\n\nMore `fire_after`.",
	}
	for text, want := range tests {
		if got := prose(text, names); got != want {
			t.Errorf("prose(%q) = %q, want %q", text, got, want)
		}
	}
}
