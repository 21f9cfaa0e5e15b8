package app

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

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
