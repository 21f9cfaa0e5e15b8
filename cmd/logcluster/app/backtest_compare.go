package app

import (
	"slices"
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// The sides of a comparison.
const (
	sideA = iota
	sideB
	sides
)

// matchRule is how alerts of two configurations are matched, for people.
const matchRule = "two alerts are the same when they have a cluster in common, as lead or part, and lasted at the same time, each from its first conspicuous window to its end"

// compared is an alert of one side, as long as it may still have a counterpart.
type compared struct {
	Alert web.ShadowAlert
	// Clusters are the lead and all parts that it ever had.
	Clusters []string
	// Start is when it began, End when it was resolved, in Unix nanoseconds; zero
	// while it fires.
	Start, End int64
	// Matches are the counterparts.
	Matches []web.ShadowAlert
}

// meets reports whether two alerts are the same, by the rule.
func (c *compared) meets(with *compared) bool {
	return c.Alert.Tenant == with.Alert.Tenant && (c.End == 0 || with.Start <= c.End) && (with.End == 0 || c.Start <= with.End) &&
		slices.ContainsFunc(c.Clusters, func(id string) bool { return slices.Contains(with.Clusters, id) })
}

// comparison matches what two engines tell of the same events, while they tell it.
// An alert that is over is looked at for hold more: what the other side is slower
// to tell began before its end.
type comparison struct {
	hold int64
	open [sides][]*compared
	// matched is told of the first counterpart of an alert of side A, closed of
	// every alert when nothing about it can change any more.
	matched func(*compared)
	closed  func(side int, c *compared)
}

// maxCompared bounds the alerts of a side that are open: beyond it the oldest is
// closed as it is.
const maxCompared = 10_000

// newComparison returns one for the configurations of the two sides.
func newComparison(a, b *Config) *comparison {
	slowest := func(c *Config) time.Duration {
		return c.Cluster.Window + time.Duration(c.Anomaly.FireWithin)*c.Cluster.Slide
	}
	return &comparison{
		hold:    int64(max(slowest(a), slowest(b))),
		matched: func(*compared) {}, closed: func(int, *compared) {},
	}
}

// observe takes what one side came to.
func (c *comparison) observe(side int, r *anomaly.Result) {
	for i := range r.Changes {
		c.see(side, &r.Changes[i])
	}
	for i := range r.Firing {
		c.see(side, &r.Firing[i])
	}
}

// see takes one alert as it is now. A resolved one ends at once.
func (c *comparison) see(side int, a *anomaly.Anomaly) {
	i := slices.IndexFunc(c.open[side], func(o *compared) bool { return o.Alert.ID == a.ID && o.Alert.Tenant == cleaned(a.Cluster.Tenant) })
	var now *compared
	switch {
	case i >= 0:
		now = c.open[side][i]
	case a.State != anomaly.Firing:
		return
	default:
		now = &compared{Alert: shadowAlert(a), Start: a.StartedAt.UnixNano()}
		if len(c.open[side]) >= maxCompared {
			c.closed(side, c.open[side][0])
			c.open[side] = c.open[side][1:]
		}
		c.open[side] = append(c.open[side], now)
	}
	if !a.ResolvedAt.IsZero() {
		now.End = a.ResolvedAt.UnixNano()
	}
	grown := now.add(a.Cluster.ID.String())
	for k := range a.Parts {
		grown = now.add(a.Parts[k].Cluster.ID.String()) || grown
	}
	if grown {
		c.match(side, now)
	}
}

// add notes a cluster and reports whether it is new.
func (c *compared) add(id string) bool {
	if slices.Contains(c.Clusters, id) {
		return false
	}
	c.Clusters = append(c.Clusters, id)
	return true
}

// match looks for counterparts of an alert that is new or has grown.
func (c *comparison) match(side int, now *compared) {
	for _, other := range c.open[1-side] {
		if now.meets(other) {
			c.pair(side, now, other)
		}
	}
}

func (c *comparison) pair(side int, now, other *compared) {
	a, b := now, other
	if side == sideB {
		a, b = other, now
	}
	if slices.ContainsFunc(a.Matches, func(m web.ShadowAlert) bool { return m.ID == b.Alert.ID }) {
		return
	}
	a.Matches, b.Matches = append(a.Matches, b.Alert), append(b.Matches, a.Alert)
	if len(a.Matches) == 1 {
		c.matched(a)
	}
}

// settle closes what has been over for long enough when both sides have come to an
// event time.
func (c *comparison) settle(at int64) {
	for side := range c.open {
		c.open[side] = slices.DeleteFunc(c.open[side], func(o *compared) bool {
			over := o.End != 0 && at-o.End > c.hold
			if over {
				c.closed(side, o)
			}
			return over
		})
	}
}

// finish closes everything.
func (c *comparison) finish() {
	for side := range c.open {
		for _, o := range c.open[side] {
			c.closed(side, o)
		}
		c.open[side] = nil
	}
}

// shadowAlert is an alert in short.
func shadowAlert(a *anomaly.Anomaly) web.ShadowAlert {
	out := web.ShadowAlert{
		ID: a.ID, Tenant: cleaned(a.Cluster.Tenant), Cluster: a.Cluster.ID.String(), Role: cleaned(a.Cluster.Role),
		Resource: cleaned(a.Cluster.Resource), Access: a.Cluster.Access.String(),
		Z: a.Z, Severity: string(a.Severity), StartedAt: a.StartedAt.UTC(), FiredAt: a.FiredAt.UTC(),
	}
	if len(a.Features) > 0 {
		out.Feature = a.Features[0].Name
	}
	if len(a.Subjects) > 0 {
		out.Subject = cleaned(a.Subjects[0].Name)
	}
	return out
}
