//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/logcluster/logcluster/deploy/demo"
)

// event is a line of the recording and when it happened.
type event struct {
	at   time.Time
	text []byte
}

// incident is one that is labelled in the recording.
type incident struct {
	ID     string
	Start  time.Time
	Actors []string
}

// bundled returns the recording, moved in time such that it ended less than an
// hour ago, and its incidents. It is moved by whole hours: windows and hours of
// the day fall as they do in every other run.
func bundled(t *testing.T) ([]event, map[string]incident) {
	t.Helper()
	reader, err := zstd.NewReader(bytes.NewReader(demo.Recording))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var labels struct{ Incidents []incident }
	if err := json.Unmarshal(demo.Labels, &labels); err != nil {
		t.Fatal(err)
	}
	var events []event
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, 8<<20)
	last := time.Time{}
	for lines.Scan() {
		e := event{text: bytes.Clone(lines.Bytes())}
		if e.at, err = time.Parse(time.RFC3339Nano, string(stageTime.FindSubmatch(e.text)[2])); err != nil {
			t.Fatal(err)
		}
		if e.at.After(last) {
			last = e.at
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	shift := time.Since(last).Truncate(time.Hour)
	for i := range events {
		events[i] = events[i].moved(shift)
	}
	incidents := map[string]incident{}
	for _, in := range labels.Incidents {
		in.Start = in.Start.Add(shift)
		incidents[in.ID] = in
	}
	return events, incidents
}

var (
	stageTime = regexp.MustCompile(`("stageTimestamp":")([^"]+)"`)
	times     = regexp.MustCompile(`("(?:stageTimestamp|requestReceivedTimestamp)":")([^"]+)"`)
)

func (e event) moved(by time.Duration) event {
	text := times.ReplaceAllFunc(e.text, func(field []byte) []byte {
		m := times.FindSubmatch(field)
		at, err := time.Parse(time.RFC3339Nano, string(m[2]))
		if err != nil {
			return field
		}
		return fmt.Appendf(nil, "%s%s\"", m[1], at.Add(by).Format("2006-01-02T15:04:05.000000Z07:00"))
	})
	return event{at: e.at.Add(by), text: text}
}

// cut returns the events before each of the times, and the rest.
func cut(events []event, at ...time.Time) [][]event {
	parts := make([][]event, len(at)+1)
	for _, e := range events {
		n := 0
		for n < len(at) && !e.at.Before(at[n]) {
			n++
		}
		parts[n] = append(parts[n], e)
	}
	return parts
}

// write writes the events as a recording.
func write(t *testing.T, name string, events []event) string {
	t.Helper()
	var text bytes.Buffer
	for _, e := range events {
		text.Write(e.text)
		text.WriteByte('\n')
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// produce publishes recordings with the program's own command.
func produce(t *testing.T, i *instance, args ...string) {
	t.Helper()
	out := run(t, append([]string{"produce", "--brokers", i.stack.kafka, "--topic", i.topic, "--log-level", "warn"}, args...)...)
	t.Logf("produce: %s", bytes.ReplaceAll(bytes.TrimSpace(out), []byte("\n"), []byte("; ")))
}
