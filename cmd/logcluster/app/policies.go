package app

import (
	"cmp"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// keptVersions is for how long, behind the slowest event time, versions of a policy
// are kept: what an event can be late and still count, and what a retrain can lie
// behind. A large policy is megabytes, and there may be a version a pane.
func keptVersions(cfg *Config) int64 {
	return int64(cfg.Cluster.OutOfOrderness + cfg.Cluster.Grace + cfg.Cluster.MaxAhead + cfg.Baseline.Retrain)
}

// maxRecent bounds the versions of a policy that are shown.
const maxRecent = 20

// policies knows which role policy is in force for whom and when, by event time.
// Sources tell it of changes ([policies.told]), the stream takes them over
// between two records, in force from the start of a pane that no event has
// reached yet, and asks for policies ([policies.At]). It is safe for concurrent
// use; all but told and the views for people belongs to the goroutine that
// decodes.
type policies struct {
	pane    int64
	journal *journal // nil when nothing is kept
	log     *slog.Logger
	metrics policyMetrics

	// maxAhead is how far an event's time may lie ahead of its record.
	maxAhead int64
	// settled is the event time before which no event can come that counts: of the
	// versions before it the last one is enough. It is asked by the goroutine
	// that decodes.
	settled func() int64
	// learns says whose audit log changes its policy.
	learns func(tenant string) bool

	mu sync.Mutex
	// updates are what sources have told and the stream has not taken over yet,
	// seen what the audit log has.
	updates []update
	seen    []decision
	// tenants are those with a policy of their own; the empty one is for
	// everybody else.
	tenants map[string]*tenantPolicy
	// begun says that an event was decoded or a decision of an earlier run was
	// restored: no policy can be in force from the beginning any more.
	begun bool
	// newest is the highest event time that was decoded, clock the wall clock as
	// of the last settling: no event is believed that is further ahead.
	newest, clock int64
	// reached is the highest event time of each tenant: how far one's events are
	// ahead puts off no change of another's. restored is the newest of earlier runs.
	reached  map[string]int64
	restored int64
	// doubted is the time of the event before, in a file, if it was not believed.
	doubted int64
	// read is how far partitions were read for changes in earlier runs and up to
	// the last decision, idle the last records since then that changed nothing.
	read   map[partition]int64
	idle   map[partition]place
	unseen map[string]uint64 // by tenant
	coming []coming
}

// update is what a source has told.
type update struct {
	tenant string
	policy.Update
}

// tenantPolicy is the policy of a tenant: the objects as they are now, and what
// was in force when.
type tenantPolicy struct {
	set *rbac.Set
	// said is what each source has said last. Sources are merged object by
	// object; package policy says who wins.
	said map[string]*rbac.Set
	// learned are the bytes that the objects take which the audit log has told, by
	// object, and in all.
	learned      map[string]int
	learnedBytes int
	versions     rbac.Versions
	// waiting are changes of set since the last version, in force from due on.
	waiting int
	due     int64
	by      []string // their sources
	// number, recent, the objects of the last version and when sources told
	// something last (by the wall clock) are for people.
	number  uint64
	recent  []policyVersion
	objects rbac.Objects
	toldAt  map[string]time.Time
	health  map[string]func() policy.Health
	// inherits says that the policy began as that of everybody, whose changes it
	// follows.
	inherits bool
}

// policyVersion is one version, for people.
type policyVersion struct {
	number  uint64
	from    int64
	changes int
	sources []string
}

type policyMetrics struct {
	versions, unseen, broken prometheus.Counter
}

func newPolicyMetrics(reg prometheus.Registerer) policyMetrics {
	f := promauto.With(reg)
	return policyMetrics{
		versions: f.NewCounter(prometheus.CounterOpts{Name: "logcluster_policy_versions_total", Help: "Versions of role policies that came into force, over all tenants."}),
		unseen:   f.NewCounter(prometheus.CounterOpts{Name: "logcluster_policy_unseen_changes_total", Help: "Writes of RBAC objects in the audit log whose contents the log does not carry, or for which there is no room: the policy does not know them."}),
		broken:   f.NewCounter(prometheus.CounterOpts{Name: "logcluster_policy_build_failures_total", Help: "Policies that could not be built from their objects; the version before stays in force."}),
	}
}

func newPolicies(cfg *Config, log *slog.Logger, reg prometheus.Registerer) *policies {
	p := &policies{
		pane: int64(cfg.Cluster.Pane), maxAhead: int64(cfg.Cluster.MaxAhead),
		learns: cfg.Roles.learns, log: log, metrics: newPolicyMetrics(reg),
		tenants: map[string]*tenantPolicy{}, read: map[partition]int64{}, idle: map[partition]place{}, reached: map[string]int64{}, unseen: map[string]uint64{},
	}
	p.settled = func() int64 { return p.newest - keptVersions(cfg) }
	return p
}

// own makes a policy of its own for a tenant.
func (p *policies) own(tenant string) *tenantPolicy {
	t := p.tenants[tenant]
	if t == nil {
		t = &tenantPolicy{
			set: rbac.NewSet(rbac.Objects{}), said: map[string]*rbac.Set{}, learned: map[string]int{},
			toldAt: map[string]time.Time{}, health: map[string]func() policy.Health{},
		}
		p.tenants[tenant] = t
	}
	return t
}

// of returns the policy that holds for a tenant, nil when none does.
func (p *policies) of(tenant string) *tenantPolicy {
	if t := p.tenants[tenant]; t != nil {
		return t
	}
	return p.tenants[""]
}

// At implements [fingerprint.Policies].
func (p *policies) At(tenant string, time int64) *rbac.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.of(tenant)
	if t == nil {
		return nil
	}
	if t.waiting > 0 && time >= t.due {
		p.build(t)
		t.versions.Forget(p.settled())
	}
	return t.versions.At(time)
}

