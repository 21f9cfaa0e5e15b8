package anomaly

import (
	"errors"
	"fmt"
	"time"
)

// Config says what becomes an alert, and for how long. The values chosen on a
// recording, with their effect at half and double, are in ARCHITECTURE.md.
type Config struct {
	// FalseAlertsPerDay is how many alerts a day (of event time) chance alone may
	// raise for one tenant. It sets how unlikely a window must be before it counts
	// towards an alert: this number over the tests of a day (clusters times windows
	// that do not overlap, of all scales), and k times that for each of k clusters
	// that are so at once (Benjamini and Hochberg). With 300 clusters, 3 a day is a
	// p-value of 3.2e-5, |z| of 4.2. Half of it raises that |z| by about 0.15.
	FalseAlertsPerDay float64 `yaml:"false_alerts_per_day"`
	// FireAfter of the last FireWithin evaluations of one scale must count before an
	// anomaly fires; one counts when its window is unlikely enough and its newest
	// panes deviate by themselves (neighbouring windows share most of their panes).
	// More means fewer and later alerts. First-seen features, sensitive
	// resources and the accesses connect and escalate need one. What fired because
	// of a longer scale is resolved when none of the last FireWithin exceeded.
	FireAfter  int `yaml:"fire_after"`
	FireWithin int `yaml:"fire_within"`
	// MinEvents and MinRatio are the least deviation that is worth an alert: so
	// many events (or other counted things) away from the expected, and so many
	// times more or less than the edge of the expected. The same exceptions
	// hold.
	MinEvents int     `yaml:"min_events"`
	MinRatio  float64 `yaml:"min_ratio"`
	// AbsentAfter is how long a cluster must be silent before its absence fires:
	// longer than the restart of a component takes, with its lease and its image.
	// Shorter is sooner, and tells of slow restarts. A window is the least.
	AbsentAfter time.Duration `yaml:"absent_after"`
	// ResolveAfter is how long a firing anomaly must be inconspicuous before it
	// is resolved. What fires again within twice the cool-down needs four times as
	// long each time, up to that, so that what flaps is one alert that stays.
	ResolveAfter time.Duration `yaml:"resolve_after"`
	// CoolDown is how long after it was resolved the same cluster fires again for a
	// feature that drove it, or for more that is new of the same subject, only when
	// that is clearly more unlikely than before. What began in it waits for as long
	// again.
	CoolDown time.Duration `yaml:"cool_down"`
	// TopK is how many anomalies of a tenant are ranked and shown, and of how many
	// people are told within the length of a window. Those past the cut are in the
	// log of anomalies, and one summary lists them. More is more noise in a storm.
	TopK int `yaml:"top_k"`
	// RiskWeights ranks by z times the power of the access, see [Risk]. The z
	// that is shown is never weighted.
	RiskWeights bool `yaml:"risk_weights"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		FalseAlertsPerDay: 3,
		FireAfter:         3,
		FireWithin:        10,
		MinEvents:         5,
		MinRatio:          1.5,
		AbsentAfter:       8 * time.Minute,
		ResolveAfter:      10 * time.Minute,
		CoolDown:          2 * time.Hour,
		TopK:              10,
		RiskWeights:       true,
	}
}

// maxWithin is how many evaluations FireWithin can look back on.
const maxWithin = 64

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.FalseAlertsPerDay > 0 && c.FalseAlertsPerDay <= 1e6, "false_alerts_per_day: %v is not between 0 and 1000000", c.FalseAlertsPerDay)
	check(c.FireAfter >= 1, "fire_after: %d is less than 1", c.FireAfter)
	check(c.FireWithin >= c.FireAfter && c.FireWithin <= maxWithin, "fire_within: %d is not between fire_after (%d) and %d", c.FireWithin, c.FireAfter, maxWithin)
	check(c.MinEvents >= 0, "min_events: %d is negative", c.MinEvents)
	check(c.MinRatio >= 1 && c.MinRatio <= 1e6, "min_ratio: %v is not between 1 and 1000000", c.MinRatio)
	check(c.AbsentAfter >= 0 && c.AbsentAfter <= time.Hour, "absent_after: %v is not between 0 and 1h", c.AbsentAfter)
	check(c.ResolveAfter >= 0 && c.ResolveAfter <= 24*time.Hour, "resolve_after: %v is not between 0 and 24h", c.ResolveAfter)
	check(c.CoolDown >= 0 && c.CoolDown <= 7*24*time.Hour, "cool_down: %v is not between 0 and 7 days", c.CoolDown)
	check(c.TopK >= 1 && c.TopK <= 1000, "top_k: %d is not between 1 and 1000", c.TopK)
	return errors.Join(errs...)
}
