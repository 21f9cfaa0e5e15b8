package cluster

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits are the budgets of one tenant. They can be changed while running and
// differ by tenant: see [Windows.SetLimits]. What is refused is counted by
// budget in [TenantStats]. The zero value is not valid: start from
// [DefaultLimits].
type Limits struct {
	// MaxClusters is how many clusters one tenant may have, and a quarter of it
	// (64 at least) how many one role may have, so that a scanner cannot take
	// the whole budget. What comes after is added up in one overflow cluster of
	// the tenant (role "_overflow"). A cluster costs about 1 KB, and more while
	// it has events.
	MaxClusters int `yaml:"max_clusters"`
	// MaxNewClusters is how many new clusters one tenant may have in an hour of
	// event time: so many at once, and then one more every hour/MaxNewClusters
	// (a token bucket). It keeps a sudden flood of names from taking all of
	// MaxClusters before somebody has looked at it; what it refuses goes to the
	// overflow cluster and is admitted when it comes again later. Raise it
	// where more operations than that are new on the first day. At most
	// 1,000,000.
	MaxNewClusters int `yaml:"max_new_clusters"`
	// MaxFingerprints is how many distinct fingerprints of a tenant are
	// remembered, at 20 to 70 bytes each, twice over (see seen_for). Beyond it
	// a fingerprint that is not among them is unknown, which is not the same
	// as new. What is remembered already stays.
	MaxFingerprints int `yaml:"max_fingerprints"`
	// MaxSeen bounds the rest of the memory of what a tenant was seen to do: of
	// each of the four kinds of pairs (subjects with resources, sources, roles
	// and classes of power) so many are remembered, at 20 to 70 bytes each,
	// twice over (see seen_for). One role may bring in a quarter of it (64 at
	// least) in a time of seen_for. When it is full, what is not in it is
	// unknown, and what is in it stays.
	MaxSeen int `yaml:"max_seen"`
	// MaxSeenPerSubject is how many entries of one kind one subject (for
	// fingerprints, one role) may take in that memory, so that a scanner
	// cannot fill it for the others.
	MaxSeenPerSubject int `yaml:"max_seen_per_subject"`
}

// DefaultLimits returns the limits of a tenant that has none of its own.
func DefaultLimits() Limits {
	return Limits{
		MaxClusters:       10_000,
		MaxNewClusters:    2_000,
		MaxFingerprints:   1 << 18,
		MaxSeen:           1 << 18,
		MaxSeenPerSubject: 4_096,
	}
}

const (
	maxRate    = 1_000_000
	maxEntries = 1 << 26
	hour       = int64(time.Hour)
)

// Validate reports every problem of the limits at once.
func (l Limits) Validate() error {
	var problems []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(l.MaxClusters > 0, "max_clusters: %d is not positive", l.MaxClusters)
	require(l.MaxNewClusters > 0 && l.MaxNewClusters <= maxRate, "max_new_clusters: %d is not between 1 and %d", l.MaxNewClusters, maxRate)
	require(l.MaxFingerprints > 0 && l.MaxFingerprints <= maxEntries, "max_fingerprints: %d is not between 1 and %d", l.MaxFingerprints, maxEntries)
	require(l.MaxSeen > 0 && l.MaxSeen <= maxEntries, "max_seen: %d is not between 1 and %d", l.MaxSeen, maxEntries)
	require(l.MaxSeenPerSubject > 0, "max_seen_per_subject: %d is not positive", l.MaxSeenPerSubject)
	return errors.Join(problems...)
}

// ClustersOfRole is how many clusters one role may have.
func (l *Limits) ClustersOfRole() int { return max(l.MaxClusters/4, 64) }

// seen is how many things of a kind may be remembered.
func (l *Limits) seen(k kind) int {
	if k == seenPrints {
		return l.MaxFingerprints
	}
	return l.MaxSeen
}

// seenOfRole is how many pairs of a kind one role may bring in.
func (l *Limits) seenOfRole() int { return max(l.MaxSeen/4, 64) }

// overrides are the limits of the tenants that have their own.
type overrides struct {
	from     int64 // in force for panes that begin at or after it
	byTenant map[string]*Limits
}

// SetLimits gives tenants limits of their own, for panes that begin at or after
// from (Unix nanoseconds of event time) and are not closed yet. A tenant that
// is not listed has the limits of the [Config]. What was set for from or later
// is replaced; what was set for earlier is in force until then. A limit below
// what is there admits nothing new and evicts nothing. A tenant that is listed
// is admitted even when there are Config.MaxTenants.
//
// It panics when one of the limits is not valid: see [Limits.Validate]. The
// map is copied.
func (w *Windows) SetLimits(from int64, byTenant map[string]Limits) {
	next := overrides{from: from, byTenant: make(map[string]*Limits, len(byTenant))}
	for name, l := range byTenant {
		if err := l.Validate(); err != nil {
			panic(fmt.Sprintf("cluster: invalid limits of tenant %q: %v", name, err))
		}
		next.byTenant[name] = &l
	}
	w.nextLimits = slices.DeleteFunc(w.nextLimits, func(o overrides) bool { return o.from >= from })
	w.nextLimits = append(w.nextLimits, next)
}

// turnLimits brings into force what was set for panes that begin at start.
func (w *Windows) turnLimits(start int64) {
	due := 0
	for due < len(w.nextLimits) && w.nextLimits[due].from <= start {
		due++
	}
	if due == 0 {
		return
	}
	w.limits = w.nextLimits[due-1]
	w.nextLimits = slices.Delete(w.nextLimits, 0, due)
	for _, t := range w.byTenant {
		t.limits = w.limitsOf(t.name)
	}
}

// limitsOf returns the limits in force of the tenant.
func (w *Windows) limitsOf(tenant string) *Limits {
	if l := w.limits.byTenant[tenant]; l != nil {
		return l
	}
	return &w.cfg.Limits
}

// bucket is a token bucket in event time, kept as the time at which it will be
// full again (the generic cell rate algorithm, ITU-T I.371). The zero value is
// full.
type bucket struct{ full int64 }

// take takes one token of perHour, and reports whether there was one.
func (b *bucket) take(now int64, perHour int) bool {
	full := max(b.full, now) + hour/int64(perHour)
	if full-now > hour {
		return false
	}
	b.full = full
	return true
}

// Budget is what an event is refused by that goes to an overflow cluster.
type Budget uint8

// The budgets.
const (
	BudgetClusters Budget = iota // [Limits].MaxClusters
	BudgetRole                   // the role's share of it
	BudgetRate                   // [Limits].MaxNewClusters
	BudgetTenants                // [Config].MaxTenants
	BudgetPane                   // the room of an open pane: see [Windows]
	NumBudgets
)

var budgetNames = [NumBudgets]string{"clusters", "role", "rate", "tenants", "pane"}

// String returns the budget as a metric label value, such as "clusters".
func (b Budget) String() string {
	if b >= NumBudgets {
		return "invalid"
	}
	return budgetNames[b]
}
