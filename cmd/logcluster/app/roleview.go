package app

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline/peer"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/review"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// maxShownClusters bounds the clusters of a tenant that are shown.
const maxShownClusters = 2000

// busiest returns the clusters of an evaluation with the most events.
func busiest(ev *cluster.Evaluation, r *anomaly.Result) []web.Cluster {
	z := make(map[fingerprint.ID]float64, len(r.Top))
	for i := range r.Top {
		z[r.Top[i].Cluster.ID] = r.Top[i].Z
	}
	windows := make([]*cluster.Window, len(ev.Windows))
	for i := range ev.Windows {
		windows[i] = &ev.Windows[i]
	}
	slices.SortStableFunc(windows, func(a, b *cluster.Window) int {
		return cmp.Compare(b.Counts[cluster.Events], a.Counts[cluster.Events])
	})
	out := make([]web.Cluster, min(len(windows), maxShownClusters))
	for i := range out {
		out[i] = clusterView(ev, windows[i])
		if z, ok := z[windows[i].Cluster.ID]; ok && !math.IsNaN(z) && !math.IsInf(z, 0) {
			out[i].Z = &z
		}
	}
	return out
}

func clusterView(ev *cluster.Evaluation, w *cluster.Window) web.Cluster {
	k := w.Cluster
	return web.Cluster{
		Cluster:     k.ID.String(),
		Tenant:      cleaned(k.Tenant),
		Role:        cleaned(k.Role),
		RoleSource:  k.RoleSource.String(),
		Power:       k.Power.String(),
		APIGroup:    cleaned(k.APIGroup),
		Resource:    cleaned(k.Resource),
		Access:      k.Access.String(),
		Sensitive:   k.Sensitive,
		Events:      uint64(w.Counts[cluster.Events]),
		Subjects:    uint64(w.Counts[cluster.Subjects]),
		Denied:      uint64(w.Counts[cluster.Denied]),
		WindowStart: time.Unix(0, ev.Start).UTC(),
		WindowEnd:   time.Unix(0, ev.End).UTC(),
	}
}

// roleView is what people and tools are told of roles: it implements
// [web.Roles].
type roleView struct {
	board    *board
	policies *policies
}

// Clusters implements [web.Roles].
func (v *roleView) Clusters(tenant string) []web.Cluster {
	v.board.mu.Lock()
	defer v.board.mu.Unlock()
	var out []web.Cluster
	for _, name := range v.board.named(tenant) {
		out = append(out, v.board.tenants[name].clusters...)
	}
	slices.SortStableFunc(out, func(a, b web.Cluster) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Cluster, b.Cluster))
	})
	return out
}

// named returns the tenants of that name, all of them for an empty one, in
// ascending order. The caller holds the lock.
func (b *board) named(tenant string) []string {
	if tenant == "" {
		return slices.Sorted(maps.Keys(b.tenants))
	}
	if b.tenants[tenant] == nil {
		return nil
	}
	return []string{tenant}
}

// Families implements [web.Roles].
func (v *roleView) Families(tenant string) []web.Families {
	v.board.mu.Lock()
	defer v.board.mu.Unlock()
	var out []web.Families
	for _, name := range v.board.named(tenant) {
		if f := v.board.tenants[name].families; f != nil {
			view := review.Families(f)
			view.Fit = v.board.tenants[name].fit
			out = append(out, view)
		}
	}
	return out
}

// maxShownRoles bounds the roles whose fit is shown: those that fit worst.
const maxShownRoles = 200

// fitView is how well roles describe their subjects, as it is shown.
func fitView(q *peer.Quality) *web.Fit {
	fit := &web.Fit{At: eventTime(q.At), Subjects: q.Subjects, Clusters: q.Compared, Roles: []web.RoleFit{}}
	if q.SilhouetteOK() {
		fit.Silhouette = &q.Silhouette
	}
	if q.StabilityOK() {
		fit.Stability = &q.Stability
	}
	for _, r := range q.Roles {
		fit.Roles = append(fit.Roles, web.RoleFit{Role: cleaned(r.Role), Silhouette: r.Silhouette, Subjects: r.Subjects})
	}
	slices.SortStableFunc(fit.Roles, func(a, b web.RoleFit) int { return cmp.Compare(a.Silhouette, b.Silhouette) })
	fit.Roles = fit.Roles[:min(len(fit.Roles), maxShownRoles)]
	return fit
}

