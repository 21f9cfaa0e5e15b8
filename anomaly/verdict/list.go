package verdict

import "slices"

// Standing is a verdict or a suppression as it stands, for people.
type Standing struct {
	Decision
	// Until is when it ends, zero while that is not known or never.
	Until Instant
	// InForce tells that it can still change anything, Coming that it is not yet
	// in force.
	InForce, Coming bool
}

// Verdicts returns all verdicts, in the order in which they were given.
func (b *Book) Verdicts() []Standing {
	return b.list(func(d *Decision) bool { return d.Verdict != nil })
}

// Suppressions returns all suppressions, in the order in which they were made.
func (b *Book) Suppressions() []Standing {
	return b.list(func(d *Decision) bool { return d.Suppression != nil })
}

func (b *Book) list(is func(*Decision) bool) []Standing {
	var out []Standing
	for _, e := range b.entries {
		if is(&e.Decision) {
			s := Standing{Decision: e.Decision, Until: e.until, InForce: b.inForce(e)}
			if e.Verdict != nil {
				s.Verdict = e.Verdict.clone()
			}
			out = append(out, s)
		}
	}
	for i := range b.coming {
		d := &b.coming[i]
		if d.Verdict == nil && d.Suppression == nil && d.Remove == "" {
			continue
		}
		out = slices.DeleteFunc(out, func(s Standing) bool { return s.name() == d.name() || s.name() == d.Remove })
		if is(d) {
			s := Standing{Decision: *d, Coming: true, InForce: true}
			if d.Verdict != nil {
				s.Verdict, s.Until = d.Verdict.clone(), d.Verdict.Until
			} else {
				s.Until = d.Suppression.Until
			}
			out = append(out, s)
		}
	}
	return out
}

func (v *Verdict) clone() *Verdict {
	c := *v
	c.About.Members = slices.Clone(v.About.Members)
	return &c
}

// Windows is a maintenance window, and whether it lasts now.
type Windows struct {
	Maintenance
	Active bool
}

// Maintenance returns the maintenance windows that are in force, and which of them
// last at the event time that evaluations have come to.
func (b *Book) Maintenance() []Windows {
	out := make([]Windows, len(b.maintenance))
	for i, m := range b.maintenance {
		out[i] = Windows{m.Maintenance, b.at > 0 && m.covers(b.at, b.at)}
	}
	return out
}

// Decided returns the maintenance windows that were decided upon last, in force
// or coming.
func (b *Book) Decided() []Maintenance {
	for i := len(b.coming) - 1; i >= 0; i-- {
		if b.coming[i].Maintenance != nil {
			return b.coming[i].Maintenance
		}
	}
	var out []Maintenance
	for _, m := range b.maintenance {
		out = append(out, m.Maintenance)
	}
	return out
}

// InForce returns how many suppressions and verdicts of [Expected] are in force.
func (b *Book) InForce() int {
	n := 0
	for _, e := range b.entries {
		if (e.Suppression != nil || e.Verdict.Word == Expected) && b.inForce(e) {
			n++
		}
	}
	return n
}