// latest returns the newest policy of a tenant, for people, nil without one. It
// may be asked by any goroutine.
func (p *policies) latest(tenant string) *rbac.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.of(tenant)
	if t == nil {
		return nil
	}
	if t.waiting > 0 {
		p.build(t)
	}
	return t.versions.At(math.MaxInt64)
}

// know notes whom to ask how a source is doing.
func (p *policies) know(tenant, source string, health func() policy.Health) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own(tenant).health[source] = health
}

// knows reports whether a source has said anything, perhaps in an earlier run. It
// may be asked by any goroutine.
func (p *policies) knows(tenant, source string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.own(tenant).heard(source).Len() > 0
}

// told takes an update of a source, in the source's goroutine.
func (p *policies) told(tenant string, u policy.Update) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updates = append(p.updates, update{tenant, u})
	p.own(tenant).toldAt[u.Source] = time.Now()
}

// settle takes over what sources have told. now is a time that no event's change
// of roles can lie before: the wall clock where events are as they happen, zero
// where they are recorded ones. An error means that the decision is not on disk.
func (p *policies) settle(now int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.learn(); err != nil {
		return err
	}
	for len(p.updates) > 0 {
		if err := p.take(&p.updates[0], now); err != nil {
			return err
		}
		p.updates = p.updates[1:]
	}
	p.updates = nil
	return nil
}

// take decides from when an update is in force.
func (p *policies) take(u *update, now int64) error {
	t := p.own(u.tenant)
	changes := u.Changes
	if u.Initial {
		changes = t.since(u)
	}
	d := &decision{Tenant: u.tenant, Source: u.Source, Policy: changes}
	if p.begun && (t.number > 0 || t.waiting > 0) {
		d.From = time.Unix(0, p.nextPane(max(p.newest+1, now))).UTC()
	}
	if len(changes) == 0 {
		return nil
	}
	return p.decide(d)
}

// since returns what has changed since a source spoke last, perhaps before a
// restart, by all that it knows now. What the audit log told before a cluster was
// watched is gone where the cluster does not have it.
func (t *tenantPolicy) since(u *update) []rbac.Change {
	now := rbac.NewSet(rbac.Objects{})
	for i := range u.Changes {
		now.Apply(u.Changes[i])
	}
	changes := rbac.Diff(t.heard(u.Source).Objects(), now.Objects())
	if u.Source != policy.SourceCluster {
		return changes
	}
	for _, c := range rbac.Diff(t.heard(policy.SourceAudit).Objects(), now.Objects()) {
		if _, listed := t.heard(u.Source).Get(c); c.Deleted && !listed {
			changes = append(changes, c)
		}
	}
	return changes
}

