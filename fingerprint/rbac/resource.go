package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// ParseResource reads a resource as people write it: pods, pods/exec,
// deployments.apps, and deployments/scale.apps or deployments.apps/scale. What is
// not there is empty.
func ParseResource(text string) (resource, subresource, group string) {
	resource, group, _ = strings.Cut(text, ".")
	resource, subresource, _ = strings.Cut(resource, "/")
	if subresource == "" {
		group, subresource, _ = strings.Cut(group, "/")
	}
	return resource, subresource, group
}

// GroupsOf returns the API groups that have the resource, sorted, as far as rules of
// the policy tell by naming it or a subresource of it; "" is the core group. A rule
// of several groups does not say which of them has it, and counts only where no
// other rule does. Wildcards name nothing. It looks at every rule.
func (p *Policy) GroupsOf(resource string) []string {
	if p == nil {
		return nil
	}
	var sure, perhaps []string
	for i := range p.roles {
		for j := range p.roles[i].rules {
			r := &p.roles[i].rules[j]
			switch {
			case !slices.ContainsFunc(r.Resources, func(of string) bool { return of == resource || strings.HasPrefix(of, resource+"/") }):
			case len(r.APIGroups) == 1 && r.APIGroups[0] != rbacv1.APIGroupAll:
				sure = append(sure, r.APIGroups[0])
			default:
				perhaps = append(perhaps, r.APIGroups...)
			}
		}
	}
	if len(sure) == 0 {
		sure = slices.DeleteFunc(perhaps, func(g string) bool { return g == rbacv1.APIGroupAll })
	}
	slices.Sort(sure)
	return slices.Compact(sure)
}
