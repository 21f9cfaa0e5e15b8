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
	// MediumWindow is the length of the windows of the medium scale, in which
	// shows what is too slow for Window: a few more events every minute for an
	// hour. Subjects are compared with their peers over it. It costs about 0.3
	// KB for each cluster and step with events (and 16 to 40 bytes for each
	// subject in it, and each distinct name in twice the window), and no time
	// an event. A multiple of MediumSlide and of Window; 0 turns the medium
	// and the long scale off.
	MediumWindow time.Duration `yaml:"medium_window"`
	// MediumSlide is how often a window of the medium scale ends, and the step
	// in which it is counted: shorter means sooner and more memory. A multiple
	// of Slide, a thirtieth of MediumWindow at least.
	MediumSlide time.Duration `yaml:"medium_slide"`
	// LongWindow is the length of the windows of the long scale, in which shows
	// what is slow and low: a few events every hour all day. It costs as much
	// for each step as the medium scale, without the subjects. A multiple of
	// LongSlide and of Window; 0 turns the long scale off.
	LongWindow time.Duration `yaml:"long_window"`
	// LongSlide is how often a window of the long scale ends, and the step in
	// which it is counted. A multiple of MediumSlide, not longer than
	// MediumWindow, a thirtieth of LongWindow at least.
	LongSlide time.Duration `yaml:"long_slide"`
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
	// the sources were not alive. At the longer scales a window may lack as
	// much as one of its steps in such gaps. It should be longer than Window, so that
	// the end of everything is seen once, as windows of zero.
	MaxGap time.Duration `yaml:"max_gap"`
	// MaxTenants is how many tenants there may be; those admitted first keep
	// their place until they had no events for SeenFor. What comes after is
	// added up in the tenant "_overflow". A tenant costs what its limits allow,
	// about 2 KB at least, and an evaluation at every slide.
	MaxTenants int `yaml:"max_tenants"`
	// MaxDistinct is where the distinct counts of a cluster (subjects, objects,
	// namespaces, sources) stop being exact and saturate.
	MaxDistinct int `yaml:"max_distinct"`
	// Limits are the budgets of a tenant that has none of its own.
	Limits `yaml:",inline"`
	// SeenFor is how long something is remembered at least after it was last
	// seen (twice as long at most), and how long a cluster without events is
	// kept. At least the longest window plus Grace plus one hour.
	SeenFor time.Duration `yaml:"seen_for"`
}

// DefaultConfig returns the configuration that the documentation describes.
func DefaultConfig() Config {
	return Config{
		Pane:           10 * time.Second,
		Window:         5 * time.Minute,
		Slide:          30 * time.Second,
		MediumWindow:   time.Hour,
		MediumSlide:    5 * time.Minute,
		LongWindow:     24 * time.Hour,
		LongSlide:      time.Hour,
		OutOfOrderness: 20 * time.Second,
		Grace:          2 * time.Minute,
		MaxAhead:       5 * time.Minute,
		MaxGap:         10 * time.Minute,
		MaxTenants:     1_000,
		MaxDistinct:    4_096,
		Limits:         DefaultLimits(),
		SeenFor:        30 * 24 * time.Hour,
	}
}

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
	require(c.MaxTenants > 0, "max_tenants: %d is not positive", c.MaxTenants)
	require(c.MaxDistinct > 0 && c.MaxDistinct <= 1<<20, "max_distinct: %d is not between 1 and %d", c.MaxDistinct, 1<<20)
	longest := max(c.Window, c.MediumWindow, c.LongWindow)
	require(c.SeenFor >= longest+c.Grace+time.Hour, "seen_for: %v is shorter than the longest window (%v) + grace + 1h", c.SeenFor, longest)
	problems = append(problems, c.validateScales()...)
	return errors.Join(append(problems, c.Limits.Validate())...)
}

// validateScales reports the problems of the longer scales.
func (c Config) validateScales() (problems []error) {
	multiple := func(name string, length time.Duration, of string, unit time.Duration) bool {
		ok := length > 0 && unit > 0 && length%unit == 0
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %v is not a multiple of %s (%v)", name, length, of, unit))
		}
		return ok
	}
	steps := func(name string, window, slide time.Duration) {
		if 2*int64(window/slide)+graceSteps(int64(c.Grace), int64(slide)) > maxMarks-1 {
			problems = append(problems, fmt.Errorf("%s: twice %v and grace (%v) are more than %d steps of %v", name, window, c.Grace, maxMarks-2, slide))
		}
	}
	if c.MediumWindow != 0 && multiple("medium_slide", c.MediumSlide, "slide", c.Slide) &&
		multiple("medium_window", c.MediumWindow, "medium_slide", c.MediumSlide) &&
		multiple("medium_window", c.MediumWindow, "window", c.Window) {
		steps("medium_window", c.MediumWindow, c.MediumSlide)
	}
	if c.LongWindow == 0 {
		return problems
	}
	if c.MediumWindow == 0 {
		return append(problems, errors.New("long_window: the long scale is counted from the medium one, which is off"))
	}
	if c.LongSlide > c.MediumWindow {
		problems = append(problems, fmt.Errorf("long_slide: %v is longer than medium_window (%v)", c.LongSlide, c.MediumWindow))
	}
	if multiple("long_slide", c.LongSlide, "medium_slide", c.MediumSlide) &&
		multiple("long_window", c.LongWindow, "long_slide", c.LongSlide) &&
		multiple("long_window", c.LongWindow, "window", c.Window) {
		steps("long_window", c.LongWindow, c.LongSlide)
	}
	return problems
}
