package app

import (
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// keptVersions is for how long, behind the slowest event time, versions of a policy
// are kept: what an event can be late and still count, and what a retrain can lie
// behind. A large policy is megabytes, and there may be a version a pane.
func keptVersions(cfg *Config) int64 {
	return int64(cfg.Cluster.OutOfOrderness + cfg.Cluster.Grace + cfg.Cluster.MaxAhead + cfg.Baseline.Retrain)
}

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
		p.log.Info("role policy in force", "version", t.number, "changes", t.waiting, "sources", t.by, "from", inForceFrom(t.due))
	}
	t.waiting, t.by = 0, nil
}
