package fingerprint_test

import (
	"reflect"
	"runtime"
	"testing"
	"weak"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// A namespace is text from the request's URL: it must not be taken for the
// reason of another request when a role is remembered.
func TestNamespaceIsNoReason(t *testing.T) {
	reason := `RBAC: allowed by ClusterRoleBinding "binding-bin" of ClusterRole "role" to User "u"`
	namespace := reason[1:]
	if len(namespace) != int(reason[0]) {
		t.Fatalf("the reason is %d bytes long, not %d", len(reason), 1+int(reason[0]))
	}
	denied := &fingerprint.Event{User: "u", Verb: "get", Decision: fingerprint.DecisionForbid, Resource: fingerprint.Resource{Name: "pods", Namespace: namespace}}
	allowed := &fingerprint.Event{User: "u", Verb: "get", Decision: fingerprint.DecisionAllow, Reason: reason, Resource: fingerprint.Resource{Path: "/version"}}
	want := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{}).Of(allowed).Cluster.Role
	f := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
	f.Of(denied)
	if got := f.Of(allowed).Cluster.Role; got != want {
		t.Errorf("role %q, after another request; %q by itself", got, want)
	}
}

func TestPowerOfRoles(t *testing.T) {
	admin := policy(t)
	for name, tc := range map[string]struct {
		event fingerprint.Event
		roles fingerprint.Roles
		want  rbac.Class
	}{
		"masters":            {fingerprint.Event{User: "root", Groups: []string{"system:masters"}}, fingerprint.Roles{}, rbac.ClassAdmin},
		"masters, no policy": {fingerprint.Event{User: "root", Groups: []string{"system:masters"}}, with(nil), rbac.ClassAdmin},
		"the API server":     {fingerprint.Event{User: "system:apiserver"}, with(admin), rbac.ClassAdmin},
		"a node":             {fingerprint.Event{User: "system:node:a", Groups: []string{"system:nodes"}}, with(admin), rbac.ClassElevated},
		"masters, bound to little": {
			fingerprint.Event{User: "root", Groups: []string{"system:masters", "dev"}}, with(admin), rbac.ClassAdmin,
		},
		"a node, bound to little": {
			fingerprint.Event{User: "system:node:a", Groups: []string{"system:nodes", "dev"}}, with(admin), rbac.ClassElevated,
		},
		"masters, mapped": {
			fingerprint.Event{User: "root", Groups: []string{"system:masters"}},
			fingerprint.Roles{Mapping: mapping(t, fingerprint.MappingRule{User: "root", Role: "operators"})},
			rbac.ClassAdmin,
		},
		"nobody knows":    {fingerprint.Event{User: "somebody"}, fingerprint.Roles{}, rbac.ClassUnknown},
		"annotation only": {fingerprint.Event{User: "u", Decision: fingerprint.DecisionAllow, Reason: editReason}, fingerprint.Roles{}, rbac.ClassUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			tc.event.Verb, tc.event.Resource = "get", fingerprint.Resource{Name: "pods", Namespace: "n"}
			if got := fingerprint.New(fingerprint.DefaultConfig(), tc.roles).Of(&tc.event).Cluster; got.Power != tc.want {
				t.Errorf("%s of %s, want %s", got.Power, got.Role, tc.want)
			}
		})
	}
}

// policies are versions of a policy, one a second.
type policies []*rbac.Policy

func (p policies) At(_ string, t int64) *rbac.Policy { return p[t] }

// A policy that is in force no more is megabytes that nobody may keep.
func TestPoliciesAreLetGo(t *testing.T) {
	const versions = 20
	all := make(policies, versions)
	kept := make([]weak.Pointer[rbac.Policy], versions)
	f := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: all})
	for i := range all {
		all[i] = policy(t)
		kept[i] = weak.Make(all[i])
		f.Of(&fingerprint.Event{Time: int64(i), User: "ann", Verb: "get", Resource: pods("shop")})
	}
	clear(all)
	runtime.GC()
	alive := 0
	for i := range kept {
		if kept[i].Value() != nil {
			alive++
		}
	}
	if alive > 1 {
		t.Errorf("%d of %d policies are kept", alive, versions)
	}
	runtime.KeepAlive(f)
}

// The audit log names what was created; the authorizer was not told.
func TestRequest(t *testing.T) {
	for _, tc := range []struct {
		verb, subresource, want string
	}{
		{"create", "", ""},
		{"create", "token", "bot"},
		{"get", "", "bot"},
		{"patch", "", "bot"},
	} {
		e := fingerprint.Event{
			User: "ann", ActingAs: "bob", ActingGroups: []string{"ops"}, Verb: tc.verb,
			Resource: fingerprint.Resource{Name: "serviceaccounts", Subresource: tc.subresource, Namespace: "shop", Object: "bot"},
		}
		want := rbac.Request{
			User: "bob", Groups: []string{"ops"}, Verb: tc.verb,
			Resource: "serviceaccounts", Subresource: tc.subresource, Namespace: "shop", Object: tc.want,
		}
		if got := e.Request(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
