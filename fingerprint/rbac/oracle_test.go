package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
	"pgregory.net/rapid"
)

// The vocabulary of drawn policies and requests: small, so that they meet.
var (
	drawnNamespaces = []string{"", "shop", "bank"}
	drawnRoles      = []string{"a", "b", "c"}
	drawnUsers      = []string{"ann", "bob", "system:anonymous", "system:serviceaccount:shop:bot", ""}
	drawnGroups     = []string{
		"dev", "ops", "system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:serviceaccounts:shop",
	}
)

func drawRule(t *rapid.T) rbacv1.PolicyRule {
	r := rbacv1.PolicyRule{Verbs: words(t, "verbs", 0, "get", "list", "*", "create", "impersonate")}
	if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
		r.NonResourceURLs = words(t, "url", 1, "*", "/api", "/api*", "/healthz")
		return r
	}
	r.APIGroups = words(t, "groups", 0, "", "apps", "*")
	r.Resources = words(t, "resources", 0, "*", "pods", "pods/exec", "*/exec", "secrets", "users")
	r.ResourceNames = rapid.SampledFrom([][]string{nil, nil, {"x"}, {"x", "y"}}).Draw(t, "names")
	return r
}

func drawRules(t *rapid.T) []rbacv1.PolicyRule {
	return rapid.SliceOfN(rapid.Custom(drawRule), 0, 3).Draw(t, "rules")
}

func drawSubject(t *rapid.T) rbacv1.Subject {
	switch rapid.IntRange(0, 3).Draw(t, "subject") {
	case 0:
		return user(rapid.SampledFrom(drawnUsers).Draw(t, "user"))
	case 1:
		return account(rapid.SampledFrom(drawnNamespaces).Draw(t, "namespace"), "bot")
	}
	return group(rapid.SampledFrom(drawnGroups).Draw(t, "group"))
}

func drawObjects(t *rapid.T) Objects {
	var o Objects
	many := func(label string, most int, draw func()) {
		for range rapid.IntRange(0, most).Draw(t, label) {
			draw()
		}
	}
	name := func() string { return rapid.SampledFrom(drawnRoles).Draw(t, "name") }
	namespace := func() string { return rapid.SampledFrom(drawnNamespaces).Draw(t, "namespace") }
	subjects := func() []rbacv1.Subject { return rapid.SliceOfN(rapid.Custom(drawSubject), 0, 3).Draw(t, "subjects") }
	many("roles", 3, func() {
		o.Roles = append(o.Roles, rbacv1.Role{ObjectMeta: meta(namespace(), name()), Rules: drawRules(t)})
	})
	many("cluster roles", 3, func() {
		o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{ObjectMeta: meta("", name()), Rules: drawRules(t)})
	})
	many("role bindings", 5, func() {
		kind := rapid.SampledFrom([]string{"Role", "ClusterRole"}).Draw(t, "kind")
		o.RoleBindings = append(o.RoleBindings, roleBinding(namespace(), name(), kind, name(), subjects()...))
	})
	many("cluster role bindings", 3, func() {
		o.ClusterRoleBindings = append(o.ClusterRoleBindings, clusterBinding(name(), name(), subjects()...))
	})
	return o
}

func drawRequest(t *rapid.T) Request {
	r := Request{
		User:      rapid.SampledFrom(drawnUsers).Draw(t, "user"),
		Groups:    words(t, "groups", 0, drawnGroups...),
		Verb:      rapid.SampledFrom([]string{"get", "list", "create", "delete"}).Draw(t, "verb"),
		Namespace: rapid.SampledFrom([]string{"", "shop", "bank", "default"}).Draw(t, "namespace"),
	}
	if rapid.IntRange(0, 4).Draw(t, "path") == 0 {
		r.Path = rapid.SampledFrom([]string{"/api", "/apis", "/healthz"}).Draw(t, "path")
		return r
	}
	r.APIGroup = rapid.SampledFrom([]string{"", "apps"}).Draw(t, "group")
	r.Resource = rapid.SampledFrom([]string{"pods", "secrets"}).Draw(t, "resource")
	r.Subresource = rapid.SampledFrom([]string{"", "exec"}).Draw(t, "subresource")
	r.Object = rapid.SampledFrom([]string{"", "x", "z"}).Draw(t, "object")
	return r
}

