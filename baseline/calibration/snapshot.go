package calibration

import (
	"fmt"

	"github.com/logcluster/logcluster/cluster"
)

// State is everything a table must keep to go on bit for bit. It shares no
// memory with the table.
type State struct {
	Newest int64
	Begun  bool
	Cells  []CellState // ascending by feature and stratum
}

// CellState is the tallies of one feature and stratum, by place in the ring of
// blocks.
type CellState struct {
	Feature cluster.Feature
	Stratum Stratum
	Tallies []Tally
}

// Snapshot returns the state.
func (t *Table) Snapshot() State {
	st := State{Newest: t.newest, Begun: t.begun}
	for f := range t.cells {
		for s := range Strata {
			if cell := t.cells[f][s]; cell != nil {
				st.Cells = append(st.Cells, CellState{Feature: cluster.Feature(f), Stratum: s, Tallies: append([]Tally(nil), cell[:]...)})
			}
		}
	}
	return st
}

// Restore replaces everything in the table by a state, and fits the corrections
// to it. On an error the table is unchanged.
func (t *Table) Restore(st State) error {
	r := Table{scale: t.scale, block: t.block, newest: st.Newest, begun: st.Begun}
	for _, c := range st.Cells {
		if int(c.Feature) >= numFeatures || c.Stratum >= Strata || len(c.Tallies) != Blocks {
			return fmt.Errorf("restore a calibration: feature %d, stratum %d with %d blocks is of another version", c.Feature, c.Stratum, len(c.Tallies))
		}
		cell := [Blocks]Tally(c.Tallies)
		r.cells[c.Feature][c.Stratum] = &cell
	}
	r.Fit()
	*t = r
	return nil
}
