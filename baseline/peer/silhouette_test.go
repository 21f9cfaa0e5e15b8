package peer

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// vector is what a subject did under a family.
type vector struct {
	family, subject string
	did             map[string]float64
}

// vectorsOf are the vectors of what was done, and their order is not that of
// any scene.
func vectorsOf(all []did) []*vector {
	at := map[[2]string]*vector{}
	var vectors []*vector
	for _, d := range all {
		k := [2]string{familyOf(d.role), d.subject}
		if at[k] == nil {
			at[k] = &vector{family: k[0], subject: k[1], did: map[string]float64{}}
			vectors = append(vectors, at[k])
		}
		at[k].did[fmt.Sprint(d.resource, d.access)] += float64(d.events)
	}
	return vectors
}

// apart is the cosine distance of two vectors.
func apart(a, b *vector) float64 {
	dot, aa, bb := 0.0, 0.0, 0.0
	for k, n := range a.did {
		aa += math.Log1p(n) * math.Log1p(n)
		dot += math.Log1p(n) * math.Log1p(b.did[k])
	}
	for _, n := range b.did {
		bb += math.Log1p(n) * math.Log1p(n)
	}
	return 1 - dot/math.Sqrt(aa*bb)
}

// bruteForce is the silhouette by its definition: by the distances of all pairs.
func bruteForce(all []*vector, of *vector) (s float64, nearest string, ok bool) {
	sum, n := map[string]float64{}, map[string]float64{}
	for _, v := range all {
		if v != of {
			sum[v.family] += apart(of, v)
			n[v.family]++
		}
	}
	outside := math.Inf(1)
	for family := range sum {
		if d := sum[family] / n[family]; family != of.family && n[family] >= 2 && d < outside {
			outside, nearest = d, family
		}
	}
	if n[of.family] < 1 || math.IsInf(outside, 1) {
		return 0, "", false
	}
	inside := sum[of.family] / n[of.family]
	if widest := math.Max(inside, outside); widest > 1e-6 {
		s = (outside - inside) / widest
	}
	return s, nearest, true
}

func TestSilhouetteIsThatOfItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []did
		for range rapid.IntRange(1, 60).Draw(t, "acts") {
			all = append(all, did{
				role:     fmt.Sprint("role-", rapid.IntRange(0, 9).Draw(t, "role")),
				resource: fmt.Sprint("thing-", rapid.IntRange(0, 7).Draw(t, "resource")),
				access:   fingerprint.Access(rapid.IntRange(0, 2).Draw(t, "access")),
				subject:  fmt.Sprint("user-", rapid.IntRange(0, 5).Draw(t, "subject")),
				events:   rapid.Uint32Range(1, 1000).Draw(t, "events"),
			})
		}
		cfg := DefaultConfig()
		var sc scene
		var sh shapes
		for range 2 { // a reused scene is as good as a new one
			sc.read(evaluation(hour, hour, all, plain), &cfg, familyOf)
			sh.measure(&sc)
		}
		vectors := vectorsOf(all)
		if len(vectors) != len(sc.items.keys) {
			t.Fatalf("%d items, not %d", len(sc.items.keys), len(vectors))
		}
		for i, it := range sc.items.keys {
			at := slices.IndexFunc(vectors, func(v *vector) bool {
				return v.family == sc.groups.keys[it.group] && v.subject == sc.subjects.keys[it.subject]
			})
			want, nearest, ok := bruteForce(vectors, vectors[at])
			if ok != sh.known[i] {
				t.Fatalf("known %v, not %v", sh.known[i], ok)
			}
			// Where both distances are nearly zero no digit of their ratio is left.
			if ok && math.Abs(want-sh.value[i]) > 1e-5 && want*sh.value[i] != 0 {
				t.Fatalf("%+v has %v, not %v", vectors[at], sh.value[i], want)
			}
			if sh.nearest[i] >= 0 && sh.value[i] < -0.01 {
				got := sc.groups.keys[sh.nearest[i]]
				if got != nearest && math.Abs(mean0(vectors, vectors[at], got)-mean0(vectors, vectors[at], nearest)) > 1e-9 {
					t.Fatalf("like %s, not %s", got, nearest)
				}
			}
		}
	})
}

// mean0 is the mean distance of a vector to the others of a family.
func mean0(all []*vector, of *vector, family string) float64 {
	sum, n := 0.0, 0.0
	for _, v := range all {
		if v != of && v.family == family {
			sum += apart(of, v)
			n++
		}
	}
	return sum / n
}