// asRule returns the rule that allows one request and nothing else.
func asRule(r *Request) rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{Verbs: []string{r.Verb}}
	if r.Resource == "" {
		rule.NonResourceURLs = []string{r.Path}
		return rule
	}
	rule.APIGroups = []string{r.APIGroup}
	rule.Resources = []string{r.Resource}
	if r.Subresource != "" {
		rule.Resources[0] += "/" + r.Subresource
	}
	if r.Object != "" {
		rule.ResourceNames = []string{r.Object}
	}
	return rule
}

// oracle answers a request the slow way: it looks at every binding and lets
// Kubernetes' own rule comparison decide what it allows.
func oracle(o *Objects, r *Request) (Answer, bool) {
	rules := map[Role][]rbacv1.PolicyRule{}
	for _, x := range o.Roles {
		rules[Role{Namespace: cmp.Or(x.Namespace, "default"), Name: x.Name}] = x.Rules
	}
	for _, x := range o.ClusterRoles {
		rules[Role{Name: x.Name}] = x.Rules
	}
	type bound struct {
		role     Role
		subjects []rbacv1.Subject
	}
	bindings := map[Binding]bound{}
	for _, x := range o.ClusterRoleBindings {
		bindings[Binding{Name: x.Name}] = bound{Role{Name: x.RoleRef.Name}, x.Subjects}
	}
	for _, x := range o.RoleBindings {
		ns := cmp.Or(x.Namespace, "default")
		role := Role{Name: x.RoleRef.Name}
		if x.RoleRef.Kind == "Role" {
			role.Namespace = ns
		}
		bindings[Binding{Namespace: ns, Name: x.Name}] = bound{role, x.Subjects}
	}
	groups := slices.Clone(r.Groups)
	if r.User != "" && !slices.Contains(groups, "system:authenticated") && !slices.Contains(groups, "system:unauthenticated") {
		switch r.User {
		case "system:anonymous":
			groups = append(groups, "system:unauthenticated")
		case "system:serviceaccount:shop:bot":
			groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:shop")
			fallthrough
		default:
			groups = append(groups, "system:authenticated")
		}
	}
	everyone := []string{"system:authenticated", "system:unauthenticated", "system:serviceaccounts"}

	var a Answer
	known := false
	var own, allowing, allowingBindings []string
	var inNamespace, clusterWide []rbacv1.PolicyRule
	for name, b := range bindings {
		bindsOwn, bindsAll := false, false
		for _, s := range b.subjects {
			switch s.Kind {
			case "User":
				bindsOwn = bindsOwn || s.Name == r.User
			case "Group":
				if slices.Contains(groups, s.Name) {
					bindsAll = bindsAll || slices.Contains(everyone, s.Name)
					bindsOwn = bindsOwn || !slices.Contains(everyone, s.Name)
				}
			case "ServiceAccount":
				ns := cmp.Or(s.Namespace, name.Namespace)
				bindsOwn = bindsOwn || ns != "" && r.User == "system:serviceaccount:"+ns+":"+s.Name
			}
		}
		if !bindsOwn && !bindsAll {
			continue
		}
		known = true
		if name.Namespace != "" && (r.Resource == "" || r.Namespace != name.Namespace) {
			continue
		}
		if bindsOwn {
			own = append(own, b.role.Key())
			if name.Namespace == "" {
				clusterWide = append(clusterWide, rules[b.role]...)
			} else {
				inNamespace = append(inNamespace, rules[b.role]...)
			}
		}
		if ok, _ := validation.Covers(rules[b.role], []rbacv1.PolicyRule{asRule(r)}); ok {
			allowing = append(allowing, b.role.Key())
			allowingBindings = append(allowingBindings, name.Namespace+"/"+name.Name)
		}
	}
	a.Key, a.Allowing, a.Allowed = JoinKeys(own), JoinKeys(allowing), len(allowing) > 0
	if a.Allowed {
		a.Binding.Namespace, a.Binding.Name, _ = strings.Cut(slices.Min(allowingBindings), "/")
	}
	if known {
		x, _ := PowerOf(inNamespace, false)
		y, _ := PowerOf(clusterWide, true)
		a.Power = x.and(y)
	}
	return a, known
}

