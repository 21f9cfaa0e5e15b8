package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// load is an endless stream of events at a steady rate, without allocating:
// skewed over clusters, subjects and objects, like audit logs are.
type load struct {
	events []given
	next   int
	now    int64
	gap    int64
}

func newLoad(clusters, perSecond int) *load {
	r := rand.New(rand.NewPCG(1, 2))
	skewed := func(n int) int { return int(float64(n) * r.Float64() * r.Float64() * r.Float64()) }
	l := &load{now: 1_700_000_000e9, gap: int64(time.Second) / int64(perSecond)}
	var prints []*fingerprint.Fingerprint
	for i := range clusters {
		for _, verb := range []string{"get", "list"} {
			prints = append(prints, printOf("t", fmt.Sprintf("ClusterRole/role-%d", i/4), verb, fmt.Sprint("resource", i%50), fingerprint.AccessRead))
		}
	}
	for range 1 << 16 {
		at := skewed(len(prints))
		l.events = append(l.events, given{print: prints[at], event: fingerprint.Event{
			User:   fmt.Sprintf("system:serviceaccount:namespace-%d:account-%d", at/8, skewed(6)),
			Source: fmt.Sprintf("10.0.%d.%d", at/16, skewed(20)),
			Code:   200, Decision: fingerprint.DecisionAllow,
			Resource: fingerprint.Resource{Namespace: fmt.Sprint("namespace-", skewed(30)), Object: fmt.Sprint("object-", skewed(200))},
		}})
	}
	return l
}

// add gives the next event to w and advances now and then.
func (l *load) add(w *Windows, v Visitor) {
	g := &l.events[l.next&(len(l.events)-1)]
	g.event.Time = l.now
	w.Add(&g.event, g.print, Origin{RecordTime: l.now})
	l.now += l.gap
	if l.next++; l.next%256 == 0 {
		w.Advance(v)
	}
}

// counter counts what it is given.
type counter struct{ windows, evaluations, trainings int }

func (c *counter) Train(*Training) { c.trainings++ }
func (c *counter) Evaluate(e *Evaluation) {
	c.evaluations++
	c.windows += len(e.Windows)
}

// warm runs the load for some windows and past the training of all.
func (l *load) warm(w *Windows, v Visitor) { l.warmFor(20*time.Minute, w, v) }

func (l *load) warmFor(length time.Duration, w *Windows, v Visitor) {
	for end := l.now + int64(length); l.now < end || l.next < 2*len(l.events); {
		l.add(w, v)
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, bench := range []struct{ clusters, perSecond int }{{300, 3}, {300, 100}, {300, 5000}, {2000, 500}} {
		for _, scales := range []int{1, 3} {
			b.Run(fmt.Sprintf("clusters=%d/rate=%d/scales=%d", bench.clusters, bench.perSecond, scales), func(b *testing.B) {
				c := DefaultConfig()
				if scales == 1 {
					c.MediumWindow, c.LongWindow = 0, 0
				}
				w, l, v := New(c), newLoad(bench.clusters, bench.perSecond), &counter{}
				l.warm(w, v)
				*v = counter{}
				b.ReportAllocs()
				for b.Loop() {
					l.add(w, v)
				}
				b.ReportMetric(float64(v.windows)/float64(b.N), "windows/op")
			})
		}
	}
}

// BenchmarkEvaluate measures what one cluster costs in one evaluation, with no
// events coming in.
func BenchmarkEvaluate(b *testing.B) {
	w, l, v := New(DefaultConfig()), newLoad(300, 100), &counter{}
	l.warm(w, v)
	end := w.frontier - w.frontier%w.slide
	start := end - w.window
	*v = counter{}
	b.ReportAllocs()
	for b.Loop() {
		w.evaluate(start, end, v)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(v.windows), "ns/window")
}

func BenchmarkSnapshot(b *testing.B) {
	w, l, v := New(DefaultConfig()), newLoad(300, 100), &counter{}
	l.warm(w, v)
	b.ReportAllocs()
	for b.Loop() {
		w.Snapshot()
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, rate := range []int{3, 100} {
		c := DefaultConfig()
		c.MediumWindow, c.LongWindow, c.LongSlide = 20*time.Minute, 40*time.Minute, 10*time.Minute
		w, l, v := New(c), newLoad(300, rate), &counter{}
		l.warmFor(3*time.Hour, w, v)
		const events = 30_000
		allocs := testing.AllocsPerRun(1, func() {
			for range events {
				l.add(w, v)
			}
		})
		// Rings and pools still reach a new maximum now and then.
		if allocs > events/100 {
			t.Errorf("at %d events/s: %v allocations in %d events", rate, allocs, events)
		}
		if v.windows == 0 || v.trainings == 0 {
			t.Fatalf("nothing was handed out: %+v", *v)
		}
	}
}
