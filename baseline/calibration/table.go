// Package calibration measures whether what a baseline calls improbable is as
// rare as it says, and what it takes to make it so.
//
// Every window that comes into a baseline is first judged by the prediction in
// force, which has not seen it (so the judgement is cross-fitted). Under the
// right model the probability integral transform of a count, spread over the
// probability of the count itself, is uniform; how often it lies beyond
// |z| = 2, 2.5, 3 and 4, over how often it nominally does, is the measure. It is
// kept by feature and by stratum of the expected count ([Table]), and from it a
// factor on |z| is fitted ([Corrections]) that brings the two together.
//
// The transform is taken in its non-randomised uniform version (Czado, Gneiting
// and Held 2009, "Predictive model assessment for count data", section 2): a
// window counts by the share of the random numbers with which its randomised
// transform would be beyond. That is the randomised transform averaged over all
// seeds: it has none of their noise, and does not depend on what things are
// called.
//
// The package is pure: no goroutine, no I/O, no clock. Its types are not safe
// for concurrent use.
package calibration

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
)

// PIT is the place of an observed value in its predictive distribution: the
// probabilities of less, of the value itself (0 where it is continuous) and of
// more. They add up to 1.
type PIT struct {
	Below, At, Above float64
	// Folded marks a deviation without a direction, such as that of a mix: Above
	// is half of the probability of a larger one, and it counts by half on both
	// sides.
	Folded bool
}

// beyond is the share of the random numbers with which the transform lies in an
// outer part of the distribution that has probability p, on the side whose
// probability beyond the value is outer.
func (p PIT) beyond(outer, level float64) float64 {
	switch {
	case outer+p.At <= level:
		return 1
	case outer >= level:
		return 0
	default:
		return (level - outer) / p.At
	}
}

// Stratum is a range of the expected count: small counts are judged by other
// parts of a model than large ones.
type Stratum uint8

// Strata is the number of strata.
const Strata = Stratum(len(strataFrom))

// strataFrom are the expected counts from which on the strata are.
var strataFrom = [...]float64{0, 0.1, 1, 10, 100}

var strataNames = [...]string{"below 0.1", "0.1 to 1", "1 to 10", "10 to 100", "100 and more"}

// String returns the range of the expected count in words.
func (s Stratum) String() string {
	if s < Strata {
		return strataNames[s]
	}
	return "unknown"
}

// StratumOf returns the stratum of an expected count; that of 0 for what is no
// number.
func StratumOf(expected float64) Stratum {
	s := Strata - 1
	for s > 0 && !(expected >= strataFrom[s]) {
		s--
	}
	return s
}

// Levels are the |z| at which exceedances are counted. Calibration is reported
// from the third one on; the first two show what a correction has to do where
// the model is too wide.
var Levels = [...]float64{1, 1.5, 2, 2.5, 3, 4}

const (
	// NumLevels is how many there are.
	NumLevels = len(Levels)
	// firstLevel is the first that is reported.
	firstLevel = 2
)

// Side is one of the two tails.
type Side uint8

// The sides.
const (
	Low Side = iota
	Up
	sides
)

// unit is one window in the fixed point of a tally: whole numbers add up to the
// same in every order. A block holds at most 2^17 windows of a feature.
const unit = 1 << 15

// Tally counts windows: N of them, and for each side and level how many were
// beyond, nominally and after the correction that was in force, in 32768ths.
type Tally struct {
	N                  uint32
	Nominal, Corrected [sides][NumLevels]uint32
}

func (t *Tally) add(o *Tally) {
	t.N += o.N
	for s := range sides {
		for l := range NumLevels {
			t.Nominal[s][l] += o.Nominal[s][l]
			t.Corrected[s][l] += o.Corrected[s][l]
		}
	}
}

// Blocks is how many blocks of event time are kept.
const Blocks = 32

// blockWindows is how many windows of each scale a block spans. Windows of a
// block are not independent, blocks nearly so: 3 hours, 6 hours and a day of the
// default scales.
var blockWindows = [cluster.NumScales]int64{cluster.Short: 36, cluster.Medium: 6, cluster.Long: 1}

