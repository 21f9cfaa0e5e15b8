package rbac

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
	"pgregory.net/rapid"
)

// The objects of the tests, in a few words each.

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func rule(verbs, group, resources string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		Verbs: strings.Fields(verbs), APIGroups: []string{group}, Resources: strings.Fields(resources),
	}
}

func ref(kind, name string) rbacv1.RoleRef { return rbacv1.RoleRef{Kind: kind, Name: name} }

func user(name string) rbacv1.Subject  { return rbacv1.Subject{Kind: "User", Name: name} }
func group(name string) rbacv1.Subject { return rbacv1.Subject{Kind: "Group", Name: name} }
func account(namespace, name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: name}
}

func clusterBinding(name, role string, subjects ...rbacv1.Subject) rbacv1.ClusterRoleBinding {
	return rbacv1.ClusterRoleBinding{ObjectMeta: meta("", name), RoleRef: ref("ClusterRole", role), Subjects: subjects}
}

func roleBinding(ns, name, kind, role string, subjects ...rbacv1.Subject) rbacv1.RoleBinding {
	return rbacv1.RoleBinding{ObjectMeta: meta(ns, name), RoleRef: ref(kind, role), Subjects: subjects}
}

// world is the policy of the table tests.
func world() Objects {
	return Objects{
		ClusterRoles: []rbacv1.ClusterRole{
			{ObjectMeta: meta("", "view"), Rules: []rbacv1.PolicyRule{rule("get list", "", "pods")}},
			{ObjectMeta: meta("", "discovery"), Rules: []rbacv1.PolicyRule{
				{Verbs: []string{"get"}, NonResourceURLs: []string{"/api", "/apis/*"}},
			}},
			{ObjectMeta: meta("", "admin"), Rules: []rbacv1.PolicyRule{rule("*", "*", "*")}},
			{ObjectMeta: meta("", "agent"), Rules: []rbacv1.PolicyRule{rule("create", "batch", "jobs")}},
		},
		Roles: []rbacv1.Role{
			{ObjectMeta: meta("shop", "edit"), Rules: []rbacv1.PolicyRule{rule("update", "apps", "deployments")}},
			{ObjectMeta: meta("", "home"), Rules: []rbacv1.PolicyRule{rule("get", "", "secrets")}},
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			clusterBinding("viewers", "view", group("dev"), group("system:authenticated:not")),
			clusterBinding("everyone", "discovery", group("system:authenticated"), group("system:unauthenticated")),
			clusterBinding("masters", "admin", group("system:masters")),
			clusterBinding("accounts", "agent", group("system:serviceaccounts")),
			clusterBinding("dangling", "gone", user("eve")),
			clusterBinding("no-namespace", "admin", account("", "bot")),
			clusterBinding("twice", "admin", user("dora")),
			clusterBinding("twice", "view", user("dora")),
		},
		RoleBindings: []rbacv1.RoleBinding{
			roleBinding("shop", "editors", "Role", "edit", group("dev"), account("", "bot")),
			roleBinding("shop", "all", "ClusterRole", "view", group("system:authenticated")),
			roleBinding("bank", "admins", "ClusterRole", "admin", user("ann"), account("shop", "bot")),
			roleBinding("shop", "accounts", "ClusterRole", "view", group("system:serviceaccounts:shop")),
			roleBinding("", "homes", "Role", "home", user("ann")),
		},
	}
}

