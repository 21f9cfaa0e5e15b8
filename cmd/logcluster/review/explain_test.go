package review

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func newPolicy(t *testing.T, o rbac.Objects) *rbac.Policy {
	t.Helper()
	p, err := rbac.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// office has a user with a role in the whole cluster and one in a namespace, one
// by name, everybody's role, and a binding to a role that is not there.
func office(t *testing.T) *rbac.Policy {
	everybody := clusterBinding("everybody", "discovery")
	everybody.Subjects = []rbacv1.Subject{{Kind: "Group", Name: "system:authenticated"}}
	inShop := func(name, role string, subjects ...rbacv1.Subject) rbacv1.RoleBinding {
		return rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: subjects,
		}
	}
	return newPolicy(t, rbac.Objects{
		ClusterRoles: []rbacv1.ClusterRole{
			clusterRole("view", rule("get", "core", "pods", "")), clusterRole("read-secrets", rule("get", "core", "secrets", "")),
			clusterRole("discovery", urls("get", "/api")), clusterRole("root", rule("*", "*", "*", "")),
			clusterRole("spare", rule("impersonate", "core", "users", "")),
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			clusterBinding("views", "view", "ann"), everybody, clusterBinding("missing", "gone", "ann"), clusterBinding("empty", "spare"),
		},
		RoleBindings: []rbacv1.RoleBinding{
			inShop("secrets", "read-secrets", rbacv1.Subject{Kind: "Group", Name: "sre"}, rbacv1.Subject{Kind: "User", Name: "ann"}),
			inShop("roots", "root", rbacv1.Subject{Kind: "ServiceAccount", Name: "ops"}),
		},
	})
}

func TestExplain(t *testing.T) {
	p := office(t)
	yes, no := true, false
	for _, tc := range []struct {
		name     string
		request  rbac.Request
		allowed  *bool
		known    bool
		role     string
		power    string
		bindings []string // with "+" where they allow it
	}{
		{
			name:    "allowed in the namespace",
			request: rbac.Request{User: "ann", Groups: []string{"sre"}, Verb: "get", Resource: "secrets", Namespace: "shop"},
			allowed: &yes, known: true, role: "ClusterRole/gone,ClusterRole/read-secrets,ClusterRole/view", power: "elevated",
			bindings: []string{
				"ClusterRoleBinding/everybody", "ClusterRoleBinding/missing", "ClusterRoleBinding/views", "+RoleBinding/shop/secrets",
			},
		},
		{
			name:    "not in another",
			request: rbac.Request{User: "ann", Verb: "get", Resource: "secrets", Namespace: "bank"},
			allowed: &no, known: true, role: "ClusterRole/gone,ClusterRole/view", power: "read",
			bindings: []string{"ClusterRoleBinding/everybody", "ClusterRoleBinding/missing", "ClusterRoleBinding/views"},
		},
		{
			name:     "everything",
			request:  rbac.Request{User: "system:serviceaccount:shop:ops"},
			known:    true,
			role:     "unknown",
			power:    "none",
			bindings: []string{"ClusterRoleBinding/everybody", "RoleBinding/shop/roots"},
		},
		{
			name:    "nobody",
			request: rbac.Request{User: "system:anonymous", Verb: "get", Path: "/api"},
			allowed: &no, role: "unknown", power: "unknown",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := Explain(p, &tc.request)
			if (e.Allowed == nil) != (tc.allowed == nil) || e.Allowed != nil && *e.Allowed != *tc.allowed {
				t.Errorf("allowed %v", e.Allowed)
			}
			if e.Known != tc.known || e.Role != tc.role || e.Power != tc.power {
				t.Errorf("known %v, role %q, power %q", e.Known, e.Role, e.Power)
			}
			var bindings []string
			for _, b := range e.Bindings {
				name := b.Binding
				if b.Allows {
					name = "+" + name
				}
				bindings = append(bindings, name)
			}
			if !slices.Equal(bindings, tc.bindings) {
				t.Errorf("bindings %q, want %q", bindings, tc.bindings)
			}
			var text bytes.Buffer
			if err := WriteExplanation(&text, &e, &tc.request); err != nil {
				t.Fatal(err)
			}
			for _, b := range e.Bindings {
				if !strings.Contains(text.String(), "\n"+b.Binding+" gives "+b.Role) {
					t.Errorf("the text does not have %s:\n%s", b.Binding, &text)
				}
			}
		})
	}
}

