package nab

import (
	"math"
	"time"
)

// firstReal is the first of kinds that stands for recorded data; those before
// are artificial.
const firstReal = 11

// kinds are the shapes of the synthetic corpus. The sizes of anomalies are
// wide on purpose: some can hardly be seen.
var kinds = []kind{
	{"no noise wave", func(g *maker) { g.grid(4032, 5*time.Minute); g.wave(0) }},
	{"small noise wave", func(g *maker) { g.grid(4032, 5*time.Minute); g.wave(g.between(0.02, 0.1)) }},
	{"square wave", func(g *maker) {
		g.grid(4032, 5*time.Minute)
		lo, hi, width := 20.0, g.between(60, 100), g.between(0.2, 0.6)
		for i := range g.value {
			g.value[i] = lo
			if p := g.day(i); p > 0.3 && p < 0.3+width {
				g.value[i] = hi
			}
		}
	}},
	{"flat line", func(g *maker) {
		g.grid(4032, 5*time.Minute)
		v := math.Round(g.between(10, 90))
		g.set(0, len(g.value), func(int) float64 { return v })
	}},
	{"pure noise", func(g *maker) { g.grid(4032, 5*time.Minute); g.ar(0, g.logBetween(1, 20)) }},
	{"wave, flat middle", func(g *maker) {
		day := g.waveDays()
		g.set(day+100, 80, func(int) float64 { return 20 + 4*g.normal()*0.2 })
	}},
	{"wave, jumps down", func(g *maker) {
		day := g.waveDays()
		to := g.between(-20, 30)
		g.set(day+90+g.rng.IntN(60), 60, func(int) float64 { return to + g.normal() })
	}},
	{"wave, jumps up", func(g *maker) {
		day := g.waveDays()
		to := g.between(130, 180)
		g.set(day+90+g.rng.IntN(60), 60, func(int) float64 { return to + g.normal() })
	}},
	{"wave, no jump", func(g *maker) {
		day := g.waveDays()
		g.set(day, 288, func(int) float64 { return 20 + g.normal() })
	}},
	{"spike density", func(g *maker) {
		g.grid(4032, 5*time.Minute)
		g.ar(0, 0.3)
		every, height := 12+g.rng.IntN(30), g.between(15, 30)
		for i := 0; i < len(g.value); i += every {
			g.value[i] += height
		}
		a := g.place(0.5, 0.9)
		for i := a; i < a+300 && i < len(g.value); i += max(every/4, 2) {
			g.value[i] += height
		}
	}},
	{"load balancer spikes", func(g *maker) {
		g.grid(4032, 5*time.Minute)
		g.ar(0, 0.05)
		g.spikes(0.03, 1, 0.4, 1)
		a := g.place(0.4, 0.9)
		h := g.between(3, 8)
		g.add(a, 1+g.rng.IntN(6), func(int) float64 { return h })
	}},
	{"cpu, level shift", cpuShift},
	{"cpu, quantised", cpuQuantised},
	{"cpu, busy spells", cpuSpells},
	{"cpu, daily batch", cpuBatch},
	{"database cpu", databaseCPU},
	{"network in", networkIn},
	{"network stops", networkStops},
	{"disk writes", diskWrites},
	{"requests", requests},
	{"group size", groupSize},
	{"ad cost", adCost},
	{"ad price", adPrice},
	{"ambient temperature", ambient},
	{"machine temperature", machine},
	{"request latency", latency},
	{"taxi", taxi},
	{"misconfigured group", misconfigured},
	{"key hold", keyHold},
	{"key up and down", keyUpDown},
	{"travel time", travelTime},
	{"occupancy", occupancy},
	{"speed", speed},
	{"tweets, many", func(g *maker) { tweets(g, g.logBetween(20, 100)) }},
	{"tweets, some", func(g *maker) { tweets(g, g.logBetween(5, 20)) }},
	{"tweets, few", func(g *maker) { tweets(g, g.logBetween(0.3, 4)) }},
	{"variance", func(g *maker) {
		g.grid(4032, 5*time.Minute)
		g.ar(g.between(0, 0.5), 1)
		a := g.place(0.3, 0.9)
		f := g.between(1, 4)
		g.add(a, 200, func(int) float64 { return f * g.normal() })
	}},
	{"stuck sensor", func(g *maker) {
		g.grid(4032, 5*time.Minute)
		g.ar(0.98, 5)
		g.ar(0, 0.3)
		g.quantise(0.1)
		a := g.place(0.3, 0.9)
		v := g.value[a]
		g.set(a, 60+g.rng.IntN(200), func(int) float64 { return v })
	}},
	{"drift", func(g *maker) {
		g.grid(6000, 10*time.Minute)
		slope, season := g.between(-3, 3), g.between(0, 5)
		for i := range g.value {
			g.value[i] = slope*float64(i)/1000 + season*busy(g.day(i))
		}
		g.ar(0.5, 1)
		a := g.place(0.3, 0.9)
		h := g.between(4, 10) * sign(g)
		g.add(a, 40+g.rng.IntN(100), func(int) float64 { return h })
	}},
	{"random walk", func(g *maker) {
		g.grid(5000, time.Minute)
		x := 0.0
		for i := range g.value {
			x += g.normal()
			g.value[i] = 100 + x
		}
		a := g.place(0.3, 0.9)
		h := g.between(6, 20) * sign(g)
		g.add(a, len(g.value), func(int) float64 { return h })
	}},
}

