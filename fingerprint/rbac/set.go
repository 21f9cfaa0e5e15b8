package rbac

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Set holds RBAC objects while they change. Of an object it keeps what counts:
// namespace, name, resource version, rules, labels and aggregation rule of a
// ClusterRole, role reference and subjects. It is not safe for concurrent use.
type Set struct {
	roles               collection[rbacv1.Role]
	clusterRoles        collection[rbacv1.ClusterRole]
	roleBindings        collection[rbacv1.RoleBinding]
	clusterRoleBindings collection[rbacv1.ClusterRoleBinding]
}

// collection is the objects of one kind by namespace and name.
type collection[T any] map[Role]*T

// NewSet returns a set of objects. Of two objects of one kind, namespace and name
// the later one holds, unless its resource version is lower. A Role or RoleBinding
// without a namespace lies in "default".
func NewSet(o Objects) *Set {
	s := &Set{
		roles:               collection[rbacv1.Role]{},
		clusterRoles:        collection[rbacv1.ClusterRole]{},
		roleBindings:        collection[rbacv1.RoleBinding]{},
		clusterRoleBindings: collection[rbacv1.ClusterRoleBinding]{},
	}
	for i := range o.Roles {
		s.Apply(Change{Role: &o.Roles[i]})
	}
	for i := range o.ClusterRoles {
		s.Apply(Change{ClusterRole: &o.ClusterRoles[i]})
	}
	for i := range o.RoleBindings {
		s.Apply(Change{RoleBinding: &o.RoleBindings[i]})
	}
	for i := range o.ClusterRoleBindings {
		s.Apply(Change{ClusterRoleBinding: &o.ClusterRoleBindings[i]})
	}
	return s
}

// Apply carries out a change and reports whether it changed what a policy built
// from the set answers or could answer. An object whose resource version is lower
// than that of the one held (both are unsigned integers, as Kubernetes writes
// them) is not applied: sources that tell of the same cluster may do so in any
// order. A deletion is always applied. The rules and subjects of the object are
// shared: it must not be modified afterwards.
func (s *Set) Apply(c Change) (changed bool) { return s.visit(c, apply) }

// Put is [Set.Apply] whatever the resource versions say: they go back where a
// cluster is restored from a backup, or a file from its history.
func (s *Set) Put(c Change) (changed bool) { return s.visit(c, put) }

// Needs reports whether [Set.Apply] would change what a policy answers or could
// answer.
func (s *Set) Needs(c Change) bool { return s.visit(c, look) }

// Get returns the object that a change is about as the set holds it, and whether
// it holds it. It must not be modified.
func (s *Set) Get(c Change) (held Change, ok bool) {
	switch {
	case c.Role != nil:
		held.Role, ok = get(s.roles, leanRole(c.Role))
	case c.ClusterRole != nil:
		held.ClusterRole, ok = get(s.clusterRoles, leanClusterRole(c.ClusterRole))
	case c.RoleBinding != nil:
		held.RoleBinding, ok = get(s.roleBindings, leanRoleBinding(c.RoleBinding))
	case c.ClusterRoleBinding != nil:
		held.ClusterRoleBinding, ok = get(s.clusterRoleBindings, leanClusterRoleBinding(c.ClusterRoleBinding))
	}
	return held, ok
}

// IsOlder reports whether the object of a change is certainly an earlier version
// than that of another one, by their resource versions. A deletion has none.
func (c Change) IsOlder(than Change) bool {
	switch {
	case c.Role != nil && than.Role != nil:
		return isOlder(c.Role, than.Role)
	case c.ClusterRole != nil && than.ClusterRole != nil:
		return isOlder(c.ClusterRole, than.ClusterRole)
	case c.RoleBinding != nil && than.RoleBinding != nil:
		return isOlder(c.RoleBinding, than.RoleBinding)
	case c.ClusterRoleBinding != nil && than.ClusterRoleBinding != nil:
		return isOlder(c.ClusterRoleBinding, than.ClusterRoleBinding)
	}
	return false
}

