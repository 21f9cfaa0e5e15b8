package app

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/deploy/demo"
)

// bundled writes the bundled recording's files into a folder of the test's.
func bundled(t testing.TB) (recording, rbac, labels string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("recording.jsonl.zst", demo.Recording), write("rbac.yaml", demo.RBAC), write("labels.json", demo.Labels)
}

func replayBundled(t testing.TB, change func(*ReplayOptions)) (out, notes *bytes.Buffer) {
	t.Helper()
	recording, rbac, labels := bundled(t)
	cfg := DefaultConfig()
	cfg.Roles.Policy.Files.Paths = []string{rbac}
	out, notes = new(bytes.Buffer), new(bytes.Buffer)
	o := ReplayOptions{
		Config: &cfg, Files: []string{recording}, Output: out, Notes: notes, JSON: true,
		Labels: labels, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	if err := Replay(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return out, notes
}

func TestReplayFindsTheIncidentsOfTheBundledRecording(t *testing.T) {
	out, notes := replayBundled(t, nil)
	var report struct {
		Incidents, Found, Alerts, False int
	}
	if err := json.NewDecoder(notes).Decode(&report); err != nil {
		t.Fatal(err)
	}
	if report.Found < 2 || report.False > 20 {
		t.Errorf("found %d of %d incidents with %d false of %d alerts, want at least 2 and at most 20 false",
			report.Found, report.Incidents, report.False, report.Alerts)
	}
	t.Logf("found %d of %d, %d alerts, %d false", report.Found, report.Incidents, report.Alerts, report.False)
	states := map[string]string{}
	for line := range bytes.Lines(out.Bytes()) {
		var a alert.Alert
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if a.SchemaVersion != alert.SchemaVersion || a.ID == "" || a.Summary == "" || a.LogQL == "" || len(a.Features) == 0 {
			t.Errorf("incomplete alert: %s", line)
		}
		switch before := states[a.ID]; {
		case a.State == "firing" && before == "", a.State == "resolved" && before == "firing":
			states[a.ID] = a.State
		default:
			t.Errorf("alert %s went from %q to %q", a.ID, before, a.State)
		}
	}
}

func TestReplayIsRepeatable(t *testing.T) {
	first, _ := replayBundled(t, nil)
	second, _ := replayBundled(t, nil)
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two replays of the same file differ")
	}
}
