package anomaly

import (
	"math"
	"math/bits"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// trendWindows is how many windows a trend shows.
const trendWindows = 60

// Recent is what a cluster did lately: the run-up of a trend, and who its usual
// subjects are. It is a part of [State].
type Recent struct {
	End     int64    // of the last window with events
	AskedAt int64    // end of the last window in which it had, or should have had, some
	Events  []uint32 // of the last windows, oldest first
	Top     []Share
	TopAt   int64 // when Top was looked up
}

func pushed(ring []uint32, v uint32) []uint32 {
	if len(ring) == trendWindows {
		copy(ring, ring[1:])
		ring = ring[:trendWindows-1]
	}
	return append(ring, v)
}

// topEvery is how often the usual subjects of a cluster are looked up.
const topEvery = int64(10 * time.Minute)

// remember keeps the window's events and, from time to time, its subjects: of
// a cluster that falls silent nobody could be named otherwise.
func (j *judging) remember(w *cluster.Window) *Recent {
	r := j.recent[w.Cluster.ID]
	if r == nil {
		r = &Recent{TopAt: j.ev.End - topEvery}
		j.recent[w.Cluster.ID] = r
	}
	if j.ev.End-r.TopAt >= topEvery && w.Counts[cluster.Events] >= 3 {
		r.Top = j.subjects(w)
		r.TopAt = j.ev.End
	}
	r.End, r.AskedAt = j.ev.End, j.ev.End
	r.Events = pushed(r.Events, w.Counts[cluster.Events])
	return r
}

// subjects returns the shares of the window's most active subjects.
func (d *Detector) subjects(w *cluster.Window) []Share {
	d.scratch = w.AppendTop(d.scratch[:0], cluster.BySubject, cluster.TopSubjects)
	shares := make([]Share, len(d.scratch))
	for i, s := range d.scratch {
		shares[i] = Share{Name: s.Name, Share: float64(s.Events) / float64(max(1, w.Counts[cluster.Events]))}
	}
	return shares
}

// Track is the life of one cluster that exceeded. It is a part of [State].
type Track struct {
	Cluster *fingerprint.ClusterKey
	// StartedAt is the end of the first window of this life, zero after the last
	// one; ExceededAt that of the last window beyond the exceedance.
	StartedAt, ExceededAt int64
	// Counted has a bit for each evaluation that counted, the last in bit 0.
	Counted uint64
	// Z and Features are of the last window beyond the exceedance.
	Z, LogP  float64
	Driver   cluster.Feature
	Features []Feature
	// Subjects are of the window with the highest |z|, PeakLogP is its p-value.
	Subjects []Share
	PeakLogP float64
	// Trend is of Driver, since it drives; unused for events.
	Trend []uint32
	// Story is the number of the story that the track is a part of, or zero.
	Story int64
	// ResolvedAt is the end of the last story, zero before; CooledLogP is what
	// it reached, and CooledDriver what drove it.
	ResolvedAt   int64
	CooledLogP   float64
	CooledDriver cluster.Feature
}

// track is a Track, and what is known in the evaluation in hand only.
type track struct {
	Track
	at     int64 // of the last evaluation that judged it
	weight float64
	ready  bool // to fire
}

func (tr *track) countedWithin(n int) int { return bits.OnesCount64(tr.Counted << (64 - n)) }

// exempt reports whether one unlikely window is enough, however small the
// deviation: for new things, sensitive resources and the accesses that are
// power themselves. What only reacts is never exempt.
func (tr *track) exempt() bool {
	k := tr.Cluster
	if tr.Driver < cluster.NewFingerprints && reactive(tr) {
		return false
	}
	return k.Sensitive || k.Access == fingerprint.AccessConnect || k.Access == fingerprint.AccessEscalate ||
		tr.Driver >= cluster.NewFingerprints
}

// seen is one cluster in one window, as it is judged.
type seen struct {
	cluster *fingerprint.ClusterKey
	x       baseline.Expectation
	window  *cluster.Window // empty for an absent cluster
	absent  bool
	recent  *Recent       // nil when nothing is remembered
	silence time.Duration // of an absent cluster
}

// step takes one judged window into the life of its track.
func (j *judging) step(tr *track, s *seen, v score) {
	tr.at = j.ev.End
	tr.Counted <<= 1
	tr.ready = false
	if !v.exceeds() {
		tr.weight = 0
		if tr.Driver != cluster.Events {
			tr.Trend = pushed(tr.Trend, s.window.Counts[tr.Driver])
		}
		return
	}
	if tr.StartedAt == 0 || tr.Story == 0 && j.ev.End-tr.ExceededAt > j.ev.End-j.ev.Start {
		tr.begin(j.ev.End)
	}
	if tr.Driver != v.driver {
		tr.Driver, tr.Trend = v.driver, nil
	}
	if v.driver != cluster.Events {
		tr.Trend = pushed(tr.Trend, s.window.Counts[v.driver])
	}
	tr.ExceededAt, tr.Z, tr.LogP = j.ev.End, v.z, v.logP
	tr.weight = j.weight(tr)
	tr.Features = explain(&s.x, s.window, v)
	if v.logP < tr.PeakLogP || tr.Subjects == nil {
		tr.PeakLogP = v.logP
		tr.Subjects = j.who(s)
	}
	if v.logP <= j.threshold(tr, s.absent) && j.counts(tr, s, v) {
		tr.Counted |= 1
		tr.ready = s.absent || tr.exempt() || s.x.Born() || tr.countedWithin(j.cfg.FireWithin) >= j.cfg.FireAfter
	}
}

// threshold is the logarithm of the p-value that counts towards an alert. It is
// squared, so that only what is extraordinary counts, while the tenant is being
// learnt, and for the absence of a cluster whose role does other things: a
// component that is dead is silent in everything.
func (j *judging) threshold(tr *track, absent bool) float64 {
	l := j.logFire
	if tr.Z > 0 {
		l += j.allowance(tr.Cluster)
	}
	if j.learning || absent && j.active(tr.Cluster.Role) {
		l *= 2
	}
	return l
}

// waits reports whether a cluster that only reacts is still to wait for its
// cause to fire: for one window.
func (j *judging) waits(tr *track) bool {
	return j.ev.End-tr.StartedAt < j.ev.End-j.ev.Start && tr.Driver < cluster.NewFingerprints && reactive(tr)
}

// begin starts a new life.
func (tr *track) begin(end int64) {
	tr.StartedAt, tr.Counted, tr.PeakLogP = end, 0, 0
	tr.Subjects, tr.Trend = nil, nil
}

// who returns the subjects of a window, or the usual ones of an absent cluster.
func (j *judging) who(s *seen) []Share {
	if !s.absent {
		return j.subjects(s.window)
	}
	if s.recent != nil {
		return s.recent.Top
	}
	return nil
}

// freshP is how unlikely (one-sided) the newest panes must be by themselves.
const freshP = 0.1

// counts reports whether an unlikely window counts towards an alert: its fresh
// panes deviate by themselves, and it deviates enough to matter.
func (j *judging) counts(tr *track, s *seen, v score) bool {
	if s.absent {
		return s.silence >= j.cfg.AbsentAfter
	}
	if tr.exempt() || s.x.Born() {
		return true
	}
	if !s.x.Deviates(v.driver, &s.window.Fresh, j.fraction, v.z > 0, freshP) {
		return false
	}
	o, _ := s.x.Opinion(v.driver, s.window)
	if math.Abs(o.Observed-o.Expected) < float64(j.cfg.MinEvents) {
		return false
	}
	if v.z < 0 {
		return o.Observed*j.cfg.MinRatio <= o.Low
	}
	return o.Observed >= o.High*j.cfg.MinRatio
}
