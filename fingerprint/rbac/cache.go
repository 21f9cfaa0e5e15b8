package rbac

import (
	"encoding/binary"

	"github.com/logcluster/logcluster/fingerprint/memo"
)

// Cache answers what a [Policy] answers, and remembers: an answer that it has
// given lately costs no allocation and one look into one map (BenchmarkCache).
// It is not safe for concurrent use: every goroutine has its own. A new policy
// wants a new cache.
type Cache struct {
	policy  *Policy
	scopes  *memo.Cache[*scope]
	answers *memo.Cache[remembered]
	key     []byte // scratch space
}

// remembered is what was answered, and whether the policy knew the subject.
type remembered struct {
	answer Answer
	known  bool
}

// NewCache returns a cache over a policy, which may be nil, that remembers at
// least the entries subjects (each in one namespace) used last and as many
// answers, and at most twice as many. Values below 1 count as 1. An entry takes
// about 300 bytes with the names of a usual subject.
func NewCache(p *Policy, entries int) *Cache {
	return &Cache{
		policy:  p,
		scopes:  memo.New[*scope](entries),
		answers: memo.New[remembered](entries),
	}
}

// Standing returns what holds for a subject in a namespace, or in requests that
// have none (clusterScope, or an empty namespace), and whether the policy knows
// the subject; see [Policy.Resolve]. The arguments are not retained.
func (c *Cache) Standing(user string, groups []string, namespace string, clusterScope bool) (Standing, bool) {
	if c.policy == nil {
		return Standing{}, false
	}
	s := c.scope(user, groups, namespace, clusterScope)
	return s.Standing, s.known
}

// Resolve answers a request as [Policy.Resolve] does.
func (c *Cache) Resolve(r *Request) (Answer, bool) {
	if c.policy == nil {
		return Answer{}, false
	}
	cluster := r.clusterScope()
	c.key = c.policy.appendRequestKey(appendScopeKey(c.key[:0], r.User, r.Groups, r.Namespace, cluster), r)
	a, ok := c.answers.Get(c.key)
	if !ok {
		s := c.scope(r.User, r.Groups, r.Namespace, cluster)
		a.answer, a.known = c.policy.answer(s, c.policy.decide(s, r)), s.known
		c.key = c.policy.appendRequestKey(appendScopeKey(c.key[:0], r.User, r.Groups, r.Namespace, cluster), r)
		c.answers.Put(c.key, a)
	}
	return a.answer, a.known
}

func (c *Cache) scope(user string, groups []string, namespace string, cluster bool) *scope {
	c.key = appendScopeKey(c.key[:0], user, groups, namespace, cluster)
	s, ok := c.scopes.Get(c.key)
	if !ok {
		resolved := c.policy.scope(user, groups, namespace, cluster)
		s = &resolved
		c.scopes.Put(c.key, s)
	}
	return s
}

// appendScopeKey appends what a scope depends on.
func appendScopeKey(b []byte, user string, groups []string, namespace string, cluster bool) []byte {
	b = appendField(b, user)
	b = binary.AppendUvarint(b, uint64(len(groups)))
	for _, g := range groups {
		b = appendField(b, g)
	}
	if cluster {
		namespace = ""
	}
	return appendField(b, namespace)
}

// appendRequestKey appends what a decision depends on beside the scope: the
// object's name only where some rule of the policy names objects.
func (p *Policy) appendRequestKey(b []byte, r *Request) []byte {
	b = appendField(b, r.Verb)
	b = appendField(b, r.Resource)
	if r.Resource == "" {
		return append(b, r.Path...)
	}
	b = appendField(b, r.APIGroup)
	b = appendField(b, r.Subresource)
	if p.named.matters(r.Resource) {
		b = append(b, r.Object...)
	}
	return b
}

// appendField appends a field preceded by its length, so that no two lists of
// fields come out the same.
func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
