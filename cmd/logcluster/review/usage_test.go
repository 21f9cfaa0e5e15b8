package review

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/policy"
)

// second is the time of events in tests, in seconds of 1970.
const second = int64(1e9)

func newUsage(t testing.TB, o rbac.Objects, names int) *Usage {
	t.Helper()
	u, err := NewUsage(o, names)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func clusterRole(name string, rules ...rbacv1.PolicyRule) rbacv1.ClusterRole {
	return rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
}

func clusterBinding(name, role string, users ...string) rbacv1.ClusterRoleBinding {
	b := rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role},
	}
	for _, u := range users {
		b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: "User", Name: u})
	}
	return b
}

// event is an allowed request: verb and resource[/subresource][.group], or a path.
func event(user, verb, resource, namespace, name string) *fingerprint.Event {
	e := &fingerprint.Event{
		User: user, Groups: []string{"system:authenticated"}, Verb: verb,
		Decision: fingerprint.DecisionAllow, Time: second, Code: 200,
	}
	if strings.HasPrefix(resource, "/") {
		e.Resource.Path = resource
		return e
	}
	e.Resource.Name, e.Resource.Group, _ = strings.Cut(resource, ".")
	e.Resource.Name, e.Resource.Subresource, _ = strings.Cut(e.Resource.Name, "/")
	e.Resource.Namespace, e.Resource.Object = namespace, name
	return e
}

func roleUsage(t *testing.T, r *UsageReport, key string) *RoleUsage {
	t.Helper()
	for i := range r.Roles {
		if r.Roles[i].Role == key {
			return &r.Roles[i]
		}
	}
	t.Fatalf("the report has no %s", key)
	return nil
}

func TestUsageOfARole(t *testing.T) {
	objects := rbac.Objects{
		ClusterRoles: []rbacv1.ClusterRole{
			clusterRole("work", rule("get list", "core", "pods", ""), rule("get", "core", "secrets", "a b"), rule("*", "apps", "*", ""),
				urls("get", "/metrics /healthz/*")),
			clusterRole("wide", rule("get", "core", "pods", "")),
			clusterRole("spare", rule("get", "core", "nodes", "")),
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			clusterBinding("works", "work", "ann", "bob"), clusterBinding("wides", "wide", "ann"),
			clusterBinding("gone", "missing", "ann"),
		},
	}
	u := newUsage(t, objects, 0)
	refused := event("ann", "delete", "pods", "shop", "p")
	refused.Decision = fingerprint.DecisionForbid
	failed := event("bob", "update", "deployments/scale.apps", "shop", "web")
	failed.Code = 409
	impersonated := event("proxy", "get", "/healthz/etcd", "", "")
	impersonated.ActingAs, impersonated.ActingGroups = "bob", []string{"system:authenticated"}
	for _, e := range []*fingerprint.Event{
		event("ann", "get", "pods", "shop", "p"), event("ann", "get", "secrets", "shop", "a"), failed, impersonated,
		refused, event("root", "get", "pods", "shop", "p"), event("bob", "get", "*.apps", "shop", ""),
	} {
		u.Add(e)
	}
	r := u.Report(Span{Events: 7})
	if r.Allowed != 4 || r.Elsewhere != 1 || r.Denied != 1 || r.Odd != 1 {
		t.Errorf("allowed %d, elsewhere %d, denied %d, odd %d", r.Allowed, r.Elsewhere, r.Denied, r.Odd)
	}
	work := roleUsage(t, r, "ClusterRole/work")
	if work.Events != 4 || work.Sole != 3 || work.Granted != 7 || work.Used != 4 {
		t.Errorf("events %d, sole %d, granted %d, used %d", work.Events, work.Sole, work.Granted, work.Used)
	}
	if got, want := texts(work.UsedRules), []string{
		"get /healthz/etcd", "get pods", "get secrets named a", "update deployments/scale in apps",
	}; !slices.Equal(got, want) {
		t.Errorf("used %q, want %q", got, want)
	}
	if got, want := texts(work.Unused), []string{"get /metrics", "list pods", "get secrets named b"}; !slices.Equal(got, want) {
		t.Errorf("unused %q, want %q", got, want)
	}
	if len(work.Wildcards) != 2 || !slices.Equal(texts(work.Wildcards[0].Used), []string{"update deployments/scale in apps"}) {
		t.Errorf("wildcards %+v", work.Wildcards)
	}
	if b := work.Bindings[0]; b.Binding != "ClusterRoleBinding/works" || b.Sole != 3 || b.Subjects[1].Events != 2 {
		t.Errorf("binding %+v", b)
	}
	if wide := roleUsage(t, r, "ClusterRole/wide"); wide.Events != 1 || wide.Sole != 0 || wide.LastUsed.Unix() != 1 {
		t.Errorf("a role that another one makes needless: %+v", wide)
	}
	if missing := roleUsage(t, r, "ClusterRole/missing"); missing.Granted != 0 || len(missing.Bindings) != 1 {
		t.Errorf("a role that is not there: %+v", missing)
	}
	if first, last := r.Roles[0].Role, r.Roles[len(r.Roles)-1].Role; first != "ClusterRole/missing" || last != "ClusterRole/spare" {
		t.Errorf("from %s to %s; never used come first, unbound last", first, last)
	}
}