// TestAgainstOracle holds the policy, its cache and its explanations against the
// oracle.
func TestAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObjects(t)
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		c := NewCache(p, rapid.IntRange(1, 8).Draw(t, "entries"))
		for range 20 {
			r := drawRequest(t)
			want, wantKnown := oracle(&o, &r)
			if got, known := p.Resolve(&r); got != want || known != wantKnown {
				t.Fatalf("%+v: got %+v (known %v), want %+v (%v)", r, got, known, want, wantKnown)
			}
			if got, known := c.Resolve(&r); got != want || known != wantKnown {
				t.Fatalf("%+v: the cache answers %+v (known %v), want %+v (%v)", r, got, known, want, wantKnown)
			}
			s, known := c.Standing(r.User, r.Groups, r.Namespace, r.Resource == "")
			if s != (Standing{Key: want.Key, Power: want.Power}) || known != wantKnown {
				t.Fatalf("%+v: standing %+v (known %v), want that of %+v", r, s, known, want)
			}
			checkExplanation(t, p, &r, want)
		}
	})
}

// checkExplanation checks that what the explanation lists adds up to the answer.
func checkExplanation(t *rapid.T, p *Policy, r *Request, want Answer) {
	e := p.Explain(r)
	if e.Answer != want {
		t.Fatalf("%+v: explained %+v, want %+v", *r, e.Answer, want)
	}
	power := Power{Class: ClassNone}
	var own, allowing []string
	var first *Binding
	for i := range e.Bindings {
		b := &e.Bindings[i]
		if !b.ToEveryone {
			own = append(own, b.Role.Key())
			power = power.and(b.Power)
		}
		if len(b.Allowing) > 0 {
			allowing = append(allowing, b.Role.Key())
			if first == nil {
				first = &b.Binding
			}
		}
	}
	if e.Known && power != want.Power || JoinKeys(own) != want.Key || JoinKeys(allowing) != want.Allowing {
		t.Fatalf("%+v: %+v does not add up to %+v", *r, e.Bindings, want)
	}
	if want.Allowed && *first != want.Binding {
		t.Fatalf("%+v: the first of %+v is not %+v", *r, e.Bindings, want.Binding)
	}
	all := *r
	all.Verb = ""
	inScope := p.Explain(&all)
	if got, least := len(inScope.Bindings), len(e.Bindings); got < least {
		t.Fatalf("%+v: %d bindings without a verb, %d with it", *r, got, least)
	}
	if r.Resource != "" && (inScope.Answer.Key != want.Key || inScope.Answer.Power != want.Power) {
		t.Fatalf("%+v: without a verb %+v", *r, inScope.Answer)
	}
}

func TestExplainEverything(t *testing.T) {
	p, err := New(world())
	if err != nil {
		t.Fatal(err)
	}
	explain := func(r Request) string {
		e := p.Explain(&r)
		all := []string{e.Answer.Key}
		for _, b := range e.Bindings {
			s := b.Binding.Namespace + "/" + b.Binding.Name
			if b.ToEveryone {
				s += "*"
			}
			all = append(all, fmt.Sprintf("%s %d/%d", s, len(b.Allowing), len(b.Rules)))
		}
		return strings.Join(all, ", ")
	}
	const bot = "system:serviceaccount:shop:bot"
	for _, tc := range []struct {
		r    Request
		want string
	}{
		{Request{User: bot}, ", /accounts* 0/1, /everyone* 0/1, bank/admins 0/1, shop/accounts 0/1, shop/all* 0/1, shop/editors 0/1"},
		{Request{User: bot, Namespace: "bank"}, "ClusterRole/admin, /accounts* 0/1, /everyone* 0/1, bank/admins 0/1"},
		{Request{User: bot, Verb: "get", Resource: "pods"}, ", /accounts* 0/1, /everyone* 0/1"},
		{Request{User: bot, Verb: "get", Resource: "pods", Namespace: "bank"}, "ClusterRole/admin, /accounts* 0/1, /everyone* 0/1, bank/admins 1/1"},
		{Request{User: "eve"}, "ClusterRole/gone, /dangling 0/0, /everyone* 0/1, shop/all* 0/1"},
		{Request{}, ""},
	} {
		if got := explain(tc.r); got != tc.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", tc.r, got, tc.want)
		}
	}
	var none *Policy
	if e := none.Explain(&Request{User: "u"}); e.Known || e.Bindings != nil {
		t.Errorf("a nil policy explains %+v", e)
	}
}
