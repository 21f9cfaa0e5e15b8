package fingerprint

import (
	"strconv"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Fingerprint is the identity that an event is counted under. It is interned:
// the same identity (and role source) is the same pointer for the life of the
// [Fingerprinter] or until it is evicted. It must not be modified. Whoever
// keeps one for longer compares it by ID, never by pointer.
type Fingerprint struct {
	// ID is a stable 64-bit hash (xxhash) of tenant, role, verb and resource.
	// It is the same in every process and for every version of the program.
	ID ID
	// Verb is the request verb.
	Verb string
	// Cluster is the group that the fingerprint belongs to.
	Cluster *ClusterKey
}

// ID is the stable identity of a fingerprint or of a cluster.
type ID uint64

// String returns the identity as 16 hexadecimal digits.
func (id ID) String() string {
	s := strconv.FormatUint(uint64(id), 16)
	return "0000000000000000"[len(s):] + s
}

// ClusterKey names a cluster: the fingerprints of one (tenant, role key,
// resource, access). Assignment is a pure function of the event and the role
// policy in force at its time. It is interned like [Fingerprint].
type ClusterKey struct {
	// ID is a stable 64-bit hash of the other identity fields (all but
	// RoleSource, Power and Sensitive).
	ID ID
	// Tenant is the boundary of isolation.
	Tenant string
	// Role is the role key, "unknown" when nothing told it.
	Role string
	// RoleSource says where Role came from.
	RoleSource rbac.Source
	// Power is the class of what the subject may do under the role, by the policy
	// in force when the key was made; ClassUnknown without a policy. It is no
	// part of the identity: a role gives one subject less in a namespace than
	// another in the whole cluster. What is shown of a cluster is the highest of
	// the last pane.
	Power rbac.Class
	// APIGroup is empty for the core group and for non-resource requests.
	APIGroup string
	// Resource is "resource", "resource/subresource" or "nonresource:/path".
	Resource string
	// Access is the class of power that the verb has on the resource.
	Access Access
	// Sensitive marks resources whose mere reading is power (secrets, token
	// requests, RBAC objects, admission webhooks, certificate requests).
	Sensitive bool
}

// Access is the class of a verb on a resource as RBAC sees its power.
type Access uint8

// The access classes. The zero value is the least powerful.
const (
	AccessReview   Access = iota // asks what is allowed; changes nothing
	AccessRead                   // get, list, watch
	AccessWrite                  // create, update, patch
	AccessDelete                 // delete, deletecollection, eviction
	AccessConnect                // exec, attach, portforward, proxy, ephemeral containers
	AccessEscalate               // bind, escalate, impersonate, mint tokens, approve, write RBAC or admission
)
