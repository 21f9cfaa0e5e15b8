package cluster

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// given is an event as the tests write it.
type given struct {
	source int
	offset int64
	event  fingerprint.Event
	print  *fingerprint.Fingerprint
}

// transcript is a Visitor that writes down what it is given.
type transcript struct {
	lines []string
	// coarse leaves out what depends on which keys a saturated set kept.
	coarse bool
	// evidence adds what only the order of hashes decides.
	evidence bool
	trained  uint64 // events of all trainings
}

func (tr *transcript) Train(t *Training) {
	tr.printf("train %v %s %d..%d incomplete=%v", t.Scale, t.Tenant, t.Start/1e9, t.End/1e9, t.Incomplete)
	for i := range t.Windows {
		if t.Scale != Short {
			continue
		}
		tr.trained += uint64(t.Windows[i].Counts[Events])
	}
	for i := range t.Windows {
		tr.window(&t.Windows[i])
	}
}

func (tr *transcript) Evaluate(e *Evaluation) {
	tr.printf("evaluate %v %s %d..%d partial=%v", e.Scale, e.Tenant, e.Start/1e9, e.End/1e9, e.Partial)
	for i := range e.Windows {
		tr.window(&e.Windows[i])
	}
}

func (tr *transcript) window(w *Window) {
	counts, fresh, shape := w.Counts, w.Fresh, w.Shape
	var top [NumFacets][]Count
	var steps [2][]uint32
	if w.Detail != nil {
		for of := range NumFacets {
			top[of] = w.AppendTop(nil, of, TopSubjects)
		}
		steps[0], steps[1] = w.Detail.AppendSteps(nil, Denied), w.Detail.AppendSteps(nil, Objects)
	}
	if tr.coarse {
		for _, f := range firstSeen {
			counts[f], fresh[f] = 0, 0
		}
		top, steps[1], shape.TopObject, shape.TopSubject, shape.Stayed, shape.Either = [NumFacets][]Count{}, nil, 0, 0, 0, 0
	}
	tr.printf("  %s %d/%d first=%d %v %v %v %v %v", w.Cluster.ID, w.Cluster.RoleSource, w.Cluster.Power, w.FirstPane/1e9, counts, fresh, shape, top, steps)
	if tr.evidence && w.Detail != nil {
		tr.printf("  %v %+v %+v", w.Detail.AppendNew(nil, 10), w.Detail.AppendSamples(nil, Denied, 3), w.Detail.AppendSamples(nil, NewFingerprints, 2))
	}
}

func (tr *transcript) printf(format string, args ...any) {
	tr.lines = append(tr.lines, fmt.Sprintf(format, args...))
}

// oracle computes from all events at once what a Windows should hand out that
// was given them in any order (of sources) and whose sources were all active
// from the beginning. It shares no code with it: everything is recounted from
// the events, for every window.
type oracle struct {
	cfg      Config
	mark     int64
	panes    map[int64][]placed // on-time events, by start
	late     map[int64][]placed // by start of the training window
	outcomes [NumOutcomes]uint64
	refused  [NumBudgets]uint64

	limits   []oracleLimits // ascending from
	inForce  int64          // the pane that limits are asked for
	tenants  map[string]map[fingerprint.ID]*oracleCluster
	batch    int            // panes admitted so far
	seen     map[string]int // the batch that brought it
	credited map[string]bool
	powers   map[string]int64 // by tenant, when the first class was met
	now      map[string]int64 // by tenant
	rates    map[string]*oracleRate
	admitted []placed // with their clusters and news
	alive    []int64  // starts of closed panes with events, ascending
}

type placed struct {
	given
	pane    int64
	tenant  string
	cluster *oracleCluster
	news    [NumFeatures]uint32
	late    bool
}

type oracleCluster struct {
	key   *fingerprint.ClusterKey
	first int64
}

// oracleLimits are limits of tenants for panes from a time on.
type oracleLimits struct {
	from     int64
	byTenant map[string]Limits
}

// limitsOf returns the limits of a tenant, and whether it has its own.
func (o *oracle) limitsOf(tenant string) (limits Limits, own bool) {
	limits = o.cfg.Limits
	for _, l := range o.limits {
		if l.from > o.inForce {
			break
		}
		if limits, own = l.byTenant[tenant]; !own {
			limits = o.cfg.Limits
		}
	}
	return limits, own
}

// oracleRate is a token bucket as it is mostly described: a level that rises
// with time, up to the top. Tokens are nanoseconds, so that nothing is rounded
// but the price.
type oracleRate struct{ level, at int64 }