// heard returns what a source has said.
func (t *tenantPolicy) heard(source string) *rbac.Set {
	said := t.said[source]
	if said == nil {
		said = rbac.NewSet(rbac.Objects{})
		t.said[source] = said
	}
	return said
}

// nextPane returns the start of the first pane at or after the time.
func (p *policies) nextPane(t int64) int64 { return (t + p.pane - 1) / p.pane * p.pane }

// next returns the start of the first pane that no event has reached, and that
// the clock has not, if it counts.
func (p *policies) next(now int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nextPane(max(p.newest+1, now))
}

// decide writes a decision down and takes it over.
func (p *policies) decide(d *decision) error {
	for _, at := range slices.SortedFunc(maps.Keys(p.idle), partition.compare) {
		d.Read = append(d.Read, p.idle[at])
	}
	if p.journal != nil {
		if err := p.journal.append(d); err != nil {
			return err
		}
	}
	clear(p.idle)
	p.enact(d)
	return nil
}

// enact takes a decision over, of this run or of one before it.
func (p *policies) enact(d *decision) {
	if d.Record != nil {
		p.hasRead(d.Record)
	}
	for i := range d.Read {
		p.hasRead(&d.Read[i])
	}
	if len(d.Policy) == 0 {
		return
	}
	t := p.own(d.Tenant)
	changes := t.hear(d)
	from := int64(0)
	if !d.From.IsZero() {
		from = d.From.UnixNano()
	}
	p.apply(t, d.Source, changes, from)
	if d.Tenant == "" {
		for _, name := range slices.Sorted(maps.Keys(p.tenants)) {
			if other := p.tenants[name]; other.inherits {
				p.apply(other, d.Source, changes, from)
			}
		}
	}
}

func (p *policies) hasRead(r *place) {
	p.read[r.partition()] = max(p.read[r.partition()], r.Offset+1)
}

// hear notes what a source says, and returns what counts of it: about an object
// that is watched in a cluster, nobody else is believed.
func (t *tenantPolicy) hear(d *decision) []rbac.Change {
	counts := make([]rbac.Change, 0, len(d.Policy))
	for _, c := range d.Policy {
		t.heard(d.Source).Put(c)
		if d.Source == policy.SourceAudit {
			t.weigh(&c)
		}
		if d.Source == policy.SourceCluster {
			if c.Deleted {
				t.heard(policy.SourceAudit).Put(c)
				t.weigh(&c)
			}
		} else if _, watched := t.heard(policy.SourceCluster).Get(c); watched {
			continue
		}
		counts = append(counts, c)
	}
	return counts
}

// maxLearnedBytes bounds the objects that the audit log of one tenant can teach,
// which is whoever can write to its topic: some ten times those of a cluster with
// 10,000 bindings. What is more is counted as unseen.
const maxLearnedBytes = 32 << 20

// objectBytes is what an object costs beside its own text.
const objectBytes = 256

func bytesOf(c *rbac.Change) int {
	switch {
	case c.Deleted:
		return 0
	case c.Role != nil:
		return objectBytes + c.Role.Size()
	case c.ClusterRole != nil:
		return objectBytes + c.ClusterRole.Size()
	case c.RoleBinding != nil:
		return objectBytes + c.RoleBinding.Size()
	case c.ClusterRoleBinding != nil:
		return objectBytes + c.ClusterRoleBinding.Size()
	}
	return 0
}

// weigh counts an object that the audit log told.
func (t *tenantPolicy) weigh(c *rbac.Change) {
	object, bytes := objectOf(c), bytesOf(c)
	t.learnedBytes += bytes - t.learned[object]
	if t.learned[object] = bytes; bytes == 0 {
		delete(t.learned, object)
	}
}

// hasRoom reports whether the audit log can teach that.
func (t *tenantPolicy) hasRoom(changes []rbac.Change) bool {
	more := 0
	for i := range changes {
		if bytes := bytesOf(&changes[i]); bytes > 0 {
			more += bytes - t.learned[objectOf(&changes[i])]
		}
	}
	return more <= 0 || t.learnedBytes+more <= maxLearnedBytes
}

