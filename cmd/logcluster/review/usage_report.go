package review

import (
	"cmp"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// UsageReport says what of a policy was used in the observed time.
type UsageReport struct {
	SchemaVersion int  `json:"schema_version"`
	Observed      Span `json:"observed"`
	// Allowed are the requests that some binding allows; they are what roles
	// are used by. Elsewhere are those that none allows and that were not
	// refused either: the node authorizer, a webhook, or bindings that the
	// policy does not hold. Denied were refused. Odd asked for something called
	// "*", which no suggestion may name.
	Allowed   uint64 `json:"allowed"`
	Elsewhere uint64 `json:"elsewhere"`
	Denied    uint64 `json:"denied"`
	Odd       uint64 `json:"odd"`
	// Roles are all roles: bound ones that were never used first, then by what
	// the unused part would allow, the most powerful first; unbound ones last.
	Roles []RoleUsage `json:"roles"`
}

// RoleUsage says what of one role was used.
type RoleUsage struct {
	Role string `json:"role"`
	// Power is the class of what the role allows where it is bound.
	Power rbac.Class `json:"power"`
	// Events are the requests that the role allows; Sole are those of them that
	// no other role allows: without them the role could go.
	Events   uint64     `json:"events"`
	Sole     uint64     `json:"sole"`
	LastUsed *time.Time `json:"last_used"`
	// Granted is how many permissions the rules write out (a verb on a resource
	// of a group, of a name if the rule has any; a wildcard is one), and Used how
	// many of them were used at all.
	Granted int `json:"granted"`
	Used    int `json:"used"`
	// Unused are the permissions that were never used, UsedRules is all that was
	// used: the least privilege that would have done.
	Unused    []rbacv1.PolicyRule `json:"unused"`
	UsedRules []rbacv1.PolicyRule `json:"used_rules"`
	// Wildcards says of each rule with a wildcard what of it was used.
	Wildcards []WildcardUsage `json:"wildcards"`
	// Namespaces are those in which the role was used, at most 1,000; empty for
	// requests without one.
	Namespaces []string       `json:"namespaces"`
	Bindings   []BindingUsage `json:"bindings"`

	ref rbac.Role
	// aggregated says that a controller writes the role's rules, member that the
	// role is aggregated into another one, builtin that the API server makes it.
	aggregated, member, builtin bool
}

// WildcardUsage says what of a rule with a wildcard was used.
type WildcardUsage struct {
	Rule rbacv1.PolicyRule   `json:"rule"`
	Used []rbacv1.PolicyRule `json:"used"`
}

// BindingUsage says by whom a binding was used.
type BindingUsage struct {
	Binding string `json:"binding"`
	// Events are the requests that the binding allows; Sole are those that no
	// other binding allows: without them the binding could go.
	Events   uint64         `json:"events"`
	Sole     uint64         `json:"sole"`
	LastUsed *time.Time     `json:"last_used"`
	Subjects []SubjectUsage `json:"subjects"`
}

// SubjectUsage says how much one subject of a binding used it.
type SubjectUsage struct {
	Subject  string     `json:"subject"`
	Events   uint64     `json:"events"`
	LastUsed *time.Time `json:"last_used"`
	// Users is how many users used it, up to 1,000: more than one for a group.
	Users int `json:"users"`
}

// timeOf returns an event time, nil for none.
func timeOf(t int64) *time.Time {
	if t == 0 {
		return nil
	}
	at := time.Unix(0, t).UTC()
	return &at
}

// suggest returns the rules that allow what was used and no more: nothing that
// the role's own rules do not allow.
func (use *roleUse) suggest(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var granted []rbacv1.PolicyRule
	for i := range rules {
		if use.whole[ruleKey(&rules[i])] {
			granted = append(granted, rules[i])
		}
	}
	for _, a := range use.sorted() {
		granted = append(granted, use.accesses[a].rule(a))
	}
	return Compact(granted)
}

// rule returns the rule that grants an access, to few objects by their names
// where it can be told so.
func (use *accessUse) rule(a access) rbacv1.PolicyRule {
	r := a.rule()
	if a.name == "" && a.resource != "" && !use.nameless && len(use.names) > 0 {
		for name := range use.names {
			r.ResourceNames = append(r.ResourceNames, name)
		}
		slices.Sort(r.ResourceNames)
	}
	return r
}

// sorted returns the accesses in a fixed order.
func (use *roleUse) sorted() []access {
	all := make([]access, 0, len(use.accesses))
	for a := range use.accesses {
		all = append(all, a)
	}
	slices.SortFunc(all, access.compare)
	return all
}

// compare fills in what of the rules was used.
func (r *RoleUsage) compare(rules []rbacv1.PolicyRule, use *roleUse) {
	accesses := use.sorted()
	byVerb := map[string][]rbacv1.PolicyRule{}
	for _, a := range accesses {
		byVerb[a.verb] = append(byVerb[a.verb], a.rule())
		byVerb["*"] = append(byVerb["*"], a.rule())
	}
	seen := map[string]bool{}
	var unused []rbacv1.PolicyRule
	for i := range rules {
		for _, unit := range validation.BreakdownRule(rules[i]) {
			key := ruleKey(&unit)
			if seen[key] {
				continue
			}
			seen[key] = true
			r.Granted++
			if use.whole[ruleKey(&rules[i])] || len(covered(unit, byVerb[unit.Verbs[0]])) > 0 {
				r.Used++
			} else {
				unused = append(unused, unit)
			}
		}
		if hasWildcard(&rules[i]) {
			r.Wildcards = append(r.Wildcards, WildcardUsage{
				Rule: rules[i], Used: notNil(Compact(covered(rules[i], byVerb["*"]))),
			})
		}
	}
	r.Unused, r.UsedRules = notNil(Compact(unused)), notNil(use.suggest(rules))
	r.Wildcards = notNil(r.Wildcards)
}

// covered returns those of some one-access rules that a rule allows.
func covered(rule rbacv1.PolicyRule, accesses []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	owner := []rbacv1.PolicyRule{rule}
	for i := range accesses {
		if ok, _ := validation.Covers(owner, accesses[i:i+1]); ok {
			all = append(all, accesses[i])
		}
	}
	return all
}

func hasWildcard(r *rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(slices.Concat(r.Verbs, r.APIGroups, r.Resources, r.NonResourceURLs), func(s string) bool {
		return strings.Contains(s, "*")
	})
}

// notNil makes JSON say [] and not null.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// compareUsage orders roles by how much there is to take away.
func compareUsage(a, b *RoleUsage) int {
	rank := func(r *RoleUsage) int {
		switch {
		case len(r.Bindings) == 0:
			return 2
		case r.Events == 0:
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(b.Power, a.Power),
		cmp.Compare(b.Granted-b.Used, a.Granted-a.Used),
		cmp.Compare(a.Role, b.Role),
	)
}
