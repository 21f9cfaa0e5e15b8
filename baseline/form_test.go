package baseline

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
)

// formOf learns so many windows of about so many events.
func formOf(rng *rand.Rand, windows, events int) *form {
	f := &form{}
	for i := range windows {
		x := shapeOf(rng, uint32(1+rng.IntN(2*events)))
		f.learn(origin+int64(i)*window, &x, nil, float64(day))
	}
	p := newPriors()
	f.fit(&p, 3)
	return f
}

func newPriors() usualMix {
	var u usualMix
	normalise(u.verbs[:])
	normalise(u.outcomes[:])
	return u
}

// What is usual without a tail being computed is usual by its tail.
func TestUsualShapesAreUsual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		f := formOf(rng, rapid.IntRange(3, 300).Draw(t, "windows"), rapid.IntRange(1, 60).Draw(t, "events"))
		for range 30 {
			x := shapeOf(rng, uint32(1+rng.IntN(100)))
			for of := cluster.Latency; of <= cluster.Stability; of++ {
				if !f.has(of, &x) {
					continue
				}
				z := f.tails(of, &x).Z()
				if math.IsNaN(z) || math.IsInf(z, 0) {
					t.Fatalf("feature %d: z %v of %+v", of, z, x)
				}
				if usual := math.Abs(z) <= Exceedance; f.usual(of, &x, [2]calibration.Correction{}) != usual {
					t.Fatalf("feature %d with z %v is usual: %v (%+v)", of, z, !usual, x)
				}
			}
		}
	})
}

// Another latency, mix or concentration is seen; the same is not.
func TestShapesThatDeviate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f := formOf(rng, 200, 40)
	for _, c := range []struct {
		of     cluster.Feature
		change func(*cluster.Shape)
		above  float64
	}{
		{cluster.Latency, func(x *cluster.Shape) { x.Latency.Sum += 1024 * uint64(x.Latency.N) }, 4},
		{cluster.VerbMix, func(x *cluster.Shape) { x.Verbs = [cluster.NumVerbs]uint32{5: 40} }, 4},
		{cluster.OutcomeMix, func(x *cluster.Shape) { x.Outcomes = [cluster.NumOutcomeClasses]uint32{0: 4, 1: 36} }, 4},
	} {
		x := shapeOf(rng, 40)
		usual := f.tails(c.of, &x).Z()
		c.change(&x)
		if z := f.tails(c.of, &x).Z(); math.Abs(usual) > 3 || z < c.above {
			t.Errorf("feature %d: z %v as usual, %v otherwise", c.of, usual, z)
		}
	}
}

// An outlier counts with less weight, and for less than its size.
func TestShapesThatDeviateTeachLess(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f := formOf(rng, 200, 40)
	x := shapeOf(rng, 40)
	if w := f.trusts(&x, 4); w != nil {
		t.Errorf("a usual window has the weights %v", *w)
	}
	x.Latency.Sum += 4096 * uint64(x.Latency.N)
	w := f.trusts(&x, 4)
	if w == nil || w[0] > 0.5 || w[1] != 1 {
		t.Fatalf("weights %v", w)
	}
	before := f.Latency.Windows
	f.learn(origin+200*window, &x, w, float64(day))
	if grown := f.Latency.Windows - before; grown > 0.5 {
		t.Errorf("it counts for %v windows", grown)
	}
}
