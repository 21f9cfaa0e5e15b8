package baseline

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// RoleBehaviour is what a tenant's subjects did under one role key in the
// trailing days, refused requests included.
type RoleBehaviour struct {
	// Role is the role key.
	Role string
	// Power is the highest class of the role key's clusters: under one key a
	// subject may have been bound in a namespace and another in the whole
	// cluster. ClassUnknown when no policy told.
	Power rbac.Class
	// Events is the sum over Activities.
	Events uint64
	// Activities are in ascending order of API group, resource and access.
	Activities []RoleActivity
}

// RoleActivity is how much was done of one kind of thing.
type RoleActivity struct {
	APIGroup string
	Resource string // as in [fingerprint.ClusterKey]
	Access   fingerprint.Access
	// Events is how many there were in the history, clipped as everything that
	// the baseline learns from: one burst does not make another role of it.
	Events uint64
}

// Behaviour returns what every role key of a tenant did in the history, in
// ascending order of the key: as of the last retrain, nil for a tenant that is
// not known. What a tenant did beyond its budgets is nobody's behaviour. It
// costs a pass over the tenant's clusters; the result shares no memory with the
// store but the strings.
func (s *Store) Behaviour(tenant string) []RoleBehaviour {
	tn := s.tenants[tenant]
	if tn == nil {
		return nil
	}
	var roles []RoleBehaviour
	at := make(map[string]int)
	for _, h := range tn.scales[cluster.Short].order {
		k, events := h.key, h.total.Sum[cluster.Events]
		if events == 0 || k.Role == cluster.OverflowName && k.Resource == "" {
			continue
		}
		i, ok := at[k.Role]
		if !ok {
			i = len(roles)
			at[k.Role] = i
			roles = append(roles, RoleBehaviour{Role: k.Role})
		}
		r := &roles[i]
		r.Power = max(r.Power, k.Power)
		r.Events += events
		r.Activities = append(r.Activities, RoleActivity{
			APIGroup: k.APIGroup, Resource: k.Resource, Access: k.Access, Events: events,
		})
	}
	for i := range roles {
		slices.SortFunc(roles[i].Activities, compareActivity)
	}
	slices.SortFunc(roles, func(a, b RoleBehaviour) int { return cmp.Compare(a.Role, b.Role) })
	return roles
}

func compareActivity(a, b RoleActivity) int {
	return cmp.Or(
		cmp.Compare(a.APIGroup, b.APIGroup),
		cmp.Compare(a.Resource, b.Resource),
		cmp.Compare(a.Access, b.Access),
	)
}

// Tenants returns the names of the tenants that were trained, ascending.
func (s *Store) Tenants() []string {
	names := make([]string, 0, len(s.tenants))
	for _, tn := range s.sorted() {
		names = append(names, tn.name)
	}
	return names
}
