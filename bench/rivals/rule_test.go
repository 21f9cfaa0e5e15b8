package rivals

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/fingerprint"
)

func TestRuleTellsOnce(t *testing.T) {
	at := func(window int, z float64) Score {
		return Score{End: int64(window) * Window, Cluster: &fingerprint.ClusterKey{}, Z: z}
	}
	scores := []Score{
		at(1, 9), at(2, 9), at(3, 1), at(4, 9), // one story
		at(10, 9),             // ended at 6, cooling down until 30
		at(29, 9),             // still
		at(31, 3), at(32, -9), // again, by a drop
	}
	var ends []int64
	for _, a := range Fair(4).Alerts(scores) {
		ends = append(ends, a.FiredAt.UnixNano()/Window)
	}
	if !slices.Equal(ends, []int64{1, 32}) {
		t.Errorf("told at windows %v", ends)
	}
	if n := len(Plain(4).Alerts(scores)); n != 5 {
		t.Errorf("the plain rule told %d times, want 5", n)
	}
	var crowd []Score
	for i := range 12 {
		s := at(1, float64(5+i))
		s.Series = i
		crowd = append(crowd, s)
	}
	told := Fair(4).Alerts(crowd)
	if len(told) != 10 || told[0].Z != 16 || told[9].Z != 7 {
		t.Errorf("%d told", len(told))
	}
}

// NumPy: x = [0]*10 + [1, 3, 2, 0]; (9 - x.mean()) / x.std(ddof=1), and the same
// with a median and mean absolute deviation.
func TestMethodsAgainstNumPy(t *testing.T) {
	past := []float64{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 2, 0}
	for name, c := range map[string]struct {
		by   method
		want float64
	}{
		"gaussian": {&gaussian{}, 9.141742},
		"robust":   {&robust{}, 9 / (1.2533 * 6 / 14)},
		"pooled":   {&pooled{}, 9.141742},
	} {
		for _, n := range past {
			if z, _, ok := c.by.score(0, n); ok && math.IsNaN(z) {
				t.Errorf("%s: not a number", name)
			}
			c.by.learn([]float64{n})
		}
		twin := c.by.clone()
		twin.learn([]float64{1e6})
		if z, _, ok := c.by.score(0, 9); !ok || math.Abs(z-c.want) > 1e-3 {
			t.Errorf("%s: z %v, %v, want %v", name, z, ok, c.want)
		}
	}
}

// An equally weighted start and a known step: the mean follows it by its weight.
func TestEWMAFollows(t *testing.T) {
	e := &ewma{}
	for range Trailing {
		e.learn([]float64{10})
	}
	e.learn([]float64{20})
	want := 10 + 10*ewmaWeight
	if math.Abs(e.mean[0]-want) > 1e-9 {
		t.Errorf("mean %v, want %v", e.mean[0], want)
	}
	if z, _, ok := e.score(0, want+3*math.Sqrt(e.variance[0])); !ok || math.Abs(z-3) > 1e-9 {
		t.Errorf("z %v", z)
	}
}

func TestDrain(t *testing.T) {
	d := newDrain()
	a := d.match("get /api/v1/namespaces/team-a/pods/web agent")
	b := d.match("get /api/v1/namespaces/team-b/pods/db agent")
	c := d.match("delete /api/v1/namespaces/team-b/pods/db agent")
	if a != b || a == c {
		t.Errorf("templates %d %d %d", a, b, c)
	}
	if got := fmt.Sprint(d.templates[a].tokens); got != "[get api v1 namespaces <*> pods <*> agent]" {
		t.Errorf("template %s", got)
	}
	twin := d.clone().(*drain)
	twin.match("get /api/v1/namespaces/team-b/configmaps/db other")
	if got := fmt.Sprint(d.templates[a].tokens); got != "[get api v1 namespaces <*> pods <*> agent]" || len(twin.templates) < 2 {
		t.Errorf("the copy shares memory: %s", got)
	}
	for i := range 1000 {
		d.match(fmt.Sprintf("word%c%c x y", 'a'+i%26, 'a'+i/26%26))
	}
	if n := len(d.root[3].children); n > drainChildren+1 {
		t.Errorf("%d children", n)
	}
}

// Events that come late by seconds count in their own window; a copy goes on as
// the original does.
func TestRivalCountsWindows(t *testing.T) {
	key := &fingerprint.ClusterKey{ID: 1}
	item := func(at time.Duration, user string) stream.Item {
		return stream.Item{Time: int64(at), User: user, Print: &fingerprint.Fingerprint{Cluster: key}}
	}
	var items []stream.Item
	for m := range 120 {
		items = append(items, item(time.Duration(m)*time.Minute, "a"))
	}
	for i := range 40 {
		items = append(items, item(2*time.Hour+time.Duration(i)*time.Second, "b"))
	}
	items = append(items, item(2*time.Hour+301*time.Second, "c"), item(2*time.Hour+299*time.Second, "b"))
	end := []stream.Item{item(3*time.Hour, "a")}

	r := All()[0]
	var got, copied []Score
	r.Feed(items, func(s Score) { got = append(got, s) })
	twin := r.Clone()
	r.Feed(end, func(s Score) { got = append(got, s) })
	twin.Feed(end, func(s Score) { copied = append(copied, s) })
	burst := slices.IndexFunc(got, func(s Score) bool { return s.End == int64(2*time.Hour)+Window })
	if burst < 0 || got[burst].Observed != 41 || got[burst].Expected != 5 || !slices.Equal(got[burst].Subjects, []string{"b"}) {
		t.Errorf("scores %+v", got)
	}
	if !slices.EqualFunc(got, copied, func(a, b Score) bool { return a.End == b.End && a.Z == b.Z }) {
		t.Errorf("the copy came to %+v", copied)
	}
}
