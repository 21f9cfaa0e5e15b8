package baseline

import (
	"math"
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// leveled is a store that a cluster of 20 events a window has settled in, and then
// plays windows to.
type leveled struct {
	*Store
	k  *fingerprint.ClusterKey
	i  int
	at int64
}

func newLeveled(id uint64) *leveled {
	l := &leveled{Store: New(DefaultConfig()), k: key(id), i: 2 * 288}
	l.at = steady(l.Store, l.k, l.i, func(int) uint32 { return 20 })
	return l
}

// play trains windows of so many events each, retraining after each.
func (l *leveled) play(windows int, events uint32) (shifts []Shift) {
	for range windows {
		start := origin + int64(l.i)*window
		l.i++
		var ws []cluster.Window
		if events > 0 {
			ws = append(ws, cluster.Window{Cluster: l.k, FirstPane: origin, Counts: counts(events)})
		}
		l.Train(training(start, ws...))
		l.at = start + 2*window
		shifts = append(shifts, l.Retrain(l.at)...)
	}
	return shifts
}

func (l *leveled) z(t *testing.T, events uint32) float64 {
	return opinion(t, l.Store, l.at, l.k, counts(events), cluster.Events).Z
}

// ordinary and sensitive are clusters whose level shifts by itself, and waits.
const ordinary, sensitive = 1, 5

func TestALevelThatLastsIsAShift(t *testing.T) {
	l := newLeveled(ordinary)
	began := origin + int64(l.i)*window
	if shifts := l.play(71, 200); shifts != nil {
		t.Fatalf("accepted before its time: %+v", shifts)
	}
	if z := l.z(t, 200); z < 4 {
		t.Errorf("six hours of ten times as many made themselves usual: z %v", z)
	}
	shifts := l.play(1, 200)
	if len(shifts) != 1 {
		t.Fatalf("%d shifts after six hours, want 1", len(shifts))
	}
	want := Shift{
		Tenant: "t", Cluster: l.k, At: l.at, Since: began,
		From: 20, To: 200, Feature: cluster.Events, Scale: cluster.Short,
	}
	if shifts[0] != want {
		t.Errorf("%+v, want %+v", shifts[0], want)
	}
	if z := l.z(t, 200); math.Abs(z) > 1 {
		t.Errorf("z of the new level %v", z)
	}
	if shifts := l.play(100, 200); shifts != nil {
		t.Errorf("accepted again: %+v", shifts)
	}
}

func TestADropToZeroThatLastsIsAShift(t *testing.T) {
	l := newLeveled(ordinary)
	shifts := l.play(80, 0)
	if len(shifts) != 1 || shifts[0].From != 20 || shifts[0].To != 0 {
		t.Fatalf("%+v", shifts)
	}
	missed := 0
	l.Missing(evaluation(l.at), func(*Absent) { missed++ })
	if missed != 0 {
		t.Error("it is missed for ever")
	}
}

func TestABurstTeachesItsBoundOnly(t *testing.T) {
	l := newLeveled(ordinary)
	if shifts := l.play(12, 2000); shifts != nil {
		t.Fatal(shifts)
	}
	l.play(24, 20)
	tn := &l.tenants["t"].scales[cluster.Short]
	h := tn.clusters[l.k.ID]
	if h.run != nil {
		t.Error("the run goes on without a reason")
	}
	if mean := tn.mean(h, cluster.Events); mean > 22 {
		t.Errorf("an hour of a hundred times as many makes the mean %v", mean)
	}
}

func TestSensitiveLevelsWaitForAVerdict(t *testing.T) {
	l := newLeveled(sensitive)
	began := origin + int64(l.i)*window
	if shifts := l.play(276, 200); shifts != nil {
		t.Fatalf("accepted by itself: %+v", shifts)
	}
	if z := l.z(t, 200); z < 4 {
		t.Errorf("a day at it made it usual: z %v", z)
	}
	l.Accept("t", l.k.ID, began)
	if z := l.z(t, 200); math.Abs(z) > Exceedance {
		t.Errorf("z of the accepted level %v", z)
	}
	if o := opinion(t, l.Store, l.at, l.k, counts(200), cluster.Events); o.Expected < 100 {
		t.Errorf("%v is expected at the accepted level", o.Expected)
	}
	l.play(12, 200)
	if z := l.z(t, 200); math.Abs(z) > Exceedance {
		t.Errorf("z an hour later %v", z)
	}
}

// Without a verdict the windows stay out for good.
func TestSensitiveLevelsThatEnd(t *testing.T) {
	l := newLeveled(sensitive)
	before := l.z(t, 40)
	l.play(100, 200)
	l.play(150, 20)
	h := l.tenants["t"].scales[cluster.Short].clusters[l.k.ID]
	if h.run != nil || len(h.excluded) != 1 {
		t.Errorf("run %v, excluded %v", h.run, h.excluded)
	}
	if after := l.z(t, 40); math.Abs(before-after) > 0.7 {
		t.Errorf("z of twice as many went from %v to %v", before, after)
	}
}

func TestExclude(t *testing.T) {
	l := newLeveled(ordinary)
	from := origin + int64(l.i)*window
	l.play(24, 30) // not far enough for a run
	l.play(12, 20)
	p := &l.tenants["t"].scales[cluster.Short]
	h := p.clusters[l.k.ID]
	total, lived := h.total.Sum[cluster.Events], p.live.lived(h)
	l.Exclude("t", l.k.ID, from, from+24*window)
	if got := total - h.total.Sum[cluster.Events]; got != 24*30 {
		t.Errorf("%d events are taken out, want %d", got, 24*30)
	}
	if got := lived - p.live.lived(h); got != 24 {
		t.Errorf("%v windows are taken out, want 24", got)
	}
	// Those to come as well.
	next := origin + int64(l.i)*window
	l.Exclude("t", l.k.ID, next, next+int64(time.Hour))
	total = h.total.Sum[cluster.Events]
	l.play(12, 25)
	if got := h.total.Sum[cluster.Events]; got != total {
		t.Errorf("%d events came in while excluded", got-total)
	}
	l.play(2, 25)
	if got := h.total.Sum[cluster.Events]; got != total+50 {
		t.Errorf("%d events came in afterwards, want 50", got-total)
	}
	l.Exclude("t", 999, from, next)
	l.Exclude("nobody", l.k.ID, from, next)
}

func TestSpansAreJoinedAndBounded(t *testing.T) {
	var spans []Span
	for i := range int64(40) {
		spans = joined(append(spans, Span{First: i * i, Last: i * i}))
		if len(spans) > mostSpans {
			t.Fatalf("%d spans", len(spans))
		}
	}
	h := &history{excluded: spans}
	for i := range int64(40) {
		if !h.excludes(i * i) {
			t.Errorf("%d is forgotten", i*i)
		}
	}
	if h.excludes(39*39+1) || h.excludes(39*39-1) {
		t.Error("what is new is not apart")
	}
}