// TestNotes: who leaves the API group out is not simply told no.
func TestNotes(t *testing.T) {
	p := newPolicy(t, rbac.Objects{
		ClusterRoles:        []rbacv1.ClusterRole{clusterRole("deploy", rule("create", "apps", "deployments", ""), rule("get", "core", "pods", ""), rule("get", "batch", "*", ""), rule("get", "policy", "evictions", ""))},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{clusterBinding("deploys", "deploy", "ann")},
	})
	for _, tc := range []struct {
		request rbac.Request
		want    []string
	}{
		{rbac.Request{User: "ann", Verb: "create", Resource: "deployments"}, []string{"asked about the core API group; the answer is yes for deployments.apps"}},
		{rbac.Request{User: "ann", Verb: "create", Resource: "deployments", APIGroup: "apps"}, nil},
		{rbac.Request{User: "ann", Verb: "create", Resource: "pods"}, nil},
		{rbac.Request{User: "ann", Verb: "create", Resource: "evictions"}, []string{"asked about the core API group; the answer is no in policy too"}},
		{rbac.Request{User: "ann", Verb: "create", Resource: "jobs"}, []string{"asked about the core API group, in which no role names jobs; if it is of another one, ask about jobs.GROUP"}},
		{rbac.Request{User: "ann", Verb: "get", Path: "/metrics"}, nil},
		{rbac.Request{User: "root", Groups: []string{"system:masters"}}, []string{"the API server allows system:masters everything without asking RBAC"}},
	} {
		if e := Explain(p, &tc.request); !slices.Equal(e.Notes, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.request, e.Notes, tc.want)
		}
	}
}

// TestImpliedGroups holds the groups that are shown against those that the
// resolver adds: a role bound to each of them is found without its being listed.
func TestImpliedGroups(t *testing.T) {
	for _, r := range []rbac.Request{
		{User: "ann"},
		{User: "system:anonymous"},
		{User: "system:serviceaccount:shop:web"},
		{User: ""},
		{User: "system:serviceaccount:shop:web", Groups: []string{"system:authenticated"}},
		{User: "ann", Groups: []string{"system:unauthenticated"}},
	} {
		shown := impliedGroups(&r)
		for _, g := range []string{
			"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:serviceaccounts:shop",
		} {
			b := clusterBinding("b", "r")
			b.Subjects = []rbacv1.Subject{{Kind: "Group", Name: g}}
			p := newPolicy(t, rbac.Objects{ClusterRoleBindings: []rbacv1.ClusterRoleBinding{b}})
			if _, known := p.Resolve(&r); known != slices.Contains(slices.Concat(r.Groups, shown), g) {
				t.Errorf("%+v: the resolver says %v of %s, shown are %q", r, known, g, shown)
			}
		}
	}
}

func TestRisky(t *testing.T) {
	r := Risky(office(t), rbac.ClassElevated)
	var got []string
	for _, role := range r.Roles {
		got = append(got, role.Role+" "+role.Power.String()+" "+role.heldBy())
	}
	want := []string{
		"ClusterRole/root escalate held by ServiceAccount/shop/ops", // in one namespace only
		"ClusterRole/spare escalate unbound",
		"ClusterRole/read-secrets elevated held by Group/sre, User/ann",
	}
	if !slices.Equal(got, want) || r.Below != 3 {
		t.Errorf("got  %q\nwant %q\n%d below", got, want, r.Below)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "  impersonate: ") {
		t.Errorf("%v:\n%s", err, &text)
	}
	all := Risky(office(t), rbac.ClassNone)
	if last := all.Roles[len(all.Roles)-1]; last.Role != "ClusterRole/gone" || !last.Missing || !strings.Contains(last.why()[0], "does not exist") {
		t.Errorf("last is %+v", last)
	}
}

func TestFamily(t *testing.T) {
	answer := web.FamiliesAnswer{Tenants: []web.Families{
		{Tenant: "a", Families: []web.Family{{ID: "1", Name: "x", Members: []string{"ClusterRole/x"}}}},
		{Tenant: "b", Families: []web.Family{{ID: "2", Name: "team-*\x1b[m", Members: []string{"Role/a/e", "Role/b/e"}}}},
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/base/api/v1/families":
			http.NotFound(w, r)
		case r.URL.Query().Get("tenant") == "broken":
			_, _ = w.Write([]byte("{"))
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
	}))
	defer server.Close()
	base, err := url.Parse(server.URL + "/base/")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Family(t.Context(), base, "", "Role/b/e")
	if err != nil || f == nil || *f != (web.FamilyRef{ID: "2", Name: `team-*\x1b[m`, Members: 2}) {
		t.Errorf("family %+v, %v", f, err)
	}
	if f, err := Family(t.Context(), base, "", "Role/c/e"); err != nil || f != nil {
		t.Errorf("an unknown role has the family %+v, %v", f, err)
	}
	if _, err := Family(t.Context(), base, "broken", "x"); err == nil {
		t.Error("half an answer is taken")
	}
	elsewhere, _ := url.Parse(server.URL)
	if _, err := Family(t.Context(), elsewhere, "", "x"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a server without families: %v", err)
	}
}
