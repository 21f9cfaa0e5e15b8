package level

// Atoms are the single values that a series keeps coming back to: zeros, the
// level of a flat line, the steps of a quantised sensor. Bounded: a value that
// comes back more often takes the place of the one that comes least.
type Atoms struct {
	Value [numAtoms]float64
	// Share is the share of rows at the value, 0 for an unused slot.
	Share [numAtoms]float64
	// Least is the share from which a value counts as an atom: it was seen
	// three times.
	Least float64
}

const numAtoms = 16

// learn counts a value with the gain 1/rows, which is bounded below.
func (a *Atoms) learn(x, gain float64) {
	found, least := -1, 0
	for i := range a.Value {
		if a.Share[i] > 0 && a.Value[i] == x {
			found = i
		}
		a.Share[i] *= 1 - gain
		if a.Share[i] < a.Share[least] {
			least = i
		}
	}
	a.Least = 2.5 * gain
	switch {
	case found >= 0:
		a.Share[found] += gain
	case a.Share[least] < 1.5*gain:
		a.Value[least], a.Share[least] = x, gain
	}
}

// at returns the share of rows below, at and above x, of atoms alone.
func (a *Atoms) at(x float64) (below, at, above float64) {
	for i, s := range a.Share {
		switch v := a.Value[i]; {
		case s < a.Least || s == 0:
		case v < x:
			below += s
		case v > x:
			above += s
		default:
			at += s
		}
	}
	return below, at, above
}
