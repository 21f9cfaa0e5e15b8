package review

import (
	"fmt"
	"io"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
)

// WriteText writes the report for a person: a line for each bound role, what of
// it is not used, then a word about what is not listed. Rules says how many
// rules of a kind are written for a role; the rest is counted.
func (u *UsageReport) WriteText(w io.Writer, rules int) error {
	var text strings.Builder
	fmt.Fprintf(&text, "Observed from %s to %s (%s): %s,\n%s of them allowed by a binding of these objects, %s elsewhere, %s denied.\n",
		u.Observed.From.Format(time.DateTime), u.Observed.To.Format(time.DateTime), u.Observed.Duration().Round(time.Second),
		plural(u.Observed.Events, "request"), thousands(u.Allowed), thousands(u.Elsewhere), thousands(u.Denied))
	if u.Odd > 0 {
		fmt.Fprintf(&text, "%s asked for something called \"*\" and are left out.\n", thousands(u.Odd))
	}
	unbound := 0
	for i := range u.Roles {
		if len(u.Roles[i].Bindings) == 0 {
			unbound++
			continue
		}
		u.Roles[i].write(&text, rules)
	}
	if unbound > 0 {
		fmt.Fprintf(&text, "\n%s without any binding not shown: nobody can use them.\n", plural(unbound, "role"))
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// write writes one role in a paragraph.
func (r *RoleUsage) write(text *strings.Builder, rules int) {
	fmt.Fprintf(text, "\n%s (%s): ", safe(r.Role), r.Power)
	if r.Events == 0 {
		fmt.Fprintf(text, "never used\n")
	} else {
		fmt.Fprintf(text, "%d of %d permissions used, by %s, %s\n", r.Used, r.Granted, plural(r.Events, "request"), r.alone())
	}
	writeRules(text, "unused", r.Unused, rules)
	writeRules(text, "used", r.UsedRules, rules)
	for i := range r.Wildcards {
		if w := &r.Wildcards[i]; r.Events > 0 {
			fmt.Fprintf(text, "  wildcard %s: %s\n", safeText(RuleText(&w.Rule)), usedOf(w))
		}
	}
	for i := range r.Bindings {
		r.Bindings[i].write(text)
	}
}

// write writes who used a binding, and who did not.
func (b *BindingUsage) write(text *strings.Builder) {
	switch {
	case len(b.Subjects) == 0:
		fmt.Fprintf(text, "  %s: names nobody\n", safe(b.Binding))
		return
	case b.Events == 0:
		fmt.Fprintf(text, "  %s: never used\n", safe(b.Binding))
	default:
		fmt.Fprintf(text, "  %s: %s, %s of which no other binding allows, last %s\n",
			safe(b.Binding), plural(b.Events, "request"), thousands(b.Sole), clock(b.LastUsed))
	}
	for i := range b.Subjects {
		s := &b.Subjects[i]
		if i == maxSubjects {
			fmt.Fprintf(text, "    and %s more\n", plural(len(b.Subjects)-i, "subject"))
			return
		}
		fmt.Fprintf(text, "    %s: %s\n", safe(s.Subject), s.amount())
	}
}

// maxSubjects is how many subjects of a binding a text names.
const maxSubjects = 8

// amount says how much a subject used a binding.
func (s *SubjectUsage) amount() string {
	switch {
	case s.Events == 0:
		return "never"
	case s.Users > 1:
		return plural(s.Events, "request") + " of " + plural(s.Users, "user")
	}
	return plural(s.Events, "request")
}

// alone says how many requests need the role.
func (r *RoleUsage) alone() string {
	if r.Sole == 0 {
		return "all of which other roles allow too: it could go"
	}
	return thousands(r.Sole) + " of which no other role allows"
}

func usedOf(w *WildcardUsage) string {
	if len(w.Used) == 0 {
		return "nothing used"
	}
	return plural(len(w.Used), "rule") + " would do"
}

// writeRules writes the first rules of a list, each on a line.
func writeRules(text *strings.Builder, label string, list []rbacv1.PolicyRule, limit int) {
	for i := range list {
		if i == limit {
			fmt.Fprintf(text, "         and %d more\n", len(list)-limit)
			return
		}
		fmt.Fprintf(text, "  %-6s %s\n", label, safeText(RuleText(&list[i])))
		label = ""
	}
}
