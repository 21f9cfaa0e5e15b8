package family

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Assemble returns the roles to learn from: every role key that was seen, with
// what the policy allows it and what it did. A nil policy allows nothing to be
// known: roles are then compared by what they did. The roles are in ascending
// order of the key.
func Assemble(_ *rbac.Policy, behaviour []baseline.RoleBehaviour) []Role {
	roles := make([]Role, 0, len(behaviour))
	for i := range behaviour {
		b := &behaviour[i]
		roles = append(roles, Role{Key: b.Role, Class: b.Power, Behaviour: activities(b)})
	}
	slices.SortFunc(roles, func(a, b Role) int { return cmp.Compare(a.Key, b.Key) })
	return roles
}

func activities(b *baseline.RoleBehaviour) []Activity {
	did := make([]Activity, len(b.Activities))
	for i, a := range b.Activities {
		did[i] = Activity{Kind: kindOf(a.APIGroup, a.Resource, uint8(a.Access)), Events: float64(a.Events)}
	}
	slices.SortFunc(did, func(a, b Activity) int { return cmp.Compare(a.Kind, b.Kind) })
	return did
}
