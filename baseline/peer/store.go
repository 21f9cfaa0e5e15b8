package peer

import (
	"cmp"
	"math"
	"slices"

	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Store remembers what the subjects of every tenant do, and judges them. It is
// not safe for concurrent use.
type Store struct {
	cfg      Config
	by       constants
	tenants  map[string]*tenant
	scene    scene
	shapes   shapes
	findings []baseline.Finding
	likes    likes
}

type tenant struct {
	name string
	// families are the role families of the roles that were met since they were
	// last learned.
	families map[string]string
	familyOf func(role string) string // nil before SetFamilies

	learned int64 // end of the last window that was let in
	lived   int64 // how many were
	until   int64 // end of the last window that is waiting or was let in
	waiting []waiting
	members map[memberKey]*member
	groups  map[groupKey]*group
	typical spread
	stale   bool // the groups are not those of the members
	fits    fits
	quality Quality

	window int64 // length of the windows
	table  *calibration.Table
}

// New returns a store that knows nobody. The configuration must be valid.
func New(cfg Config) *Store {
	return &Store{cfg: cfg, by: shipped, tenants: make(map[string]*tenant)}
}

func newTenant(name string) *tenant {
	return &tenant{
		name: name, families: make(map[string]string),
		members: make(map[memberKey]*member), groups: make(map[groupKey]*group),
		fits: newFits(),
	}
}

// SetFamilies says which role family a role key of a tenant belongs to: the
// identity of a family, "" for a role without one, which is then a family of
// its own. The function is kept, and must always answer the same. Until it is
// called every role is a family of its own.
func (s *Store) SetFamilies(name string, familyOf func(role string) string) {
	tn := s.tenant(name)
	tn.familyOf = familyOf
	for role, family := range tn.families {
		if tn.ask(role) != family {
			clear(tn.families)
			tn.stale = true
			return
		}
	}
}

func (s *Store) tenant(name string) *tenant {
	tn := s.tenants[name]
	if tn == nil {
		tn = newTenant(name)
		s.tenants[name] = tn
	}
	return tn
}

// groupOf returns the family of a role.
func (tn *tenant) groupOf(role string) string {
	family, ok := tn.families[role]
	if !ok {
		family = tn.ask(role)
		tn.families[role] = family
	}
	return family
}

func (tn *tenant) ask(role string) string {
	if tn.familyOf != nil {
		if family := tn.familyOf(role); family != "" {
			return "family " + family
		}
	}
	return "role " + role
}

// Forget removes everything about a tenant.
func (s *Store) Forget(tenant string) { delete(s.tenants, tenant) }

// Judge judges the windows of an evaluation of the medium scale, and remembers
// them; those of other scales are ignored. It returns at most two findings for
// a cluster, in ascending order of cluster id and then of feature. They are
// valid until the next call; the text in them may be kept. There are none until
// the tenant has lived through a dozen windows that do not overlap.
//
// A finding of [cluster.Peer] is about the subject of the cluster that deviates
// most from what its peers and its own past make expected. Its p-value is
// corrected for the number of subjects that were judged (Šidák), and so is z;
// Observed, Expected, Low and High are of the subject's events. There is none
// where fewer than three other subjects of the family are known to do this.
//
// A finding of [cluster.Silhouette] is about a role family, and found in one of
// its clusters: where the subject that has moved most from its usual
// silhouette, in the direction of the family, differs most from the others.
// Observed is the mean silhouette of the family's subjects.
//
// Like is set where a subject's silhouette is -0.25 or below: then it is
// clearly nearer to another family, and Like is the role key that most of those
// act under.
func (s *Store) Judge(ev *cluster.Evaluation) []baseline.Finding {
	s.findings = s.findings[:0]
	if ev.Scale != cluster.Medium {
		return nil
	}
	tn := s.tenant(ev.Tenant)
	if length := ev.End - ev.Start; tn.table == nil || tn.window != length {
		tn.window, tn.table = length, newTable(length)
	}
	tn.learn(&s.cfg, &s.by, ev.Start)
	s.scene.read(ev, &s.cfg, tn.groupOf)
	s.shapes.measure(&s.scene)
	s.likes.name(&s.scene, &s.shapes)
	var lesson *waiting
	if ev.Partial == nil && (tn.until == 0 || ev.Start >= tn.until) {
		tn.waiting = append(tn.waiting, waiting{start: ev.Start, end: ev.End})
		lesson = &tn.waiting[len(tn.waiting)-1]
		tn.until = ev.End
	}
	s.judgePeers(tn, ev, lesson)
	s.judgeFamilies(tn, ev, lesson)
	tn.quality = s.measureQuality(tn.quality.Roles, ev)
	slices.SortFunc(s.findings, func(a, b baseline.Finding) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Feature, b.Feature))
	})
	return s.findings
}

func newTable(window int64) *calibration.Table {
	return calibration.NewTable(cluster.Medium, calibration.BlockOf(cluster.Medium, window))
}

// Calibration returns the measured calibration of a tenant's subjects, each by
// itself and in strata of the expected events beyond the first, and of its
// families' silhouettes, in strata of the number of subjects. It is in force in
// what [Store.Judge] says. It is nil for a tenant that is not known, and costs a
// bootstrap, some milliseconds.
func (s *Store) Calibration(tenant string) []calibration.Row {
	if tn := s.tenants[tenant]; tn != nil && tn.table != nil {
		return tn.table.Report()
	}
	return nil
}

