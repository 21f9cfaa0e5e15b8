package rbac

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Explanation tells why a request is allowed or not.
type Explanation struct {
	// Known is whether the policy knows the subject; see [Policy.Resolve].
	Known bool
	// Answer is what [Policy.Resolve] says of the request. Without a verb it
	// allows nothing.
	Answer Answer
	// Bindings are the bindings that hold for the subject: in the request's
	// scope; without a verb and a namespace, in all namespaces. Cluster-wide ones
	// come first, then by namespace, by name.
	Bindings []BoundRole
}

// BoundRole is a binding that holds for a subject.
type BoundRole struct {
	Binding Binding
	// Role is what is bound. It allows nothing when it does not exist.
	Role   Role
	Exists bool
	// Subjects are those of the binding that the subject is: itself, or groups
	// that it is in.
	Subjects []rbacv1.Subject
	// ToEveryone says that all of Subjects are groups of everybody: the role does
	// not enter the key by this binding.
	ToEveryone bool
	// Power is what the binding gives, and Reasons are why. The power of the
	// answer is that of all bindings in the request's scope together, without
	// those to everyone.
	Power   Power
	Reasons []Reason
	// Rules are all rules of the role.
	Rules []rbacv1.PolicyRule
	// Allowing are those of them that allow the request; none without a verb.
	Allowing []rbacv1.PolicyRule
}

// Explain tells what [Policy.Resolve] answers to a request and why. Without a
// verb it tells all that the subject may do: in the request's namespace and
// cluster-wide, or everywhere when there is no namespace; Answer.Key and
// Answer.Power are then those of cluster-wide requests. The rules are the
// policy's own and must not be modified.
func (p *Policy) Explain(r *Request) Explanation {
	if p == nil {
		return Explanation{}
	}
	everything := r.Verb == ""
	cluster := r.clusterScope()
	if everything {
		cluster = r.Namespace == ""
	}
	s := p.scope(r.User, r.Groups, r.Namespace, cluster)
	d := decision{binding: -1}
	if !everything {
		d = p.decide(&s, r)
	}
	e := Explanation{Known: s.known, Answer: p.answer(&s, d)}
	bindings := s.bindings
	if everything && cluster {
		c := collector{policy: p, everywhere: true}
		c.subject(r.User, r.Groups)
		bindings = c.bindings()
	}
	groups := append(slices.Clone(r.Groups), impliedGroups(r.User, r.Groups)...)
	for _, i := range bindings {
		e.Bindings = append(e.Bindings, p.boundRole(&p.bindings[i], groups, r))
	}
	return e
}

// subjectsOf returns the subjects of a binding that a user with these groups is.
func (b *binding) subjectsOf(user string, groups []string) []rbacv1.Subject {
	var is []rbacv1.Subject
	for _, s := range b.subjects {
		name, ok := subjectUser(&s, b.Namespace)
		if ok && name == user || s.Kind == rbacv1.GroupKind && slices.Contains(groups, s.Name) {
			is = append(is, s)
		}
	}
	return is
}

func (p *Policy) boundRole(b *binding, groups []string, r *Request) BoundRole {
	role := &p.roles[b.role]
	subjects := b.subjectsOf(r.User, groups)
	bound := BoundRole{Binding: b.Binding, Role: b.ref, Exists: role.exists, Subjects: subjects, Rules: role.rules}
	bound.ToEveryone = !slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
		return s.Kind != rbacv1.GroupKind || !isEveryone(s.Name)
	})
	bound.Power, bound.Reasons = PowerOf(role.rules, b.Namespace == "")
	if r.Verb == "" {
		return bound
	}
	for i := range role.rules {
		if ruleAllows(&role.rules[i], r) {
			bound.Allowing = append(bound.Allowing, role.rules[i])
		}
	}
	return bound
}
