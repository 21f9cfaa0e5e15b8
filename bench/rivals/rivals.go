// Package rivals are other ways to find anomalies in the same events, as honest
// baselines to hold the project's own detection against: what many people would
// write first. They count events in windows of five minutes that do not overlap,
// and compare each count with the counts of the 24 hours before it.
//
// All are given the same events, in the same run, and their alerts are told by one
// rule ([Rule]) and judged like the project's own.
package rivals

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/fingerprint"
)

// Window is the length of the windows in nanoseconds, and Trailing how many of
// them a baseline looks back on: 24 hours.
const (
	Window   = int64(300e9)
	Trailing = 288
)

// settle is how long after its end a window is closed: events come out of order
// by seconds.
const settle = int64(20e9)

// least is how many windows there must be before there is an opinion: an hour.
const least = 12

// method is a baseline of many series of counts, numbered from 0 in the order of
// their first event. A series that is new has had windows of zero for as long as
// there are any.
type method interface {
	// score returns how far a count is from what was expected, in standard
	// deviations or what the method takes for them, and whether there is an
	// opinion. It does not change the state.
	score(series int, n float64) (z, expected float64, ok bool)
	// learn takes in a window of all series; series beyond the slice's length
	// are unknown yet.
	learn(counts []float64)
	clone() method
}

// Rival is a way to find anomalies. It is not safe for concurrent use.
type Rival struct {
	Name string
	of   grouping
	by   method

	numbers map[uint64]int
	series  []series
	counts  []float64 // scratch of close
	end     int64     // of the window in hand, 0 before any
	ahead   []stream.Item
	emit    func(Score)
}

// series is one series' window in hand.
type series struct {
	key      *fingerprint.ClusterKey // of the last event, unless mixed
	clusters map[*fingerprint.ClusterKey]float64
	subjects map[string]float64
	n        float64
}

// Score is one window of one series that stands out.
type Score struct {
	End         int64 // Unix nanoseconds
	Series      int
	Cluster     *fingerprint.ClusterKey
	Z, Observed float64
	Expected    float64
	Subjects    []string // most active first, at most 3
}

// Shown is the least |z| that is handed out.
const Shown = 2

// grouping says which series an event belongs to.
type grouping interface {
	series(*stream.Item) uint64
	clone() grouping
}

type byCluster struct{}

func (byCluster) series(it *stream.Item) uint64 { return uint64(it.Print.Cluster.ID) }
func (byCluster) clone() grouping               { return byCluster{} }

// whole is one series for everything.
type whole struct{}

func (whole) series(*stream.Item) uint64 { return 0 }
func (whole) clone() grouping            { return whole{} }

// mixed reports whether a series is not one cluster: it is then named by the most
// active one.
func (r *Rival) mixed() bool { return r.of != grouping(byCluster{}) }

// All returns one of each.
func All() []*Rival {
	return []*Rival{
		{Name: "mean and σ of 24 h, per cluster", of: byCluster{}, by: &gaussian{}},
		{Name: "median and MAD of 24 h, per cluster", of: byCluster{}, by: &robust{}},
		{Name: "EWMA mean and variance, per cluster", of: byCluster{}, by: &ewma{}},
		{Name: "EWMA control chart, per cluster", of: byCluster{}, by: &ewma{chart: 0.25}},
		{Name: "mean and σ of all the tenant's clusters", of: byCluster{}, by: &pooled{}},
		{Name: "mean and σ of the tenant's total", of: whole{}, by: &gaussian{}},
		{Name: "Drain templates, mean and σ of 24 h", of: newDrain(), by: &gaussian{}},
	}
}

// Textbook returns the plainest of detectors: the mean and σ of a full 24 hours of
// each cluster, with a σ of at least a fifth of an event.
func Textbook() *Rival {
	return &Rival{Name: "mean and σ of a full 24 h, per cluster", of: byCluster{}, by: &gaussian{least: Trailing, sigma: 0.2}}
}

// Clone returns an independent copy with the same past.
func (r *Rival) Clone() *Rival {
	c := *r
	c.by, c.of = r.by.clone(), r.of.clone()
	c.counts, c.emit = nil, nil
	c.numbers = make(map[uint64]int, len(r.numbers))
	for k, v := range r.numbers {
		c.numbers[k] = v
	}
	c.series = make([]series, len(r.series))
	for i := range r.series {
		c.series[i] = series{
			key: r.series[i].key, n: r.series[i].n,
			subjects: copied(r.series[i].subjects), clusters: copied(r.series[i].clusters),
		}
	}
	c.ahead = slices.Clone(r.ahead)
	return &c
}

func copied[K comparable](from map[K]float64) map[K]float64 {
	to := make(map[K]float64, len(from))
	for k, v := range from {
		to[k] = v
	}
	return to
}

// Feed counts the items, which are in order to within seconds, and hands out what
// stands out in every window that closes.
func (r *Rival) Feed(items []stream.Item, emit func(Score)) {
	r.emit = emit
	for i := range items {
		it := &items[i]
		if r.end == 0 {
			r.end = it.Time - it.Time%Window + Window
		}
		for it.Time >= r.end+settle {
			r.close()
		}
		if it.Time >= r.end {
			r.ahead = append(r.ahead, *it)
			continue
		}
		r.add(it)
	}
}

func (r *Rival) add(it *stream.Item) {
	if r.numbers == nil {
		r.numbers = make(map[uint64]int)
	}
	k := r.of.series(it)
	at, ok := r.numbers[k]
	if !ok {
		at = len(r.series)
		r.numbers[k] = at
		r.series = append(r.series, series{subjects: make(map[string]float64), clusters: make(map[*fingerprint.ClusterKey]float64)})
	}
	s := &r.series[at]
	s.key = it.Print.Cluster
	s.n++
	s.subjects[it.User]++
	if r.mixed() {
		s.clusters[it.Print.Cluster]++
	}
}

// close scores the window in hand, learns from it and begins the next one.
func (r *Rival) close() {
	r.counts = r.counts[:0]
	for i := range r.series {
		s := &r.series[i]
		r.counts = append(r.counts, s.n)
		if z, expected, ok := r.by.score(i, s.n); ok && math.Abs(z) >= Shown {
			r.emit(Score{End: r.end, Series: i, Cluster: s.cluster(), Z: z, Observed: s.n, Expected: expected, Subjects: top(s.subjects, 3)})
		}
		if s.n > 0 {
			s.n = 0
			clear(s.subjects)
			clear(s.clusters)
		}
	}
	r.by.learn(r.counts)
	r.end += Window
	ahead := r.ahead
	r.ahead = nil
	for i := range ahead {
		if it := &ahead[i]; it.Time >= r.end {
			r.ahead = append(r.ahead, *it)
		} else {
			r.add(it)
		}
	}
}

// cluster is what a series is called in an alert.
func (s *series) cluster() *fingerprint.ClusterKey {
	best := s.key
	for key, n := range s.clusters {
		if n > s.clusters[best] || n == s.clusters[best] && key.ID < best.ID {
			best = key
		}
	}
	return best
}

// top returns the n names with the most, ties by name.
func top(counts map[string]float64, n int) []string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return names[:min(n, len(names))]
}
