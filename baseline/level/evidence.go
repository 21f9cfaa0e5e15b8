package level

import "math"

// Evidence is what speaks against a row, by kind, each with its running
// distribution.
type Evidence struct {
	// Up and Low are of single rows above and below what was expected.
	Up, Low Rarity
	// OffSeason is of a row and the ones just before it against the same time on
	// other days, OffLevel of a row against the long run, Rough of the latest
	// changes being larger or smaller than usual, Run of rows that are a little
	// off to the same side, Stuck of unexpected repetitions.
	OffSeason, OffLevel, Rough, Run, Stuck Rarity
	// Combined is of all of these together.
	Combined Rarity

	// SeasonMean and SeasonSpread are the latest mean distance from the season
	// and the usual size of it; RoughMean is the mean size of the latest
	// changes, RoughUsual and RoughSpread the usual value of its logarithm and
	// the usual distance from that; RunMean and StuckMean are the means of the latest z
	// and of the surprise at the latest repetitions.
	SeasonMean, SeasonSpread           float64
	RoughMean, RoughUsual, RoughSpread float64
	RunMean, StuckMean                 float64
	// Held is the evidence (nats) that was shown and has not faded yet.
	Held float64
}

func newEvidence() Evidence {
	r := newRarity()
	return Evidence{Up: r, Low: r, OffSeason: r, OffLevel: r, Rough: r, Run: r, Stuck: r, Combined: r}
}

// Over how many rows the means follow what is new. Half or twice of each moves
// the score of the training corpora (bench/nab) by about one point.
const (
	usualRows  = 500.0
	seasonRows = 3.0
	roughRows  = 10.0
	runRows    = 8.0
	stuckRows  = 8.0
)

// kinds are how rare the evidence of each kind is, in nats.
type kinds [6]float64

// together is how much there is of all kinds: the length of the vector. What
// shows in several ways counts for more than the largest alone, without much
// from those that are as usual. What that means in rows is for Combined to say.
func (k kinds) together() float64 {
	sum := 0.0
	for _, nats := range k {
		nats = math.Min(nats, 100)
		sum += nats * nats
	}
	return math.Sqrt(sum)
}

// point returns the calibrated z of a row from its tails, and how rare it is
// on its side, in nats; it learns from it.
func (e *Evidence) point(up, low, memory float64) (z, nats float64) {
	r, p, sgn := &e.Up, up, 1.0
	if low < up {
		r, p, sgn = &e.Low, low, -1
	}
	part := r.Total / (e.Up.Total + e.Low.Total)
	nats = r.hold(math.Max(0, -math.Log(math.Max(2*p, 1e-300))), memory)
	return sgn * zOf(math.Log(part)-nats), nats
}

// row is a value with its calibrated z and its rarity in nats.
type row struct{ x, z, nats float64 }

// weigh returns all the evidence against a row, and learns from it.
func (e *Evidence) weigh(s *State, f *forecast, c chances, r row, memory float64) float64 {
	e.RunMean += (r.z - e.RunMean) / runRows
	return kinds{
		r.nats,
		e.offSeason(s, f, r.x, memory),
		e.OffLevel.hold(surprise(math.Abs(r.x-s.Slow), s.Spread), memory),
		e.rough(s, r.x, memory),
		// The mean of independent z has a spread of √(1/(2·runRows − 1)).
		e.Run.hold(surprise(math.Abs(e.RunMean), 0.25), memory),
		e.stuck(s, c, r.x, memory),
	}.together()
}

// stuck is the evidence of the latest rows repeating the row before, where that
// was not to be expected.
func (e *Evidence) stuck(s *State, c chances, x, memory float64) float64 {
	const most = 8
	repeated := 0.0
	if p := c.kept + c.returned + c.moved; x == s.Last {
		repeated = math.Min(-math.Log(math.Max(p, 1e-300)), most)
	}
	e.StuckMean += (math.Max(repeated, 0) - e.StuckMean) / stuckRows
	return e.Stuck.hold(e.StuckMean, memory)
}

// offSeason is the evidence of the latest rows being off what they are at the
// same time on other days, whatever the rows before were: a day that is not
// like others.
func (e *Evidence) offSeason(s *State, f *forecast, x, memory float64) float64 {
	day := f.phases[fineDay]
	if !day.known {
		return 0
	}
	e.SeasonMean += (x - day.mean - e.SeasonMean) / seasonRows
	off := math.Abs(e.SeasonMean)
	nats := e.OffSeason.hold(surprise(off, e.SeasonSpread), memory)
	e.SeasonSpread = usual(e.SeasonSpread, off, float64(s.Rows))
	return nats
}

// rough is the evidence of the latest changes being larger or smaller than
// usual, on the scale of logarithms. What is less than a thousandth of the
// usual is no change.
func (e *Evidence) rough(s *State, x, memory float64) float64 {
	n := float64(s.Rows)
	e.RoughMean += (math.Abs(x-s.Last) - e.RoughMean) / math.Min(roughRows, n)
	if s.Change == 0 {
		return 0
	}
	size := math.Log(math.Max(e.RoughMean/s.Change, 1e-3))
	if n < 2*roughRows {
		e.RoughUsual = size
		return 0
	}
	off := math.Abs(size - e.RoughUsual)
	nats := e.Rough.hold(surprise(off, e.RoughSpread), memory)
	e.RoughUsual = towards(e.RoughUsual, size, usualRows, n)
	e.RoughSpread = usual(e.RoughSpread, off, n)
	return nats
}

// newsMargin is by how much evidence must surpass what was shown to be shown
// again, in nats: by a factor of e in rarity.
const newsMargin = 1

// news returns how rare it is, in nats, that there is so much evidence of all
// kinds, as far as it is news: an anomaly that goes on, or grows slowly, is
// shown again only when it is clearly rarer than it was, or when the last one
// has faded. Otherwise it is 0. A history of n rows never says more than once
// in 30·n rows.
func (e *Evidence) news(all float64, c Config) float64 {
	nats := e.Combined.hold(all, float64(c.Memory))
	if c.Quiet > 0 {
		e.Held -= e.Held / float64(c.Quiet)
	} else {
		e.Held = 0
	}
	if nats < e.Held+newsMargin {
		return 0
	}
	e.Held = nats
	return math.Min(nats, math.Log(30*e.Combined.Total))
}

// surprise is the evidence of a distance in units of its usual size: −log of
// the two-sided tail of a Student t with 2 degrees of freedom.
func surprise(distance, usual float64) float64 {
	if distance == 0 || usual == 0 {
		return 0
	}
	q := math.Min(distance/usual, 1e100)
	return math.Max(0, -math.Log(2*studentTail(heavy, q)))
}

// towards moves a mean by the gain 1/rows, or makes it the mean of all rows
// while fewer were seen.
func towards(mean, x, rows, seen float64) float64 {
	return mean + (x-mean)/math.Min(rows, seen)
}

// usual follows the usual size of a distance; one far larger counts as large.
func usual(spread, distance, rows float64) float64 {
	if spread == 0 {
		return distance
	}
	return towards(spread, math.Min(distance, 8*spread), usualRows, rows)
}
