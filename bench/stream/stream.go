// Package stream holds recordings in memory, decoded and fingerprinted, so that
// one of them can be given many times to whatever is measured on it: to the
// engine in another configuration, to other detectors, with attacks put in.
package stream

import (
	"slices"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

// Tenant is the tenant of all events.
const Tenant = "default"

// Item is what is counted of an event, in little room.
type Item struct {
	Time, Latency                   int64 // as in [fingerprint.Event]
	User, Namespace, Object, Source string
	// Line is the event as a line of text (verb, URI, user agent), where the
	// stream was read with its text; else empty.
	Line     string
	Code     int32
	Origin   int32 // the source that it came from, see [cluster.Windows.Add]
	Decision fingerprint.Decision
	Print    *fingerprint.Fingerprint
}

// fill writes what is counted into e.
func (it *Item) fill(e *fingerprint.Event) {
	e.Time, e.Latency, e.User, e.Source = it.Time, it.Latency, it.User, it.Source
	e.Tenant, e.Verb = it.Print.Cluster.Tenant, it.Print.Verb
	e.Resource.Namespace, e.Resource.Object = it.Namespace, it.Object
	e.Code, e.Decision = int(it.Code), it.Decision
}

// batch is how many events are counted between two looks at the watermark: no
// result depends on it.
const batch = 64

// Feed gives the items to an engine, which is not finished.
func Feed(e *engine.Engine, items []Item) {
	w := e.Windows()
	var ev fingerprint.Event
	for i := range items {
		it := &items[i]
		it.fill(&ev)
		w.Add(&ev, it.Print, cluster.Origin{Source: int(it.Origin), Offset: -1})
		if i%batch == 0 {
			e.Advance()
		}
	}
	e.Advance()
}

// Outcome is what an engine came to.
type Outcome struct {
	// Alerts are all changes, in order.
	Alerts []alert.Alert
	// First and Last are the start of the first window and the end of the last
	// one, in Unix nanoseconds; zero without any.
	First, Last int64
	// Evaluated and Exceeded count windows of clusters.
	Evaluated, Exceeded int
}

// Observe returns an observer that writes to the outcome.
func (o *Outcome) Observe() engine.Observer {
	return engine.Observer{Found: func(_ *cluster.Evaluation, r anomaly.Result) {
		if o.First == 0 {
			o.First = r.Start.UnixNano()
		}
		o.Last = r.End.UnixNano()
		o.Evaluated += r.Evaluated
		o.Exceeded += r.Exceedances
		for i := range r.Changes {
			o.Alerts = append(o.Alerts, alert.From(&r.Changes[i], alert.Config{}, nil))
		}
	}}
}

// Run gives the items to a new engine and finishes it.
func Run(cfg engine.Config, policies fingerprint.Policies, items []Item) *Outcome {
	var o Outcome
	e := engine.New(cfg, policies, o.Observe())
	AddSources(e, items)
	Feed(e, items)
	e.Finish()
	return &o
}

// AddSources tells an engine which sources the items come from.
func AddSources(e *engine.Engine, items []Item) {
	known := map[int32]bool{}
	for i := range items {
		known[items[i].Origin] = true
	}
	var ids []int
	for id := range known {
		ids = append(ids, int(id))
	}
	slices.Sort(ids)
	for _, id := range ids {
		e.Windows().AddSource(id, "recording")
	}
}

// Merge returns the items of both lists, each in its own order, by time: an item
// of b goes before the first one of a that is later.
func Merge(a, b []Item) []Item {
	out := make([]Item, 0, len(a)+len(b))
	for _, it := range a {
		for len(b) > 0 && b[0].Time < it.Time {
			out, b = append(out, b[0]), b[1:]
		}
		out = append(out, it)
	}
	return append(out, b...)
}

// Between returns the items from one time on and before another: a part of the
// list, which is in order to within seconds.
func Between(items []Item, from, to int64) []Item {
	lo, _ := slices.BinarySearchFunc(items, from, compareTime)
	hi, _ := slices.BinarySearchFunc(items, to, compareTime)
	return items[lo:hi]
}

func compareTime(it Item, at int64) int {
	switch {
	case it.Time < at:
		return -1
	case it.Time > at:
		return 1
	}
	return 0
}
