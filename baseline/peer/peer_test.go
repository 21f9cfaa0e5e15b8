package peer

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

var plain = naming{role: same, subject: same}

func TestSomebodyDoesMuchMore(t *testing.T) {
	w, s := newWorld(1, 2, 6), New(DefaultConfig())
	end := w.live(s, 24) + hour
	all := append(w.hour(), did{role: "role-0", resource: "thing-0", access: fingerprint.AccessRead, subject: "user-0-1", events: 300})
	f := find(s.Judge(evaluation(end, hour, all, plain)), cluster.Peer, about("user-0-1"))
	if f == nil || f.Z < 5 || f.Observed < 300 || f.High > 60 || f.Low > f.Expected || f.Expected > f.High {
		t.Fatalf("300 events where others have a few: %+v", f)
	}
	if f.Z != f.Tails.Z() || f.LogP != f.Tails.LogP() {
		t.Errorf("z %v and log p %v are not those of the tails %+v", f.Z, f.LogP, f.Tails)
	}
}

// Somebody who has always done much more than his peers is no news; who begins
// to is.
func TestHisOwnPastCounts(t *testing.T) {
	w, s := newWorld(2, 1, 6), New(DefaultConfig())
	busy := did{role: "role-0", resource: "thing-0", access: fingerprint.AccessRead, subject: "busy", events: 100}
	var first, last *baseline.Finding
	for h := int64(1); h <= 60; h++ {
		all := w.hour()
		if h > 24 {
			busy.events = uint32(90 + w.rng.IntN(20))
			all = append(all, busy)
		}
		f := find(s.Judge(evaluation(h*hour, hour, all, plain)), cluster.Peer, about("busy"))
		if h == 25 && f != nil {
			kept := *f
			first = &kept
		}
		last = f
	}
	if first == nil || first.Z < 3 {
		t.Errorf("his first hour: %+v", first)
	}
	if last != nil && math.Abs(last.Z) > 2 {
		t.Errorf("his 36th hour: %+v", last)
	}
}

func TestFewPeersHaveNoOpinion(t *testing.T) {
	for _, peers := range []int{2, 3, 4} {
		w, s := newWorld(3, 1, peers), New(DefaultConfig())
		end := w.live(s, 15)
		all := []did{{role: "role-0", resource: "thing-0", access: fingerprint.AccessRead, subject: "user-0-0", events: 1000}}
		f := find(s.Judge(evaluation(end+hour, hour, all, plain)), cluster.Peer, about("user-0-0"))
		if got := f != nil; got != (peers > minPeers) {
			t.Errorf("%d subjects: finding %v", peers, f)
		}
	}
}

// The roles of a family are peers of each other.
func TestFamiliesArePeers(t *testing.T) {
	lonely := did{role: "role-1", resource: "thing-1", access: fingerprint.AccessRead, subject: "lonely", events: 500}
	for _, together := range []bool{false, true} {
		w, s := newWorld(4, 1, 6), New(DefaultConfig())
		if together {
			s.SetFamilies("t", familyOf)
		}
		end := w.live(s, 15)
		f := find(s.Judge(evaluation(end+hour, hour, append(w.hour(), lonely), plain)), cluster.Peer, about("lonely"))
		if (f != nil) != together {
			t.Errorf("together %v: %+v", together, f)
		}
	}
}

// Half a day of windows says little about a tenant.
func TestYoungTenantsHaveNoOpinion(t *testing.T) {
	w, s := newWorld(10, 4, 6), New(DefaultConfig())
	for h := int64(1); h <= 20; h++ {
		// A window teaches from one window length after its end on.
		if n := len(s.Judge(evaluation(h*hour, hour, w.hour(), plain))); (n > 0) != (h > minLived) {
			t.Errorf("hour %d: %d findings", h, n)
		}
	}
}