// apply changes a policy from an event time on. Files that were written before
// what the audit log told of an object do not overrule it. All that holds depends
// on what each source said last, in which order, and on nothing before it: so a
// journal can be folded.
func (p *policies) apply(t *tenantPolicy, source string, changes []rbac.Change, from int64) {
	from = max(from, t.due)
	if t.waiting > 0 && from > t.due {
		p.build(t)
		t.versions.Forget(p.settled())
	}
	for _, c := range changes {
		if told, ok := t.heard(policy.SourceAudit).Get(c); ok && source == policy.SourceFiles && !c.Deleted && c.IsOlder(told) {
			c = told
		}
		if t.set.Put(c) {
			t.waiting++
		}
	}
	if t.waiting == 0 {
		return
	}
	t.due = from
	if !slices.Contains(t.by, source) {
		t.by = append(t.by, source)
	}
}

// build makes the waiting changes a version. What changes before it is in force
// takes its place.
func (p *policies) build(t *tenantPolicy) {
	objects := t.set.Objects()
	built, err := rbac.New(objects)
	if err != nil {
		p.metrics.broken.Inc()
		p.log.Error("role policy not built, the one before stays in force", "error", err)
	} else {
		t.number++
		t.objects = objects
		t.versions.Append(t.due, built)
		t.recent = slices.Insert(t.recent, 0, policyVersion{t.number, t.due, t.waiting, t.by})
		t.recent = t.recent[:min(len(t.recent), maxRecent)]
		p.metrics.versions.Inc()
		p.log.Info("role policy in force", "version", t.number, "changes", t.waiting, "sources", t.by, "from", since(t.due))
	}
	t.waiting, t.by = 0, nil
}

// since says from when a version is in force.
func since(from int64) string {
	if from == 0 {
		return "the beginning"
	}
	return time.Unix(0, from).UTC().Format(time.RFC3339)
}

// observe notes how far event time has come, and learns from an event that wrote
// RBAC objects. The change is in force from the next pane: of those that events
// have reached, none is counted with two policies.
func (p *policies) observe(e *fingerprint.Event, from origin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = true
	before := p.reachedBy(e.Tenant)
	wrong := p.isAhead(e, from)
	if e.Time > before && !wrong {
		p.reached[e.Tenant] = e.Time
		p.newest = max(p.newest, e.Time)
	}
	p.arrive()
	if e.Resource.Group != rbacGroup || p.of(e.Tenant) == nil || !p.learns(e.Tenant) {
		return
	}
	changes, sighting := policy.FromEvent(e)
	if sighting == policy.NoChange {
		return
	}
	d := decision{Tenant: strings.Clone(e.Tenant), Source: policy.SourceAudit, Policy: changes}
	at := max(before, e.Time) + 1
	if wrong {
		at = before + 1 // nobody was there in between
	}
	if from.partition >= 0 {
		d.Record = &place{Topic: d.Tenant, Partition: from.partition, Offset: from.offset}
		if from.offset < p.read[partition{d.Tenant, from.partition}] {
			return // decided upon before a restart
		}
	} else if before > e.Time+p.maxAhead {
		at = e.Time + 1 // the newest is one wrong clock's
	}
	if sighting == policy.Unseen || len(p.seen) >= maxSeenChanges {
		p.miss(d.Tenant)
		return
	}
	d.From = time.Unix(0, p.nextPane(at)).UTC()
	p.seen = append(p.seen, d)
	_ = p.learn() // else it waits for the next settle, which tells
}

// reachedBy returns the highest event time of a tenant, or what it may have been
// in earlier runs.
func (p *policies) reachedBy(tenant string) int64 { return max(p.reached[tenant], p.restored) }

// isAhead reports whether an event's time can't be believed: it lies ahead of its
// record's, of a record without one ahead of the clock, and in a file ahead of
// every other's, unless the next event does too: files have gaps. A change that it
// tells must not be put off until then, nor those of everybody after it.
func (p *policies) isAhead(e *fingerprint.Event, from origin) bool {
	if from.partition >= 0 {
		return e.Time > cmp.Or(from.time, p.clock)+p.maxAhead
	}
	doubted := p.doubted
	p.doubted = 0
	if p.newest == 0 || e.Time <= p.newest+p.maxAhead || doubted > 0 && e.Time >= doubted-p.maxAhead {
		return false
	}
	p.doubted = e.Time
	return true
}

// miss counts a change of the policy that is not known to it.
func (p *policies) miss(tenant string) {
	p.unseen[tenant]++
	p.metrics.unseen.Inc()
}

// maxSeenChanges bounds the changes of the audit log that wait for a disk.
const maxSeenChanges = 1000