func TestResolve(t *testing.T) {
	p, err := New(world())
	if err != nil {
		t.Fatal(err)
	}
	const bot = "system:serviceaccount:shop:bot"
	for _, tc := range []struct {
		name     string
		r        Request
		key      string
		class    Class
		allowing string // empty when nothing allows it
		binding  Binding
	}{
		{
			name:  "cluster-wide and in the namespace, whether or not they allow",
			r:     Request{User: "bob", Groups: []string{"dev"}, Verb: "delete", APIGroup: "apps", Resource: "deployments", Namespace: "shop"},
			key:   "ClusterRole/view,Role/shop/edit",
			class: ClassElevated,
		},
		{
			name:  "allowed by one of them",
			r:     Request{User: "bob", Groups: []string{"dev"}, Verb: "update", APIGroup: "apps", Resource: "deployments", Namespace: "shop"},
			key:   "ClusterRole/view,Role/shop/edit",
			class: ClassElevated, allowing: "Role/shop/edit",
			binding: Binding{Namespace: "shop", Name: "editors"},
		},
		{
			name:  "not in another namespace",
			r:     Request{User: "bob", Groups: []string{"dev"}, Verb: "update", APIGroup: "apps", Resource: "deployments", Namespace: "bank"},
			key:   "ClusterRole/view",
			class: ClassRead,
		},
		{
			name:  "cluster-wide only for a list over all namespaces",
			r:     Request{User: "ann", Verb: "list", Resource: "secrets"},
			key:   "",
			class: ClassNone,
		},
		{
			name:  "ClusterRole within a namespace",
			r:     Request{User: "ann", Verb: "list", Resource: "secrets", Namespace: "bank"},
			key:   "ClusterRole/admin",
			class: ClassEscalate, allowing: "ClusterRole/admin",
			binding: Binding{Namespace: "bank", Name: "admins"},
		},
		{
			name:  "everyone's roles allow but are not in the key",
			r:     Request{User: "stranger", Verb: "get", Path: "/apis/apps/v1"},
			key:   "",
			class: ClassNone, allowing: "ClusterRole/discovery",
			binding: Binding{Name: "everyone"},
		},
		{
			name:  "everyone's role in a namespace",
			r:     Request{User: "stranger", Verb: "get", Resource: "pods", Namespace: "shop"},
			key:   "",
			class: ClassNone, allowing: "ClusterRole/view",
			binding: Binding{Namespace: "shop", Name: "all"},
		},
		{
			name:  "a role bound to the subject too stays",
			r:     Request{User: "bob", Groups: []string{"dev"}, Verb: "get", Resource: "pods", Namespace: "shop"},
			key:   "ClusterRole/view,Role/shop/edit",
			class: ClassElevated, allowing: "ClusterRole/view",
			binding: Binding{Name: "viewers"},
		},
		{
			name:  "anonymous",
			r:     Request{User: "system:anonymous", Verb: "get", Path: "/api"},
			key:   "",
			class: ClassNone, allowing: "ClusterRole/discovery",
			binding: Binding{Name: "everyone"},
		},
		{
			name:  "a namespace does not matter for a path",
			r:     Request{User: "bob", Groups: []string{"dev"}, Verb: "get", Path: "/metrics", Namespace: "shop"},
			key:   "ClusterRole/view",
			class: ClassRead,
		},
		{
			name:  "groups of a service account are implied",
			r:     Request{User: bot, Verb: "create", APIGroup: "batch", Resource: "jobs", Namespace: "shop"},
			key:   "ClusterRole/view,Role/shop/edit",
			class: ClassElevated, allowing: "ClusterRole/agent",
			binding: Binding{Name: "accounts"},
		},
		{
			name: "and not doubled when listed",
			r: Request{
				User: bot, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"},
				Verb: "create", APIGroup: "batch", Resource: "jobs", Namespace: "bank",
			},
			key: "ClusterRole/admin", class: ClassEscalate, allowing: "ClusterRole/admin,ClusterRole/agent",
			binding: Binding{Name: "accounts"},
		},
		{
			name:  "a service account of another namespace",
			r:     Request{User: "system:serviceaccount:bank:bot", Verb: "get", Resource: "pods", Namespace: "shop"},
			key:   "", // by the binding of all authenticated in shop
			class: ClassNone, allowing: "ClusterRole/view",
			binding: Binding{Namespace: "shop", Name: "all"},
		},
		{
			name:  "a role that does not exist",
			r:     Request{User: "eve", Verb: "get", Resource: "pods"},
			key:   "ClusterRole/gone",
			class: ClassNone,
		},
		{
			name:  "the later of two objects of one name holds",
			r:     Request{User: "dora", Verb: "delete", Resource: "pods"},
			key:   "ClusterRole/view",
			class: ClassRead,
		},
		{
			name:  "no namespace means default",
			r:     Request{User: "ann", Verb: "get", Resource: "secrets", Namespace: "default"},
			key:   "Role/default/home",
			class: ClassElevated, allowing: "Role/default/home",
			binding: Binding{Namespace: "default", Name: "homes"},
		},
		{name: "nobody", r: Request{Verb: "get", Resource: "pods"}, class: ClassUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, known := p.Resolve(&tc.r)
			if known != (tc.class != ClassUnknown) || got.Power.Class != tc.class {
				t.Errorf("known %v, power %v, want %v", known, got.Power.Class, tc.class)
			}
			want := Answer{
				Key: tc.key, Power: got.Power, Allowed: tc.allowing != "", Allowing: tc.allowing, Binding: tc.binding,
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestNilPolicyKnowsNobody(t *testing.T) {
	var p *Policy
	if a, known := p.Resolve(&Request{User: "u"}); known || a != (Answer{}) {
		t.Errorf("answered %+v", a)
	}
}

func labelled(name string, labels map[string]string, rules []rbacv1.PolicyRule, selects ...map[string]string) rbacv1.ClusterRole {
	r := rbacv1.ClusterRole{ObjectMeta: meta("", name), Rules: rules}
	r.Labels = labels
	for _, s := range selects {
		if r.AggregationRule == nil {
			r.AggregationRule = &rbacv1.AggregationRule{}
		}
		r.AggregationRule.ClusterRoleSelectors = append(r.AggregationRule.ClusterRoleSelectors,
			metav1.LabelSelector{MatchLabels: s})
	}
	return r
}

func TestAggregation(t *testing.T) {
	to := func(role string) map[string]string { return map[string]string{"to-" + role: "true"} }
	objects := Objects{ClusterRoles: []rbacv1.ClusterRole{
		labelled("admin", nil, nil, to("admin")),
		labelled("edit", to("admin"), nil, to("edit"), to("view")),
		labelled("pods", to("view"), []rbacv1.PolicyRule{rule("get", "", "pods")}),
		labelled("jobs", to("edit"), []rbacv1.PolicyRule{rule("create", "batch", "jobs")}),
		labelled("other", nil, []rbacv1.PolicyRule{rule("get", "", "secrets")}),
		labelled("ping", to("pong"), nil, to("ping"), to("view")),
		labelled("pong", to("ping"), nil, to("pong"), to("edit")),
		labelled("filled", nil, []rbacv1.PolicyRule{rule("get", "", "nodes")}, to("view")),
	}}
	for _, r := range objects.ClusterRoles {
		objects.ClusterRoleBindings = append(objects.ClusterRoleBindings, clusterBinding(r.Name, r.Name, user(r.Name)))
	}
	p, err := New(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		role, verb, group, resource string
		want                        bool
	}{
		{"edit", "get", "", "pods", true},
		{"edit", "create", "batch", "jobs", true},
		{"edit", "get", "", "secrets", false},
		{"admin", "get", "", "pods", true}, // through edit
		{"admin", "create", "batch", "jobs", true},
		{"ping", "create", "batch", "jobs", true}, // through a cycle
		{"pong", "get", "", "pods", true},
		{"filled", "get", "", "nodes", true},
		{"filled", "get", "", "pods", false}, // the server has filled it in already
	} {
		a, _ := p.Resolve(&Request{User: tc.role, Verb: tc.verb, APIGroup: tc.group, Resource: tc.resource})
		if a.Allowed != tc.want {
			t.Errorf("%s may %s %s: %v, want %v", tc.role, tc.verb, tc.resource, a.Allowed, tc.want)
		}
	}
}

func TestInvalidSelector(t *testing.T) {
	bad := labelled("broken", nil, nil, nil)
	bad.AggregationRule.ClusterRoleSelectors[0].MatchExpressions = []metav1.LabelSelectorRequirement{
		{Key: "k", Operator: "Near"},
	}
	_, err := New(Objects{ClusterRoles: []rbacv1.ClusterRole{bad}})
	if err == nil || !strings.Contains(err.Error(), `"broken"`) {
		t.Errorf("error %v does not name the role", err)
	}
}

// words draws from few words, so that rules and requests meet.
func words(t *rapid.T, label string, least int, from ...string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(from), least, 3).Draw(t, label)
}

// TestRuleMatching holds the matching of rules against Kubernetes' own.
func TestRuleMatching(t *testing.T) {
	resources := []string{"*", "pods", "pods/exec", "*/exec", "jobs", "pods/", "*/", "*/*", "pods/*"}
	rapid.Check(t, func(t *rapid.T) {
		r := rbacv1.PolicyRule{Verbs: words(t, "verbs", 0, "get", "list", "*", "create")}
		if rapid.Bool().Draw(t, "urls") {
			r.NonResourceURLs = words(t, "url", 0, "*", "/*", "/api", "/api*", "/api/*", "/healthz", "/healthz**", "")
		} else {
			r.APIGroups = words(t, "groups", 0, "", "apps", "*")
			r.Resources = words(t, "resources", 0, resources...)
			r.ResourceNames = words(t, "names", 0, "a", "b", "*")
		}
		req := Request{Verb: rapid.SampledFrom([]string{"get", "list", "delete"}).Draw(t, "verb")}
		wanted := rbacv1.PolicyRule{Verbs: []string{req.Verb}}
		if rapid.Bool().Draw(t, "path") {
			req.Path = rapid.SampledFrom([]string{"/api", "/apis", "/api/v1", "/healthz", "/"}).Draw(t, "requested path")
			wanted.NonResourceURLs = []string{req.Path}
		} else {
			req.APIGroup = rapid.SampledFrom([]string{"", "apps", "batch"}).Draw(t, "group")
			req.Resource = rapid.SampledFrom([]string{"pods", "jobs"}).Draw(t, "resource")
			req.Subresource = rapid.SampledFrom([]string{"", "exec", "log"}).Draw(t, "subresource")
			req.Object = rapid.SampledFrom([]string{"", "a", "c"}).Draw(t, "object")
			wanted.APIGroups = []string{req.APIGroup}
			wanted.Resources = []string{req.Resource}
			if req.Subresource != "" {
				wanted.Resources[0] += "/" + req.Subresource
			}
			if req.Object != "" {
				wanted.ResourceNames = []string{req.Object}
			}
		}
		want, _ := validation.Covers([]rbacv1.PolicyRule{r}, []rbacv1.PolicyRule{wanted})
		if got := ruleAllows(&r, &req); got != want {
			t.Fatalf("rule %+v allows %+v: %v, Kubernetes says %v", r, req, got, want)
		}
	})
}

// TestResolveIgnoresOrder checks that neither the order of a subject's groups
// nor that of the objects changes an answer.
func TestResolveIgnoresOrder(t *testing.T) {
	groups := []string{"dev", "system:masters", "system:serviceaccounts", "system:authenticated", "nobody"}
	rapid.Check(t, func(t *rapid.T) {
		o := world()
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		o.RoleBindings = rapid.Permutation(o.RoleBindings).Draw(t, "role bindings")
		o.ClusterRoles = rapid.Permutation(o.ClusterRoles).Draw(t, "roles")
		q, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		r := Request{
			User: rapid.SampledFrom([]string{"ann", "bob", "system:serviceaccount:shop:bot", "system:anonymous"}).Draw(t, "user"),
			Verb: "get", Resource: "pods",
			Groups:    words(t, "groups", 0, groups...),
			Namespace: rapid.SampledFrom([]string{"", "shop", "bank", "default"}).Draw(t, "namespace"),
		}
		want, _ := p.Resolve(&r)
		r.Groups = rapid.Permutation(r.Groups).Draw(t, "permuted")
		if got, _ := q.Resolve(&r); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	p, err := New(world())
	if err != nil {
		b.Fatal(err)
	}
	r := Request{
		User: "bob", Groups: []string{"dev", "system:authenticated"},
		Verb: "update", APIGroup: "apps", Resource: "deployments", Namespace: "shop",
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Resolve(&r)
	}
}
