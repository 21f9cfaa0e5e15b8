package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// Bounds of what a [Verifier] remembers, whatever the records hold.
const (
	// maxGroups bounds the different disagreements that are listed.
	maxGroups = 10_000
	// maxWaiting bounds the disagreements that wait for the end of the log, where
	// it is known what explains them.
	maxWaiting = 1 << 17
)

// Verifier compares what the API server wrote of its decisions with what RBAC
// objects say. It is not safe for concurrent use.
//
// An event that the RBAC authorizer allowed names the binding that did it. Any
// allowing binding would do as well, and the authorizer stops at the first it
// finds, so it agrees when the binding is one of all that allow the request. A
// refused event agrees when no binding allows it. What other authorizers allow
// (the node authorizer, webhooks, system:masters) has another reason or none, and
// is not compared.
type Verifier struct {
	now  *snapshot
	end  *snapshot // nil without a snapshot of the end
	set  *rbac.Set
	held map[rbac.Binding]bool

	writes  *writes
	keyings *keyings
	counts  verifyCounts
	groups  map[groupKey]*group
	waiting []waiting
}

// verifyCounts says what became of the events.
type verifyCounts struct {
	annotated, agreed, unknownBinding, notAllowing uint64
	denied, deniedButAllowed                       uint64
	elsewhere                                      uint64
	explained, unexplained, unexplainedDenied      uint64
}

// NewVerifier returns a verifier of the objects as they were at the start of the
// log and, where it is not nil, at its end.
func NewVerifier(start rbac.Objects, end *rbac.Objects) (*Verifier, error) {
	now, err := newSnapshot(start)
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		now: now, set: rbac.NewSet(start), held: map[rbac.Binding]bool{},
		writes: newWrites(), keyings: newKeyings(), groups: map[groupKey]*group{},
	}
	v.hold()
	if end != nil {
		if v.end, err = newSnapshot(*end); err != nil {
			return nil, fmt.Errorf("snapshot of the end: %w", err)
		}
	}
	return v, nil
}

// hold notes which bindings there are.
func (v *Verifier) hold() {
	clear(v.held)
	o := v.set.Objects()
	for i := range o.ClusterRoleBindings {
		v.held[rbac.Binding{Name: o.ClusterRoleBindings[i].Name}] = true
	}
	for i := range o.RoleBindings {
		v.held[rbac.Binding{Namespace: o.RoleBindings[i].Namespace, Name: o.RoleBindings[i].Name}] = true
	}
}

// Add takes in an event. The error is that of a policy which the event changed to
// something that no API server would hold.
func (v *Verifier) Add(e *fingerprint.Event) error {
	if changes, sighting := policy.FromEvent(e); sighting != policy.NoChange {
		v.writes.add(e, changes, sighting)
		if err := v.apply(changes); err != nil {
			return fmt.Errorf("apply what event %s wrote: %w", safe(e.ID), err)
		}
	}
	r := e.Request()
	a, _ := v.now.cache.Resolve(&r)
	grant, annotated := rbacGrant(e)
	if e.Decision == fingerprint.DecisionForbid {
		v.keyings.add(r.User, &a, nil)
		v.refused(e, &r)
		return nil
	}
	if !annotated {
		v.keyings.add(r.User, &a, nil)
		v.counts.elsewhere++
		return nil
	}
	v.keyings.add(r.User, &a, &grant)
	v.allowed(e, &r, &grant)
	return nil
}

// apply changes the objects and the policy.
func (v *Verifier) apply(changes []rbac.Change) error {
	changed := false
	for _, c := range changes {
		changed = v.set.Apply(c) || changed
	}
	if !changed {
		return nil
	}
	now, err := newSnapshot(v.set.Objects())
	if err != nil {
		return err
	}
	v.now = now
	v.hold()
	return nil
}

// rbacGrant returns the binding by which the RBAC authorizer allowed an event.
func rbacGrant(e *fingerprint.Event) (rbac.Grant, bool) {
	if e.Decision != fingerprint.DecisionAllow || !strings.HasPrefix(e.Reason, "RBAC: ") {
		return rbac.Grant{}, false
	}
	return rbac.ParseReason(e.Reason)
}

// refused compares an event that the API server refused.
func (v *Verifier) refused(e *fingerprint.Event, r *rbac.Request) {
	v.counts.denied++
	concerned := v.now.allowing(r)
	if len(concerned) == 0 {
		return
	}
	v.counts.deniedButAllowed++
	v.disagree(e, r, DeniedButAllowed, concerned, v.end != nil && len(v.end.allowing(r)) == 0)
}

// allowed compares an event that the API server allowed by a binding.
func (v *Verifier) allowed(e *fingerprint.Event, r *rbac.Request, g *rbac.Grant) {
	v.counts.annotated++
	by := pair{rbac.Binding{Namespace: g.BindingNamespace, Name: g.Binding}, g.Role}
	if slices.Contains(v.now.allowing(r), by) {
		v.counts.agreed++
		return
	}
	kind := NotAllowing
	if v.held[by.binding] {
		v.counts.notAllowing++
	} else {
		kind = UnknownBinding
		v.counts.unknownBinding++
	}
	v.disagree(e, r, kind, []pair{by}, v.end != nil && slices.Contains(v.end.allowing(r), by))
}
