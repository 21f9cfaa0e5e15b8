package rbac

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"pgregory.net/rapid"
)

func TestKeyPower(t *testing.T) {
	p, err := New(world())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]Class{
		"":                                ClassUnknown,
		"unknown":                         ClassUnknown,
		"ClusterRole/nobody-knows":        ClassUnknown,
		"ClusterRole/gone":                ClassNone,
		"ClusterRole/view":                ClassRead,
		"Role/shop/edit":                  ClassElevated,
		"ClusterRole/admin":               ClassAdmin, // some binding is cluster-wide
		"ClusterRole/view,Role/shop/edit": ClassElevated,
		"ClusterRole/nobody-knows,Role/shop/edit":        ClassElevated,
		"ClusterRole/view,Role/shop/ed~0123456789abcdef": ClassUnknown, // what else it has was cut off
	} {
		if got := p.KeyPower(key); got.Class != want {
			t.Errorf("%q has %+v, want %v", key, got, want)
		}
	}
	o := world()
	o.ClusterRoleBindings = nil
	if p, err = New(o); err != nil {
		t.Fatal(err)
	}
	if got := p.KeyPower("ClusterRole/admin"); got.Class != ClassEscalate {
		t.Errorf("a ClusterRole of RoleBindings only has %+v", got)
	}
	var none *Policy
	if none.KeyPower("ClusterRole/admin") != (Power{}) || none.KeyPermissions("ClusterRole/admin") != nil || none.Roles() != nil {
		t.Error("a nil policy knows roles")
	}
}

// TestKeyPermissions checks that how rules are written down does not matter,
// nor where they hold and which objects they name; that what they allow does;
// and that a set of roles has the permissions of all.
func TestKeyPermissions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other := drawRules(t), drawRules(t)
		rewritten := rapid.Permutation(breakDown(one)).Draw(t, "rewritten")
		p, err := New(Objects{
			Roles: []rbacv1.Role{
				{ObjectMeta: meta("x", "one"), Rules: one},
				{ObjectMeta: meta("y", "rewritten"), Rules: rewritten},
				{ObjectMeta: meta("x", "other"), Rules: other},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		a, b := p.KeyPermissions("Role/x/one"), p.KeyPermissions("Role/x/other")
		if got := p.KeyPermissions("Role/y/rewritten"); !slices.Equal(got, a) {
			t.Fatalf("%v as %v has %x, want %x", one, rewritten, got, a)
		}
		both := slices.Concat(a, b)
		slices.Sort(both)
		both = slices.Compact(both)
		if got := p.KeyPermissions("Role/x/one,Role/x/other"); !slices.Equal(got, both) || got == nil {
			t.Fatalf("together %x, want %x", got, both)
		}
	})
	count := func(rules ...rbacv1.PolicyRule) int {
		p, err := New(Objects{Roles: []rbacv1.Role{{ObjectMeta: meta("x", "r"), Rules: rules}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(p.KeyPermissions("Role/x/r"))
	}
	many := rbacv1.PolicyRule{APIGroups: []string{""}}
	for i := range 1000 {
		many.Verbs = append(many.Verbs, fmt.Sprint("v", i))
		many.Resources = append(many.Resources, fmt.Sprint("r", i))
	}
	large := rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: many.Verbs[:50], Resources: many.Resources[:50]}
	other := rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: many.Verbs[50:100], Resources: many.Resources[:50]}
	for name, got := range map[string][2]int{
		"more in many rules":         {count(large, other), 2501},
		"verbs and resources":        {count(rule("get list", "", "pods jobs")), 4},
		"named and not":              {count(rule("get", "", "pods"), named(rule("get", "", "pods"), "a", "b")), 2},
		"paths":                      {count(paths("get", "/a", "/b")), 2},
		"subresources":               {count(rule("get", "", "pods pods/log")), 2},
		"no resources":               {count(rule("get", "", "")), 0},
		"more than anybody writes":   {count(many), 1},
		"and another more than that": {count(many, named(many, "x")), 2},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d permissions, want %d", name, got[0], got[1])
		}
	}
}

// breakDown writes rules down with one verb each, and other names.
func breakDown(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, r := range rules {
		for _, verb := range r.Verbs {
			single := *r.DeepCopy()
			single.Verbs = []string{verb}
			if len(single.ResourceNames) > 0 {
				single.ResourceNames = []string{"another"}
			}
			all = append(all, single)
		}
	}
	return all
}

func TestRoles(t *testing.T) {
	p, err := New(world())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.Roles() {
		s := fmt.Sprintf("%s %v", r.Role.Key(), r.Power.Class)
		if !r.Exists {
			s += " missing"
		}
		for _, b := range r.Bindings {
			s += fmt.Sprintf(" %s/%s:%d", b.Binding.Namespace, b.Binding.Name, len(b.Subjects))
		}
		got = append(got, s)
	}
	want := []string{
		"ClusterRole/admin admin /masters:1 /no-namespace:1 bank/admins:2",
		"ClusterRole/agent elevated /accounts:1",
		"ClusterRole/discovery read /everyone:2",
		"ClusterRole/gone none missing /dangling:1",
		"ClusterRole/view read /twice:1 /viewers:2 shop/accounts:1 shop/all:1",
		"Role/default/home elevated default/homes:1",
		"Role/shop/edit elevated shop/editors:2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
