package cluster

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/fingerprint"
)

const (
	floodStart = int64(1_700_000_100e9)
	floodFor   = int64(40 * time.Minute)
	calmGap    = int64(100 * time.Millisecond) // between events of the calm tenants
)

func floodConfig() Config {
	c := DefaultConfig()
	c.MaxClusters, c.MaxNewClusters, c.MaxFingerprints, c.MaxSeen = 2_000, 1_000, 1<<16, 1<<16
	c.MaxDistinct, c.MaxTenants = 256, 100
	// The longer scales are all there before the flood is over.
	c.MediumWindow, c.LongWindow, c.LongSlide = 20*time.Minute, 40*time.Minute, 10*time.Minute
	return c
}

// calm are the events of three tenants that go about their business: sometimes
// something is new, sometimes late.
func calm() []given {
	r := rand.New(rand.NewPCG(7, 8))
	few := func(n int) int { return int(float64(n) * r.Float64() * r.Float64() * r.Float64()) }
	var events []given
	for at := floodStart; at < floodStart+floodFor; at += calmGap {
		time := at
		switch r.IntN(100) {
		case 0:
			time -= r.Int64N(60e9)
		case 1, 2, 3, 4:
			time -= r.Int64N(20e9)
		}
		events = append(events, given{
			print: printOf(fmt.Sprint("calm", few(3)), fmt.Sprint("role", few(40)), "get", fmt.Sprint("resource", few(40)), fingerprint.AccessRead),
			event: fingerprint.Event{
				Time: time, User: fmt.Sprint("user", few(200)), Source: fmt.Sprint("10.0.0.", few(200)),
				Resource: fingerprint.Resource{Namespace: fmt.Sprint("namespace", few(20)), Object: fmt.Sprint("object", few(500))},
			},
		})
	}
	return events
}

// flooded gives w the events of the calm tenants, calls flood, which may add
// what it likes, between any two of them, and returns what the calm ones were
// handed out. All come from one source, whose clock is the newest event's: at is
// how far it has come by the calm ones alone.
func flooded(w *Windows, events []given, flood func(i int, at int64)) []string {
	out, at := &calmOnly{}, floodStart
	for i := range events {
		if i > 0 {
			flood(i, at)
		}
		w.Add(&events[i].event, events[i].print, Origin{RecordTime: floodStart + int64(i)*calmGap})
		at = max(at, events[i].event.Time)
		if i%64 == 0 {
			w.Advance(out)
		}
	}
	w.Finish(out)
	return out.lines
}

type calmOnly struct{ transcript }

func (c *calmOnly) Train(t *Training) {
	if t.Tenant[:4] == "calm" {
		c.transcript.Train(t)
	}
}

func (c *calmOnly) Evaluate(e *Evaluation) {
	if e.Tenant[:4] == "calm" {
		c.transcript.Evaluate(e)
	}
}

// deluge makes events of which each has a fingerprint, and all else, that no
// other has: a new resource of one role, a new role, or a new verb of one
// cluster. Every tenth is from the future, as far as it is believed, and every
// eleventh late.
type deluge struct {
	w      *Windows
	text   []byte
	n      int
	tenant func(i int) string
}

func (d *deluge) name(prefix string) string {
	d.text = strconv.AppendInt(append(d.text[:0], prefix...), int64(d.n), 36)
	return string(d.text)
}

func (d *deluge) add(at int64) {
	d.n++
	name := d.name("n")
	key := &fingerprint.ClusterKey{Tenant: d.tenant(d.n), Role: "scanner", Resource: "pods", Access: fingerprint.AccessRead}
	switch d.n % 3 {
	case 0:
		key.Resource = name
	case 1:
		key.Role = name
	}
	key.ID = fingerprint.ID(xxhash.Sum64String(key.Resource + "/" + key.Role + "/" + key.Tenant))
	e := fingerprint.Event{
		Time: at, User: name, Source: d.name("10."), Decision: fingerprint.DecisionForbid,
		Resource: fingerprint.Resource{Namespace: name, Object: name},
	}
	switch {
	case d.n%10 == 0:
		e.Time += int64(d.w.cfg.MaxAhead) - 1
	case d.n%11 == 0:
		e.Time -= int64(d.w.cfg.OutOfOrderness) + 30e9
	}
	d.w.Add(&e, &fingerprint.Fingerprint{ID: fingerprint.ID(d.n), Verb: name, Cluster: key}, Origin{RecordTime: at})
}

// raceEnabled reports whether the race detector makes everything slow.
func raceEnabled() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// heap is the memory in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Memory in bytes.
const (
	slotBytes = uint64(unsafe.Sizeof(slot{})) * 8 / 3 * 2 // of an entry: tables are 3/8 full at least, and outgrown ones are kept for others
	// partialBytes are of a partial of one event with its seven tables, key,
	// sample and name, seriesBytes of a cluster with its own.
	partialBytes = 1500
	seriesBytes  = 2500
	// reachBytes are of what such a cluster has at a longer scale: itself (0.4 KB),
	// a step with its names (0.5), four tables of marks (0.3), what is shown (0.6),
	// a row that waits to become final (0.3), and a late partial.
	reachBytes = 2100 + partialBytes
	// scales are the longer ones.
	scales = uint64(2)
)

