package peer

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/fingerprint"
)

// State is everything a store must keep to go on bit for bit. It holds no
// families but those of the roles that were met: after Restore, whoever called
// [Store.SetFamilies] calls it again.
type State struct{ Tenants []TenantState }

// TenantState is the state of one tenant.
type TenantState struct {
	Name           string
	Learned, Until int64
	Lived          int64
	// Keys are the clusters of the members and the waiting windows, in ascending
	// order of id.
	Keys     []fingerprint.ClusterKey
	Families []RoleFamily // in ascending order of the role
	Members  []MemberState
	Records  []RecordState
	Habits   []HabitState
	Waiting  []WaitingState
	Quality  Quality
	// Window is the length of the windows in nanoseconds, zero before the first.
	Window      int64
	Calibration calibration.State
}

// RoleFamily is the family of a role.
type RoleFamily struct{ Role, Family string }

// MemberState is what a subject did in a cluster. They are in ascending order of
// cluster and subject.
type MemberState struct {
	Cluster                 fingerprint.ID
	Subject                 string
	Windows, Events, Square float64
	Seen                    int64
}

// RecordState is how well the subjects of a family fitted it. They are in
// ascending order of the family.
type RecordState struct {
	Family                       string
	Windows, Weight, Sum, Square float64
	Seen                         int64
}

// HabitState is how well a subject fitted its family. They are in ascending order
// of family and subject.
type HabitState struct {
	Family, Subject string
	Windows, Sum    float64
	Seen            int64
}

// WaitingState is a window that is still too near to be judged by.
type WaitingState struct {
	Start, End int64

	Lessons []LessonState
	Records []RecordLesson
	Habits  []HabitLesson
}

// LessonState is what a subject did in a cluster in the window.
type LessonState struct {
	Cluster fingerprint.ID
	Subject string
	Events  float64
	Rank    RankState
}

// RankState is where something was found in what was expected of it; Judged is
// false where there was no opinion.
type RankState struct {
	Judged  bool
	Stratum calibration.Stratum
	PIT     calibration.PIT
}

// RecordLesson is the mean silhouette of a family's subjects in the window.
type RecordLesson struct {
	Family   string
	Subjects int32
	Value    float64
	Rank     RankState
}

// HabitLesson is the silhouette of one subject in the window.
type HabitLesson struct {
	Family, Subject string
	Value           float64
}

// Snapshot returns the state. It shares no memory with the store but text.
func (s *Store) Snapshot() State {
	var st State
	for _, name := range slices.Sorted(maps.Keys(s.tenants)) {
		st.Tenants = append(st.Tenants, s.tenants[name].snapshot())
	}
	return st
}

func (tn *tenant) snapshot() TenantState {
	st := TenantState{Name: tn.name, Learned: tn.learned, Until: tn.until, Lived: tn.lived, Quality: tn.quality}
	st.Quality.Roles = slices.Clone(st.Quality.Roles)
	if tn.table != nil {
		st.Window, st.Calibration = tn.window, tn.table.Snapshot()
	}
	keys := make(map[fingerprint.ID]*fingerprint.ClusterKey)
	for _, role := range slices.Sorted(maps.Keys(tn.families)) {
		st.Families = append(st.Families, RoleFamily{Role: role, Family: tn.families[role]})
	}
	for _, m := range tn.members {
		keys[m.key.ID] = m.key
		st.Members = append(st.Members, MemberState{
			Cluster: m.key.ID, Subject: m.subject, Windows: m.windows, Events: m.events, Square: m.square, Seen: m.seen,
		})
	}
	slices.SortFunc(st.Members, func(a, b MemberState) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Subject, b.Subject))
	})
	for _, family := range slices.Sorted(maps.Keys(tn.fits.records)) {
		r := tn.fits.records[family]
		st.Records = append(st.Records, RecordState{
			Family: family, Windows: r.windows, Weight: r.weight, Sum: r.sum, Square: r.square, Seen: r.seen,
		})
	}
	for k, h := range tn.fits.habits {
		st.Habits = append(st.Habits, HabitState{Family: k.family, Subject: k.subject, Windows: h.windows, Sum: h.sum, Seen: h.seen})
	}
	slices.SortFunc(st.Habits, func(a, b HabitState) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Subject, b.Subject))
	})
	for i := range tn.waiting {
		w := &tn.waiting[i]
		for j := range w.acts {
			keys[w.acts[j].key.ID] = w.acts[j].key
		}
		st.Waiting = append(st.Waiting, w.snapshot())
	}
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		st.Keys = append(st.Keys, *keys[id])
	}
	return st
}

