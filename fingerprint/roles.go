package fingerprint

import (
	"maps"
	"weak"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Roles are where role keys come from, besides the record itself. The zero
// value knows nothing: then the authorizer's reason and conventions tell.
type Roles struct {
	// Policies tells which role policy is in force; nil when there is none.
	Policies Policies
	// Mapping tells the roles of those about whom neither a policy nor the
	// authorizer said anything; nil when there is none.
	Mapping *Mapping
}

// Policies tells which role policy is in force.
type Policies interface {
	// At returns the policy of a tenant at an event time (Unix nanoseconds),
	// nil when there is none. It is called for every event. The same tenant and
	// time always give an equal policy.
	At(tenant string, time int64) *rbac.Policy
}

// Always is the one policy for every tenant and time.
func Always(p *rbac.Policy) Policies { return always{p} }

type always struct{ policy *rbac.Policy }

func (a always) At(string, int64) *rbac.Policy { return a.policy }

// policyNumbers gives every policy a number for the keys of the role cache, so
// that what one policy said is never taken for what another one says. Numbers
// are not used again. It keeps no policy alive but the last: a large one is
// megabytes, and a cluster whose roles change often has many versions. The zero
// value is ready.
type policyNumbers struct {
	policy *rbac.Policy // the last one that was asked for
	number uint64       // and its number

	known map[weak.Pointer[rbac.Policy]]uint64
	sweep int // size of known at which those that nobody has any more are removed
	last  uint64
}

func (n *policyNumbers) of(p *rbac.Policy) uint64 {
	if p == n.policy && n.number != 0 {
		return n.number
	}
	key := weak.Make(p)
	number, ok := n.known[key]
	if !ok {
		n.last++
		number = n.last
		n.makeRoom()
		n.known[key] = number
	}
	n.policy, n.number = p, number
	return number
}

// minPolicies is how many policies are known at least before they are swept.
const minPolicies = 64

// makeRoom makes room for one more policy.
func (n *policyNumbers) makeRoom() {
	if n.known == nil {
		n.known, n.sweep = map[weak.Pointer[rbac.Policy]]uint64{}, minPolicies
	}
	if len(n.known) < n.sweep {
		return
	}
	maps.DeleteFunc(n.known, func(p weak.Pointer[rbac.Policy], _ uint64) bool { return p.Value() == nil })
	n.sweep = max(2*len(n.known), minPolicies)
}
