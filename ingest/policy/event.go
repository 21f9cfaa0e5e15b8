package policy

import (
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Sighting is what an event tells about the policy.
type Sighting uint8

// The sightings. NoChange is the zero value.
const (
	// NoChange: the event did not change the policy.
	NoChange Sighting = iota
	// Applied: the event changed the policy, and the changes are all it did.
	Applied
	// Unseen: the event changed the policy, or may have, and does not carry how.
	// The policy may be stale until another source tells.
	Unseen
)

// FromEvent returns what an event changed in the policy.
func FromEvent(e *fingerprint.Event) ([]rbac.Change, Sighting) {
	if !writesRBAC(e) {
		return nil, NoChange
	}
	return nil, Unseen
}

// writesRBAC reports whether the event is a successful write to RBAC objects.
func writesRBAC(e *fingerprint.Event) bool {
	return e.Resource.Group == "rbac.authorization.k8s.io" && e.Resource.Subresource == "" &&
		!e.DryRun && e.Code/100 == 2
}