func sign(g *maker) float64 {
	if g.chance(0.5) {
		return -1
	}
	return 1
}

// wave is a day with a high plateau, with noise as a share of its height.
func (g *maker) wave(noise float64) {
	from, to := g.between(0.25, 0.4), g.between(0.6, 0.8)
	for i := range g.value {
		p, level := g.day(i), 20.0
		if p > from && p < to {
			level = 20 + 60*math.Pow(math.Sin(math.Pi*(p-from)/(to-from)), 0.3)
		}
		g.value[i] = level + noise*60*(g.rng.Float64()-0.5)
	}
}

// waveDays is a wave with little noise; it returns the first row of the day
// that is to become an anomaly, which is marked at its noon.
func (g *maker) waveDays() int {
	g.grid(4032, 5*time.Minute)
	g.wave(g.between(0.1, 0.2))
	day := 288*(7+g.rng.IntN(5)) + int((1-g.day(0))*288)
	g.anomalies = append(g.anomalies, day+120)
	return day
}

func cpuShift(g *maker) {
	g.grid(4032, 5*time.Minute)
	g.set(0, len(g.value), func(int) float64 { return 1.8 })
	g.ar(g.between(0, 0.6), g.logBetween(0.02, 0.3))
	g.spikes(0.002, g.between(0.5, 3), 0.3, 2)
	a := g.place(0.3, 0.6)
	h := g.logBetween(0.5, 5)
	g.add(a, len(g.value), func(int) float64 { return h })
	b := g.place(0.75, 0.92)
	k := g.between(5, 40)
	g.add(b, 1+g.rng.IntN(10), func(int) float64 { return k })
}

func cpuQuantised(g *maker) {
	g.grid(4032, 5*time.Minute)
	for i := range g.value {
		g.value[i] = 0.066
		if g.chance(0.4) {
			g.value[i] = 0.134
		}
		if g.chance(0.02) {
			g.value[i] = 0.066 * float64(3+g.rng.IntN(3))
		}
		g.value[i] += 0.002 * float64(g.rng.IntN(2))
	}
	for _, part := range [][2]float64{{0.3, 0.55}, {0.7, 0.9}} {
		h := g.logBetween(0.8, 3)
		g.add(g.place(part[0], part[1]), 1+g.rng.IntN(20), func(int) float64 { return h })
	}
}

