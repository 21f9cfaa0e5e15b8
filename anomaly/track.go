package anomaly

import (
	"math"
	"math/bits"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Track is the life of one cluster that exceeded. It is a part of
// [DetectorState].
type Track struct {
	Cluster *fingerprint.ClusterKey
	// StartedAt is the end of the first window of this life, zero after the last
	// one; ExceededAt that of the last window of the short scale beyond the
	// exceedance.
	StartedAt, ExceededAt int64
	// Counted has a bit for each evaluation of a scale that counted, the last in
	// bit 0; Beyond for each that exceeded.
	Counted, Beyond [cluster.NumScales]uint64
	// Reached has a bit for each scale at which it could fire in this life.
	Reached uint8
	// Z to Scale are of the last window beyond the exceedance.
	Z, LogP float64
	Driver  cluster.Feature
	Scale   cluster.Scale
	// New tells that it is about what was never seen before.
	New bool
	// Last is what there is to tell of that window, Peak that of the one with the
	// highest |z|; PeakLogP is the p-value of the latter.
	Last, Peak Account
	PeakLogP   float64
	// Said is the verdict of the last window of the short scale beyond the
	// exceedance.
	Said Verdict
	// BeganAt is when the driver changed, zero while no window showed it.
	BeganAt int64
	// Trend is of Driver at Scale, since it drives; unused for events of the short
	// scale.
	Trend []float64
	// Story is the number of the story that the track is a part of, or zero;
	// JoinedLogP is how unlikely it was when it became one.
	Story      int64
	JoinedLogP float64
	// Shifted tells that its level was accepted as the new usual while it was a
	// part of a story.
	Shifted bool
	// Drove has a bit for each feature that drove in this life.
	Drove uint32
	// ResolvedAt is the end of the last story, zero before; CooledLogP is what
	// it reached, CooledDrove what drove it, a bit for each feature, and
	// CooledSubject the most active one, where it was about what was new; else
	// empty.
	ResolvedAt    int64
	CooledLogP    float64
	CooledDrove   uint32
	CooledSubject string
	// Repeats is how often it fired again soon after it was resolved.
	Repeats int
}

// track is a Track, and what is known in the evaluation in hand only.
type track struct {
	Track
	at     int64 // of the last evaluation that judged it
	weight float64
	ready  bool // to fire, because of:
	due    cluster.Scale
}

// exempt reports whether one unlikely window is enough, however small the
// deviation: for new things, and acts on sensitive resources and of the accesses
// that are power themselves. What only reacts is never exempt.
func (j *judging) exempt(c *candidate, s cluster.Scale) bool {
	k, v := c.cluster, &c.said[s]
	if v.born {
		return true
	}
	if isNew(v.Driver) {
		return true
	}
	if reactive(k, c.track.Peak.Subjects) {
		return false
	}
	return isAct(v.Driver) && (k.Sensitive || k.Access == fingerprint.AccessConnect || k.Access == fingerprint.AccessEscalate)
}

// turn begins an evaluation of a track.
func (j *judging) turn(tr *track) {
	tr.at, tr.ready, tr.weight = j.ev.End, false, 0
	for s := range tr.Counted {
		if cluster.Scale(s) == cluster.Short || j.fresh[s] {
			tr.Counted[s] <<= 1
			tr.Beyond[s] <<= 1
		}
	}
}

// step takes one judged window into the life of its track.
func (j *judging) step(c *candidate, cutoff float64) {
	tr := c.track
	j.turn(tr)
	if !c.exceeds() {
		if tr.Scale == cluster.Short && tr.Driver < cluster.NumFeatures {
			tr.push(float64(c.window.Counts[tr.Driver]))
		}
		return
	}
	if tr.StartedAt == 0 || tr.Story == 0 && !j.lately(tr) {
		tr.begin(j.ev.End)
	}
	if tr.Driver != c.driver || tr.Scale != c.scale {
		tr.Driver, tr.Scale, tr.Trend = c.driver, c.scale, nil
	}
	if tr.Scale == cluster.Short || j.fresh[tr.Scale] || tr.Trend == nil {
		tr.push(c.said[c.scale].Observed)
	}
	tr.Z, tr.LogP = c.z, c.logP
	tr.weight = j.weight(tr)
	tr.New = isNew(tr.Driver) || c.said[c.scale].born
	tr.Drove |= 1 << tr.Driver
	j.note(c)
	for s := range cluster.NumScales {
		if s == cluster.Short || j.fresh[s] {
			j.count(tr, c, s, cutoff)
		}
	}
}

// note keeps what there is to tell of a window that goes beyond.
func (j *judging) note(c *candidate) {
	tr, s := c.track, &c.said[c.scale]
	if c.scale == cluster.Short && !s.silent {
		var usual *Usual
		if c.recent != nil {
			usual = &c.recent.Usual
		}
		j.recount(&s.account, c.window, &s.Verdict, usual, j.ev.Start, j.ev.End)
		if s.account.BeganAt == 0 && tr.BeganAt == 0 && !s.born {
			s.account.BeganAt = j.before(c.recent, &s.Verdict)
		}
	}
	tr.Last = s.account
	if c.logP < tr.PeakLogP || tr.Peak.Features == nil {
		tr.PeakLogP, tr.Peak = c.logP, s.account
	}
	// While the window shows the change, more of what came after it tells better
	// when it was.
	start := j.ev.Start
	if c.scale != cluster.Short {
		start = j.views[c.scale].Start
	}
	if s.account.BeganAt != 0 && (tr.BeganAt == 0 || tr.BeganAt > start) {
		tr.BeganAt = s.account.BeganAt
	}
}

// isNew reports whether a feature counts things never seen before.
func isNew(f cluster.Feature) bool { return f >= cluster.NewFingerprints && f < cluster.NumFeatures }

// subject is the most active one of the window with the highest |z|.
func (tr *track) subject() string {
	if len(tr.Peak.Subjects) == 0 {
		return ""
	}
	return tr.Peak.Subjects[0].Name
}

// push adds a value of the driver to the trend.
func (tr *track) push(v float64) {
	if tr.Driver != cluster.Events || tr.Scale != cluster.Short {
		tr.Trend = pushed(tr.Trend, v)
	}
}

// count takes one new evaluation of one scale into a track's life: whether it
// goes beyond, whether it counts towards an alert, and whether that is enough to
// fire.
func (j *judging) count(tr *track, c *candidate, s cluster.Scale, cutoff float64) {
	if !c.beyond(s) {
		return
	}
	tr.Beyond[s] |= 1
	if s == cluster.Short {
		tr.ExceededAt, tr.Said = j.ev.End, c.said[s].Verdict
	}
	v := &c.said[s]
	if j.weighted(c, s, v.alone(c.tests)) > cutoff {
		return
	}
	once := v.silent || j.exempt(c, s)
	if v.silent && !v.enough || !once && !(v.speaks && v.enough) || s != cluster.Short && !v.speaks {
		return
	}
	tr.Counted[s] |= 1
	if !once && tr.countedWithin(s, j.cfg.FireWithin) < j.cfg.FireAfter {
		return
	}
	tr.Reached |= 1 << s
	if !tr.ready {
		tr.ready, tr.due = true, s
	}
}

func (tr *track) countedWithin(s cluster.Scale, n int) int {
	return bits.OnesCount64(tr.Counted[s] << (64 - n))
}

// lately reports whether a track's life is not over: a window of the short scale
// has not passed since it exceeded, or one of the last [Config.FireWithin]
// evaluations of a longer scale did.
func (j *judging) lately(tr *track) bool {
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		if tr.Beyond[s]<<(64-j.cfg.FireWithin) != 0 {
			return true
		}
	}
	return tr.StartedAt != 0 && j.ev.End-max(tr.ExceededAt, tr.StartedAt) <= j.ev.End-j.ev.Start
}

