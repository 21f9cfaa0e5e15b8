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

// GroupsOf returns the API groups in which rules of the policy name the resource
// or a subresource of it, sorted; "" is the core group. Wildcards name nothing. It
// looks at every rule.
func (p *Policy) GroupsOf(resource string) []string {
	if p == nil {
		return nil
	}
	var groups []string
	for i := range p.roles {
		for j := range p.roles[i].rules {
			r := &p.roles[i].rules[j]
			if slices.ContainsFunc(r.Resources, func(of string) bool { return of == resource || strings.HasPrefix(of, resource+"/") }) {
				groups = append(groups, r.APIGroups...)
			}
		}
	}
	slices.Sort(groups)
	return slices.DeleteFunc(slices.Compact(groups), func(g string) bool { return g == rbacv1.APIGroupAll })
}