// learn decides upon what the audit log told.
func (p *policies) learn() error {
	for len(p.seen) > 0 {
		d := p.seen[0]
		if p.tenants[d.Tenant] == nil {
			p.fork(d.Tenant)
		}
		d.Inherits = p.tenants[d.Tenant].inherits
		d.Policy = slices.DeleteFunc(d.Policy, func(c rbac.Change) bool { return !p.tenants[d.Tenant].set.Needs(c) })
		changes := len(d.Policy) > 0 // controllers write what is there, again and again
		if changes && !p.tenants[d.Tenant].hasRoom(d.Policy) {
			changes = false
			p.miss(d.Tenant)
		}
		if !changes {
			if d.Record != nil {
				p.idle[d.Record.partition()] = *d.Record
			}
			p.seen = p.seen[1:]
			continue
		}
		if d.Record != nil { // it may have waited for the disk while events went on
			d.From = later(d.From, time.Unix(0, p.nextPane(p.reachedBy(d.Tenant)+1)).UTC())
		}
		if err := p.decide(&d); err != nil {
			return err
		}
		p.seen = p.seen[1:]
	}
	p.seen = nil
	return nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// refuted reports whether a request that the authorizer refused is one that the
// policy in force allows: then the policy is not what the authorizer has.
func (p *policies) refuted(e *fingerprint.Event) bool {
	policy := p.At(e.Tenant, e.Time)
	if e.Decision != fingerprint.DecisionForbid || policy == nil {
		return false
	}
	request := e.Request()
	answer, _ := policy.Resolve(&request)
	return answer.Allowed
}

const rbacGroup = "rbac.authorization.k8s.io"

// fork gives a tenant a policy of its own that begins as everybody's: what its
// log tells counts for nobody else.
func (p *policies) fork(tenant string) {
	common := p.own("")
	if common.waiting > 0 {
		p.build(common)
	}
	own := *common
	own.set = rbac.NewSet(common.set.Objects())
	own.said, own.learned = map[string]*rbac.Set{}, map[string]int{}
	own.versions = common.versions.Clone()
	own.recent = slices.Clone(common.recent)
	own.toldAt, own.health = maps.Clone(common.toldAt), common.health
	own.inherits = true
	p.tenants[tenant] = &own
}

// retire ends what sources have said in earlier runs that are no longer configured.
// What the audit log told stays: it happened.
func (p *policies) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tenant := range slices.Sorted(maps.Keys(p.tenants)) {
		t := p.tenants[tenant]
		for _, source := range slices.Sorted(maps.Keys(t.said)) {
			if source == policy.SourceAudit || t.health[source] != nil || t.said[source].Len() == 0 {
				continue
			}
			p.log.Warn("a source of the role policy is no longer configured, what it told ends", "tenant", tenant, "source", source)
			p.updates = append(p.updates, update{tenant, policy.Update{Source: source, Initial: true}})
		}
	}
}

// restore takes over the decisions of a journal, and how far event time had
// come.
func (p *policies) restore(list []decision) {
	p.begun = p.begun || len(list) > 0 || p.newest > 0
	p.restored = p.newest
	for i := range list {
		p.again(&list[i])
	}
}

// again takes over a decision of another run.
func (p *policies) again(d *decision) {
	if d.Inherits && p.tenants[d.Tenant] == nil {
		p.fork(d.Tenant)
	}
	p.enact(d)
}

// repeat takes over the decisions of another run when event time comes to them:
// a day of them may be more policies than there is memory for.
func (p *policies) repeat(list []decision) {
	p.coming = make([]coming, len(list))
	soonest := int64(math.MaxInt64)
	for i := len(list) - 1; i >= 0; i-- {
		from := int64(math.MinInt64)
		if d := &list[i]; !d.From.IsZero() {
			from = d.From.UnixNano()
		}
		soonest = min(soonest, from)
		p.coming[i] = coming{&list[i], soonest}
	}
}

// coming is a decision that is to be taken over, in its turn.
type coming struct {
	*decision
	// soonest is the earliest time from which it or one after it is in force.
	soonest int64
}

func (p *policies) arrive() {
	for len(p.coming) > 0 && p.coming[0].soonest <= p.newest {
		p.again(p.coming[0].decision)
		p.coming = p.coming[1:]
	}
}
