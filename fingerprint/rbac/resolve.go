package rbac

import (
	"slices"
	"strings"
)

const (
	serviceAccountPrefix = "system:serviceaccount:"
	userAnonymous        = "system:anonymous"
)

// Resolve answers a request; see [Answer]. Known is whether the policy knows the
// subject at all: whether any binding in any namespace names the user or one of
// the user's groups, those of everybody included. The request is not retained.
//
// A binding to everybody never enters the key; a role that another binding gives
// to the subject in particular does, even if everybody has it.
//
// A list of groups that has system:authenticated or system:unauthenticated in it
// is complete, as the ones in audit records are. To any other, the groups that
// the user is in by its name are added: those of everybody, and those of the
// service accounts.
//
// It allocates, and takes about a microsecond for a subject with a few roles; a
// [Cache] remembers its answers.
func (p *Policy) Resolve(r *Request) (a Answer, known bool) {
	if p == nil {
		return Answer{}, false
	}
	s := p.scope(r.User, r.Groups, r.Namespace, r.clusterScope())
	return p.answer(&s, p.decide(&s, r)), s.known
}

// scope is what holds for one subject in one namespace, or cluster-wide.
type scope struct {
	Standing
	known    bool
	bindings []int32 // those that hold, everybody's included; ascending
}

// decision is what a scope's rules say of one request.
type decision struct {
	allowing string
	binding  int32 // index of the first that allows, negative when none does
}

func (p *Policy) answer(s *scope, d decision) Answer {
	a := Answer{Key: s.Key, Power: s.Power}
	if d.binding >= 0 {
		a.Allowed, a.Allowing, a.Binding = true, d.allowing, p.bindings[d.binding].Binding
	}
	return a
}

// scope collects what holds for a subject.
func (p *Policy) scope(user string, groups []string, namespace string, cluster bool) scope {
	if cluster {
		namespace = ""
	}
	c := collector{policy: p, namespace: namespace}
	c.subject(user, groups)
	s := scope{known: c.known}
	if !c.known {
		return s
	}
	s.Key, s.Power = p.standing(c.own)
	s.bindings = c.bindings()
	return s
}

// standing returns the key of the roles that bindings give, and their power.
func (p *Policy) standing(bindings []int32) (key string, power Power) {
	power.Class = ClassNone
	roles := make([]int32, 0, len(bindings))
	for _, b := range bindings {
		roles = append(roles, p.bindings[b].role)
		power = power.and(p.power(&p.bindings[b]))
	}
	slices.Sort(roles)
	return p.key(slices.Compact(roles)), power
}

// collector gathers the bindings that hold for a subject.
type collector struct {
	policy     *Policy
	namespace  string // empty: only cluster-wide bindings hold
	everywhere bool   // the bindings of all namespaces hold

	known        bool
	own, general []int32 // in no order; general ones bind everyone
}

// bindings returns what was gathered, ascending.
func (c *collector) bindings() []int32 {
	all := slices.Concat(c.own, c.general)
	slices.Sort(all)
	return slices.Compact(all)
}

// subject adds the bindings of the user and of all the user's groups.
func (c *collector) subject(user string, groups []string) {
	c.own = c.add(c.own, c.policy.users[user])
	for _, g := range groups {
		c.group(g)
	}
	for _, g := range impliedGroups(user, groups) {
		c.group(g)
	}
}

// impliedGroups returns the groups that a user is in by its name, unless the
// list is complete (impersonated service accounts may lack their groups).
func impliedGroups(user string, listed []string) []string {
	switch {
	case user == "", slices.Contains(listed, groupAuthenticated), slices.Contains(listed, groupUnauthenticated):
		return nil
	case user == userAnonymous:
		return []string{groupUnauthenticated}
	}
	groups := []string{groupAuthenticated}
	if ns, ok := ServiceAccountNamespace(user); ok {
		groups = append(groups, groupServiceAccounts, groupServiceAccounts+":"+ns)
	}
	return groups
}

func (c *collector) group(name string) {
	if isEveryone(name) {
		c.general = c.add(c.general, c.policy.groups[name])
		return
	}
	c.own = c.add(c.own, c.policy.groups[name])
}

// add appends those of a subject's bindings that hold: the cluster-wide ones,
// which come first, and those of the namespace.
func (c *collector) add(to, bindings []int32) []int32 {
	if len(bindings) == 0 {
		return to
	}
	c.known = true
	if c.everywhere {
		return append(to, bindings...)
	}
	all := c.policy.bindings
	find := func(namespace string) int {
		i, _ := slices.BinarySearchFunc(bindings, namespace, func(b int32, ns string) int {
			return strings.Compare(all[b].Namespace, ns)
		})
		return i
	}
	to = append(to, bindings[:find("\x00")]...)
	if c.namespace == "" {
		return to
	}
	for _, b := range bindings[find(c.namespace):] {
		if all[b].Namespace != c.namespace {
			break
		}
		to = append(to, b)
	}
	return to
}

// decide evaluates the rules of a scope's roles.
func (p *Policy) decide(s *scope, r *Request) decision {
	d := decision{binding: -1}
	var roles []int32 // that allow, ascending
	for _, b := range s.bindings {
		role := p.bindings[b].role
		i, found := slices.BinarySearch(roles, role)
		if !found {
			if !p.roles[role].allows(r) {
				continue
			}
			roles = slices.Insert(roles, i, role)
		}
		if d.binding < 0 {
			d.binding = b
		}
	}
	d.allowing = p.key(roles)
	return d
}

func (r *role) allows(req *Request) bool {
	for i := range r.rules {
		if ruleAllows(&r.rules[i], req) {
			return true
		}
	}
	return false
}

// key joins the keys of roles, which ascend as their indexes do.
func (p *Policy) key(roles []int32) string {
	switch len(roles) {
	case 0:
		return ""
	case 1:
		return p.roles[roles[0]].key
	}
	keys := make([]string, len(roles))
	for i, r := range roles {
		keys[i] = p.roles[r].key
	}
	return strings.Join(keys, KeySeparator)
}

// ServiceAccountNamespace returns the namespace of the service account that a
// user name stands for, and whether it stands for one.
func ServiceAccountNamespace(user string) (namespace string, ok bool) {
	rest, ok := strings.CutPrefix(user, serviceAccountPrefix)
	if !ok {
		return "", false
	}
	namespace, name, ok := strings.Cut(rest, ":")
	return namespace, ok && namespace != "" && name != ""
}
