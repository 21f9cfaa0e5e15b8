package nab

import (
	"math"
	"time"
)

// groupSize is a flat line with lasting steps, which belong to it, and drops
// and spikes, which do not.
func groupSize(g *maker) {
	g.grid(4621, 5*time.Minute)
	level := 30.0
	for i := range g.value {
		if g.chance(0.004) {
			level += 2 * sign(g)
		}
		g.value[i] = level
		if g.chance(0.05) {
			g.value[i] += sign(g)
		}
	}
	for _, p := range [][2]float64{{0.3, 0.5}, {0.6, 0.9}} {
		to := 0.0
		if g.chance(0.3) {
			to = 60
		}
		g.set(g.place(p[0], p[1]), 3+g.rng.IntN(60), func(int) float64 { return to })
	}
}

func adCost(g *maker) {
	g.grid(1643, time.Hour)
	level := g.logBetween(0.05, 0.5)
	for i := range g.value {
		level *= math.Exp(0.01 * g.normal())
		g.value[i] = level * math.Exp(0.25*g.normal())
	}
	for _, p := range [][2]float64{{0.25, 0.5}, {0.65, 0.9}} {
		f := g.between(4, 12)
		g.add(g.place(p[0], p[1]), 1+g.rng.IntN(3), func(int) float64 { return f * level })
	}
}

func adPrice(g *maker) {
	g.grid(1643, time.Hour)
	for i := range g.value {
		g.value[i] = 0.5 + 0.4*busy(g.day(i)) + 0.15*busy(g.week(i))
	}
	g.ar(0.7, 0.1)
	g.spikes(0.004, 0.6, 0.3, 2)
	for _, p := range [][2]float64{{0.25, 0.4}, {0.5, 0.65}, {0.75, 0.9}} {
		h := g.between(0.7, 2.5)
		g.add(g.place(p[0], p[1]), 1+g.rng.IntN(12), func(int) float64 { return h })
	}
}

func ambient(g *maker) {
	g.grid(7267, time.Hour)
	for i := range g.value {
		g.value[i] = 70 + 2.5*busy(g.day(i)) + 4*math.Sin(2*math.Pi*float64(i)/8760)
	}
	g.ar(0.99, 2.5)
	g.ar(0.3, 0.4)
	h := g.between(6, 12)
	g.add(g.place(0.35, 0.5), 24+g.rng.IntN(72), func(k int) float64 { return -h * math.Min(float64(k)/12, 1) })
	j := g.between(6, 12)
	g.add(g.place(0.7, 0.92), 24+g.rng.IntN(72), func(k int) float64 { return j * math.Min(float64(k)/12, 1) })
}

func machine(g *maker) {
	g.grid(12000, 5*time.Minute)
	for i := range g.value {
		g.value[i] = 90 + 2*busy(g.day(i))
	}
	g.ar(0.995, 4)
	g.ar(0.3, 0.8)
	shut := g.between(20, 50)
	g.add(g.place(0.25, 0.45), 150+g.rng.IntN(200), func(k int) float64 { return -shut * math.Min(float64(k)/20, 1) })
	subtle := g.between(8, 15)
	g.add(g.place(0.55, 0.7), 500, func(k int) float64 { return -subtle * math.Min(float64(k)/200, 1) })
	fail := g.between(40, 80)
	g.add(g.place(0.8, 0.93), 100+g.rng.IntN(200), func(k int) float64 { return -fail * math.Min(float64(k)/60, 1) })
}

func latency(g *maker) {
	g.grid(4032, 5*time.Minute)
	g.set(0, len(g.value), func(int) float64 { return 45 })
	g.ar(0.2, 2)
	g.spikes(0.002, 12, 0.3, 1)
	h := g.between(20, 60)
	g.add(g.place(0.3, 0.5), 1+g.rng.IntN(3), func(int) float64 { return h })
	k := g.between(2, 6)
	g.add(g.place(0.65, 0.75), 40+g.rng.IntN(100), func(int) float64 { return k * math.Abs(g.normal()) })
	j := g.between(15, 60)
	g.add(g.place(0.85, 0.95), 10+g.rng.IntN(40), func(int) float64 { return j * g.gamma(2) })
}

// taxi has two humps a day, quiet nights and other weekends; its anomalies are
// days that are not like others.
func taxi(g *maker) {
	g.grid(10320, 30*time.Minute)
	mean := g.logBetween(1000, 20000)
	for i := range g.value {
		d, w := g.day(i), g.week(i)
		v := 0.15 + busy(d) + 0.25*busy(2*d)
		if w > 5.0/7 {
			v = 0.3 + 0.9*busy(d-0.08)
		}
		g.value[i] = mean * v * (1 + 0.04*g.normal())
	}
	scale := func(from, to, f float64, days int) {
		a := g.place(from, to)
		for k := -12; k < 48*days-12; k++ {
			if a+k < len(g.value) {
				g.value[a+k] *= f
			}
		}
	}
	scale(0.3, 0.45, g.between(1.25, 1.6), 1)
	scale(0.5, 0.62, g.between(0.5, 0.75), 1)
	scale(0.68, 0.8, g.between(0.4, 0.7), 2)
	scale(0.86, 0.94, g.between(0.1, 0.5), 1)
	g.quantise(1)
}

