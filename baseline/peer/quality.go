package peer

import (
	"cmp"
	"slices"

	"github.com/logcluster/logcluster/cluster"
)

// Quality says how well roles describe what their subjects do, and how much
// their clusters stay what they are. All numbers are finite.
type Quality struct {
	// At is the end of the window that it is of (Unix nanoseconds), zero before
	// the first.
	At int64
	// Silhouette is the mean over the Subjects that have one, from -1 to 1.
	// Without a subject there is no opinion.
	Silhouette float64
	Subjects   int
	// Roles are the role keys with such subjects, in ascending order. The
	// slice must not be modified, and is valid until the next evaluation.
	Roles []RoleQuality
	// Stability is the share of a cluster's subjects that were active in two
	// consecutive windows, of those active in either (Jaccard 1901), from 0 to
	// 1: the mean over the clusters, weighted by the subjects active in either.
	// Compared is how many clusters that is of; without one there is no opinion.
	Stability float64
	Compared  int
}

// RoleQuality is how well a role describes its subjects.
type RoleQuality struct {
	Role string // the role key
	// Silhouette is the mean of its Subjects' in their role family, from -1 to
	// 1. A subject that acts under several roles of a family counts for each.
	Silhouette float64
	Subjects   int
}

// SilhouetteOK reports whether there is an opinion about the silhouette.
func (q *Quality) SilhouetteOK() bool { return q.Subjects > 0 }

// StabilityOK reports whether there is an opinion about the stability.
func (q *Quality) StabilityOK() bool { return q.Compared > 0 }

// Quality returns that of a tenant in the last window that was judged; the zero
// value for a tenant that is not known.
func (s *Store) Quality(tenant string) Quality {
	if tn := s.tenants[tenant]; tn != nil {
		return tn.quality
	}
	return Quality{}
}

// measureQuality is called when the families' silhouettes are summed up.
func (s *Store) measureQuality(roles []RoleQuality, ev *cluster.Evaluation) Quality {
	q := Quality{At: ev.End, Roles: roles[:0]}
	var all mean
	for g := range s.likes.families {
		all.sum += s.likes.families[g].sum
		all.n += s.likes.families[g].n
	}
	if q.Subjects = int(all.n); all.n > 0 {
		q.Silhouette = all.mean()
	}
	for r := range s.likes.roles {
		if m := &s.likes.roles[r]; m.n > 0 {
			q.Roles = append(q.Roles, RoleQuality{Role: s.scene.roles.keys[r], Silhouette: m.mean(), Subjects: int(m.n)})
		}
	}
	slices.SortFunc(q.Roles, func(a, b RoleQuality) int { return cmp.Compare(a.Role, b.Role) })
	var stayed, either uint64
	for i := range ev.Windows {
		if w := &ev.Windows[i]; w.Either > 0 {
			stayed += uint64(w.Stayed)
			either += uint64(w.Either)
			q.Compared++
		}
	}
	if either > 0 {
		q.Stability = float64(stayed) / float64(either)
	}
	return q
}