// roleMates do what their role does: role r the resources 3r, 3r+1 and 3r+2.
func roleMates(hour int) []did {
	var all []did
	for r := range 4 {
		for s := range 6 {
			for k := range 3 {
				all = append(all, did{
					role: fmt.Sprintf("role-%d", 2*r), resource: fmt.Sprintf("thing-%d", 3*r+k), access: fingerprint.AccessRead,
					subject: fmt.Sprintf("user-%d-%d", r, s), events: uint32(5 + (7*r+3*s+5*k+hour*(s+1))%11),
				})
			}
		}
	}
	return all
}

// Somebody acts unlike his role: his family's silhouette falls, he is named, and
// so is the role that he is like.
func TestActsUnlikeHisRole(t *testing.T) {
	s := New(DefaultConfig())
	s.SetFamilies("t", familyOf)
	for h := 1; h <= 24; h++ {
		for _, f := range s.Judge(evaluation(int64(h)*hour, hour, roleMates(h), plain)) {
			if f.Feature == cluster.Silhouette && math.Abs(f.Z) > 3 {
				t.Fatalf("hour %d: %+v", h, f)
			}
		}
	}
	all := roleMates(25)
	for i := range all {
		if all[i].subject == "user-0-3" { // of role-0, whose resources are 0 to 2
			all[i].resource = fmt.Sprintf("thing-%d", 6+i%3)
		}
	}
	ev := evaluation(25*hour, hour, all, plain)
	findings := s.Judge(ev)
	f := find(findings, cluster.Silhouette, about("user-0-3"))
	if f == nil || f.Z > -3 || f.Like != "role-4" || f.Observed > f.Low || f.Expected < 0.7 {
		t.Fatalf("%+v", f)
	}
	at := slices.IndexFunc(ev.Windows, func(w cluster.Window) bool { return w.Cluster.ID == f.Cluster })
	if k := ev.Windows[at].Cluster; k.Role != "role-0" || !slices.Contains([]string{"thing-6", "thing-7", "thing-8"}, k.Resource) {
		t.Errorf("found in %+v", k)
	}
	if n := len(slices.DeleteFunc(slices.Clone(findings), func(f baseline.Finding) bool {
		return f.Feature != cluster.Silhouette || math.Abs(f.Z) < 3
	})); n != 1 {
		t.Errorf("%d families are unusual", n)
	}
	q := s.Quality("t")
	if !q.SilhouetteOK() || q.Subjects != 24 || q.Silhouette < 0.7 || len(q.Roles) != 4 || q.Roles[0].Role != "role-0" ||
		q.Roles[0].Silhouette > 0.8*q.Roles[1].Silhouette || q.StabilityOK() || q.At != 25*hour {
		t.Errorf("quality %+v", q)
	}
}

func TestNoSilhouetteWithoutAnotherRole(t *testing.T) {
	w, s := newWorld(1, 2, 6), New(DefaultConfig()) // two roles of one family
	s.SetFamilies("t", familyOf)
	end := w.live(s, 8)
	if f := find(s.Judge(evaluation(end+hour, hour, w.hour(), plain)), cluster.Silhouette, about("")); f != nil {
		t.Errorf("%+v", f)
	}
	if q := s.Quality("t"); q.SilhouetteOK() || q.Silhouette != 0 || len(q.Roles) != 0 {
		t.Errorf("%+v", q)
	}
	if q := s.Quality("nobody"); q.SilhouetteOK() || q.StabilityOK() {
		t.Errorf("%+v", q)
	}
}

func TestStabilityIsWeighted(t *testing.T) {
	s := New(DefaultConfig())
	ev := evaluation(hour, hour, []did{
		{role: "a", resource: "x", subject: "u", events: 1},
		{role: "b", resource: "x", subject: "v", events: 1},
		{role: "c", resource: "x", subject: "w", events: 1},
	}, plain)
	ev.Windows[0].Stayed, ev.Windows[0].Either = 9, 10
	ev.Windows[1].Stayed, ev.Windows[1].Either = 0, 2
	s.Judge(ev)
	if q := s.Quality("t"); !q.StabilityOK() || q.Stability != 0.75 || q.Compared != 2 {
		t.Errorf("%+v", q)
	}
}