func (r *oracleRate) take(now int64, perHour int) bool {
	r.level = min(r.level+now-r.at, int64(time.Hour))
	r.at = now
	price := int64(time.Hour) / int64(perHour)
	if r.level < price {
		return false
	}
	r.level -= price
	return true
}

// tell runs the oracle over the events, in any order that keeps each source's.
func tell(cfg Config, limits []oracleLimits, sources int, events []given, out *transcript) *oracle {
	o := &oracle{
		cfg: cfg, limits: limits, panes: map[int64][]placed{}, late: map[int64][]placed{},
		tenants: map[string]map[fingerprint.ID]*oracleCluster{}, seen: map[string]int{}, credited: map[string]bool{},
		powers: map[string]int64{}, now: map[string]int64{}, rates: map[string]*oracleRate{},
	}
	o.place(sources, events)
	if o.mark < 0 {
		return o
	}
	// Everything that falls due, in order: panes, then trainings from the short
	// scale to the long, then windows from the long to the short.
	type step struct {
		at   int64
		rank int
		do   func()
	}
	var steps []step
	for start := range o.panes {
		steps = append(steps, step{start + int64(cfg.Pane), 0, func() { o.closePane(start) }})
	}
	for _, s := range oracleScales(cfg) {
		ends := map[int64]bool{}
		trains := map[int64]bool{}
		for start := range o.panes {
			// Windows are only worth asking about near events.
			for end := start - start%s.slide + s.slide; end <= start+int64(cfg.MaxGap)+2*s.slide; end += s.slide {
				ends[end] = true
			}
			for at := start - start%s.window; at <= start+2*s.window+int64(cfg.MaxGap); at += s.window {
				trains[at] = true
			}
		}
		for start := range o.late {
			trains[start-start%s.window] = true
		}
		for start := range trains {
			steps = append(steps, step{start + s.window + int64(cfg.Grace), 1 + int(s.scale), func() { o.train(s, start, out) }})
		}
		for end := range ends {
			steps = append(steps, step{end, 6 - int(s.scale), func() { o.evaluate(s, end, out) }})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
	for _, s := range steps {
		if s.at <= o.mark {
			s.do()
		}
	}
	return o
}

func (o *oracle) place(sources int, events []given) {
	high := make([]int64, sources)
	for _, g := range events {
		t := g.event.Time
		p := placed{given: g, pane: t - t%int64(o.cfg.Pane)}
		own := high[g.source] - int64(o.cfg.OutOfOrderness)
		switch {
		case high[g.source] == 0 || t >= own:
			o.outcomes[Clustered]++
			o.panes[p.pane] = append(o.panes[p.pane], p)
		case t >= own-int64(o.cfg.Grace):
			o.outcomes[LateCorrected]++
			p.late = true
			start := t - t%int64(o.cfg.Window)
			o.late[start] = append(o.late[start], p)
		default:
			o.outcomes[LateDropped]++
		}
		high[g.source] = max(high[g.source], t)
	}
	o.mark = -1
	if slices.Min(high) > 0 {
		o.mark = max(slices.Min(high)-int64(o.cfg.OutOfOrderness), 0)
	}
}

func (o *oracle) closePane(start int64) {
	o.alive = append(o.alive, start)
	o.inForce = start
	o.admit(o.panes[start], start+int64(o.cfg.Pane))
}

// admit decides tenants, clusters and news of what was before the time at.
func (o *oracle) admit(events []placed, at int64) {
	o.batch++
	slices.SortStableFunc(events, func(a, b placed) int {
		x, y := a.print.Cluster, b.print.Cluster
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.ID, y.ID))
	})
	for rest := events; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].print.Cluster.ID == rest[0].print.Cluster.ID {
			n++
		}
		o.admitCluster(rest[:n], at)
		rest = rest[n:]
	}
	o.admitted = append(o.admitted, events...)
}

