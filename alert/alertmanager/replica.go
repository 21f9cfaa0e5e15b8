package alertmanager

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/logcluster/logcluster/alert/delivery"
)

// maxBatch is how many alerts go into one request: about half a megabyte.
const maxBatch = 64

var jsonHeaders = http.Header{"Content-Type": {"application/json"}}

// replica delivers the table to one Alertmanager, at its own pace.
type replica struct {
	table  *table
	client *delivery.Client
	outage *delivery.Outage
	target *delivery.Target
	log    *slog.Logger
	ledger ledger
	wake   chan struct{} // holds one: something changed
}

// Len implements [delivery.Queue].
func (r *replica) Len() int { n, _ := r.table.pending(r.ledger); return n }

// Cap implements [delivery.Queue].
func (r *replica) Cap() int { return r.table.cfg.MaxActive }

// OldestAge implements [delivery.Queue].
func (r *replica) OldestAge() time.Duration {
	_, oldest := r.table.pending(r.ledger)
	if oldest.IsZero() {
		return 0
	}
	return max(0, r.table.now().Sub(oldest))
}

// run delivers until ctx is done.
func (r *replica) run(ctx context.Context) {
	for ctx.Err() == nil {
		posts, next := r.table.due(r.ledger, maxBatch, false)
		if len(posts) == 0 {
			r.idle(ctx, next)
			continue
		}
		r.deliver(ctx, posts)
	}
}

// drain delivers changes until there are none or ctx is done.
func (r *replica) drain(ctx context.Context) {
	for ctx.Err() == nil {
		posts, _ := r.table.due(r.ledger, maxBatch, true)
		if len(posts) == 0 {
			return
		}
		r.deliver(ctx, posts)
	}
}

func (r *replica) idle(ctx context.Context, next time.Time) {
	timer := time.NewTimer(max(next.Sub(r.table.now()), time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-timer.C:
	}
}

// deliver sends posts. What is not accepted stays due; after a failure it waits,
// and the next round sends what is true then.
func (r *replica) deliver(ctx context.Context, posts []post) {
	a := r.send(ctx, posts)
	switch {
	case a.Verdict == delivery.Accepted:
		r.outage.Over()
		r.table.accepted(r.ledger, posts)
	case a.Verdict == delivery.Retry:
		r.outage.Wait(ctx, a)
	case len(posts) == 1:
		r.outage.Over()
		r.giveUp(posts[0], a)
	default:
		// Alertmanager may have stored the valid ones, and says of none which:
		// one by one shows it, and sending a valid one again changes nothing.
		for _, p := range posts {
			if r.deliver(ctx, []post{p}); ctx.Err() != nil {
				return
			}
		}
	}
}

func (r *replica) send(ctx context.Context, posts []post) delivery.Answer {
	var body bytes.Buffer
	body.WriteByte('[')
	for i, p := range posts {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(p.body)
	}
	body.WriteByte(']')
	start := r.table.now()
	a := r.client.Post(ctx, "/api/v2/alerts", body.Bytes(), jsonHeaders)
	if a.Verdict == delivery.Accepted || ctx.Err() == nil {
		r.target.Request(a, len(posts), r.table.now().Sub(start))
	}
	return a
}

func (r *replica) giveUp(p post, a delivery.Answer) {
	if !r.table.refused(r.ledger, p) {
		return
	}
	why := delivery.RefusedByPeer
	if a.Verdict == delivery.TooLarge {
		why = delivery.TooLargeAlone
	}
	r.target.Drop(why, 1)
	r.log.Error("alert refused, not sent again until its state changes", "reason", string(a.Reason), "error", a.Err, "labels", p.key)
}
