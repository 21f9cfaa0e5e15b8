package detection

import (
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// After is how long after an incident's end an alert may still find it.
const After = 10 * time.Minute

// covers reports whether an alert that fired at a time, on a circle of the given
// length, is in time for the incident. The span is what the labels are shifted
// around on to learn what chance finds; zero for no circle.
func (in *Incident) covers(fired time.Time, shift, span time.Duration) bool {
	since := fired.Sub(in.Start) - shift
	if span > 0 {
		since = ((since % span) + span) % span
	}
	return since >= 0 && since <= in.End.Sub(in.Start)+After
}

// limit is how long after an incident's start an alert is in time.
func (in *Incident) limit() time.Duration {
	if in.Slow() {
		return max(in.End.Sub(in.Start), Prompt)
	}
	return Prompt
}

// names reports whether an alert is about the incident's actors or about its
// role and resource.
func (in *Incident) names(a *alert.Alert) bool {
	for i, s := range a.Subjects {
		if i < 3 && slices.Contains(in.Actors, s.Name) {
			return true
		}
	}
	return in.hasRole(a.Role) && slices.Contains(in.Resources, a.Resource)
}

// touches reports whether an alert, or a part of it, is about one of the
// incident's resources.
func (in *Incident) touches(a *alert.Alert) bool {
	if slices.Contains(in.Resources, a.Resource) {
		return true
	}
	for _, p := range a.Parts {
		if slices.Contains(in.Resources, p.Resource) {
			return true
		}
	}
	return false
}

// hasRole reports whether a member of a role key is one of the incident's
// roles. Labels name roles as authorization reasons do, without the namespace.
func (in *Incident) hasRole(key string) bool {
	for member := range strings.SplitSeq(key, ",") {
		kind, name, ok := strings.Cut(member, "/")
		if !ok {
			continue
		}
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			name = name[i+1:]
		}
		if slices.Contains(in.Roles, kind+"/"+name) {
			return true
		}
	}
	return false
}

// firedAt is when an alert fired; one that did not say started then.
func firedAt(a *alert.Alert) time.Time {
	if a.FiredAt != nil {
		return *a.FiredAt
	}
	return a.StartedAt
}
