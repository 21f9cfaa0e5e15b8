package peer

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// forgotten is the number of half-lives after which what was not seen again is
// removed.
const forgotten = 6

// memberKey names a subject in a cluster.
type memberKey struct {
	cluster fingerprint.ID
	subject string
}

// member is what a subject did in a cluster, in the windows in which it was
// active there. The sums are decayed.
type member struct {
	key     *fingerprint.ClusterKey
	subject string

	windows, events, square float64
	seen                    int64 // end of the last window
}

// groupKey names who is compared with whom: the subjects of a role family that
// do the same.
type groupKey struct {
	family string
	kind   kind
}

// group are the members of one groupKey. It is made anew from them when they
// have learned, or when families have changed.
type group struct {
	members []*member
	total   sums
	at      map[string]int32 // of own, by subject
	own     []sums
}

// waiting is a window that is still too near to be judged by.
type waiting struct {
	start, end int64

	acts  []lesson
	roles []roleLesson
	usual []usualLesson
}

// lesson is what a member did, bounded to what it may teach.
type lesson struct {
	key     *fingerprint.ClusterKey
	subject string
	events  float64
	rank    rank
}

// rank is where something was found in what was expected of it.
type rank struct {
	judged  bool // else there was no opinion
	stratum calibration.Stratum
	pit     calibration.PIT
}

// learn lets the windows in that ended at or before a time, forgets, and makes
// the groups anew where that changed something.
func (tn *tenant) learn(cfg *Config, by *constants, until int64) {
	taken := 0
	for taken < len(tn.waiting) && tn.waiting[taken].end <= until {
		tn.absorb(cfg, by, &tn.waiting[taken])
		taken++
	}
	if taken > 0 {
		tn.waiting = slices.Delete(tn.waiting, 0, taken)
		tn.forget(cfg)
		tn.table.Fit()
		tn.stale = true
	}
	if tn.stale {
		tn.regroup(cfg, by)
		tn.stale = false
	}
}

func (tn *tenant) absorb(cfg *Config, by *constants, w *waiting) {
	if tn.learned != 0 {
		kept := math.Exp2(-float64(w.end-tn.learned) / float64(cfg.HalfLife))
		for _, m := range tn.members {
			m.windows, m.events, m.square = m.windows*kept, m.events*kept, m.square*kept
		}
		tn.fits.decay(kept)
	}
	tn.learned = w.end
	tn.lived++
	tn.table.Begin(w.start)
	for i := range w.acts {
		l := &w.acts[i]
		k := memberKey{cluster: l.key.ID, subject: l.subject}
		m := tn.members[k]
		if m == nil {
			m = &member{key: l.key, subject: l.subject}
			tn.members[k] = m
		}
		m.windows++
		m.events += l.events
		m.square += l.events * l.events
		m.seen = w.end
		tn.count(cluster.Peer, &l.rank)
	}
	for i := range w.roles {
		tn.count(cluster.Silhouette, &w.roles[i].rank)
	}
	tn.fits.absorb(w, by)
}

// count counts for the calibration.
func (tn *tenant) count(f cluster.Feature, r *rank) {
	if r.judged {
		tn.table.Add(f, r.stratum, r.pit)
	}
}

// forget removes what was not seen for long, and the least recent beyond the
// bound.
func (tn *tenant) forget(cfg *Config) {
	first := tn.learned - forgotten*int64(cfg.HalfLife)
	for k, m := range tn.members {
		if m.seen < first {
			delete(tn.members, k)
		}
	}
	tn.fits.forget(first, cfg.MaxMembers)
	if len(tn.members) <= cfg.MaxMembers {
		return
	}
	all := make([]*member, 0, len(tn.members))
	for _, m := range tn.members {
		all = append(all, m)
	}
	slices.SortFunc(all, leastRecent)
	tn.remove(all[:len(all)-cfg.MaxMembers])
}

func (tn *tenant) remove(members []*member) {
	for _, m := range members {
		delete(tn.members, memberKey{cluster: m.key.ID, subject: m.subject})
	}
}

func leastRecent(a, b *member) int {
	return cmp.Or(
		cmp.Compare(a.seen, b.seen),
		cmp.Compare(hashOf(a.key.ID, a.subject), hashOf(b.key.ID, b.subject)),
		cmp.Compare(a.key.ID, b.key.ID),
		cmp.Compare(a.subject, b.subject),
	)
}

// byValue orders members so that sums over them do not depend on names.
func byValue(a, b *member) int {
	return cmp.Or(
		cmp.Compare(a.windows, b.windows),
		cmp.Compare(a.events, b.events),
		cmp.Compare(a.square, b.square),
	)
}

// regroup makes the groups from the members, and what the groups have in
// common.
func (tn *tenant) regroup(cfg *Config, by *constants) {
	clear(tn.groups)
	if tn.familyOf != nil {
		clear(tn.families) // of roles that nobody may have any more
	}
	for _, m := range tn.members {
		k := groupKey{family: tn.groupOf(m.key.Role), kind: kindOf(m.key)}
		g := tn.groups[k]
		if g == nil {
			g = &group{}
			tn.groups[k] = g
		}
		g.members = append(g.members, m)
	}
	var within, between []float64
	for _, g := range tn.groups {
		tn.limit(g, cfg.MaxSubjects)
		g.sum()
		raw := g.total.raw()
		if g.total.subjects > minPeers && g.total.free > 0 && g.total.events > 0 {
			within, between = append(within, raw.within), append(between, raw.between)
		}
	}
	tn.typical = spread{within: by.typical(within), between: by.typical(between)}
}

// limit removes the least recently seen members of a group beyond the bound.
func (tn *tenant) limit(g *group, most int) {
	if len(g.members) > most {
		slices.SortFunc(g.members, leastRecent)
		tn.remove(g.members[:len(g.members)-most])
		g.members = slices.Clone(g.members[len(g.members)-most:])
	}
}

// sum adds the members up, in all and by subject.
func (g *group) sum() {
	slices.SortFunc(g.members, byValue)
	g.at = make(map[string]int32, len(g.members))
	for _, m := range g.members {
		i, ok := g.at[m.subject]
		if !ok {
			i = int32(len(g.own))
			g.at[m.subject] = i
			g.own = append(g.own, sums{subjects: 1})
		}
		g.total.add(m.windows, m.events, m.square)
		g.own[i].add(m.windows, m.events, m.square)
	}
	g.total.subjects = float64(len(g.own))
}

// typical is the median of the values and of what was thought before.
func (by *constants) typical(values []float64) float64 {
	for range int(by.spreads) {
		values = append(values, by.spread)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
