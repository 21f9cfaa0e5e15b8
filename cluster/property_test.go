package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// smallConfig has budgets that a test reaches.
func smallConfig() Config {
	c := DefaultConfig()
	c.Window = 2 * time.Minute
	c.MediumWindow, c.MediumSlide = 8*time.Minute, 2*time.Minute
	c.LongWindow, c.LongSlide = 24*time.Minute, 4*time.Minute
	c.Grace = 70 * time.Second
	c.MaxGap = 4 * time.Minute
	return c
}

// printOf is a fingerprint as the fingerprint package would make it: the same
// names give the same identity.
func printOf(tenant, role, verb, resource string, access fingerprint.Access) *fingerprint.Fingerprint {
	key := &fingerprint.ClusterKey{
		Tenant: tenant, Role: role, Resource: resource, Access: access,
		ID: fingerprint.ID(xxhash.Sum64String(fmt.Sprint(tenant, "/", role, "/", resource, "/", access))),
	}
	return &fingerprint.Fingerprint{
		ID:      fingerprint.ID(xxhash.Sum64String(key.ID.String() + verb)),
		Verb:    verb,
		Cluster: key,
	}
}

// drawEvents draws the events of one source, in its order.
func drawEvents(t *rapid.T, source int) []given {
	names := func(prefix string, n int) *rapid.Generator[string] {
		return rapid.Map(rapid.IntRange(0, n), func(i int) string {
			if i == 0 {
				return ""
			}
			return fmt.Sprint(prefix, i)
		})
	}
	now := int64(1_700_000_000)
	n := rapid.IntRange(1, 60).Draw(t, "events")
	events := make([]given, 0, n)
	for range n {
		switch rapid.IntRange(0, 29).Draw(t, "step") {
		case 0:
			now += rapid.Int64Range(60, 900).Draw(t, "pause")
		case 1:
			now += rapid.Int64Range(900, 200_000).Draw(t, "gap")
		default:
			now += rapid.Int64Range(0, 20).Draw(t, "advance")
		}
		at := now
		if rapid.IntRange(0, 4).Draw(t, "order") == 0 {
			at -= rapid.Int64Range(0, 120).Draw(t, "late")
		}
		tenant := fmt.Sprint("t", rapid.IntRange(1, 3).Draw(t, "tenant"))
		role := fmt.Sprint("r", rapid.IntRange(1, 3).Draw(t, "role"))
		resource := fmt.Sprint("x", rapid.IntRange(1, 2).Draw(t, "resource"))
		verb := rapid.SampledFrom([]string{"get", "list", "bind"}).Draw(t, "verb")
		print := printOf(tenant, role, verb, resource, fingerprint.AccessRead)
		print.Cluster.RoleSource = rbac.Source(rapid.IntRange(0, 2).Draw(t, "role source"))
		print.Cluster.Power = rbac.Class(rapid.IntRange(0, 3).Draw(t, "power"))
		events = append(events, given{
			source: source,
			offset: int64(len(events)),
			print:  print,
			event: fingerprint.Event{
				ID:   fmt.Sprint("id", source, "/", len(events)),
				Time: at*1e9 + rapid.Int64Range(0, 999).Draw(t, "nanos"), Tenant: tenant, Verb: verb,
				Latency:  rapid.Int64Range(-1, 60_000).Draw(t, "latency") * 1000,
				User:     names("u", 5).Draw(t, "user"),
				Source:   names("10.0.0.", 4).Draw(t, "address"),
				Code:     rapid.SampledFrom([]int{200, 404, 0, 401, 403, 409, 429, 503}).Draw(t, "code"),
				Decision: rapid.SampledFrom([]fingerprint.Decision{fingerprint.DecisionAllow, fingerprint.DecisionForbid}).Draw(t, "decision"),
				Resource: fingerprint.Resource{
					Name: resource, Namespace: names("n", 3).Draw(t, "namespace"), Object: names("o", 4).Draw(t, "object"),
				},
			},
		})
	}
	return events
}

func drawStreams(t *rapid.T) [][]given {
	streams := make([][]given, rapid.IntRange(1, 3).Draw(t, "sources"))
	for i := range streams {
		streams[i] = drawEvents(t, i)
	}
	return streams
}

