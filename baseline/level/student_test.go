package level

import (
	"math"
	"testing"
)

// near reports whether two numbers agree to 12 digits.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Abs(b) }

// TestStudentTail compares with scipy.stats.t.sf of SciPy 1.17.1.
func TestStudentTail(t *testing.T) {
	for _, c := range []struct {
		w       int
		x, want float64
	}{
		{heavy, 0, 0.5},
		{heavy, 0.5, 0.33333333333333337},
		{heavy, 1, 0.2113248654051871},
		{heavy, 3, 0.04773298313335456},
		{heavy, 10, 0.004926228511662845},
		{heavy, 100, 4.999250124978129e-05},
		{heavy, 10000, 4.9999999250000005e-09},
		{light, 0, 0.5},
		{light, 0.5, 0.3152680377784882},
		{light, 1, 0.17329675354366708},
		{light, 3, 0.008535840616891326},
		{light, 10, 4.2440907638142445e-06},
		{light, 100, 5.5839015241279866e-14},
		{light, 10000, 5.599998387200295e-30},
	} {
		if got := studentTail(c.w, c.x); !near(got, c.want) {
			t.Errorf("tail %d of %g: %g, want %g", c.w, c.x, got, c.want)
		}
	}
}

// TestStudentDensity compares with scipy.stats.t.logpdf of SciPy 1.17.1.
func TestStudentDensity(t *testing.T) {
	for _, c := range []struct {
		w       int
		x, want float64
	}{
		{heavy, 0, -1.0397207708399179},
		{heavy, 0.5, -1.216395324324493},
		{heavy, 1, -1.6479184330021646},
		{heavy, 3, -3.596842909197556},
		{heavy, 10, -6.9374592199264065},
		{heavy, 100, -13.815810527968274},
		{heavy, 10000, -27.63102114592855},
		{light, 0, -0.9501086121502307},
		{light, 0.5, -1.0885810761506223},
		{light, 1, -1.480132272603956},
		{light, 3, -4.3420817228439414},
		{light, 10, -12.662212196649957},
		{light, 100, -33.042751909251336},
		{light, 10000, -74.48568538237659},
	} {
		comp := component{tail: c.w, scale: [2]float64{1, 1}, share: [2]float64{0.5, 0.5}}
		if up, down := comp.logDensity(c.x), comp.logDensity(-c.x); !near(up, c.want) || !near(down, c.want) {
			t.Errorf("density %d at ±%g: %g and %g, want %g", c.w, c.x, up, down, c.want)
		}
	}
}

// TestRarityIsCalibrated: exponential evidence, what a right model has, is as
// rare as it says, and so is evidence twice as large once it has been seen.
func TestRarityIsCalibrated(t *testing.T) {
	for _, size := range []float64{0.5, 1, 2} {
		r := newRarity()
		const n = 5000
		for i := range n {
			r.add(-math.Log((float64(i)+0.5)/n)*size, 1, 1e6)
		}
		for _, nats := range []float64{0.1, 0.5, 1, 2, 4, 6, 9} {
			if got := r.nats(nats * size); math.Abs(got-nats) > 0.05+0.08*nats {
				t.Errorf("size %g at %g: %g", size, nats, got)
			}
		}
		for _, p := range []float64{0.5, 0.1, 0.01} {
			if got := r.nats(r.above(p)); math.Abs(got+math.Log(p)) > 0.2 {
				t.Errorf("size %g beyond %g: %g", size, p, got)
			}
		}
	}
}

// TestRarityRises: more evidence is never less rare.
func TestRarityRises(t *testing.T) {
	r := newRarity()
	for i, v := range noise(1, 3000) {
		before := -1.0
		if i%500 == 0 {
			for e := 0.0; e < 300; e += 0.05 {
				now := r.nats(e)
				if now < before-1e-9 {
					t.Fatalf("after %d rows at %g: %g after %g", i, e, now, before)
				}
				before = now
			}
		}
		r.add(v*v, 1, 1000)
	}
}
