package peer

import (
	"errors"
	"fmt"
	"time"
)

// Config says how long peers are remembered, and how many.
type Config struct {
	// HalfLife is the event time after which what a window taught counts half.
	// Longer knows more of each subject; shorter follows changed duties sooner.
	// Half of the baseline's history is a good value. What was not seen for six
	// half-lives is forgotten.
	HalfLife time.Duration `yaml:"half_life"`
	// MaxSubjects is how many subjects of one (role family, resource, access) are
	// compared: in a window those with the most events in a cluster, in memory
	// those last seen. There is no opinion about the others.
	MaxSubjects int `yaml:"max_subjects"`
	// MaxMembers is how many (subject, cluster) pairs of a tenant are remembered,
	// and looked at in one window; the least recently seen are forgotten first. It
	// bounds memory: a pair takes 0.7 KB, all included (BenchmarkJudge).
	MaxMembers int `yaml:"max_members"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{HalfLife: 84 * time.Hour, MaxSubjects: 256, MaxMembers: 20_000}
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.HalfLife >= time.Hour && c.HalfLife <= 60*24*time.Hour, "half_life: %v is not between 1h and 60 days", c.HalfLife)
	check(c.MaxSubjects > minPeers && c.MaxSubjects <= 4096, "max_subjects: %d is not between %d and 4096", c.MaxSubjects, minPeers+1)
	check(c.MaxMembers >= c.MaxSubjects && c.MaxMembers <= 1<<20, "max_members: %d is not between max_subjects (%d) and %d", c.MaxMembers, c.MaxSubjects, 1<<20)
	return errors.Join(errs...)
}
