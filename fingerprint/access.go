package fingerprint

// API groups that access classes and sensitivity depend on.
const (
	groupAdmission      = "admissionregistration.k8s.io"
	groupAuthentication = "authentication.k8s.io"
	groupAuthorization  = "authorization.k8s.io"
	groupCertificates   = "certificates.k8s.io"
	groupRBAC           = "rbac.authorization.k8s.io"
)

// Classify returns the class of power that a verb has on a resource. Object and
// namespace do not matter.
//
//   - review: access and token reviews, whoever asks about whom.
//   - escalate: the verbs bind, escalate, impersonate, approve, sign and attest;
//     minting service account tokens; approving or signing certificate requests;
//     every change, deletion included, of RBAC objects and of admission webhooks
//     and policies.
//   - connect: exec, attach, portforward and proxy of anything, by whatever verb
//     (a websocket exec is a get), and changing ephemeral containers.
//   - delete: delete, deletecollection and evictions.
//   - read: get, list, watch, and the HTTP methods head and options.
//   - write: everything else, so that an unknown verb is not mistaken for a
//     harmless one.
func Classify(verb string, r *Resource) Access {
	if r.Name == "" {
		return classifyVerb(verb)
	}
	switch verb {
	case "bind", "escalate", "impersonate", "approve", "sign", "attest":
		return AccessEscalate
	}
	switch r.Subresource {
	case "exec", "attach", "portforward", "proxy":
		return AccessConnect
	}
	if isReview(r) {
		return AccessReview
	}
	access := classifyVerb(verb)
	if access != AccessWrite && access != AccessDelete {
		return access
	}
	if changesPower(r) {
		return AccessEscalate
	}
	if r.Group == "" && r.Name == "pods" {
		switch r.Subresource {
		case "ephemeralcontainers":
			return AccessConnect
		case "eviction":
			return AccessDelete
		}
	}
	return access
}

// classifyVerb classes a verb, or the lower-case HTTP method of a non-resource
// request, by itself.
func classifyVerb(verb string) Access {
	switch verb {
	case "get", "list", "watch", "head", "options":
		return AccessRead
	case "delete", "deletecollection":
		return AccessDelete
	case "connect", "proxy":
		return AccessConnect
	}
	return AccessWrite
}

func isReview(r *Resource) bool {
	switch r.Group {
	case groupAuthorization:
		switch r.Name {
		case "subjectaccessreviews", "localsubjectaccessreviews",
			"selfsubjectaccessreviews", "selfsubjectrulesreviews":
			return true
		}
	case groupAuthentication:
		return r.Name == "tokenreviews" || r.Name == "selfsubjectreviews"
	}
	return false
}

// changesPower reports whether changing the resource changes what somebody may
// do, or hands out credentials.
func changesPower(r *Resource) bool {
	switch r.Group {
	case "":
		return r.Name == "serviceaccounts" && r.Subresource == "token"
	case groupCertificates:
		return r.Name == "certificatesigningrequests" &&
			(r.Subresource == "approval" || r.Subresource == "status")
	case groupRBAC:
		return isRBACObject(r.Name)
	case groupAdmission:
		// Their status is what controllers report, not what is enforced.
		return r.Subresource == "" && isAdmissionObject(r.Name)
	}
	return false
}

func isRBACObject(name string) bool {
	switch name {
	case "roles", "rolebindings", "clusterroles", "clusterrolebindings":
		return true
	}
	return false
}

func isAdmissionObject(name string) bool {
	switch name {
	case "mutatingwebhookconfigurations", "validatingwebhookconfigurations",
		"mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
		"validatingadmissionpolicies", "validatingadmissionpolicybindings":
		return true
	}
	return false
}

// IsSensitive reports whether merely reading the resource, or asking for it, is
// power: secrets, service account tokens, roles and bindings, admission
// webhooks and policies, and certificate signing requests.
func IsSensitive(r *Resource) bool {
	switch r.Group {
	case "":
		return r.Name == "secrets" || r.Name == "serviceaccounts" && r.Subresource == "token"
	case groupCertificates:
		return r.Name == "certificatesigningrequests"
	case groupRBAC:
		return isRBACObject(r.Name)
	case groupAdmission:
		return isAdmissionObject(r.Name)
	}
	return false
}
