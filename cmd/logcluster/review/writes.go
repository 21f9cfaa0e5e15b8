package review

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// settle is how long after a write an API server may still decide by what was
// before, and how far apart the clocks of two of them may be: its informers are
// told within milliseconds, and seconds when it is loaded.
const settle = 10 * time.Second

// object names an RBAC object.
type object struct {
	binding         bool // a binding, else a role
	namespace, name string
}

func bindingObject(b rbac.Binding) object {
	return object{binding: true, namespace: b.Namespace, name: b.Name}
}
func roleObject(r rbac.Role) object { return object{namespace: r.Namespace, name: r.Name} }

// doubt is a time during which the policy at hand may not be what the API
// server decided by: from a write whose contents the log does not carry on, or
// around one that it does.
type doubt struct {
	from, to int64 // Unix nanoseconds of event time, both included
	by       *write
}

// write is a successful write to an RBAC object, kept to name it as a reason.
type write struct {
	at         int64
	user, verb string
	resource   string
}

// writes remembers the writes to RBAC objects that an audit log tells of.
type writes struct {
	doubts  map[object][]doubt
	applied uint64
	unseen  uint64
}

func newWrites() *writes { return &writes{doubts: map[object][]doubt{}} }

// add takes in an event that changed the policy, as [policy.FromEvent] sees it.
func (w *writes) add(e *fingerprint.Event, changes []rbac.Change, sighting policy.Sighting) {
	began := e.Time - max(e.Latency, 0)
	user, _ := e.Subject()
	by := &write{at: e.Time, user: strings.Clone(user), verb: strings.Clone(e.Verb), resource: strings.Clone(e.Resource.Name)}
	if sighting == policy.Unseen {
		w.unseen++
		w.doubt(objectOf(e), doubt{from: began, to: math.MaxInt64, by: by})
		return
	}
	w.applied++
	for i := range changes {
		o := changedObject(&changes[i])
		w.known(o, e.Time)
		w.doubt(o, doubt{from: began - int64(settle), to: e.Time + int64(settle), by: by})
	}
}

// objectOf names the object that an event is about. The name is empty when the
// record does not say it (generateName, deletecollection): then every object of
// the kind and namespace may be meant.
func objectOf(e *fingerprint.Event) object {
	return object{
		binding:   strings.HasSuffix(e.Resource.Name, "bindings"),
		namespace: strings.Clone(e.Resource.Namespace), name: strings.Clone(e.Resource.Object),
	}
}

func changedObject(c *rbac.Change) object {
	switch {
	case c.Role != nil:
		return object{namespace: c.Role.Namespace, name: c.Role.Name}
	case c.ClusterRole != nil:
		return object{name: c.ClusterRole.Name}
	case c.RoleBinding != nil:
		return object{binding: true, namespace: c.RoleBinding.Namespace, name: c.RoleBinding.Name}
	case c.ClusterRoleBinding != nil:
		return object{binding: true, name: c.ClusterRoleBinding.Name}
	}
	return object{}
}

// doubt enters a time of doubt, joined to the last one where they touch.
func (w *writes) doubt(o object, d doubt) {
	held := w.doubts[o]
	if n := len(held); n > 0 && held[n-1].from <= d.to && d.from <= held[n-1].to {
		held[n-1].from, held[n-1].to = min(held[n-1].from, d.from), max(held[n-1].to, d.to)
		return
	}
	w.doubts[o] = append(held, d)
}

// known ends the doubt about an object whose contents have been told.
func (w *writes) known(o object, at int64) {
	held := w.doubts[o]
	if n := len(held); n > 0 && held[n-1].to == math.MaxInt64 && held[n-1].from <= at {
		held[n-1].to = at + int64(settle)
	}
}

// at returns the write that leaves an object in doubt at a time, nil if none
// does.
func (w *writes) at(o object, t int64) *write {
	for _, name := range []string{o.name, ""} {
		o.name = name
		held := w.doubts[o]
		i := slices.IndexFunc(held, func(d doubt) bool { return d.from <= t && t <= d.to })
		if i >= 0 {
			return held[i].by
		}
	}
	return nil
}
