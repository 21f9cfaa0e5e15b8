package level

import (
	"errors"
	"fmt"
	"time"
)

// Config says how a series is scored. The defaults are meant for every series;
// there is nothing to tune for one.
type Config struct {
	// Day and Week are the lengths of the two seasons that are looked for, the
	// shorter one first. A season that the series does not have costs nothing.
	// 0 turns one off; a series that repeats every hour and every day wants 1h
	// and 24h.
	Day, Week time.Duration
	// Memory is how many rows the long run is: what is rare is rare among
	// about so many rows. Longer is steadier, and slower to accept that what
	// used to be rare is usual now.
	Memory int
	// Quiet is how many rows an anomaly keeps quiet what is not clearly rarer
	// than it: its own continuation, above all. Smaller repeats an anomaly that
	// lasts; larger may hide a second one of the same size soon after.
	Quiet int
	// Rare is how rare a score of ½ is, while the history is short: once in so
	// many rows. Beyond three times as many rows of history it is once in a third
	// of them, such that a longer history makes alarms rarer.
	Rare float64
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Day: 24 * time.Hour, Week: 7 * 24 * time.Hour, Memory: 20_000, Quiet: 150, Rare: 1000}
}

// Validate returns all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Day < 0 || c.Week < 0 {
		errs = append(errs, errors.New("day and week can't be negative"))
	}
	if c.Memory < 100 {
		errs = append(errs, fmt.Errorf("memory of %d rows: at least 100", c.Memory))
	}
	if c.Quiet < 0 {
		errs = append(errs, fmt.Errorf("quiet for %d rows: at least 0", c.Quiet))
	}
	if !(c.Rare >= 1 && c.Rare <= 1e9) {
		errs = append(errs, fmt.Errorf("rare %g is not between 1 and 1e9", c.Rare))
	}
	return errors.Join(errs...)
}