func (w *waiting) snapshot() WaitingState {
	st := WaitingState{Start: w.start, End: w.end}
	for _, l := range w.acts {
		st.Lessons = append(st.Lessons, LessonState{Cluster: l.key.ID, Subject: l.subject, Events: l.events, Rank: l.rank.state()})
	}
	for _, l := range w.roles {
		st.Records = append(st.Records, RecordLesson{Family: l.family, Subjects: l.n, Value: l.value, Rank: l.rank.state()})
	}
	for _, l := range w.usual {
		st.Habits = append(st.Habits, HabitLesson{Family: l.key.family, Subject: l.key.subject, Value: l.value})
	}
	return st
}

// Restore replaces everything in the store by a state. On an error the store is
// unchanged.
func (s *Store) Restore(st State) error {
	tenants := make(map[string]*tenant, len(st.Tenants))
	for i := range st.Tenants {
		tn, err := restore(&st.Tenants[i])
		if err != nil {
			return fmt.Errorf("restore the peers of tenant %q: %w", st.Tenants[i].Name, err)
		}
		tenants[tn.name] = tn
	}
	s.tenants = tenants
	return nil
}

func restore(st *TenantState) (*tenant, error) {
	tn := newTenant(st.Name)
	tn.learned, tn.until, tn.lived = st.Learned, st.Until, st.Lived
	tn.quality, tn.stale = st.Quality, true
	tn.quality.Roles = slices.Clone(st.Quality.Roles)
	if st.Window > 0 {
		tn.window, tn.table = st.Window, newTable(st.Window)
		if err := tn.table.Restore(st.Calibration); err != nil {
			return nil, err
		}
	}
	keys := make(map[fingerprint.ID]*fingerprint.ClusterKey, len(st.Keys))
	for i := range st.Keys {
		key := st.Keys[i]
		keys[key.ID] = &key
	}
	for _, f := range st.Families {
		tn.families[f.Role] = f.Family
	}
	for _, m := range st.Members {
		if keys[m.Cluster] == nil {
			return nil, fmt.Errorf("cluster %v has no key", m.Cluster)
		}
		if !(m.Windows > 0) || !finite(m.Windows, m.Events, m.Square) {
			return nil, fmt.Errorf("a member of cluster %v has %v windows with %v events", m.Cluster, m.Windows, m.Events)
		}
		tn.members[memberKey{cluster: m.Cluster, subject: m.Subject}] = &member{
			key: keys[m.Cluster], subject: m.Subject, windows: m.Windows, events: m.Events, square: m.Square, seen: m.Seen,
		}
	}
	for _, r := range st.Records {
		if !(r.Windows > 0 && r.Weight > 0) || !finite(r.Windows, r.Weight, r.Sum, r.Square) {
			return nil, fmt.Errorf("a family has %v windows of weight %v", r.Windows, r.Weight)
		}
		tn.fits.records[r.Family] = &record{windows: r.Windows, weight: r.Weight, sum: r.Sum, square: r.Square, seen: r.Seen}
	}
	for _, h := range st.Habits {
		tn.fits.habits[habitKey{family: h.Family, subject: h.Subject}] = &habit{windows: h.Windows, sum: h.Sum, seen: h.Seen}
	}
	for i := range st.Waiting {
		w, err := st.Waiting[i].restore(keys)
		if err != nil {
			return nil, err
		}
		tn.waiting = append(tn.waiting, w)
	}
	return tn, nil
}

func (st *WaitingState) restore(keys map[fingerprint.ID]*fingerprint.ClusterKey) (waiting, error) {
	w := waiting{start: st.Start, end: st.End}
	for _, l := range st.Lessons {
		if keys[l.Cluster] == nil {
			return w, fmt.Errorf("cluster %v has no key", l.Cluster)
		}
		w.acts = append(w.acts, lesson{key: keys[l.Cluster], subject: l.Subject, events: l.Events, rank: l.Rank.restore()})
	}
	for _, l := range st.Records {
		w.roles = append(w.roles, roleLesson{family: l.Family, n: l.Subjects, value: l.Value, rank: l.Rank.restore()})
	}
	for _, l := range st.Habits {
		w.usual = append(w.usual, usualLesson{key: habitKey{family: l.Family, subject: l.Subject}, value: l.Value})
	}
	return w, nil
}

func (r rank) state() RankState {
	return RankState{Judged: r.judged, Stratum: r.stratum, PIT: r.pit}
}

func (r RankState) restore() rank {
	return rank{judged: r.Judged, stratum: r.Stratum, pit: r.PIT}
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
