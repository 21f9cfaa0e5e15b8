package rbac

import (
	"fmt"
	"testing"
)

func TestParseReason(t *testing.T) {
	for _, tc := range []struct {
		name, reason string
		want         Grant
		key          string // empty when the reason does not parse
		everyone     bool
	}{
		{
			name:   "cluster role to a group",
			reason: `RBAC: allowed by ClusterRoleBinding "engineers-read" of ClusterRole "engineers-readonly" to Group "oidc:engineers"`,
			want: Grant{
				Binding: "engineers-read", Role: Role{Name: "engineers-readonly"},
				SubjectKind: "Group", Subject: "oidc:engineers",
			},
			key: "ClusterRole/engineers-readonly",
		},
		{
			name:   "role to a service account",
			reason: `RBAC: allowed by RoleBinding "cart-app/team-checkout" of Role "checkout-app" to ServiceAccount "cart/team-checkout"`,
			want: Grant{
				Binding: "cart-app", BindingNamespace: "team-checkout",
				Role:        Role{Namespace: "team-checkout", Name: "checkout-app"},
				SubjectKind: "ServiceAccount", Subject: "cart/team-checkout",
			},
			key: "Role/team-checkout/checkout-app",
		},
		{
			name:   "cluster role in a namespace",
			reason: `RBAC: allowed by RoleBinding "ci/stg" of ClusterRole "ci-deploy" to User "x"`,
			want: Grant{
				Binding: "ci", BindingNamespace: "stg", Role: Role{Name: "ci-deploy"},
				SubjectKind: "User", Subject: "x",
			},
			key: "ClusterRole/ci-deploy",
		},
		{
			name:   "to everyone",
			reason: `RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"`,
			want: Grant{
				Binding: "system:discovery", Role: Role{Name: "system:discovery"},
				SubjectKind: "Group", Subject: "system:authenticated",
			},
			key: "ClusterRole/system:discovery", everyone: true,
		},
		{
			name:   "a user of that name is not everyone",
			reason: `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "system:authenticated"`,
			want:   Grant{Binding: "b", Role: Role{Name: "r"}, SubjectKind: "User", Subject: "system:authenticated"},
			key:    "ClusterRole/r",
		},
		{
			name:   "quotes and line breaks in names",
			reason: `RBAC: allowed by ClusterRoleBinding "a \"b\"" of ClusterRole "r,\n\u202e" to Group "g\" of ClusterRole \"admin"`,
			want: Grant{
				Binding: `a "b"`, Role: Role{Name: "r,\n\u202e"},
				SubjectKind: "Group", Subject: `g" of ClusterRole "admin`,
			},
			key: "ClusterRole/r%2C%0A%E2%80%AE",
		},
		{
			name: "access policy of EKS",
			reason: `EKS Access Policy: allowed by ClusterRoleBinding "arn:aws:iam::1:role/a+arn:aws:eks::aws:p/Admin" ` +
				`of ClusterRole "arn:aws:eks::aws:p/Admin" to User "AROA"`,
			want: Grant{
				Binding: "arn:aws:iam::1:role/a+arn:aws:eks::aws:p/Admin",
				Role:    Role{Name: "arn:aws:eks::aws:p/Admin"}, SubjectKind: "User", Subject: "AROA",
			},
			key: "ClusterRole/arn:aws:eks::aws:p%2FAdmin",
		},
		{name: "empty"},
		{name: "node authorizer", reason: "no relationship found between node 'n' and this object"},
		{name: "another authorizer", reason: `ABAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "u"`},
		{name: "cut off", reason: `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "u`},
		{name: "more text", reason: `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "u"; really`},
		{name: "wrong quotes", reason: "RBAC: allowed by ClusterRoleBinding `b` of ClusterRole `r` to User `u`"},
		{name: "binding without namespace", reason: `RBAC: allowed by RoleBinding "b" of Role "r" to User "u"`},
		{name: "role by a cluster binding", reason: `RBAC: allowed by ClusterRoleBinding "b" of Role "r" to User "u"`},
		{name: "no name", reason: `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "" to User "u"`},
		{name: "unknown kind", reason: `RBAC: allowed by Binding "b" of ClusterRole "r" to User "u"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := ParseReason(tc.reason)
			if ok != (tc.key != "") {
				t.Fatalf("parsed: %v", ok)
			}
			if !ok {
				return
			}
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if key := got.Role.Key(); key != tc.key {
				t.Errorf("key %q, want %q", key, tc.key)
			}
			if got.ToEveryone() != tc.everyone {
				t.Errorf("to everyone: %v", got.ToEveryone())
			}
		})
	}
}

// FuzzParseReason checks that what parses is exactly what the authorizer would
// have printed of the grant.
func FuzzParseReason(f *testing.F) {
	f.Add(`RBAC: allowed by RoleBinding "b/ns" of Role "r" to ServiceAccount "s/ns"`)
	f.Add(`RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r\x00" to Group "g\""`)
	f.Add(`EKS Access Policy: allowed by RoleBinding "b/c/ns" of ClusterRole "r" to User "ü"`)
	f.Fuzz(func(t *testing.T, reason string) {
		g, ok := ParseReason(reason)
		if !ok {
			if g != (Grant{}) {
				t.Fatalf("half a grant: %+v", g)
			}
			return
		}
		if !IsGrant(reason) {
			t.Fatal("parses, but does not look like a grant")
		}
		printed := sentence(&g)
		again, ok := ParseReason(printed)
		if !ok || again != g {
			t.Fatalf("%q reads as %+v (%v), want %+v", printed, again, ok, g)
		}
	})
}

// sentence writes a grant as Kubernetes' RBAC authorizer does.
func sentence(g *Grant) string {
	binding := fmt.Sprintf("ClusterRoleBinding %q", g.Binding)
	if g.BindingNamespace != "" {
		binding = fmt.Sprintf("RoleBinding %q", g.Binding+"/"+g.BindingNamespace)
	}
	kind := "ClusterRole"
	if g.Role.Namespace != "" {
		kind = "Role"
	}
	return fmt.Sprintf("RBAC: allowed by %s of %s %q to %s %q", binding, kind, g.Role.Name, g.SubjectKind, g.Subject)
}

func TestKeysAreUnambiguous(t *testing.T) {
	roles := []Role{
		{Name: "a"},
		{Namespace: "a", Name: "b"},
		{Name: "a/b"},
		{Name: "a,ClusterRole/b"},
		{Name: "a%2Fb"},
		{Name: "b"},
		{Namespace: "a/b", Name: "c"},
		{Namespace: "a", Name: "b/c"},
		{Name: "\xff"},
		{Name: "�"},
		{Name: "~0123456789abcdef"},
	}
	seen := map[string]Role{}
	for _, r := range roles {
		if other, ok := seen[r.Key()]; ok {
			t.Errorf("%+v and %+v have the key %q", r, other, r.Key())
		}
		seen[r.Key()] = r
	}
	if got := JoinKeys([]string{"b", "a", "b"}); got != "a,b" {
		t.Errorf("joined %q", got)
	}
}

func TestSourceNames(t *testing.T) {
	for s := SourceUnknown; s <= SourceConvention; s++ {
		if got, err := ParseSource(s.String()); err != nil || got != s {
			t.Errorf("%v parses as %v, %v", s, got, err)
		}
	}
	if _, err := ParseSource("hearsay"); err == nil {
		t.Error("an unknown source parses")
	}
}
