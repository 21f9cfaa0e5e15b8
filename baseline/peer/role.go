package peer

import (
	"cmp"
	"math"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
)

// judgeFamilies holds the silhouettes of every family against those that it
// usually has.
func (s *Store) judgeFamilies(tn *tenant, ev *cluster.Evaluation, teach *waiting) {
	s.likes.sum(&s.scene, &s.shapes)
	for g := range s.likes.families {
		m := &s.likes.families[g]
		if m.n == 0 {
			continue
		}
		family := s.scene.groups.keys[g]
		r := tn.fits.records[family]
		l := roleLesson{family: family, n: m.n, value: m.mean()}
		if t, ok := r.expect(m.n, &s.by); ok && tn.lived >= minLived {
			l.rank = rank{judged: true, stratum: calibration.StratumOf(float64(m.n)), pit: t.PIT(l.value)}
			tails := t.Tails(l.value).Corrected(tn.table.Corrections().For(cluster.Silhouette, l.rank.stratum))
			s.familyFinding(tn, ev, int32(g), t, tails)
		}
		if teach != nil {
			teach.roles = append(teach.roles, l)
		}
	}
	if teach != nil {
		for i, it := range s.scene.items.keys {
			if s.shapes.known[i] {
				k := habitKey{family: s.scene.groups.keys[it.group], subject: s.scene.subjects.keys[it.subject]}
				teach.usual = append(teach.usual, usualLesson{key: k, value: s.shapes.value[i]})
			}
		}
	}
}

func (s *Store) familyFinding(tn *tenant, ev *cluster.Evaluation, g int32, t baseline.StudentT, tails baseline.Tails) {
	m := &s.likes.families[g]
	mean := m.mean()
	direction := 1.0
	if mean < t.Mean {
		direction = -1
	}
	item := s.mover(tn, g, t.Mean, direction)
	c := s.strangest(item)
	low := t.Quantile(0.025)
	s.findings = append(s.findings, baseline.Finding{
		Cluster: ev.Windows[s.scene.acts[c.act].window].Cluster.ID,
		Opinion: baseline.Opinion{
			Feature:  cluster.Silhouette,
			Observed: mean,
			Expected: t.Mean,
			Low:      math.Max(low, -1),
			High:     math.Min(2*t.Mean-low, 1),
			Z:        tails.Z(), LogP: tails.LogP(),
		},
		Tails:   tails,
		Subject: s.scene.subjects.keys[s.scene.items.keys[item].subject],
		Like:    s.likes.of(&s.shapes, item),
	})
}

// mover returns the subject of a group that has moved most from its usual
// silhouette in a direction; of two that have moved alike, the one with the
// fewest kinds of acts, and then the first by name.
func (s *Store) mover(tn *tenant, g int32, family, direction float64) int32 {
	best, most := int32(-1), 0.0
	for i, it := range s.scene.items.keys {
		if it.group != g || !s.shapes.known[i] {
			continue
		}
		subject := s.scene.subjects.keys[it.subject]
		usual := family
		if h := tn.fits.habits[habitKey{family: s.scene.groups.keys[g], subject: subject}]; h != nil {
			usual = h.usual(family, &s.by)
		}
		moved := direction * (s.shapes.value[i] - usual)
		if best < 0 || cmp.Or(
			cmp.Compare(moved, most),
			cmp.Compare(s.shapes.kinds(best), s.shapes.kinds(int32(i))),
			cmp.Compare(s.scene.subjects.keys[s.scene.items.keys[best].subject], subject),
		) > 0 {
			best, most = int32(i), moved
		}
	}
	return best
}

// strangest returns the component of an item that exceeds the mean of the
// others of its group most; the first kind where some do alike.
func (s *Store) strangest(item int32) component {
	sh, g := &s.shapes, s.scene.items.keys[item].group
	var best component
	most := math.Inf(-1)
	for _, c := range sh.components[sh.start[item]:sh.start[item+1]] {
		others := (sh.at(c.kind, g) - c.weight) / float64(sh.size[g]-1)
		if by := c.weight - others; by > most {
			best, most = c, by
		}
	}
	return best
}

func (sh *shapes) kinds(item int32) int32 { return sh.start[item+1] - sh.start[item] }

// clearly is the silhouette from which on a subject is clearly nearer to
// another family: below 0.25 in size there is no substantial structure (Kaufman
// and Rousseeuw 1990, Finding Groups in Data, table 4).
const clearly = -0.25

// likes are what the families of a scene are called, and the means of their
// silhouettes. It is reused.
type likes struct {
	label    []int32 // of each group: the role that most of its subjects act under
	subjects []int32 // of each role
	last     []int32 // item that was last counted for each role
	roles    []mean
	families []mean
	scene    *scene
}

// mean is of silhouettes, added up in parts so that no order matters.
type mean struct {
	sum int64
	n   int32
}

func (m *mean) add(s float64) {
	m.sum += parts(s)
	m.n++
}

func (m *mean) mean() float64 { return float64(m.sum) / fixed / float64(m.n) }

// name finds the role that most subjects of each group act under; of two, the
// first by name.
func (l *likes) name(sc *scene, sh *shapes) {
	l.scene = sc
	l.subjects, l.last = resize(l.subjects, len(sc.roles.keys)), resize(l.last, len(sc.roles.keys))
	l.roles = resize(l.roles, len(sc.roles.keys))
	clear(l.subjects)
	clear(l.roles)
	for r := range l.last {
		l.last[r] = -1
	}
	for _, at := range sc.byItem {
		a := &sc.acts[at]
		r := sc.places[a.window].role
		if l.last[r] == a.item {
			continue
		}
		l.last[r] = a.item
		l.subjects[r]++
		if sh.known[a.item] {
			l.roles[r].add(sh.value[a.item])
		}
	}
	l.label = resize(l.label, len(sc.groups.keys))
	for g := range l.label {
		l.label[g] = -1
	}
	for r, g := range sc.roleGroup {
		best := l.label[g]
		if best < 0 || cmp.Or(
			cmp.Compare(l.subjects[r], l.subjects[best]),
			cmp.Compare(sc.roles.keys[best], sc.roles.keys[r]),
		) > 0 {
			l.label[g] = int32(r)
		}
	}
}

// sum adds up the silhouettes of each group.
func (l *likes) sum(sc *scene, sh *shapes) {
	l.families = resize(l.families, len(sc.groups.keys))
	clear(l.families)
	for i, it := range sc.items.keys {
		if sh.known[i] {
			l.families[it.group].add(sh.value[i])
		}
	}
}

// of returns the role that an item is like, where that is clear and not its own.
func (l *likes) of(sh *shapes, item int32) string {
	if !sh.known[item] || sh.value[item] > clearly || sh.nearest[item] < 0 {
		return ""
	}
	return l.scene.roles.keys[l.label[sh.nearest[item]]]
}
