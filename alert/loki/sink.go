// Package loki writes alerts to Loki, one line each, in order, and every line
// at least once: a repeat is the same bytes, and Loki shows it once.
//
// Loki takes entries out of order up to about an hour behind the newest of
// their stream, and refuses old timestamps unless it is told otherwise
// (limits_config.reject_old_samples): whether recorded time may be written to a
// live Loki is the caller's decision.
package loki

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/delivery"
)

// DeadLetter is told of entries that Loki refused and why, from the sink's own
// goroutine: it must not block for long, and may keep the slice. Loki may have
// stored some of them, and does not say which.
type DeadLetter func(entries []Entry, reason error)

// Sink delivers lines to Loki. It is a dskit service: nothing is sent before it
// is started, and a stop delivers what waits, until drain_timeout. Its methods
// are safe for concurrent use.
type Sink struct {
	services.Service

	cfg        Config
	log        *slog.Logger
	now        func() time.Time
	deadLetter DeadLetter

	queue  *queue
	wake   chan struct{} // holds one: something was queued
	client *delivery.Client
	outage *delivery.Outage
	target *delivery.Target
	// size is how many entries go into a request: halved when one is too large
	// for Loki, and slowly growing back.
	size int
}

// New returns a sink that is not started. now is the wall clock, nil means
// [time.Now]; a nil deadLetter is fine. It reads the TLS files of the
// configuration. A sink without URL takes lines and drops them at its bound:
// don't make one.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer, now func() time.Time, deadLetter DeadLetter) (*Sink, error) {
	return newSink(cfg, log, reg, now, deadLetter, nil)
}

func newSink(cfg Config, log *slog.Logger, reg prometheus.Registerer, now func() time.Time, deadLetter DeadLetter, transport http.RoundTripper) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure loki: %w", err)
	}
	if cfg.URL == "" {
		return nil, fmt.Errorf("configure loki: no url")
	}
	if now == nil {
		now = time.Now
	}
	client, err := delivery.NewClient(cfg.URL, cfg.Client, transport)
	if err != nil {
		return nil, fmt.Errorf("configure loki: %w", err)
	}
	log = log.With("sink", "loki", "target", cfg.URL)
	s := &Sink{
		cfg: cfg, log: log, now: now, deadLetter: deadLetter, client: client,
		queue:  newQueue(cfg.QueueEntries, cfg.QueueBytes, now),
		wake:   make(chan struct{}, 1),
		outage: delivery.NewOutage(cfg.Backoff, log, now),
		size:   cfg.BatchEntries,
	}
	s.target = delivery.NewMetrics(reg, "loki").Target(cfg.URL, s.queue)
	s.Service = services.NewBasicService(nil, s.run, s.stop).WithName("loki sink")
	return s, nil
}

// Put queues a line for each alert, in their order. It never blocks: when the
// queue is full, the oldest lines are dropped and counted.
func (s *Sink) Put(kind Kind, alerts ...alert.Alert) {
	for i := range alerts {
		e, err := s.cfg.entry(kind, &alerts[i])
		if err != nil {
			s.target.Drop(delivery.NotEncodable, 1)
			continue
		}
		s.target.Drop(delivery.QueueFull, s.queue.add(e))
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// State is what a [Sink] needs to go on after a restart.
type State struct {
	// Undelivered are the entries that Loki has not acknowledged, in order.
	// Some may have arrived all the same.
	Undelivered []Entry
}

// Snapshot returns what is not delivered, to be saved. It shares nothing that
// changes with the sink.
func (s *Sink) Snapshot() State { return State{Undelivered: s.queue.all()} }

// Restore queues what a snapshot had undelivered, before the start and before
// the first Put.
func (s *Sink) Restore(state State) {
	for _, e := range state.Undelivered {
		s.target.Drop(delivery.QueueFull, s.queue.add(e))
	}
}

func (s *Sink) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if s.deliver(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
	}
	return nil
}

func (s *Sink) stop(error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	for ctx.Err() == nil && s.deliver(ctx) {
	}
	if n := s.queue.Len(); n > 0 {
		s.log.Warn("stopped before everything was delivered", "undelivered", n)
	}
	s.client.Close()
	return nil
}

// deliver makes one request from the head of the queue and reports whether
// there was anything to send. What is not settled stays at the head.
func (s *Sink) deliver(ctx context.Context) bool {
	batch, through := s.queue.head(s.size, s.cfg.BatchBytes)
	if len(batch) == 0 {
		return false
	}
	a := s.push(ctx, batch)
	switch {
	case a.Verdict == delivery.Retry:
		s.outage.Wait(ctx, a)
		return true
	case a.Verdict == delivery.TooLarge && len(batch) > 1:
		s.outage.Over()
		s.size = len(batch) / 2
		return true
	case a.Verdict == delivery.Accepted:
		s.size = min(s.size+s.size/8+1, s.cfg.BatchEntries)
	default:
		s.giveUp(batch, a)
	}
	s.outage.Over()
	s.queue.done(through)
	return true
}

// header says what the body is, and for which tenant of Loki.
func (s *Sink) header() http.Header {
	h := http.Header{"Content-Type": {"application/x-protobuf"}}
	if s.cfg.OrgID != "" {
		h["X-Scope-OrgID"] = []string{s.cfg.OrgID}
	}
	return h
}

func (s *Sink) push(ctx context.Context, batch []Entry) delivery.Answer {
	body, err := encode(batch)
	if err != nil {
		return delivery.Answer{Verdict: delivery.Refused, Reason: delivery.BadRequest, Err: err}
	}
	start := s.now()
	a := s.client.Post(ctx, "/loki/api/v1/push", body, s.header())
	if a.Verdict == delivery.Accepted || ctx.Err() == nil {
		s.target.Request(a, len(batch), s.now().Sub(start))
	}
	return a
}

func (s *Sink) giveUp(batch []Entry, a delivery.Answer) {
	why := delivery.RefusedByPeer
	if a.Verdict == delivery.TooLarge {
		why = delivery.TooLargeAlone
	}
	s.target.Drop(why, len(batch))
	s.log.Error("lines refused, not sent again", "lines", len(batch), "reason", string(a.Reason), "error", a.Err)
	if s.deadLetter != nil {
		s.deadLetter(batch, a.Err)
	}
}
