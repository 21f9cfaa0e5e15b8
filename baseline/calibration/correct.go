package calibration

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
)

// Step is a factor on |z| in steps of 5 %. Steps, so that what depends on a
// correction can be computed once and kept. The zero value is a factor of 1.
type Step int8

const (
	stepSize = 0.05
	// Corrections are bounded: no more than these is a correction, it is another
	// model.
	maxStep = 20
	minStep = -20
)

// Factor is exp(0.05·step), 0.37 to 2.7.
func (s Step) Factor() float64 { return math.Exp(stepSize * float64(s)) }

// Correction is a map from nominal to calibrated |z| on one side: through the
// origin, (2.5·near, 2.5) and (4·far, 4), with straight lines between them and
// beyond. It is continuous and rises everywhere. Near may be less than 1, where
// the model is too wide; far is not: what is far out is rare, and a score that
// was not seen to be too low there is not raised. The zero value changes nothing.
type Correction struct{ Near, Far Step }

const (
	nearZ = 2.5
	farZ  = 4.0
)

// Of returns the calibrated |z| of a nominal one.
func (c Correction) Of(z float64) float64 {
	if c == (Correction{}) {
		return z
	}
	near, far := nearZ*c.Near.Factor(), farZ*c.Far.Factor()
	switch {
	case z <= near:
		return z * nearZ / near
	case z < far:
		return nearZ + (farZ-nearZ)*(z-near)/(far-near)
	default:
		return z * farZ / far
	}
}

// Nominal returns the nominal |z| of a calibrated one: the inverse of
// [Correction.Of].
func (c Correction) Nominal(z float64) float64 {
	near, far := nearZ*c.Near.Factor(), farZ*c.Far.Factor()
	switch {
	case z <= nearZ:
		return z * near / nearZ
	case z < farZ:
		return near + (far-near)*(z-nearZ)/(farZ-nearZ)
	default:
		return z * far / farZ
	}
}

// weight is how many exceedances what is known of the whole counts for against
// those of a part: of a feature against its strata, of all features against one,
// and of nothing (a ratio of 1) against all.
const weight = 5

// enough is how many exceedances must nominally be expected beyond a level for it
// to be measured.
const enough = 5

// Corrections are those of each feature, stratum and side. The zero value corrects
// nothing and has measured nothing.
type Corrections struct {
	of       [numFeatures][Strata][sides]Correction
	measured [numFeatures][Strata][sides]float32 // |z| after the correction
}

// For returns the corrections of the low and the high side. It may be called on
// nil.
func (c *Corrections) For(f cluster.Feature, s Stratum) [2]Correction {
	if c == nil || int(f) >= numFeatures || s >= Strata {
		return [sides]Correction{}
	}
	return c.of[f][s]
}

// Measured reports whether a corrected z lies within the range in which the
// calibration could be measured, or well within the middle of the distribution.
func (c *Corrections) Measured(f cluster.Feature, s Stratum, z float64) bool {
	if math.Abs(z) <= Levels[firstLevel] {
		return true
	}
	if c == nil || int(f) >= numFeatures || s >= Strata {
		return false
	}
	side := Low
	if z > 0 {
		side = Up
	}
	return math.Abs(z) <= float64(c.measured[f][s][side])
}

// Corrections returns the corrections of the last [Table.Fit]. They change with
// the next one.
func (t *Table) Corrections() *Corrections { return &t.corrections }

// Fit fits the corrections to what was counted so far.
//
// The observed probability beyond each level is that of some |z|. This is drawn
// towards that of the feature, which is drawn towards that of all features, which
// is drawn towards the level itself: each by the weight of some exceedances, times
// how much the exceedances of a block come together (the index of dispersion of
// the blocks). So for each nominal |z| there is one with the observed probability;
// the correction turns the first into the second.
func (t *Table) Fit() {
	var features [numFeatures]history
	var all history
	var parts [numFeatures][Strata]history
	for f := range t.cells {
		for s := range t.cells[f] {
			if t.cells[f][s] != nil {
				parts[f][s] = gather(t.cells[f][s])
				features[f].add(&parts[f][s])
			}
		}
		all.add(&features[f])
	}
	t.corrections = Corrections{}
	for side := range sides {
		whole := all.observed(side, &Levels)
		for f := range features {
			of := features[f].observed(side, &whole)
			for s := range parts[f] {
				own := parts[f][s].observed(side, &of)
				c := correction(&own)
				t.corrections.of[f][s][side] = c
				t.corrections.measured[f][s][side] = parts[f][s].measured(c)
			}
		}
	}
}

