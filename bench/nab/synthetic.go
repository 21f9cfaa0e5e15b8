package nab

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// FirstTestSeed is the first seed that is for judging alone: nothing in
// baseline/level was chosen by looking at results of this seed and later ones.
const FirstTestSeed = 1000

// Synthetic is a corpus of one series of each kind, made from a seed: what the
// benchmark has, in shape, with random sizes, noises and places of anomalies.
func Synthetic(seed uint64) []Series {
	corpus := make([]Series, len(kinds))
	for i, k := range kinds {
		h := fnv.New64a()
		h.Write([]byte(k.name))
		g := &maker{rng: rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // not a secret
		k.fill(g)
		if i >= firstReal {
			g.mess()
		}
		corpus[i] = g.series(fmt.Sprintf("%s/%d", k.name, seed))
	}
	return corpus
}

// kind is a way to make a series.
type kind struct {
	name string
	fill func(g *maker)
}

// maker builds a series row by row.
type maker struct {
	rng       *rand.Rand
	at        []int64
	value     []float64
	anomalies []int
}

// series is what was made, with a window around each anomaly.
func (g *maker) series(name string) Series {
	s := Series{Name: name, At: g.at, Value: g.value}
	if len(g.anomalies) > 0 {
		s.Around(g.anomalies...)
	}
	return s
}

// grid sets n times, a step apart, from a Monday at midnight on.
func (g *maker) grid(n int, step time.Duration) {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() + g.rng.Int64N(int64(24*time.Hour))/int64(step)*int64(step)
	for range n {
		g.at = append(g.at, at)
		at += int64(step)
	}
	g.value = make([]float64, n)
}

// irregular sets n times with steps of random lengths and a few gaps.
func (g *maker) irregular(n int, step time.Duration) {
	g.grid(n, step)
	at := g.at[0]
	for i := range g.at {
		g.at[i] = at
		at += int64(float64(step) * (1 + float64(g.rng.IntN(3))))
		if g.rng.IntN(200) == 0 {
			at += int64(step) * int64(g.rng.IntN(60))
		}
	}
}

// day and week are the phases of row i, 0 to 1 from midnight and from Monday.
func (g *maker) day(i int) float64  { return phase(g.at[i], 24*time.Hour) }
func (g *maker) week(i int) float64 { return phase(g.at[i]-4*int64(24*time.Hour), 7*24*time.Hour) }

func phase(at int64, of time.Duration) float64 {
	return float64(at%int64(of)) / float64(of)
}

func (g *maker) normal() float64              { return g.rng.NormFloat64() }
func (g *maker) between(a, b float64) float64 { return a + (b-a)*g.rng.Float64() }

// logBetween is log-uniform.
func (g *maker) logBetween(a, b float64) float64 {
	return math.Exp(g.between(math.Log(a), math.Log(b)))
}
func (g *maker) chance(p float64) bool { return g.rng.Float64() < p }

// place marks a row in the given part of the series as an anomaly and returns
// it: after probation, and not at the very end.
func (g *maker) place(from, to float64) int {
	n := float64(len(g.value))
	i := int(g.between(from, to) * n)
	g.anomalies = append(g.anomalies, i)
	return i
}

// add adds f(0), f(1), … to n rows from row i on.
func (g *maker) add(i, n int, f func(k int) float64) {
	for k := 0; k < n && i+k < len(g.value); k++ {
		g.value[i+k] += f(k)
	}
}

// set is add, in place of the values.
func (g *maker) set(i, n int, f func(k int) float64) {
	for k := 0; k < n && i+k < len(g.value); k++ {
		g.value[i+k] = f(k)
	}
}

// quantise rounds the values to multiples of a step.
func (g *maker) quantise(step float64) {
	for i, v := range g.value {
		g.value[i] = math.Round(v/step) * step
	}
}

// ar is noise with memory: of standard deviation sd and correlation phi.
func (g *maker) ar(phi, sd float64) {
	x := g.normal() * sd
	for i := range g.value {
		g.value[i] += x
		x = phi*x + math.Sqrt(1-phi*phi)*sd*g.normal()
	}
}

// spikes adds positive spikes that belong to the series: at a rate, of a
// median size, log-normally spread, a few rows long.
func (g *maker) spikes(rate, size, spread float64, length int) {
	for i := range g.value {
		if g.chance(rate) {
			h := size * math.Exp(spread*g.normal())
			g.add(i, 1+g.rng.IntN(length), func(int) float64 { return h })
		}
	}
}

// poisson is a count with a mean, by inversion for small ones.
func (g *maker) poisson(mean float64) float64 {
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*g.normal()))
	}
	limit, p, k := math.Exp(-mean), 1.0, 0.0
	for {
		p *= g.rng.Float64()
		if p <= limit {
			return k
		}
		k++
	}
}

// gamma is a positive variable of mean 1 and the given shape (Marsaglia and
// Tsang 2000).
func (g *maker) gamma(shape float64) float64 {
	if shape < 1 {
		return g.gamma(shape+1) * (shape + 1) / shape * math.Pow(g.rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := g.normal()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(g.rng.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v / shape
		}
	}
}

// busy is a daily shape between 0 and 1: low at night, high in the day.
func busy(phase float64) float64 { return 0.5 - 0.5*math.Cos(2*math.Pi*(phase-0.15)) }

// mess adds what real series have and nobody labelled: spikes, lasting steps
// and noisy spells of the size of a few usual changes; and it moves a label in
// eight to where nothing happens.
func (g *maker) mess() {
	size := 0.0
	for i := 1; i < len(g.value); i++ {
		size += math.Abs(g.value[i]-g.value[i-1]) / float64(len(g.value)-1)
	}
	for range int(g.poisson(3)) {
		i := g.rng.IntN(len(g.value))
		h := size * g.logBetween(2, 15)
		switch g.rng.IntN(4) {
		case 0:
			g.add(i, len(g.value), func(int) float64 { return h / 4 })
		case 1:
			g.add(i, 20+g.rng.IntN(80), func(int) float64 { return h / 4 * g.normal() })
		default:
			g.add(i, 1+g.rng.IntN(3), func(int) float64 { return h })
		}
	}
	for i := range g.anomalies {
		if g.chance(1.0 / 8) {
			g.anomalies[i] = int(g.between(0.2, 0.95) * float64(len(g.value)))
		}
	}
}
