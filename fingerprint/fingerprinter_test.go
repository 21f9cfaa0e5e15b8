package fingerprint_test

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// policy binds the group dev to edit everywhere, ann to admin in shop, and
// everyone to discovery.
func policy(t testing.TB) *rbac.Policy {
	t.Helper()
	bind := func(name, role string, kind, subject string) rbacv1.ClusterRoleBinding {
		return rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: kind, Name: subject}},
		}
	}
	p, err := rbac.New(rbac.Objects{
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			bind("a", "edit", "Group", "dev"),
			bind("b", "discovery", "Group", "system:authenticated"),
			bind("c", "discovery", "Group", "system:unauthenticated"),
		},
		RoleBindings: []rbacv1.RoleBinding{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "admins"},
			RoleRef:    rbacv1.RoleRef{Kind: "Role", Name: "admin"},
			Subjects:   []rbacv1.Subject{{Kind: "User", Name: "ann"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pods(namespace string) fingerprint.Resource {
	return fingerprint.Resource{Name: "pods", Namespace: namespace}
}

const (
	discoveryReason = `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "discovery" to Group "system:authenticated"`
	editReason      = `RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "edit" to Group "dev"`
	newReason       = `RBAC: allowed by ClusterRoleBinding "tmp" of ClusterRole "cluster-admin" to User "ann"`
	roleReason      = `RBAC: allowed by RoleBinding "admins/shop" of Role "admin" to User "ann"`
)

func TestRole(t *testing.T) {
	all := []string{"system:authenticated"}
	for _, tc := range []struct {
		name string
		e    fingerprint.Event
		// The role and its source without and with the policy.
		without, with string
	}{
		{
			name:    "annotation",
			e:       fingerprint.Event{User: "bob", Groups: []string{"dev"}, Reason: editReason},
			without: "ClusterRole/edit annotation", with: "ClusterRole/edit rbac",
		},
		{
			name:    "role of a namespace",
			e:       fingerprint.Event{User: "ann", Groups: []string{"dev"}, Reason: roleReason, Resource: pods("shop")},
			without: "Role/shop/admin annotation", with: "ClusterRole/edit,Role/shop/admin rbac",
		},
		{
			name:    "denied meets allowed",
			e:       fingerprint.Event{User: "ann", Groups: []string{"dev"}, Decision: fingerprint.DecisionForbid, Resource: pods("shop")},
			without: "groups:dev convention", with: "ClusterRole/edit,Role/shop/admin rbac",
		},
		{
			name:    "a refusal names no role",
			e:       fingerprint.Event{User: "zoe", Groups: all, Decision: fingerprint.DecisionForbid, Reason: editReason},
			without: "unknown unknown", with: "unknown unknown",
		},
		{
			name:    "the authorizer knows more than the policy",
			e:       fingerprint.Event{User: "ann", Groups: []string{"dev"}, Reason: newReason, Resource: pods("shop")},
			without: "ClusterRole/cluster-admin annotation", with: "ClusterRole/cluster-admin,ClusterRole/edit,Role/shop/admin annotation",
		},
		{
			name:    "and of a subject without roles",
			e:       fingerprint.Event{User: "zoe", Groups: all, Reason: newReason},
			without: "ClusterRole/cluster-admin annotation", with: "ClusterRole/cluster-admin annotation",
		},
		{
			name:    "everyone's role tells nothing",
			e:       fingerprint.Event{User: "system:serviceaccount:shop:cart", Groups: all, Reason: discoveryReason},
			without: "ClusterRole/discovery annotation", with: "serviceaccounts:shop convention",
		},
		{
			name:    "but the role of who has another one does",
			e:       fingerprint.Event{User: "bob", Groups: []string{"dev"}, Reason: discoveryReason},
			without: "ClusterRole/discovery annotation", with: "ClusterRole/edit rbac",
		},
		{
			name:    "the policy does not hold elsewhere",
			e:       fingerprint.Event{User: "ann", Groups: all, Resource: pods("bank")},
			without: "unknown unknown", with: "unknown unknown",
		},
		{
			name: "impersonation",
			e: fingerprint.Event{
				User: "proxy", Groups: []string{"system:masters"}, ActingAs: "bob", ActingGroups: []string{"dev"},
			},
			without: "groups:dev convention", with: "ClusterRole/edit rbac",
		},
		{
			name:    "reason of another authorizer",
			e:       fingerprint.Event{User: "bob", Groups: []string{"ops"}, Reason: "RBAC: allowed by magic"},
			without: "groups:ops convention", with: "groups:ops convention",
		},
		{
			name:    "masters",
			e:       fingerprint.Event{User: "kubernetes-admin", Groups: []string{"system:masters", "system:authenticated"}},
			without: "system:masters convention", with: "system:masters convention",
		},
		{
			name:    "the API server itself",
			e:       fingerprint.Event{User: "system:apiserver", Groups: []string{"system:authenticated", "system:masters"}},
			without: "system:apiserver convention", with: "system:apiserver convention",
		},
		{
			name:    "node",
			e:       fingerprint.Event{User: "system:node:ip-10-0-0-1", Groups: []string{"system:nodes", "system:authenticated"}},
			without: "system:nodes convention", with: "system:nodes convention",
		},
		{
			name:    "component",
			e:       fingerprint.Event{User: "system:kube-scheduler", Groups: all},
			without: "system:kube-scheduler convention", with: "system:kube-scheduler convention",
		},
		{
			name:    "anonymous",
			e:       fingerprint.Event{User: "system:anonymous", Groups: []string{"system:unauthenticated"}},
			without: "anonymous convention", with: "anonymous convention",
		},
		{
			name: "own groups, sorted, once, escaped",
			e: fingerprint.Event{User: "x", Groups: []string{
				"oidc:b", "system:authenticated", "a,b/c", "oidc:b", "ClusterRole/admin",
			}},
			without: "groups:ClusterRole%2Fadmin,a%2Cb%2Fc,oidc:b convention",
			with:    "groups:ClusterRole%2Fadmin,a%2Cb%2Fc,oidc:b convention",
		},
		{
			name:    "a user's name is not a role",
			e:       fingerprint.Event{User: "ClusterRole/admin", Groups: all},
			without: "unknown unknown", with: "unknown unknown",
		},
		{name: "nobody", without: "unknown unknown", with: "unknown unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			check := func(f *fingerprint.Fingerprinter, want string) {
				t.Helper()
				for range 2 { // cold and warm
					c := f.Of(&tc.e).Cluster
					if got := c.Role + " " + c.RoleSource.String(); got != want {
						t.Errorf("got %s, want %s", got, want)
					}
				}
			}
			check(fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{}), tc.without)
			var none *rbac.Policy
			check(fingerprint.New(fingerprint.DefaultConfig(), with(none)), tc.without)
			check(fingerprint.New(fingerprint.DefaultConfig(), with(policy(t))), tc.with)
		})
	}
}

