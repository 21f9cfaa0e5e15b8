package family

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// anyRoles draws roles from a small world, so that many are alike and some are
// identical.
func anyRoles(t *rapid.T) []Role {
	n := rapid.IntRange(0, 24).Draw(t, "roles")
	roles := make([]Role, n)
	for i := range roles {
		r := &roles[i]
		r.Key = fmt.Sprintf("Role/ns-%d/role-%d", i%3, i)
		r.Class = rbac.Class(rapid.IntRange(0, 3).Draw(t, "class"))
		if rapid.Bool().Draw(t, "ruled") {
			r.Permissions = rapid.SliceOfNDistinct(rapid.Uint64Range(1, 6), 0, 5, rapid.ID[uint64]).Draw(t, "permissions")
			slices.Sort(r.Permissions)
		}
		for kind := range uint64(rapid.IntRange(0, 4).Draw(t, "kinds")) {
			events := rapid.SampledFrom([]float64{0, 1, 40, 900, 1e5}).Draw(t, "events")
			r.Behaviour = append(r.Behaviour, Activity{Kind: kind * 7, Events: events})
		}
	}
	return roles
}

// Every role is in one family, of roles of its class.
func TestFamiliesArePartitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New(DefaultConfig())
		for at := range int64(2) {
			roles := anyRoles(t)
			check(t, l.Learn("t", at, roles), roles)
		}
	})
}

func check(t *rapid.T, f *Families, roles []Role) {
	members, ids := 0, map[string]bool{}
	for _, family := range f.Families {
		members += len(family.Members)
		ids[family.ID] = true
		if len(family.ID) != 16 || !slices.IsSorted(family.Members) || len(family.Members) == 0 || len(family.Name) > MaxName {
			t.Fatalf("family %+v", family)
		}
	}
	for _, r := range roles {
		if family := f.Of(r.Key); family == nil || !slices.Contains(family.Members, r.Key) || family.Class != r.Class {
			t.Fatalf("role %+v is in family %+v", r, family)
		}
	}
	byID := slices.IsSortedFunc(f.Families, func(a, b Family) int { return cmpString(a.ID, b.ID) })
	if members != len(roles) || f.Roles != len(roles) || len(ids) != len(f.Families) || !byID {
		t.Fatalf("%d members of %d roles, families %+v", members, len(roles), f.Families)
	}
	if !(f.Silhouette >= -1 && f.Silhouette <= 1) || !(f.Stability >= 0 && f.Stability <= 1) {
		t.Fatalf("silhouette %v, stability %v", f.Silhouette, f.Stability)
	}
}

func cmpString(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// The order in which roles are given changes nothing, and neither does a
// restart in between.
func TestOrderAndRestartDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := New(DefaultConfig()), New(DefaultConfig())
		for at := range int64(3) {
			roles := anyRoles(t)
			shuffled := rapid.Permutation(roles).Draw(t, "shuffled")
			was := slices.Clone(shuffled)
			fa, fb := a.Learn("t", at, roles), b.Learn("t", at, shuffled)
			if !reflect.DeepEqual(fa, fb) {
				t.Fatalf("%+v\nin another order\n%+v", fa, fb)
			}
			if !reflect.DeepEqual(was, shuffled) {
				t.Fatal("the roles were modified")
			}
			b = restarted(t, b)
		}
	})
}

func restarted(t *rapid.T, l *Learner) *Learner {
	encoded, err := cbor.Marshal(l.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if err := cbor.Unmarshal(encoded, &st); err != nil {
		t.Fatal(err)
	}
	next := New(DefaultConfig())
	if err := next.Restore(st); err != nil {
		t.Fatal(err)
	}
	return next
}

// Roles with the same rules that did the same are together.
func TestIdenticalRolesAreTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New(DefaultConfig())
		for at := range int64(2) {
			roles := anyRoles(t)
			f := l.Learn("t", at, roles)
			for i := range roles {
				for j := range i {
					if roles[i].Class == roles[j].Class && identical(&roles[i], &roles[j]) && f.Of(roles[i].Key) != f.Of(roles[j].Key) {
						t.Fatalf("%+v and %+v are apart", roles[i], roles[j])
					}
				}
			}
		}
	})
}

// Roles of which nothing is known are alike in nothing.
func TestNothingKnownIsNotAlike(t *testing.T) {
	f := New(DefaultConfig()).Learn("t", 0, []Role{{Key: "a"}, {Key: "b"}, {Key: "c", Behaviour: []Activity{{1, 3}}}, {Key: "d", Behaviour: []Activity{{1, 3}}}})
	if len(f.Families) != 4 || f.Compared != 0 {
		t.Errorf("%+v", f)
	}
}

// What did not change is learned again: the families, their identities and when
// they began.
func TestNothingChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := anyRoles(t)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for i := range roles { // distances that are not equal by construction
			for k := range roles[i].Behaviour {
				roles[i].Behaviour[k].Events *= 1 + rng.Float64()/4
			}
		}
		l := New(DefaultConfig())
		first := l.Learn("t", 1, roles)
		again := *l.Learn("t", 2, roles)
		if again.Stability != 1 {
			t.Fatalf("stability %v: %+v\n%+v", again.Stability, first.Families, again.Families)
		}
		again.At = 1
		if !reflect.DeepEqual(*first, again) {
			t.Fatalf("%+v\n%+v", *first, again)
		}
	})
}

