package review

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/fingerprint/memo"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// decisionsHeld is how many decisions of a policy are remembered.
const decisionsHeld = 1 << 16

// pair is a binding and the role it gives: a change of either changes what the
// subject may do.
type pair struct {
	binding rbac.Binding
	role    rbac.Role
}

// snapshot is a policy that remembers what it said.
type snapshot struct {
	policy *rbac.Policy
	cache  *rbac.Cache
	said   *memo.Cache[said]
	key    []byte
}

// said is which bindings allow the requests of one kind.
type said struct {
	allowing []pair
	named    bool // it depends on the object
}

func newSnapshot(o rbac.Objects) (*snapshot, error) {
	p, err := rbac.New(o)
	if err != nil {
		return nil, fmt.Errorf("read role policy: %w", err)
	}
	return &snapshot{policy: p, cache: rbac.NewCache(p, decisionsHeld), said: memo.New[said](decisionsHeld)}, nil
}

// allowing returns all bindings that allow a request, in the order of
// [rbac.Policy.Explain]. It must not be modified.
func (s *snapshot) allowing(r *rbac.Request) []pair {
	s.key = appendRequest(s.key[:0], r)
	a, known := s.said.Get(s.key)
	if known && !a.named {
		return a.allowing
	}
	if known {
		s.key = append(s.key, r.Object...)
		if a, known = s.said.Get(s.key); known {
			return a.allowing
		}
	}
	a = s.explain(r)
	s.said.Put(s.key, a)
	return a.allowing
}

func (s *snapshot) explain(r *rbac.Request) said {
	var a said
	ex := s.policy.Explain(r)
	for i := range ex.Bindings {
		b := &ex.Bindings[i]
		a.named = a.named || namesObjects(b.Rules)
		if len(b.Allowing) > 0 {
			a.allowing = append(a.allowing, pair{b.Binding, b.Role})
		}
	}
	return a
}

// namesObjects reports whether a rule is about some objects only.
func namesObjects(rules []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return len(r.ResourceNames) > 0 })
}