// visiting is what is done with a change.
type visiting uint8

const (
	look  visiting = iota // nothing
	apply                 // carried out, unless the object is older
	put                   // carried out
)

// visit reports whether a change changes something, and carries it out if asked.
func (s *Set) visit(c Change, how visiting) (changed bool) {
	switch {
	case c.Role != nil:
		return visit(s.roles, leanRole(c.Role), c.Deleted, sameRole, how)
	case c.ClusterRole != nil:
		return visit(s.clusterRoles, leanClusterRole(c.ClusterRole), c.Deleted, sameClusterRole, how)
	case c.RoleBinding != nil:
		return visit(s.roleBindings, leanRoleBinding(c.RoleBinding), c.Deleted, sameRoleBinding, how)
	case c.ClusterRoleBinding != nil:
		return visit(s.clusterRoleBindings, leanClusterRoleBinding(c.ClusterRoleBinding), c.Deleted, sameClusterRoleBinding, how)
	}
	return false
}

// Len returns how many objects there are.
func (s *Set) Len() int {
	return len(s.roles) + len(s.clusterRoles) + len(s.roleBindings) + len(s.clusterRoleBindings)
}

// Objects returns the objects in ascending order of namespace and name. Rules,
// subjects and labels are shared with the set and must not be modified.
func (s *Set) Objects() Objects {
	return Objects{
		Roles:               s.roles.sorted(),
		ClusterRoles:        s.clusterRoles.sorted(),
		RoleBindings:        s.roleBindings.sorted(),
		ClusterRoleBindings: s.clusterRoleBindings.sorted(),
	}
}

// Diff returns the changes that lead from one set of objects to another, in
// this order: deleted bindings, deleted roles, new or different roles, new or
// different bindings; cluster-wide ones first, then by namespace and name. So a
// binding is never without its role on the way. Objects that differ only in what
// does not count (see [Set]) are not different.
func Diff(before, after Objects) []Change {
	b, a := NewSet(before), NewSet(after)
	lostBindings, newBindings := diff(b.clusterRoleBindings, a.clusterRoleBindings, sameClusterRoleBinding,
		func(o *rbacv1.ClusterRoleBinding) Change { return Change{ClusterRoleBinding: o} })
	lostInNamespaces, newInNamespaces := diff(b.roleBindings, a.roleBindings, sameRoleBinding,
		func(o *rbacv1.RoleBinding) Change { return Change{RoleBinding: o} })
	lostClusterRoles, newClusterRoles := diff(b.clusterRoles, a.clusterRoles, sameClusterRole,
		func(o *rbacv1.ClusterRole) Change { return Change{ClusterRole: o} })
	lostRoles, newRoles := diff(b.roles, a.roles, sameRole,
		func(o *rbacv1.Role) Change { return Change{Role: o} })
	return slices.Concat(
		lostBindings, lostInNamespaces, lostClusterRoles, lostRoles,
		newClusterRoles, newRoles, newBindings, newInNamespaces,
	)
}

// diff returns the changes of one kind: deletions, and what is new or different.
func diff[T any, P object[T]](
	before, after collection[T], same func(a, b *T) bool, change func(*T) Change,
) (lost, put []Change) {
	for _, n := range before.names() {
		if after[n] == nil {
			var o T
			P(&o).SetNamespace(n.Namespace)
			P(&o).SetName(n.Name)
			c := change(&o)
			c.Deleted = true
			lost = append(lost, c)
		}
	}
	for _, n := range after.names() {
		if b := before[n]; b == nil || !same(b, after[n]) {
			put = append(put, change(after[n]))
		}
	}
	return lost, put
}

// object is what the kinds have in common.
type object[T any] interface {
	*T
	metav1.Object
}

