package review

import (
	"testing"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func TestKeyings(t *testing.T) {
	k := newKeyings()
	answer := rbac.Answer{Key: "a,b", Allowing: "a"}
	for range 3 {
		k.add("ann", &answer, &rbac.Grant{Role: rbac.Role{Name: "a"}})
	}
	k.add("bob", &rbac.Answer{Key: "a"}, nil)
	k.add("", &rbac.Answer{}, &rbac.Grant{Role: rbac.Role{Name: "d"}, SubjectKind: "Group", Subject: "system:authenticated"})
	want := []Keying{
		{Name: "all_bound_roles", Keys: 2, Median: 2, Max: 3, Unkeyed: 1},
		{Name: "allowing_roles", Keys: 1, Median: 3, Max: 3, Unkeyed: 2},
		{Name: "annotation", Keys: 1, Median: 3, Max: 3, Unkeyed: 2},
		{Name: "user", Keys: 2, Median: 2, Max: 3, Unkeyed: 1},
	}
	for i, got := range k.report() {
		if got != want[i] {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
	if got := (&keying{name: "none"}).report(); got != (Keying{Name: "none"}) {
		t.Errorf("of nothing: %+v", got)
	}
}
