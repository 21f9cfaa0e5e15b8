package review

import (
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Report returns what was used of every role that the policy knows.
func (u *Usage) Report(observed Span) *UsageReport {
	report := &UsageReport{
		SchemaVersion: SchemaVersion, Observed: observed, Roles: []RoleUsage{},
		Allowed: u.counts.allowed, Elsewhere: u.counts.elsewhere, Denied: u.counts.denied, Odd: u.counts.odd,
	}
	for _, info := range u.policy.Roles() {
		use := u.roles[info.Role]
		if use == nil {
			use = newRoleUse()
		}
		r := newRoleUsage(&info, use)
		r.aggregated, r.member, r.builtin = u.aggregated[info.Role], u.members[info.Role], u.builtin[info.Role]
		report.Roles = append(report.Roles, r)
	}
	slices.SortFunc(report.Roles, func(a, b RoleUsage) int { return compareUsage(&a, &b) })
	return report
}

func newRoleUsage(info *rbac.RoleInfo, use *roleUse) RoleUsage {
	r := RoleUsage{
		Role: info.Role.Key(), Power: info.Power.Class, Events: use.events, Sole: use.sole,
		LastUsed: timeOf(use.last), Bindings: []BindingUsage{}, ref: info.Role,
		Namespaces: notNil(slices.Sorted(maps.Keys(use.namespaces))),
	}
	r.compare(info.Rules, use)
	for i := range info.Bindings {
		r.Bindings = append(r.Bindings, newBindingUsage(&info.Bindings[i], use))
	}
	return r
}

func newBindingUsage(bound *rbac.RoleBound, role *roleUse) BindingUsage {
	use := role.bindings[bound.Binding]
	if use == nil {
		use = &bindingUse{}
	}
	b := BindingUsage{
		Binding: BindingName(bound.Binding), Events: use.events, Sole: use.sole, LastUsed: timeOf(use.last),
		Subjects: []SubjectUsage{},
	}
	for _, s := range bound.Subjects {
		subject := SubjectUsage{Subject: SubjectName(s, bound.Binding.Namespace)}
		if by := use.subjects[s]; by != nil {
			subject.Events, subject.LastUsed, subject.Users = by.events, timeOf(by.last), len(by.users)
		}
		b.Subjects = append(b.Subjects, subject)
	}
	return b
}

// SubjectName writes a subject of a binding in a namespace: "User/name",
// "Group/name" or "ServiceAccount/namespace/name".
func SubjectName(s rbacv1.Subject, namespace string) string {
	if s.Kind != rbacv1.ServiceAccountKind {
		return string(rbac.AppendName([]byte(s.Kind+"/"), s.Name))
	}
	if s.Namespace != "" {
		namespace = s.Namespace
	}
	name := append(rbac.AppendName([]byte("ServiceAccount/"), namespace), '/')
	return string(rbac.AppendName(name, s.Name))
}
