package calibration

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/logcluster/logcluster/cluster"
)

// Row is one line of a report: one feature and stratum at one scale and level.
type Row struct {
	Scale   cluster.Scale
	Feature cluster.Feature
	Stratum Stratum
	// All marks the sum over the strata; Stratum is then meaningless.
	All bool
	// Z is the level.
	Z float64
	// Windows is how many were judged, in Blocks blocks of event time.
	Windows int
	Blocks  int
	// Expected is how many of them are nominally beyond the level, on both sides
	// together.
	Expected float64
	// Nominal is without a correction, Corrected with those that were in force.
	Nominal, Corrected Ratio
	// Corrections are those of the low and the high side that are in force now;
	// zero where All is set.
	Corrections [2]Correction
}

// Ratio is observed over nominal exceedances: on both sides together, with its
// 95 % interval by a bootstrap of whole blocks, and of each side.
type Ratio struct {
	Observed        float64 // windows beyond
	Value           float64
	Low, High       float64
	LowSide, UpSide float64
}

// Calibrated reports whether the interval meets [½, 2].
func (r Ratio) Calibrated() bool { return r.High >= 0.5 && r.Low <= 2 }

// Enough reports whether there is enough data to judge a row: 10 exceedances
// are expected, in 6 blocks.
func (r Row) Enough() bool { return r.Expected >= 10 && r.Blocks >= 6 }

// Report returns the measured calibration: for each feature that has windows a
// row a stratum and level, and one for all strata together. Ascending by feature,
// stratum (all strata last) and level.
func (t *Table) Report() []Row {
	var rows []Row
	for f := range t.cells {
		var sum [Blocks]Tally
		found := false
		for s := range Strata {
			cell := t.cells[f][s]
			if cell == nil {
				continue
			}
			found = true
			for b := range cell {
				sum[b].add(&cell[b])
			}
			row := Row{Scale: t.scale, Feature: cluster.Feature(f), Stratum: s, Corrections: t.corrections.of[f][s]}
			rows = row.levels(rows, cell)
		}
		if found {
			rows = Row{Scale: t.scale, Feature: cluster.Feature(f), All: true}.levels(rows, &sum)
		}
	}
	return rows
}

// levels appends a row for every level.
func (r Row) levels(rows []Row, cell *[Blocks]Tally) []Row {
	kept := make([]*Tally, 0, Blocks)
	for b := range cell {
		if cell[b].N > 0 {
			kept = append(kept, &cell[b])
			r.Windows += int(cell[b].N)
		}
	}
	r.Blocks = len(kept)
	if r.Blocks == 0 {
		return rows
	}
	for l := firstLevel; l < NumLevels; l++ {
		r.Z = Levels[l]
		r.Expected = 2 * nominal[l] * float64(r.Windows)
		r.Nominal = ratioOf(kept, l, func(t *Tally) *[sides][NumLevels]uint32 { return &t.Nominal })
		r.Corrected = ratioOf(kept, l, func(t *Tally) *[sides][NumLevels]uint32 { return &t.Corrected })
		rows = append(rows, r)
	}
	return rows
}

// resamples is how many times the bootstrap draws.
const resamples = 400

// ratioOf is the ratio at a level, and its interval by drawing whole blocks with
// replacement (Künsch 1989), with numbers that depend on nothing but their place.
func ratioOf(blocks []*Tally, l int, part func(*Tally) *[sides][NumLevels]uint32) Ratio {
	var n, low, up float64
	for _, t := range blocks {
		n += float64(t.N)
		low += float64(part(t)[Low][l]) / unit
		up += float64(part(t)[Up][l]) / unit
	}
	p := nominal[l]
	r := Ratio{Observed: low + up, Value: (low + up) / (2 * n * p), LowSide: low / (n * p), UpSide: up / (n * p)}
	draws := make([]float64, resamples)
	for d := range draws {
		var n, beyond float64
		for i := range blocks {
			t := blocks[draw(d, i)%uint64(len(blocks))]
			n += float64(t.N)
			beyond += float64(part(t)[Low][l]+part(t)[Up][l]) / unit
		}
		draws[d] = beyond / (2 * n * p)
	}
	slices.Sort(draws)
	const cut = resamples * 25 / 1000
	r.Low, r.High = math.Min(draws[cut], r.Value), math.Max(draws[resamples-1-cut], r.Value)
	return r
}

func draw(resample, i int) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(resample))
	binary.LittleEndian.PutUint64(b[8:], uint64(i))
	return xxhash.Sum64(b[:])
}
