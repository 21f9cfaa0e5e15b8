package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// question is what /explain and its API are asked.
type question struct {
	tenant  string
	request rbac.Request
}

// parseQuestion reads a question from the parameters of a URL. A group may be
// a parameter of its own or a line of one; a resource may carry its
// subresource and API group as everywhere in the output ("pods/exec",
// "deployments.apps").
func parseQuestion(v url.Values) (question, error) {
	r := rbac.Request{
		User: strings.TrimSpace(v.Get("user")),
		Verb: strings.TrimSpace(v.Get("verb")), APIGroup: strings.TrimSpace(v.Get("api_group")),
		Resource: strings.TrimSpace(v.Get("resource")), Subresource: strings.TrimSpace(v.Get("subresource")),
		Namespace: strings.TrimSpace(v.Get("namespace")), Object: strings.TrimSpace(v.Get("name")),
		Path: strings.TrimSpace(v.Get("path")),
	}
	for _, group := range v["group"] {
		for line := range strings.Lines(group) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(r.Groups, line) {
				r.Groups = append(r.Groups, line)
			}
		}
	}
	var sub, group string
	r.Resource, sub, group = rbac.ParseResource(r.Resource)
	if sub != "" && r.Subresource != "" && sub != r.Subresource || group != "" && r.APIGroup != "" && group != r.APIGroup {
		return question{v.Get("tenant"), r}, errors.New("resource: it names another subresource or API group than the other fields")
	}
	r.Subresource, r.APIGroup = cmp.Or(r.Subresource, sub), cmp.Or(r.APIGroup, group)
	return question{v.Get("tenant"), r}, validate(&r)
}

// validate reports everything about a request that cannot be asked.
func validate(r *rbac.Request) error {
	var errs []error
	if r.User == "" && len(r.Groups) == 0 {
		errs = append(errs, errors.New("user: who is asked about? A user or a group is needed"))
	}
	switch {
	case r.Verb == "" && (r.Resource != "" || r.Path != ""):
		errs = append(errs, errors.New("verb: a resource or a path needs one, such as get"))
	case r.Verb != "" && r.Resource == "" && r.Path == "":
		errs = append(errs, errors.New("resource: a verb needs one, such as pods, or a path"))
	case r.Resource != "" && r.Path != "":
		errs = append(errs, errors.New("path: a request has a resource or a path, not both"))
	}
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
		errs = append(errs, fmt.Errorf("path: %q does not begin with /", r.Path))
	}
	return errors.Join(errs...)
}

// noPolicy says why there is no answer.
func noPolicy(tenant string) string {
	if tenant == "" {
		return "no role policy is in force for every tenant: name one that has its own, or configure a source of RBAC objects"
	}
	return fmt.Sprintf("no role policy is in force for the tenant %q", tenant)
}

// ask puts a question to the policy and adds the family of the answer.
func (s *site) ask(q question) (Explanation, bool) {
	e, ok := s.Roles.Explain(q.tenant, &q.request)
	if !ok {
		return Explanation{}, false
	}
	e.Groups, e.Reasons, e.Bindings = orEmpty(e.Groups), orEmpty(e.Reasons), slices.Clone(orEmpty(e.Bindings))
	e.Notes = orEmpty(e.Notes)
	for i := range e.Bindings {
		e.Bindings[i].Rules = orEmpty(e.Bindings[i].Rules)
	}
	e.Family = familyOf(s.Roles.Families(q.tenant), e.Role)
	return e, true
}

// familyOf returns the family of a role key in the first of the tenants that
// has one, nil when none has.
func familyOf(tenants []Families, role string) *FamilyRef {
	for i := range tenants {
		for j := range tenants[i].Families {
			f := &tenants[i].Families[j]
			if slices.Contains(f.Members, role) {
				return &FamilyRef{ID: f.ID, Name: f.Name, Members: len(f.Members)}
			}
		}
	}
	return nil
}
