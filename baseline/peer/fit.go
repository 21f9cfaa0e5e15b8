package peer

import (
	"cmp"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/baseline"
)

// minWindows is how many (decayed) windows of a family an opinion about its
// silhouette takes.
const minWindows = 3

// record is how well the subjects of a family fitted it. The sums are decayed.
//
// The mean silhouette of a family's n subjects in a window is predicted by
// Student's t from those of its windows before. Its variance is taken to be
// proportional to 1/n + shared.
type record struct {
	windows float64
	// The sums of the windows' weights 1/(1/n + shared), of weight·silhouette
	// and of weight·silhouette².
	weight, sum, square float64
	seen                int64
}

func (by *constants) weight(n int32) float64 { return 1 / (1/float64(n) + by.shared) }

func (r *record) mean() float64 { return r.sum / r.weight }

// expect is the predictive distribution of the mean silhouette of n subjects;
// false where too few windows were seen.
func (r *record) expect(n int32, by *constants) (baseline.StudentT, bool) {
	if r == nil || r.windows < minWindows {
		return baseline.StudentT{}, false
	}
	squares := math.Max(r.square-r.sum*r.mean(), 0)
	freedom := r.windows - 1 + by.windows
	variance := (squares + by.windows*by.variance) / freedom
	return baseline.StudentT{
		Mean:  r.mean(),
		Scale: math.Sqrt(variance * (1/by.weight(n) + 1/r.weight)),
		DF:    freedom,
	}, true
}

// habitKey names a subject under its family.
type habitKey struct{ family, subject string }

// habit is how well a subject fitted its family. The sums are decayed.
type habit struct {
	windows, sum float64
	seen         int64
}

// usual is what is expected of a subject, given its family's mean.
func (h habit) usual(family float64, by *constants) float64 {
	return (h.sum + by.usual*family) / (h.windows + by.usual)
}

// fits is what is known of all silhouettes.
type fits struct {
	records map[string]*record // by family
	habits  map[habitKey]*habit
}

func newFits() fits {
	return fits{records: make(map[string]*record), habits: make(map[habitKey]*habit)}
}

// roleLesson is the mean silhouette of a family in a window, usualLesson that
// of one of its subjects.
type roleLesson struct {
	family string
	n      int32
	value  float64
	rank   rank
}

type usualLesson struct {
	key   habitKey
	value float64
}

func (f *fits) decay(kept float64) {
	for _, r := range f.records {
		r.windows, r.weight, r.sum, r.square = r.windows*kept, r.weight*kept, r.sum*kept, r.square*kept
	}
	for _, h := range f.habits {
		h.windows, h.sum = h.windows*kept, h.sum*kept
	}
}

func (f *fits) absorb(w *waiting, by *constants) {
	for _, l := range w.roles {
		r := f.records[l.family]
		if r == nil {
			r = &record{}
			f.records[l.family] = r
		}
		weight := by.weight(l.n)
		r.windows++
		r.weight += weight
		r.sum += weight * l.value
		r.square += weight * l.value * l.value
		r.seen = w.end
	}
	for _, l := range w.usual {
		h := f.habits[l.key]
		if h == nil {
			h = &habit{}
			f.habits[l.key] = h
		}
		h.windows++
		h.sum += l.value
		h.seen = w.end
	}
}

// forget removes what was not seen since first, and the least recent beyond
// the bound.
func (f *fits) forget(first int64, most int) {
	for family, r := range f.records {
		if r.seen < first {
			delete(f.records, family)
		}
	}
	for k, h := range f.habits {
		if h.seen < first {
			delete(f.habits, k)
		}
	}
	prune(f.records, most, func(r *record) int64 { return r.seen }, xxhash.Sum64String)
	prune(f.habits, most, func(h *habit) int64 { return h.seen }, habitKey.hash)
}

func (k habitKey) hash() uint64 {
	return xxhash.Sum64String(k.family) ^ 3*xxhash.Sum64String(k.subject)
}

// prune removes the entries that were seen least recently beyond most; of
// those seen at the same time, by hash.
func prune[K comparable, V any](m map[K]V, most int, seen func(V) int64, hash func(K) uint64) {
	if len(m) <= most {
		return
	}
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int {
		return cmp.Or(cmp.Compare(seen(m[a]), seen(m[b])), cmp.Compare(hash(a), hash(b)))
	})
	for _, k := range keys[:len(keys)-most] {
		delete(m, k)
	}
}