func TestOtherScalesAreIgnored(t *testing.T) {
	w, s := newWorld(5, 1, 6), New(DefaultConfig())
	end := w.live(s, 12)
	before := s.Snapshot()
	for _, scale := range []cluster.Scale{cluster.Short, cluster.Long} {
		ev := evaluation(end+hour, hour, w.hour(), plain)
		ev.Scale = scale
		if got := s.Judge(ev); len(got) != 0 {
			t.Errorf("%v: %d findings", scale, len(got))
		}
	}
	if !reflect.DeepEqual(before, s.Snapshot()) {
		t.Error("a window of another scale was remembered")
	}
}

// What is judged does not depend on windows that overlap it, nor on those that
// ended less than a window before its end.
func TestWindowsDoNotOverlap(t *testing.T) {
	judge := func(last uint32) []baseline.Finding {
		w, s := newWorld(6, 2, 6), New(DefaultConfig())
		end := w.live(s, 15)
		now := w.hour()
		for at := end + 5*int64(time.Minute); at < end+hour; at += 5 * int64(time.Minute) {
			s.Judge(evaluation(at, hour, []did{
				{role: "role-0", resource: "thing-0", access: fingerprint.AccessRead, subject: "user-0-1", events: last},
			}, plain))
		}
		return slices.Clone(s.Judge(evaluation(end+hour, hour, now, plain)))
	}
	if !reflect.DeepEqual(judge(1), judge(100_000)) {
		t.Error("an overlapping window counts")
	}
}

// An incomplete window is judged, and teaches nothing.
func TestPartialWindowsTeachNothing(t *testing.T) {
	w, s := newWorld(7, 2, 6), New(DefaultConfig())
	end := w.live(s, 15)
	before := s.Snapshot()
	ev := evaluation(end, hour, w.hour(), plain)
	ev.Partial = []string{"audit-0"}
	if len(s.Judge(ev)) == 0 {
		t.Error("a partial window is not judged")
	}
	after := s.Snapshot()
	before.Tenants[0].Quality, after.Tenants[0].Quality = Quality{}, Quality{}
	if !reflect.DeepEqual(before, after) {
		t.Error("a partial window is remembered")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	cfg := Config{HalfLife: 84 * time.Hour, MaxSubjects: 8, MaxMembers: 40}
	s := New(cfg)
	for h := int64(1); h <= 30; h++ {
		var all []did
		for i := range 200 {
			all = append(all, did{
				role: fmt.Sprintf("role-%d", i%7), resource: "thing", access: fingerprint.AccessRead,
				subject: fmt.Sprintf("user-%d-%d", h, i), events: 3,
			})
		}
		s.Judge(evaluation(h*hour, hour, all, plain))
		st := s.Snapshot().Tenants[0]
		if len(st.Members) > cfg.MaxMembers || len(st.Habits) > cfg.MaxMembers || len(st.Waiting) > 2 {
			t.Fatalf("%d members, %d habits, %d windows", len(st.Members), len(st.Habits), len(st.Waiting))
		}
		in := map[fingerprint.ID]int{}
		for _, m := range st.Members {
			if in[m.Cluster]++; in[m.Cluster] > cfg.MaxSubjects {
				t.Fatalf("more than %d members of one cluster", cfg.MaxSubjects)
			}
		}
	}
}

func TestForgotten(t *testing.T) {
	w, s := newWorld(8, 2, 6), New(DefaultConfig())
	end := w.live(s, 12)
	later := end + (forgotten+1)*int64(DefaultConfig().HalfLife)
	lonely := []did{{role: "role-9", resource: "thing-0", access: fingerprint.AccessRead, subject: "x", events: 1}}
	s.Judge(evaluation(later, hour, lonely, plain))
	s.Judge(evaluation(later+2*hour, hour, lonely, plain))
	if st := s.Snapshot().Tenants[0]; len(st.Members) != 1 || len(st.Records) != 0 || len(st.Habits) != 0 {
		t.Errorf("%d members, %d records and %d habits after %v", len(st.Members), len(st.Records), len(st.Habits), time.Duration(later-end))
	}
	s.Forget("t")
	if st := s.Snapshot(); len(st.Tenants) != 0 {
		t.Errorf("a forgotten tenant is kept: %+v", st)
	}
}

// A store that was restored goes on bit for bit.
func TestRestored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		hours := rapid.IntRange(1, 20).Draw(t, "hours")
		w, s := newWorld(seed, 4, 5), New(DefaultConfig())
		s.SetFamilies("t", familyOf)
		end := w.live(s, hours)
		restored := New(DefaultConfig())
		if err := restored.Restore(s.Snapshot()); err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "tell again") {
			restored.SetFamilies("t", familyOf)
		}
		if !reflect.DeepEqual(s.Snapshot(), restored.Snapshot()) {
			t.Fatal("the snapshot of a restored store is another one")
		}
		for at := end + hour/2; at < end+5*hour; at += hour / 2 {
			ev := evaluation(at, hour, w.hour(), plain)
			if want, got := s.Judge(ev), restored.Judge(ev); !reflect.DeepEqual(want, got) {
				t.Fatalf("at %v: %+v, not %+v", time.Duration(at), got, want)
			}
			if want, got := s.Quality("t"), restored.Quality("t"); !reflect.DeepEqual(want, got) {
				t.Fatalf("quality %+v, not %+v", got, want)
			}
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	w, s := newWorld(9, 2, 4), New(DefaultConfig())
	w.live(s, 6)
	for name, damage := range map[string]func(*TenantState){
		"no keys":             func(st *TenantState) { st.Keys = nil },
		"no windows":          func(st *TenantState) { st.Members[0].Windows = 0 },
		"not a number":        func(st *TenantState) { st.Members[0].Square = math.NaN() },
		"a family of nothing": func(st *TenantState) { st.Records[0].Weight = 0 },
		"a lesson of nothing": func(st *TenantState) { st.Waiting[0].Lessons[0].Cluster++ },
	} {
		st := s.Snapshot()
		damage(&st.Tenants[0])
		other := New(DefaultConfig())
		if err := other.Restore(st); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := other.Snapshot(); len(got.Tenants) != 0 {
			t.Errorf("%s: the store was changed", name)
		}
	}
}

