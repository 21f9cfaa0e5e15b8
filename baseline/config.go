package baseline

import (
	"errors"
	"fmt"
	"time"
)

// Config says how much history a baseline has and how it is weighed. The
// values chosen on a recording, with their effect at half and double, are in
// ARCHITECTURE.md.
type Config struct {
	// History is how far back the baseline looks, in event time. More makes it
	// slower to accept a changed level and costs 160 bytes an hour for every
	// cluster that is active in that hour.
	History time.Duration `yaml:"history"`
	// Learning is how long (event time) a tenant is only watched: until then
	// first-seen features have no opinion and everything is marked as learning.
	// Shorter means earlier alerts about new behaviour, and more of them that
	// only say that the service is new here.
	Learning time.Duration `yaml:"learning"`
	// Retrain is the event time between two retrains. Predictions in between
	// are the same.
	Retrain time.Duration `yaml:"retrain"`
	// Calendar lets the hour of the day and the weekend count (in UTC). Without
	// it every hour is like every other one: for systems that know no day, and
	// for recordings whose clock runs at another speed.
	Calendar bool `yaml:"calendar"`
	// HourWeight is how many windows the cluster's overall level counts for
	// against the windows seen around this hour of the day (12 windows an hour).
	// Higher follows the daily rhythm later and forgets single nights.
	HourWeight float64 `yaml:"hour_weight"`
	// DispersionWeight is how many active windows the tenant's typical
	// dispersion counts for against the cluster's own. Higher gives sparse
	// clusters wider bands.
	DispersionWeight float64 `yaml:"dispersion_weight"`
	// ClipZ bounds what an outlier teaches: a window beyond this |z| enters the
	// history with the count at it. Lower resists longer; higher accepts a
	// lasting new level sooner.
	ClipZ float64 `yaml:"clip_z"`
	// LevelShiftAfter is how long (event time) a cluster must be far from its level
	// before that is its new one: longer than most incidents and batches, and
	// shorter than a working day, so that what changed in the morning is settled by
	// the next one. Until then nothing of it is learned. The new level of connect,
	// escalate and of sensitive resources waits for a verdict.
	LevelShiftAfter time.Duration `yaml:"level_shift_after"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		History:          7 * 24 * time.Hour,
		Learning:         12 * time.Hour,
		Retrain:          10 * time.Minute,
		Calendar:         true,
		HourWeight:       24,
		DispersionWeight: 5,
		ClipZ:            4,
		LevelShiftAfter:  6 * time.Hour,
	}
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.History >= 2*time.Hour && c.History <= 60*24*time.Hour, "history: %v is not between 2h and 60 days", c.History)
	check(c.Learning >= 0 && c.Learning <= c.History, "learning: %v is not between 0 and history (%v)", c.Learning, c.History)
	check(c.Retrain >= time.Minute && c.Retrain <= time.Hour, "retrain: %v is not between 1m and 1h", c.Retrain)
	check(c.HourWeight > 0 && c.HourWeight <= 1e4, "hour_weight: %v is not between 0 and 10000", c.HourWeight)
	check(c.DispersionWeight >= 0 && c.DispersionWeight <= 1e4, "dispersion_weight: %v is not between 0 and 10000", c.DispersionWeight)
	check(c.ClipZ >= 2.5 && c.ClipZ <= 40, "clip_z: %v is not between 2.5 and 40", c.ClipZ)
	check(c.LevelShiftAfter > 0 && c.LevelShiftAfter <= c.History, "level_shift_after: %v is not between 0 and history (%v)", c.LevelShiftAfter, c.History)
	return errors.Join(errs...)
}
