package web

import (
	"fmt"
	"time"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// fixedRoles always tell the same. Explain tells it about everybody, and keeps
// the request.
type fixedRoles struct {
	clusters    []Cluster
	families    []Families
	policy      *Policy
	explanation *Explanation
	budgets     []Budgets

	asked  rbac.Request
	tenant string // that was asked for last
}

func (f *fixedRoles) Clusters(tenant string) []Cluster {
	return only(f.clusters, tenant, func(c Cluster) string { return c.Tenant })
}

func (f *fixedRoles) Families(tenant string) []Families {
	return only(f.families, tenant, func(c Families) string { return c.Tenant })
}

func (f *fixedRoles) Budgets(tenant string) []Budgets {
	return only(f.budgets, tenant, func(c Budgets) string { return c.Tenant })
}

func (f *fixedRoles) Policies(tenant string) []Policy {
	f.tenant = tenant
	if f.policy == nil {
		return nil
	}
	return []Policy{*f.policy}
}

func (f *fixedRoles) Explain(tenant string, r *rbac.Request) (Explanation, bool) {
	f.tenant, f.asked = tenant, *r
	if f.explanation == nil {
		return Explanation{}, false
	}
	return *f.explanation, true
}

func only[T any](all []T, tenant string, of func(T) string) (some []T) {
	for _, x := range all {
		if tenant == "" || of(x) == tenant {
			some = append(some, x)
		}
	}
	return some
}

func optionsWith(roles Roles) Options {
	o := optionsOf(story())
	o.Roles = roles
	return o
}

// teams are roles as a cluster with teams has them.
func teams() *fixedRoles {
	var editors []string
	for _, team := range []string{"blue", "green", "mint", "ochre", "plum", "red", "sand", "teal"} {
		editors = append(editors, "Role/team-"+team+"-stg/team-"+team+"-stg-editor", "Role/team-"+team+"/team-"+team+"-editor")
	}
	families := []Family{
		{ID: "5be1a45d019f0c2d", Name: "Role/team-*/team-*-editor", Class: "elevated", Members: editors, Silhouette: 0.94, Since: minutesAgo(2880)},
		{ID: "1628aed2a62b7e15", Name: "ClusterRole/system:controller:*", Class: "write", Members: []string{
			"ClusterRole/system:controller:deployment-controller", "ClusterRole/system:controller:job-controller",
			"ClusterRole/system:controller:replicaset-controller", "ClusterRole/system:controller:statefulset-controller",
		}, Silhouette: 0.41, Since: minutesAgo(2880)},
		{ID: "d2e7f8091151a0c3", Name: "ClusterRole/view,Role/team-*/team-*-viewer", Class: "read", Members: []string{
			"ClusterRole/view,Role/team-blue/team-blue-viewer", "ClusterRole/view,Role/team-red/team-red-viewer",
		}, Silhouette: 0.77, Since: minutesAgo(190)},
		{ID: "00aa11bb22cc33dd", Name: "ClusterRole/cluster-admin", Class: "admin", Members: []string{"ClusterRole/cluster-admin"}, Since: minutesAgo(2880)},
		{ID: "00aa11bb22cc33de", Name: "ClusterRole/ci-deployer,Role/payments/ci", Class: "escalate", Members: []string{"ClusterRole/ci-deployer,Role/payments/ci"}, Since: minutesAgo(70)},
		{ID: "00aa11bb22cc33df", Name: "Group/developers", Class: "unknown", Members: []string{"Group/developers"}, Since: minutesAgo(600)},
	}
	silhouette := 0.82
	return &fixedRoles{
		clusters: busy(4),
		families: []Families{
			{Tenant: "production", LearnedAt: minutesAgo(6), Roles: 25, Silhouette: &silhouette, Compared: 22, Stability: 0.985, Families: families},
			{Tenant: "staging", LearnedAt: minutesAgo(6), Roles: 1, Stability: 1, Families: families[3:4]},
		},
		policy:  freshPolicy(),
		budgets: someBudgets(),
	}
}

func busy(n int) (all []Cluster) {
	z := 14.2
	for i := range n {
		all = append(all, Cluster{
			Cluster: fmt.Sprintf("%016x", i), Tenant: "production", Role: "ClusterRole/ci-deployer,Role/payments/ci", RoleSource: "rbac", Power: "escalate",
			Resource: "secrets", Access: "read", Sensitive: true, Events: uint64(1000 - i), Subjects: 3, Denied: 12,
			WindowStart: minutesAgo(5), WindowEnd: watermark,
		})
	}
	all[0].Z = &z
	all[1].Tenant = "staging"
	return all
}

func freshPolicy() *Policy {
	return &Policy{
		Version: 7, InForceSince: minutesAgo(11.5),
		Objects: Objects{ClusterRoles: 92, Roles: 61, ClusterRoleBindings: 74, RoleBindings: 91},
		Sources: []PolicySource{
			{Source: "files", LoadedAt: wall.Add(-26 * time.Hour), CheckedAt: wall.Add(-8 * time.Second)},
			{Source: "cluster", LoadedAt: wall.Add(-3 * time.Hour), CheckedAt: wall.Add(-time.Second)},
			{Source: "audit", LoadedAt: wall.Add(-690 * time.Second)},
		},
		Held: 2,
		Recent: []PolicyVersion{
			{Version: 7, InForceFrom: minutesAgo(11.5), Changes: 1, Source: "audit"},
			{Version: 6, InForceFrom: minutesAgo(185), Changes: 2, Source: "cluster,audit"},
			{Version: 5, InForceFrom: minutesAgo(1700), Changes: 14, Source: "cluster"},
			{Version: 1, InForceFrom: minutesAgo(2880), Changes: 318, Source: "files"},
		},
	}
}

// stale are roles about which everything is doubtful, and a tenant over its
// budgets.
func stale() *fixedRoles {
	f := teams()
	f.policy.Unseen = 3
	f.policy.Sources[0].Problem = "rbac.yaml: document 3: error converting YAML to JSON: yaml: line 7: did not find expected key"
	f.policy.Sources[1].LoadedAt = time.Time{}
	f.budgets[0].Budgets[0] = Budget{"clusters", 10_000, 10_000, 48_211}
	f.budgets[0].Budgets[3].Refused = 1_204
	return f
}

func someBudgets() []Budgets {
	return []Budgets{
		{Tenant: "production", Overridden: true, Budgets: []Budget{
			{"clusters", 4_512, 10_000, 0}, {"fingerprints", 38_120, 100_000, 0}, {"role", -1, 2_500, 0}, {"rate", 41, 2_000, 0},
		}},
		{Tenant: "staging", Budgets: []Budget{
			{"clusters", 87, 10_000, 0}, {"fingerprints", 301, 100_000, 0}, {"role", -1, 2_500, 0}, {"rate", 0, 0, 0},
		}},
	}
}

// deployer is what may be said about a deployer that can become more.
func deployer(allowed *bool) *Explanation {
	e := &Explanation{
		User: "system:serviceaccount:payments:ci-runner", Groups: []string{"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:payments"},
		Namespace: "payments", Known: true, Allowed: allowed, Role: "ClusterRole/ci-deployer,Role/payments/ci", Power: "escalate",
		Reasons: []Reason{
			{"write_roles", "create rolebindings.rbac.authorization.k8s.io in payments: can give itself other roles"},
			{"read_secrets", "get secrets in payments: can read credentials"},
		},
		Notes: []string{"all of it is invented"},
		Bindings: []Binding{
			{Binding: "ClusterRoleBinding/ci", Role: "ClusterRole/ci-deployer", Subject: "ServiceAccount/payments/ci-runner", Rules: []Rule{
				{Verbs: []string{"create", "update", "patch"}, APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}},
			}},
			{Binding: "ClusterRoleBinding/system:discovery", Role: "ClusterRole/system:discovery", Subject: "Group/system:authenticated", Everybody: true, Rules: []Rule{
				{Verbs: []string{"get"}, NonResourceURLs: []string{"/api", "/api/*", "/version"}},
			}},
			{Binding: "RoleBinding/payments/ci", Role: "Role/payments/ci", Subject: "Group/system:serviceaccounts:payments", Allows: allowed != nil, Rules: []Rule{
				{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"registry"}},
			}},
			{Binding: "RoleBinding/payments/old", Role: "Role/payments/gone", Missing: true, Subject: "ServiceAccount/payments/ci-runner"},
		},
	}
	if allowed == nil {
		return e
	}
	e.Verb = "get"
	for i := range e.Bindings {
		b := &e.Bindings[i]
		if b.Allows = b.Allows && *allowed; !b.Allows {
			b.Rules = nil
		}
	}
	return e
}
