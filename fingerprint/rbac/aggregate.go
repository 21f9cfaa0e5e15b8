package rbac

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// aggregation fills in ClusterRoles that are made of others. A running cluster
// has done so already: what it prints has the rules beside the selectors, and
// they hold even if the roles that were selected are not among the objects.
// Manifests come with the selectors only. Rules that somebody wrote beside
// selectors by hand are taken for the cluster's too, until its controller has
// overwritten them.
type aggregation struct {
	roles     map[string]*rbacv1.ClusterRole
	names     []string // ascending, so that rules come out in a fixed order
	selectors map[string][]labels.Selector
}

// newAggregation reads the selectors of the roles that want aggregating: those
// that have an aggregation rule and no rules of their own.
func newAggregation(roles []rbacv1.ClusterRole) (*aggregation, error) {
	a := &aggregation{
		roles:     map[string]*rbacv1.ClusterRole{},
		selectors: map[string][]labels.Selector{},
	}
	for i := range roles {
		a.roles[roles[i].Name] = &roles[i]
	}
	for name, role := range a.roles {
		a.names = append(a.names, name)
		if role.AggregationRule == nil || len(role.Rules) > 0 {
			continue
		}
		a.selectors[name] = []labels.Selector{}
	}
	slices.Sort(a.names)
	for _, name := range a.names {
		if a.selectors[name] == nil {
			continue
		}
		for i := range a.roles[name].AggregationRule.ClusterRoleSelectors {
			s, err := metav1.LabelSelectorAsSelector(&a.roles[name].AggregationRule.ClusterRoleSelectors[i])
			if err != nil {
				return nil, fmt.Errorf("read aggregation selector %d of ClusterRole %q: %w", i+1, name, err)
			}
			a.selectors[name] = append(a.selectors[name], s)
		}
	}
	return a, nil
}

// rules returns the rules of a ClusterRole: its own, or those of every role
// that its aggregation reaches, through other aggregated roles too.
func (a *aggregation) rules(name string) []rbacv1.PolicyRule {
	if a.selectors[name] == nil {
		return a.roles[name].Rules
	}
	reached := map[string]bool{name: true}
	for next := []string{name}; len(next) > 0; {
		role := next[len(next)-1]
		next = next[:len(next)-1]
		for _, other := range a.names {
			if !reached[other] && a.selects(role, other) {
				reached[other] = true
				next = append(next, other)
			}
		}
	}
	var all []rbacv1.PolicyRule
	for _, other := range a.names {
		if reached[other] {
			all = append(all, a.roles[other].Rules...)
		}
	}
	return all
}

func (a *aggregation) selects(role, other string) bool {
	set := labels.Set(a.roles[other].Labels)
	return slices.ContainsFunc(a.selectors[role], func(s labels.Selector) bool { return s.Matches(set) })
}
