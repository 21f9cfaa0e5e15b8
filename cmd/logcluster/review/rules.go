package review

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Compact writes rules with as few rules as it can by merging those that differ
// in one field only: it never allows more or less than the rules given. The
// result is sorted, in the rules and within each, so that the same permissions
// come out the same however they were written. The rules are not modified.
func Compact(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var units []rbacv1.PolicyRule
	for i := range rules {
		units = append(units, validation.BreakdownRule(rules[i])...)
	}
	// Names first: "this object" within "all objects" is nothing of its own.
	units = merge(units, func(r *rbacv1.PolicyRule) *[]string { return &r.ResourceNames }, unionOfNames)
	units = merge(units, func(r *rbacv1.PolicyRule) *[]string { return &r.Verbs }, union)
	units = merge(units, func(r *rbacv1.PolicyRule) *[]string { return &r.Resources }, union)
	units = merge(units, func(r *rbacv1.PolicyRule) *[]string { return &r.APIGroups }, union)
	units = merge(units, func(r *rbacv1.PolicyRule) *[]string { return &r.NonResourceURLs }, union)
	slices.SortFunc(units, compareRules)
	return units
}

// merge joins the rules that are equal in every field but one.
func merge(rules []rbacv1.PolicyRule, field func(*rbacv1.PolicyRule) *[]string, join func(a, b []string) []string) []rbacv1.PolicyRule {
	var merged []rbacv1.PolicyRule
	at := map[string]int{}
	for _, r := range rules {
		others := r
		*field(&others) = nil
		key := ruleKey(&others)
		i, known := at[key]
		if !known {
			at[key] = len(merged)
			merged = append(merged, r)
			continue
		}
		to := field(&merged[i])
		*to = join(*to, *field(&r))
	}
	return merged
}

// union returns the sorted union of two sets, which is "*" if one of them has it:
// in verbs, groups, resources and URLs that is everything.
func union(a, b []string) []string {
	both := slices.Concat(a, b)
	if slices.Contains(both, "*") {
		return []string{"*"}
	}
	slices.Sort(both)
	return slices.Compact(both)
}

// unionOfNames is the union of resourceNames, of which none means all.
func unionOfNames(a, b []string) []string {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	both := slices.Concat(a, b)
	slices.Sort(both)
	return slices.Compact(both)
}

// ruleKey spells a rule so that different rules have different keys.
func ruleKey(r *rbacv1.PolicyRule) string {
	var b strings.Builder
	for _, set := range [][]string{r.APIGroups, r.Resources, r.ResourceNames, r.NonResourceURLs, r.Verbs} {
		b.WriteString(strconv.Itoa(len(set)))
		for _, s := range set {
			b.WriteByte(':')
			b.WriteString(strconv.Quote(s))
		}
		b.WriteByte(';')
	}
	return b.String()
}

// compareRules orders rules as people read them: by what they are about.
func compareRules(a, b rbacv1.PolicyRule) int {
	return cmp.Or(
		slices.Compare(a.APIGroups, b.APIGroups),
		slices.Compare(a.Resources, b.Resources),
		slices.Compare(a.ResourceNames, b.ResourceNames),
		slices.Compare(a.NonResourceURLs, b.NonResourceURLs),
		slices.Compare(a.Verbs, b.Verbs),
	)
}

// RuleText writes a rule for a person: "get,list pods,services in core" or
// "get /healthz". The text is not safe for a terminal.
func RuleText(r *rbacv1.PolicyRule) string {
	verbs := strings.Join(r.Verbs, ",")
	var parts []string
	if len(r.Resources) > 0 {
		groups := make([]string, len(r.APIGroups))
		for i, g := range r.APIGroups {
			groups[i] = cmp.Or(g, "core")
		}
		text := verbs + " " + strings.Join(r.Resources, ",")
		if strings.Join(groups, ",") != "core" {
			text += " in " + strings.Join(groups, ",")
		}
		if len(r.ResourceNames) > 0 {
			text += " named " + strings.Join(r.ResourceNames, ",")
		}
		parts = append(parts, text)
	}
	if len(r.NonResourceURLs) > 0 {
		parts = append(parts, verbs+" "+strings.Join(r.NonResourceURLs, ","))
	}
	return strings.Join(parts, "; ")
}
