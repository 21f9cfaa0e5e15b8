package review

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// unknownRole is the key of a subject that no role is bound to.
const unknownRole = "unknown"

// Explain tells what a policy says about a request, or, without a verb, all that
// the subject may do. It is what the API of a running logcluster answers; names
// are made safe to show, and the family is left for who knows it.
func Explain(p *rbac.Policy, r *rbac.Request) web.Explanation {
	ex := p.Explain(r)
	e := web.Explanation{
		User: safe(r.User), Groups: []string{}, Verb: safe(r.Verb), Namespace: safe(r.Namespace),
		Known: ex.Known, Role: safeText(ex.Answer.Key), Power: ex.Answer.Power.Class.String(),
		Reasons: []web.Reason{}, Notes: notes(p, r, ex.Answer.Allowed), Bindings: []web.Binding{},
	}
	for _, g := range slices.Concat(r.Groups, impliedGroups(r)) {
		e.Groups = append(e.Groups, safe(g))
	}
	if e.Role == "" {
		e.Role = unknownRole
	}
	if r.Verb != "" {
		allowed := ex.Answer.Allowed
		e.Allowed = &allowed
	}
	for i := range ex.Bindings {
		e.Bindings = append(e.Bindings, explained(&ex.Bindings[i], r.Verb != ""))
	}
	for _, reason := range reasonsOf(&ex) {
		e.Reasons = append(e.Reasons, web.Reason{Capability: reason.Capability.String(), Text: safeText(reason.Text)})
	}
	return e
}