func drawConfig(t *rapid.T) (c Config, coarse bool) {
	c = smallConfig()
	c.MaxClusters = rapid.SampledFrom([]int{2, 100}).Draw(t, "max clusters")
	c.MaxNewClusters = rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "max new clusters")
	c.MaxTenants = rapid.SampledFrom([]int{2, 100}).Draw(t, "max tenants")
	c.Slide = rapid.SampledFrom([]time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute}).Draw(t, "slide")
	c.Grace = rapid.SampledFrom([]time.Duration{0, 70 * time.Second, 2 * time.Minute}).Draw(t, "grace")
	switch rapid.IntRange(0, 3).Draw(t, "scales") {
	case 0:
		c.LongWindow = 0
	case 1:
		c.MediumWindow, c.LongWindow = 0, 0
	case 2:
		c.MediumSlide, c.LongSlide = 4*time.Minute, 8*time.Minute
	}
	if coarse = rapid.Bool().Draw(t, "saturate"); coarse {
		c.MaxDistinct = 2
	}
	return c, coarse
}

// drawLimits draws limits that change while events come.
func drawLimits(t *rapid.T) []oracleLimits {
	var all []oracleLimits
	from := int64(1_700_000_200e9)
	for range rapid.IntRange(0, 3).Draw(t, "changes of limits") {
		from += rapid.Int64Range(1, 600e9).Draw(t, "in force from")
		next := oracleLimits{from: from, byTenant: map[string]Limits{}}
		for i := 1; i <= 3; i++ {
			if rapid.Bool().Draw(t, "own limits") {
				l := DefaultLimits()
				l.MaxClusters = rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "clusters")
				l.MaxNewClusters = rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "new clusters")
				next.byTenant[fmt.Sprint("t", i)] = l
			}
		}
		all = append(all, next)
	}
	return all
}

// limit gives w the limits.
func limit(w *Windows, all []oracleLimits) *Windows {
	for _, l := range all {
		w.SetLimits(l.from, l.byTenant)
	}
	return w
}

// interleave draws an order of all events that keeps the order of each source.
func interleave(t *rapid.T, streams [][]given) []given {
	at := make([]int, len(streams))
	var order []given
	for {
		var left []int
		for i := range streams {
			if at[i] < len(streams[i]) {
				left = append(left, i)
			}
		}
		if len(left) == 0 {
			return order
		}
		i := rapid.SampledFrom(left).Draw(t, "next")
		order = append(order, streams[i][at[i]])
		at[i]++
	}
}

func newWindows(c Config, sources int) *Windows {
	w := New(c)
	for i := range sources {
		w.AddSource(i, fmt.Sprint("source", i))
	}
	return w
}

// feed gives the events to w, advancing after some of them.
func feed(t *rapid.T, w *Windows, events []given, out *transcript) {
	often := rapid.IntRange(0, 3).Draw(t, "advance often")
	for i := range events {
		g := &events[i]
		w.Add(&g.event, g.print, Origin{Source: g.source, Offset: g.offset, RecordTime: g.event.Time})
		if rapid.IntRange(0, often*5).Draw(t, "advance") == 0 {
			w.Advance(out)
		}
	}
	w.Advance(out)
}

func diff(t *rapid.T, what string, want, got []string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	for i := range max(len(want), len(got)) {
		a, b := "(end)", "(end)"
		if i < len(want) {
			a = want[i]
		}
		if i < len(got) {
			b = got[i]
		}
		if a != b {
			t.Logf("before: %v", want[max(0, i-4):i])
			t.Fatalf("%s differs at line %d:\nwant %s\ngot  %s", what, i, a, b)
		}
	}
}

func TestWindowsEqualOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, coarse := drawConfig(t)
		streams := drawStreams(t)
		events := interleave(t, streams)
		got := &transcript{coarse: coarse}
		limits := drawLimits(t)
		w := limit(newWindows(c, len(streams)), limits)
		feed(t, w, events, got)
		want := &transcript{coarse: coarse}
		o := tell(c, limits, len(streams), events, want)
		diff(t, "transcript", want.lines, got.lines)
		if w.outcomes != o.outcomes || w.refused != o.refused {
			t.Fatalf("outcomes: want %v, refused %v; got %v, %v", o.outcomes, o.refused, w.outcomes, w.refused)
		}
	})
}

func TestAnyInterleavingGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := drawConfig(t)
		streams := drawStreams(t)
		a, b := transcript{evidence: true}, transcript{evidence: true} // saturated sets included
		limits := drawLimits(t)
		feed(t, limit(newWindows(c, len(streams)), limits), interleave(t, streams), &a)
		feed(t, limit(newWindows(c, len(streams)), limits), interleave(t, streams), &b)
		diff(t, "second interleaving", a.lines, b.lines)
	})
}

