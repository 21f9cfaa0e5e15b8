package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Reason says why rules have a capability.
type Reason struct {
	// Capability is one capability.
	Capability Capability
	// Rule is the rule that gives it.
	Rule rbacv1.PolicyRule
	// Text is for people, in one line: what of the rule gives the capability,
	// and what that means, such as "get, create pods/exec: runs commands in
	// pods". Names in it are quoted and escaped as in Go.
	Text string
}

// PowerOf returns the power of rules and the reasons, the most powerful
// capability first and in the order of the rules. They are given cluster-wide
// by a ClusterRoleBinding, or within a namespace by a RoleBinding; then
// capabilities over what belongs to no namespace (nodes, webhooks, other users)
// are out of reach and left out, as are paths, and */* is ClassEscalate rather
// than ClassAdmin. Without rules the class is ClassNone.
//
// Rules that are limited by resourceNames count in full for what they name (one
// impersonated user, one role, one signer may be enough), with two exceptions:
// reading named secrets is ReadNamedSecrets, and a rule with names never allows
// to create an object, which has no name yet when it is authorized.
func PowerOf(rules []rbacv1.PolicyRule, clusterWide bool) (Power, []Reason) {
	power := Power{Class: ClassNone}
	var reasons []Reason
	for i := range rules {
		inNamespace, everywhere := powerOfRule(&rules[i])
		p := inNamespace
		if clusterWide {
			p = everywhere
		}
		power = power.and(p)
		reasons = appendReasons(reasons, &rules[i], p, clusterWide)
	}
	reasons = appendTokenReason(reasons, power)
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Capability, a.Capability) })
	return power, reasons
}

// verbSet is a set of the verbs that matter here.
type verbSet uint16

const (
	verbGet verbSet = 1 << iota
	verbList
	verbWatch
	verbCreate
	verbUpdate
	verbPatch
	verbDelete
	verbDeleteCollection
	verbBind
	verbEscalate
	verbImpersonate
	verbApprove
	verbSign
	verbOther // any other, such as use
	endOfVerbs

	verbsAll    = endOfVerbs - 1
	verbsRead   = verbGet | verbList | verbWatch
	verbsChange = verbUpdate | verbPatch
	verbsPut    = verbCreate | verbsChange
	verbsProxy  = verbGet | verbsPut | verbDelete
	verbsWrite  = verbsPut | verbDelete | verbDeleteCollection
)

var verbNames = [...]string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"bind", "escalate", "impersonate", "approve", "sign",
}

func verbsOf(rule *rbacv1.PolicyRule) verbSet {
	var set verbSet
	for _, v := range rule.Verbs {
		if v == "*" {
			return verbsAll
		}
		if i := slices.Index(verbNames[:], v); i >= 0 {
			set |= 1 << i
		} else {
			set |= verbOther
		}
	}
	return set
}

// risk is one way to a capability.
type risk struct {
	capability Capability
	verbs      verbSet // any of them
	group      string
	resources  []string // any of them
	// clusterOnly marks what belongs to no namespace, and so is out of reach of
	// a RoleBinding. The verb bind on ClusterRoles is not: it is asked for in the
	// namespace of the RoleBinding to be made. Namespaces are not either: a
	// request about one lies in it.
	clusterOnly bool
	means       string
}

const groupRBAC = "rbac.authorization.k8s.io"

