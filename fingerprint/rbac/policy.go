package rbac

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Objects are the RBAC objects that a [Policy] is built from.
type Objects struct {
	Roles               []rbacv1.Role
	ClusterRoles        []rbacv1.ClusterRole
	RoleBindings        []rbacv1.RoleBinding
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
}

// Len returns how many objects there are.
func (o *Objects) Len() int {
	return len(o.Roles) + len(o.ClusterRoles) + len(o.RoleBindings) + len(o.ClusterRoleBindings)
}

// Policy is an immutable snapshot of RBAC objects that answers which roles a
// subject acts under. A nil *Policy is valid and knows nobody. It is safe for
// concurrent use.
//
// It is exact about RBAC and about nothing else: what other authorizers (node,
// webhook, the privileged group system:masters) allow, it does not know.
type Policy struct {
	roles  []boundRole        // ascending by key, so that sorted indexes are sorted keys
	users  map[string][]grant // by user name, service accounts included
	groups map[string][]grant
}

// boundRole is a role that some binding refers to. Its rules are empty when
// the role itself does not exist.
type boundRole struct {
	key   string
	rules []rbacv1.PolicyRule
}

// grant is one subject of one binding.
type grant struct {
	role      int32 // index into Policy.roles
	namespace string
	cluster   bool // a ClusterRoleBinding; namespace is empty
}

// New builds a policy. Of two objects of one kind, namespace and name the later
// one holds. A Role or RoleBinding without a namespace lies in "default", where
// kubectl would create it. A binding to a role that does not exist still names
// that role, which then allows nothing. The objects are not retained. The error
// names the ClusterRole whose aggregation rule is invalid.
func New(o Objects) (*Policy, error) {
	rules, err := rulesByRole(&o)
	if err != nil {
		return nil, err
	}
	bindings := bindingsOf(&o)
	p := &Policy{users: map[string][]grant{}, groups: map[string][]grant{}}
	index := p.indexRoles(bindings, rules)
	for i := range bindings {
		b := &bindings[i]
		g := grant{role: index[b.role], namespace: b.namespace, cluster: b.namespace == ""}
		for _, s := range b.subjects {
			p.bind(s, g)
		}
	}
	return p, nil
}

// Len returns the number of distinct roles that the policy's bindings name.
func (p *Policy) Len() int {
	if p == nil {
		return 0
	}
	return len(p.roles)
}

// indexRoles fills p.roles with every role that a binding names, and returns
// their indexes.
func (p *Policy) indexRoles(bindings []binding, rules map[Role][]rbacv1.PolicyRule) map[Role]int32 {
	index := map[Role]int32{}
	for _, b := range bindings {
		index[b.role] = 0
	}
	refs := make([]Role, 0, len(index))
	for r := range index {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, func(a, b Role) int { return cmp.Compare(a.Key(), b.Key()) })
	p.roles = make([]boundRole, len(refs))
	for i, r := range refs {
		index[r] = int32(i)
		p.roles[i].key = r.Key()
		for _, rule := range rules[r] {
			p.roles[i].rules = append(p.roles[i].rules, *rule.DeepCopy())
		}
	}
	return index
}

// bind enters a grant under the subject's name. Subjects of other kinds and
// service accounts without a namespace match nobody, as in Kubernetes.
func (p *Policy) bind(s rbacv1.Subject, g grant) {
	switch s.Kind {
	case rbacv1.UserKind:
		p.users[s.Name] = append(p.users[s.Name], g)
	case rbacv1.GroupKind:
		p.groups[s.Name] = append(p.groups[s.Name], g)
	case rbacv1.ServiceAccountKind:
		ns := s.Namespace
		if ns == "" {
			ns = g.namespace
		}
		if ns != "" {
			user := serviceAccountPrefix + ns + ":" + s.Name
			p.users[user] = append(p.users[user], g)
		}
	}
}

// binding is what a RoleBinding and a ClusterRoleBinding have in common.
type binding struct {
	namespace string // empty for a ClusterRoleBinding
	role      Role
	subjects  []rbacv1.Subject
}

// bindingsOf returns the effective bindings in the order of the objects.
func bindingsOf(o *Objects) []binding {
	var all []binding
	at := map[Role]int{}
	put := func(id Role, b binding) {
		if i, ok := at[id]; ok {
			all[i] = b
			return
		}
		at[id] = len(all)
		all = append(all, b)
	}
	for i := range o.ClusterRoleBindings {
		b := &o.ClusterRoleBindings[i]
		put(Role{Name: b.Name}, binding{role: Role{Name: b.RoleRef.Name}, subjects: b.Subjects})
	}
	for i := range o.RoleBindings {
		b := &o.RoleBindings[i]
		ns := namespaceOr(b.Namespace)
		role := Role{Name: b.RoleRef.Name}
		if b.RoleRef.Kind == "Role" {
			role.Namespace = ns
		}
		put(Role{Namespace: ns, Name: b.Name}, binding{namespace: ns, role: role, subjects: b.Subjects})
	}
	return all
}

// rulesByRole returns the rules of every role, aggregated ones filled in.
func rulesByRole(o *Objects) (map[Role][]rbacv1.PolicyRule, error) {
	rules := map[Role][]rbacv1.PolicyRule{}
	for i := range o.Roles {
		r := &o.Roles[i]
		rules[Role{Namespace: namespaceOr(r.Namespace), Name: r.Name}] = r.Rules
	}
	agg, err := newAggregation(o.ClusterRoles)
	if err != nil {
		return nil, err
	}
	for _, name := range agg.names {
		rules[Role{Name: name}] = agg.rules(name)
	}
	return rules, nil
}

func namespaceOr(ns string) string {
	if ns == "" {
		return "default"
	}
	return ns
}
