package family

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// slowLink is average linkage as it is defined: join the two groups with the
// smallest mean distance of their members until it is beyond the cut.
func slowLink(m matrix, sizes []int, cut float64) []int {
	groups := make([][]int, m.n)
	for i := range groups {
		groups[i] = []int{i}
	}
	mean := func(a, b []int) float64 {
		sum, n := 0.0, 0.0
		for _, i := range a {
			for _, j := range b {
				w := float64(sizes[i] * sizes[j])
				sum += w * m.row(i)[j]
				n += w
			}
		}
		return sum / n
	}
	for {
		a, b, nearest := 0, 0, math.Inf(1)
		for i := range groups {
			for j := range i {
				if d := mean(groups[i], groups[j]); d < nearest {
					a, b, nearest = j, i, d
				}
			}
		}
		if nearest > cut {
			break
		}
		groups[a] = append(groups[a], groups[b]...)
		groups = slices.Delete(groups, b, b+1)
	}
	number := make([]int, m.n)
	for n, g := range groups {
		for _, i := range g {
			number[i] = n
		}
	}
	return number
}

// samePartition reports whether two numberings put the same items together.
func samePartition(a, b []int) bool {
	for i := range a {
		for j := range i {
			if (a[i] == a[j]) != (b[i] == b[j]) {
				return false
			}
		}
	}
	return true
}

func TestLinkAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := rapid.IntRange(0, 40).Draw(t, "items")
		m, sizes := newMatrix(n), make([]int, n)
		for i := range n {
			sizes[i] = 1 + rng.IntN(3)
			for j := range i {
				m.set(i, j, rng.Float64())
			}
		}
		cut := rapid.Float64Range(0, 0.7).Draw(t, "cut")
		want := slowLink(m, sizes, cut)
		got := link(matrix{n: n, d: slices.Clone(m.d)}, sizes, cut)
		if !samePartition(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		next := 0
		for _, g := range got {
			if g > next {
				t.Fatalf("numbers do not ascend: %v", got)
			}
			if g == next {
				next++
			}
		}
	})
}

// slowDistance is the distance of [Config.Cut] in its plainest form.
func slowDistance(a, b *Role) float64 {
	both, either := 0, map[uint64]bool{}
	for _, p := range a.Permissions {
		either[p] = true
		if slices.Contains(b.Permissions, p) {
			both++
		}
	}
	for _, p := range b.Permissions {
		either[p] = true
	}
	rules := 0.0
	if len(either) > 0 {
		rules = 1 - float64(both)/float64(len(either))
	}
	dot, aa, bb := 0.0, 0.0, 0.0
	for _, x := range a.Behaviour {
		aa += math.Pow(math.Log(1+x.Events), 2)
		for _, y := range b.Behaviour {
			if x.Kind == y.Kind {
				dot += math.Log(1+x.Events) * math.Log(1+y.Events)
			}
		}
	}
	for _, y := range b.Behaviour {
		bb += math.Pow(math.Log(1+y.Events), 2)
	}
	behaviour := 1.0
	if aa > 0 && bb > 0 {
		behaviour = 1 - dot/math.Sqrt(aa*bb)
	}
	m := min(a.events(), b.events())
	evidence := m / (m + 50)
	if a.Permissions == nil || b.Permissions == nil {
		return 1 - evidence*(1-behaviour)
	}
	return (rules + evidence*behaviour) / (1 + evidence)
}

// The distances and silhouettes of a learned tenant are those of their
// definitions, taken role by role.
func TestSilhouetteAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := anyRoles(t)
		f := New(DefaultConfig()).Learn("t", 0, roles)
		of := map[string][]float64{} // silhouettes by family
		sum, compared := 0.0, 0
		for i := range roles {
			own := f.Of(roles[i].Key)
			inside, outside := 0.0, math.Inf(1)
			for k := range f.Families {
				other := &f.Families[k]
				total, n := 0.0, 0.0
				for j := range roles {
					if j != i && f.Of(roles[j].Key) == other {
						total += slowDistance(&roles[i], &roles[j])
						n++
					}
				}
				switch {
				case other == own:
					inside = total / n
				case other.Class == own.Class:
					outside = min(outside, total/n)
				}
			}
			if len(own.Members) < 2 || math.IsInf(outside, 1) {
				continue
			}
			s := 0.0
			if max(inside, outside) > 1e-12 {
				s = (outside - inside) / max(inside, outside)
			}
			of[own.ID] = append(of[own.ID], s)
			sum += s
			compared++
		}
		if compared != f.Compared || compared > 0 && math.Abs(sum/float64(compared)-f.Silhouette) > 1e-6 {
			t.Fatalf("silhouette %v of %d, want %v of %d", f.Silhouette, f.Compared, sum/float64(compared), compared)
		}
		for _, family := range f.Families {
			mean := 0.0
			for _, s := range of[family.ID] {
				mean += s / float64(len(family.Members))
			}
			if math.Abs(mean-family.Silhouette) > 1e-6 {
				t.Fatalf("silhouette %v of %+v, want %v", family.Silhouette, family, mean)
			}
		}
	})
}

// Of two items, that share of the pairs of their roles which were together is
// nearer, by stay.
func TestDrawnAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := anyRoles(t)
		for i := range roles {
			roles[i].Class = 0
		}
		last := &Families{}
		for i := range roles {
			family := rapid.IntRange(-1, 2).Draw(t, "family")
			for family >= len(last.Families) {
				last.Families = append(last.Families, Family{})
			}
			if family >= 0 {
				last.Families[family].Members = append(last.Families[family].Members, roles[i].Key)
			}
		}
		last.reindex()
		items := itemsOf(roles)
		apart := distances(items, evidence)
		got := drawn(apart, 0.5, roles, items, last)
		for i := range items {
			for j := range i {
				together, pairs := 0.0, 0.0
				for _, a := range items[i].roles {
					for _, b := range items[j].roles {
						pairs++
						if family := last.Of(roles[a].Key); family != nil && family == last.Of(roles[b].Key) {
							together++
						}
					}
				}
				if want := apart.row(i)[j] * (1 - 0.5*together/pairs); math.Abs(got.row(i)[j]-want) > 1e-9 {
					t.Fatalf("%v apart, %v drawn, want %v", apart.row(i)[j], got.row(i)[j], want)
				}
			}
		}
	})
}
