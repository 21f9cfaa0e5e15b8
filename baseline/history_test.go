package baseline

import "testing"

// The cell in which a cluster was born may be older than the history while its
// later cells are not: it has lived nothing of it, not less than nothing.
func TestLivedNothingOfAForgottenCell(t *testing.T) {
	var live liveCells
	for cell := int64(100); cell < 103; cell++ {
		for range 12 {
			live.add(cell)
		}
	}
	h := &history{born: 100, bornSeq: 5, bornInCell: 5}
	if got := live.of(h, 100); got != 7 {
		t.Errorf("lived %v windows of the first cell, want 7", got)
	}
	live.expire(101)
	if got := live.of(h, 100); got != 0 {
		t.Errorf("lived %v windows of a forgotten cell, want 0", got)
	}
	if got := live.of(h, 101); got != 12 {
		t.Errorf("lived %v windows of the second cell, want 12", got)
	}
}
