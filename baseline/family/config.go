package family

import (
	"errors"
	"fmt"
	"time"
)

// Config says how families are learned.
type Config struct {
	// Every is how much event time passes between two times that families are
	// learned; they are at a retrain. They change slowly, and learning those of a
	// thousand tenants takes seconds.
	Every time.Duration `yaml:"every"`
	// MaxRoles is how many roles of a tenant are compared: those with the most
	// events. Learning takes time and memory with its square: 1,000 of one class
	// take 35 ms and, while it lasts, 16 MB (BenchmarkLearn).
	MaxRoles int `yaml:"max_roles"`
	// Cut is the mean distance up to which roles become one family, between 0
	// (identical roles only) and 1.
	//
	// The distance of two roles combines that of their rules and that of their
	// behaviour, both from 0 to 1:
	//
	//	rules      1 − |A∩B|/|A∪B| of what their rules allow (Jaccard)
	//	behaviour  1 − cosine of their vectors log(1 + events) over the kinds
	//	           of resource and access
	//	evidence   m/(m + 50), m being the events of the role that has fewer
	//
	//	distance   (rules + evidence·behaviour)/(1 + evidence)
	//	           1 − evidence·(1 − behaviour) where the rules of either are
	//	           not known
	//
	// So roles that did little are compared by what they may do, and two roles
	// of which nothing is known are not alike.
	Cut float64 `yaml:"cut"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Every: time.Hour, MaxRoles: 1000, Cut: 0.3} }

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Every < time.Minute || c.Every > 24*time.Hour {
		errs = append(errs, fmt.Errorf("every: %v is not between 1m and 24h", c.Every))
	}
	if c.MaxRoles < 1 || c.MaxRoles > 4000 {
		errs = append(errs, fmt.Errorf("max_roles: %d is not between 1 and 4000", c.MaxRoles))
	}
	if !(c.Cut >= 0 && c.Cut < 1) {
		errs = append(errs, fmt.Errorf("cut: %v is not between 0 and 1", c.Cut))
	}
	return errors.Join(errs...)
}
