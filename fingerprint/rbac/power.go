package rbac

// Capability is a set of things that a subject may do and that reach further
// than they look: the ones that the Kubernetes documentation lists as risks of
// privilege escalation (RBAC Good Practices). The zero value is none of them.
type Capability uint32

// The capabilities, from the least to the most powerful.
const (
	// ReadSecrets: get, list or watch secrets.
	ReadSecrets Capability = 1 << iota
	// RunWorkloads: create pods or what makes pods, and so use every secret
	// and service account of the namespace.
	RunWorkloads
	// Connect: exec into, attach to, forward to or proxy through pods,
	// services and nodes; add ephemeral containers.
	Connect
	// MintTokens: create tokens of service accounts.
	MintTokens
	// ApproveCertificates: approve or sign certificate requests.
	ApproveCertificates
	// WriteAdmission: write admission webhooks and policies.
	WriteAdmission
	// Bind: the verb bind on roles.
	Bind
	// WriteRoles: create, update or patch RBAC objects.
	WriteRoles
	// Escalate: the verb escalate on roles.
	Escalate
	// Impersonate: the verb impersonate on users, groups, service accounts,
	// uids or extra values.
	Impersonate
	// Everything: every verb on every resource (*/*).
	Everything
)

// Class orders what subjects may do by its power. Families never mix classes.
type Class uint8

// The classes of power. ClassUnknown is the zero value: no policy tells.
const (
	ClassUnknown  Class = iota
	ClassNone           // may do nothing
	ClassRead           // get, list, watch, and reviews of access
	ClassWrite          // create, update, patch or delete something ordinary
	ClassElevated       // read secrets, run workloads, connect
	ClassEscalate       // can become more powerful: mint, approve, admission, bind, escalate, impersonate, write RBAC; or */* in a namespace
	ClassAdmin          // */* in the whole cluster
	NumClasses
)

// Power is what a set of rules allows, in a word and in particular.
type Power struct {
	Class        Class
	Capabilities Capability
}
