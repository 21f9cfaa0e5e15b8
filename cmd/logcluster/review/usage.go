package review

import (
	"cmp"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/memo"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Bounds of what a [Usage] remembers, whatever the records hold.
const (
	// maxAccesses bounds the different accesses remembered of one role. A rule
	// that was used for more is suggested as it stands.
	maxAccesses = 4096
	// maxNamed bounds the different names remembered of a role's namespaces and
	// of a group's users.
	maxNamed = 1000
	// attributionsHeld is how many kinds of request are remembered with the
	// bindings that allow them.
	attributionsHeld = 1 << 16
)

// Usage finds out what of a policy is used by the requests it is shown. A
// request counts for every binding that allows it: each of them alone would do.
// It is not safe for concurrent use.
type Usage struct {
	policy *rbac.Policy
	names  int
	roles  map[rbac.Role]*roleUse
	// aggregated are the ClusterRoles whose rules a controller writes.
	aggregated map[rbac.Role]bool
	// members are the ClusterRoles that they are made of.
	members map[rbac.Role]bool
	// builtin are the roles that the API server itself makes.
	builtin map[rbac.Role]bool

	seen   *memo.Cache[*attribution]
	key    []byte
	counts usageCounts
}

// usageCounts says what became of the events.
type usageCounts struct{ allowed, elsewhere, denied, odd uint64 }

// NewUsage returns the usage of a policy of some objects, of which nothing is used
// yet. Names is up to how many objects a
// suggestion names where the role allows all of a resource, and only few were
// ever touched one by one; with 0 it names objects only where the role does.
func NewUsage(o rbac.Objects, names int) (*Usage, error) {
	p, err := rbac.New(o)
	if err != nil {
		return nil, fmt.Errorf("read role policy: %w", err)
	}
	u := &Usage{
		policy: p, names: names, roles: map[rbac.Role]*roleUse{}, aggregated: map[rbac.Role]bool{}, members: map[rbac.Role]bool{},
		builtin: map[rbac.Role]bool{}, seen: memo.New[*attribution](attributionsHeld),
	}
	for i := range o.Roles {
		u.builtin[rbac.Role{Namespace: o.Roles[i].Namespace, Name: o.Roles[i].Name}] = isBuiltin(o.Roles[i].Labels)
	}
	for i := range o.ClusterRoles {
		u.builtin[rbac.Role{Name: o.ClusterRoles[i].Name}] = isBuiltin(o.ClusterRoles[i].Labels)
		if o.ClusterRoles[i].AggregationRule == nil {
			continue
		}
		u.aggregated[rbac.Role{Name: o.ClusterRoles[i].Name}] = true
		if err := u.aggregates(o.ClusterRoles[i].AggregationRule, o.ClusterRoles); err != nil {
			return nil, fmt.Errorf("read role policy: %w", err)
		}
	}
	return u, nil
}

// isBuiltin reports whether labels are those of an object that the API server makes
// and restores when it starts.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
func isBuiltin(labels map[string]string) bool {
	return labels["kubernetes.io/bootstrapping"] == "rbac-defaults"
}

// aggregates notes which roles a rule selects.
func (u *Usage) aggregates(rule *rbacv1.AggregationRule, roles []rbacv1.ClusterRole) error {
	for i := range rule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&rule.ClusterRoleSelectors[i])
		if err != nil {
			return err
		}
		for k := range roles {
			if selector.Matches(labels.Set(roles[k].Labels)) {
				u.members[rbac.Role{Name: roles[k].Name}] = true
			}
		}
	}
	return nil
}

// roleUse is what was done under one role.
type roleUse struct {
	events, sole uint64 // sole: no other role allows it
	last         int64
	accesses     map[access]*accessUse
	whole        map[string]bool // by ruleKey: rules that were used for too many different things
	namespaces   map[string]struct{}
	bindings     map[rbac.Binding]*bindingUse
}

// bindingUse is what was done by one binding.
type bindingUse struct {
	events, sole uint64 // sole: no other binding allows it
	last         int64
	subjects     map[rbacv1.Subject]*subjectUse
}

// subjectUse is what was done by one subject of a binding.
type subjectUse struct {
	events uint64
	last   int64
	users  map[string]struct{}
}

// access is something that was done, as a rule would grant it. The object's
// name is there only where every rule that allows it names objects.
type access struct {
	verb, group, resource, name string
	path                        string // of a request without a resource
}

// accessUse counts an access.
type accessUse struct {
	events uint64
	// names are the objects it was about, as long as they are few; nameless says
	// that it can't be told by name.
	names    map[string]struct{}
	nameless bool
}