// history is a sum of tallies, with the blocks it came in.
type history struct {
	total  Tally64
	blocks [Blocks]blockCount
}

// Tally64 is the nominal part of a tally, in windows.
type Tally64 struct {
	N       float64
	Nominal [sides][NumLevels]float64
}

// blockCount is a block's windows and exceedances beyond the first level.
type blockCount struct {
	n      float64
	beyond [sides]float64
}

func gather(cell *[Blocks]Tally) (h history) {
	for b := range cell {
		c := &cell[b]
		h.total.N += float64(c.N)
		h.blocks[b].n = float64(c.N)
		for side := range sides {
			for l := range NumLevels {
				h.total.Nominal[side][l] += float64(c.Nominal[side][l]) / unit
			}
			h.blocks[b].beyond[side] = float64(c.Nominal[side][firstLevel]) / unit
		}
	}
	return h
}

func (h *history) add(o *history) {
	h.total.N += o.total.N
	for side := range sides {
		for l := range NumLevels {
			h.total.Nominal[side][l] += o.total.Nominal[side][l]
		}
	}
	for b := range h.blocks {
		h.blocks[b].n += o.blocks[b].n
		for side := range sides {
			h.blocks[b].beyond[side] += o.blocks[b].beyond[side]
		}
	}
}

// observed returns, for each level, the |z| beyond which there nominally were as
// many as there are beyond the level, drawn towards a prior.
func (h *history) observed(side Side, prior *[NumLevels]float64) (z [NumLevels]float64) {
	m := weight * h.dispersion(side)
	for l := range NumLevels {
		beyond := h.total.Nominal[side][l]
		share := math.Min((beyond+0.5)/(h.total.N+1), 0.45)
		n := math.Max(beyond, h.total.N*nominal[l])
		z[l] = (n*math.Sqrt2*math.Erfcinv(2*share) + m*prior[l]) / (n + m)
	}
	return z
}

// dispersion is the variance of the blocks' exceedances over what independent
// windows would have, at least 1.
func (h *history) dispersion(side Side) float64 {
	if h.total.N == 0 {
		return 1
	}
	rate := h.total.Nominal[side][firstLevel] / h.total.N
	squares, blocks := 0.0, 0.0
	for b := range h.blocks {
		if n := h.blocks[b].n; n > 0 {
			d := h.blocks[b].beyond[side] - n*rate
			squares += d * d / math.Max(n*rate, 0.5)
			blocks++
		}
	}
	if blocks < 2 {
		return 1
	}
	return math.Max(1, squares/(blocks-1))
}

// correction is what the observed |z| of the levels ask for: near by 2 and 2.5,
// far by 3 and 4.
func correction(observed *[NumLevels]float64) Correction {
	logs := func(a, b float64) float64 {
		return (math.Log(nominalOf(a, observed)/a) + math.Log(nominalOf(b, observed)/b)) / 2
	}
	c := Correction{Near: bounded(logs(2, 2.5), minStep), Far: bounded(logs(3, 4), 0)}
	// The map must rise between the two.
	for nearZ*c.Near.Factor()+0.5 > farZ*c.Far.Factor() {
		c.Far++
	}
	return c
}

func bounded(log float64, least Step) Step {
	return Step(math.Min(math.Max(math.Round(log/stepSize), float64(least)), maxStep))
}

// nominalOf is the nominal |z| whose observed probability is that of z: between
// two levels along a line, below the first and beyond the last in proportion.
func nominalOf(z float64, observed *[NumLevels]float64) float64 {
	below, at := 0.0, 0.0 // of observed and of nominal
	for l, o := range observed {
		if o >= z {
			return at + (Levels[l]-at)*(z-below)/(o-below)
		}
		if o > below {
			below, at = o, Levels[l]
		}
	}
	return at * z / below
}

// measured is the highest corrected |z| beyond which enough exceedances were
// expected.
func (h *history) measured(c Correction) float32 {
	z := 0.0
	for l, level := range Levels {
		if h.total.N*nominal[l] >= enough {
			z = level
		}
	}
	return float32(c.Of(z))
}
