package rbac

import (
	"cmp"
	"slices"
	"strings"

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
	roles    []role    // ascending by key, so that sorted indexes are sorted keys
	bindings []binding // cluster-wide ones first, then by namespace, by name

	// The bindings of a subject by its name, as ascending indexes.
	users  map[string][]int32 // service accounts included
	groups map[string][]int32

	named namedResources
}

// namedResources are the resources of which some rule names objects.
type namedResources struct {
	any   bool            // a rule for "*" or "*/subresource" does
	names map[string]bool // by name, without subresource
}

// matters reports whether an object's name may decide about a request for it.
func (n *namedResources) matters(resource string) bool { return n.any || n.names[resource] }

func (n *namedResources) add(rule *rbacv1.PolicyRule) {
	if len(rule.ResourceNames) == 0 {
		return
	}
	for _, resource := range rule.Resources {
		name, _, _ := strings.Cut(resource, "/")
		n.any = n.any || name == "*"
		n.names[name] = true
	}
}

// role is a role that exists, or that some binding refers to all the same. Its
// rules are empty then.
type role struct {
	Role
	key    string
	exists bool
	bound  bound
	held   bool // by somebody
	rules  []rbacv1.PolicyRule

	inNamespace, clusterWide Power
}

// bound says by which kinds of binding a role is given to somebody.
type bound uint8

const (
	boundInNamespace bound = 1 << iota
	boundClusterWide
)

// binding is what a RoleBinding and a ClusterRoleBinding have in common.
type binding struct {
	Binding
	role     int32 // index into Policy.roles
	ref      Role
	subjects []rbacv1.Subject
}

// power returns what a role gives by this binding.
func (p *Policy) power(b *binding) Power {
	if b.Namespace == "" {
		return p.roles[b.role].clusterWide
	}
	return p.roles[b.role].inNamespace
}

// New builds a policy. Of two objects of one kind, namespace and name the later
// one holds. A Role or RoleBinding without a namespace lies in "default", where
// kubectl would create it. A binding to a role that does not exist still names
// that role, which then allows nothing. Rules and subjects are shared with the
// objects, which must not be modified afterwards. The error names the
// ClusterRole whose aggregation rule is invalid.
//
// It takes about as long as sorting the objects (BenchmarkNew).
func New(o Objects) (*Policy, error) {
	rules, err := rulesByRole(&o)
	if err != nil {
		return nil, err
	}
	p := &Policy{
		bindings: bindingsOf(&o),
		users:    map[string][]int32{},
		groups:   map[string][]int32{},
		named:    namedResources{names: map[string]bool{}},
	}
	index := p.indexRoles(rules)
	for i := range p.bindings {
		b := &p.bindings[i]
		b.role = index[b.ref]
		kind := boundInNamespace
		if b.Namespace == "" {
			kind = boundClusterWide
		}
		p.roles[b.role].bound |= kind
		p.roles[b.role].held = p.roles[b.role].held || len(b.subjects) > 0
		for j := range b.subjects {
			p.bind(&b.subjects[j], b.Namespace, int32(i))
		}
	}
	return p, nil
}

// indexRoles fills p.roles with every role that exists and every one that a
// binding names, and returns their indexes.
func (p *Policy) indexRoles(rules map[Role][]rbacv1.PolicyRule) map[Role]int32 {
	p.roles = make([]role, 0, len(rules))
	for r, rules := range rules {
		p.roles = append(p.roles, newRole(r, rules))
	}
	dangling := map[Role]bool{}
	for i := range p.bindings {
		ref := p.bindings[i].ref
		if _, exists := rules[ref]; !exists && !dangling[ref] {
			dangling[ref] = true
			p.roles = append(p.roles, role{
				Role: ref, key: ref.Key(), inNamespace: Power{Class: ClassNone}, clusterWide: Power{Class: ClassNone},
			})
		}
	}
	for i := range p.roles {
		for j := range p.roles[i].rules {
			p.named.add(&p.roles[i].rules[j])
		}
	}
	slices.SortFunc(p.roles, func(a, b role) int { return cmp.Compare(a.key, b.key) })
	index := make(map[Role]int32, len(p.roles))
	for i := range p.roles {
		index[p.roles[i].Role] = int32(i)
	}
	return index
}

func newRole(r Role, rules []rbacv1.PolicyRule) role {
	n := role{Role: r, key: r.Key(), exists: true, rules: rules}
	n.inNamespace, n.clusterWide = Power{Class: ClassNone}, Power{Class: ClassNone}
	for i := range rules {
		inNamespace, clusterWide := powerOfRule(&rules[i])
		n.inNamespace = n.inNamespace.and(inNamespace)
		n.clusterWide = n.clusterWide.and(clusterWide)
	}
	return n
}

// bind enters a binding under the subject's name. Subjects of other kinds and
// service accounts without a namespace match nobody, as in Kubernetes.
func (p *Policy) bind(s *rbacv1.Subject, namespace string, binding int32) {
	to, name := p.groups, s.Name
	if s.Kind != rbacv1.GroupKind {
		user, ok := subjectUser(s, namespace)
		if !ok {
			return
		}
		to, name = p.users, user
	}
	if known := to[name]; len(known) == 0 || known[len(known)-1] != binding {
		to[name] = append(known, binding)
	}
}

// subjectUser returns the name of the user that a subject of a binding in a
// namespace stands for, and whether it stands for one.
func subjectUser(s *rbacv1.Subject, namespace string) (string, bool) {
	switch s.Kind {
	case rbacv1.UserKind:
		return s.Name, true
	case rbacv1.ServiceAccountKind:
		namespace = cmp.Or(s.Namespace, namespace)
		return serviceAccountPrefix + namespace + ":" + s.Name, namespace != ""
	}
	return "", false
}

// bindingsOf returns the effective bindings in their order.
func bindingsOf(o *Objects) []binding {
	all := make([]binding, 0, len(o.ClusterRoleBindings)+len(o.RoleBindings))
	for i := range o.ClusterRoleBindings {
		b := &o.ClusterRoleBindings[i]
		all = append(all, binding{Binding: Binding{Name: b.Name}, ref: Role{Name: b.RoleRef.Name}, subjects: b.Subjects})
	}
	for i := range o.RoleBindings {
		b := &o.RoleBindings[i]
		ns := namespaceOr(b.Namespace)
		ref := Role{Name: b.RoleRef.Name}
		if b.RoleRef.Kind == "Role" {
			ref.Namespace = ns
		}
		all = append(all, binding{Binding: Binding{Namespace: ns, Name: b.Name}, ref: ref, subjects: b.Subjects})
	}
	slices.SortStableFunc(all, func(a, b binding) int { return a.compare(b.Binding) })
	last := all[:0]
	for i := range all { // of equal names the last
		if i+1 == len(all) || all[i].Binding != all[i+1].Binding {
			last = append(last, all[i])
		}
	}
	return last
}

// compare orders bindings: cluster-wide ones first, then by namespace, by name.
func (b Binding) compare(other Binding) int {
	return cmp.Or(cmp.Compare(b.Namespace, other.Namespace), cmp.Compare(b.Name, other.Name))
}

// rulesByRole returns the rules of every role, aggregated ones filled in.
func rulesByRole(o *Objects) (map[Role][]rbacv1.PolicyRule, error) {
	rules := make(map[Role][]rbacv1.PolicyRule, len(o.Roles)+len(o.ClusterRoles))
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
