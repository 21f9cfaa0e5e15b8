package level

import (
	"errors"
	"fmt"
)

// State is all that a [Series] knows, plain and bounded: what a
// restart needs to go on as if nothing had happened. Times are Unix
// nanoseconds.
type State struct {
	// Rows is the number of rows that were scored; At and Last are the time
	// and the value of the latest, Step the usual distance of two rows in
	// nanoseconds.
	Rows int64
	At   int64
	Last float64
	Step float64
	// Quantum is the smallest distance of two neighbouring rows that differ, 0
	// before there was one: the resolution of the values.
	Quantum float64
	// Fast, Mid and Slow are means of the last few, the last twenty and the
	// last few hundred rows; Smooth and Slope are a level and its damped trend.
	Fast, Mid, Slow, Smooth, Slope float64
	// Spread is the usual distance from Slow, Change that of neighbouring rows.
	Spread, Change float64
	// Before is the row before Last.
	Before float64

	Experts [numExperts]Expert
	// Neighbours are the moments that the autoregression comes from; Day1 and
	// Week1 those of the distance from the season and the one before it.
	Neighbours  Moments
	Day1, Week1 Moments
	// OffDay and OffWeek are how far Last was from its seasons.
	OffDay, OffWeek float64
	Daily, Hours    Season // the days in fine and in coarse steps
	Weekly          Season
	// Noise is how large the residuals are at each phase of the day, relative
	// to all of them, whose mean is Residual.
	Noise    Season
	Residual float64

	Atoms Atoms
	// Kept, Returned and Moved are the shares of rows that repeat the last
	// value, that come back to an atom, and that go where the experts say.
	Kept, Returned, Moved float64

	Evidence Evidence
}

// The number of steps of the seasons.
const (
	fineSteps   = 288
	coarseSteps = 48
	weekSteps   = 336
)

func newState() State {
	s := State{
		Daily: newSeason(fineSteps), Hours: newSeason(coarseSteps),
		Weekly: newSeason(weekSteps), Noise: newSeason(coarseSteps),
		Kept: 0.1, Returned: 0.1, Moved: 0.8,
		Evidence: newEvidence(),
	}
	for k := range s.Experts {
		s.Experts[k].Up = 0.5
	}
	return s
}

// Snapshot returns a copy of the state.
func (s *Series) Snapshot() State { return s.state.clone() }

func (s State) clone() State {
	s.Daily, s.Hours = s.Daily.clone(), s.Hours.clone()
	s.Weekly, s.Noise = s.Weekly.clone(), s.Noise.clone()
	return s
}

// Restore continues from a state that Snapshot returned, bit for bit. The
// state is copied. A state that does not fit is an error and changes nothing.
func (s *Series) Restore(state State) error {
	for _, season := range []struct {
		Season
		steps int
	}{
		{state.Daily, fineSteps},
		{state.Hours, coarseSteps},
		{state.Weekly, weekSteps},
		{state.Noise, coarseSteps},
	} {
		if len(season.Mean) != season.steps || len(season.Rows) != season.steps {
			return fmt.Errorf("restore a season of %d and %d steps: want %d", len(season.Mean), len(season.Rows), season.steps)
		}
	}
	if state.Rows < 0 {
		return errors.New("restore a negative number of rows")
	}
	s.state = state.clone()
	return nil
}
