package rbac

import rbacv1 "k8s.io/api/rbac/v1"

// RoleInfo is a role with everything that a policy knows of it.
type RoleInfo struct {
	Role Role
	// Exists is false for a role that only bindings name.
	Exists bool
	// Rules are the role's, aggregated ones filled in.
	Rules []rbacv1.PolicyRule
	// Power is the most that the role gives to anybody, and Reasons why: a
	// ClusterRole counts for the whole cluster (ClusterWide), unless all of its
	// bindings are RoleBindings.
	Power       Power
	Reasons     []Reason
	ClusterWide bool
	// Bindings give the role to somebody: cluster-wide ones first, then by
	// namespace, by name. None when it is not bound.
	Bindings []RoleBound
}

// RoleBound is one binding of a role.
type RoleBound struct {
	Binding Binding
	// Subjects are whom the binding names, as in the object. There may be none.
	Subjects []rbacv1.Subject
}

// Roles returns all roles in ascending order of their keys. Rules and subjects
// are the policy's own and must not be modified.
func (p *Policy) Roles() []RoleInfo {
	if p == nil {
		return nil
	}
	all := make([]RoleInfo, len(p.roles))
	for i := range p.roles {
		r := &p.roles[i]
		all[i] = RoleInfo{Role: r.Role, Exists: r.exists, Rules: r.rules, ClusterWide: r.clusterWideAtMost()}
		all[i].Power, all[i].Reasons = PowerOf(r.rules, all[i].ClusterWide)
	}
	for i := range p.bindings {
		b := &p.bindings[i]
		all[b.role].Bindings = append(all[b.role].Bindings, RoleBound{Binding: b.Binding, Subjects: b.subjects})
	}
	return all
}
