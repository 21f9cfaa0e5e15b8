package rbac

import "slices"

// Versions tells which policy was in force when, by event time. The zero value
// has none. It is not safe for concurrent use.
type Versions struct {
	all []version // ascending by from, each once
}

type version struct {
	from   int64
	policy *Policy
}

// Append lets a policy be in force from a time (Unix nanoseconds of event time)
// until the next one. Time does not run backwards: a policy from before the
// last one's beginning takes the last one's place, as does one from the same time.
func (v *Versions) Append(from int64, p *Policy) {
	if n := len(v.all); n > 0 && from <= v.all[n-1].from {
		v.all[n-1].policy = p
		return
	}
	v.all = append(v.all, version{from: from, policy: p})
}

// At returns the policy in force at a time, nil before the first.
func (v *Versions) At(t int64) *Policy {
	if n := len(v.all); n > 0 && v.all[n-1].from <= t {
		return v.all[n-1].policy // nearly always
	}
	i, found := slices.BinarySearchFunc(v.all, t, func(e version, t int64) int {
		switch {
		case e.from < t:
			return -1
		case e.from > t:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	return v.all[i].policy
}

// Forget drops the versions that no longer matter to times from before on. The
// one in force at before stays.
func (v *Versions) Forget(before int64) {
	n := 0
	for n+1 < len(v.all) && v.all[n+1].from <= before {
		n++
	}
	v.all = slices.Delete(v.all, 0, n)
}

// Len returns how many versions there are.
func (v *Versions) Len() int { return len(v.all) }

// Clone returns versions of their own that are the same so far.
func (v *Versions) Clone() Versions { return Versions{all: slices.Clone(v.all)} }