// TestIdentities pins ids: they are in people's alerts and in stored state and
// must never change.
func TestIdentities(t *testing.T) {
	f := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
	for _, tc := range []struct {
		e    fingerprint.Event
		want string // fingerprint, verb, cluster and its fields
	}{
		{
			fingerprint.Event{Tenant: "prod", User: "bob", Verb: "get", Reason: editReason, Resource: pods("shop")},
			"c6fdc1abd58ff927 get | c3489316ac3aa31f prod ClusterRole/edit pods read",
		},
		{
			fingerprint.Event{Tenant: "prod", User: "bob", Verb: "list", Reason: editReason, Resource: pods("bank")},
			"d9125ce13318c2da list | c3489316ac3aa31f prod ClusterRole/edit pods read",
		},
		{
			fingerprint.Event{Tenant: "prod", User: "bob", Verb: "get", Reason: editReason, Resource: fingerprint.Resource{Name: "pods", Subresource: "exec", Namespace: "shop", Object: "cart-1"}},
			"91b5556cb6d7650f get | 247da31a78067079 prod ClusterRole/edit pods/exec connect",
		},
		{
			fingerprint.Event{Tenant: "prod", User: "system:anonymous", Verb: "get", Resource: fingerprint.Resource{Path: "/debug/pprof/"}},
			"8d472c8fa0177f79 get | ad3bfea3497c4f3e prod anonymous nonresource:/debug/pprof/ read",
		},
		{
			fingerprint.Event{Tenant: "stage", User: "kubernetes-admin", Groups: []string{"system:masters"}, Verb: "create", Resource: fingerprint.Resource{Group: "rbac.authorization.k8s.io", Name: "clusterrolebindings", Object: "x"}},
			"fc011a5ccb3d21ea create | 025be0185d7a4b61 stage system:masters rbac.authorization.k8s.io clusterrolebindings escalate sensitive",
		},
	} {
		fp := f.Of(&tc.e)
		c := fp.Cluster
		got := fmt.Sprintf("%v %s | %v %s %s %s %s %s", fp.ID, fp.Verb, c.ID, c.Tenant, c.Role, c.APIGroup, c.Resource, c.Access)
		if c.Sensitive {
			got += " sensitive"
		}
		if got = strings.ReplaceAll(got, "  ", " "); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestResourceNames(t *testing.T) {
	f := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
	seen := map[fingerprint.ID]string{}
	for _, tc := range []struct {
		r    fingerprint.Resource
		want string
	}{
		{fingerprint.Resource{Path: "/readyz"}, "nonresource:/readyz"},
		{fingerprint.Resource{}, "nonresource:/"},
		{fingerprint.Resource{Name: "nonresource:", Subresource: "readyz"}, "nonresource%3A/readyz"},
		{fingerprint.Resource{Name: "pods", Subresource: "exec"}, "pods/exec"},
		{fingerprint.Resource{Name: "pods/exec"}, "pods%2Fexec"},
		{fingerprint.Resource{Name: "a\x1b[31m\n"}, "a%1B[31m%0A"},
		{fingerprint.Resource{Name: strings.Repeat("ü", 600)}, strings.Repeat("ü", 247) + "~6a02ed689ceaaee1"},
		{fingerprint.Resource{Name: strings.Repeat("ü", 601)}, strings.Repeat("ü", 247) + "~"},
	} {
		fp := f.Of(&fingerprint.Event{Resource: tc.r})
		got := fp.Cluster.Resource
		if strings.HasSuffix(tc.want, "~") && len(got) <= fingerprint.MaxText {
			got = got[:len(tc.want)] // a hash follows
		}
		if got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
		if other, ok := seen[fp.ID]; ok {
			t.Errorf("%q and %q have the id %v", tc.want, other, fp.ID)
		}
		seen[fp.ID] = tc.want
	}
}

// aliased is an event whose every string lies in one buffer, as a decoder hands
// it out.
func aliased(buf []byte, e *fingerprint.Event) fingerprint.Event {
	c := *e
	b := buf[:0]
	for _, s := range []*string{
		&c.Tenant, &c.User, &c.ActingAs, &c.Verb, &c.Reason,
		&c.Resource.Group, &c.Resource.Name, &c.Resource.Subresource, &c.Resource.Namespace, &c.Resource.Path,
	} {
		b, *s = alias(b, *s)
	}
	c.Groups = append([]string(nil), e.Groups...)
	for i := range c.Groups {
		b, c.Groups[i] = alias(b, c.Groups[i])
	}
	return c
}

func anyEvent(t *rapid.T) fingerprint.Event {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	return fingerprint.Event{
		Tenant:   pick("tenant", "", "a", "b"),
		User:     pick("user", "", "ann", "bob", "system:anonymous", "system:serviceaccount:shop:bot", "system:node:n", "system:kube-proxy"),
		ActingAs: pick("acting as", "", "", "bob"),
		Groups: rapid.SliceOfN(rapid.SampledFrom([]string{
			"dev", "ops", "a,b", "system:authenticated", "system:masters",
		}), 0, 4).Draw(t, "groups"),
		Verb:     pick("verb", "get", "create", "delete", "\x00"),
		Decision: fingerprint.Decision(rapid.IntRange(0, 2).Draw(t, "decision")),
		Reason:   pick("reason", "", editReason, newReason, roleReason, discoveryReason, "because"),
		Resource: fingerprint.Resource{
			Group:       pick("group", "", "apps", "rbac.authorization.k8s.io"),
			Name:        pick("name", "", "pods", "roles", "secrets", strings.Repeat("x", 600)),
			Subresource: pick("subresource", "", "exec"),
			Namespace:   pick("namespace", "", "shop", "bank"),
			Path:        pick("path", "", "/readyz", "/a/4711"),
		},
	}
}

func with(p *rbac.Policy) fingerprint.Roles {
	return fingerprint.Roles{Policies: fingerprint.Always(p)}
}

// inTurn is a policy for every other event, and another one for the others.
func inTurn(a, b *rbac.Policy) fingerprint.Roles {
	return fingerprint.Roles{Policies: &turns{a, b}}
}

type turns struct{ now, next *rbac.Policy }

func (t *turns) At(string, int64) *rbac.Policy {
	t.now, t.next = t.next, t.now
	return t.now
}

// TestOfIsAPureFunction checks that the answer depends on the event alone: not
// on the memory that its strings lie in, on the order of groups, on what was
// asked before, or on evictions.
func TestOfIsAPureFunction(t *testing.T) {
	p := policy(t)
	buf := make([]byte, 1<<16)
	rapid.Check(t, func(t *rapid.T) {
		var resolver *rbac.Policy
		if rapid.Bool().Draw(t, "with policy") {
			resolver = p
		}
		shared := fingerprint.New(fingerprint.DefaultConfig(), with(resolver))
		tiny := fingerprint.New(fingerprint.Config{Entries: 1}, with(resolver))
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			e := anyEvent(t)
			want := *fingerprint.New(fingerprint.DefaultConfig(), with(resolver)).Of(&e)
			e.Groups = rapid.Permutation(e.Groups).Draw(t, "permuted groups")
			for _, f := range []*fingerprint.Fingerprinter{shared, tiny} {
				one := aliased(buf, &e)
				got := f.Of(&one)
				clear(buf)
				if got.ID != want.ID || got.Verb != want.Verb || *got.Cluster != *want.Cluster {
					t.Fatalf("%+v\ngot  %+v %+v\nwant %+v %+v", e, got, got.Cluster, want, want.Cluster)
				}
			}
			if first := shared.Of(&e); shared.Of(&e) != first {
				t.Fatal("not interned")
			}
		}
	})
}

func TestInterner(t *testing.T) {
	in := fingerprint.NewInterner(2)
	buf := []byte("alpha")
	_, s := alias(buf[:0], "alpha")
	kept := in.Intern(s)
	copy(buf, "OOOOO")
	if kept != "alpha" {
		t.Fatalf("the copy is %q", kept)
	}
	for i := range 100 {
		if got, want := in.Intern(fmt.Sprint("n", i)), fmt.Sprint("n", i); got != want {
			t.Fatalf("interned %q as %q", want, got)
		}
		in.Intern("alpha")
	}
	if n := testing.AllocsPerRun(100, func() { in.Intern("alpha") }); n != 0 {
		t.Errorf("%v allocations for a known string", n)
	}
}

func TestConfig(t *testing.T) {
	if err := fingerprint.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := (fingerprint.Config{}).Validate(); err == nil {
		t.Error("no entries are valid")
	}
}

// traffic is a mix of events in the proportions of a busy cluster.
func traffic() []fingerprint.Event {
	var events []fingerprint.Event
	groups := []string{"dev", "oidc:team-a", "system:authenticated"}
	for i := range 64 {
		ns := fmt.Sprint("team-", i%8)
		account := "system:serviceaccount:" + ns + ":app"
		accountGroups := []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"}
		events = append(events,
			fingerprint.Event{Tenant: "prod", User: fmt.Sprint("user-", i, "@example.com"), Groups: groups, Verb: "get", Reason: editReason, Decision: fingerprint.DecisionAllow, Resource: pods(ns)},
			fingerprint.Event{Tenant: "prod", User: account, Groups: accountGroups, Verb: "update", Decision: fingerprint.DecisionAllow, Reason: roleReason, Resource: fingerprint.Resource{Group: "coordination.k8s.io", Name: "leases", Namespace: ns, Object: "x"}},
			fingerprint.Event{Tenant: "prod", User: fmt.Sprint("system:node:ip-10-0-0-", i), Groups: []string{"system:nodes", "system:authenticated"}, Verb: "patch", Decision: fingerprint.DecisionAllow, Resource: fingerprint.Resource{Name: "nodes", Subresource: "status"}},
			fingerprint.Event{Tenant: "prod", User: "system:anonymous", Groups: []string{"system:unauthenticated"}, Verb: "get", Decision: fingerprint.DecisionForbid, Resource: fingerprint.Resource{Path: fmt.Sprint("/probe/", 1000+i)}},
			fingerprint.Event{Tenant: "prod", User: fmt.Sprint("user-", i, "@example.com"), Groups: groups, Verb: "list", Decision: fingerprint.DecisionForbid, Resource: fingerprint.Resource{Name: "secrets", Namespace: ns}},
			fingerprint.Event{Tenant: "prod", User: account, Groups: accountGroups, Verb: "get", Decision: fingerprint.DecisionForbid, Resource: fingerprint.Resource{Name: "configmaps", Namespace: "bank"}},
		)
	}
	return events
}

func TestOfDoesNotAllocate(t *testing.T) {
	for name, roles := range map[string]fingerprint.Roles{
		"annotation": {}, "policy": with(policy(t)), "two policies": inTurn(policy(t), policy(t)),
	} {
		f := fingerprint.New(fingerprint.DefaultConfig(), roles)
		events := traffic()
		if n := testing.AllocsPerRun(10, func() {
			for i := range events {
				f.Of(&events[i])
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for %d events", name, n, len(events))
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for _, bc := range []struct {
		name    string
		roles   fingerprint.Roles
		entries int
	}{
		{"annotation", fingerprint.Roles{}, fingerprint.DefaultConfig().Entries},
		{"policy", with(policy(b)), fingerprint.DefaultConfig().Entries},
		{"policy,evicting", with(policy(b)), 16},
		{"two policies", inTurn(policy(b), policy(b)), fingerprint.DefaultConfig().Entries},
	} {
		b.Run(bc.name, func(b *testing.B) {
			f := fingerprint.New(fingerprint.Config{Entries: bc.entries}, bc.roles)
			events := traffic()
			for i := range events {
				f.Of(&events[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				f.Of(&events[i%len(events)])
				i++
			}
		})
	}
}
