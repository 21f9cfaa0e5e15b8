package app

import (
	"maps"
	"math"
	"slices"

	"github.com/logcluster/logcluster/ingest/policy"
)

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

// coming is a decision that is to be taken over, in its turn.
type coming struct {
	*decision
	// soonest is the earliest time from which it or one after it is in force.
	soonest int64
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

// arrive takes over the decisions that event time has come to.
func (p *policies) arrive() {
	for len(p.coming) > 0 && p.coming[0].soonest <= p.newest {
		p.again(p.coming[0].decision)
		p.coming = p.coming[1:]
	}
}