// Policies implements [web.Roles].
func (v *roleView) Policies(tenant string) []web.Policy {
	p := v.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []web.Policy
	for _, name := range slices.Sorted(maps.Keys(p.tenants)) {
		if t := p.tenants[name]; (tenant == "" || p.of(tenant) == t) && len(t.recent) > 0 {
			out = append(out, p.view(name, t))
		}
	}
	return out
}

// view describes the policy of a tenant. The caller holds the lock.
func (p *policies) view(tenant string, t *tenantPolicy) web.Policy {
	out := web.Policy{
		Tenant:  cleaned(tenant),
		Version: t.recent[0].number, InForceSince: eventTime(t.recent[0].from),
		Objects: objectsView(&t.objects), Held: t.versions.Len(), Unseen: p.unseen[tenant],
	}
	for _, name := range slices.Sorted(maps.Keys(t.toldAt)) {
		source := web.PolicySource{Source: name, LoadedAt: t.toldAt[name].UTC()}
		if ask := t.health[name]; ask != nil {
			h := ask()
			source.CheckedAt, source.Problem = h.UpToDate.UTC(), cleaned(h.Problem)
		}
		out.Sources = append(out.Sources, source)
	}
	for _, r := range t.recent {
		out.Recent = append(out.Recent, web.PolicyVersion{
			Version: r.number, InForceFrom: eventTime(r.from), Changes: r.changes, Source: strings.Join(r.sources, ","),
		})
	}
	return out
}

func objectsView(o *rbac.Objects) web.Objects {
	return web.Objects{
		ClusterRoles: len(o.ClusterRoles), Roles: len(o.Roles),
		ClusterRoleBindings: len(o.ClusterRoleBindings), RoleBindings: len(o.RoleBindings),
	}
}

// eventTime is zero for what is in force from the beginning.
func eventTime(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

// Explain implements [web.Roles].
func (v *roleView) Explain(tenant string, r *rbac.Request) (web.Explanation, bool) {
	policy := v.policies.latest(tenant)
	if policy == nil {
		return web.Explanation{}, false
	}
	return review.Explain(policy, r), true
}

// Budgets implements [web.Roles].
func (v *roleView) Budgets(tenant string) []web.Budgets {
	v.board.mu.Lock()
	defer v.board.mu.Unlock()
	var out []web.Budgets
	for i := range v.board.progress.budgets {
		t := &v.board.progress.budgets[i]
		if tenant != "" && tenant != t.Name {
			continue
		}
		out = append(out, web.Budgets{
			Tenant: cleaned(t.Name), Overridden: t.Limits != v.board.limits,
			Budgets: []web.Budget{
				{Budget: cluster.BudgetClusters.String(), Used: int64(t.Clusters), Limit: int64(t.Limits.MaxClusters), Refused: t.Refused[cluster.BudgetClusters]},
				{Budget: cluster.BudgetRole.String(), Used: -1, Limit: int64(t.Limits.ClustersOfRole()), Refused: t.Refused[cluster.BudgetRole]},
				{Budget: cluster.BudgetRate.String(), Used: -1, Limit: int64(t.Limits.MaxNewClusters), Refused: t.Refused[cluster.BudgetRate]},
				{Budget: "fingerprints", Used: int64(t.Fingerprints), Limit: int64(t.Limits.MaxFingerprints), Refused: t.UnknownFingerprints},
			},
		})
	}
	return out
}

// cleaned makes text of records harmless, as in alerts.
func cleaned(s string) string { return alert.Clean(s, fingerprint.MaxText) }