// TestUsageIsBounded floods a wildcard with more different resources than are
// remembered: the rule is then suggested as it is.
func TestUsageIsBounded(t *testing.T) {
	u := newUsage(t, rbac.Objects{
		ClusterRoles:        []rbacv1.ClusterRole{clusterRole("all", rule("get", "*", "*", ""), rule("list", "core", "pods", ""))},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{clusterBinding("all", "all", "eve")},
	}, 0)
	for i := range maxAccesses + 10 {
		u.Add(event("eve", "get", fmt.Sprintf("r%d.example", i), "shop", "x"))
	}
	r := u.Report(Span{})
	all := roleUsage(t, r, "ClusterRole/all")
	if ok, _ := validation.Covers(all.UsedRules, []rbacv1.PolicyRule{rule("get", "*", "*", "")}); !ok {
		t.Errorf("%d rules do not have the wildcard", len(all.UsedRules))
	}
	if ok, _ := validation.Covers(all.UsedRules, []rbacv1.PolicyRule{rule("list", "core", "pods", "")}); ok {
		t.Error("what was not used is suggested")
	}
	if n := len(u.roles[rbac.Role{Name: "all"}].accesses); n != maxAccesses || all.Events != maxAccesses+10 {
		t.Errorf("%d accesses, %d events", n, all.Events)
	}
}

// drawObjects draws a policy of some roles and users.
func drawObjects(t *rapid.T) rbac.Objects {
	var o rbac.Objects
	rules := func() []rbacv1.PolicyRule {
		return rapid.SliceOfN(rapid.Custom(drawRule), 1, 4).Draw(t, "rules")
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "roles") {
		name := fmt.Sprint("r", i)
		o.ClusterRoles = append(o.ClusterRoles, clusterRole(name, rules()...))
		o.Roles = append(o.Roles, rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Rules: rules()})
		if rapid.Bool().Draw(t, "wide") {
			o.ClusterRoleBindings = append(o.ClusterRoleBindings, clusterBinding(name, name, "ann"))
		}
		o.RoleBindings = append(o.RoleBindings, rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			RoleRef:    rbacv1.RoleRef{Kind: rapid.SampledFrom([]string{"Role", "ClusterRole"}).Draw(t, "kind"), Name: name},
			Subjects:   []rbacv1.Subject{{Kind: "User", Name: rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "user")}},
		})
	}
	return o
}

func drawEvent(t *rapid.T) *fingerprint.Event {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	verb := one("verb", "get", "list", "create", "delete")
	if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
		return event(one("user", "ann", "bob"), verb, one("path", "/a", "/a/b", "/c", "/a/*"), "", "")
	}
	resource := one("resource", "pods", "pods/exec", "secrets", "deployments/scale.apps", "deployments.apps")
	return event(one("user", "ann", "bob"), verb, resource, one("namespace", "shop", "bank", ""), one("name", "a", "b", "d", ""))
}

// TestSuggestionsSuffice is what a suggestion is for: it is never wider than the
// role, and whatever was allowed stays so when the roles are exchanged.
func TestSuggestionsSuffice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects := drawObjects(t)
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 0, 40).Draw(t, "events")
		u, err := NewUsage(objects, rapid.IntRange(0, 2).Draw(t, "names"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			u.Add(e)
		}
		report := u.Report(Span{})
		least := exchange(t, objects, report)
		before, _ := rbac.New(objects)
		after, _ := rbac.New(least)
		for _, e := range events {
			r := e.Request()
			was, _ := before.Resolve(&r)
			is, _ := after.Resolve(&r)
			if was.Allowed && !is.Allowed && !odd(&r) {
				t.Fatalf("%s of %s is no longer allowed", RequestText(&r), r.User)
			}
			if !was.Allowed && is.Allowed {
				t.Fatalf("%s of %s is allowed now", RequestText(&r), r.User)
			}
		}
	})
}

// exchange puts the suggested rules in the place of those of the roles, which
// must cover them.
func exchange(t rapid.TB, o rbac.Objects, report *UsageReport) rbac.Objects {
	o.ClusterRoles, o.Roles = slices.Clone(o.ClusterRoles), slices.Clone(o.Roles)
	put := func(key string, rules *[]rbacv1.PolicyRule) {
		for i := range report.Roles {
			if r := &report.Roles[i]; r.Role == key {
				if ok, wider := validation.Covers(*rules, r.UsedRules); !ok {
					t.Fatalf("%s: %q is wider than %q: %q", key, texts(r.UsedRules), texts(*rules), texts(wider))
				}
				*rules = r.UsedRules
			}
		}
	}
	for i := range o.ClusterRoles {
		put(rbac.Role{Name: o.ClusterRoles[i].Name}.Key(), &o.ClusterRoles[i].Rules)
	}
	for i := range o.Roles {
		put(rbac.Role{Namespace: o.Roles[i].Namespace, Name: o.Roles[i].Name}.Key(), &o.Roles[i].Rules)
	}
	return o
}

