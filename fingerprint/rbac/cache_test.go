package rbac

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// The sizes of a large cluster.
const (
	largeBindings   = 10_000
	largeSubjects   = 5_000
	largeNamespaces = 500
	largeRoles      = 2_000
)

// large returns the objects of a large cluster: a fifth of the bindings is
// cluster-wide, every fourth is to a group, some rules name objects.
func large() Objects {
	var o Objects
	verbs := []string{"get list watch", "get list watch create update patch delete", "create", "*"}
	resources := []string{"pods pods/log services", "deployments statefulsets", "configmaps secrets", "pods/exec", "jobs cronjobs"}
	for i := range largeRoles {
		var rules []rbacv1.PolicyRule
		for j := range 5 {
			rules = append(rules, rule(verbs[(i+j)%len(verbs)], []string{"", "apps", "batch"}[(i+j)%3], resources[(i+j)%len(resources)]))
		}
		if i%20 == 0 {
			rules[0].ResourceNames = []string{"a", "b", "c"}
		}
		if i%2 == 0 {
			o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{ObjectMeta: meta("", fmt.Sprint("role-", i)), Rules: rules})
		} else {
			o.Roles = append(o.Roles, rbacv1.Role{
				ObjectMeta: meta(fmt.Sprint("team-", i%largeNamespaces), fmt.Sprint("role-", i)), Rules: rules,
			})
		}
	}
	for i := range largeBindings {
		s := largeSubject(i)
		if i%4 == 0 {
			s = group(largeGroup(i))
		}
		name := fmt.Sprint("binding-", i)
		if i%5 == 0 {
			o.ClusterRoleBindings = append(o.ClusterRoleBindings, clusterBinding(name, fmt.Sprint("role-", i%largeRoles&^1), s))
			continue
		}
		r := i % largeRoles
		kind := []string{"ClusterRole", "Role"}[r%2]
		o.RoleBindings = append(o.RoleBindings,
			roleBinding(fmt.Sprint("team-", r%largeNamespaces), name, kind, fmt.Sprint("role-", r), s))
	}
	o.ClusterRoleBindings = append(o.ClusterRoleBindings, clusterBinding("everyone", "role-0", group("system:authenticated")))
	return o
}

func largeGroup(i int) string { return fmt.Sprint("oidc:group-", i%50) }

func largeSubject(i int) rbacv1.Subject {
	i %= largeSubjects
	if i%2 == 0 {
		return account(fmt.Sprint("team-", i%largeNamespaces), fmt.Sprint("account-", i))
	}
	return user(fmt.Sprintf("user-%d@example.com", i))
}

// largeRequests returns requests of all subjects in several namespaces each, in
// an order that does not repeat a subject soon. Equal strings are one, so that
// the cost of reading the requests, which a decoder has just written, is small.
func largeRequests() []Request {
	shared := copies{strings: map[string]string{}, lists: map[string][]string{}}
	var all []Request
	for n := range 4 {
		for i := range largeSubjects {
			s := largeSubject(i)
			user, _ := subjectUser(&s, "")
			r := Request{
				User: shared.one(user), Groups: shared.list("system:authenticated", largeGroup(i), largeGroup(i+1)),
				Verb: []string{"get", "create", "patch", "list"}[(i+n)%4], APIGroup: []string{"", "apps", "batch"}[i%3],
				Resource:  []string{"pods", "deployments", "jobs"}[i%3],
				Namespace: shared.one(fmt.Sprint("team-", (i+n)%largeNamespaces)), Object: shared.one(fmt.Sprint("object-", i%100)),
			}
			if s.Kind == rbacv1.ServiceAccountKind {
				r.Groups = shared.list("system:serviceaccounts", "system:serviceaccounts:"+s.Namespace, "system:authenticated")
			}
			if i%10 == 9 {
				r.Namespace = ""
			}
			all = append(all, r)
		}
	}
	return all
}

// copies keeps one copy of strings and of lists of them.
type copies struct {
	strings map[string]string
	lists   map[string][]string
}

