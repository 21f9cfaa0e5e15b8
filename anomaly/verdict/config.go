package verdict

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/timeinterval"
)

// Config says for how long verdicts hold that name no end, and when there is
// maintenance.
type Config struct {
	// FalseFor is how long after the verdict "false" the same feature of the same
	// cluster must be clearly more unlikely to be told again.
	FalseFor time.Duration `yaml:"false_for"`
	// ExpectedFor is how long the verdict "expected" goes on after the alert was
	// resolved.
	ExpectedFor time.Duration `yaml:"expected_for"`
	// Maintenance are the times, coming back, at which nobody is told of what
	// matches.
	Maintenance []Maintenance `yaml:"maintenance"`
}

// Maintenance is a recurring time at which nobody is told of what matches. It is
// written to the journal as it stands here.
type Maintenance struct {
	// Name tells people which it is.
	Name string `yaml:"name" json:"name"`
	// Matchers are conditions such as role=~"ClusterRole/ci-.*", all of which must
	// hold. The names are tenant, role, resource, access, cluster and subject.
	Matchers []string `yaml:"matchers" json:"matchers"`
	// Times are when it is; one of them is enough.
	Times []Interval `yaml:"times" json:"times"`
}

// Interval is a time that comes back, as in Alertmanager's time intervals: each
// field that is given must hold, one of its ranges is enough.
type Interval struct {
	// Times are times of the day, such as 02:00-04:00; the end is not included.
	// What goes past midnight are two: 22:00-24:00 and 00:00-02:00.
	Times []string `yaml:"times" json:"times,omitempty"`
	// Weekdays are days or ranges of them, such as saturday or monday:friday.
	Weekdays []string `yaml:"weekdays" json:"weekdays,omitempty"`
	// DaysOfMonth are days or ranges of them; -1 is the last day.
	DaysOfMonth []string `yaml:"days_of_month" json:"days_of_month,omitempty"`
	// Months are months or ranges of them, such as december or 1:3.
	Months []string `yaml:"months" json:"months,omitempty"`
	// Years are years or ranges of them.
	Years []string `yaml:"years" json:"years,omitempty"`
	// Location is the time zone, such as Europe/Berlin; UTC if empty.
	Location string `yaml:"location" json:"location,omitempty"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{FalseFor: 7 * 24 * time.Hour, ExpectedFor: time.Hour}
}

// The longest that a decision may hold, and the most maintenance windows.
const (
	MaxFor         = 366 * 24 * time.Hour
	MaxMaintenance = 200
)

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"false_for", c.FalseFor}, {"expected_for", c.ExpectedFor}} {
		if d.value < 0 || d.value > MaxFor {
			errs = append(errs, fmt.Errorf("%s: %s is not between 0 and %s", d.field, d.value, MaxFor))
		}
	}
	if len(c.Maintenance) > MaxMaintenance {
		errs = append(errs, fmt.Errorf("maintenance: %d windows are more than %d", len(c.Maintenance), MaxMaintenance))
	}
	seen := map[string]bool{}
	for i, m := range c.Maintenance {
		if _, err := m.parse(); err != nil {
			errs = append(errs, fmt.Errorf("maintenance[%d]: %w", i, err))
		}
		if seen[m.Name] {
			errs = append(errs, fmt.Errorf("maintenance[%d].name: %q is there twice", i, m.Name))
		}
		seen[m.Name] = true
	}
	return errors.Join(errs...)
}

// recurring is a maintenance window, parsed.
type recurring struct {
	Maintenance
	matchers Matchers
	times    []timeinterval.TimeInterval
}

func (m Maintenance) parse() (*recurring, error) {
	if m.Name == "" || len(m.Name) > maxText {
		return nil, fmt.Errorf("name: must have 1 to %d bytes", maxText)
	}
	matchers, err := ParseMatchers(m.Matchers)
	if err != nil {
		return nil, fmt.Errorf("matchers: %w", err)
	}
	if len(m.Times) == 0 {
		return nil, errors.New("times: none is given")
	}
	r := &recurring{Maintenance: m, matchers: matchers}
	for i := range m.Times {
		t, err := m.Times[i].parse()
		if err != nil {
			return nil, fmt.Errorf("times[%d]: %w", i, err)
		}
		r.times = append(r.times, t)
	}
	return r, nil
}

// parse hands the words to Alertmanager's own parser.
func (in Interval) parse() (t timeinterval.TimeInterval, err error) {
	type times struct {
		Start string `json:"start_time"`
		End   string `json:"end_time"`
	}
	form := struct {
		Interval
		Times []times `json:"times,omitempty"`
	}{Interval: in}
	for _, text := range in.Times {
		var r times
		if len(text) != len("02:00-04:00") || text[5] != '-' {
			return t, fmt.Errorf("times: %q is not a range such as 02:00-04:00", text)
		}
		r.Start, r.End = text[:5], text[6:]
		form.Times = append(form.Times, r)
	}
	text, err := json.Marshal(form)
	if err != nil {
		return t, err
	}
	if string(text) == "{}" {
		return t, errors.New("no time is given")
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, err
	}
	return t, nil
}

// covers reports whether the maintenance lasts at some time from one instant to
// another, in Unix nanoseconds, to the minute.
func (r *recurring) covers(from, to int64) bool {
	for at := from; ; at = min(at+int64(time.Minute), to) {
		now := time.Unix(0, at).UTC()
		for i := range r.times {
			if r.times[i].ContainsTime(now) {
				return true
			}
		}
		if at >= to {
			return false
		}
	}
}