// risks follow "RBAC Good Practices" of the Kubernetes documentation. To get
// pods/exec is to exec, since a websocket is opened by a GET. The verbs of
// constrained impersonation ("impersonate:…", alpha in 1.35) are not among them.
var risks = [...]risk{
	{Impersonate, verbImpersonate, "", []string{"users", "groups"}, true, "acts as other users"},
	{Impersonate, verbImpersonate, "authentication.k8s.io", []string{"uids", "userextras"}, true, "acts as other users"},
	{Impersonate, verbImpersonate, "", []string{"serviceaccounts"}, false, "acts as service accounts"},
	{Escalate, verbEscalate, groupRBAC, []string{"roles"}, false, "writes roles that allow more than itself"},
	{Escalate, verbEscalate, groupRBAC, []string{"clusterroles"}, true, "writes roles that allow more than itself"},
	{WriteRoles, verbsPut, groupRBAC, []string{"roles", "rolebindings"}, false, "gives roles to others and itself"},
	{WriteRoles, verbsPut, groupRBAC, []string{"clusterroles", "clusterrolebindings"}, true, "gives roles to others and itself"},
	{Bind, verbBind, groupRBAC, []string{"roles", "clusterroles"}, false, "binds roles that allow more than itself"},
	{
		WriteAdmission, verbsWrite, "admissionregistration.k8s.io", []string{
			"validatingwebhookconfigurations", "mutatingwebhookconfigurations",
			"validatingadmissionpolicies", "validatingadmissionpolicybindings",
			"mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
		}, true, "reads, changes or lets pass what others write",
	},
	{
		ApproveCertificates, verbsChange, "certificates.k8s.io",
		[]string{"certificatesigningrequests/approval"},
		true, "approves certificates of other users",
	},
	{ApproveCertificates, verbApprove | verbSign, "certificates.k8s.io", []string{"signers"}, true, "issues certificates of other users"},
	{MintTokens, verbCreate, "", []string{"serviceaccounts/token"}, false, "acts as service accounts by their tokens"},
	{ProxyNodes, verbsProxy, "", []string{"nodes/proxy"}, true, "runs commands in the pods of nodes, past admission and audit"},
	{WriteVolumes, verbCreate, "", []string{"persistentvolumes"}, true, "mounts the files of nodes"},
	{WriteNamespaces, verbsChange, "", []string{"namespaces"}, false, "lifts the pod security of namespaces"},
	{Connect, verbGet | verbCreate, "", []string{"pods/exec", "pods/attach"}, false, "runs commands in pods"},
	{Connect, verbsChange, "", []string{"pods/ephemeralcontainers"}, false, "adds containers to running pods"},
	{Connect, verbGet | verbCreate, "", []string{"pods/portforward"}, false, "reaches the ports of pods"},
	{Connect, verbsProxy, "", []string{"pods/proxy", "services/proxy"}, false, "sends requests as the API server"},
	{
		RunWorkloads, verbsPut, "",
		[]string{"pods", "replicationcontrollers"},
		false,
		"runs containers with any secret and service account of the namespace",
	},
	{
		RunWorkloads, verbsPut, "apps",
		[]string{"deployments", "daemonsets", "statefulsets", "replicasets"},
		false,
		"runs containers with any secret and service account of the namespace",
	},
	{
		RunWorkloads, verbsPut, "batch",
		[]string{"jobs", "cronjobs"},
		false,
		"runs containers with any secret and service account of the namespace",
	},
	{CreateSecrets, verbCreate, "", []string{"secrets"}, false, "puts secrets where others look for them"},
	{ReadSecrets, verbsRead, "", []string{"secrets"}, false, "reads passwords, keys and tokens"},
}

// powerOfRule returns the power of a rule that a RoleBinding or a
// ClusterRoleBinding gives.
func powerOfRule(rule *rbacv1.PolicyRule) (inNamespace, clusterWide Power) {
	verbs := verbsOf(rule)
	inNamespace.Class, clusterWide.Class = ClassNone, ClassNone
	if verbs == 0 {
		return inNamespace, clusterWide
	}
	if len(rule.NonResourceURLs) > 0 {
		clusterWide.Class = pathClass(rule)
	}
	if len(rule.APIGroups) == 0 || len(rule.Resources) == 0 {
		return inNamespace, clusterWide
	}
	class := resourceClass(rule, verbs)
	for i := range risks {
		r := &risks[i]
		if verbs&r.verbs == 0 || !r.matches(rule, verbs) {
			continue
		}
		c := r.given(rule)
		clusterWide.Capabilities |= c
		if !r.clusterOnly {
			inNamespace.Capabilities |= c
		}
	}
	if isEverything(rule) {
		clusterWide.Capabilities |= Everything
		inNamespace.Capabilities |= Everything
	}
	inNamespace.Class = max(class, inNamespace.Capabilities.class())
	clusterWide.Class = max(clusterWide.Class, class, clusterWide.Capabilities.class())
	if clusterWide.Capabilities.Has(Everything) {
		clusterWide.Class = ClassAdmin
	}
	return inNamespace, clusterWide
}

func isEverything(rule *rbacv1.PolicyRule) bool {
	return slices.Contains(rule.Verbs, "*") && slices.Contains(rule.APIGroups, "*") &&
		slices.Contains(rule.Resources, "*") && len(rule.ResourceNames) == 0
}

// pathClass returns the class of a rule for paths.
func pathClass(rule *rbacv1.PolicyRule) Class {
	for _, v := range rule.Verbs {
		switch v {
		case "get", "head", "options":
		default:
			return ClassWrite
		}
	}
	return ClassRead
}

// resourceClass returns the class of a rule for resources, apart from risks.
func resourceClass(rule *rbacv1.PolicyRule, verbs verbSet) Class {
	if verbs&^verbsRead == 0 {
		return ClassRead
	}
	if verbs&^(verbsRead|verbCreate) != 0 {
		return ClassWrite
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			if !isReview(group, resource) {
				return ClassWrite
			}
		}
	}
	return ClassRead
}