// BlockOf is the length of a block for windows of a scale and length, both in
// nanoseconds.
func BlockOf(scale cluster.Scale, window int64) int64 {
	return window * blockWindows[min(scale, cluster.NumScales-1)]
}

const numFeatures = int(cluster.AllFeatures)

// Table is the calibration of one scale over the last [Blocks] blocks of event
// time. It takes 3.3 KB for each feature and stratum that has windows, and 320 KB at
// most.
type Table struct {
	scale cluster.Scale
	block int64 // nanoseconds
	// newest is the number of the newest block since the epoch; block n is kept
	// in tallies[n % Blocks].
	newest int64
	begun  bool
	cells  [numFeatures][Strata]*[Blocks]Tally
	// in is what the corrections that a cell met last make of the levels.
	in [numFeatures][Strata]*[sides]inForce

	corrections Corrections
}

// NewTable returns an empty table with blocks of a length in nanoseconds.
func NewTable(scale cluster.Scale, block int64) *Table {
	return &Table{scale: scale, block: max(1, block)}
}

// Begin says that the windows added from now on begin at a time (Unix
// nanoseconds). Blocks that are older than the last [Blocks] are forgotten.
// Time does not run backwards: an older time counts into the newest block.
func (t *Table) Begin(start int64) {
	n := start / t.block
	if start%t.block < 0 {
		n--
	}
	if !t.begun {
		t.newest, t.begun = n, true
	}
	for i := 0; i < Blocks && t.newest+int64(i) < n; i++ {
		t.clear(slot(t.newest + int64(i) + 1))
	}
	t.newest = max(t.newest, n)
}

func slot(block int64) int { return int(((block % Blocks) + Blocks) % Blocks) }

func (t *Table) clear(slot int) {
	for f := range t.cells {
		for s := range t.cells[f] {
			if c := t.cells[f][s]; c != nil {
				c[slot] = Tally{}
			}
		}
	}
}

// Add counts one feature of one window, corrected as the last [Table.Fit] says.
func (t *Table) Add(f cluster.Feature, s Stratum, p PIT) {
	t.AddCorrected(f, s, p, t.corrections.For(f, s))
}

// AddCorrected is Add with the corrections that were in force elsewhere.
func (t *Table) AddCorrected(f cluster.Feature, s Stratum, p PIT, in [2]Correction) {
	if int(f) >= numFeatures || s >= Strata {
		return
	}
	cell := t.cells[f][s]
	if cell == nil {
		cell = new([Blocks]Tally)
		t.cells[f][s] = cell
	}
	now := t.in[f][s]
	if now == nil {
		now = new([sides]inForce)
		t.in[f][s] = now
	}
	for side := range now {
		now[side].become(in[side])
	}
	cell[slot(t.newest)].count(p, now)
}

// inForce is a correction, and the nominal probability beyond each level that is
// calibrated by it; those of the levels themselves are not kept.
type inForce struct {
	Correction
	beyond [NumLevels]float64
}

func (c *inForce) become(in Correction) {
	if c.Correction == in {
		return
	}
	c.Correction = in
	for l, z := range Levels {
		c.beyond[l] = probability(in.Nominal(z))
	}
}

func (t *Tally) count(p PIT, in *[sides]inForce) {
	t.N++
	weight := float64(unit)
	if p.Folded {
		weight, p.Below = unit/2, p.Above
	}
	for side, outer := range [sides]float64{Low: p.Below, Up: p.Above} {
		if outer >= nearest {
			continue // not beyond the least level, however corrected
		}
		corrected := in[side].Correction != (Correction{})
		for l := range Levels {
			beyond := uint32(math.Round(weight * p.beyond(outer, nominal[l])))
			t.Nominal[side][l] += beyond
			if corrected {
				beyond = uint32(math.Round(weight * p.beyond(outer, in[side].beyond[l])))
			}
			t.Corrected[side][l] += beyond
		}
	}
}

// probability is that of more than z, or of less than −z.
func probability(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// nominal is the nominal probability beyond each level on one side, nearest that
// of the nearest nominal |z| that a correction can make the first level of.
var (
	nominal = func() (p [NumLevels]float64) {
		for l, z := range Levels {
			p[l] = probability(z)
		}
		return p
	}()
	nearest = probability(Levels[0] * Step(minStep).Factor())
)
