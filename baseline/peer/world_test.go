package peer

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// subjectsOnly is the detail of a window of which only the subjects are known,
// most active first.
type subjectsOnly []cluster.Count

func (d subjectsOnly) AppendTop(dst []cluster.Count, of cluster.Facet, n int) []cluster.Count {
	if of != cluster.BySubject {
		return dst
	}
	return append(dst, d[:min(n, len(d))]...)
}

func (subjectsOnly) AppendNew(dst []cluster.Novelty, _ int) []cluster.Novelty { return dst }
func (subjectsOnly) AppendSteps(dst []uint32, _ cluster.Feature) []uint32     { return dst }
func (subjectsOnly) AppendSamples(dst []cluster.Sample, _ cluster.Feature, _ int) []cluster.Sample {
	return dst
}

// did is what somebody did in a window.
type did struct {
	role, resource string
	access         fingerprint.Access
	subject        string
	events         uint32
}

// naming maps the names of a world to others.
type naming struct {
	role, subject func(string) string
	id            uint64 // mixed into the clusters' ids
}

func same(s string) string { return s }

// evaluation makes one of what was done in a window of an hour (or of another
// length) that ends at a time.
func evaluation(end, length int64, all []did, as naming) *cluster.Evaluation {
	ev := &cluster.Evaluation{Tenant: "t", Scale: cluster.Medium, Start: end - length, End: end}
	type window struct {
		key *fingerprint.ClusterKey
		top map[string]uint32
	}
	windows := map[fingerprint.ID]*window{}
	for _, d := range all {
		role := as.role(d.role)
		id := fingerprint.ID(hashOf(fingerprint.ID(d.access)+1, role+"/"+d.resource) ^ as.id*0x9e3779b97f4a7c15)
		w := windows[id]
		if w == nil {
			w = &window{
				key: &fingerprint.ClusterKey{ID: id, Tenant: "t", Role: role, Resource: d.resource, Access: d.access},
				top: map[string]uint32{},
			}
			windows[id] = w
		}
		w.top[as.subject(d.subject)] += d.events
	}
	for _, w := range windows {
		var top subjectsOnly
		for name, n := range w.top {
			top = append(top, cluster.Count{Name: name, Events: n})
		}
		slices.SortFunc(top, func(a, b cluster.Count) int {
			return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Name, b.Name))
		})
		ev.Windows = append(ev.Windows, cluster.Window{Cluster: w.key, Detail: top})
	}
	slices.SortFunc(ev.Windows, func(a, b cluster.Window) int { return cmp.Compare(a.Cluster.ID, b.Cluster.ID) })
	return ev
}

// world is a tenant whose people do things at random: those of role r do the
// resources r, r+1 and r+2, each person at a rate of his own.
type world struct {
	rng             *rand.Rand
	roles, subjects int // subjects of each role
}

func newWorld(seed uint64, roles, subjects int) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 1)), roles: roles, subjects: subjects}
}

func (w *world) hour() []did {
	var all []did
	for r := range w.roles {
		for s := range w.subjects {
			for k := range 3 {
				rate := 3 * float64(1+s%3) * w.rng.ExpFloat64()
				n := int(rate)
				if n == 0 && w.rng.IntN(2) == 0 {
					continue
				}
				all = append(all, did{
					role: fmt.Sprintf("role-%d", r), resource: fmt.Sprintf("thing-%d", r+k), access: fingerprint.AccessRead,
					subject: fmt.Sprintf("user-%d-%d", r, s), events: uint32(n + 1),
				})
			}
		}
	}
	return all
}

const hour = int64(time.Hour)

// familyOf makes a family of every two roles: role-0 and role-1 are one.
func familyOf(role string) string {
	n := 0
	if _, err := fmt.Sscanf(role, "role-%d", &n); err != nil {
		return ""
	}
	return fmt.Sprint(n / 2)
}

// live lets a store live for some hours, and returns the end of the last.
func (w *world) live(s *Store, hours int) int64 {
	for h := range hours {
		s.Judge(evaluation(int64(h+1)*hour, hour, w.hour(), naming{role: same, subject: same}))
	}
	return int64(hours) * hour
}

func find(findings []baseline.Finding, f cluster.Feature, match func(*baseline.Finding) bool) *baseline.Finding {
	for i := range findings {
		if findings[i].Feature == f && match(&findings[i]) {
			return &findings[i]
		}
	}
	return nil
}

func about(subject string) func(*baseline.Finding) bool {
	return func(f *baseline.Finding) bool { return strings.Contains(f.Subject, subject) }
}