func misconfigured(g *maker) {
	g.grid(12000, 5*time.Minute)
	low, high := g.between(20, 40), g.between(60, 95)
	for i := range g.value {
		g.value[i] = low + 15*busy(g.day(i))
	}
	g.ar(0.6, 4)
	g.spikes(0.01, 12, 0.4, 3)
	a := g.place(0.6, 0.9)
	g.set(a, 1500, func(int) float64 { return high + 2*g.normal() })
	for i, v := range g.value {
		g.value[i] = math.Min(math.Max(v, 0), 100)
	}
}

func keyHold(g *maker) {
	g.grid(1882, 5*time.Minute)
	for i := range g.value {
		g.value[i] = 0.06 * g.gamma(0.7)
		if g.chance(0.3) {
			g.value[i] = 0
		}
	}
	for _, p := range [][2]float64{{0.3, 0.5}, {0.7, 0.9}} {
		h := g.between(0.8, 3)
		g.add(g.place(p[0], p[1]), 3+g.rng.IntN(20), func(int) float64 { return h * g.gamma(3) })
	}
}

func keyUpDown(g *maker) {
	g.grid(5315, 5*time.Minute)
	on := false
	for i := range g.value {
		if g.chance(0.03) {
			on = !on
		}
		if on {
			g.value[i] = 0.5 + 0.5*g.gamma(3)
		}
	}
	for _, p := range [][2]float64{{0.35, 0.55}, {0.65, 0.9}} {
		h := g.between(2, 6)
		g.set(g.place(p[0], p[1]), 10+g.rng.IntN(60), func(int) float64 { return h * (1 + 0.3*g.normal()) })
	}
}

func travelTime(g *maker) {
	g.irregular(2300, 10*time.Minute)
	for i := range g.value {
		rush := math.Exp(-80*math.Pow(g.day(i)-0.34, 2)) + math.Exp(-60*math.Pow(g.day(i)-0.72, 2))
		if g.week(i) > 5.0/7 {
			rush *= 0.2
		}
		g.value[i] = math.Round(100 * (1 + 1.2*rush*g.gamma(4)) * math.Exp(0.15*g.normal()))
	}
	for _, p := range [][2]float64{{0.25, 0.45}, {0.55, 0.7}, {0.8, 0.92}} {
		f := g.between(4, 15)
		g.set(g.place(p[0], p[1]), 2+g.rng.IntN(10), func(int) float64 { return math.Round(100 * f * g.gamma(5)) })
	}
}

func occupancy(g *maker) {
	g.irregular(2400, 5*time.Minute)
	for i := range g.value {
		g.value[i] = (1 + 12*busy(g.day(i))) * g.gamma(5)
	}
	for _, p := range [][2]float64{{0.4, 0.6}, {0.7, 0.92}} {
		h := g.between(20, 50)
		g.set(g.place(p[0], p[1]), 2+g.rng.IntN(20), func(int) float64 { return h * (1 + 0.1*g.normal()) })
	}
	g.quantise(0.01)
}

func speed(g *maker) {
	g.irregular(1500+g.rng.IntN(1200), 5*time.Minute)
	for i := range g.value {
		rush := math.Exp(-150 * math.Pow(g.day(i)-0.71, 2))
		g.value[i] = 68 - 25*rush*g.gamma(6) + 4*g.normal()
		if g.chance(0.02) {
			g.value[i] -= 15 * g.gamma(2)
		}
		g.value[i] = math.Max(g.value[i], 2)
	}
	for _, p := range [][2]float64{{0.4, 0.6}, {0.7, 0.92}} {
		to := g.between(15, 40)
		g.set(g.place(p[0], p[1]), 15+g.rng.IntN(60), func(int) float64 { return to + 4*g.normal() })
	}
	g.quantise(1)
}

// tweets are counts with days, bursts that belong to them and larger ones that
// do not.
func tweets(g *maker, mean float64) {
	g.grid(15850, 5*time.Minute)
	slow := 0.0
	for i := range g.value {
		slow = 0.995*slow + 0.02*g.normal()
		weekend := 1.0
		if g.week(i) > 5.0/7 {
			weekend = 0.6
		}
		g.value[i] = g.poisson(mean * weekend * (0.3 + busy(g.day(i))) * math.Exp(slow) * g.gamma(6))
	}
	burst := func(i int, height float64) {
		g.add(i, 60, func(k int) float64 { return g.poisson(height * math.Exp(-float64(k)/8)) })
	}
	for i := range g.value {
		if g.chance(0.0012) {
			burst(i, 3*(mean+2)*math.Exp(0.5*g.normal()))
		}
	}
	for _, p := range [][2]float64{{0.25, 0.45}, {0.55, 0.7}, {0.8, 0.93}} {
		burst(g.place(p[0], p[1]), (mean+2)*g.between(10, 60))
	}
}
