package cluster

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

func TestLimitsValidate(t *testing.T) {
	if err := DefaultLimits().Validate(); err != nil {
		t.Fatal(err)
	}
	err := Limits{MaxNewClusters: maxRate + 1, MaxSeen: maxEntries + 1}.Validate()
	for _, name := range []string{"max_clusters: 0", "max_new_clusters: 1000001", "max_fingerprints: 0", "max_seen: 67108865", "max_seen_per_subject: 0"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q is not named in: %v", name, err)
		}
	}
}

func TestBucket(t *testing.T) {
	const minute = int64(time.Minute)
	for _, test := range []struct {
		perHour  int
		at, want []int64 // minutes, and how many are taken then, of as many as one likes
	}{
		{1, []int64{100, 101, 159, 160, 300}, []int64{1, 0, 0, 1, 1}},
		{6, []int64{100, 105, 110, 130, 131, 200}, []int64{6, 0, 1, 2, 0, 6}},
		{7, []int64{100, 108, 109}, []int64{7, 0, 1}},
		{maxRate, []int64{100, 100}, []int64{maxRate, 0}},
	} {
		var b bucket
		for i, at := range test.at {
			got := int64(0)
			for b.take(at*minute, test.perHour) {
				got++
			}
			if got != test.want[i] {
				t.Errorf("%d an hour: %d taken at minute %d, want %d", test.perHour, got, at, test.want[i])
			}
		}
	}
}

// limitsFor are limits with a number of clusters.
func limitsFor(clusters int) Limits {
	l := DefaultLimits()
	l.MaxClusters = clusters
	return l
}

// Limits are in force from the first pane that begins at their time, whatever
// has been added by then, and the last word about a time counts.
func TestSetLimits(t *testing.T) {
	start := int64(1_700_000_040e9)
	for _, test := range []struct {
		name string
		set  map[int64]int // seconds after the start to clusters
		want []int         // clusters after each of five panes with three new ones each
	}{
		{"none", nil, []int{3, 6, 9, 12, 15}},
		{"from the past", map[int64]int{-100: 4}, []int{3, 4, 4, 4, 4}},
		{"from a pane", map[int64]int{20: 4}, []int{3, 6, 6, 6, 6}},
		{"from inside of a pane", map[int64]int{11: 4}, []int{3, 6, 6, 6, 6}},
		{"two in a row", map[int64]int{10: 4, 30: 8}, []int{3, 4, 4, 7, 8}},
		{"two for one pane", map[int64]int{11: 1, 15: 7}, []int{3, 6, 7, 7, 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := New(smallConfig())
			known := map[int64]Limits{}
			for from, n := range test.set {
				known[start+from*1e9] = limitsFor(n)
			}
			for from := int64(-100); from < 100; from++ {
				if l, ok := known[start+from*1e9]; ok {
					if from < 0 {
						w.SetLimits(start+from*1e9+5, map[string]Limits{"t": limitsFor(1)}) // replaced
					}
					w.SetLimits(start+from*1e9, map[string]Limits{"t": l})
				}
			}
			var got []int
			for pane := range 6 {
				for i := range 3 {
					e := fingerprint.Event{Time: start + int64(pane)*10e9}
					w.Add(&e, printOf("t", fmt.Sprint(pane, i), "get", "x", fingerprint.AccessRead), Origin{RecordTime: e.Time})
				}
				w = reload(t, w)
				if pane > 0 {
					w.closePane(start + int64(pane)*10e9)
					got = append(got, w.Stats().Clusters)
				} else {
					w.start(start)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("clusters %v, want %v", got, test.want)
			}
		})
	}
}

func TestSetLimitsRefusesInvalidOnes(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, `tenant "t": max_clusters: -1`) {
			t.Error(text)
		}
	}()
	New(smallConfig()).SetLimits(0, map[string]Limits{"t": limitsFor(-1)})
}

// The caller's map is the caller's.
func TestSetLimitsCopies(t *testing.T) {
	given := map[string]Limits{"t": limitsFor(5)}
	kept := maps.Clone(given)
	w := New(smallConfig())
	w.SetLimits(0, given)
	given["t"] = limitsFor(6)
	w.turnLimits(0)
	if got := *w.limitsOf("t"); got != kept["t"] || *w.limitsOf("other") != w.cfg.Limits {
		t.Errorf("limits %+v", got)
	}
}

// Who is beyond which budget is told by tenant.
func TestRefusedByBudget(t *testing.T) {
	c := smallConfig()
	c.MaxTenants, c.MaxNewClusters = 3, 5_000
	w, v := New(c), &counter{}
	few := limitsFor(3)
	rare := DefaultLimits()
	rare.MaxNewClusters = 2
	w.SetLimits(0, map[string]Limits{"few": few, "rare": rare})
	at := int64(1_700_000_040e9)
	add := func(tenant, role string, n int) {
		for i := range n {
			e := fingerprint.Event{Time: at}
			w.Add(&e, printOf(tenant, role, "get", fmt.Sprint("x", i), fingerprint.AccessRead), Origin{RecordTime: at})
		}
	}
	add("few", "r", 10)
	add("rare", "r", 10)
	add("big", "one role", c.ClustersOfRole()+20)
	add("third", "r", 7) // after the others in the order of names: no room
	at += int64(time.Hour)
	add("big", "r", 1)
	w.Advance(v)
	want := map[string][NumBudgets]uint64{
		"few": {BudgetClusters: 7}, "rare": {BudgetRate: 8}, "big": {BudgetRole: 20}, OverflowName: {BudgetTenants: 7},
	}
	stats := w.AppendTenantStats(nil)
	for _, st := range stats {
		if st.Refused != want[st.Name] {
			t.Errorf("%s: refused %v, want %v", st.Name, st.Refused, want[st.Name])
		}
	}
	if len(stats) != len(want) {
		t.Errorf("%d tenants", len(stats))
	}
}
