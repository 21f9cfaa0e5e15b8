package anomaly

import (
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
)

// A window that is past the change as a whole is dated by the windows before it.
func TestBeganBeforeTheWindow(t *testing.T) {
	const minute = int64(time.Minute)
	// run is the events of overlapping windows, two a minute, each of them five
	// minutes long: so many low ones, then so many high ones.
	run := func(low, high int) []uint32 {
		var events []uint32
		for range low {
			events = append(events, 2)
		}
		for range high {
			events = append(events, 20)
		}
		return events
	}
	for _, c := range []struct {
		name   string
		events []uint32
		driver cluster.Feature
		up     bool
		want   int64 // minutes before the end of the last window, 0 where it is not known
	}{
		{"three windows ago", run(35, 25), cluster.Events, true, 15},
		{"the last window", run(59, 1), cluster.Events, true, 5},
		{"all the time", run(0, 60), cluster.Events, true, 0},
		{"never", run(60, 0), cluster.Events, true, 0},
		{"the other way", run(35, 25), cluster.Events, false, 0},
		{"of another feature", run(35, 25), cluster.Objects, true, 0},
		{"nothing is remembered", nil, cluster.Events, true, 0},
	} {
		j := &judging{Detector: New(DefaultConfig(), nil), ev: &cluster.Evaluation{Start: 95 * minute, End: 100 * minute}, fraction: 0.1}
		want := int64(0)
		if c.want > 0 {
			want = 100*minute - c.want*minute
		}
		if got := j.before(&Recent{Events: c.events}, &Verdict{Driver: c.driver, Up: c.up, Expected: 2}); got != want {
			t.Errorf("%s: %v before the end, want %d min", c.name, time.Duration(100*minute-got), c.want)
		}
	}
}
