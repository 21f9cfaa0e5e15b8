package rivals

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// Rule is how scores become alerts, the same for every rival.
type Rule struct {
	// Threshold is the z beyond which a window stands out, upwards only unless
	// BothWays.
	Threshold float64
	BothWays  bool
	// Top is how many of a window's series are told, highest |z| first.
	Top int
	// Once tells of a series once while it stands out: it ends when it was
	// inconspicuous for Resolve, and for CoolDown after that it is not told
	// again. Else every window of every series is an alert.
	Once              bool
	Resolve, CoolDown time.Duration
}

// Fair returns the rule that the rivals are compared by: what the project does by
// default, with 10 minutes to resolve and 2 hours to cool down.
func Fair(threshold float64) Rule {
	return Rule{Threshold: threshold, BothWays: true, Top: 10, Once: true, Resolve: 10 * time.Minute, CoolDown: 2 * time.Hour}
}

// Plain returns the rule of a detector that tells of every window that stands out,
// again and again.
func Plain(threshold float64) Rule { return Rule{Threshold: threshold, Top: 10} }

// Alerts returns what a rule tells of scores, which are in order of time.
func (r Rule) Alerts(scores []Score) []alert.Alert {
	var out []alert.Alert
	last := make(map[int]int64) // end of the last window of what a series was told for
	for len(scores) > 0 {
		n := 1
		for n < len(scores) && scores[n].End == scores[0].End {
			n++
		}
		for _, s := range r.ranked(scores[:n], last) {
			if r.tell(s, last) {
				out = append(out, s.alert())
			}
		}
		scores = scores[n:]
	}
	return out
}

// ranked returns the scores of one window that count, highest first, no more than
// are told. What was told and goes on is noted.
func (r Rule) ranked(window []Score, last map[int]int64) []*Score {
	var over []*Score
	for i := range window {
		s := &window[i]
		if s.Z <= r.Threshold && (!r.BothWays || -s.Z <= r.Threshold) {
			continue
		}
		over = append(over, s)
		if before, told := last[s.Series]; told && s.End-before <= int64(r.Resolve)+Window {
			last[s.Series] = s.End
		}
	}
	slices.SortFunc(over, func(a, b *Score) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Z), math.Abs(a.Z)), cmp.Compare(a.Series, b.Series))
	})
	return over[:min(r.Top, len(over))]
}

// tell reports whether a series that stands out is news.
func (r Rule) tell(s *Score, last map[int]int64) bool {
	if !r.Once {
		return true
	}
	before, told := last[s.Series]
	if told && s.End-before-int64(r.Resolve) < int64(r.CoolDown) {
		return false // it goes on, or did lately
	}
	last[s.Series] = s.End
	return true
}

// alert is a score in the form that is judged.
func (s *Score) alert() alert.Alert {
	at := time.Unix(0, s.End).UTC()
	a := alert.Alert{
		ID: strconv.Itoa(s.Series) + "@" + strconv.FormatInt(s.End, 10), State: "firing", Tenant: s.Cluster.Tenant,
		Role: s.Cluster.Role, Resource: s.Cluster.Resource, Access: s.Cluster.Access.String(), Z: s.Z,
		StartedAt: at, FiredAt: &at, Features: []alert.Feature{{Name: "events", Observed: s.Observed, Expected: s.Expected, Z: s.Z}},
	}
	for _, name := range s.Subjects {
		a.Subjects = append(a.Subjects, alert.Subject{Name: name})
	}
	return a
}