// lasts reports whether a track still holds up a story that fired because of a
// scale. At that scale it does so for hold after it exceeded, or
// at a longer one, for as many evaluations as it may take to fire. Another scale
// holds it only while it exceeds, and only where it could have fired by itself:
// a short burst is not over with the day that contains it.
func (j *judging) lasts(tr *track, because cluster.Scale, hold int64) bool {
	if tr.Shifted {
		return false
	}
	for s := range cluster.NumScales {
		switch {
		case s == cluster.Short:
			if j.ev.End-tr.ExceededAt < hold {
				return true
			}
		case s == because:
			if tr.Beyond[s]<<(64-j.cfg.FireWithin) != 0 {
				return true
			}
		case tr.Reached&(1<<s) != 0 && tr.Beyond[s]&1 != 0:
			return true
		}
	}
	return false
}

// waits reports whether a cluster that only reacts is still to wait for its
// cause to fire: for one window.
func (j *judging) waits(tr *track) bool {
	return j.ev.End-tr.StartedAt < j.window && tr.reacts()
}

// begin starts a new life.
func (tr *track) begin(end int64) {
	tr.StartedAt, tr.PeakLogP, tr.Reached, tr.Shifted, tr.Drove = end, 0, 0, false, 0
	tr.Counted, tr.Beyond = [cluster.NumScales]uint64{}, [cluster.NumScales]uint64{}
	tr.Last, tr.Peak, tr.Said, tr.Trend, tr.BeganAt = Account{}, Account{}, Verdict{}, nil, 0
}

// freshP is how unlikely (one-sided) the newest panes must be by themselves.
const freshP = 0.1

// enough reports whether a feature deviates enough to matter, in a window of so
// many events. A share does, too, where what is left of it does.
func (d *Detector) enough(o *baseline.Opinion, up bool, events uint32) bool {
	least, ratio := float64(d.cfg.MinEvents), d.cfg.MinRatio
	if o.Feature < cluster.NumFeatures && math.Abs(o.Observed-o.Expected) < least ||
		o.Feature >= cluster.NumFeatures && float64(events) < least {
		return false
	}
	over, under := o.Observed >= o.High*ratio, o.Observed*ratio <= o.Low
	if o.Feature == cluster.TopObject || o.Feature == cluster.TopSubject || o.Feature == cluster.Stability {
		over = over || (1-o.Observed)*ratio <= 1-o.High
		under = under || 1-o.Observed >= (1-o.Low)*ratio
	}
	if up {
		return over
	}
	return under
}

// grows reports whether a verdict is more unlikely than the one before. Of what is
// not counted, and so not known of the newest panes, that is how they show.
func (v *Verdict) grows(before *Verdict) bool {
	return before == nil || before.Driver != v.Driver || v.LogP < before.LogP
}
