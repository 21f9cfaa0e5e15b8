package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// ruleAllows reports whether one rule allows a request, by the rules of the
// Kubernetes RBAC authorizer.
func ruleAllows(rule *rbacv1.PolicyRule, r *Request) bool {
	if !hasOrAll(rule.Verbs, r.Verb) {
		return false
	}
	if r.Resource == "" {
		return slices.ContainsFunc(rule.NonResourceURLs, func(url string) bool {
			return urlMatches(url, r.Path)
		})
	}
	return hasOrAll(rule.APIGroups, r.APIGroup) &&
		slices.ContainsFunc(rule.Resources, func(res string) bool {
			return resourceMatches(res, r.Resource, r.Subresource)
		}) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Object))
}

func hasOrAll(set []string, s string) bool {
	return slices.Contains(set, "*") || slices.Contains(set, s)
}

// resourceMatches reports whether a rule's resource ("*", "pods", "pods/exec"
// or "*/exec") covers a requested one. A bare "pods" does not cover its
// subresources; "*" covers everything.
func resourceMatches(pattern, resource, subresource string) bool {
	if pattern == "*" {
		return true
	}
	if subresource == "" {
		return pattern == resource
	}
	name, sub, ok := strings.Cut(pattern, "/")
	return ok && sub == subresource && (name == resource || name == "*")
}

// urlMatches reports whether a rule's URL covers a path: they are equal, or it
// ends in "*" and the rest of it is a prefix.
func urlMatches(pattern, path string) bool {
	if pattern == path {
		return true
	}
	return strings.HasSuffix(pattern, "*") && strings.HasPrefix(path, strings.TrimRight(pattern, "*"))
}
