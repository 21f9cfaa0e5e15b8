package family

import (
	"slices"
	"testing"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func TestEditorsOfManyTeamsAreOneFamily(t *testing.T) {
	rules := []uint64{1, 2, 3, 4, 5}
	roles := []Role{
		{Key: "Role/team-a/team-a-editor", Class: rbac.ClassWrite, Permissions: rules},
		{Key: "Role/team-a-stg/team-a-editor", Class: rbac.ClassWrite, Permissions: rules},
		{Key: "Role/team-b/team-b-editor", Class: rbac.ClassWrite, Permissions: rules, Behaviour: []Activity{{Kind: 1, Events: 900}}},
		{Key: "Role/team-b/team-b-root", Class: rbac.ClassAdmin, Permissions: rules},
		{Key: "Role/team-b/team-b-viewer", Class: rbac.ClassWrite, Permissions: []uint64{1}},
	}
	f := New(DefaultConfig()).Learn("t", 1, roles)
	editors := f.Of("Role/team-a/team-a-editor")
	if editors == nil || editors.Name != "Role/team-*/team-*-editor" || len(editors.Members) != 3 || editors.Since != 1 {
		t.Fatalf("editors: %+v", editors)
	}
	if !slices.IsSorted(editors.Members) || len(f.Families) != 3 || f.Stability != 1 || f.Roles != 5 {
		t.Errorf("families: %+v", f)
	}
	if f.Of("nobody") != nil {
		t.Error("a key that is not known has a family")
	}
}
