package ingest

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/logcluster/logcluster/fingerprint"
)

// openRecording returns the lines of the real recording, or skips the test.
func openRecording(t *testing.T) *bufio.Scanner {
	t.Helper()
	dir := os.Getenv("LOGCLUSTER_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, "dev", "audit.jsonl.zst"))
	if err != nil {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(z.Close)
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 1<<20), 16<<20)
	return lines
}

// Every request of the recording is counted exactly once, whichever stage long
// running requests count at.
func TestRecordingCountsEveryRequestOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 730 MB: skipped by -short")
	}
	lines := openRecording(t)
	d := NewDecoder(DefaultConfig())
	counted := make(map[string]int, 700_000)
	var total Result
	records, panics := 0, 0
	for lines.Scan() {
		records++
		result, err := d.Decode(lines.Bytes(), func(e *fingerprint.Event) {
			counted[string([]byte(e.ID))]++
			if e.Time == 0 || e.User == "" || e.Verb == "" {
				t.Fatalf("incomplete event: %+v", e)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		total.Add(&result)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for id, n := range counted {
		if n != 1 {
			t.Errorf("audit id %s counted %d times", id, n)
			panics++
		}
		if panics > 10 {
			t.FailNow()
		}
	}
	if total.Consumed() != records || total.Emitted != len(counted) || len(counted) != 643_430 {
		t.Errorf("%d records, %d consumed, %d emitted, %d audit ids, want 643,430", records, total.Consumed(), total.Emitted, len(counted))
	}
	if total.LongRunning != 27_868 || total.Filtered[RuleLongRunningEnded] != 27_832 {
		t.Errorf("%d counted at start, %d filtered ends", total.LongRunning, total.Filtered[RuleLongRunningEnded])
	}
	if total.Redacted+total.Truncated != 0 {
		t.Errorf("%d redacted, %d truncated in a recording without secrets", total.Redacted, total.Truncated)
	}
}
