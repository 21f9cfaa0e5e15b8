package fingerprint

import "github.com/logcluster/logcluster/fingerprint/rbac"

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
// are not used again. The zero value is ready.
type policyNumbers struct {
	lately []numbered // the last used first
	last   uint64
}

type numbered struct {
	policy *rbac.Policy
	number uint64
}

// maxPolicies bounds the policies that are remembered: some versions of every
// tenant's. One that is forgotten and met again costs resolving anew.
const maxPolicies = 1024

func (n *policyNumbers) of(p *rbac.Policy) uint64 {
	if len(n.lately) > 0 && n.lately[0].policy == p {
		return n.lately[0].number
	}
	for i := range n.lately {
		if n.lately[i].policy == p {
			found := n.lately[i]
			copy(n.lately[1:i+1], n.lately[:i])
			n.lately[0] = found
			return found.number
		}
	}
	n.last++
	if len(n.lately) < maxPolicies {
		n.lately = append(n.lately, numbered{})
	}
	copy(n.lately[1:], n.lately)
	n.lately[0] = numbered{p, n.last}
	return n.last
}
