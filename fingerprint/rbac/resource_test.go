package rbac

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestParseResource(t *testing.T) {
	for text, want := range map[string][3]string{
		"":                                {},
		"pods":                            {"pods", "", ""},
		"pods/exec":                       {"pods", "exec", ""},
		"deployments.apps":                {"deployments", "", "apps"},
		"deployments/scale.apps":          {"deployments", "scale", "apps"},
		"deployments.apps/scale":          {"deployments", "scale", "apps"},
		"roles.rbac.authorization.k8s.io": {"roles", "", "rbac.authorization.k8s.io"},
		"*/scale":                         {"*", "scale", ""},
	} {
		resource, sub, group := ParseResource(text)
		if got := [3]string{resource, sub, group}; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestGroupsOf(t *testing.T) {
	rule := func(resource string, groups ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: groups, Resources: []string{resource}}
	}
	p, err := New(Objects{ClusterRoles: []rbacv1.ClusterRole{{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Rules: []rbacv1.PolicyRule{
		rule("events", "events.k8s.io"), rule("events", ""), rule("events", "*"), rule("events", ""),
		rule("deployments/scale", "apps"), rule("deployments", "", "apps", "batch"), rule("*", "batch"),
		rule("leases", "x", "", "*"),
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	for resource, want := range map[string][]string{
		"events": {"", "events.k8s.io"}, "deployments": {"apps"}, "leases": {"", "x"}, "deploy": nil, "jobs": nil,
	} {
		if got := p.GroupsOf(resource); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", resource, got, want)
		}
	}
	if got := (*Policy)(nil).GroupsOf("pods"); got != nil {
		t.Errorf("no policy: %q", got)
	}
}
