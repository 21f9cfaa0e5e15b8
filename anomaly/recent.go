package anomaly

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/cluster"
)

// trendWindows is how many windows a trend shows.
const trendWindows = 60

// Recent is what a cluster did lately: the run-up of a trend, and who and what it
// usually consists of. It is a part of [DetectorState].
type Recent struct {
	End     int64    // of the last window with events
	AskedAt int64    // end of the last window in which it had, or should have had, some
	Events  []uint32 // of the last windows, oldest first
	Usual   Usual
	UsualAt int64 // end of the last window that Usual has learned from
	// Tested has a bit for each scale at which its silence could fire, since it is
	// silent.
	Tested uint8
}

func pushed[T any](ring []T, v T) []T {
	if len(ring) == trendWindows {
		copy(ring, ring[1:])
		ring = ring[:trendWindows-1]
	}
	return append(ring, v)
}

// Usual is who and what a cluster's windows usually consist of: of each facet the
// names that had the largest shares, averaged over windows that do not overlap
// and were inconspicuous, the last half-life counting most.
type Usual struct {
	Weight float64 // of the windows
	Facets [usualFacets][]UsualName
}

// UsualName is a name and the sum of its shares.
type UsualName struct {
	Name  string
	Share float64
}

const (
	usualFacets = cluster.BySource + 1
	// usualNames is how many names of a facet are kept: about 1.5 KB a cluster.
	usualNames = 16
	// usualHalfLife is in windows: a day of the default ones.
	usualHalfLife = 288
)

var usualDecay = math.Exp2(-1.0 / usualHalfLife)

// learn takes one window in.
func (u *Usual) learn(d *Detector, w *cluster.Window) {
	events := float64(w.Counts[cluster.Events])
	u.Weight = u.Weight*usualDecay + 1
	for f := range u.Facets {
		names := u.Facets[f]
		for i := range names {
			names[i].Share *= usualDecay
		}
		d.scratch = w.AppendTop(d.scratch[:0], cluster.Facet(f), usualNames)
		for _, c := range d.scratch {
			names = taken(names, c.Name, float64(c.Events)/events)
		}
		slices.SortFunc(names, func(a, b UsualName) int {
			return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Name, b.Name))
		})
		u.Facets[f] = names
	}
}

// taken adds a share to a name; where there is no room it takes the place of the
// smallest, if that is smaller.
func taken(names []UsualName, name string, share float64) []UsualName {
	least := 0
	for i := range names {
		if names[i].Name == name {
			names[i].Share += share
			return names
		}
		if names[i].Share < names[least].Share {
			least = i
		}
	}
	if len(names) < usualNames {
		return append(names, UsualName{Name: name, Share: share})
	}
	if names[least].Share < share {
		names[least] = UsualName{Name: name, Share: share}
	}
	return names
}

// share returns the usual share of a name, negative when that is not known.
func (u *Usual) share(of cluster.Facet, name string) float64 {
	if u == nil || u.Weight == 0 || of >= usualFacets {
		return -1
	}
	for _, n := range u.Facets[of] {
		if n.Name == name {
			return math.Min(n.Share/u.Weight, 1)
		}
	}
	if len(u.Facets[of]) < usualNames {
		return 0
	}
	return -1
}

// top returns the usual subjects: of a cluster that is silent nobody could be named
// otherwise.
func (u *Usual) top() []Share {
	names := u.Facets[cluster.BySubject]
	names = names[:min(len(names), cluster.TopSubjects)]
	shares := make([]Share, len(names))
	for i, n := range names {
		shares[i] = Share{Name: n.Name, Usual: math.Min(n.Share/u.Weight, 1)}
	}
	return shares
}

// remember keeps the window's events.
func (j *judging) remember(w *cluster.Window) *Recent {
	r := j.recent[w.Cluster.ID]
	if r == nil {
		r = &Recent{}
		j.recent[w.Cluster.ID] = r
	}
	r.End, r.AskedAt, r.Tested = j.ev.End, j.ev.End, 0
	r.Events = pushed(r.Events, w.Counts[cluster.Events])
	return r
}

// unremarkable learns, once a window, who and what an inconspicuous one consists of.
func (j *judging) unremarkable(r *Recent, w *cluster.Window) {
	if j.ev.End-r.UsualAt >= j.window && w.Counts[cluster.Events] > 0 {
		r.Usual.learn(j.Detector, w)
		r.UsualAt = j.ev.End
	}
}
