package family

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNameOf(t *testing.T) {
	long := "Role/team-a/" + strings.Repeat("é", 100)
	for _, tc := range []struct {
		want    string
		members []string
	}{
		{"ClusterRole/view", []string{"ClusterRole/view"}},
		{"Role/team-*/team-*-editor", []string{"Role/team-a-stg/team-a-editor", "Role/team-a/team-a-editor", "Role/team-b/team-b-editor"}},
		{"Role/*/*-app", []string{"Role/a/a-app", "Role/b/b-app"}},
		{"Role/team-*/deployer", []string{"Role/team-a/deployer", "Role/team-b/deployer"}},
		{"ClusterRole/view,Role/team-*/team-*-editor", []string{"ClusterRole/view,Role/team-a/team-a-editor", "ClusterRole/view,Role/team-b/team-b-editor"}},
		{"Role/team-*/editor +1", []string{"ClusterRole/deploy", "Role/team-a/editor", "Role/team-b/editor"}},
		{"ClusterRole/a +1", []string{"ClusterRole/a", "ClusterRole/b"}},
		{"ClusterRole/a +1", []string{"ClusterRole/a", "ClusterRole/a,ClusterRole/b"}},
		{"ClusterRole/system:controller:*-controller", []string{"ClusterRole/system:controller:job-controller", "ClusterRole/system:controller:ttl-controller"}},
		{"serviceaccounts:team-*", []string{"serviceaccounts:team-a", "serviceaccounts:team-b"}},
		{"Role/a/x-* +1", []string{"ClusterRole/z", "Role/a/x-", "Role/a/x-y"}},
		{"Role/a-a*/b", []string{"Role/a-a/b", "Role/a-a-a/b"}},
		{long[:12+2*52] + "…", []string{long}},
	} {
		if got := nameOf(tc.members); got != tc.want {
			t.Errorf("%v are called %q, want %q", tc.members, got, tc.want)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.StringMatching(`((Cluster)?Role/)?[ab/,.é-]{1,140}`), 1, 6, rapid.ID[string]).Draw(t, "members")
		slices.Sort(members)
		name := nameOf(members)
		if len(name) > MaxName || !utf8.ValidString(name) || name == "" {
			t.Fatalf("%q are called %q", members, name)
		}
	})
}
