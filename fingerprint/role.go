package fingerprint

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Role keys by convention, for subjects whose roles nobody tells. The keys of
// real roles begin with "ClusterRole/" or "Role/", so none of these can be
// mistaken for one.
const (
	// RoleUnknown is the role key of a subject about whom nothing is known.
	RoleUnknown = "unknown"

	roleAnonymous  = "anonymous"
	roleAPIServer  = "system:apiserver"
	roleMasters    = "system:masters"
	roleNodes      = "system:nodes"
	roleNamespaces = "serviceaccounts:" // and the namespace
	roleGroups     = "groups:"          // and the subject's own groups, sorted
)

// role is a role key, where it came from, and how powerful it is.
type role struct {
	key    string
	source rbac.Source
	power  rbac.Class
}

func byConvention(key string) role { return role{key: key, source: rbac.SourceConvention} }

// Kinds of entries of the role cache, so that they cannot be confused.
const (
	entryPolicy byte = iota
	entryMapping
	entryReason
	entryNamespace
	entryComponent
	entryGroups
)

// role tells the role that an event's subject acted under: from the policy, else
// from the authorizer's reason, else from the mapping, else by convention.
func (f *Fingerprinter) role(e *Event) role {
	reason := ""
	if e.Decision != DecisionForbid && rbac.IsGrant(e.Reason) {
		reason = e.Reason
	}
	var policy *rbac.Policy
	if f.policies != nil {
		policy = f.policies.At(e.Tenant, e.Time)
	}
	var r role
	if policy != nil {
		r = f.policyRole(policy, e, reason)
	} else if reason != "" {
		r = f.annotatedRole(reason)
	}
	power := r.power // what the policy knows, even when it gives no key
	if r.key == "" && f.mapping != nil {
		r = f.mappedRole(e)
	}
	user, groups := e.Subject()
	if r.key == "" {
		r = f.conventionRole(user, groups)
	}
	r.power = max(r.power, power, beyondRBAC(user, groups))
	return r
}

// beyondRBAC is the power that others than the RBAC authorizer give, whatever
// roles are bound: to the API server itself, to the group that is above all
// authorizers, and to nodes, whom their own authorizer lets read the secrets of
// their pods. ClassUnknown for everybody else.
func beyondRBAC(user string, groups []string) rbac.Class {
	switch {
	case user == roleAPIServer, slices.Contains(groups, roleMasters):
		return rbac.ClassAdmin
	case isNode(user, groups):
		return rbac.ClassElevated
	}
	return rbac.ClassUnknown
}

func isNode(user string, groups []string) bool {
	return strings.HasPrefix(user, "system:node:") || slices.Contains(groups, roleNodes)
}

// policyRole tells the role of a subject by the policy in force. What it finds
// depends on the policy, the subject, the namespace and the authorizer's reason
// alone, and is remembered under them. Without a key only its power counts.
func (f *Fingerprinter) policyRole(policy *rbac.Policy, e *Event, reason string) role {
	key := binary.AppendUvarint(append(f.key[:0], entryPolicy), f.numbers.of(policy))
	key = appendSubject(key, e)
	if e.Resource.Name != "" {
		key = appendField(append(key, 'r'), e.Resource.Namespace)
	} else {
		key = append(key, 'p')
	}
	f.key = append(key, reason...)
	r, ok := f.roles.Get(f.key)
	if !ok {
		r = resolve(policy, e, reason)
		f.roles.Put(f.key, r)
	}
	return r
}

// appendSubject appends who acted, in an unambiguous form.
func appendSubject(key []byte, e *Event) []byte {
	user, groups := e.Subject()
	key = binary.AppendUvarint(appendField(key, user), uint64(len(groups)))
	for _, g := range groups {
		key = appendField(key, g)
	}
	return key
}