// reload sends the state of w through CBOR into a new Windows.
func reload(t rapid.TB, w *Windows) *Windows {
	t.Helper()
	encoded, err := cbor.Marshal(w.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if err := cbor.Unmarshal(encoded, &st); err != nil {
		t.Fatal(err)
	}
	next := New(w.cfg)
	if err := next.Restore(st); err != nil {
		t.Fatal(err)
	}
	again, err := cbor.Marshal(next.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(encoded) {
		t.Fatalf("the restored state is another one")
	}
	return next
}

func TestRestoreGoesOnTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := drawConfig(t)
		c.MaxSeen = rapid.SampledFrom([]int{3, 1000}).Draw(t, "max seen")
		c.MaxSeenPerSubject = rapid.SampledFrom([]int{2, 1000}).Draw(t, "quota")
		c.SeenFor = rapid.SampledFrom([]time.Duration{2 * time.Hour, 100 * time.Hour}).Draw(t, "seen for")
		streams := drawStreams(t)
		events := interleave(t, streams)
		zeroTime := rapid.Bool().Draw(t, "no record times")
		limits := drawLimits(t)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(events)), 1, 4).Draw(t, "cuts")
		advance := rapid.SliceOfN(rapid.Bool(), len(events), len(events)).Draw(t, "advance")
		run := func(cut bool) []string {
			w, out := limit(newWindows(c, len(streams)), limits), &transcript{evidence: true}
			for i := range events {
				if cut && slices.Contains(cuts, i) {
					w = reload(t, w)
				}
				g := &events[i]
				record := g.event.Time
				if zeroTime {
					record = 0
				}
				out.printf("%v", w.Add(&g.event, g.print, Origin{Source: g.source, Offset: g.offset, RecordTime: record}))
				if i%7 == 0 {
					w.MarkSource(g.source, SourceState(i/7%3))
				}
				if advance[i] {
					w.Advance(out)
				}
			}
			w.Finish(out)
			out.printf("%+v %+v", w.Stats(), w.AppendTenantStats(nil))
			return out.lines
		}
		diff(t, "run with restores", run(false), run(true))
	})
}

// Nothing is lost by the budgets: what a tenant's clusters and its overflow have
// been handed out together is what was added, and every event in an overflow
// has a budget that it was beyond.
func TestTrainingsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := drawConfig(t)
		streams := drawStreams(t)
		on := rapid.SampledFrom(oracleScales(c)).Draw(t, "scale")
		sums := &sums{scale: on.scale, tenants: map[string]uint64{}}
		w := limit(newWindows(c, len(streams)), drawLimits(t))
		events := interleave(t, streams)
		// At last one more event a source, far enough on for everything to be
		// final.
		end := int64(0)
		for _, g := range events {
			end = max(end, g.event.Time)
		}
		end += (on.window + int64(c.Grace+c.OutOfOrderness)) * 2
		for i := range streams {
			events = append(events, given{i, 0, fingerprint.Event{Time: end}, printOf("last", "r", "get", "x", fingerprint.AccessRead)})
		}
		added := map[string]uint64{}
		for i := range events {
			g := &events[i]
			if o := w.Add(&g.event, g.print, Origin{Source: g.source, Offset: g.offset, RecordTime: g.event.Time}); o == Clustered || o == LateCorrected {
				added[g.print.Cluster.Tenant]++
			}
			w.Advance(sums)
		}
		delete(added, "last") // still in an open pane
		st := w.Stats()
		o := st.Outcomes
		total := uint64(0)
		for tenant, n := range added {
			total += n
			if got := sums.tenants[tenant]; got > n || got < n && c.MaxTenants == 100 {
				t.Fatalf("tenant %s has %d of %d events", tenant, got, n)
			}
		}
		if got := sums.clusters + sums.overflow; got != total {
			t.Fatalf("trainings have %d events, %d were counted (%v)", got, total, o)
		}
		if all := total + uint64(len(streams)) + o[LateDropped] + o[RejectedAhead]; all != uint64(len(events)) {
			t.Fatalf("outcomes %v of %d events", o, len(events))
		}
		refused := uint64(0)
		for _, n := range st.Refused {
			refused += n
		}
		if refused != o[Overflow] || c.Grace == 0 && refused != sums.overflow || refused > sums.overflow {
			t.Fatalf("%d events in overflows (%v), refused %v", sums.overflow, o, st.Refused)
		}
	})
}

// sums is a Visitor that adds the trainings of a scale up.
type sums struct {
	scale              Scale
	tenants            map[string]uint64
	clusters, overflow uint64
}

func (s *sums) Evaluate(*Evaluation) {}

func (s *sums) Train(t *Training) {
	if t.Scale != s.scale {
		return
	}
	for i := range t.Windows {
		n := uint64(t.Windows[i].Counts[Events])
		s.tenants[t.Tenant] += n
		if isOverflow(t.Windows[i].Cluster) {
			s.overflow += n
		} else {
			s.clusters += n
		}
	}
}
