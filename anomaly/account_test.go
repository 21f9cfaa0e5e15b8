package anomaly

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/cluster"
)

func TestChanged(t *testing.T) {
	for name, c := range map[string]struct {
		counts   []uint32
		expected float64
		up       bool
		want     int
	}{
		"nothing":                    {nil, 3, true, 0},
		"as usual":                   {[]uint32{1, 1, 1, 1, 1, 1}, 6, true, 0},
		"all of it":                  {[]uint32{9, 8, 9, 9, 8, 9}, 6, true, 0},
		"from the fourth on":         {[]uint32{1, 0, 1, 9, 8, 9}, 6, true, 3},
		"the last only":              {[]uint32{0, 0, 0, 0, 0, 5}, 0, true, 5},
		"once in the middle":         {[]uint32{0, 0, 7, 0, 0, 0}, 0, true, 2},
		"less from the third on":     {[]uint32{5, 5, 0, 0, 0, 0}, 30, false, 2},
		"less, and more is asked of": {[]uint32{5, 5, 0, 0, 0, 0}, 30, true, 0},
	} {
		if got := changed(c.counts, c.expected, c.up); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// A rate that becomes four times as much is dated to within a few panes.
func TestChangedIsNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	off := 0
	const runs = 200
	for range runs {
		at := 5 + rng.IntN(20)
		counts := make([]uint32, 30)
		for i := range counts {
			mean := 2.0
			if i >= at {
				mean = 8
			}
			counts[i] = rate(rng, mean)
		}
		if d := changed(counts, 60, true) - at; d < -2 || d > 2 {
			off++
		}
	}
	if off > runs/10 {
		t.Errorf("%d of %d changes are dated wrong by more than two panes", off, runs)
	}
}

// detail is a window's own, made up.
type detail struct {
	top     [cluster.NumFacets][]cluster.Count
	steps   []uint32
	samples []cluster.Sample
	news    []cluster.Novelty
}

func (d *detail) AppendTop(dst []cluster.Count, of cluster.Facet, n int) []cluster.Count {
	return append(dst, d.top[of][:min(n, len(d.top[of]))]...)
}

func (d *detail) AppendNew(dst []cluster.Novelty, n int) []cluster.Novelty {
	return append(dst, d.news[:min(n, len(d.news))]...)
}

func (d *detail) AppendSteps(dst []uint32, _ cluster.Feature) []uint32 {
	return append(dst, d.steps...)
}

func (d *detail) AppendSamples(dst []cluster.Sample, _ cluster.Feature, n int) []cluster.Sample {
	return append(dst, d.samples[:min(n, len(d.samples))]...)
}

// An explanation says who, from where, on what, with the usual shares; what is
// new; since when; and shows records of who did most of it.
func TestExplanation(t *testing.T) {
	p, _ := crowd(t, DefaultConfig(), 2)
	names := func(name string, events uint32) []cluster.Count { return []cluster.Count{{Name: name, Events: events}} }
	d := &detail{
		top: [cluster.NumFacets][]cluster.Count{
			cluster.BySubject: {{Name: "eve", Events: 180}, {Name: "user0", Events: 20}},
			cluster.ByObject:  names("ns/secret", 200), cluster.BySource: names("192.0.2.9", 190),
		},
		steps: make([]uint32, 30),
		news:  []cluster.Novelty{{Feature: cluster.NewSubjectSources, Subject: "eve", What: "192.0.2.9"}},
	}
	for i := range d.steps {
		d.steps[i] = uint32(i / 20 * 20)
	}
	for i := range 8 {
		d.samples = append(d.samples, cluster.Sample{Time: int64(i), Subject: []string{"user0", "eve"}[i/4]})
	}
	loud := p.loud(2, 1)
	loud[0].Detail = d
	p.run(30*time.Second, loud, func(Result) {})
	p.run(30*time.Second, loud, func(Result) {})
	if len(p.last.Top) != 1 {
		t.Fatalf("top: %s", brief(p.last.Top))
	}
	a := p.last.Top[0]
	if len(a.Subjects) != 2 || a.Subjects[0] != (Share{Name: "eve", Share: 0.9, Usual: 0}) || a.Subjects[1].Usual != 1 {
		t.Errorf("subjects: %+v", a.Subjects)
	}
	if len(a.Objects) != 1 || a.Objects[0] != (Share{Name: "ns/secret", Share: 1, Usual: 0}) {
		t.Errorf("objects: %+v", a.Objects)
	}
	if len(a.Sources) != 1 || a.Sources[0].Share != 0.95 || len(a.New) != 1 {
		t.Errorf("sources: %+v, new %+v", a.Sources, a.New)
	}
	if len(a.Evidence) != maxEvidence || slices.ContainsFunc(a.Evidence, func(s cluster.Sample) bool { return s.Subject != "eve" }) {
		t.Errorf("evidence: %+v", a.Evidence)
	}
	// Twenty of the window's thirty panes are as usual.
	if want := a.StartedAt.Add(-100 * time.Second); a.BeganAt.Before(want) || a.BeganAt.After(want.Add(30*time.Second)) {
		t.Errorf("began at %v, want %v", a.BeganAt, want)
	}
	if f := a.Features[0]; f.Window != 5*time.Minute || f.LogP > -100 || f.Scale != cluster.Short {
		t.Errorf("features: %+v", a.Features)
	}
}

// Shares of a summary add up to no more than one, and the summary stays small;
// a name that always has a fixed share is known by it.
func TestUsualShares(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		people := rapid.IntRange(1, 60).Draw(rt, "people")
		var u Usual
		d := &Detector{}
		for range 400 {
			top := []cluster.Count{{Name: "steady", Events: 50}}
			for range 20 {
				top = append(top, cluster.Count{Name: fmt.Sprint("p", rng.IntN(people)), Events: 1})
			}
			w := cluster.Window{Detail: &detail{top: [cluster.NumFacets][]cluster.Count{cluster.BySubject: top}}}
			w.Counts[cluster.Events] = 100
			u.learn(d, &w)
		}
		sum := 0.0
		for _, n := range u.Facets[cluster.BySubject] {
			sum += u.share(cluster.BySubject, n.Name)
		}
		if got := u.share(cluster.BySubject, "steady"); math.Abs(got-0.5) > 1e-9 {
			rt.Fatalf("a share of a half is %v", got)
		}
		if sum > 1+1e-9 || len(u.Facets[cluster.BySubject]) > usualNames {
			rt.Fatalf("%d shares add up to %v", len(u.Facets[cluster.BySubject]), sum)
		}
		if stranger := u.share(cluster.BySubject, "eve"); stranger != 0 && stranger != -1 {
			rt.Fatalf("a stranger's share is %v", stranger)
		}
	})
	var none *Usual
	if none.share(cluster.BySubject, "eve") != -1 || (&Usual{}).share(cluster.ByNamespace, "eve") != -1 {
		t.Error("what is not known is not negative")
	}
}
