package app

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/baseline/peer"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// board is what the process shows: the ranked list and how the stream is
// doing. The detect goroutine writes it, the page and the metrics read it; the
// lock is held for a copy only.
type board struct {
	cfg     alert.Config
	places  alert.Places
	limits  cluster.Limits // of a tenant that has none of its own
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
	budgets   []cluster.TenantStats
	verdicts  verdict.Counts
	inForce   int // suppressions and expected alerts
	shadow    *shadow
}

// standing is the last evaluation of one tenant.
type standing struct {
	top      []web.Anomaly
	hushed   []web.Anomaly // that fire and nobody is told of, as they are suppressed
	clusters []web.Cluster // of the last evaluation, those with the most events first
	families *family.Families
	fit      *web.Fit      // nil before the first window of the medium scale
	resolved []web.Anomaly // lately, the last one first
	firing   int
	learning bool
	learned  int64 // when learning ends, Unix nanoseconds; zero when unknown
	// evaluated and exceedances count clusters since the process started.
	evaluations, evaluated, exceedances uint64
	// fired and resolved count changes since the process started.
	fires, resolves uint64
	// shifts are those of resolves that were accepted as the new usual, and cuts
	// those that fired and were not told, because there were too many more
	// unlikely ones.
	shifts, cuts uint64
	// calibration are the rows that are exported.
	calibration []calibration.Row
}

func newBoard(cfg *Config, version string, recorded bool, now time.Time) *board {
	return &board{
		cfg: cfg.Alert.Render, limits: cfg.Cluster.Limits, version: version, started: now, recorded: recorded,
		progress: progress{lag: -1}, tenants: make(map[string]*standing),
	}
}

// What was resolved stays on the board for so long (event time), and at most so
// many of a tenant: whoever comes to look finds what woke him.
const (
	showResolvedFor = 6 * time.Hour
	maxResolved     = 20
)

// maxHushedShown bounds the suppressed anomalies of a tenant that are shown.
const maxHushedShown = 20

// show puts an evaluation and its result up. learned is when the tenant's
// learning period ends.
func (b *board) show(ev *cluster.Evaluation, r *anomaly.Result, learned int64) {
	clusters := busiest(ev, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.of(r.Tenant)
	top := make([]web.Anomaly, len(r.Top))
	for i := range r.Top {
		top[i] = b.render(&r.Top[i], s.families)
	}
	s.top, s.clusters = top, clusters
	s.hushed = nil
	for _, list := range [][]anomaly.Anomaly{r.Firing, r.Unseen} {
		for i := range list {
			if list[i].Suppressed != "" && len(s.hushed) < maxHushedShown {
				s.hushed = append(s.hushed, b.render(&list[i], s.families))
			}
		}
	}
	s.firing, s.learning, s.learned = len(r.Firing), r.Learning, learned
	s.evaluations++
	s.evaluated += uint64(r.Evaluated)
	s.exceedances += uint64(r.Exceedances)
	for i := range r.Changes {
		if r.Changes[i].State == anomaly.Firing {
			s.fires++
			continue
		}
		s.resolves++
		if r.Changes[i].LevelShift {
			s.shifts++
		}
		s.resolved = slices.Insert(s.resolved, 0, b.render(&r.Changes[i], s.families))
	}
	for i := range r.Withheld {
		if w := &r.Withheld[i]; w.PastCut && w.State == anomaly.Firing {
			s.cuts++
		}
	}
	s.forget(r.End)
}

// forget takes down what was resolved long ago.
func (s *standing) forget(now time.Time) {
	s.resolved = s.resolved[:min(len(s.resolved), maxResolved)]
	for len(s.resolved) > 0 && now.Sub(*s.resolved[len(s.resolved)-1].ResolvedAt) > showResolvedFor {
		s.resolved = s.resolved[:len(s.resolved)-1]
	}
}

// of returns the standing of a tenant. The caller holds the lock.
func (b *board) of(tenant string) *standing {
	s := b.tenants[tenant]
	if s == nil {
		s = new(standing)
		b.tenants[tenant] = s
	}
	return s
}

// learned puts the role families of a tenant up.
func (b *board) learned(f *family.Families) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(f.Tenant).families = f
}

// compared puts up how well roles describe their subjects.
func (b *board) compared(tenant string, q peer.Quality) {
	fit := fitView(&q)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(tenant).fit = fit
}

// calibrated puts up how often windows are beyond 2 and 2.5, by feature, where
// enough were measured.
func (b *board) calibrated(tenant string, rows []calibration.Row) {
	rows = slices.DeleteFunc(rows, func(r calibration.Row) bool { return !r.All || !r.Enough() || r.Z > 2.5 })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(tenant).calibration = rows
}

// forgotten takes a tenant down.
func (b *board) forgotten(tenant string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tenants, tenant)
}

func (b *board) render(a *anomaly.Anomaly, families *family.Families) web.Anomaly {
	out := web.Anomaly{Alert: alert.From(a, b.cfg, b.places), Trend: a.Trend}
	if f := families.Of(a.Cluster.Role); f != nil {
		out.Family = &web.FamilyRef{ID: f.ID, Name: cleaned(f.Name), Members: len(f.Members)}
	}
	return out
}

// shadow returns the second engine, nil without one.
func (b *board) shadow() *shadow {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.progress.shadow
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
		if until := time.Unix(0, t.learned).UTC(); t.learning && t.learned > 0 && until.After(s.LearningUntil) {
			s.LearningUntil = until
		}
	}
	return s
}

// Anomalies implements [web.Source]: what stands out now, by rank, tenants in
// order of name among equals; then what is suppressed, and what was resolved
// lately, the last first.
func (b *board) Anomalies() []web.Anomaly {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all, hushed, resolved []web.Anomaly
	for _, t := range b.tenants {
		all = append(all, t.top...)
		hushed = append(hushed, t.hushed...)
		resolved = append(resolved, t.resolved...)
	}
	slices.SortStableFunc(all, func(x, y web.Anomaly) int {
		if x.Rank != y.Rank {
			return x.Rank - y.Rank
		}
		return strings.Compare(x.Tenant, y.Tenant)
	})
	slices.SortStableFunc(resolved, func(x, y web.Anomaly) int {
		return cmp.Or(y.ResolvedAt.Compare(*x.ResolvedAt), strings.Compare(x.Tenant, y.Tenant))
	})
	slices.SortStableFunc(hushed, func(x, y web.Anomaly) int { return strings.Compare(x.Tenant, y.Tenant) })
	return slices.Concat(all, hushed, resolved)
}