// resolve asks the policy, and holds its answer against what the authorizer
// said. An authorizer that names a role which the policy does not bind to the
// subject knows a binding that the policy does not have (yet): the role joins
// the key, which is then what an up-to-date policy would answer, and the source
// is the annotation, so that a stale policy shows. The key is empty when the
// policy binds nothing to the subject in particular.
func resolve(policy *rbac.Policy, e *Event, reason string) role {
	request := e.Request()
	answer, known := policy.Resolve(&request)
	r := role{key: answer.Key, source: rbac.SourceRBAC}
	if known {
		r.power = answer.Power.Class
	}
	if grant, ok := rbac.ParseReason(reason); ok && !(known && grant.ToEveryone()) {
		if added := grant.Role.Key(); !hasKey(answer.Key, added) {
			r.key, r.source = joined(answer.Key, added), rbac.SourceAnnotation
			r.power = max(r.power, policy.KeyPower(added).Class)
		}
	}
	r.key = capped(r.key)
	return r
}

// hasKey reports whether a role is one of a key's.
func hasKey(key, role string) bool {
	return slices.Contains(strings.Split(key, rbac.KeySeparator), role)
}

// joined adds a role to a key.
func joined(key, role string) string {
	if key == "" {
		return role
	}
	return rbac.JoinKeys(append(strings.Split(key, rbac.KeySeparator), role))
}

// mappedRole tells the role that the configuration maps an event's subject to,
// and remembers it under all that a rule can look at.
func (f *Fingerprinter) mappedRole(e *Event) role {
	key := appendSubject(append(f.key[:0], entryMapping), e)
	key = appendField(key, e.Resource.Namespace)
	for _, a := range e.Attributes {
		key = appendField(appendField(key, a.Name), a.Value)
	}
	f.key = key
	r, ok := f.roles.Get(key)
	if !ok {
		if name := f.mapping.role(e); name != "" {
			r = role{key: capped(name), source: rbac.SourceMapping}
		}
		f.roles.Put(key, r)
	}
	return r
}

// annotatedRole tells the role that the authorizer named, with an empty key
// when the reason does not parse.
func (f *Fingerprinter) annotatedRole(reason string) role {
	f.key = append(append(f.key[:0], entryReason), reason...)
	r, ok := f.roles.Get(f.key)
	if !ok {
		if grant, ok := rbac.ParseReason(reason); ok {
			r = role{key: capped(grant.Role.Key()), source: rbac.SourceAnnotation}
		}
		f.roles.Put(f.key, r)
	}
	return r
}

// conventionRole tells the role of a subject by its name and groups.
func (f *Fingerprinter) conventionRole(user string, groups []string) role {
	switch {
	case user == roleAPIServer:
		return byConvention(roleAPIServer)
	case slices.Contains(groups, roleMasters):
		return byConvention(roleMasters)
	case isNode(user, groups):
		return byConvention(roleNodes)
	case user == "system:anonymous", slices.Contains(groups, "system:unauthenticated"):
		return byConvention(roleAnonymous)
	case strings.HasPrefix(user, "system:kube-"):
		return f.named(entryComponent, "", user)
	}
	if ns, ok := rbac.ServiceAccountNamespace(user); ok {
		return f.named(entryNamespace, roleNamespaces, ns)
	}
	return f.groupsRole(groups)
}

// named returns the convention key of a prefix and a name.
func (f *Fingerprinter) named(entry byte, prefix, name string) role {
	f.key = append(append(f.key[:0], entry), name...)
	r, ok := f.roles.Get(f.key)
	if !ok {
		r = byConvention(capped(string(rbac.AppendName([]byte(prefix), name))))
		f.roles.Put(f.key, r)
	}
	return r
}

// groupsRole tells the role of a subject by the groups that not everybody has.
func (f *Fingerprinter) groupsRole(groups []string) role {
	key := append(f.key[:0], entryGroups)
	for _, g := range groups {
		if !isStandardGroup(g) {
			key = appendField(key, g)
		}
	}
	f.key = key
	if len(key) == 1 {
		return role{key: RoleUnknown}
	}
	r, ok := f.roles.Get(key)
	if !ok {
		var names []string
		for _, g := range groups {
			if !isStandardGroup(g) {
				names = append(names, string(rbac.AppendName(nil, g)))
			}
		}
		r = byConvention(capped(roleGroups + rbac.JoinKeys(names)))
		f.roles.Put(key, r)
	}
	return r
}

func isStandardGroup(g string) bool {
	switch g {
	case "system:authenticated", "system:serviceaccounts":
		return true
	}
	return strings.HasPrefix(g, "system:serviceaccounts:")
}
