package rbac

import (
	"encoding/binary"

	"github.com/logcluster/logcluster/fingerprint/memo"
)

// Cache answers what a [Policy] answers, and remembers: an answer that it has
// given lately costs no allocation and about 0.2 µs (BenchmarkCache). It is not
// safe for concurrent use: every goroutine has its own. A new policy wants a
// new cache.
type Cache struct {
	policy    *Policy
	scopes    *memo.Cache[*remembered]
	decisions *memo.Cache[decision]

	scopesSeen uint64 // gives every remembered scope another id
	key        []byte // scratch space
}

// remembered is a scope and the id under which its decisions are remembered.
type remembered struct {
	scope
	id uint64
}

// NewCache returns a cache over a policy, which may be nil, that remembers at
// least the entries subjects (each in one namespace) used last and as many
// decisions, and at most twice as many. Values below 1 count as 1. An entry takes
// about 300 bytes with the names of a usual subject.
func NewCache(p *Policy, entries int) *Cache {
	return &Cache{
		policy:    p,
		scopes:    memo.New[*remembered](entries),
		decisions: memo.New[decision](entries),
	}
}

// Standing returns what holds for a subject in a namespace, or in requests that
// have none (clusterScope, or an empty namespace), and whether the policy knows
// the subject; see [Resolver]. The arguments are not retained.
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
	s := c.scope(r.User, r.Groups, r.Namespace, r.clusterScope())
	c.key = appendDecisionKey(c.key[:0], s, r)
	d, ok := c.decisions.Get(c.key)
	if !ok {
		d = c.policy.decide(&s.scope, r)
		c.decisions.Put(c.key, d)
	}
	return c.policy.answer(&s.scope, d), s.known
}

func (c *Cache) scope(user string, groups []string, namespace string, cluster bool) *remembered {
	key := appendField(c.key[:0], user)
	key = binary.AppendUvarint(key, uint64(len(groups)))
	for _, g := range groups {
		key = appendField(key, g)
	}
	if !cluster {
		key = append(key, namespace...) // an empty one is the cluster's
	}
	c.key = key
	s, ok := c.scopes.Get(key)
	if !ok {
		c.scopesSeen++
		s = &remembered{scope: c.policy.scope(user, groups, namespace, cluster), id: c.scopesSeen}
		c.scopes.Put(key, s)
	}
	return s
}

// appendDecisionKey appends what a decision depends on: the object's name only
// where some rule names objects.
func appendDecisionKey(b []byte, s *remembered, r *Request) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.id)
	b = appendField(b, r.Verb)
	b = appendField(b, r.Resource)
	if r.Resource == "" {
		return append(b, r.Path...)
	}
	b = appendField(b, r.APIGroup)
	b = appendField(b, r.Subresource)
	if s.named {
		b = append(b, r.Object...)
	}
	return b
}

// appendField appends a field preceded by its length, so that no two lists of
// fields come out the same.
func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
