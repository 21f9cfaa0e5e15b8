package family_test

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// editors is a policy with one editor of pods for each of n namespaces, and a
// role that nobody has.
func editors(t testing.TB, n int) *rbac.Policy {
	t.Helper()
	var o rbac.Objects
	for i := range n {
		meta := metav1.ObjectMeta{Namespace: fmt.Sprintf("team-%03d", i), Name: "editor"}
		o.Roles = append(o.Roles, rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			Verbs: []string{"get", "list", "update"}, APIGroups: []string{"", "apps"}, Resources: []string{"configmaps", "deployments/status"},
		}}})
		o.RoleBindings = append(o.RoleBindings, rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "editor"},
			Subjects: []rbacv1.Subject{{Kind: "User", Name: fmt.Sprint("user-", i)}},
		})
	}
	o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "unbound"}})
	p, err := rbac.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAssemble(t *testing.T) {
	did := []baseline.RoleActivity{
		{Resource: "configmaps", Access: fingerprint.AccessRead, Events: 7},
		{APIGroup: "apps", Resource: "deployments", Access: fingerprint.AccessWrite, Events: 2},
	}
	behaviour := []baseline.RoleBehaviour{
		{Role: "system:nodes", Power: rbac.ClassElevated, Events: 9, Activities: did},
		{Role: "Role/team-000/editor,Role/team-001/editor", Power: rbac.ClassRead, Events: 9, Activities: did},
	}
	roles := family.Assemble(editors(t, 2), behaviour)
	var keys []string
	for _, r := range roles {
		keys = append(keys, r.Key)
	}
	want := []string{"Role/team-000/editor", "Role/team-000/editor,Role/team-001/editor", "Role/team-001/editor", "system:nodes"}
	if !slices.Equal(keys, want) {
		t.Fatalf("roles %q, want %q", keys, want)
	}
	both, nodes := roles[1], roles[3]
	if both.Class != rbac.ClassWrite || len(both.Permissions) != 12 || !slices.Equal(both.Permissions, roles[0].Permissions) {
		t.Errorf("the editor of two teams: %+v", both)
	}
	if nodes.Class != rbac.ClassElevated || nodes.Permissions != nil || len(nodes.Behaviour) != 2 || nodes.Behaviour[0].Kind > nodes.Behaviour[1].Kind {
		t.Errorf("nodes: %+v", nodes)
	}
	if roles[0].Behaviour != nil {
		t.Errorf("an editor that was not seen: %+v", roles[0])
	}
	alone := family.Assemble(nil, behaviour)
	if len(alone) != 2 || alone[0].Class != rbac.ClassRead || alone[0].Permissions != nil {
		t.Errorf("without a policy: %+v", alone)
	}
}

// The same role in many namespaces is one family, whether its members were
// seen or not.
func TestTheSameRoleInManyNamespaces(t *testing.T) {
	behaviour := []baseline.RoleBehaviour{{Role: "Role/team-003/editor", Activities: []baseline.RoleActivity{
		{Resource: "configmaps", Access: fingerprint.AccessRead, Events: 900},
	}}}
	f := family.New(family.DefaultConfig()).Learn("t", 1, family.Assemble(editors(t, 16), behaviour))
	if len(f.Families) != 1 || len(f.Families[0].Members) != 16 || f.Families[0].Name != "Role/team-*/editor" || f.Families[0].Class != rbac.ClassWrite {
		t.Errorf("%+v", f.Families)
	}
	if got := f.Of("Role/team-003/editor"); got != &f.Families[0] || f.Of("Role/team-099/editor") != nil {
		t.Errorf("the family of an editor: %+v", got)
	}
}

// BenchmarkAssemble is the part of a retrain before Learn, for 1,000 roles of
// which half were seen.
func BenchmarkAssemble(b *testing.B) {
	p := editors(b, 1000)
	behaviour := make([]baseline.RoleBehaviour, 500)
	for i := range behaviour {
		behaviour[i].Role = fmt.Sprintf("Role/team-%03d/editor", i)
		for n := range 20 {
			behaviour[i].Activities = append(behaviour[i].Activities, baseline.RoleActivity{Resource: fmt.Sprint("resource-", n), Events: 10})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := len(family.Assemble(p, behaviour)); n != 1000 {
			b.Fatal(n)
		}
	}
}