// clipZ bounds what a window teaches, as in the baseline: a count beyond this
// |z| teaches the count at it.
const clipZ = 4

// tailAtClip is Φ(−clipZ).
var tailAtClip = math.Erfc(clipZ/math.Sqrt2) / 2

// judgePeers holds every subject of every window against its peers.
func (s *Store) judgePeers(tn *tenant, ev *cluster.Evaluation, teach *waiting) {
	for i := range s.scene.places {
		p := &s.scene.places[i]
		if p.first == p.end {
			continue
		}
		key := ev.Windows[i].Cluster
		g := tn.groups[groupKey{family: s.scene.groups.keys[p.group], kind: s.scene.kinds.keys[p.kind]}]
		best, judged := deviation{}, 0
		for at := p.first; at < p.end; at++ {
			a := &s.scene.acts[at]
			subject := s.scene.subjects.keys[a.subject]
			more := float64(a.events - 1)
			l := lesson{key: key, subject: subject, events: more}
			if d, ok := s.deviation(tn, g, key, subject, more); ok {
				judged++
				d.act = at
				if teach != nil {
					l.events = d.teaches(more)
					l.rank = rank{judged: true, stratum: d.stratum, pit: d.expected.PIT(more)}
				}
				if judged == 1 || s.worse(&d, &best) {
					best = d
				}
			}
			if teach != nil {
				teach.acts = append(teach.acts, l)
			}
		}
		if judged > 0 {
			s.findings = append(s.findings, s.peerFinding(tn.table.Corrections(), key.ID, &best, judged))
		}
	}
}

// deviation is a count against what was expected of it.
type deviation struct {
	expected   baseline.NegBinomial
	stratum    calibration.Stratum
	raw, tails baseline.Tails // before and after calibration
	act        int32
}

// minLived is how many windows of a tenant an opinion takes: half a day's.
const minLived = 12

// deviation judges the events of a subject beyond the first. It reports false
// where there are too few peers.
func (s *Store) deviation(tn *tenant, g *group, key *fingerprint.ClusterKey, subject string, more float64) (deviation, bool) {
	if g == nil || g.total.subjects < minPeers || tn.lived < minLived {
		return deviation{}, false
	}
	peers := g.total
	windows, events := 0.0, 0.0
	if i, ok := g.at[subject]; ok {
		peers = peers.without(&g.own[i])
		if m := tn.members[memberKey{cluster: key.ID, subject: subject}]; m != nil {
			windows, events = m.windows, m.events
		}
	}
	c, ok := peers.fit(tn.typical, &s.by)
	if !ok {
		return deviation{}, false
	}
	c.spread.within *= 1 + s.by.level/float64(tn.lived)
	d := deviation{expected: c.expect(windows, events)}
	d.stratum = calibration.StratumOf(d.expected.Mean)
	d.raw = d.expected.Tails(more)
	d.tails = d.raw.Corrected(tn.table.Corrections().For(cluster.Peer, d.stratum))
	return d, true
}

// teaches bounds a count to what it may teach.
func (d *deviation) teaches(more float64) float64 {
	switch clip := math.Log(tailAtClip); {
	case d.raw.Up < clip:
		return math.Min(more, d.expected.Quantile(1-tailAtClip))
	case d.raw.Low < clip:
		return math.Max(more, d.expected.Quantile(tailAtClip))
	default:
		return more
	}
}

// worse reports whether a deviates more than b. Names only decide which of two
// that deviate alike is named.
func (s *Store) worse(a, b *deviation) bool {
	x, y := &s.scene.acts[a.act], &s.scene.acts[b.act]
	return cmp.Or(
		cmp.Compare(b.tails.LogP(), a.tails.LogP()),
		cmp.Compare(x.events, y.events),
		cmp.Compare(s.scene.subjects.keys[y.subject], s.scene.subjects.keys[x.subject]),
	) > 0
}

func (s *Store) peerFinding(known *calibration.Corrections, id fingerprint.ID, d *deviation, judged int) baseline.Finding {
	a := &s.scene.acts[d.act]
	tails := corrected(d.tails, judged)
	return baseline.Finding{
		Cluster: id,
		Opinion: baseline.Opinion{
			Feature:  cluster.Peer,
			Observed: float64(a.events),
			Expected: d.expected.Quantile(0.5) + 1,
			Low:      d.expected.Quantile(0.025) + 1,
			High:     d.expected.Quantile(0.975) + 1,
			Z:        tails.Z(), LogP: tails.LogP(),
		},
		Tails:   tails,
		Subject: s.scene.subjects.keys[a.subject],
		Like:    s.likes.of(&s.shapes, a.item),
	}
}

// corrected is the smallest of n tails, on its side, as one test.
func corrected(t baseline.Tails, n int) baseline.Tails {
	side := baseline.Combine(t.LogP(), n) - math.Ln2
	other := math.Log1p(-math.Exp(side))
	if t.Up < t.Low {
		return baseline.Tails{Up: side, Low: other}
	}
	return baseline.Tails{Up: other, Low: side}
}
