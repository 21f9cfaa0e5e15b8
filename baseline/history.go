package baseline

import (
	"slices"
	"sort"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// counted is how many features, from the first on, are kept as counts: Events,
// Denied, Failed, Subjects, Objects, Namespaces, Sources. The rest are
// first-seen features, which are compared with the tenant's rates.
const counted = int(cluster.Sources) + 1

// Moments are the sums that a negative binomial or beta-binomial is fitted to,
// over windows with events. They are whole numbers, so that adding and
// subtracting is exact.
type Moments struct {
	// Windows is how many windows had events.
	Windows uint64
	// Sum and Square are the sums of the features' counts and of their squares.
	Sum, Square [counted]uint64
	// DeniedEvents and FailedEvents are the sums of Denied·Events and
	// Failed·Events.
	DeniedEvents, FailedEvents uint64
}

func (m *Moments) add(o *Moments) {
	m.Windows += o.Windows
	for f := range counted {
		m.Sum[f] += o.Sum[f]
		m.Square[f] += o.Square[f]
	}
	m.DeniedEvents += o.DeniedEvents
	m.FailedEvents += o.FailedEvents
}

func (m *Moments) subtract(o *Moments) {
	m.Windows -= o.Windows
	for f := range counted {
		m.Sum[f] -= o.Sum[f]
		m.Square[f] -= o.Square[f]
	}
	m.DeniedEvents -= o.DeniedEvents
	m.FailedEvents -= o.FailedEvents
}

func (m *Moments) addWindow(x *cluster.Counts) {
	m.Windows++
	for f := range counted {
		v := uint64(x[f])
		m.Sum[f] += v
		m.Square[f] += v * v
	}
	m.DeniedEvents += uint64(x[cluster.Denied]) * uint64(x[cluster.Events])
	m.FailedEvents += uint64(x[cluster.Failed]) * uint64(x[cluster.Events])
}

// Cell is a cell of a cluster's history at one scale: an hour at the default
// short scale, one window at the longer ones.
type Cell struct {
	Cell int64 // its start divided by its length
	Moments
}

// history is what one cluster did in the trailing days, at one scale.
type history struct {
	key *fingerprint.ClusterKey
	// born is the cell of the first window; bornSeq and bornInCell are the
	// tenant's live windows before it, ever and in its cell.
	born                int64
	bornSeq, bornInCell float64
	// cells are those with events, ascending; total is their sum.
	cells []Cell
	total Moments
	// excluded are the cells that are kept out, ascending and apart.
	excluded []Span
	run      *run  // nil while the cluster is at its level
	form     *form // nil before the first window with a shape

	// spread are the fitted dispersions. They are refitted once a cell of
	// history: spreadCell is the last one.
	spread     [counted]float64
	spreadCell int64
	// told are the logarithms of the dispersions as the others know them, when
	// settled: since the last retrain.
	told    [counted]float32
	settled bool
	group   *group // of its family; nil when it is alone

	prediction Prediction

	// beyond is the end of the last window that was far beyond its baseline.
	beyond int64
}

// notFitted is the spreadCell of a history whose dispersions were never fitted.
const notFitted = -1 << 62

func (h *history) add(cell int64, x *cluster.Counts) {
	h.cells = addWindow(h.cells, cell, x)
	h.total.addWindow(x)
}

// addWindow adds a window to the last cell, or to a new one.
func addWindow(cells []Cell, cell int64, x *cluster.Counts) []Cell {
	n := len(cells)
	if n == 0 || cells[n-1].Cell != cell {
		cells = append(cells, Cell{Cell: cell})
		n++
	}
	cells[n-1].addWindow(x)
	return cells
}

// expire removes the cells before first.
func (h *history) expire(first int64) {
	n := 0
	for n < len(h.cells) && h.cells[n].Cell < first {
		h.total.subtract(&h.cells[n].Moments)
		n++
	}
	h.cells = slices.Delete(h.cells, 0, n)
	if h.run != nil {
		old := func(c Cell) bool { return c.Cell < first }
		h.run.as, h.run.bounded = slices.DeleteFunc(h.run.as, old), slices.DeleteFunc(h.run.bounded, old)
	}
	h.excluded = slices.DeleteFunc(h.excluded, func(s Span) bool { return s.Last < first })
}

// cell returns a cell, nil when the cluster had no events in it.
func (h *history) cell(cell int64) *Cell {
	i := sort.Search(len(h.cells), func(i int) bool { return h.cells[i].Cell >= cell })
	if i < len(h.cells) && h.cells[i].Cell == cell {
		return &h.cells[i]
	}
	return nil
}