// outcome is a finding without names.
type outcome struct {
	Feature                       cluster.Feature
	Observed, Expected, Low, High float64
	Z, LogP, Up, LowTail          float64
	Named, Like                   bool
}

// outcomes are in an order that names do not decide.
func outcomes(findings []baseline.Finding) []outcome {
	var all []outcome
	for _, f := range findings {
		all = append(all, outcome{
			Feature: f.Feature, Observed: f.Observed, Expected: f.Expected, Low: f.Low, High: f.High,
			Z: f.Z, LogP: f.LogP, Up: f.Tails.Up, LowTail: f.Tails.Low, Named: f.Subject != "", Like: f.Like != "",
		})
	}
	slices.SortFunc(all, func(a, b outcome) int {
		return cmp.Or(cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.LogP, b.LogP), cmp.Compare(a.Observed, b.Observed),
			cmp.Compare(a.Expected, b.Expected), cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High))
	})
	return all
}

// Scores are the same, bit for bit, whatever subjects and roles are called, and
// when all times are longer.
func TestInvariance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		factor := int64(rapid.IntRange(1, 20).Draw(t, "factor"))
		salt := rapid.Uint64().Draw(t, "salt")
		other := naming{
			id:      salt,
			role:    func(s string) string { return fmt.Sprintf("%x", hashOf(fingerprint.ID(salt), s)) },
			subject: func(s string) string { return fmt.Sprintf("%x", hashOf(fingerprint.ID(salt+1), s)) },
		}
		w := newWorld(seed, 5, 4)
		families := map[string]string{}
		for r := range w.roles {
			role := fmt.Sprintf("role-%d", r)
			families[other.role(role)] = fmt.Sprint(salt ^ uint64(r/2))
		}
		cfg := DefaultConfig()
		a := New(cfg)
		cfg.HalfLife *= time.Duration(factor)
		b := New(cfg)
		a.SetFamilies("t", familyOf)
		b.SetFamilies("t", func(role string) string { return families[role] })
		for h := int64(1); h <= 18; h++ {
			all := w.hour()
			if h == 17 {
				all = append(all, did{role: "role-0", resource: "thing-1", access: fingerprint.AccessRead, subject: "user-0-1", events: 400})
			}
			got := outcomes(b.Judge(evaluation(h*hour*factor, hour*factor, all, other)))
			want := outcomes(a.Judge(evaluation(h*hour, hour, all, plain)))
			if !slices.Equal(want, got) {
				t.Fatalf("hour %d: %+v, not %+v", h, got, want)
			}
			if h > minLived && len(want) == 0 {
				t.Fatalf("hour %d: no findings", h)
			}
			qa, qb := a.Quality("t"), b.Quality("t")
			if qa.Silhouette != qb.Silhouette || qa.Subjects != qb.Subjects || len(qa.Roles) != len(qb.Roles) {
				t.Fatalf("hour %d: quality %+v, not %+v", h, qb, qa)
			}
		}
	})
}