// visit reports whether putting or deleting an object of one kind changes
// something, and does it if asked.
func visit[T any, P object[T]](in collection[T], o P, deleted bool, same func(a, b *T) bool, how visiting) bool {
	name := nameOf(o)
	held, known := in[name]
	if deleted {
		if how != look {
			delete(in, name)
		}
		return known
	}
	if known && how != put && isOlder(o, P(held)) {
		return false
	}
	if how != look {
		in[name] = o
	}
	return !known || !same(held, o)
}

func nameOf(o metav1.Object) Role { return Role{Namespace: o.GetNamespace(), Name: o.GetName()} }

func get[T any, P object[T]](in collection[T], o P) (*T, bool) {
	held, ok := in[nameOf(o)]
	return held, ok
}

// isOlder reports whether o is certainly an earlier version than held.
func isOlder(o, held metav1.Object) bool {
	a, errA := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	b, errB := strconv.ParseUint(held.GetResourceVersion(), 10, 64)
	return errA == nil && errB == nil && a < b
}

func (c collection[T]) names() []Role {
	return slices.SortedFunc(maps.Keys(c), func(a, b Role) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func (c collection[T]) sorted() []T {
	if len(c) == 0 {
		return nil
	}
	all := make([]T, 0, len(c))
	for _, n := range c.names() {
		all = append(all, *c[n])
	}
	return all
}

// leanMeta returns what counts of an object's metadata.
func leanMeta(m *metav1.ObjectMeta, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: m.Name, ResourceVersion: m.ResourceVersion}
}

func leanRole(o *rbacv1.Role) *rbacv1.Role {
	return &rbacv1.Role{ObjectMeta: leanMeta(&o.ObjectMeta, namespaceOr(o.Namespace)), Rules: o.Rules}
}

func leanClusterRole(o *rbacv1.ClusterRole) *rbacv1.ClusterRole {
	lean := &rbacv1.ClusterRole{ObjectMeta: leanMeta(&o.ObjectMeta, ""), Rules: o.Rules, AggregationRule: o.AggregationRule}
	lean.Labels = o.Labels
	return lean
}

func leanRoleBinding(o *rbacv1.RoleBinding) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: leanMeta(&o.ObjectMeta, namespaceOr(o.Namespace)), RoleRef: o.RoleRef, Subjects: o.Subjects,
	}
}

func leanClusterRoleBinding(o *rbacv1.ClusterRoleBinding) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{ObjectMeta: leanMeta(&o.ObjectMeta, ""), RoleRef: o.RoleRef, Subjects: o.Subjects}
}

func sameRole(a, b *rbacv1.Role) bool { return sameRules(a.Rules, b.Rules) }

func sameClusterRole(a, b *rbacv1.ClusterRole) bool {
	return sameRules(a.Rules, b.Rules) && maps.Equal(a.Labels, b.Labels) &&
		reflect.DeepEqual(a.AggregationRule, b.AggregationRule)
}

func sameRoleBinding(a, b *rbacv1.RoleBinding) bool {
	return a.RoleRef == b.RoleRef && slices.Equal(a.Subjects, b.Subjects)
}

func sameClusterRoleBinding(a, b *rbacv1.ClusterRoleBinding) bool {
	return a.RoleRef == b.RoleRef && slices.Equal(a.Subjects, b.Subjects)
}

func sameRules(a, b []rbacv1.PolicyRule) bool {
	return slices.EqualFunc(a, b, func(a, b rbacv1.PolicyRule) bool { return sameRule(&a, &b) })
}

func sameRule(a, b *rbacv1.PolicyRule) bool {
	return slices.Equal(a.Verbs, b.Verbs) && slices.Equal(a.APIGroups, b.APIGroups) &&
		slices.Equal(a.Resources, b.Resources) && slices.Equal(a.ResourceNames, b.ResourceNames) &&
		slices.Equal(a.NonResourceURLs, b.NonResourceURLs)
}
