package fingerprint_test

import (
	"testing"

	"github.com/logcluster/logcluster/fingerprint"
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
