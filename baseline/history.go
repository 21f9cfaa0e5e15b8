package baseline

import (
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

// Cell is one hour of a cluster's history.
type Cell struct {
	Hour int64 // hours since the Unix epoch
	Moments
}

// history is what one cluster did in the trailing days.
type history struct {
	key *fingerprint.ClusterKey
	// born is the start of the first window; bornSeq and bornInHour are the
	// tenant's live windows before it, ever and in its hour.
	born                int64
	bornSeq, bornInHour float64
	// cells are the hours with events, ascending; total is their sum and daily
	// their sum by hour of the day (Sum and Windows only).
	cells []Cell
	total Moments
	daily [24][counted]uint64

	// spread are the fitted dispersions. They are refitted once an hour of
	// history: spreadHour is the last one.
	spread     [counted]float64
	spreadHour int64

	prediction Prediction
}

func (h *history) add(hour int64, x *cluster.Counts) {
	n := len(h.cells)
	if n == 0 || h.cells[n-1].Hour != hour {
		h.cells = append(h.cells, Cell{Hour: hour})
		n++
	}
	h.cells[n-1].addWindow(x)
	h.total.addWindow(x)
	day := &h.daily[hourOfDay(hour)]
	for f := range counted {
		day[f] += uint64(x[f])
	}
}

// expire removes the hours before first.
func (h *history) expire(first int64) {
	n := 0
	for n < len(h.cells) && h.cells[n].Hour < first {
		c := &h.cells[n]
		h.total.subtract(&c.Moments)
		day := &h.daily[hourOfDay(c.Hour)]
		for f := range counted {
			day[f] -= c.Sum[f]
		}
		n++
	}
	if n > 0 {
		h.cells = append(h.cells[:0], h.cells[n:]...)
	}
}

// cell returns the cell of an hour, nil when the cluster had no events in it.
func (h *history) cell(hour int64) *Cell {
	i := sort.Search(len(h.cells), func(i int) bool { return h.cells[i].Hour >= hour })
	if i < len(h.cells) && h.cells[i].Hour == hour {
		return &h.cells[i]
	}
	return nil
}

// liveHours counts a tenant's live windows: those in which its source was
// seen. A cluster that is not listed in a live window had a window of zeros.
type liveHours struct {
	hours []LiveHour // ascending
	total float64    // of hours
	ever  float64    // also of expired hours
	daily [24]float64
}

// LiveHour is how many windows of a tenant were live in an hour.
type LiveHour struct {
	Hour    int64
	Windows float64
}

func (l *liveHours) add(hour int64) {
	n := len(l.hours)
	if n == 0 || l.hours[n-1].Hour != hour {
		l.hours = append(l.hours, LiveHour{Hour: hour})
		n++
	}
	l.hours[n-1].Windows++
	l.total++
	l.ever++
	l.daily[hourOfDay(hour)]++
}

func (l *liveHours) expire(first int64) {
	n := 0
	for n < len(l.hours) && l.hours[n].Hour < first {
		l.total -= l.hours[n].Windows
		l.daily[hourOfDay(l.hours[n].Hour)] -= l.hours[n].Windows
		n++
	}
	l.hours = append(l.hours[:0], l.hours[n:]...)
}

func (l *liveHours) at(hour int64) float64 {
	i := sort.Search(len(l.hours), func(i int) bool { return l.hours[i].Hour >= hour })
	if i < len(l.hours) && l.hours[i].Hour == hour {
		return l.hours[i].Windows
	}
	return 0
}

// of returns how many live windows of an hour the cluster has lived.
func (l *liveHours) of(h *history, hour int64) float64 {
	born := h.born / nanosPerHour
	switch {
	case hour < born:
		return 0
	case hour == born:
		return max(l.at(hour)-h.bornInHour, 0) // 0 when the hour has expired
	default:
		return l.at(hour)
	}
}

// lived returns how many live windows of the history the cluster has lived.
func (l *liveHours) lived(h *history) float64 {
	return min(l.total, l.ever-h.bornSeq)
}

// hourOfDay is 0 to 23, in UTC.
func hourOfDay(hour int64) int64 { return ((hour % 24) + 24) % 24 }
