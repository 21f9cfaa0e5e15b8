package rbac

import (
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	rbacv1 "k8s.io/api/rbac/v1"
)

// KeyPower returns what the roles of a role key (as in [Standing]) allow
// together, at the most that they give to anybody: a ClusterRole counts for the
// whole cluster, unless all of its bindings are RoleBindings. ClassUnknown when
// the policy knows none of the roles, or the key is cut off ([KeyCut]).
func (p *Policy) KeyPower(key string) Power {
	var power Power
	for i := range p.keyRoles(key) {
		power = power.and(p.roles[i].atMost())
	}
	return power
}

// KeyPermissions returns what the roles of a role key allow together, as hashes
// in ascending order, each once: of every combination of verb, API group and
// resource, and of verb and path, that a rule spells out, and whether it is
// limited to named objects. Which objects, and in which namespace, is left out,
// so that roles which do the same in different places have the same permissions.
// Beyond 4096 of them, each further rule is one permission.
// Nil when the policy knows none of the roles, or the key is cut off ([KeyCut]).
func (p *Policy) KeyPermissions(key string) []uint64 {
	var all []uint64
	for i := range p.keyRoles(key) {
		if all == nil {
			all = []uint64{}
		}
		for j := range p.roles[i].rules {
			all = appendPermissions(all, &p.roles[i].rules[j])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// KeyBound reports whether every role of a role key is bound to somebody: when
// one is not, nobody acts under the key any more. What is no role of RBAC (a
// group, a convention, a mapping) is taken for bound, and so is everything by a
// nil policy and in a key that is cut off ([KeyCut]).
func (p *Policy) KeyBound(key string) bool {
	if p == nil || strings.Contains(key, KeyCut) {
		return true
	}
	for k := range strings.SplitSeq(key, KeySeparator) {
		if !strings.HasPrefix(k, "ClusterRole/") && !strings.HasPrefix(k, "Role/") {
			continue
		}
		i, found := slices.BinarySearchFunc(p.roles, k, func(r role, k string) int { return strings.Compare(r.key, k) })
		if !found || !p.roles[i].held {
			return false
		}
	}
	return true
}

// clusterWideAtMost reports whether a role counts as given cluster-wide.
func (r *role) clusterWideAtMost() bool {
	return r.Namespace == "" && r.bound != boundInNamespace
}

func (r *role) atMost() Power {
	if r.clusterWideAtMost() {
		return r.clusterWide
	}
	return r.inNamespace
}

// keyRoles yields the indexes of the roles of a key that the policy knows.
func (p *Policy) keyRoles(key string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if p == nil || key == "" || strings.Contains(key, KeyCut) {
			return
		}
		for k := range strings.SplitSeq(key, KeySeparator) {
			i, found := slices.BinarySearchFunc(p.roles, k, func(r role, k string) int { return strings.Compare(r.key, k) })
			if found && !yield(i) {
				return
			}
		}
	}
}

// maxPermissions bounds how many combinations the rules of a key are spelled out
// into; the most of any role that we have seen are 654. A rule that would bring
// more, which no person writes, is one permission.
const maxPermissions = 1 << 12

// appendPermissions appends the hashes of what a rule allows.
func appendPermissions(to []uint64, rule *rbacv1.PolicyRule) []uint64 {
	named := ""
	if len(rule.ResourceNames) > 0 {
		named = "named"
	}
	h := hasher{}
	n := len(rule.Verbs) * (len(rule.APIGroups)*len(rule.Resources) + len(rule.NonResourceURLs))
	if len(to)+n > maxPermissions {
		h.add("rule", named)
		for _, field := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.NonResourceURLs} {
			h.add("field")
			h.add(field...)
		}
		return append(to, h.sum())
	}
	for _, verb := range rule.Verbs {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				h.add("resource", verb, group, resource, named)
				to = append(to, h.sum())
			}
		}
		for _, url := range rule.NonResourceURLs {
			h.add("path", verb, url)
			to = append(to, h.sum())
		}
	}
	return to
}

// hasher hashes lists of fields, each preceded by its length.
type hasher struct{ buf []byte }

func (h *hasher) add(fields ...string) {
	for _, f := range fields {
		h.buf = appendField(h.buf, f)
	}
}

// sum returns the hash of the fields added since the last sum.
func (h *hasher) sum() uint64 {
	s := xxhash.Sum64(h.buf)
	h.buf = h.buf[:0]
	return s
}
