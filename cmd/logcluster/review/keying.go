package review

import (
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Keying says into how many groups one way of naming who acted divides the
// events.
type Keying struct {
	// Name is all_bound_roles (how logcluster groups), allowing_roles,
	// annotation or user.
	Name string `json:"name"`
	// Keys is how many different keys there are.
	Keys int `json:"keys"`
	// Median and Max are events a key.
	Median float64 `json:"median"`
	Max    uint64  `json:"max"`
	// Unkeyed are the events for which this way has no key: subjects that no
	// binding but everybody's names, denied requests, requests that RBAC did not
	// decide.
	Unkeyed uint64 `json:"unkeyed"`
}

// keying counts the events of each key.
type keying struct {
	name    string
	events  map[string]*uint64
	unkeyed uint64
}

// add counts one event. The key is cloned if it is kept.
func (k *keying) add(key string) {
	if key == "" {
		k.unkeyed++
		return
	}
	n, known := k.events[key]
	if !known {
		n = new(uint64)
		k.events[strings.Clone(key)] = n
	}
	*n++
}

func (k *keying) report() Keying {
	r := Keying{Name: k.name, Keys: len(k.events), Unkeyed: k.unkeyed}
	counts := make([]uint64, 0, len(k.events))
	for _, n := range k.events {
		counts = append(counts, *n)
	}
	if len(counts) == 0 {
		return r
	}
	slices.Sort(counts)
	r.Max = counts[len(counts)-1]
	middle := len(counts) / 2
	r.Median = float64(counts[middle])
	if len(counts)%2 == 0 {
		r.Median = (float64(counts[middle-1]) + float64(counts[middle])) / 2
	}
	return r
}

// keyings compares four ways of naming who acted.
type keyings struct {
	bound, allowing, annotation, user keying
	// roleKeys remembers the keys of roles, which are spelled anew otherwise.
	roleKeys map[rbac.Role]string
}

func newKeyings() *keyings {
	way := func(name string) keying { return keying{name: name, events: map[string]*uint64{}} }
	return &keyings{
		bound: way("all_bound_roles"), allowing: way("allowing_roles"),
		annotation: way("annotation"), user: way("user"),
		roleKeys: map[rbac.Role]string{},
	}
}

// add counts an event by what the policy answers and, where there is a grant,
// by what the authorizer wrote.
func (k *keyings) add(user string, a *rbac.Answer, grant *rbac.Grant) {
	k.bound.add(a.Key)
	k.allowing.add(a.Allowing)
	annotated := ""
	if grant != nil && !grant.ToEveryone() {
		annotated = k.roleKey(grant.Role)
	}
	k.annotation.add(annotated)
	k.user.add(user)
}

func (k *keyings) roleKey(r rbac.Role) string {
	key, known := k.roleKeys[r]
	if !known {
		key = r.Key()
		k.roleKeys[rbac.Role{Namespace: strings.Clone(r.Namespace), Name: strings.Clone(r.Name)}] = key
	}
	return key
}

func (k *keyings) report() []Keying {
	return []Keying{k.bound.report(), k.allowing.report(), k.annotation.report(), k.user.report()}
}
