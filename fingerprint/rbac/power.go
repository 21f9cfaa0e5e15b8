package rbac

import (
	"fmt"
	"strings"
)

// Capability is a set of things that a subject may do and that reach further
// than they look: the ones that the Kubernetes documentation lists as risks of
// privilege escalation (RBAC Good Practices). The zero value is none of them.
type Capability uint32

// The capabilities, from the least to the most powerful.
const (
	// ReadNamedSecrets: get, list or watch secrets, but only such as the rule
	// names. Whoever wrote the rule chose them, so this alone raises no class.
	ReadNamedSecrets Capability = 1 << iota
	// ReadSecrets: get, list or watch any secrets.
	ReadSecrets
	// CreateSecrets: create secrets. Whoever reads secrets as well mints tokens:
	// the API server fills a token of any service account of the namespace into
	// a secret that asks for it.
	CreateSecrets
	// RunWorkloads: create pods or what makes pods, or change them, and so use
	// every secret and service account of the namespace. Custom resources whose
	// controllers make pods are not known.
	RunWorkloads
	// Connect: exec into, attach to, forward to or proxy through pods and
	// services; add ephemeral containers.
	Connect
	// WriteNamespaces: update or patch namespaces, and so lift their pod
	// security, which is a label.
	WriteNamespaces
	// WriteVolumes: create persistent volumes, which may be a node's files.
	WriteVolumes
	// ProxyNodes: talk to kubelets, which run commands in every pod of a node
	// without asking admission or telling the audit log.
	ProxyNodes
	// MintTokens: create tokens of service accounts, or CreateSecrets and read them.
	MintTokens
	// ApproveCertificates: approve or sign certificate requests.
	ApproveCertificates
	// WriteAdmission: write or delete admission webhooks and policies.
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

	endOfCapabilities
)

const (
	elevatedCapabilities = ReadSecrets | RunWorkloads | Connect | WriteNamespaces
	escalateCapabilities = (endOfCapabilities - 1) &^ (elevatedCapabilities | ReadNamedSecrets | CreateSecrets)
)

// capabilityNames are the words for the capabilities, from the lowest bit up.
var capabilityNames = [...]string{
	"read_named_secrets", "read_secrets", "create_secrets", "run_workloads", "connect", "write_namespaces",
	"write_volumes", "proxy_nodes", "mint_tokens", "approve_certificates", "write_admission",
	"bind", "write_roles", "escalate", "impersonate", "everything",
}

// Has reports whether all capabilities of other are in the set.
func (c Capability) Has(other Capability) bool { return c&other == other }

// Names returns the words for the capabilities of the set, such as
// read_secrets, from the least to the most powerful. Bits that mean nothing are
// left out.
func (c Capability) Names() []string {
	var names []string
	for i, name := range capabilityNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names, separated by commas; empty for none.
func (c Capability) String() string { return strings.Join(c.Names(), ",") }

// MarshalText writes the set as [Capability.String] does.
func (c Capability) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (c *Capability) UnmarshalText(text []byte) error {
	var set Capability
	for name := range strings.SplitSeq(string(text), ",") {
		if name == "" {
			continue
		}
		bit := Capability(0)
		for i, n := range capabilityNames {
			if n == name {
				bit = 1 << i
			}
		}
		if bit == 0 {
			return fmt.Errorf("parse capabilities: none is called %q", name)
		}
		set |= bit
	}
	*c = set
	return nil
}

// Class orders what subjects may do by its power. Families never mix classes.
type Class uint8

// The classes of power. ClassUnknown is the zero value: no policy tells.
const (
	ClassUnknown  Class = iota
	ClassNone           // may do nothing
	ClassRead           // get, list, watch, and reviews of access
	ClassWrite          // create, update, patch or delete something ordinary
	ClassElevated       // read secrets, run workloads, connect, change namespaces
	ClassEscalate       // can become more powerful: mint, approve, admission, bind, escalate, impersonate, write RBAC, reach nodes; or */* in a namespace
	ClassAdmin          // */* in the whole cluster
	NumClasses
)

var classNames = [NumClasses]string{"unknown", "none", "read", "write", "elevated", "escalate", "admin"}

// String returns the class as it is written in output: unknown, none, read,
// write, elevated, escalate or admin.
func (c Class) String() string {
	if c < NumClasses {
		return classNames[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// ParseClass is the inverse of [Class.String].
func ParseClass(name string) (Class, error) {
	for c, n := range classNames {
		if n == name {
			return Class(c), nil
		}
	}
	return ClassUnknown, fmt.Errorf("parse power class: none is called %q", name)
}

// MarshalText writes the class as [Class.String] does.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (c *Class) UnmarshalText(text []byte) error {
	parsed, err := ParseClass(string(text))
	*c = parsed
	return err
}

// Power is what a set of rules allows, in a word and in particular.
type Power struct {
	Class        Class
	Capabilities Capability
}

// and returns the power of two sets of rules together: that of the more
// powerful, unless one creates secrets and the other reads them.
func (p Power) and(other Power) Power {
	all := p.Capabilities | other.Capabilities
	if all.Has(CreateSecrets) && all&(ReadSecrets|ReadNamedSecrets) != 0 {
		all |= MintTokens
	}
	return Power{Class: max(p.Class, other.Class, all.class()), Capabilities: all}
}

// class returns the class that capabilities raise a subject to in a namespace.
func (c Capability) class() Class {
	switch {
	case c&escalateCapabilities != 0:
		return ClassEscalate
	case c&elevatedCapabilities != 0:
		return ClassElevated
	}
	return ClassNone
}
