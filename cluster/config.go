package cluster

import (
	"errors"
	"fmt"
	"time"
)

// Config says how events are cut into panes and windows and how much may be
// remembered. The zero value is not valid: start from [DefaultConfig].
type Config struct {
	// Pane is the smallest slice of event time that is counted. Panes begin at
	// multiples of their length since the Unix epoch. Shorter panes cost more
	// memory and time per event and allow a shorter Slide. At least one second.
	Pane time.Duration `yaml:"pane"`
	// Window is the length of the windows that are scored, and of the
	// non-overlapping ones that baselines are fitted to. A longer window sees
	// smaller deviations, later. A multiple of Slide.
	Window time.Duration `yaml:"window"`
	// Slide is how often a window ends. Shorter means sooner alerts and more
	// evaluations to pay for. A multiple of Pane.
	Slide time.Duration `yaml:"slide"`
	// OutOfOrderness is how far the events of one source may be out of order
	// without being late: a window is scored that long after its end. Raise it
	// when late events are more than a few in a thousand.
	OutOfOrderness time.Duration `yaml:"out_of_orderness"`
	// Grace is how long after that a late event still corrects what baselines
	// learn from; windows already scored are never touched. Zero drops every
	// late event.
	Grace time.Duration `yaml:"grace"`
	// MaxAhead is how far an event's time may lie ahead of the time of its
	// record. Beyond it the event is rejected: one wrong clock would otherwise
	// move the watermark and make everything after it late.
	MaxAhead time.Duration `yaml:"max_ahead"`
	// MaxGap is how long a silence of all sources together is taken for
	// silence. Windows that end later than MaxGap after the last event, or
	// that reach back into such a gap, are neither scored nor learned from:
	// the sources were not alive. It should be longer than Window, so that
	// the end of everything is seen once, as windows of zero.
	MaxGap time.Duration `yaml:"max_gap"`
	// MaxClusters is how many clusters one tenant may have, and a quarter of it
	// (64 at least) how many one role may have, so that a scanner cannot take
	// the whole budget. What comes after is added up in one overflow cluster of
	// the tenant (role "_overflow"). A cluster costs about 1 KB, and more while
	// it has events.
	MaxClusters int `yaml:"max_clusters"`
	// MaxTenants is how many tenants there may be. What comes after is added
	// up in the tenant "_overflow".
	MaxTenants int `yaml:"max_tenants"`
	// MaxDistinct is where the distinct counts of a cluster (subjects, objects,
	// namespaces, sources) stop being exact and saturate.
	MaxDistinct int `yaml:"max_distinct"`
	// MaxSeen bounds the memory of what a tenant was seen to do: for each of
	// the four kinds (fingerprints, and subjects with resources, sources and
	// roles) this many entries are remembered, at 20 to 70 bytes each, twice
	// over (see SeenFor). When it is full, what is not in it is unknown, which
	// is not the same as new.
	MaxSeen int `yaml:"max_seen"`
	// MaxSeenPerSubject is how many entries of one kind one subject (for
	// fingerprints, one role) may take in that memory, so that a scanner
	// cannot fill it for the others.
	MaxSeenPerSubject int `yaml:"max_seen_per_subject"`
	// SeenFor is how long something is remembered at least after it was last
	// seen (twice as long at most), and how long a cluster without events is
	// kept. At least Window plus Grace plus one hour.
	SeenFor time.Duration `yaml:"seen_for"`
}

// DefaultConfig returns the configuration that the documentation describes.
func DefaultConfig() Config {
	return Config{
		Pane:              10 * time.Second,
		Window:            5 * time.Minute,
		Slide:             30 * time.Second,
		OutOfOrderness:    20 * time.Second,
		Grace:             2 * time.Minute,
		MaxAhead:          5 * time.Minute,
		MaxGap:            10 * time.Minute,
		MaxClusters:       10_000,
		MaxTenants:        1_000,
		MaxDistinct:       4_096,
		MaxSeen:           1 << 18,
		MaxSeenPerSubject: 4_096,
		SeenFor:           30 * 24 * time.Hour,
	}
}

// clustersOfRole is how many clusters one role of a tenant may have.
func (c *Config) clustersOfRole() int { return max(c.MaxClusters/4, 64) }

// maxPanes bounds the panes of a window: they are all kept.
const maxPanes = 10_000

// Validate reports every problem of the configuration at once.
func (c Config) Validate() error {
	var problems []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(c.Pane >= time.Second, "pane: %v is shorter than 1s", c.Pane)
	require(c.Pane <= time.Hour, "pane: %v is longer than 1h", c.Pane)
	require(c.Slide > 0 && c.Pane > 0 && c.Slide%c.Pane == 0, "slide: %v is not a multiple of pane (%v)", c.Slide, c.Pane)
	require(c.Window > 0 && c.Slide > 0 && c.Window%c.Slide == 0, "window: %v is not a multiple of slide (%v)", c.Window, c.Slide)
	require(c.Pane <= 0 || c.Window/c.Pane <= maxPanes, "window: %v has more than %d panes", c.Window, maxPanes)
	require(c.OutOfOrderness >= 0 && c.OutOfOrderness <= 24*time.Hour, "out_of_orderness: %v is not between 0 and 24h", c.OutOfOrderness)
	require(c.Grace >= 0 && c.Grace <= 24*time.Hour, "grace: %v is not between 0 and 24h", c.Grace)
	require(c.MaxAhead > 0, "max_ahead: %v is not positive", c.MaxAhead)
	require(c.MaxGap >= c.Slide, "max_gap: %v is shorter than slide (%v)", c.MaxGap, c.Slide)
	require(c.MaxClusters > 0, "max_clusters: %d is not positive", c.MaxClusters)
	require(c.MaxTenants > 0, "max_tenants: %d is not positive", c.MaxTenants)
	require(c.MaxDistinct > 0 && c.MaxDistinct <= 1<<20, "max_distinct: %d is not between 1 and %d", c.MaxDistinct, 1<<20)
	require(c.MaxSeen > 0 && c.MaxSeen <= 1<<26, "max_seen: %d is not between 1 and %d", c.MaxSeen, 1<<26)
	require(c.MaxSeenPerSubject > 0, "max_seen_per_subject: %d is not positive", c.MaxSeenPerSubject)
	require(c.SeenFor >= c.Window+c.Grace+time.Hour, "seen_for: %v is shorter than window + grace + 1h", c.SeenFor)
	return errors.Join(problems...)
}
