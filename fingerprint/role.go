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

// role is a role key and where it came from.
type role struct {
	key    string
	source rbac.Source
}

func byConvention(key string) role { return role{key: key, source: rbac.SourceConvention} }

// Kinds of entries of the role cache, so that they cannot be confused.
const (
	entryPolicy byte = iota
	entryReason
	entryNamespace
	entryComponent
	entryGroups
)

// role tells the role that an event's subject acted under: from the policy, else
// from the authorizer's reason, else by convention.
func (f *Fingerprinter) role(e *Event) role {
	reason := ""
	if e.Decision != DecisionForbid && rbac.IsGrant(e.Reason) {
		reason = e.Reason
	}
	if f.resolver != nil {
		return f.policyRole(e, reason)
	}
	if reason != "" {
		if r := f.annotatedRole(reason); r.key != "" {
			return r
		}
	}
	return f.conventionRole(e.Subject())
}

// policyRole tells the role of a subject by the policy in force. What it finds
// depends on the subject, the namespace and the authorizer's reason alone, and
// is remembered under them.
func (f *Fingerprinter) policyRole(e *Event, reason string) role {
	user, groups := e.Subject()
	key := appendField(append(f.key[:0], entryPolicy), user)
	key = binary.AppendUvarint(key, uint64(len(groups)))
	for _, g := range groups {
		key = appendField(key, g)
	}
	if e.Resource.Name != "" {
		key = appendField(append(key, 'r'), e.Resource.Namespace)
	} else {
		key = append(key, 'p')
	}
	f.key = append(key, reason...)
	r, ok := f.roles.Get(f.key)
	if !ok {
		r = f.resolve(e, reason)
		f.roles.Put(f.key, r)
	}
	if r.key == "" {
		return f.conventionRole(user, groups)
	}
	return r
}

// resolve asks the policy, and holds its answer against what the authorizer
// said. An authorizer that names a role which the policy does not bind to the
// subject knows a binding that the policy does not have (yet): the role joins
// the key, which is then what an up-to-date policy would answer, and the source
// is the annotation, so that a stale policy shows. The key is empty when only
// a convention can tell.
func (f *Fingerprinter) resolve(e *Event, reason string) role {
	user, groups := e.Subject()
	answer, known := f.resolver.Resolve(&rbac.Request{
		User:        user,
		Groups:      groups,
		Verb:        e.Verb,
		APIGroup:    e.Resource.Group,
		Resource:    e.Resource.Name,
		Subresource: e.Resource.Subresource,
		Namespace:   e.Resource.Namespace,
		Object:      e.Resource.Object,
		Path:        e.Resource.Path,
	})
	grant, granted := rbac.ParseReason(reason)
	switch {
	case !known && granted:
		return role{key: capped(grant.Role.Key()), source: rbac.SourceAnnotation}
	case !known:
		return role{}
	case !granted || grant.ToEveryone():
		return role{key: capped(answer.Key), source: rbac.SourceRBAC}
	}
	key := grant.Role.Key()
	if answer.Key == "" {
		return role{key: capped(key), source: rbac.SourceAnnotation}
	}
	keys := strings.Split(answer.Key, rbac.KeySeparator)
	if slices.Contains(keys, key) {
		return role{key: capped(answer.Key), source: rbac.SourceRBAC}
	}
	return role{key: capped(rbac.JoinKeys(append(keys, key))), source: rbac.SourceAnnotation}
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
	case strings.HasPrefix(user, "system:node:"), slices.Contains(groups, roleNodes):
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
