package anomaly

import (
	"time"

	"github.com/logcluster/logcluster/cluster"
)

// trendWindows is how many windows a trend shows.
const trendWindows = 60

// Recent is what a cluster did lately: the run-up of a trend, and who its usual
// subjects are. It is a part of [DetectorState].
type Recent struct {
	End     int64    // of the last window with events
	AskedAt int64    // end of the last window in which it had, or should have had, some
	Events  []uint32 // of the last windows, oldest first
	Top     []Share
	TopAt   int64 // when Top was looked up
	// Tested has a bit for each scale at which its silence could fire, since it is
	// silent.
	Tested uint8
}

func pushed[T any](ring []T, v T) []T {
	if len(ring) == trendWindows {
		copy(ring, ring[1:])
		ring = ring[:trendWindows-1]
	}
	return append(ring, v)
}

// topEvery is how often the usual subjects of a cluster are looked up.
const topEvery = int64(10 * time.Minute)

// remember keeps the window's events and, from time to time, its subjects: of
// a cluster that falls silent nobody could be named otherwise.
func (j *judging) remember(w *cluster.Window) {
	r := j.recent[w.Cluster.ID]
	if r == nil {
		r = &Recent{TopAt: j.ev.End - topEvery}
		j.recent[w.Cluster.ID] = r
	}
	if j.ev.End-r.TopAt >= topEvery && w.Counts[cluster.Events] >= 3 {
		r.Top = j.subjects(w)
		r.TopAt = j.ev.End
	}
	r.End, r.AskedAt, r.Tested = j.ev.End, j.ev.End, 0
	r.Events = pushed(r.Events, w.Counts[cluster.Events])
}
