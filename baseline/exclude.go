package baseline

import (
	"cmp"
	"math"
	"slices"
)

// Span is a run of cells of a history, both ends included.
type Span struct{ First, Last int64 }

// mostSpans bounds what is remembered of a cluster: beyond it the two that are
// nearest to each other become one.
const mostSpans = 16

// excludes reports whether a cell is kept out of the history.
func (h *history) excludes(cell int64) bool {
	for _, s := range h.excluded {
		if cell <= s.Last {
			return cell >= s.First
		}
	}
	return false
}

// exclude keeps cells out of a history, and takes out those that are in it.
func (p *population) exclude(h *history, s Span) {
	h.excluded = joined(append(h.excluded, s))
	h.cells.remove(s.First, s.Last, h.forgets)
	h.spreadCell = notFitted
}

// joined returns spans in ascending order, those that touch joined, and no more
// than mostSpans of them. It reuses the slice.
func joined(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	out := spans[:1]
	for _, s := range spans[1:] {
		if last := &out[len(out)-1]; s.First <= last.Last+1 {
			last.Last = max(last.Last, s.Last)
		} else {
			out = append(out, s)
		}
	}
	for len(out) > mostSpans {
		at := 1
		for i := 2; i < len(out); i++ {
			if out[i].First-out[i-1].Last < out[at].First-out[at-1].Last {
				at = i
			}
		}
		out[at-1].Last = out[at].Last
		out = slices.Delete(out, at, at+1)
	}
	return out
}

// begin makes a history one of a cluster that was born at the start of a cell.
func (p *population) begin(h *history, cell int64) {
	if cell <= h.born {
		return
	}
	h.cells.remove(math.MinInt64, cell-1, h.forgets)
	h.born, h.bornInCell, h.bornSeq = cell, 0, p.live.ever
	for i := len(p.live.cells) - 1; i >= 0 && p.live.cells[i].Cell >= cell; i-- {
		h.bornSeq -= p.live.cells[i].Windows
	}
	h.spreadCell = notFitted
}
