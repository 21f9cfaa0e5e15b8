package review

import (
	"math"
	"strings"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// The kinds of disagreement between an API server and a policy.
const (
	// UnknownBinding: the API server allowed a request by a binding that the
	// policy does not hold.
	UnknownBinding = "unknown_binding"
	// NotAllowing: it allowed a request by a binding that, as the policy holds it
	// and its role, does not allow it.
	NotAllowing = "not_allowing"
	// DeniedButAllowed: it refused a request that the policy allows.
	DeniedButAllowed = "denied_but_allowed"
)

// groupKey tells disagreements apart that are listed: by kind, subject and
// bindings.
type groupKey struct{ kind, user, concerned string }

// group is a disagreement that happened once or more.
type group struct {
	kind, user             string
	concerned              []pair
	explained, unexplained uint64
	first, last            int64
	example                example // unexplained if there is any
	why                    string
}

// example is one event of a group.
type example struct{ id, request string }

// waiting is an event that waits for what explains it.
type waiting struct {
	group     *group // nil when too many are listed: it is counted only
	denied    bool   // denied_but_allowed
	atEnd     bool   // the snapshot of the end agrees with the log
	concerned []pair
	time      int64
	example   example
}

// disagree enters a disagreement about some bindings. It is explained if the
// snapshot of the end agrees, or by a write to what is concerned, which may come
// later in the log: lines are not quite in the order of their times.
func (v *Verifier) disagree(e *fingerprint.Event, r *rbac.Request, kind string, concerned []pair, atEnd bool) {
	g := v.group(r.User, kind, concerned)
	ex := example{strings.Clone(e.ID), strings.Clone(RequestText(r))}
	if g != nil {
		concerned = g.concerned
		g.first, g.last = min(g.first, e.Time), max(g.last, e.Time)
		if g.example.id == "" {
			g.example = ex
		}
	} else {
		concerned = clonePairs(concerned)
	}
	v.waiting = append(v.waiting, waiting{
		group: g, denied: kind == DeniedButAllowed, atEnd: atEnd, concerned: concerned, time: e.Time, example: ex,
	})
	if len(v.waiting) == maxWaiting {
		v.judge()
	}
}

// group returns the group of a disagreement, nil when there are too many.
func (v *Verifier) group(user, kind string, concerned []pair) *group {
	var names strings.Builder
	for _, c := range concerned {
		names.WriteString(BindingName(c.binding) + "=" + c.role.Key() + ",")
	}
	key := groupKey{kind, user, names.String()}
	g := v.groups[key]
	if g == nil && len(v.groups) < maxGroups {
		key.user = strings.Clone(user)
		g = &group{
			kind: kind, user: key.user, concerned: clonePairs(concerned),
			first: math.MaxInt64, last: math.MinInt64,
		}
		v.groups[key] = g
	}
	return g
}

func clonePairs(pairs []pair) []pair {
	clones := make([]pair, len(pairs))
	for i, p := range pairs {
		clones[i] = p.clone()
	}
	return clones
}

func (p pair) clone() pair {
	return pair{
		rbac.Binding{Namespace: strings.Clone(p.binding.Namespace), Name: strings.Clone(p.binding.Name)},
		rbac.Role{Namespace: strings.Clone(p.role.Namespace), Name: strings.Clone(p.role.Name)},
	}
}

// explain counts an event that is explained by a write or, without one, by the
// snapshot of the end.
func (g *group) explain(by *write) {
	if g == nil {
		return
	}
	g.explained++
	if by != nil {
		g.why = by.String()
	} else if g.why == "" {
		g.why = "the snapshot of the end says the same as the log"
	}
}

// judge decides about what waits, by the writes known now.
func (v *Verifier) judge() {
	for i := range v.waiting {
		w := &v.waiting[i]
		by := v.writes.explain(w.concerned, w.time)
		if by != nil || w.atEnd {
			v.counts.explained++
			w.group.explain(by)
			continue
		}
		v.counts.unexplained++
		if w.denied {
			v.counts.unexplainedDenied++
		}
		if g := w.group; g != nil {
			if g.unexplained == 0 {
				g.example = w.example
			}
			g.unexplained++
		}
	}
	v.waiting = v.waiting[:0]
}

// explain returns a write by which all bindings concerned may be otherwise than
// the policy has them, nil when there is one that is not in doubt.
func (w *writes) explain(concerned []pair, t int64) *write {
	var by *write
	for _, c := range concerned {
		found := w.at(bindingObject(c.binding), t)
		if found == nil {
			found = w.at(roleObject(c.role), t)
		}
		if found == nil {
			return nil
		}
		by = found
	}
	return by
}

// String names the write.
func (w *write) String() string {
	return w.user + " did " + w.verb + " " + w.resource + " at " + time.Unix(0, w.at).UTC().Format("2006-01-02 15:04:05")
}
