package produce

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Speed is how many times faster than recorded a recording is published. 0 is
// as fast as possible.
type Speed float64

// ParseSpeed reads a speed such as 60x, 0.5x or max.
func ParseSpeed(s string) (Speed, error) {
	if s == "max" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(strings.TrimSuffix(s, "x"), 64)
	if err != nil || !(x > 0) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%q is not a speed such as 1x, 60x or max", s)
	}
	return Speed(x), nil
}

// String returns the speed as ParseSpeed reads it.
func (s Speed) String() string {
	if s == 0 {
		return "max"
	}
	return strconv.FormatFloat(float64(s), 'f', -1, 64) + "x"
}

// takes returns how long a recorded span takes to publish.
func (s Speed) takes(recorded time.Duration) time.Duration {
	if s == 0 {
		return 0
	}
	return time.Duration(float64(recorded) / float64(s))
}

// pace holds lines back until their time has come.
type pace struct {
	speed Speed
	// start is when the first line with a time was published, and first that
	// time.
	start, first time.Time
}

// wait returns when it is time for what was recorded at t. Lines are recorded
// out of order by seconds: an earlier one is not waited for. Without a time
// there is nothing to wait for either.
func (p *pace) wait(ctx context.Context, t time.Time) error {
	if p.speed == 0 || t.IsZero() {
		return ctx.Err()
	}
	if p.first.IsZero() {
		p.start, p.first = time.Now(), t
	}
	left := p.speed.takes(t.Sub(p.first)) - time.Since(p.start)
	// Waiting for every line would cost more than it orders: timers are
	// precise to about a millisecond.
	if left < time.Millisecond {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