func (c *copies) one(s string) string {
	if _, ok := c.strings[s]; !ok {
		c.strings[s] = s
	}
	return c.strings[s]
}

func (c *copies) list(all ...string) []string {
	key := strings.Join(all, ",")
	if _, ok := c.lists[key]; !ok {
		for i := range all {
			all[i] = c.one(all[i])
		}
		c.lists[key] = all
	}
	return c.lists[key]
}

func newLarge(tb testing.TB) *Policy {
	tb.Helper()
	p, err := New(large())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestCacheDoesNotAllocate gates on the cost of warm answers.
func TestCacheDoesNotAllocate(t *testing.T) {
	requests := largeRequests()
	c := NewCache(newLarge(t), len(requests))
	allowed := 0
	for i := range requests {
		if a, known := c.Resolve(&requests[i]); !known {
			t.Fatalf("%+v is unknown", requests[i])
		} else if a.Allowed {
			allowed++
		}
	}
	if allowed < len(requests)/20 || allowed > len(requests)*19/20 {
		t.Errorf("%d of %d requests are allowed", allowed, len(requests))
	}
	i := 0
	if n := testing.AllocsPerRun(len(requests), func() {
		r := &requests[i%len(requests)]
		i++
		c.Resolve(r)
		c.Standing(r.User, r.Groups, r.Namespace, false)
	}); n != 0 {
		t.Errorf("%v allocations a warm answer", n)
	}
}

// TestCacheIsBounded floods a cache with subjects and objects that are never
// seen again.
func TestCacheIsBounded(t *testing.T) {
	c := NewCache(newLarge(t), 16)
	for i := range 1000 {
		c.Resolve(&Request{User: fmt.Sprint("u", i), Verb: "get", Path: fmt.Sprint("/", i)})
	}
	if c.scopes.Len() > 32 || c.answers.Len() > 32 {
		t.Errorf("%d scopes and %d answers", c.scopes.Len(), c.answers.Len())
	}
	none := NewCache(nil, 0)
	if a, known := none.Resolve(&Request{User: "u"}); known || a != (Answer{}) {
		t.Errorf("a cache of no policy answers %+v", a)
	}
	if s, known := none.Standing("u", nil, "", true); known || s != (Standing{}) {
		t.Errorf("a cache of no policy answers %+v", s)
	}
}

// BenchmarkCache is the cost of an event: 10,000 bindings, 5,000 subjects in
// several namespaces each. Some subjects act more often than others, by Zipf's
// law; asked in turn, the price is that of memory that no processor cache holds.
func BenchmarkCache(b *testing.B) {
	p := newLarge(b)
	requests := largeRequests()
	warm := func(b *testing.B) *Cache {
		c := NewCache(p, len(requests))
		for i := range requests {
			c.Resolve(&requests[i])
		}
		b.ReportAllocs()
		return c
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(requests)-1))
	order := make([]int, 1<<16)
	for i := range order {
		order[i] = int(zipf.Uint64())
	}
	b.Run("Standing", func(b *testing.B) {
		c := warm(b)
		for i := 0; b.Loop(); i++ {
			r := &requests[order[i%len(order)]]
			c.Standing(r.User, r.Groups, r.Namespace, false)
		}
	})
	b.Run("Resolve", func(b *testing.B) {
		c := warm(b)
		for i := 0; b.Loop(); i++ {
			c.Resolve(&requests[order[i%len(order)]])
		}
	})
	b.Run("Resolve_in_turn", func(b *testing.B) {
		c := warm(b)
		for i := 0; b.Loop(); i++ {
			c.Resolve(&requests[i%len(requests)])
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p.Resolve(&requests[i%len(requests)])
		}
	})
}

// BenchmarkNew is the cost of a change of policy.
func BenchmarkNew(b *testing.B) {
	o := large()
	s := NewSet(o)
	b.Run("New", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := New(o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("of_a_set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := New(s.Objects()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Diff", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Diff(o, o)
		}
	})
}
