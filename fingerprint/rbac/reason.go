package rbac

import (
	"strconv"
	"strings"
)

// The groups that hold everybody of a kind. Which of them a subject is in tells
// what it is, not what it may do more than others.
const (
	groupAuthenticated   = "system:authenticated"
	groupUnauthenticated = "system:unauthenticated"
	groupServiceAccounts = "system:serviceaccounts"
)

// Grant is the binding by which an authorizer allowed a request, as it says in
// the audit annotation authorization.k8s.io/reason.
type Grant struct {
	// Binding is the binding's name, and BindingNamespace is empty for a
	// ClusterRoleBinding.
	Binding          string
	BindingNamespace string
	// Role is the role that was bound. A Role has the binding's namespace.
	Role Role
	// SubjectKind is User, Group or ServiceAccount.
	SubjectKind string
	// Subject is the subject's name as printed: "name/namespace" for a
	// service account.
	Subject string
}

// ToEveryone reports whether the grant is to all authenticated users, all
// unauthenticated ones or all service accounts, and so tells nothing about the
// subject.
func (g *Grant) ToEveryone() bool {
	return g.SubjectKind == "Group" && isEveryone(g.Subject)
}

func isEveryone(group string) bool {
	switch group {
	case groupAuthenticated, groupUnauthenticated, groupServiceAccounts:
		return true
	}
	return false
}

// Authorizers that explain themselves in the sentence of Kubernetes' RBAC
// authorizer. Amazon EKS evaluates its access policies outside of the cluster
// and names them as ClusterRoles.
var reasonPrefixes = [...]string{
	"RBAC: allowed by ",
	"EKS Access Policy: allowed by ",
}

// IsGrant reports whether a reason looks like one that [ParseReason] reads. It
// is cheap and may be wrong for reasons that are malformed.
func IsGrant(reason string) bool {
	for _, p := range reasonPrefixes {
		if strings.HasPrefix(reason, p) {
			return true
		}
	}
	return false
}

// ParseReason reads a reason of the form
//
//	RBAC: allowed by RoleBinding "b/ns" of Role "r" to Group "g"
//
// and reports false for every other text. It allocates only for names that
// are escaped in the reason; all others alias it.
func ParseReason(reason string) (Grant, bool) {
	var s string
	for _, p := range reasonPrefixes {
		if rest, ok := strings.CutPrefix(reason, p); ok {
			s = rest
			break
		}
	}
	bindingKind, binding, s, ok := cutObject(s)
	if !ok {
		return Grant{}, false
	}
	if s, ok = strings.CutPrefix(s, " of "); !ok {
		return Grant{}, false
	}
	roleKind, role, s, ok := cutObject(s)
	if !ok {
		return Grant{}, false
	}
	if s, ok = strings.CutPrefix(s, " to "); !ok {
		return Grant{}, false
	}
	subjectKind, subject, s, ok := cutObject(s)
	if !ok || s != "" || subject == "" {
		return Grant{}, false
	}
	g := Grant{
		Binding:     binding,
		Role:        Role{Name: role},
		SubjectKind: subjectKind,
		Subject:     subject,
	}
	if !g.place(bindingKind, roleKind) {
		return Grant{}, false
	}
	return g, true
}

// place fills in the namespaces, which the sentence gives only with the
// binding, and reports whether the kinds fit together.
func (g *Grant) place(bindingKind, roleKind string) bool {
	switch g.SubjectKind {
	case "User", "Group", "ServiceAccount":
	default:
		return false
	}
	switch bindingKind {
	case "ClusterRoleBinding":
	case "RoleBinding":
		i := strings.LastIndexByte(g.Binding, '/')
		if i <= 0 || i == len(g.Binding)-1 {
			return false
		}
		g.Binding, g.BindingNamespace = g.Binding[:i], g.Binding[i+1:]
	default:
		return false
	}
	switch roleKind {
	case "ClusterRole":
	case "Role":
		if g.BindingNamespace == "" {
			return false
		}
		g.Role.Namespace = g.BindingNamespace
	default:
		return false
	}
	return g.Role.Name != "" && g.Binding != ""
}

// cutObject cuts `Kind "name"` off the front of s.
func cutObject(s string) (kind, name, rest string, ok bool) {
	kind, rest, ok = strings.Cut(s, " ")
	if !ok {
		return "", "", "", false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil || quoted[0] != '"' {
		return "", "", "", false
	}
	name, err = strconv.Unquote(quoted)
	if err != nil {
		return "", "", "", false
	}
	return kind, name, rest[len(quoted):], true
}
