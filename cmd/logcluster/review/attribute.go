package review

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// attribute finds out what a request counts for.
func (u *Usage) attribute(r *rbac.Request) *attribution {
	a := &attribution{}
	ex := u.policy.Explain(r)
	for i := range ex.Bindings {
		b := &ex.Bindings[i]
		a.named = a.named || namesObjects(b.Rules)
		if len(b.Allowing) > 0 {
			u.credit(a, b, r)
		}
	}
	return a
}

// credit enters one binding that allows a request.
func (u *Usage) credit(a *attribution, b *rbac.BoundRole, r *rbac.Request) {
	role := u.role(b.Role)
	if len(role.namespaces) < maxNamed {
		role.namespaces[strings.Clone(r.Namespace)] = struct{}{}
	}
	if !slices.Contains(a.roles, role) {
		a.roles = append(a.roles, role)
		if use := u.access(role, b.Allowing, r); use != nil {
			a.accesses = append(a.accesses, use)
		}
	}
	binding := role.bindings[b.Binding]
	if binding == nil {
		binding = &bindingUse{subjects: map[rbacv1.Subject]*subjectUse{}}
		role.bindings[b.Binding] = binding
	}
	a.bindings = append(a.bindings, binding)
	for _, s := range b.Subjects {
		use := binding.subjects[s]
		if use == nil {
			use = &subjectUse{users: map[string]struct{}{}}
			binding.subjects[s] = use
		}
		if len(use.users) < maxNamed {
			use.users[strings.Clone(r.User)] = struct{}{}
		}
		if !slices.Contains(a.subjects, use) {
			a.subjects = append(a.subjects, use)
		}
	}
}

func (u *Usage) role(r rbac.Role) *roleUse {
	use := u.roles[r]
	if use == nil {
		use = newRoleUse()
		u.roles[r] = use
	}
	return use
}

func newRoleUse() *roleUse {
	return &roleUse{
		accesses: map[access]*accessUse{}, whole: map[string]bool{},
		namespaces: map[string]struct{}{}, bindings: map[rbac.Binding]*bindingUse{},
	}
}

// access returns the counts of an access under a role that allows it by some of
// its rules. It returns nil when the role was used for too many different things:
// then these rules are kept as they are.
func (u *Usage) access(role *roleUse, allowing []rbacv1.PolicyRule, r *rbac.Request) *accessUse {
	named := !slices.ContainsFunc(allowing, func(rule rbacv1.PolicyRule) bool { return len(rule.ResourceNames) == 0 })
	a := accessOf(r, named)
	if use := role.accesses[a]; use != nil {
		return use
	}
	if len(role.accesses) >= maxAccesses {
		for i := range allowing {
			role.whole[ruleKey(&allowing[i])] = true
		}
		return nil
	}
	use := &accessUse{names: map[string]struct{}{}}
	role.accesses[a.clone()] = use
	return use
}
