//go:build kube

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// world is a cluster of random roles and bindings, in namespaces of its own, and
// the subjects that they are about.
type world struct {
	*kube
	random     *rand.Rand
	namespaces []string
	subjects   []subject
	// roles and clusterRoles are the names of what can be bound. Bindings also
	// name roles that do not exist.
	roles, clusterRoles []string
	written             int
}

// subject is somebody as the authorizer sees them: with all their groups.
type subject struct {
	user   string
	groups []string
}

// The users of the stack; see deploy/stack/kubernetes/users.csv.
var people = []subject{
	{"ann", []string{"dev", "system:authenticated"}},
	{"bob", []string{"dev", "ops", "system:authenticated"}},
	{"carl", []string{"ops", "system:authenticated"}},
	{"dora", []string{"system:authenticated"}},
}

// What rules and requests are made of: few words, so that they often meet.
var (
	verbs        = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	groups       = []string{"", "", "apps", "batch", "made-up.invalid"}
	resources    = []string{"pods", "secrets", "configmaps", "deployments", "jobs", "nodes"}
	subresources = []string{"", "", "", "exec", "log", "scale"}
	objectNames  = []string{"", "red", "green", "blue"}
	paths        = []string{"/metrics", "/logs", "/logs/", "/logs/kubelet", "/made/up", "/madeup", "/apis/made-up.invalid"}
	pathRules    = []string{"/metrics", "/logs/*", "/made*", "/made/*", "/apis/made-up.invalid", "/logs", "*"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// some returns between one and n of the words, and now and then the star.
func some(r *rand.Rand, n int, from []string) []string {
	if r.IntN(8) == 0 {
		return []string{"*"}
	}
	out := make([]string, 1+r.IntN(n))
	for i := range out {
		out[i] = pick(r, from)
	}
	return out
}

// newWorld fills a cluster.
func newWorld(t *testing.T, k *kube, random *rand.Rand) *world {
	t.Helper()
	w := &world{kube: k, random: random, subjects: slices.Clone(people)}
	for i := range 3 {
		ns := k.namespace(t, fmt.Sprintf("n%d", i))
		w.namespaces = append(w.namespaces, ns)
		for _, name := range []string{"robot", "agent"} {
			_, err := k.admin.CoreV1().ServiceAccounts(ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: k.object(ns, name)}, metav1.CreateOptions{})
			must(t, err)
			w.subjects = append(w.subjects, account(ns, name))
		}
	}
	for i := range 8 {
		groups := []string{"system:authenticated"}
		if i%2 == 0 {
			groups = append(groups, pick(random, []string{"dev", "ops", "shift"}))
		}
		w.subjects = append(w.subjects, subject{fmt.Sprintf("user-%d", i), groups})
	}
	w.subjects = append(w.subjects, subject{"system:anonymous", []string{"system:unauthenticated"}})
	for range 40 {
		w.writeClusterRole(t)
		w.writeRole(t)
	}
	for range 5 {
		w.writeAggregated(t)
	}
	for range 40 {
		w.writeClusterBinding(t)
		w.writeBinding(t)
		w.writeBinding(t)
	}
	return w
}

// account is a service account as the authorizer sees it.
func account(namespace, name string) subject {
	return subject{
		"system:serviceaccount:" + namespace + ":" + name,
		[]string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
}

// name returns one that the world has not given yet.
func (w *world) name(kind string) string {
	w.written++
	return fmt.Sprintf("%s-%s-%d", w.run, kind, w.written)
}

// rules are one to three random rules. Those for paths are for ClusterRoles.
func (w *world) rules(cluster bool) []rbacv1.PolicyRule {
	out := make([]rbacv1.PolicyRule, 1+w.random.IntN(3))
	for i := range out {
		out[i] = w.rule(cluster)
	}
	return out
}

func (w *world) rule(cluster bool) rbacv1.PolicyRule {
	r := w.random
	if cluster && r.IntN(4) == 0 {
		return rbacv1.PolicyRule{Verbs: some(r, 3, verbs), NonResourceURLs: []string{pick(r, pathRules)}}
	}
	rule := rbacv1.PolicyRule{Verbs: some(r, 3, verbs), APIGroups: some(r, 2, groups)}
	for _, name := range some(r, 3, resources) {
		if sub := pick(r, subresources); sub != "" {
			if r.IntN(5) == 0 {
				name = "*"
			}
			name += "/" + sub
		}
		rule.Resources = append(rule.Resources, name)
	}
	if r.IntN(4) == 0 {
		rule.ResourceNames = []string{pick(r, objectNames[1:]), pick(r, objectNames[1:])}
	}
	return rule
}

// aggregateLabel is the label by which aggregated ClusterRoles select others.
const aggregateLabel = "logcluster-e2e/aggregate"

func (w *world) writeClusterRole(t *testing.T) {
	role := &rbacv1.ClusterRole{ObjectMeta: w.object("", w.name("role")), Rules: w.rules(true)}
	if w.random.IntN(3) == 0 {
		role.Labels[aggregateLabel] = w.run + pick(w.random, []string{"-a", "-b", "-c"})
	}
	w.clusterRoles = append(w.clusterRoles, role.Name)
	_, err := w.admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{})
	must(t, err)
}

// writeAggregated writes a ClusterRole that is made of others, perhaps of
// aggregated ones, but not of itself by way of them: then the controller would
// never let go of a rule that was there once, and no manifest would tell.
func (w *world) writeAggregated(t *testing.T) {
	role := &rbacv1.ClusterRole{ObjectMeta: w.object("", w.name("aggregated"))}
	from := []string{"-a", "-b", "-c"}
	if w.random.IntN(2) == 0 {
		role.Labels[aggregateLabel] = w.run + "-a"
		from = from[1:]
	}
	selects := map[string]string{aggregateLabel: w.run + pick(w.random, from)}
	role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: selects}}}
	w.clusterRoles = append(w.clusterRoles, role.Name)
	_, err := w.admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{})
	must(t, err)
}

