package family

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// organisation makes n roles of two classes as of many teams: twenty kinds of
// role with 40 to 300 permissions of 2,000, which teams have changed a little,
// and 5 to 40 kinds of activity. No two are identical.
func organisation(n int) []Role {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	some := func(of, from, to int) []uint64 {
		set := make([]uint64, from+rng.IntN(to-from))
		for i := range set {
			set[i] = rng.Uint64N(uint64(of)) * 0x9e3779b97f4a7c15
		}
		slices.Sort(set)
		return slices.Compact(set)
	}
	var kinds [20]Role
	for i := range kinds {
		kinds[i].Class = rbac.ClassWrite + rbac.Class(i%10/9)
		kinds[i].Permissions = some(2000, 40, 300)
		for _, kind := range some(400, 5, 40) {
			kinds[i].Behaviour = append(kinds[i].Behaviour, Activity{Kind: kind, Events: 1e4 * rng.ExpFloat64()})
		}
	}
	roles := make([]Role, n)
	for i := range roles {
		kind := &kinds[i%len(kinds)]
		roles[i] = Role{Key: fmt.Sprintf("Role/team-%d/team-%d-role-%d", i/20, i/20, i%20), Class: kind.Class}
		roles[i].Permissions = append(slices.Clone(kind.Permissions), some(2000, 1, 5)...)
		slices.Sort(roles[i].Permissions)
		roles[i].Permissions = slices.Compact(roles[i].Permissions)
		for _, a := range kind.Behaviour {
			roles[i].Behaviour = append(roles[i].Behaviour, Activity{Kind: a.Kind, Events: a.Events * (0.5 + rng.Float64())})
		}
	}
	return roles
}

// BenchmarkLearn is a retrain of one tenant; the goals are 2 ms for 100 roles
// and 150 ms for 1,000.
func BenchmarkLearn(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, roles := New(DefaultConfig()), organisation(n)
			b.ReportAllocs()
			for b.Loop() {
				l.Learn("t", 0, roles)
			}
			f := l.Families("t")
			b.ReportMetric(float64(len(f.Families)), "families")
		})
	}
}

func BenchmarkOf(b *testing.B) {
	roles := organisation(1000)
	f := New(DefaultConfig()).Learn("t", 0, roles)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if f.Of(roles[i%len(roles)].Key) == nil {
			b.Fatal("no family")
		}
	}
}
