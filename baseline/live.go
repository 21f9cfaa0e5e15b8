package baseline

import "sort"

// liveCells counts a tenant's live windows of a scale: those in which its source
// was seen. A cluster that is not listed in a live window had a window of zeros.
type liveCells struct {
	cells []LiveCell // ascending
	total float64    // of cells
	ever  float64    // also of expired cells
}

// LiveCell is how many windows of a tenant were live in a cell of the history.
type LiveCell struct {
	Cell    int64
	Windows float64
}

func (l *liveCells) add(cell int64) {
	n := len(l.cells)
	if n == 0 || l.cells[n-1].Cell != cell {
		l.cells = append(l.cells, LiveCell{Cell: cell})
		n++
	}
	l.cells[n-1].Windows++
	l.total++
	l.ever++
}

func (l *liveCells) expire(first int64) {
	n := 0
	for n < len(l.cells) && l.cells[n].Cell < first {
		l.total -= l.cells[n].Windows
		n++
	}
	l.cells = append(l.cells[:0], l.cells[n:]...)
}

// at returns how many windows were live in a cell.
func (l *liveCells) at(cell int64) float64 {
	i := sort.Search(len(l.cells), func(i int) bool { return l.cells[i].Cell >= cell })
	if i < len(l.cells) && l.cells[i].Cell == cell {
		return l.cells[i].Windows
	}
	return 0
}

// of returns how many live windows of a cell the cluster has lived: those of the
// history, without what is kept out of it.
func (l *liveCells) of(h *history, cell int64) float64 {
	if h.excludes(cell) {
		return 0
	}
	return h.livedIn(cell, l.at(cell))
}

// livedIn returns how many of a cell's live windows are between the birth of a
// cluster and its run.
func (h *history) livedIn(cell int64, windows float64) float64 {
	if u := h.run; u != nil {
		if cell > u.first {
			return 0
		}
		if cell == u.first {
			windows = min(windows, u.inCell)
		}
	}
	switch {
	case cell < h.born:
		return 0
	case cell == h.born:
		return max(windows-h.bornInCell, 0) // 0 when the cell has expired
	default:
		return windows
	}
}

// lived returns how many live windows of the history the cluster has lived.
func (l *liveCells) lived(h *history) float64 {
	if len(h.excluded) == 0 {
		lived := min(l.total, l.ever-h.bornSeq)
		if h.run != nil {
			lived -= l.ever - h.run.seq
		}
		return max(lived, 0)
	}
	lived := 0.0
	for i := len(l.cells) - 1; i >= 0 && l.cells[i].Cell >= h.born; i-- {
		if c := l.cells[i]; !h.excludes(c.Cell) {
			lived += h.livedIn(c.Cell, c.Windows)
		}
	}
	return lived
}