func cpuSpells(g *maker) {
	g.grid(4032, 5*time.Minute)
	g.set(0, len(g.value), func(int) float64 { return 40 })
	g.ar(0.3, 1.5)
	g.spikes(0.004, 8, 0.3, 4)
	a := g.place(0.4, 0.9)
	h := g.between(10, 40) * sign(g)
	g.add(a, 30+g.rng.IntN(300), func(int) float64 { return h + 2*g.normal() })
}

func cpuBatch(g *maker) {
	g.grid(4032, 5*time.Minute)
	start, length := g.rng.IntN(250), 3+g.rng.IntN(20)
	for i := range g.value {
		k := int(g.day(i) * 288)
		if k >= start && k < start+length {
			g.value[i] = 60
		}
	}
	g.ar(0.2, 0.8)
	a := g.place(0.4, 0.9)
	if at := int(g.day(a) * 288); at < start+length && at > start-80 {
		a = min(a+100, len(g.value)-50)
		g.anomalies[0] = a
	}
	g.add(a, length, func(int) float64 { return 60 })
}

func databaseCPU(g *maker) {
	g.grid(4032, 5*time.Minute)
	for i := range g.value {
		g.value[i] = 6 + 2*busy(g.day(i))
	}
	g.ar(0.9, 0.5)
	g.ar(0, 0.3)
	g.spikes(0.003, 2, 0.4, 1)
	a := g.place(0.35, 0.6)
	h := g.between(3, 15)
	g.add(a, 1+g.rng.IntN(5), func(int) float64 { return h })
	b := g.place(0.7, 0.92)
	k := g.between(5, 20)
	g.add(b, 50+g.rng.IntN(100), func(int) float64 { return k })
}

func networkIn(g *maker) {
	g.grid(4032, 5*time.Minute)
	base := g.logBetween(1e4, 1e7)
	for i := range g.value {
		g.value[i] = base * math.Exp(0.05*g.normal())
		if g.chance(0.04) {
			g.value[i] *= 1 + 3*g.gamma(1)
		}
	}
	a := g.place(0.3, 0.9)
	f := g.between(6, 40)
	g.set(a, 2+g.rng.IntN(20), func(int) float64 { return base * f * math.Exp(0.3*g.normal()) })
	g.quantise(1)
}

func networkStops(g *maker) {
	g.grid(1243+g.rng.IntN(3000), 5*time.Minute)
	base := g.logBetween(1e5, 1e7)
	every := 6 + g.rng.IntN(10)
	for i := range g.value {
		g.value[i] = base * math.Exp(0.4*g.normal())
		if i%every == 0 {
			g.value[i] *= 4
		}
	}
	a := g.place(0.4, 0.6)
	g.set(a, 20+g.rng.IntN(60), func(int) float64 { return base * 0.02 * math.Exp(0.2*g.normal()) })
	b := g.place(0.75, 0.92)
	f := g.between(15, 60)
	g.set(b, 1+g.rng.IntN(6), func(int) float64 { return base * f })
}

func diskWrites(g *maker) {
	g.grid(4032, 5*time.Minute)
	for i := range g.value {
		if i%12 == 0 || g.chance(0.05) {
			g.value[i] = math.Round(1e6 * g.gamma(2))
		}
	}
	for _, p := range [][2]float64{{0.3, 0.5}, {0.6, 0.75}, {0.82, 0.93}} {
		f := g.logBetween(2e7, 3e8)
		g.set(g.place(p[0], p[1]), 1+g.rng.IntN(6), func(int) float64 { return math.Round(f * g.gamma(3)) })
	}
}

func requests(g *maker) {
	g.grid(4032, 5*time.Minute)
	mean := g.logBetween(30, 200)
	for i := range g.value {
		g.value[i] = g.poisson(mean * (0.2 + busy(g.day(i))) * g.gamma(4))
	}
	for _, p := range [][2]float64{{0.3, 0.55}, {0.7, 0.92}} {
		f := g.between(3, 8)
		g.set(g.place(p[0], p[1]), 2+g.rng.IntN(10), func(int) float64 { return g.poisson(f * mean) })
	}
}