// mostOf is how much one tenant may take by its limits when no cluster of it but
// two has more than a few events.
func mostOf(c *Config) uint64 {
	seen := 2 * 2 * slotBytes * uint64(c.MaxFingerprints+4*c.MaxSeen) // two generations, keys and quotas
	open := uint64(fullPanes*max(c.MaxClusters, minOpen)) * partialBytes
	clusters := uint64(c.MaxClusters) * (seriesBytes + 2*partialBytes + scales*reachBytes)
	// The overflow and one cluster have all their sets full in each pane that is
	// kept: two windows, and what is open.
	panes := uint64((2*c.Window + c.OutOfOrderness + c.MaxAhead + c.Grace) / c.Pane)
	full := 2 * panes * uint64(2*c.MaxDistinct) * (6*slotBytes + 100)
	// At a longer scale they have a name for every subject of a step and for some
	// objects, namespaces and sources; and marks of all four, up to the double cap
	// and those of one more step.
	steps := uint64(c.MediumWindow/c.MediumSlide+c.LongWindow/c.LongSlide) + 2*scales
	full += 2 * steps * uint64(c.MaxDistinct+3*topsOfStep) * (slotBytes + 100)
	full += 2 * scales * numSets * uint64(3*c.MaxDistinct) * slotBytes
	// What one step is gathered in holds the keys of all its panes.
	full += numSets * uint64(c.MediumSlide/c.Pane) * uint64(c.MaxDistinct) * slotBytes
	return seen + open + clusters + full
}

// A tenant that sends ten million distinct fingerprints costs bounded memory
// and changes nothing for the others: not one bit of what is handed out about
// them. They share the source with it.
func TestFloodOfFingerprints(t *testing.T) {
	if testing.Short() {
		t.Skip("ten million events: skipped by -short")
	}
	n := 10_000_000
	if raceEnabled() {
		n /= 20
	}
	events := calm()
	want := flooded(New(floodConfig()), events, func(int, int64) {})
	before, most := heap(), uint64(0)
	w := New(floodConfig())
	d := &deluge{w: w, tenant: func(int) string { return "flood" }}
	got := flooded(w, events, func(i int, at int64) {
		for d.n < n*(i+1)/len(events) {
			d.add(at)
		}
		if i%4_000 == 0 {
			most = max(most, heap())
		}
	})
	grown, bound := most-before, mostOf(&w.cfg)+50<<20 // and the calm, and the transcript
	t.Logf("%d MB more for %d fingerprints, at most %d", grown>>20, d.n, bound>>20)
	if grown > bound {
		t.Errorf("the heap has grown by %d MB, the bound is %d", grown>>20, bound>>20)
	}
	if i := firstDifference(want, got); i >= 0 {
		t.Errorf("the calm tenants differ at line %d of %d:\n%s\n%s\n%s", i, len(want), want[i-1], want[i], got[i])
	}
	var events64, refused uint64
	for _, st := range w.AppendTenantStats(nil) {
		for _, r := range st.Refused {
			refused += r
		}
		if st.Name == "flood" && !raceEnabled() && (st.Clusters > w.cfg.MaxClusters || st.Fingerprints > w.cfg.MaxFingerprints || st.UnknownFingerprints == 0 || st.UnknownPairs == 0) {
			t.Errorf("budgets are not kept: %+v", st)
		}
	}
	o := w.Stats().Outcomes
	for _, x := range o {
		events64 += x
	}
	if refused != o[Overflow] || events64 != uint64(d.n+len(events)) {
		t.Errorf("%d events refused, outcomes %v of %d", refused, o, d.n+len(events))
	}
}

// The tenants that were there first keep their room in a flood of tenants, and
// the operator can make room for one more.
func TestFloodOfTenants(t *testing.T) {
	if testing.Short() {
		t.Skip("a million events: skipped by -short")
	}
	n := 1_000_000
	if raceEnabled() {
		n /= 20
	}
	events := calm()
	want := flooded(New(floodConfig()), events, func(int, int64) {})
	before, most := heap(), uint64(0)
	w := New(floodConfig())
	d := &deluge{w: w, tenant: func(i int) string { return "flood" + strconv.Itoa(i) }}
	w.SetLimits(floodStart+floodFor*3/4, map[string]Limits{"late": DefaultLimits()})
	late := printOf("late", "r", "get", "pods", fingerprint.AccessRead)
	got := flooded(w, events, func(i int, at int64) {
		for i > len(events)/10 && d.n < n*(i+1)/len(events) {
			d.add(at)
		}
		if i > len(events)/5 && i%1000 == 0 {
			w.Add(&fingerprint.Event{Time: at}, late, Origin{RecordTime: at})
		}
		if i%4_000 == 0 {
			most = max(most, heap())
		}
	})
	// Every tenant but the calm ones has one event and one cluster.
	grown := most - before
	bound := uint64(w.cfg.MaxTenants)*(2_000+seriesBytes+partialBytes+scales*reachBytes) + fullPanes*minOpen*(partialBytes+500) + mostOf(&w.cfg) + 50<<20
	t.Logf("%d MB more for %d tenants, at most %d", grown>>20, d.n, bound>>20)
	if grown > bound {
		t.Errorf("the heap has grown by %d MB, the bound is %d", grown>>20, bound>>20)
	}
	if i := firstDifference(want, got); i >= 0 {
		t.Errorf("the calm tenants differ at line %d of %d:\n%s\n%s\n%s", i, len(want), want[i-1], want[i], got[i])
	}
	stats := w.AppendTenantStats(nil)
	if st := w.Stats(); st.Tenants != w.cfg.MaxTenants+1 || len(stats) != w.cfg.MaxTenants+2 {
		t.Errorf("%d tenants, %d with statistics", st.Tenants, len(stats))
	}
	if !slices.ContainsFunc(stats, func(s TenantStats) bool { return s.Name == "late" && s.Clusters == 1 }) {
		t.Error("the listed tenant was not admitted")
	}
}

// firstDifference returns where two transcripts part, -1 for nowhere.
func firstDifference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}
