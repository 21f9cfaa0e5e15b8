// Package rbac answers which roles a subject acts under. It is a pure resolver
// over an immutable policy snapshot: loading manifests is the business of
// ingest/policy.
//
// It also speaks the authorizer's own language: [ParseReason] reads the
// explanation that a Kubernetes API server writes into its audit log, and
// [Role] spells the keys that roles are known by everywhere.
package rbac

// Request is one access as RBAC sees it. Its strings may alias a record's
// buffer: a [Policy] never retains them.
type Request struct {
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

// Answer is what the policy says about a request.
type Answer struct {
	// Key is the canonical role key: every role bound to the subject in the
	// request's scope, whether or not it allows, sorted and joined with ",",
	// without those bound to everybody: to every authenticated (or
	// unauthenticated) user or to every service account. Each is written
	// "ClusterRole/name" or "Role/namespace/name". Empty when none is bound.
	Key string
	// Power is what the roles of Key allow together in the request's scope.
	Power Power
	// Allowed reports whether any rule of any bound role allows the request,
	// those bound to everybody included.
	Allowed bool
	// Allowing is the key of the roles that allow it, those bound to everybody
	// included. Empty when nothing does.
	Allowing string
	// Binding is the first binding that allows it: cluster-wide ones before
	// those of the namespace, by name. The zero value when nothing does.
	Binding Binding
}

// Binding names a RoleBinding or a ClusterRoleBinding.
type Binding struct {
	// Namespace is empty for a ClusterRoleBinding.
	Namespace string
	Name      string
}

// Resolver answers requests. A nil *Policy is a valid Resolver that knows
// nothing.
type Resolver interface {
	// Resolve returns the answer and whether the policy knows the subject at
	// all: whether any binding in any namespace names the user or one of the
	// user's groups, those of everybody included. It is safe for concurrent
	// use and does not retain the request.
	Resolve(r *Request) (a Answer, known bool)
}
