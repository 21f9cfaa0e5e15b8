package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// How much of an explanation the page draws; the API gives all.
const (
	maxBindings = 200
	maxRules    = 50
)

// verbs are offered to who asks.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate"}

// explainView is the page that answers who may do what.
type explainView struct {
	layout
	Verbs    []string
	Tenants  []string // those with a policy of their own
	Asked    asked
	Problems []string
	Answer   *answerView // nil when nothing was asked, or there is no answer
	JSON     string      // the same question to the API
}

// asked is what the form is filled with.
type asked struct{ Tenant, User, Groups, Namespace, Verb, Resource, APIGroup, Name, Path string }

type answerView struct {
	Question      string
	Scope         string // of the role and its power, where it is not that of the question
	Verdict, Mark string // Mark is yes or no; both empty when there is none
	Hint          string
	Role, Power   string
	Reasons       []string
	Groups, Notes []string
	Family        *familyLink
	Count         string
	Bindings      []bindingView
	More          int
}

// familyLink leads to a family. Shared says that it has several roles.
type familyLink struct {
	ID, Name, Size string
	Shared         bool
}

func newFamilyLink(f *FamilyRef) *familyLink {
	if f == nil {
		return nil
	}
	return &familyLink{f.ID, spaced(f.Name), plural(f.Members, "role", "roles"), f.Members > 1}
}

type bindingView struct {
	Binding, Role, Subject     string
	Allows, Everybody, Missing bool
	Rules                      []ruleView
	More                       int
}

type ruleView struct{ Verbs, What, Only string }

func (s *site) explainPage(w http.ResponseWriter, r *http.Request) {
	now := s.Now().UTC()
	values := r.URL.Query()
	v := explainView{
		layout: newLayout("/explain", s.Source.Status().Version, s.refresh, now), Verbs: verbs,
		JSON: "/api/v1/explain?" + values.Encode(),
	}
	for _, p := range s.Roles.Policies("") {
		if p.Tenant != "" {
			v.Tenants = append(v.Tenants, p.Tenant)
		}
	}
	q, err := parseQuestion(values)
	v.Asked = asked{
		q.tenant, q.request.User, strings.Join(q.request.Groups, "\n"), q.request.Namespace, q.request.Verb,
		joined(q.request.Resource, "/", q.request.Subresource), q.request.APIGroup, q.request.Object, q.request.Path,
	}
	if v.Asked == (asked{Tenant: q.tenant}) {
		s.draw(w, "explain", v)
		return
	}
	if err != nil {
		v.Problems = strings.Split(err.Error(), "\n")
	} else if e, ok := s.ask(q); ok {
		v.Answer = newAnswerView(&q, &e)
	} else {
		v.Problems = []string{noPolicy(q.tenant)}
	}
	s.draw(w, "explain", v)
}

func newAnswerView(q *question, e *Explanation) *answerView {
	v := &answerView{Question: sentence(q, e), Role: spaced(e.Role), Power: e.Power, Groups: e.Groups, Notes: e.Notes}
	if e.Allowed != nil {
		v.Verdict, v.Mark = "no", "no"
		if *e.Allowed {
			v.Verdict, v.Mark = "yes", "yes"
		}
	}
	if q.request.Verb == "" && q.request.Namespace == "" {
		v.Scope = "in cluster-wide requests; name a namespace for the role in it"
	}
	if len(q.request.Groups) == 0 && !strings.HasPrefix(q.request.User, "system:serviceaccount:") {
		v.Hint = "Groups come with who was authenticated and are not in the policy: name the user's, or only what is bound to the user by name is found."
	}
	if !e.Known {
		v.Hint = strings.TrimSpace("No binding names this subject. " + v.Hint)
	}
	for _, r := range e.Reasons {
		v.Reasons = append(v.Reasons, r.Text)
	}
	v.Family = newFamilyLink(e.Family)
	allowing := 0
	for i := range e.Bindings {
		if e.Bindings[i].Allows {
			allowing++
		}
	}
	v.Count = "Bound by " + plural(len(e.Bindings), "binding", "bindings")
	if e.Allowed != nil {
		v.Count += fmt.Sprintf(", of which %d %s it", allowing, map[bool]string{true: "allows", false: "allow"}[allowing == 1])
	}
	// What allows comes first: it is what was asked for.
	sorted := slices.Clone(e.Bindings)
	slices.SortStableFunc(sorted, func(a, b Binding) int { return order(b.Allows) - order(a.Allows) })
	shown := sorted[:min(len(sorted), maxBindings)]
	v.More = len(sorted) - len(shown)
	for i := range shown {
		v.Bindings = append(v.Bindings, newBindingView(&shown[i]))
	}
	return v
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sentence repeats the question.
func sentence(q *question, e *Explanation) string {
	r := &q.request
	who := r.User
	if who == "" {
		who = "a member of " + strings.Join(r.Groups, ", ")
	}
	where := " in the whole cluster"
	if r.Namespace != "" {
		where = " in " + r.Namespace
	}
	switch {
	case r.Verb == "" && r.Namespace == "":
		return "What " + who + " may do, wherever it is"
	case r.Verb == "":
		return "What " + who + " may do" + where + " and in the whole cluster"
	}
	if r.Path != "" {
		return "May " + who + " " + r.Verb + " " + r.Path + "?"
	}
	what := joined(joined(r.Resource, "/", r.Subresource), ".", r.APIGroup)
	return "May " + who + " " + r.Verb + " " + joined(what, " ", r.Object) + where + "?"
}

func newBindingView(b *Binding) bindingView {
	v := bindingView{Binding: b.Binding, Role: b.Role, Subject: b.Subject, Allows: b.Allows, Everybody: b.Everybody, Missing: b.Missing}
	shown := b.Rules[:min(len(b.Rules), maxRules)]
	v.More = len(b.Rules) - len(shown)
	for i := range shown {
		v.Rules = append(v.Rules, newRuleView(&shown[i]))
	}
	return v
}

// newRuleView says a rule: verbs, what they may be done to, and to which names
// only.
func newRuleView(r *Rule) ruleView {
	v := ruleView{Verbs: strings.Join(r.Verbs, ", "), Only: strings.Join(r.ResourceNames, ", ")}
	what := strings.Join(r.Resources, ", ")
	var groups []string
	for _, g := range r.APIGroups {
		if g == "" {
			g = "core"
		}
		groups = append(groups, g)
	}
	if len(groups) > 0 && !(len(groups) == 1 && groups[0] == "core") {
		what += " (" + strings.Join(groups, ", ") + ")"
	}
	v.What = joined(what, "; ", strings.Join(r.NonResourceURLs, ", "))
	return v
}

// joined joins what is not empty.
func joined(a, by, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + by + b
}

// explainLink is where a subject of a tenant is explained.
func explainLink(tenant, user string) string {
	return "/explain?" + url.Values{"tenant": {tenant}, "user": {user}}.Encode()
}