// isReview reports whether to create a resource is to ask a question.
func isReview(group, resource string) bool {
	switch group {
	case "authorization.k8s.io":
		switch resource {
		case "subjectaccessreviews", "localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews":
			return true
		}
	case "authentication.k8s.io":
		return resource == "tokenreviews" || resource == "selfsubjectreviews"
	}
	return false
}

// matches reports whether a rule with these verbs runs the risk.
func (r *risk) matches(rule *rbacv1.PolicyRule, verbs verbSet) bool {
	if !hasOrAll(rule.APIGroups, r.group) {
		return false
	}
	return slices.ContainsFunc(r.resources, func(resource string) bool {
		return r.effective(rule, verbs, resource) != 0 && coversResource(rule, resource)
	})
}

// effective returns those verbs of a rule that count for a resource.
func (r *risk) effective(rule *rbacv1.PolicyRule, verbs verbSet, resource string) verbSet {
	verbs &= r.verbs
	if len(rule.ResourceNames) > 0 && !strings.Contains(resource, "/") {
		verbs &^= verbCreate
	}
	return verbs
}

// given returns the capability that a rule which runs the risk gives.
func (r *risk) given(rule *rbacv1.PolicyRule) Capability {
	if r.capability == ReadSecrets && len(rule.ResourceNames) > 0 {
		return ReadNamedSecrets
	}
	return r.capability
}

// coversResource reports whether a rule names a resource. The extra values of
// users are one resource here, whichever of them a rule names.
func coversResource(rule *rbacv1.PolicyRule, resource string) bool {
	name, sub, _ := strings.Cut(resource, "/")
	return slices.ContainsFunc(rule.Resources, func(pattern string) bool {
		if resource == "userextras" && strings.HasPrefix(pattern, "userextras/") {
			return true
		}
		return resourceMatches(pattern, name, sub)
	})
}

// appendReasons appends the reasons of one rule whose power is known.
func appendReasons(to []Reason, rule *rbacv1.PolicyRule, p Power, clusterWide bool) []Reason {
	if p.Capabilities == 0 {
		return to
	}
	if p.Capabilities.Has(Everything) {
		text := "* *.*: may do everything in the namespace"
		if clusterWide {
			text = "* *.*: may do everything in the cluster"
		}
		return append(to, Reason{Capability: Everything, Rule: *rule, Text: text})
	}
	verbs := verbsOf(rule)
	for i := range risks {
		r := &risks[i]
		if r.clusterOnly && !clusterWide || verbs&r.verbs == 0 || !r.matches(rule, verbs) {
			continue
		}
		to = append(to, Reason{Capability: r.given(rule), Rule: *rule, Text: r.text(rule, verbs)})
	}
	return to
}

// appendTokenReason appends the reason for tokens that are minted by creating
// secrets, where nothing else mints them.
func appendTokenReason(to []Reason, p Power) []Reason {
	gives := func(c Capability) int {
		return slices.IndexFunc(to, func(r Reason) bool { return r.Capability&c != 0 })
	}
	creates := gives(CreateSecrets)
	if !p.Capabilities.Has(MintTokens) || creates < 0 || gives(MintTokens|Everything) >= 0 {
		return to
	}
	return append(to, Reason{
		Capability: MintTokens, Rule: to[creates].Rule,
		Text: "create secrets, and read them: acts as service accounts by tokens kept in secrets",
	})
}

// text says in one line what of a rule runs the risk, and what that means.
func (r *risk) text(rule *rbacv1.PolicyRule, verbs verbSet) string {
	var resources []string
	var effective verbSet
	for _, resource := range r.resources {
		e := r.effective(rule, verbs, resource)
		if e == 0 || !coversResource(rule, resource) {
			continue
		}
		effective |= e
		if r.group != "" {
			resource += "." + r.group
		}
		resources = append(resources, resource)
	}
	var names []string
	for i, name := range verbNames {
		if effective&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if verbs == verbsAll {
		names = []string{"*"}
	}
	return fmt.Sprintf("%s %s%s: %s",
		strings.Join(names, ", "), strings.Join(resources, ", "), namedText(rule.ResourceNames), r.means)
}

// namedText says which objects a rule is limited to: three of them by name.
func namedText(names []string) string {
	if len(names) == 0 {
		return ""
	}
	const shown = 3
	var quoted []string
	for _, n := range names[:min(len(names), shown)] {
		quoted = append(quoted, strconv.Quote(n))
	}
	text := " named " + strings.Join(quoted, ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
