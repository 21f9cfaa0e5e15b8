package cluster

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValidateFindsEveryProblem(t *testing.T) {
	err := Config{Pane: time.Second, Slide: 1500 * time.Millisecond, Window: 4 * time.Second}.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, name := range []string{
		"slide: 1.5s is not a multiple of pane (1s)", "window: 4s is not a multiple of slide (1.5s)",
		"max_ahead", "max_gap", "max_clusters", "max_tenants", "max_distinct", "max_seen:", "max_seen_per_subject", "seen_for",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q is not named in: %v", name, err)
		}
	}
}

func TestEventTimesAtTheEndsOfTheWorld(t *testing.T) {
	fp := printOf("a", "r", "get", "pods", fingerprint.AccessRead)
	for _, c := range []struct {
		time, record int64
		want         Outcome
	}{
		{math.MinInt64, 0, LateDropped},
		{math.MinInt64, math.MinInt64, LateDropped},
		{-1, 1, LateDropped},
		{0, 0, Clustered},
		{0, math.MaxInt64, Clustered},
		{maxTime, math.MaxInt64, Clustered},
		{maxTime, 1, RejectedAhead},
		{maxTime + 1, math.MaxInt64, RejectedAhead},
		{math.MaxInt64, math.MaxInt64, RejectedAhead},
		{math.MaxInt64, 0, RejectedAhead},
	} {
		w := New(DefaultConfig())
		if got := w.Add(&fingerprint.Event{Time: c.time}, fp, Origin{RecordTime: c.record}); got != c.want {
			t.Errorf("time %d of record %d: %v, want %v", c.time, c.record, got, c.want)
		}
		w.Advance(&counter{})
		w.Finish(&counter{})
	}
}

// A century between two events must not cost a century of panes, however many
// tenants there are.
func TestGapsCostNothing(t *testing.T) {
	w, v := New(DefaultConfig()), &counter{}
	at := int64(1_700_000_000e9)
	for i := range 40 {
		e := fingerprint.Event{Time: at + int64(i)*int64(50*365*24*time.Hour)/40}
		w.Add(&e, printOf(strings.Repeat("t", i%5+1), "r", "get", "pods", fingerprint.AccessRead), Origin{RecordTime: e.Time})
		w.Advance(v)
	}
	if v.evaluations == 0 || v.evaluations > 40*5*50 {
		t.Errorf("%d evaluations", v.evaluations)
	}
}

func TestRestoreRefuses(t *testing.T) {
	source := New(DefaultConfig())
	l := newLoad(10, 10)
	for range 10_000 {
		l.add(source, &counter{})
	}
	for _, c := range []struct {
		name  string
		spoil func(*State)
	}{
		{"another version", func(s *State) { s.Version++ }},
		{"another pane", func(s *State) { s.Pane++ }},
		{"a key that is not there", func(s *State) { s.Keys = nil }},
		{"a name that is not there", func(s *State) { s.Names = nil }},
		{"a clock out of range", func(s *State) { s.Sources[0].Next = 99 }},
		{"half a tally", func(s *State) { s.Tenants[0].Clusters[0].Ring[0].Subjects.IDs = []uint32{} }},
		{"a window out of range", func(s *State) { s.Tenants[0].Clusters[0].Win = 1000 }},
		{"a tenant twice", func(s *State) { s.Tenants = append(s.Tenants, s.Tenants[0]) }},
		{"a training without its cluster", func(s *State) {
			s.Pending = []SavedTraining{{Tenants: []SavedRows{{Name: "t", Clusters: []fingerprint.ID{42}, Counts: make([]Counts, 1)}}}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := source.Snapshot()
			c.spoil(&st)
			w := New(DefaultConfig())
			if err := w.Restore(st); err == nil {
				t.Fatal("accepted")
			}
			if st := w.Stats(); st != (Stats{}) {
				t.Fatalf("not empty afterwards: %+v", st)
			}
		})
	}
}

// The policy may name a role with more authority in the middle of a pane: the
// better source wins, whatever the order.
func TestBestRoleSourceWins(t *testing.T) {
	plain := printOf("a", "r", "get", "pods", fingerprint.AccessRead)
	sourced := func(source uint8) *fingerprint.Fingerprint {
		key := *plain.Cluster
		key.RoleSource += 0
		for range source {
			key.RoleSource++
		}
		return &fingerprint.Fingerprint{ID: plain.ID, Cluster: &key}
	}
	for _, order := range [][]uint8{{0, 2, 1}, {1, 0, 2}, {2, 1, 0}} {
		w := New(DefaultConfig())
		for _, source := range order {
			w.Add(&fingerprint.Event{Time: 1e18}, sourced(source), Origin{RecordTime: 1e18})
		}
		w.Add(&fingerprint.Event{Time: 1e18 + 600e9}, plain, Origin{RecordTime: 1e18 + 600e9})
		var got []uint8
		w.Advance(visitor(func(e *Evaluation) { got = append(got, uint8(e.Windows[0].Cluster.RoleSource)) }))
		if len(got) == 0 || slices.Max(got) != 1 || slices.Min(got) != 1 {
			t.Errorf("order %v: role sources %v, want 1", order, got)
		}
	}
}

// visitor is a Visitor of evaluations with windows only.
type visitor func(*Evaluation)

func (v visitor) Train(*Training) {}
func (v visitor) Evaluate(e *Evaluation) {
	if len(e.Windows) > 0 {
		v(e)
	}
}