func (w *world) writeRole(t *testing.T) {
	role := &rbacv1.Role{ObjectMeta: w.object(pick(w.random, w.namespaces), w.name("role")), Rules: w.rules(false)}
	w.roles = append(w.roles, role.Name)
	_, err := w.admin.RbacV1().Roles(role.Namespace).Create(t.Context(), role, metav1.CreateOptions{})
	must(t, err)
}

// clusterRole is the name of a ClusterRole to bind: a random one, one of
// Kubernetes' own, or one that does not exist.
func (w *world) clusterRole() string {
	switch w.random.IntN(8) {
	case 0:
		return pick(w.random, []string{"view", "edit", "admin", "system:discovery"})
	case 1:
		return w.run + "-missing"
	}
	return pick(w.random, w.clusterRoles)
}

func (w *world) writeClusterBinding(t *testing.T) {
	_, err := w.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: w.object("", w.name("binding")), Subjects: w.bound(""),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.clusterRole()},
	}, metav1.CreateOptions{})
	must(t, err)
}

func (w *world) writeBinding(t *testing.T) {
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.clusterRole()}
	if w.random.IntN(2) == 0 {
		// Of a role of another namespace there is none of that name in this one.
		ref.Kind, ref.Name = "Role", pick(w.random, w.roles)
	}
	ns := pick(w.random, w.namespaces)
	_, err := w.admin.RbacV1().RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: w.object(ns, w.name("binding")), Subjects: w.bound(ns), RoleRef: ref,
	}, metav1.CreateOptions{})
	must(t, err)
}

// bound are one to three subjects of a binding in the namespace. Few bindings
// are to everybody, or everybody could do everything.
func (w *world) bound(namespace string) []rbacv1.Subject {
	out := make([]rbacv1.Subject, 1+w.random.IntN(3))
	for i := range out {
		switch w.random.IntN(24) {
		case 0:
			out[i] = group(pick(w.random, []string{"system:authenticated", "system:unauthenticated", "system:serviceaccounts"}))
		case 1, 2, 3:
			out[i] = group("system:serviceaccounts:" + pick(w.random, w.namespaces))
		case 4, 5, 6, 7, 8, 9:
			out[i] = group(pick(w.random, []string{"dev", "ops", "shift"}))
		case 10, 11, 12, 13, 14:
			ns := pick(w.random, w.namespaces)
			out[i] = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: pick(w.random, []string{"robot", "agent"})}
		default:
			// Service accounts by their user name too, and the anonymous.
			out[i] = rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: pick(w.random, w.subjects).user}
		}
	}
	return out
}

func group(name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: name}
}

