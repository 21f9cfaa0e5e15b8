package alert

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/logcluster/logcluster/cluster"
)

// leadShare is the share of the events from which on one subject is named as
// the one who did it; below it, the role is.
const leadShare = 0.5

// alsoZ is how far, in |z|, a second feature has to deviate to be told in the
// sentence.
const alsoZ = 3

// summarize writes the sentence that a person reads first: who does what, how
// much against how much usual, since when. It reads cleaned fields only.
func summarize(a *Alert) string {
	var b strings.Builder
	if a.State == "resolved" && a.ResolvedAt != nil {
		fmt.Fprintf(&b, "Over at %s: ", clock(*a.ResolvedAt, a.StartedAt))
	}
	b.WriteString(Who(a) + " " + What(a))
	if much := HowMuch(a); much != "" {
		b.WriteString(": " + much)
	}
	b.WriteString(", since " + clock(since(a), a.WindowEnd) + sharesTail(a))
	if len(a.Features) > 1 && math.Abs(a.Features[1].Z) >= alsoZ && !silent(a) {
		f := a.Features[1]
		w := wordsOf(f.Name)
		fmt.Fprintf(&b, "; also %s, usually %s", w.count(f), w.number(f.Expected))
	}
	if news := news(a); news != "" {
		b.WriteString("; never seen before: " + news)
	}
	if a.Like != "" {
		b.WriteString("; acts unlike its role, like " + shortRole(a.Like))
	}
	if n := len(a.Parts) + a.PartsCut; n > 0 {
		fmt.Fprintf(&b, "; with %s of the same story", plural(n, "other cluster", "other clusters"))
	}
	if len(a.Partial) > 0 {
		b.WriteString("; incomplete, without " + strings.Join(a.Partial, ", "))
	}
	if a.Learning {
		b.WriteString("; still learning what is usual")
	}
	if a.LevelShift {
		b.WriteString("; it has lasted, and is taken for usual from now on")
	}
	if a.Suppressed != "" {
		b.WriteString("; nobody is told: " + a.Suppressed)
	}
	return Clean(b.String(), maxSummary)
}

// since is when it began, as far as the window shows it.
func since(a *Alert) time.Time {
	if a.BeganAt != nil {
		return *a.BeganAt
	}
	return a.StartedAt
}

// news names the first thing that was never seen before, and counts the others.
func news(a *Alert) string {
	if len(a.New) == 0 {
		return ""
	}
	what := News(&a.New[0])
	if more := len(a.New) - 1; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return what
}

// News says what was never seen before.
func News(n *Novelty) string {
	switch n.Feature {
	case "new_subject_resources":
		return n.Subject + " on " + n.What
	case "new_subject_sources":
		return n.Subject + " from " + n.What
	case "new_subject_roles":
		return n.Subject + " as " + shortRole(n.What)
	case "new_subject_powers":
		return n.Subject + " with the power " + n.What
	}
	return n.What
}

// silent reports whether what is anomalous is that nothing happens.
func silent(a *Alert) bool {
	return len(a.Features) > 0 && a.Features[0].Name == "events" && a.Features[0].Observed == 0 && a.Features[0].Z < 0
}

// Who names the actor of an alert: the subject with most of the events and its
// role, or the role when no subject has at least half of them.
func Who(a *Alert) string {
	if name, ok := lead(a); ok {
		return name + " (" + shortRole(a.Role) + ")"
	}
	return shortRole(a.Role)
}

// lead returns the subject that has at least half of the events.
func lead(a *Alert) (name string, ok bool) {
	if len(a.Subjects) == 0 || a.Subjects[0].Share < leadShare {
		return "", false
	}
	return a.Subjects[0].Name, true
}

// shortRole shows two roles of a role key and counts the others.
func shortRole(key string) string {
	switch key {
	case "", "unknown":
		return "role unknown"
	case cluster.OverflowName:
		return "beyond the budget of clusters"
	}
	roles := strings.Split(key, ",")
	if len(roles) <= 2 {
		return strings.Join(roles, ", ")
	}
	return fmt.Sprintf("%s, %s and %d more", roles[0], roles[1], len(roles)-2)
}

// What says what was done: a verb for the access, and the resource.
func What(a *Alert) string {
	did := verbs[a.Access]
	if did == "" {
		did = a.Access
	}
	resource := strings.TrimPrefix(a.Resource, nonResource)
	if resource == "" {
		did, resource = "acts on", "anything"
	}
	if silent(a) {
		did = "no longer " + did
	}
	return did + " " + resource
}

// verbs are the words for what an access does to a resource.
var verbs = map[string]string{
	"read":     "reads",
	"write":    "writes",
	"delete":   "deletes",
	"connect":  "connects through",
	"escalate": "escalates through",
	"review":   "reviews access through",
}

// decimal shows a number as a person would say it: one decimal below 10 where
// it has one, none above, thousands apart.
func decimal(x float64) string {
	if math.Abs(x) < 10 {
		return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
	}
	if math.Abs(x) >= 1e15 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	s := strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span shows the length of a window: "5 min", "1 h", "30 s".
func span(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return decimal(d.Seconds()) + " s"
}

// clock shows a time of day, with its date when that is not the reference's.
func clock(t, reference time.Time) string {
	t = t.UTC()
	y, m, d := t.Date()
	if ry, rm, rd := reference.UTC().Date(); y == ry && m == rm && d == rd {
		return t.Format("15:04 UTC")
	}
	return t.Format("2 Jan 15:04 UTC")
}

// sharesTail tells how the events divide, where one subject has not all.
func sharesTail(a *Alert) string {
	if len(a.Subjects) == 0 || percent(a.Subjects[0].Share) == "100 %" {
		return ""
	}
	shares := make([]string, len(a.Subjects))
	for i, s := range a.Subjects {
		shares[i] = percent(s.Share) + " by " + s.Name
	}
	tail := "; "
	if silent(a) {
		tail += "usually "
	}
	return tail + strings.Join(shares, ", ")
}

func percent(share float64) string {
	return strconv.Itoa(int(math.Round(100*share))) + " %"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
