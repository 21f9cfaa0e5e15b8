package web

import (
	"time"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Roles is what is known of roles, of the policy and of what tenants use of
// their budgets. Its methods are called for every request and must be fast
// (Explain in milliseconds), safe for concurrent use, and hand out values that
// nobody changes afterwards. Where a method takes a tenant, the empty one means
// every tenant.
//
// Names in what it hands out are attackers' text: cleaned by [alert.Clean], as
// in an [Anomaly].
type Roles interface {
	// Clusters returns the clusters that had events in the last evaluation of
	// their tenant, those with the most events first, equal ones by tenant and
	// id.
	Clusters(tenant string) []Cluster
	// Families returns what was learned at the last retrain, tenants in
	// ascending order. A tenant about which nothing was learned yet is left
	// out.
	Families(tenant string) []Families
	// Policies returns the role policies in force, in ascending order of
	// tenant: at most one when asked for a tenant. There are none when no source
	// of RBAC objects is configured.
	Policies(tenant string) []Policy
	// Explain tells what the policy in force now says about a request, and
	// false when there is no policy. A request without a verb asks for
	// everything that the subject may do, in all namespaces when it names none.
	// It does not fill Family.
	Explain(tenant string, r *rbac.Request) (Explanation, bool)
	// Budgets returns what each tenant uses of its limits, in ascending order
	// of tenant.
	Budgets(tenant string) []Budgets
}

// Cluster is what one cluster did in the last window that was evaluated.
type Cluster struct {
	Cluster string `json:"cluster"` // id, 16 hexadecimal digits
	Tenant  string `json:"tenant"`
	Role    string `json:"role"`
	// RoleSource is rbac, annotation, mapping, convention or unknown.
	RoleSource string `json:"role_source"`
	// Power is the class of what the role may do: unknown, none, read, write,
	// elevated, escalate or admin.
	Power    string `json:"power"`
	APIGroup string `json:"api_group"` // empty for the core group
	Resource string `json:"resource"`
	// Access is review, read, write, delete, connect or escalate.
	Access    string `json:"access"`
	Sensitive bool   `json:"sensitive"`
	// Events, Subjects and Denied are counts of the window. Subjects saturates
	// at cluster.max_distinct.
	Events   uint64 `json:"events"`
	Subjects uint64 `json:"subjects"`
	Denied   uint64 `json:"denied"`
	// Z is the cluster's combined z-score, always finite; null when it has
	// none: no opinion yet, or too little to be kept.
	Z           *float64  `json:"z"`
	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
}

// Families are the role families of one tenant.
type Families struct {
	Tenant string `json:"tenant"`
	// LearnedAt is the event time of the retrain that learned them.
	LearnedAt time.Time `json:"learned_at"`
	// Roles is how many role keys were compared or stood alone.
	Roles int `json:"roles"`
	// Silhouette is how well the families are apart, from -1 to 1; null when
	// no role shares a family with another: then there is no opinion. Compared
	// is over how many roles it is the mean.
	Silhouette *float64 `json:"silhouette"`
	Compared   int      `json:"compared"`
	// Stability is how much the families agree with those of the retrain
	// before, from 0 to 1.
	Stability float64 `json:"stability"`
	// Families are those with the most members first.
	Families []Family `json:"families"`
	// Fit is how well the roles describe what their subjects do; left out before the
	// first window of the medium scale.
	Fit *Fit `json:"fit,omitempty"`
}

// Fit is how well roles describe what their subjects do, in the last window of
// the medium scale, and how much the clusters stay what they are.
type Fit struct {
	At time.Time `json:"at"` // end of the window
	// Silhouette is the mean over the Subjects that have one, from -1 (they act
	// like those of another role) to 1; null when nobody has.
	Silhouette *float64 `json:"silhouette"`
	Subjects   int      `json:"subjects"`
	// Stability is the share of the clusters' subjects that are the same as in
	// the window before, from 0 to 1, over so many Clusters; null without any.
	Stability *float64 `json:"stability"`
	Clusters  int      `json:"clusters"`
	// Roles are those that fit their subjects worst first, at most 200.
	Roles []RoleFit `json:"roles"`
}

// RoleFit is how well one role describes its subjects.
type RoleFit struct {
	Role       string  `json:"role"`
	Silhouette float64 `json:"silhouette"`
	Subjects   int     `json:"subjects"`
}

// Family is a group of roles that are alike.
type Family struct {
	ID   string `json:"id"` // 16 hexadecimal digits
	Name string `json:"name"`
	// Class is the power of every member, as in [Cluster].Power.
	Class string `json:"class"`
	// Members are the role keys, ascending.
	Members []string `json:"members"`
	// Silhouette is the mean of the members', from -1 to 1; 0 for a family of
	// one.
	Silhouette float64 `json:"silhouette"`
	// Since is the event time at which the family began.
	Since time.Time `json:"since"`
}

// Policy is the role policy in force and what is known of how fresh it is.
type Policy struct {
	// Tenant is whose it is; empty for that of every tenant without one of its
	// own.
	Tenant string `json:"tenant"`
	// Version counts the versions since the state began, from 1.
	Version uint64 `json:"version"`
	// InForceSince is the event time from which the version counts; zero for
	// the beginning.
	InForceSince time.Time `json:"in_force_since"`
	// Objects are how many RBAC objects the version holds.
	Objects Objects `json:"objects"`
	// Sources are where policies come from, in the order of the configuration.
	Sources []PolicySource `json:"sources"`
	// Held is how many versions are kept, for windows that are still open.
	Held int `json:"versions_held"`
	// Unseen is how many writes of RBAC objects the audit log told of without
	// their contents, since the process started: the policy may not know them.
	Unseen uint64 `json:"unseen_changes"`
	// Recent are the last versions, the newest (the one in force, or about to
	// be) first; at most 20.
	Recent []PolicyVersion `json:"recent"`
}

// Objects counts RBAC objects by kind.
type Objects struct {
	ClusterRoles        int `json:"cluster_roles"`
	Roles               int `json:"roles"`
	ClusterRoleBindings int `json:"cluster_role_bindings"`
	RoleBindings        int `json:"role_bindings"`
}

// PolicySource is one source of RBAC objects.
type PolicySource struct {
	// Source is files, cluster or audit.
	Source string `json:"source"`
	// LoadedAt is when it last told something, by the wall clock; zero when
	// never.
	LoadedAt time.Time `json:"loaded_at"`
	// CheckedAt is when it was last known to be up to date, by the wall clock;
	// zero when that is not known.
	CheckedAt time.Time `json:"checked_at"`
	// Problem is why what there is now is not used, and what it told last still
	// is; empty when none is known.
	Problem string `json:"problem,omitempty"`
}

// PolicyVersion is one version of the policy.
type PolicyVersion struct {
	Version uint64 `json:"version"`
	// InForceFrom is the event time, the start of a pane, from which it counts;
	// zero for the beginning.
	InForceFrom time.Time `json:"in_force_from"`
	// Changes is how many objects differ from the version before.
	Changes int `json:"changes"`
	// Source gave it: files, cluster or audit; several joined with "," in that
	// order.
	Source string `json:"source"`
}

// Budgets are what a tenant uses of its limits.
type Budgets struct {
	Tenant string `json:"tenant"`
	// Overridden says that the tenant has limits of its own, rather than those
	// of every tenant.
	Overridden bool `json:"overridden"`
	// Budgets are in a fixed order, the same for every tenant.
	Budgets []Budget `json:"budgets"`
}

// Budget is one limit of a tenant.
type Budget struct {
	// Budget is clusters, role (clusters of one role), rate (new clusters an
	// hour) or fingerprints.
	Budget string `json:"budget"`
	// Used is how much of it is used now; -1 when that is not measured.
	Used int64 `json:"used"`
	// Limit is how much there is; 0 when there is no limit.
	Limit int64 `json:"limit"`
	// Refused is how many events it turned away, since the tenant was admitted:
	// they were added up in the overflow cluster, or (fingerprints) taken for
	// neither known nor new.
	Refused uint64 `json:"refused_events"`
}

// Explanation is what the policy in force says about a subject, or about one
// request of it.
type Explanation struct {
	User      string   `json:"user"`
	Groups    []string `json:"groups"` // those implied for a service account included
	Verb      string   `json:"verb,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	// Known says whether any binding anywhere names the user or a group.
	Known bool `json:"known"`
	// Allowed says whether a rule of a bound role allows the request; null
	// when none was asked about.
	Allowed *bool `json:"allowed"`
	// Role is the role key under which the subject's events in this scope are
	// counted, "unknown" when no role is bound.
	Role string `json:"role"`
	// Power is the class of what the roles of the key may do in this scope,
	// and Reasons say why, the most powerful first.
	Power   string   `json:"power"`
	Reasons []Reason `json:"reasons"`
	// Notes are what else the reader of the answer should know.
	Notes []string `json:"notes"`
	// Bindings are those that reach the subject in this scope.
	Bindings []Binding `json:"bindings"`
	// Family is the role family of the key; null when none was learned.
	Family *FamilyRef `json:"family"`
}

// Reason is one capability that makes a role powerful.
type Reason struct {
	Capability string `json:"capability"` // such as read_secrets
	Text       string `json:"text"`
}

// Binding is a binding that reaches a subject.
type Binding struct {
	// Binding is "ClusterRoleBinding/name" or "RoleBinding/namespace/name".
	Binding string `json:"binding"`
	// Role is "ClusterRole/name" or "Role/namespace/name". Missing says that
	// the policy does not hold it.
	Role    string `json:"role"`
	Missing bool   `json:"role_missing,omitempty"`
	// Subject is the one of the binding that matched: "User/…", "Group/…" or
	// "ServiceAccount/namespace/name"; several are joined with ", ".
	Subject string `json:"subject"`
	// Everybody marks bindings of every (un)authenticated user or every
	// service account: their roles are not part of the role key.
	Everybody bool `json:"everybody"`
	// Allows says whether a rule of the role allows the request.
	Allows bool `json:"allows"`
	// Rules are those that allow the request, or, when none was asked about,
	// all of the role.
	Rules []Rule `json:"rules"`
}

// Rule is a rule of a role, in the words of rbac.authorization.k8s.io/v1.
type Rule struct {
	Verbs           []string `json:"verbs"`
	APIGroups       []string `json:"api_groups,omitempty"`
	Resources       []string `json:"resources,omitempty"`
	ResourceNames   []string `json:"resource_names,omitempty"`
	NonResourceURLs []string `json:"non_resource_urls,omitempty"`
}

// FamilyRef names a family.
type FamilyRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Members is how many role keys it has.
	Members int `json:"members"`
}

// noRoles are the Roles of a process that has none.
type noRoles struct{}

func (noRoles) Clusters(string) []Cluster                         { return nil }
func (noRoles) Families(string) []Families                        { return nil }
func (noRoles) Policies(string) []Policy                          { return nil }
func (noRoles) Explain(string, *rbac.Request) (Explanation, bool) { return Explanation{}, false }
func (noRoles) Budgets(string) []Budgets                          { return nil }