// admitCluster decides about the events of one cluster.
func (o *oracle) admitCluster(events []placed, at int64) {
	key := events[0].print.Cluster
	for i := range events {
		if k := events[i].print.Cluster; oracleAuthority(k) > oracleAuthority(key) {
			key = k
		}
	}
	tenant := o.admitTenant(key.Tenant)
	o.now[tenant] = max(o.now[tenant], at)
	clusters := o.tenants[tenant]
	c, by := clusters[key.ID], o.refusal(tenant, key)
	switch {
	case c == nil && by == NumBudgets:
		c = &oracleCluster{key: key, first: math.MaxInt64}
		clusters[key.ID] = c
	case c == nil:
		over := overflowKey(tenant)
		if c = clusters[over.ID]; c == nil {
			c = &oracleCluster{key: over, first: math.MaxInt64}
			clusters[over.ID] = c
		}
		if !events[0].late {
			o.outcomes[Clustered] -= uint64(len(events))
			o.outcomes[Overflow] += uint64(len(events))
			o.refused[by] += uint64(len(events))
		}
	case !events[0].late && (key.Power != c.key.Power && key.Power != 0 || oracleAuthority(key)/256 > oracleAuthority(c.key)/256):
		c.key = key
	}
	for i := range events {
		p := &events[i]
		p.tenant, p.cluster = tenant, c
		c.first = min(c.first, p.pane)
		o.meet(p)
	}
	for i := range events {
		if p := &events[i]; p.event.User != "" && p.print.Cluster.Power != rbac.ClassUnknown {
			if o.seen[oracleKnown(p)] == 0 {
				o.seen[oracleKnown(p)] = o.batch
			}
		}
	}
}

// oracleKnown is the place of a subject that was seen with a class of power.
func oracleKnown(p *placed) string { return fmt.Sprintf("%s/known/%q", p.tenant, p.event.User) }

// oracleAuthority is higher for the better known key of a cluster.
func oracleAuthority(k *fingerprint.ClusterKey) int {
	return int(-k.RoleSource)*256 + int(k.Power) // no source wraps around to the least
}

func (o *oracle) admitTenant(name string) string {
	if o.tenants[name] != nil {
		return name
	}
	named := len(o.tenants)
	if o.tenants[OverflowName] != nil {
		named--
	}
	if _, listed := o.limitsOf(name); named >= o.cfg.MaxTenants && !listed {
		name = OverflowName
	}
	if o.tenants[name] == nil {
		o.tenants[name] = map[fingerprint.ID]*oracleCluster{}
		o.rates[name] = &oracleRate{level: int64(time.Hour)}
	}
	return name
}

// refusal is the budget that the cluster is beyond, NumBudgets for none.
func (o *oracle) refusal(tenant string, key *fingerprint.ClusterKey) Budget {
	clusters := o.tenants[tenant]
	own := len(clusters)
	if clusters[overflowID(tenant)] != nil {
		own--
	}
	limits, _ := o.limitsOf(tenant)
	switch {
	case clusters[key.ID] != nil:
	case tenant != key.Tenant:
		return BudgetTenants
	case own >= limits.MaxClusters:
		return BudgetClusters
	case !o.rates[tenant].take(o.now[tenant], limits.MaxNewClusters):
		return BudgetRate
	}
	return NumBudgets
}

func (o *oracle) meet(p *placed) {
	e, key := &p.event, p.print.Cluster
	meet := func(f Feature, parts ...string) {
		k := fmt.Sprintf("%s/%d/%q", p.tenant, f, parts)
		if o.seen[k] == 0 {
			o.seen[k] = o.batch
		}
		// New in every cluster of the batch that brought it, once in each.
		own := fmt.Sprintf("%d/%v/%s", o.batch, key.ID, k)
		if o.seen[k] == o.batch && !o.credited[own] {
			o.credited[own] = true
			p.news[f]++
		}
	}
	meet(NewFingerprints, p.print.ID.String())
	if e.User == "" {
		return
	}
	meet(NewSubjectResources, e.User, key.APIGroup, key.Resource, fmt.Sprint(key.Access))
	meet(NewSubjectRoles, e.User, key.Role)
	if e.Source != "" {
		meet(NewSubjectSources, e.User, e.Source)
	}
	power := key.Power
	if power == rbac.ClassUnknown {
		return
	}
	meet(NewSubjectPowers, e.User, fmt.Sprint(power))
	if _, any := o.powers[p.tenant]; !any {
		o.powers[p.tenant] = o.now[p.tenant]
	}
	// The first classes of a subject, and of half a day of the tenant, are learnt.
	if at := o.seen[oracleKnown(p)]; at == 0 || at == o.batch || o.now[p.tenant]-o.powers[p.tenant] < int64(o.cfg.SeenFor)/relearnShare {
		p.news[NewSubjectPowers] = 0
	}
}

var (
	oracleVerbs    = map[string]VerbClass{"get": VerbGet, "list": VerbList, "bind": VerbOther}
	oracleOutcomes = map[int]OutcomeClass{
		0: OutcomeSuccess, 200: OutcomeSuccess, 401: OutcomeUnauthenticated, 403: OutcomeForbidden,
		404: OutcomeNotFound, 409: OutcomeConflict, 429: OutcomeRejected, 503: OutcomeError,
	}
)