// attribution is what requests of one kind count for.
type attribution struct {
	roles    []*roleUse
	bindings []*bindingUse
	subjects []*subjectUse
	accesses []*accessUse
	named    bool // it depends on the object
}

// Add takes in an event. A request that was refused uses nothing; one that
// failed for another reason was allowed before it failed.
func (u *Usage) Add(e *fingerprint.Event) {
	r := e.Request()
	switch {
	case e.Decision == fingerprint.DecisionForbid:
		u.counts.denied++
		return
	case odd(&r):
		u.counts.odd++
		return
	}
	a := u.attribution(&r)
	if len(a.bindings) == 0 {
		u.counts.elsewhere++
		return
	}
	u.counts.allowed++
	for _, role := range a.roles {
		role.events++
		role.last = max(role.last, e.Time)
		if len(a.roles) == 1 {
			role.sole++
		}
	}
	for _, b := range a.bindings {
		b.events++
		b.last = max(b.last, e.Time)
		if len(a.bindings) == 1 {
			b.sole++
		}
	}
	for _, s := range a.subjects {
		s.events++
		s.last = max(s.last, e.Time)
	}
	for _, use := range a.accesses {
		use.events++
		u.name(use, &r)
	}
}

// odd reports whether a request names something "*". Nothing is called so; in a
// suggestion it would mean everything.
func odd(r *rbac.Request) bool {
	return r.Verb == "*" || strings.Contains(r.APIGroup, "*") || strings.Contains(r.Resource, "*") ||
		strings.Contains(r.Subresource, "*") || strings.Contains(r.Path, "*")
}

// name remembers the object of an access while a suggestion may name it.
func (u *Usage) name(use *accessUse, r *rbac.Request) {
	if use.nameless {
		return
	}
	if r.Object == "" || !byName(r.Verb) {
		use.nameless, use.names = true, nil
		return
	}
	if _, known := use.names[r.Object]; known {
		return
	}
	if len(use.names) == u.names {
		use.nameless, use.names = true, nil
		return
	}
	use.names[strings.Clone(r.Object)] = struct{}{}
}

// byName reports whether a verb acts on one object that can be told by its name
// before: what is created or listed can't be.
func byName(verb string) bool {
	switch verb {
	case "get", "update", "patch", "delete":
		return true
	}
	return false
}

// attribution returns what a request counts for.
func (u *Usage) attribution(r *rbac.Request) *attribution {
	u.key = appendRequest(u.key[:0], r)
	a, known := u.seen.Get(u.key)
	if known && !a.named {
		return a
	}
	if !known {
		a = u.attribute(r)
		u.seen.Put(u.key, a)
	}
	if !a.named {
		return a
	}
	u.key = append(u.key, 1)
	u.key = append(u.key, r.Object...)
	if a, known = u.seen.Get(u.key); !known {
		a = u.attribute(r)
		u.seen.Put(u.key, a)
	}
	return a
}

// appendRequest spells all of a request but the object's name.
func appendRequest(key []byte, r *rbac.Request) []byte {
	field := func(s string) {
		key = append(key, s...)
		key = append(key, 0xff) // in no text that is UTF-8, as the decoder's is
	}
	field(r.User)
	for _, g := range r.Groups {
		field(g)
	}
	field("")
	for _, s := range [...]string{r.Verb, r.APIGroup, r.Resource, r.Subresource, r.Namespace, r.Path} {
		field(s)
	}
	return key
}

// accessOf returns the access of a request, with its object where named.
func accessOf(r *rbac.Request, named bool) access {
	a := access{verb: r.Verb, group: r.APIGroup, resource: r.Resource, path: r.Path}
	if r.Subresource != "" {
		a.resource += "/" + r.Subresource
	}
	if named {
		a.name = r.Object
	}
	return a
}

func (a access) clone() access {
	return access{
		verb: strings.Clone(a.verb), group: strings.Clone(a.group), resource: strings.Clone(a.resource),
		name: strings.Clone(a.name), path: strings.Clone(a.path),
	}
}

// rule returns the rule that grants just this access.
func (a access) rule() rbacv1.PolicyRule {
	if a.resource == "" {
		return rbacv1.PolicyRule{Verbs: []string{a.verb}, NonResourceURLs: []string{a.path}}
	}
	r := rbacv1.PolicyRule{Verbs: []string{a.verb}, APIGroups: []string{a.group}, Resources: []string{a.resource}}
	if a.name != "" {
		r.ResourceNames = []string{a.name}
	}
	return r
}

func (a access) compare(b access) int {
	return cmp.Or(
		cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource), cmp.Compare(a.name, b.name),
		cmp.Compare(a.path, b.path), cmp.Compare(a.verb, b.verb),
	)
}