// change writes, rewrites and deletes some of everything.
func (w *world) change(t *testing.T) {
	t.Helper()
	ctx, r, mine := t.Context(), w.admin.RbacV1(), metav1.ListOptions{LabelSelector: runLabel + "=" + w.run}
	bindings, err := r.RoleBindings("").List(ctx, mine)
	must(t, err)
	for i := range bindings.Items {
		b := &bindings.Items[i]
		switch w.random.IntN(6) {
		case 0:
			must(t, r.RoleBindings(b.Namespace).Delete(ctx, b.Name, metav1.DeleteOptions{}))
		case 1:
			b.Subjects = w.bound(b.Namespace)
			_, err := r.RoleBindings(b.Namespace).Update(ctx, b, metav1.UpdateOptions{})
			must(t, err)
		}
	}
	roles, err := r.ClusterRoles().List(ctx, mine)
	must(t, err)
	for i := range roles.Items {
		role := &roles.Items[i]
		switch {
		case !slices.Contains(w.clusterRoles, role.Name): // somebody needs it
		case w.random.IntN(6) == 0:
			must(t, r.ClusterRoles().Delete(ctx, role.Name, metav1.DeleteOptions{}))
		case role.AggregationRule == nil && w.random.IntN(4) == 0:
			role.Rules = w.rules(true)
			_, err := r.ClusterRoles().Update(ctx, role, metav1.UpdateOptions{})
			must(t, err)
		}
	}
	for range 5 {
		w.writeRole(t)
		w.writeClusterRole(t)
		w.writeBinding(t)
		w.writeClusterBinding(t)
	}
}

// settled returns the objects when the API server has done all that follows
// from what was written: aggregated ClusterRoles have the rules of those that
// they select, and the authorizer knows.
func (w *world) settled(t *testing.T) rbac.Objects {
	t.Helper()
	var objects rbac.Objects
	until(t, 30*time.Second, func() (bool, string) {
		objects = w.objects(t)
		name := unaggregated(objects.ClusterRoles)
		return name == "", "ClusterRole " + name + " lacks rules of those that it selects, or has others"
	})
	w.settle(t, w.namespaces[0])
	return w.objects(t)
}

// unaggregated returns the name of an aggregated role that does not have
// exactly the rules of those that it selects, empty if there is none.
func unaggregated(roles []rbacv1.ClusterRole) string {
	for i := range roles {
		if roles[i].AggregationRule == nil {
			continue
		}
		var want []rbacv1.PolicyRule
		for j := range roles {
			if i != j && selected(roles[i].AggregationRule, roles[j].Labels) {
				want = append(want, roles[j].Rules...)
			}
		}
		if !sameRules(want, roles[i].Rules) {
			return roles[i].Name
		}
	}
	return ""
}

func selected(a *rbacv1.AggregationRule, labels map[string]string) bool {
	return slices.ContainsFunc(a.ClusterRoleSelectors, func(s metav1.LabelSelector) bool {
		for name, value := range s.MatchLabels {
			if labels[name] != value {
				return false
			}
		}
		return true
	})
}

// sameRules reports whether two lists hold the same rules, in any order and any
// number of times.
func sameRules(a, b []rbacv1.PolicyRule) bool {
	in := func(list []rbacv1.PolicyRule, rule rbacv1.PolicyRule) bool {
		return slices.ContainsFunc(list, func(other rbacv1.PolicyRule) bool { return equality.Semantic.DeepEqual(rule, other) })
	}
	return !slices.ContainsFunc(a, func(r rbacv1.PolicyRule) bool { return !in(b, r) }) &&
		!slices.ContainsFunc(b, func(r rbacv1.PolicyRule) bool { return !in(a, r) })
}

// asManifests returns the objects as somebody would have written them: the
// rules of aggregated ClusterRoles are left to whoever reads them.
func asManifests(o rbac.Objects) rbac.Objects {
	o.ClusterRoles = slices.Clone(o.ClusterRoles)
	for i := range o.ClusterRoles {
		if o.ClusterRoles[i].AggregationRule != nil {
			o.ClusterRoles[i].Rules = nil
		}
	}
	return o
}

// request is a random one, by anybody in the world.
func (w *world) request() *rbac.Request {
	r, who := w.random, pick(w.random, w.subjects)
	req := &rbac.Request{User: who.user, Groups: who.groups, Verb: pick(r, verbs)}
	switch r.IntN(6) {
	case 0:
		req.Path = pick(r, paths)
		return req
	case 1: // in no namespace: a cluster-scoped resource, or all namespaces
	default:
		req.Namespace = pick(r, w.namespaces)
	}
	req.APIGroup, req.Resource, req.Subresource = pick(r, groups), pick(r, resources), pick(r, subresources)
	req.Object = pick(r, objectNames)
	if r.IntN(30) == 0 {
		// Words that only a star in a rule stands for, and the star itself.
		req.Verb, req.Resource = pick(r, []string{"approve", "*"}), pick(r, []string{"made-ups", "*"})
	}
	return req
}

// tally counts what happened by its name.
type tally map[string]int

func (c tally) String() string {
	var out string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		out += fmt.Sprintf(" %s=%d", name, c[name])
	}
	return out
}