// teams makes n roles that are alike and unlike those of other teams.
func teams(team uint64, n int) []Role {
	rng := rand.New(rand.NewPCG(team, 1))
	roles := make([]Role, n)
	for i := range roles {
		r := &roles[i]
		r.Key = fmt.Sprintf("Role/team-%d/member-%d", team, i)
		r.Permissions = []uint64{team * 100, team*100 + 1, team*100 + 2, team*100 + 3, team*100 + 4 + uint64(i)}
		for kind := range uint64(3) {
			r.Behaviour = append(r.Behaviour, Activity{Kind: team*10 + kind, Events: float64(100 + rng.IntN(100))})
		}
	}
	return roles
}

// A family goes on when it gains or loses a member.
func TestIdentityOutlivesMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New(DefaultConfig())
		var all []Role
		n := rapid.IntRange(1, 5).Draw(t, "teams")
		for team := range n {
			all = append(all, teams(uint64(team+1), rapid.IntRange(2, 6).Draw(t, "members"))...)
		}
		gone := rapid.IntRange(0, len(all)-1).Draw(t, "gone")
		less := slices.Delete(slices.Clone(all), gone, gone+1)
		var ids []string
		for at, roles := range [][]Role{all, less, all} {
			f := l.Learn("t", int64(at), roles)
			if len(f.Families) != n || f.Stability != 1 {
				t.Fatalf("%d families of %d teams, stability %v", len(f.Families), n, f.Stability)
			}
			var now []string
			for i := range f.Families {
				now = append(now, f.Families[i].ID)
				if f.Families[i].Since != 0 {
					t.Fatalf("%+v is new", f.Families[i])
				}
			}
			if at > 0 && !slices.Equal(ids, now) {
				t.Fatalf("families %v became %v", ids, now)
			}
			ids = now
		}
	})
}

// A role between two families stays where it was, whichever it is nearer to by
// a little.
func TestRolesStay(t *testing.T) {
	between := func(left float64) Role {
		return Role{Key: "x", Permissions: []uint64{1, 2, 3, 4}, Behaviour: []Activity{{1, left}, {2, 2000 - left}}}
	}
	others := []Role{
		{Key: "a", Permissions: []uint64{1, 2, 3, 4}, Behaviour: []Activity{{1, 5000}}},
		{Key: "b", Permissions: []uint64{1, 2, 3, 4}, Behaviour: []Activity{{2, 5000}}},
	}
	l := New(DefaultConfig())
	if f := l.Learn("t", 0, append([]Role{between(1400)}, others...)); f.Of("x") != f.Of("a") || f.Of("a") == f.Of("b") {
		t.Fatalf("%+v", f.Families)
	}
	for at, left := range []float64{990, 1010, 950, 1000, 900} {
		if f := l.Learn("t", int64(at+1), append([]Role{between(left)}, others...)); f.Of("x") != f.Of("a") || f.Stability != 1 {
			t.Fatalf("with %v of 2000 events: %+v", left, f.Families)
		}
	}
	if f := l.Learn("t", 9, append([]Role{between(10)}, others...)); f.Of("x") != f.Of("b") || f.Stability != 0 {
		t.Fatalf("%+v", f.Families)
	}
}

func TestMoreRolesThanAreCompared(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxRoles = 4
	roles := teams(1, 9)
	for i := range roles {
		roles[i].Behaviour[0].Events = float64(1000 * i)
	}
	f := New(cfg).Learn("t", 0, roles)
	if f.Excess != 5 || f.Roles != 9 || len(f.Families) != 6 {
		t.Fatalf("%+v", f)
	}
	for i, r := range roles {
		family := f.Of(r.Key)
		if family.Excess != (i < 5) || len(family.Members) != 1 && i < 5 || len(family.Members) != 4 && i >= 5 {
			t.Errorf("%s is in %+v", r.Key, family)
		}
	}
}

func TestTenantsAreApart(t *testing.T) {
	l := New(DefaultConfig())
	a, b := l.Learn("a", 5, teams(1, 3)), l.Learn("b", 5, teams(1, 3))
	if a.Families[0].ID == b.Families[0].ID || l.Families("a") != a || l.Families("c") != nil {
		t.Error("tenants share families")
	}
	l.Forget("a")
	if l.Families("a") != nil || len(l.Snapshot().Tenants) != 1 {
		t.Error("a is not forgotten")
	}
}

func TestRestoreRefusesWhatIsNotOne(t *testing.T) {
	l := New(DefaultConfig())
	want := l.Learn("t", 0, teams(1, 3))
	st := l.Snapshot()
	st.Tenants[0].Roles++
	if err := l.Restore(st); err == nil || l.Families("t") != want {
		t.Errorf("restored a state that lacks a role: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{MaxRoles: 0, Cut: 0.3}, {MaxRoles: 1e6, Cut: 0.3}, {MaxRoles: 9, Cut: 1}, {MaxRoles: 9, Cut: math.NaN()}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
}
