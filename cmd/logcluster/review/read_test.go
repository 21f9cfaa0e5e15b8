package review

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest"
)

func TestReaderCounts(t *testing.T) {
	at := func(when, stage, verb string) string {
		return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"` + stage + `","verb":"` + verb + `","user":{"username":"u"},` +
			`"objectRef":{"resource":"pods"},"stageTimestamp":"2026-01-0` + when + `T00:00:00Z"}`
	}
	lines := []string{
		at("3", "ResponseComplete", "get"), at("2", "ResponseComplete", "get"), at("1", "RequestReceived", "get"),
		"not json", at("4", "ResponseStarted", "watch"), at("5", "ResponseComplete", "watch"),
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	visited := 0
	var read int64
	r := NewReader(ingest.DefaultConfig(), func(*fingerprint.Event) { visited++ })
	if err := r.File(t.Context(), path, func(n, _ int64) { read = n }); err != nil {
		t.Fatal(err)
	}
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	want := Span{Events: 3, From: day(2), To: day(4), Rejected: 1, Filtered: 2}
	if got := r.Span(); got != want || visited != 3 || read == 0 {
		t.Errorf("span %+v, visited %d, read %d; want %+v", got, visited, read, want)
	}
	if err := r.File(t.Context(), path+".absent", nil); err == nil {
		t.Error("a file that is not there is read")
	}
}
