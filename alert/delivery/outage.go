package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafana/dskit/backoff"
)

// Backoff is how long to wait between attempts: Min at first, doubling with
// random variation up to Max.
type Backoff struct {
	// Min is the shortest wait after a failed request.
	Min time.Duration `yaml:"min_backoff"`
	// Max is the longest, unless the server asks for more. It is also about
	// how late the first delivery after an outage comes.
	Max time.Duration `yaml:"max_backoff"`
}

// DefaultBackoff returns the defaults: 500 ms to 15 s.
func DefaultBackoff() Backoff {
	return Backoff{Min: 500 * time.Millisecond, Max: 15 * time.Second}
}

// Validate checks the bounds.
func (b Backoff) Validate() error {
	if b.Min <= 0 || b.Max < b.Min {
		return fmt.Errorf("min_backoff: %v is not positive, or more than max_backoff (%v)", b.Min, b.Max)
	}
	return nil
}

// Outage waits between attempts and tells the log when deliveries to a target
// begin to fail and when they work again: two lines, not one for each attempt.
// It is for one goroutine.
type Outage struct {
	log     *slog.Logger
	now     func() time.Time
	cfg     Backoff
	wait    *backoff.Backoff // nil while all is well
	since   time.Time
	attempt int
}

// NewOutage returns an Outage in which all is well.
func NewOutage(cfg Backoff, log *slog.Logger, now func() time.Time) *Outage {
	return &Outage{cfg: cfg, log: log, now: now}
}

// Over records a request that worked.
func (o *Outage) Over() {
	if o.wait == nil {
		return
	}
	o.log.Info("delivery works again", "failed_attempts", o.attempt, "after", o.now().Sub(o.since).Round(time.Second))
	o.wait, o.attempt = nil, 0
}

// Wait records a request that is to be tried again and waits until then, or
// until ctx is done.
func (o *Outage) Wait(ctx context.Context, a Answer) {
	if ctx.Err() != nil {
		return // a cancelled request says nothing about the server
	}
	if o.wait == nil {
		o.wait = backoff.New(context.Background(), backoff.Config{MinBackoff: o.cfg.Min, MaxBackoff: o.cfg.Max})
		o.since = o.now()
		o.log.Warn("delivery fails, trying again until it works", "reason", string(a.Reason), "error", a.Err)
	}
	o.attempt++
	timer := time.NewTimer(max(o.wait.NextDelay(), a.After))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Check is one thing that was tried of a server, and how it went.
type Check struct {
	Target string // the server's URL
	Step   string // what was tried, as a verb phrase
	Detail string // what was found; may be empty
	Err    error  // nil when it works
}