// TestRecordedSuggestions exchanges the roles of a real cluster for what is
// suggested from its log: every request stays allowed, and no role is wider.
func TestRecordedSuggestions(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("reads a whole recording twice: skipped by -short, and with -race, for which there is nothing here")
	}
	objects := loadRecorded(t, "rbac.yaml")
	for i := range objects.ClusterRoles { // what is aggregated is tightened itself
		objects.ClusterRoles[i].AggregationRule = nil
	}
	u := newUsage(t, objects, 3)
	read := func(visit func(*fingerprint.Event)) Span {
		r := NewReader(ingest.DefaultConfig(), visit)
		if err := r.File(t.Context(), recorded(t, "audit.jsonl.zst"), nil); err != nil {
			t.Fatal(err)
		}
		return r.Span()
	}
	report := u.Report(read(u.Add))
	before, err := newSnapshot(objects)
	if err != nil {
		t.Fatal(err)
	}
	after, err := newSnapshot(exchange(t, objects, report))
	if err != nil {
		t.Fatal(err)
	}
	allowed := 0
	read(func(e *fingerprint.Event) {
		r := e.Request()
		was, _ := before.cache.Resolve(&r)
		is, _ := after.cache.Resolve(&r)
		if e.Decision == fingerprint.DecisionForbid || !was.Allowed {
			return
		}
		if allowed++; !is.Allowed && !t.Failed() {
			t.Errorf("%s of %s is no longer allowed", RequestText(&r), r.User)
		}
	})
	granted, used := 0, 0
	for i := range report.Roles {
		if r := &report.Roles[i]; len(r.Bindings) > 0 {
			granted, used = granted+r.Granted, used+r.Used
		}
	}
	t.Logf("%d requests stay allowed with %d of %d permissions of the bound roles", allowed, used, granted)
	if allowed < 400_000 || used >= granted {
		t.Error("the recording has lost its requests, or nothing is left out")
	}
}

// TestManifests reads the manifests with the loader of RBAC objects, hostile
// names and all.
func TestManifests(t *testing.T) {
	const hostile = "a\nrules: []\x1b[31m\u202e\U000e0041"
	u := newUsage(t, rbac.Objects{
		ClusterRoles: []rbacv1.ClusterRole{
			clusterRole(hostile, rule("get", "*", "*", "")), clusterRole("idle", rule("get", "core", "pods", "")),
			{
				ObjectMeta: metav1.ObjectMeta{Name: "cluster-admin", Labels: map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}},
				Rules:      []rbacv1.PolicyRule{rule("*", "*", "*", "")},
			},
			{
				ObjectMeta: metav1.ObjectMeta{Name: "part", Labels: map[string]string{"into": "sum"}},
				Rules:      []rbacv1.PolicyRule{rule("get", "core", "pods", "")},
			},
			{
				ObjectMeta:      metav1.ObjectMeta{Name: "sum", Labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
				AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"into": "sum"}}}}, Rules: []rbacv1.PolicyRule{rule("get", "core", "pods", "")},
			},
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			clusterBinding("p", "part", "eve"), clusterBinding("a", hostile, "eve"), clusterBinding("i", "idle", "zoe"), clusterBinding("s", "sum", "eve"),
			clusterBinding("b", "cluster-admin", "eve"),
		},
	}, 0)
	u.Add(event("eve", "get", "pods", "b\nc", ""))
	u.Add(event("eve", "get", "odd: {name\n---\n}.example", "b\nc", ""))
	report := u.Report(Span{})
	for suffix, want := range map[string][]string{"-least": {hostile + "-least", "cluster-admin-least", "part-least", "sum-least"}, "": {hostile}} {
		var text bytes.Buffer
		if err := report.WriteManifests(&text, suffix); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "\x1b") || !strings.Contains(text.String(), "# ClusterRole/idle: bound, never used") {
			t.Errorf("manifests:\n%s", &text)
		}
		path := filepath.Join(t.TempDir(), "least.yaml")
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := policy.LoadFiles(path)
		if err != nil {
			t.Fatalf("%v in\n%s", err, &text)
		}
		var names []string
		for _, r := range loaded.Objects.ClusterRoles {
			names = append(names, r.Name)
			if r.Labels != nil {
				t.Errorf("%s has labels: it would be aggregated into others", r.Name)
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("suffix %q: roles %q, want %q", suffix, names, want)
		}
	}
}
