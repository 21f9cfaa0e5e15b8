package baseline

import (
	"math"
	"slices"

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
	cells cells
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
	c := windowCell(cell, x)
	h.cells.add(&c)
	h.total.add(&c.Moments)
}

// forgets takes a cell that is removed out of the total.
func (h *history) forgets(c *Cell) { h.total.subtract(&c.Moments) }

// expire removes the cells before first.
func (h *history) expire(first int64) {
	h.cells.remove(math.MinInt64, first-1, h.forgets)
	if h.run != nil {
		h.run.as.remove(math.MinInt64, first-1, nil)
		h.run.bounded.remove(math.MinInt64, first-1, nil)
	}
	h.excluded = slices.DeleteFunc(h.excluded, func(s Span) bool { return s.Last < first })
}
