package baseline

import "testing"

// The hour in which a cluster was born may be older than the history while its
// later hours are not: it has lived nothing of it, not less than nothing.
func TestLivedNothingOfAForgottenHour(t *testing.T) {
	var live liveHours
	for hour := int64(100); hour < 103; hour++ {
		for range 12 {
			live.add(hour)
		}
	}
	h := &history{born: 100 * nanosPerHour, bornSeq: 5, bornInHour: 5}
	if got := live.of(h, 100); got != 7 {
		t.Errorf("lived %v windows of the first hour, want 7", got)
	}
	live.expire(101)
	if got := live.of(h, 100); got != 0 {
		t.Errorf("lived %v windows of a forgotten hour, want 0", got)
	}
	if got := live.of(h, 101); got != 12 {
		t.Errorf("lived %v windows of the second hour, want 12", got)
	}
}
