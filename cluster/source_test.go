package cluster

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const testAhead = int64(5 * time.Minute)

// However slow a source is, up to one event in 20 hours, its steady flow is believed.
func TestClockBelievesSteadySources(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spacing := rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "spacing")
		now := rapid.Int64Range(0, 2e18).Draw(t, "start")
		var c clock
		for i := range 60 {
			now += spacing
			jitter := rapid.Int64Range(0, min(spacing/4, int64(time.Hour))).Draw(t, "jitter")
			if c.note(now-jitter, testAhead) {
				t.Fatalf("event %d rejected", i)
			}
		}
	})
}

// Up to 7 wrong times among any 15, at most 3 of them in the past, change nothing
// for the others, and those ahead are rejected.
func TestClockRejectsWrongTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := int64(1_700_000_000e9)
		var c clock
		for range clockEvents {
			now += int64(time.Second)
			c.note(now, testAhead)
		}
		const right, ahead, behind = 0, 1, 2
		var history []int
		recent := func(kind int) (n int) {
			for _, k := range history[max(0, len(history)-clockEvents+1):] {
				if k == kind {
					n++
				}
			}
			return n
		}
		for range 100 {
			now += int64(time.Second)
			kind, at := rapid.SampledFrom([]int{right, ahead, behind}).Draw(t, "kind"), now
			if recent(ahead)+recent(behind) >= clockEvents/2 || kind == behind && recent(behind) >= clockEvents/4 {
				kind = right
			}
			switch history = append(history, kind); kind {
			case ahead:
				at = rapid.Int64Range(now+int64(time.Hour), math.MaxInt64).Draw(t, "time")
			case behind:
				at = rapid.Int64Range(0, now).Draw(t, "time")
			}
			if got := c.note(at, testAhead); got != (kind == ahead) {
				t.Fatalf("a time %v ahead: rejected %v", time.Duration(at-now), got)
			}
		}
	})
}
