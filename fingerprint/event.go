// Package fingerprint turns a decoded record into a stable identity: who acted
// (as which role), with which verb, on which kind of resource.
//
// It defines [Event], the one form in which every later stage sees a record,
// and [Fingerprint], the identity that the event is counted under. The package
// is pure: it starts no goroutine, does no I/O and never reads the clock.
package fingerprint

import "github.com/logcluster/logcluster/fingerprint/rbac"

// Event is one decoded record.
//
// The strings and slices of an Event may alias the buffer of the record that
// it was decoded from. They are valid until the decoder is given its next
// record; whoever keeps one clones or interns it first.
type Event struct {
	// Time is the event time in Unix nanoseconds (UTC). For audit logs it is
	// the stage timestamp.
	Time int64
	// ID is the record's own identity (the audit id), empty if it has none.
	ID string
	// Tenant is the boundary of trust, by default the topic.
	Tenant string

	// User is who was authenticated, and Groups are that user's groups in the
	// order of the record. Both are empty for a record that names nobody.
	User   string
	Groups []string
	// ActingAs and ActingGroups are the impersonated identity. ActingAs is
	// empty when nobody is impersonated.
	ActingAs     string
	ActingGroups []string

	// Verb is the Kubernetes request verb (get, list, create, …).
	Verb string
	// Resource is what was acted on.
	Resource Resource

	// Decision is the authorizer's answer and Reason its explanation, as
	// recorded in the annotations authorization.k8s.io/decision and /reason.
	Decision Decision
	Reason   string
	// Code is the HTTP status of the response, zero when unknown.
	Code int
	// Latency is the time from the request to the stage, in nanoseconds;
	// negative when unknown.
	Latency int64

	// Source is the address of the first hop and UserAgent the client's own
	// name for itself. Both are attackers' text.
	Source    string
	UserAgent string

	// Attributes are the further fields that role mappings ask for, in the
	// order in which they were asked for. One that the record does not have is
	// left out.
	Attributes []Attribute

	// DryRun says that the request changed nothing (dryRun=All).
	DryRun bool
	// Object is the JSON of the RBAC object, or the list of them, that a
	// successful write answered with, where the record carries it (audit level
	// RequestResponse). It is how a policy learns of its changes from the log
	// itself; nothing else of any body is ever kept. Nil otherwise.
	Object []byte
}

// Attribute is a further field of a record, by its name there: for audit events
// "annotations/<key>", "extra/<key>" (its first value), "user_agent" or "source".
type Attribute struct {
	Name, Value string
}

// Subject returns the identity that acted on the resource: the impersonated
// user where there is one, else the authenticated one.
func (e *Event) Subject() (user string, groups []string) {
	if e.ActingAs != "" {
		return e.ActingAs, e.ActingGroups
	}
	return e.User, e.Groups
}

// Request is what the authorizer was asked for the event. Its strings and slices
// are the event's.
//
// What is created has no name yet when it is authorized: the one that an API
// server writes into its audit log comes from the body, unless it is a
// subresource of something that was there before.
func (e *Event) Request() rbac.Request {
	user, groups := e.Subject()
	r := rbac.Request{
		User:        user,
		Groups:      groups,
		Verb:        e.Verb,
		APIGroup:    e.Resource.Group,
		Resource:    e.Resource.Name,
		Subresource: e.Resource.Subresource,
		Namespace:   e.Resource.Namespace,
		Object:      e.Resource.Object,
		Path:        e.Resource.Path,
	}
	if r.Verb == "create" && r.Subresource == "" {
		r.Object = ""
	}
	return r
}

// Failed reports whether the response was an error that is not a refusal by
// the authorizer: a status of 400 and above.
func (e *Event) Failed() bool { return e.Code >= 400 && e.Decision != DecisionForbid }

// Decision is the authorizer's answer to a request.
type Decision uint8

// The decisions. DecisionUnknown is the zero value: the record does not say.
const (
	DecisionUnknown Decision = iota
	DecisionAllow
	DecisionForbid
)

// Resource is what a request acted on. A request that is not about an API
// object has only a Path.
type Resource struct {
	// Group is the API group, empty for the core group.
	Group string
	// Name is the plural resource name ("pods"), empty for a non-resource
	// request.
	Name string
	// Subresource is empty when the object itself was meant.
	Subresource string
	// Namespace is empty for cluster-scoped resources and requests.
	Namespace string
	// Object is the object's name, empty for collections.
	Object string
	// Path is the URL path without query for a non-resource request, else
	// empty.
	Path string
}
