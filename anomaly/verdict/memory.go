package verdict

import (
	"math"
	"slices"

	"github.com/logcluster/logcluster/anomaly"
)

// maxTold bounds the alerts that are remembered of a tenant: verdicts can be given
// about the last ones.
const maxTold = 500

// memory are the alerts that were told last, by tenant.
type memory struct {
	byID     map[string]*Told
	byTenant map[string][]*Told // oldest first
}

func newMemory() memory {
	return memory{byID: map[string]*Told{}, byTenant: map[string][]*Told{}}
}

func (m *memory) find(id string) (Told, bool) {
	t := m.byID[id]
	if t == nil {
		return Told{}, false
	}
	out := *t
	out.Members = slices.Clone(t.Members)
	return out, true
}

// add remembers an alert, at the cost of the oldest, of those that were resolved
// first.
func (m *memory) add(t *Told) {
	if m.byID[t.ID] != nil {
		return
	}
	list := m.byTenant[t.Tenant]
	if len(list) >= maxTold {
		i := max(slices.IndexFunc(list, func(t *Told) bool { return t.End != 0 }), 0)
		delete(m.byID, list[i].ID)
		list = slices.Delete(list, i, i+1)
	}
	m.byID[t.ID] = t
	m.byTenant[t.Tenant] = append(list, t)
}

func (m *memory) forget(tenant string) {
	for _, t := range m.byTenant[tenant] {
		delete(m.byID, t.ID)
	}
	delete(m.byTenant, tenant)
}

// toldOf is what is remembered of an alert. window is the length of the shortest
// windows.
func toldOf(a *anomaly.Anomaly, window int64) *Told {
	start := At(a.StartedAt) - Instant(window)
	if began := At(a.BeganAt); began != 0 {
		start = min(began, At(a.StartedAt))
	}
	t := &Told{
		ID: a.ID, Tenant: a.Cluster.Tenant, Role: a.Cluster.Role, Resource: a.Cluster.Resource,
		Access: a.Cluster.Access.String(), Start: start,
	}
	t.update(a)
	return t
}

// update takes over what an alert has become.
func (t *Told) update(a *anomaly.Anomaly) {
	if len(a.Features) > 0 {
		t.Feature = a.Features[0].Name
	}
	t.member(a.Cluster.ID.String(), a.Z)
	for i := range a.Parts {
		t.member(a.Parts[i].Cluster.ID.String(), a.Parts[i].Z)
	}
	t.End = At(a.ResolvedAt)
}

// member notes a cluster of the alert.
func (t *Told) member(cluster string, z float64) {
	i := slices.IndexFunc(t.Members, func(m Member) bool { return m.Cluster == cluster })
	switch {
	case i < 0 && len(t.Members) < maxMembers:
		t.Members = append(t.Members, Member{cluster, z})
	case i >= 0 && math.Abs(z) > math.Abs(t.Members[i].Z):
		t.Members[i].Z = z
	}
}

// Observe takes notice of what an evaluation came to: which alerts there are to
// have a verdict about, and which verdicts end because their alert did.
func (b *Book) Observe(r *anomaly.Result, baselines Baselines) {
	for _, list := range [][]anomaly.Anomaly{r.Changes, r.Withheld, r.Firing, r.Unseen} {
		for i := range list {
			b.see(&list[i], baselines)
		}
	}
}

// count counts an alert nobody is told of, once.
func (b *Book) count(t *Told, a *anomaly.Anomaly) {
	if a.Suppressed == "" || t.Suppressed {
		return
	}
	t.Suppressed = true
	if r, ok := b.reason(a.Cluster, a.Subjects, b.at); ok {
		b.counts.Suppressed[r.kind]++
	}
}

// see notes what an alert is like now, in the memory and in the verdict about it.
func (b *Book) see(a *anomaly.Anomaly, baselines Baselines) {
	t := b.told.byID[a.ID]
	if t == nil {
		if a.State != anomaly.Firing {
			return
		}
		t = toldOf(a, b.window)
		b.told.add(t)
	}
	b.count(t, a)
	before := len(t.Members)
	t.update(a)
	if len(t.Members) == before && t.End == 0 {
		return
	}
	for _, e := range b.entries {
		if e.Verdict == nil || e.Verdict.ID != a.ID || e.Verdict.About.End != 0 {
			continue
		}
		b.unlink(e)
		e.Verdict.About, _ = b.told.find(a.ID)
		e.index()
		b.link(e)
		if end := t.End; end != 0 {
			if e.Verdict.Word == Expected && e.until == 0 {
				e.until = end + Instant(e.Verdict.For)
			}
			if e.keepsOut() {
				e.exclude(end, baselines)
			}
		}
	}
}

// Forget drops what is remembered of the alerts of a tenant that is known no more,
// and ends the verdicts about those that were still firing.
func (b *Book) Forget(tenant string) {
	b.told.forget(tenant)
	for _, e := range b.entries {
		if e.Verdict == nil || e.Verdict.About.Tenant != tenant || e.Verdict.About.End != 0 {
			continue
		}
		e.Verdict.About.End = Instant(b.at)
		if e.Verdict.Word == Expected && e.until == 0 {
			e.until = Instant(b.at) + Instant(e.Verdict.For)
		}
	}
}
