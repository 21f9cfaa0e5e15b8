package anomaly

import (
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
)

// What cools down: the features that drove, all that is new of the same subject,
// and what began in the cool-down, unless it is clearly more unlikely.
func TestCooling(t *testing.T) {
	d := New(DefaultConfig(), nil)
	const minute = int64(time.Minute)
	resolved := 1000 * minute
	for _, c := range []struct {
		name        string
		track       Track
		now, began  int64
		wantCooling bool
	}{
		{"never fired", Track{LogP: -10, Driver: cluster.Objects}, 10, 5, false},
		{"a feature that drove", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.Objects}, 10, 5, true},
		{"another feature", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.Denied}, 10, 5, false},
		{"clearly more unlikely", Track{ResolvedAt: resolved, LogP: -20, Driver: cluster.Objects}, 10, 5, false},
		{"new of the same subject", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.NewFingerprints, New: true, Peak: by("mallory")}, 10, 5, true},
		{"new of another subject", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.NewFingerprints, New: true, Peak: by("alice")}, 10, 5, false},
		{"began in the cool-down", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.Objects}, 150, 100, true},
		{"goes on for very long", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.Objects}, 241, 100, false},
		{"began after it", Track{ResolvedAt: resolved, LogP: -10, Driver: cluster.Objects}, 150, 121, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := &track{Track: c.track}
			tr.StartedAt = resolved + c.began*minute
			tr.CooledLogP, tr.CooledDrove, tr.CooledSubject = -10, 1<<cluster.Objects|1<<cluster.Peer, "mallory"
			j := &judging{Detector: d, ev: &cluster.Evaluation{End: resolved + c.now*minute}}
			if got := j.cooling(tr); got != c.wantCooling {
				t.Errorf("cooling is %v", got)
			}
		})
	}
}

func by(subject string) Account { return Account{Subjects: []Share{{Name: subject, Share: 1}}} }

// Failures drive by their number, and by their share of the outcomes; other
// outcomes do not.
func TestFailuresDrive(t *testing.T) {
	failed := []Feature{{Name: "outcome_mix", Z: 9}, {Name: "failed", Z: 8}}
	for _, c := range []struct {
		name     string
		driver   cluster.Feature
		features []Feature
		want     bool
	}{
		{"their number", cluster.Failed, failed, true},
		{"their share", cluster.OutcomeMix, failed, true},
		{"other outcomes", cluster.OutcomeMix, failed[:1], false},
		{"fewer of them", cluster.OutcomeMix, []Feature{{Name: "failed", Z: -8}}, false},
		{"events", cluster.Events, failed, false},
	} {
		tr := &track{Track: Track{Driver: c.driver, Last: Account{Features: c.features}}}
		if got := tr.fails(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
