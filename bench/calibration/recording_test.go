package calibration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

var (
	show  = flag.Bool("calibration", false, "print the calibration table of the recording")
	every = flag.Bool("every-row", false, "with -calibration: also the rows without enough data")
)

func read(t *testing.T) *stream.Recording {
	t.Helper()
	if testing.Short() {
		t.Skip("replays three days: skipped by -short")
	}
	r, err := stream.Read(filepath.Join(stream.Folder("../.."), "dev"), stream.Options{Keying: stream.ByRole()})
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCalibrationOnTheRecording wants the interval of observed over nominal
// exceedances to meet [½, 2] at |z| = 2 and 2.5 in every feature and stratum that
// has enough data, on the quiet part of the recording. The table is printed by
//
//	go test ./bench/calibration -run Recording -calibration -v
func TestCalibrationOnTheRecording(t *testing.T) {
	r := read(t)
	start := r.Labels.Start
	day := func(n int) int64 { return start.Add(time.Duration(n) * 24 * time.Hour).UnixNano() }
	parts := []*Part{
		{Name: "days 1 and 2", From: day(0), To: day(2)},
		{Name: "day 3", From: day(2), To: day(3)},
		{Name: "all days", From: day(0), To: day(3)},
	}
	Measure(r, engine.DefaultConfig(), parts...)
	for _, p := range parts {
		rows := p.Rows()
		if *show {
			fmt.Printf("\n%s, quiet part\n", p.Name)
			if err := WriteText(os.Stdout, rows, *every); err != nil {
				t.Fatal(err)
			}
		}
		judged := 0
		for _, row := range rows {
			if !row.Enough() || row.Z > 2.5 {
				continue
			}
			judged++
			if !row.Corrected.Calibrated() {
				t.Errorf("%s: %v %v, expected %v, |z| > %v: observed over nominal %.2f, interval %.2f to %.2f",
					p.Name, row.Scale, anomaly.FeatureName(row.Feature), row.Stratum, row.Z, row.Corrected.Value, row.Corrected.Low, row.Corrected.High)
			}
		}
		if judged < 20 {
			t.Errorf("%s: only %d rows have enough data", p.Name, judged)
		}
	}
}
