package app

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// board is what the process shows: the ranked list and how the stream is
// doing. The detect goroutine writes it, the page and the metrics read it; the
// lock is held for a copy only.
type board struct {
	render  alert.Config
	version string
	started time.Time
	// recorded tells that event time is a recording's.
	recorded bool

	mu       sync.Mutex
	progress progress
	tenants  map[string]*standing
}

// progress is how the stream was doing after the last batch.
type progress struct {
	totals    totals
	stats     cluster.Stats
	retrained int64 // event time of the last retrain, Unix nanoseconds
	lag       int64 // records, -1 when unknown
	rate      float64
}

// standing is the last evaluation of one tenant.
type standing struct {
	top      []web.Anomaly
	firing   int
	learning bool
	// evaluated and exceedances count clusters since the process started.
	evaluations, evaluated, exceedances uint64
	// fired and resolved count changes since the process started.
	fired, resolved uint64
}

func newBoard(render alert.Config, version string, recorded bool, now time.Time) *board {
	return &board{
		render: render, version: version, started: now, recorded: recorded,
		progress: progress{lag: -1}, tenants: make(map[string]*standing),
	}
}

// show puts the result of an evaluation up.
func (b *board) show(r *anomaly.Result) {
	top := make([]web.Anomaly, len(r.Top))
	for i := range r.Top {
		top[i] = web.Anomaly{Alert: alert.From(&r.Top[i], b.render), Trend: r.Top[i].Trend}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.tenants[r.Tenant]
	if s == nil {
		s = new(standing)
		b.tenants[r.Tenant] = s
	}
	s.top, s.firing, s.learning = top, len(r.Firing), r.Learning
	s.evaluations++
	s.evaluated += uint64(r.Evaluated)
	s.exceedances += uint64(r.Exceedances)
	for i := range r.Changes {
		if r.Changes[i].State == anomaly.Firing {
			s.fired++
		} else {
			s.resolved++
		}
	}
}

// advance puts the progress of the stream up.
func (b *board) advance(p progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress = p
}

// Status implements [web.Source].
func (b *board) Status() web.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.progress
	s := web.Status{
		Version:         b.version,
		StartedAt:       b.started,
		Recorded:        b.recorded,
		EventsPerSecond: p.rate,
		Consumed:        p.totals.Consumed,
		Late:            p.stats.Outcomes[cluster.LateDropped],
		Rejected:        p.totals.rejected() + p.stats.Outcomes[cluster.RejectedAhead],
		Lag:             p.lag,
		Clusters:        p.stats.Clusters,
		Tenants:         p.stats.Tenants,
	}
	if p.stats.Watermark > 0 {
		s.Watermark = time.Unix(0, p.stats.Watermark).UTC()
	}
	for _, t := range b.tenants {
		s.Learning = s.Learning || t.learning
	}
	return s
}

// Anomalies implements [web.Source]: the tenants' lists, one after another by
// rank, tenants in order of name among equals.
func (b *board) Anomalies() []web.Anomaly {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []web.Anomaly
	for _, t := range b.tenants {
		all = append(all, t.top...)
	}
	slices.SortStableFunc(all, func(x, y web.Anomaly) int {
		if x.Rank != y.Rank {
			return x.Rank - y.Rank
		}
		return strings.Compare(x.Tenant, y.Tenant)
	})
	return all
}
