package detection_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

var (
	byAnnotation = stream.Keying{Name: "annotation only", Reasons: true}
	byUser       = stream.Keying{Name: "user name only", Mapping: []fingerprint.MappingRule{{User: "(?P<user>.*)", Role: "${user}"}}}
)

// load returns the recording that detection is developed on.
func load(t *testing.T, by stream.Keying) *stream.Recording {
	t.Helper()
	if testing.Short() {
		t.Skip("replays three days: skipped by -short")
	}
	r, err := stream.Read(filepath.Join(stream.Folder("../.."), "dev"), stream.Options{Keying: by})
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the recording is not here (set LOGCLUSTER_DATA): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// replay returns the report, and the share of windows beyond the exceedance.
func replay(r *stream.Recording, cfg engine.Config) (detection.Report, float64) {
	o := stream.Run(cfg, r.Policies(), r.Items)
	return detection.Judge(r.Labels, o.Alerts, time.Unix(0, o.First), time.Unix(0, o.Last)), float64(o.Exceeded) / float64(o.Evaluated)
}

// The quality that the project promises on its recording, with and without a
// role policy. The bounds leave room for changes that are right for other
// reasons; they are no target to fit to.
func TestDetectionOnTheRecording(t *testing.T) {
	for _, by := range []stream.Keying{stream.ByRole(), byAnnotation} {
		t.Run(by.Name, func(t *testing.T) {
			report, exceeded := replay(load(t, by), engine.DefaultConfig())
			var text strings.Builder
			if err := report.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			t.Logf("%.2f %% of the windows exceed\n%s", 100*exceeded, text.String())
			if report.Found < 12 || report.FalsePerDay.Value > 6 {
				t.Errorf("%d incidents found, %.1f false alerts a day", report.Found, report.FalsePerDay.Value)
			}
			// Nominally 1.24 % of all windows, those without events included, of
			// which only the unusual ones are counted here. What each feature of
			// all windows is like, bench/calibration holds to.
			if exceeded < 0.004 || exceeded > 0.05 {
				t.Errorf("%.2f %% of the windows exceed", 100*exceeded)
			}
		})
	}
}
