package family

// NewTuned is New with other constants, for the sweep.
func NewTuned(cut, evidence, stay float64) *Learner {
	l := New(Config{MaxRoles: DefaultConfig().MaxRoles, Cut: cut})
	l.by = measure{cut: cut, evidence: evidence, stay: stay}
	return l
}

// The constants as shipped.
const (
	Evidence = evidence
	Stay     = stay
)
