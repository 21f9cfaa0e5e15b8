package family

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Assemble returns the roles to learn from, in ascending order of the key:
//
//   - every role key that was seen, with what the policy allows it and what it
//     did. A key is often a set of roles, and has the permissions of all of
//     them. Where the policy does not know the key, its class is that of its
//     clusters.
//   - every single role of the policy that exists, is bound and was not seen as
//     a key of its own, with what it allows: for people, who look for a role by
//     its name.
//
// A nil policy knows no role: all are then compared by what they did.
func Assemble(p *rbac.Policy, behaviour []baseline.RoleBehaviour) []Role {
	roles := make([]Role, 0, len(behaviour))
	seen := make(map[string]bool, len(behaviour))
	for i := range behaviour {
		b := &behaviour[i]
		r := Role{Key: b.Role, Class: p.KeyPower(b.Role).Class, Permissions: p.KeyPermissions(b.Role), Behaviour: activities(b)}
		if r.Class == rbac.ClassUnknown {
			r.Class = b.Power
		}
		roles = append(roles, r)
		seen[b.Role] = true
	}
	known := p.Roles()
	for i := range known {
		key := known[i].Role.Key()
		if known[i].Exists && len(known[i].Bindings) > 0 && !seen[key] {
			roles = append(roles, Role{Key: key, Class: known[i].Power.Class, Permissions: p.KeyPermissions(key)})
		}
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