// reasonsOf returns why the subject is powerful, the most powerful capability
// first: what the bindings give that are its own.
func reasonsOf(ex *rbac.Explanation) []rbac.Reason {
	var all []rbac.Reason
	for i := range ex.Bindings {
		if ex.Bindings[i].ToEveryone {
			continue
		}
		for _, reason := range ex.Bindings[i].Reasons {
			told := slices.ContainsFunc(all, func(r rbac.Reason) bool {
				return r.Capability == reason.Capability && r.Text == reason.Text
			})
			if !told {
				all = append(all, reason)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b rbac.Reason) int { return cmp.Compare(b.Capability, a.Capability) })
	return all
}

// explained writes one binding, with the rules that matter.
func explained(b *rbac.BoundRole, asked bool) web.Binding {
	names := make([]string, len(b.Subjects))
	for i, s := range b.Subjects {
		names[i] = SubjectName(s, b.Binding.Namespace)
	}
	out := web.Binding{
		Binding: safe(BindingName(b.Binding)), Role: safe(b.Role.Key()), Missing: !b.Exists,
		Subject: safeText(strings.Join(names, ", ")), Everybody: b.ToEveryone,
		Allows: len(b.Allowing) > 0, Rules: []web.Rule{},
	}
	rules := b.Rules
	if asked {
		rules = b.Allowing
	}
	for i := range rules {
		out.Rules = append(out.Rules, web.Rule{
			Verbs: safeAll(rules[i].Verbs), APIGroups: safeAll(rules[i].APIGroups), Resources: safeAll(rules[i].Resources),
			ResourceNames: safeAll(rules[i].ResourceNames), NonResourceURLs: safeAll(rules[i].NonResourceURLs),
		})
	}
	return out
}

func safeAll(names []string) []string {
	var all []string
	for _, n := range names {
		all = append(all, safe(n))
	}
	return all
}

// impliedGroups returns the groups that a subject is in by its name, and that
// [rbac.Policy.Resolve] adds to a list that is not complete.
func impliedGroups(r *rbac.Request) []string {
	const authenticated, unauthenticated, accounts = "system:authenticated", "system:unauthenticated", "system:serviceaccounts"
	switch {
	case r.User == "", slices.Contains(r.Groups, authenticated), slices.Contains(r.Groups, unauthenticated):
		return nil
	case r.User == "system:anonymous":
		return []string{unauthenticated}
	}
	if ns, ok := rbac.ServiceAccountNamespace(r.User); ok {
		return []string{authenticated, accounts, accounts + ":" + ns}
	}
	return []string{authenticated}
}

// mastersGroup is allowed everything before RBAC is asked.
const mastersGroup = "system:masters"

// notes tells what makes an answer misleading. Somebody who leaves the API group
// out asks about the core group, and would be told "no" of a resource that is in
// another one.
func notes(p *rbac.Policy, r *rbac.Request, allowed bool) []string {
	all := []string{}
	if slices.Contains(r.Groups, mastersGroup) {
		all = append(all, "the API server allows "+mastersGroup+" everything without asking RBAC")
	}
	if r.Verb == "" || r.Resource == "" || r.APIGroup != "" || allowed {
		return all
	}
	groups := p.GroupsOf(r.Resource)
	if slices.Contains(groups, "") {
		return all
	}
	var yes []string
	for _, g := range groups {
		other := *r
		other.APIGroup = g
		if answer, _ := p.Resolve(&other); answer.Allowed {
			yes = append(yes, r.Resource+"."+g)
		}
	}
	asked := "asked about the core API group"
	switch {
	case len(yes) > 0:
		asked += "; the answer is yes for " + strings.Join(yes, ", ")
	case len(groups) > 0:
		asked += "; the answer is no in " + strings.Join(groups, ", ") + " too"
	default:
		asked += ", in which no role names " + r.Resource + "; if it is of another one, ask about " + r.Resource + ".GROUP"
	}
	return append(all, safeText(asked))
}

// WriteExplanation writes an explanation for a person.
func WriteExplanation(w io.Writer, e *web.Explanation, r *rbac.Request) error {
	t := newTable(w)
	t.row("subject", e.User)
	t.row("groups", strings.Join(e.Groups, ", "))
	if r.Verb != "" {
		t.row("request", RequestText(r))
		t.row("answer", answerText(e))
	}
	t.row("role set", e.Role)
	t.row("power", powerText(e))
	if r.Verb == "" && r.Namespace == "" {
		t.row("", "for requests about the whole cluster; within a namespace, what is bound there joins")
	}
	if e.Family != nil {
		t.row("family", fmt.Sprintf("%s (%s, id %s)", e.Family.Name, plural(e.Family.Members, "role key"), e.Family.ID))
	}
	for i, reason := range e.Reasons {
		label := ""
		if i == 0 {
			label = "because"
		}
		t.row(label, reason.Capability+": "+reason.Text)
	}
	for _, note := range e.Notes {
		t.row("note", note)
	}
	if err := t.flush(); err != nil {
		return err
	}
	return writeBindings(w, e, r.Verb != "")
}

func answerText(e *web.Explanation) string {
	if *e.Allowed {
		return "yes"
	}
	switch {
	case !e.Known:
		return "no: no binding names the user or one of the groups"
	case len(e.Bindings) == 0:
		return "no: nothing is bound to the user in this scope"
	}
	return "no: none of the bindings below allows it"
}

func powerText(e *web.Explanation) string {
	if len(e.Bindings) == 0 {
		return "none: nothing is bound in this scope"
	}
	return e.Power
}

// writeBindings lists the bindings, those that allow the request first.
func writeBindings(w io.Writer, e *web.Explanation, asked bool) error {
	bindings := slices.Clone(e.Bindings)
	slices.SortStableFunc(bindings, func(a, b web.Binding) int {
		switch {
		case a.Allows == b.Allows:
			return 0
		case a.Allows:
			return -1
		}
		return 1
	})
	var text strings.Builder
	for i := range bindings {
		b := &bindings[i]
		fmt.Fprintf(&text, "\n%s gives %s to %s%s\n", b.Binding, b.Role, b.Subject, bindingNote(b, asked))
		for _, rule := range b.Rules {
			mark := " "
			if b.Allows {
				mark = "*"
			}
			fmt.Fprintf(&text, "  %s %s\n", mark, safeText(RuleText(&rbacv1.PolicyRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources,
				ResourceNames: rule.ResourceNames, NonResourceURLs: rule.NonResourceURLs,
			})))
		}
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write explanation: %w", err)
	}
	return nil
}

func bindingNote(b *web.Binding, asked bool) string {
	var notes []string
	switch {
	case b.Missing:
		notes = append(notes, "the role does not exist")
	case asked && b.Allows:
		notes = append(notes, "allows it")
	case asked:
		notes = append(notes, "does not allow it")
	}
	if b.Everybody {
		notes = append(notes, "everybody's: not in the role set")
	}
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, "; ") + ")"
}

// RequestText writes a request for a person: "delete pods/eviction p in
// namespace shop".
func RequestText(r *rbac.Request) string {
	if r.Resource == "" {
		return r.Verb + " " + r.Path
	}
	text := r.Verb + " " + r.Resource
	if r.Subresource != "" {
		text += "/" + r.Subresource
	}
	if r.APIGroup != "" {
		text += " of " + r.APIGroup
	}
	if r.Object != "" {
		text += " named " + r.Object
	}
	if r.Namespace != "" {
		return text + " in namespace " + r.Namespace
	}
	return text + " in the whole cluster"
}