// Whatever is judged, no number is not finite.
func TestFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(DefaultConfig())
		newWorld(rapid.Uint64().Draw(t, "seed"), 3, 4).live(s, minLived)
		for h := minLived + int64(1); h <= minLived+8; h++ {
			var all []did
			for range rapid.IntRange(0, 40).Draw(t, "acts") {
				all = append(all, did{
					role:     fmt.Sprint("role-", rapid.IntRange(0, 3).Draw(t, "role")),
					resource: fmt.Sprint("thing-", rapid.IntRange(0, 2).Draw(t, "resource")),
					subject:  fmt.Sprint("user-", rapid.IntRange(0, 9).Draw(t, "subject")),
					events:   rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32()).Draw(t, "events"),
				})
			}
			findings := s.Judge(evaluation(h*hour, hour, all, plain))
			if !slices.IsSortedFunc(findings, func(a, b baseline.Finding) int { return cmp.Compare(a.Cluster, b.Cluster) }) {
				t.Fatal("findings are not in order")
			}
			for _, f := range findings {
				if !finite(f.Observed, f.Expected, f.Low, f.High, f.Z, f.LogP, f.Tails.Up, f.Tails.Low) || f.LogP > 0 {
					t.Fatalf("%+v", f)
				}
			}
			q := s.Quality("t")
			if !finite(q.Silhouette, q.Stability) || math.Abs(q.Silhouette) > 1 {
				t.Fatalf("%+v", q)
			}
		}
	})
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{
		{},
		{HalfLife: time.Minute, MaxSubjects: 10, MaxMembers: 100},
		{HalfLife: time.Hour, MaxSubjects: 3, MaxMembers: 100},
		{HalfLife: time.Hour, MaxSubjects: 100, MaxMembers: 10},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkJudge is one evaluation of the medium scale. The memory of a member
// is all that a store keeps (two waiting windows, groups, the scene that is
// reused) over the members.
func BenchmarkJudge(b *testing.B) {
	for _, size := range []struct{ roles, subjects int }{{50, 10}, {500, 10}} {
		b.Run(fmt.Sprintf("subjects=%d", size.roles*size.subjects), func(b *testing.B) {
			before := heap()
			w, s := newWorld(1, size.roles, size.subjects), New(DefaultConfig())
			s.SetFamilies("t", familyOf)
			end := w.live(s, 24)
			perMember := float64(heap()-before) / float64(len(s.tenants["t"].members))
			ev := evaluation(end+hour/2, hour, w.hour(), plain)
			s.Judge(ev)
			b.ReportAllocs()
			for b.Loop() {
				s.Judge(ev)
			}
			b.ReportMetric(float64(len(s.scene.acts)), "acts")
			b.ReportMetric(perMember, "B/member")
		})
	}
}
