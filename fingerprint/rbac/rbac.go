// Package rbac answers which roles a subject acts under, what they allow, and
// how much power that is. It is a pure resolver over an immutable policy
// snapshot: loading manifests is the business of ingest/policy.
//
// [New] builds a [Policy] from Kubernetes' own objects; a [Cache] over it is what
// asks for every event. [Set] keeps objects while they change, and [Versions]
// tells which policy was in force when. [PowerOf] says what is risky about rules.
//
// The package also speaks the authorizer's own language: [ParseReason] reads the
// explanation that a Kubernetes API server writes into its audit log, and
// [Role] spells the keys that roles are known by everywhere.
package rbac

// Request is one access as RBAC sees it. Its strings may alias a record's
// buffer: neither a [Policy] nor a [Cache] retains them.
type Request struct {
	// User and Groups are the identity that is acted as: the impersonated one
	// where there is one. Groups that Kubernetes implies need not be listed.
	User        string
	Groups      []string
	Verb        string
	APIGroup    string
	Resource    string // plural, without subresource; empty for a non-resource request
	Subresource string
	Namespace   string
	Object      string
	Path        string // for a non-resource request
}

// clusterScope reports whether only cluster-wide bindings count for the request.
func (r *Request) clusterScope() bool { return r.Resource == "" || r.Namespace == "" }

// Source says where a role key came from.
type Source uint8

// The sources of a role key, from the most to the least trustworthy.
// SourceUnknown is the zero value: nothing told the role.
const (
	SourceUnknown Source = iota
	SourceRBAC
	SourceAnnotation
	SourceMapping
	SourceConvention
)

// Standing is what holds for a subject in a scope, whatever is requested.
type Standing struct {
	// Key is the canonical role key: every role bound to the subject in the
	// request's scope, whether or not it allows, sorted and joined with ",",
	// without those bound to everybody: to every authenticated (or
	// unauthenticated) user or to every service account. Each is written
	// "ClusterRole/name" or "Role/namespace/name". Empty when none is bound.
	Key string
	// Power is what the roles of Key allow together in the scope: a ClusterRole
	// that a RoleBinding gives counts for the namespace only. ClassNone when
	// Key is empty or its roles do not exist, ClassUnknown when the policy does
	// not know the subject.
	Power Power
}

// Answer is what the policy says about a request.
type Answer struct {
	// Key and Power are the subject's [Standing] in the request's scope.
	Key   string
	Power Power
	// Allowed reports whether any rule of any bound role allows the request,
	// those bound to everybody included.
	Allowed bool
	// Allowing is the key of the roles that allow it, those bound to everybody
	// included. Empty when nothing does.
	Allowing string
	// Binding is the first binding that allows it: cluster-wide ones before
	// those of the namespace, by name. The zero value when nothing does.
	// (Kubernetes stops at the first one too, but its order is not defined.)
	Binding Binding
}

// Binding names a RoleBinding or a ClusterRoleBinding.
type Binding struct {
	// Namespace is empty for a ClusterRoleBinding.
	Namespace string
	Name      string
}
