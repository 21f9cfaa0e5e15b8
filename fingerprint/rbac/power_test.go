package rbac

import (
	"encoding/json"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

func named(r rbacv1.PolicyRule, names ...string) rbacv1.PolicyRule {
	r.ResourceNames = names
	return r
}

func paths(verbs string, urls ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Fields(verbs), NonResourceURLs: urls}
}

func TestPowerOf(t *testing.T) {
	const (
		certificates = "certificates.k8s.io"
		admission    = "admissionregistration.k8s.io"
	)
	for _, tc := range []struct {
		name  string
		rules []rbacv1.PolicyRule
		// The power of a ClusterRoleBinding and of a RoleBinding.
		class, inNamespace Class
		capabilities       Capability // cluster-wide
		reason             string     // the first, cluster-wide
	}{
		{name: "no rules", class: ClassNone, inNamespace: ClassNone},
		{name: "no verbs", rules: []rbacv1.PolicyRule{rule("", "", "secrets")}, class: ClassNone, inNamespace: ClassNone},
		{name: "no groups", rules: []rbacv1.PolicyRule{{Verbs: []string{"*"}, Resources: []string{"*"}}}, class: ClassNone, inNamespace: ClassNone},
		{name: "read", rules: []rbacv1.PolicyRule{rule("get list watch", "*", "pods nodes pods/log")}, class: ClassRead, inNamespace: ClassRead},
		{
			name: "ask", rules: []rbacv1.PolicyRule{
				rule("create", "authorization.k8s.io", "selfsubjectaccessreviews subjectaccessreviews"),
				rule("create", "authentication.k8s.io", "tokenreviews"),
			},
			class: ClassRead, inNamespace: ClassRead,
		},
		{name: "write", rules: []rbacv1.PolicyRule{rule("delete", "", "pods")}, class: ClassWrite, inNamespace: ClassWrite},
		{name: "another verb", rules: []rbacv1.PolicyRule{rule("use", "policy", "podsecuritypolicies")}, class: ClassWrite, inNamespace: ClassWrite},
		{name: "read paths", rules: []rbacv1.PolicyRule{paths("get", "/metrics")}, class: ClassRead, inNamespace: ClassNone},
		{name: "write paths", rules: []rbacv1.PolicyRule{paths("*", "*")}, class: ClassWrite, inNamespace: ClassNone},
		{
			name: "secrets", rules: []rbacv1.PolicyRule{rule("watch", "", "secrets")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: ReadSecrets, reason: "watch secrets: reads passwords, keys and tokens",
		},
		{name: "secrets of another group", rules: []rbacv1.PolicyRule{rule("get", "shop", "secrets")}, class: ClassRead, inNamespace: ClassRead},
		{
			name: "named secrets", rules: []rbacv1.PolicyRule{named(rule("get", "", "secrets"), "a", "b\x1b", "c", "d", "e")},
			class: ClassRead, inNamespace: ClassRead, capabilities: ReadNamedSecrets,
			reason: `get secrets named "a", "b\x1b", "c" and 2 more: reads passwords, keys and tokens`,
		},
		{
			name: "all of a core group", rules: []rbacv1.PolicyRule{rule("list", "", "*")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: ReadSecrets, reason: "list secrets: reads passwords, keys and tokens",
		},
		{
			name: "create secrets", rules: []rbacv1.PolicyRule{rule("create", "", "secrets")}, class: ClassWrite, inNamespace: ClassWrite,
			capabilities: CreateSecrets, reason: "create secrets: puts secrets where others look for them",
		},
		{
			name:  "create secrets and read them, by two rules",
			rules: []rbacv1.PolicyRule{rule("create", "", "secrets"), named(rule("get", "", "secrets"), "x")},
			class: ClassEscalate, inNamespace: ClassEscalate, capabilities: CreateSecrets | ReadNamedSecrets | MintTokens,
			reason: "create secrets, and read them: acts as service accounts by tokens kept in secrets",
		},
		{
			name: "exec by a websocket", rules: []rbacv1.PolicyRule{rule("get", "", "pods/exec")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: Connect, reason: "get pods/exec: runs commands in pods",
		},
		{
			name: "exec in one pod", rules: []rbacv1.PolicyRule{named(rule("create", "", "pods/exec"), "x")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: Connect, reason: `create pods/exec named "x": runs commands in pods`,
		},
		{
			name: "exec in anything", rules: []rbacv1.PolicyRule{rule("create", "*", "*/exec")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: Connect, reason: "create pods/exec: runs commands in pods",
		},
		{
			name: "debug", rules: []rbacv1.PolicyRule{rule("patch", "", "pods/ephemeralcontainers")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: Connect, reason: "patch pods/ephemeralcontainers: adds containers to running pods",
		},
		{
			name: "proxy to nodes", rules: []rbacv1.PolicyRule{rule("get", "", "nodes/proxy")}, class: ClassEscalate, inNamespace: ClassRead,
			capabilities: ProxyNodes, reason: "get nodes/proxy: runs commands in the pods of nodes, past admission and audit",
		},
		{
			name: "workloads", rules: []rbacv1.PolicyRule{rule("patch update get", "apps", "deployments statefulsets")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: RunWorkloads,
			reason:       "update, patch deployments.apps, statefulsets.apps: runs containers with any secret and service account of the namespace",
		},
		{name: "scale", rules: []rbacv1.PolicyRule{rule("patch", "apps", "deployments/scale")}, class: ClassWrite, inNamespace: ClassWrite},
		{
			name: "a named workload cannot be created", rules: []rbacv1.PolicyRule{named(rule("create", "", "pods"), "x")},
			class: ClassWrite, inNamespace: ClassWrite,
		},
		{
			name: "but can be changed", rules: []rbacv1.PolicyRule{named(rule("create patch", "", "pods"), "x")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: RunWorkloads, reason: `patch pods named "x": runs containers with any secret and service account of the namespace`,
		},
		{
			name: "namespaces", rules: []rbacv1.PolicyRule{rule("patch", "", "namespaces")}, class: ClassElevated, inNamespace: ClassElevated,
			capabilities: WriteNamespaces, reason: "patch namespaces: lifts the pod security of namespaces",
		},
		{
			name: "volumes", rules: []rbacv1.PolicyRule{rule("create", "", "persistentvolumes")}, class: ClassEscalate, inNamespace: ClassWrite,
			capabilities: WriteVolumes, reason: "create persistentvolumes: mounts the files of nodes",
		},
		{
			name: "tokens", rules: []rbacv1.PolicyRule{rule("create", "", "serviceaccounts/token")}, class: ClassEscalate, inNamespace: ClassEscalate,
			capabilities: MintTokens, reason: "create serviceaccounts/token: acts as service accounts by their tokens",
		},
		{
			name: "approve", rules: []rbacv1.PolicyRule{
				rule("update", certificates, "certificatesigningrequests/approval"),
				named(rule("approve", certificates, "signers"), "example.com/*"),
			},
			class: ClassEscalate, inNamespace: ClassWrite, capabilities: ApproveCertificates,
			reason: "update certificatesigningrequests/approval.certificates.k8s.io: approves certificates of other users",
		},
		{
			name: "admission", rules: []rbacv1.PolicyRule{rule("delete", admission, "validatingadmissionpolicybindings")}, class: ClassEscalate, inNamespace: ClassWrite,
			capabilities: WriteAdmission,
			reason:       "delete validatingadmissionpolicybindings.admissionregistration.k8s.io: reads, changes or lets pass what others write",
		},
		{
			name: "bind a ClusterRole in a namespace", rules: []rbacv1.PolicyRule{named(rule("bind", groupRBAC, "clusterroles"), "view")},
			class: ClassEscalate, inNamespace: ClassEscalate, capabilities: Bind,
			reason: `bind clusterroles.rbac.authorization.k8s.io named "view": binds roles that allow more than itself`,
		},
		{
			name: "write roles", rules: []rbacv1.PolicyRule{rule("create", groupRBAC, "rolebindings clusterrolebindings")}, class: ClassEscalate, inNamespace: ClassEscalate,
			capabilities: WriteRoles, reason: "create rolebindings.rbac.authorization.k8s.io: gives roles to others and itself",
		},
		{name: "delete roles", rules: []rbacv1.PolicyRule{rule("delete", groupRBAC, "roles")}, class: ClassWrite, inNamespace: ClassWrite},
		{
			name: "escalate", rules: []rbacv1.PolicyRule{rule("escalate", groupRBAC, "clusterroles")}, class: ClassEscalate, inNamespace: ClassWrite,
			capabilities: Escalate, reason: "escalate clusterroles.rbac.authorization.k8s.io: writes roles that allow more than itself",
		},
		{
			name: "impersonate one user", rules: []rbacv1.PolicyRule{named(rule("impersonate", "", "users groups"), "x")}, class: ClassEscalate, inNamespace: ClassWrite,
			capabilities: Impersonate, reason: `impersonate users, groups named "x": acts as other users`,
		},
		{
			name: "impersonate extra values", rules: []rbacv1.PolicyRule{rule("impersonate", "authentication.k8s.io", "userextras/scopes")},
			class: ClassEscalate, inNamespace: ClassWrite, capabilities: Impersonate,
			reason: "impersonate userextras.authentication.k8s.io: acts as other users",
		},
		{
			name: "impersonate service accounts", rules: []rbacv1.PolicyRule{rule("impersonate", "", "serviceaccounts")}, class: ClassEscalate, inNamespace: ClassEscalate,
			capabilities: Impersonate, reason: "impersonate serviceaccounts: acts as service accounts",
		},
		{
			name: "everything", rules: []rbacv1.PolicyRule{rule("*", "*", "*")}, class: ClassAdmin, inNamespace: ClassEscalate,
			capabilities: endOfCapabilities - 1 - ReadNamedSecrets, reason: "* *.*: may do everything in the cluster",
		},
		{
			name: "every verb on all named so is not everything", rules: []rbacv1.PolicyRule{named(rule("*", "*", "*"), "x")},
			class: ClassEscalate, inNamespace: ClassEscalate,
			capabilities: endOfCapabilities - 1 - ReadSecrets - CreateSecrets - WriteVolumes - Everything,
			reason:       `* users, groups named "x": acts as other users`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			power, reasons := PowerOf(tc.rules, true)
			if power != (Power{tc.class, tc.capabilities}) {
				t.Errorf("got %v, %v; want %v, %v", power.Class, power.Capabilities, tc.class, tc.capabilities)
			}
			if within, _ := PowerOf(tc.rules, false); within.Class != tc.inNamespace {
				t.Errorf("in a namespace %v (%v), want %v", within.Class, within.Capabilities, tc.inNamespace)
			}
			first := ""
			if len(reasons) > 0 {
				first = reasons[0].Text
			}
			if first != tc.reason {
				t.Errorf("because %q, want %q", first, tc.reason)
			}
		})
	}
}

// TestPowerAddsUp checks that there is a reason for every capability and none
// without one, that more rules are never less power, and that a namespace is
// never more than the cluster.
func TestPowerAddsUp(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			Verbs:     words(t, "verbs", 0, append(verbNames[:], "*", "use")...),
			APIGroups: words(t, "groups", 0, "", "*", "apps", groupRBAC, "certificates.k8s.io", "authentication.k8s.io"),
			Resources: words(t, "resources", 0, "*", "pods", "*/exec", "secrets", "roles", "clusterroles", "signers",
				"nodes/proxy", "users", "userextras/x", "serviceaccounts", "serviceaccounts/token", "persistentvolumes", "namespaces"),
			NonResourceURLs: words(t, "urls", 0, "/x"),
			ResourceNames:   rapid.SampledFrom([][]string{nil, {"x"}}).Draw(t, "names"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(draw, 0, 4).Draw(t, "rules")
		all, reasons := PowerOf(rules, true)
		var named Capability
		for i, r := range reasons {
			if len(r.Capability.Names()) != 1 || i > 0 && r.Capability > reasons[i-1].Capability {
				t.Fatalf("reasons %+v", reasons)
			}
			named |= r.Capability
		}
		if !named.Has(Everything) && named != all.Capabilities || named.Has(Everything) != all.Capabilities.Has(Everything) {
			t.Fatalf("reasons for %v of %v", named, all.Capabilities)
		}
		within, _ := PowerOf(rules, false)
		if within.Class > all.Class || !all.Capabilities.Has(within.Capabilities) {
			t.Fatalf("in a namespace %+v, in the cluster %+v", within, all)
		}
		if len(rules) > 0 {
			less, _ := PowerOf(rules[1:], true)
			first, _ := PowerOf(rules[:1], true)
			if less.and(first) != all {
				t.Fatalf("%+v and %+v are %+v", first, less, all)
			}
		}
	})
}

func TestPowerText(t *testing.T) {
	for c := range NumClasses {
		if got, err := ParseClass(c.String()); err != nil || got != c {
			t.Errorf("%v parses as %v, %v", c, got, err)
		}
	}
	if n := len((endOfCapabilities - 1).Names()); n != len(capabilityNames) || 1<<n != endOfCapabilities {
		t.Errorf("%d names", n)
	}
	want := Power{ClassEscalate, ReadSecrets | Impersonate}
	text, err := json.Marshal(want)
	if err != nil || string(text) != `{"Class":"escalate","Capabilities":"read_secrets,impersonate"}` {
		t.Errorf("%s, %v", text, err)
	}
	var got Power
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, bad := range []string{`{"Class":"mighty"}`, `{"Capabilities":"read_minds"}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	if s := Class(200).String(); s != "Class(200)" {
		t.Errorf("an unknown class is %q", s)
	}
}

// A key is bound while every role of it is bound to somebody.
func TestKeyBound(t *testing.T) {
	subject := []rbacv1.Subject{{Kind: "User", Name: "alice"}}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "shop"} }
	ref := func(kind, name string) rbacv1.RoleRef { return rbacv1.RoleRef{Kind: kind, Name: name} }
	p, err := New(Objects{
		Roles: []rbacv1.Role{{ObjectMeta: named("used")}, {ObjectMeta: named("left")}, {ObjectMeta: named("empty")}},
		RoleBindings: []rbacv1.RoleBinding{
			{ObjectMeta: named("a"), RoleRef: ref("Role", "used"), Subjects: subject},
			{ObjectMeta: named("b"), RoleRef: ref("ClusterRole", "view"), Subjects: subject},
			{ObjectMeta: named("c"), RoleRef: ref("Role", "empty")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		"Role/shop/used":                  true,
		"ClusterRole/view,Role/shop/used": true,
		"ClusterRole/view,Role/shop/left": false,
		"Role/shop/empty":                 false,
		"Role/shop/gone":                  false,
		"system:masters":                  true,
		"unknown":                         true,
	} {
		if got := p.KeyBound(key); got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
	if !(*Policy)(nil).KeyBound("Role/shop/gone") {
		t.Error("nobody knows, and it is not bound")
	}
}
