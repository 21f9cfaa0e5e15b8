package family

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Learner groups the roles of every tenant, time after time, and remembers the
// last families of each: they decide what a family is called and draw its
// members together. It is not safe for concurrent use.
type Learner struct {
	cfg  Config
	by   measure
	last map[string]*Families // by tenant
}

// measure is what nearness is measured by; see [Config.Cut] and [Learner.Learn].
type measure struct{ cut, evidence, stay float64 }

// The constants of the measure were chosen with the cut on a recording, for
// families that are told apart well and stay what they are: ARCHITECTURE.md has
// their effect at half and double.
const (
	// evidence is how many events weigh half as much as the rules do.
	evidence = 50
	// stay is by how much two roles that were in one family count as nearer than
	// they are: a family that was joined at the cut parts at cut/(1 − stay).
	stay = 0.2
)

// New returns a learner that knows no families. The configuration must be
// valid.
func New(cfg Config) *Learner {
	return &Learner{
		cfg:  cfg,
		by:   measure{cut: cfg.Cut, evidence: evidence, stay: stay},
		last: make(map[string]*Families),
	}
}

// Families returns what was last learned about a tenant, nil before that.
func (l *Learner) Families(tenant string) *Families { return l.last[tenant] }

// Forget removes what is known of a tenant.
func (l *Learner) Forget(tenant string) { delete(l.last, tenant) }

// Learn groups the roles of a tenant into families. Every role is in exactly
// one. The order of the roles does not matter; their keys must be distinct.
// The slice is not retained, nor is anything in it but the keys. At is the time
// of learning (Unix nanoseconds of event time).
//
// Two roles that were in one family count as a fifth nearer than they are, so
// that they do not part and meet again with every small change.
func (l *Learner) Learn(tenant string, at int64, roles []Role) *Families {
	last := l.last[tenant]
	roles = slices.Clone(roles)
	slices.SortFunc(roles, func(a, b Role) int { return cmp.Compare(a.Key, b.Key) })
	compared, excess := split(roles, l.cfg.MaxRoles)
	f := &Families{Tenant: tenant, At: at, Roles: len(roles), Excess: len(excess)}
	f.group(compared, last, l.by)
	for i := range excess {
		f.Families = append(f.Families, Family{Class: excess[i].Class, Members: []string{excess[i].Key}, Excess: true})
	}
	f.identify(last)
	f.Stability = stability(last, f)
	l.last[tenant] = f
	return f
}

// split returns the roles with the most events, at most limit of them, and the
// others, both in the order of the roles.
func split(roles []Role, limit int) (most, rest []Role) {
	if len(roles) <= limit {
		return roles, nil
	}
	ranked := make([]int, len(roles))
	events := make([]float64, len(roles))
	for i := range roles {
		ranked[i], events[i] = i, roles[i].events()
	}
	slices.SortFunc(ranked, func(a, b int) int {
		return cmp.Or(cmp.Compare(events[b], events[a]), cmp.Compare(a, b))
	})
	chosen := make([]bool, len(roles))
	for _, i := range ranked[:limit] {
		chosen[i] = true
	}
	for i := range roles {
		if chosen[i] {
			most = append(most, roles[i])
		} else {
			rest = append(rest, roles[i])
		}
	}
	return most, rest
}

func (r *Role) events() float64 {
	sum := 0.0
	for _, a := range r.Behaviour {
		sum += a.Events
	}
	return sum
}

// State is everything a learner must keep to go on bit for bit: the last
// families of every tenant, in ascending order of the name.
type State struct{ Tenants []Families }

// Snapshot returns the state. It shares the families with the learner, which
// does not modify them.
func (l *Learner) Snapshot() State {
	var st State
	for _, tenant := range slices.Sorted(maps.Keys(l.last)) {
		st.Tenants = append(st.Tenants, *l.last[tenant])
	}
	return st
}

// Restore replaces everything in the learner by a state, which it keeps. On an
// error the learner is unchanged.
func (l *Learner) Restore(st State) error {
	last := make(map[string]*Families, len(st.Tenants))
	for i := range st.Tenants {
		f := st.Tenants[i]
		f.reindex()
		if len(f.index) != f.Roles {
			return fmt.Errorf("restore the families of tenant %q: %d roles, not %d", f.Tenant, len(f.index), f.Roles)
		}
		last[f.Tenant] = &f
	}
	l.last = last
	return nil
}
