package policy

import (
	"bufio"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// recorded returns the path of real data, which lies beside the repository or
// where LOGCLUSTER_DATA says, and skips the test when it is absent.
func recorded(t *testing.T, path string) string {
	t.Helper()
	root := cmp.Or(os.Getenv("LOGCLUSTER_DATA"), filepath.Join("..", "..", "..", "shared", "data"))
	path = filepath.Join(root, filepath.FromSlash(path))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the recorded data is not here (set LOGCLUSTER_DATA): %v", err)
	}
	return path
}

// TestLoadRealObjects checks that every RBAC object of real clusters and
// manifests is loaded, counted by the kinds at the beginning of an object.
func TestLoadRealObjects(t *testing.T) {
	for _, tc := range []struct {
		path     string
		roles    int
		bindings int
	}{
		{"rbac/kubernetes-1.35.3", 107, 56}, // 75 roles, and 32 of them once more for feature gates
		{"rbac/kubeflow", 203, 115},
		{"dev/rbac.yaml", 167, 174},
		{"dev/rbac_end.yaml", 175, 216},
	} {
		t.Run(tc.path, func(t *testing.T) {
			got, err := LoadFiles(recorded(t, tc.path))
			if err != nil {
				t.Fatal(err)
			}
			o := &got.Objects
			roles, bindings := len(o.Roles)+len(o.ClusterRoles), len(o.RoleBindings)+len(o.ClusterRoleBindings)
			if roles != tc.roles || bindings != tc.bindings || got.Skipped != nil {
				t.Errorf("loaded %d roles and %d bindings, skipped %v; want %d and %d",
					roles, bindings, got.Skipped, tc.roles, tc.bindings)
			}
			if _, err := rbac.New(*o); err != nil {
				t.Error(err)
			}
			t.Logf("%d roles and %d bindings from %d files, nothing left out", roles, bindings, got.Files)
		})
	}
}

// auditEvent is what the test needs of an audit event.
type auditEvent struct {
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string   `json:"username"`
		Groups   []string `json:"groups"`
	} `json:"user"`
	Impersonated *struct {
		Username string   `json:"username"`
		Groups   []string `json:"groups"`
	} `json:"impersonatedUser"`
	Object *struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Annotations map[string]string `json:"annotations"`
}

func (a *auditEvent) event() fingerprint.Event {
	e := fingerprint.Event{
		Tenant: "dev", User: a.User.Username, Groups: a.User.Groups, Verb: a.Verb,
		Reason: a.Annotations["authorization.k8s.io/reason"],
	}
	e.Decision, _ = fingerprint.ParseDecision(a.Annotations["authorization.k8s.io/decision"])
	if a.Impersonated != nil {
		e.ActingAs, e.ActingGroups = a.Impersonated.Username, a.Impersonated.Groups
	}
	if o := a.Object; o != nil && o.Resource != "" {
		e.Resource = fingerprint.Resource{
			Group: o.Group, Name: o.Resource, Subresource: o.Subresource, Namespace: o.Namespace, Object: o.Name,
		}
	} else {
		e.Resource.Path, _, _ = strings.Cut(a.RequestURI, "?")
	}
	return e
}

// eachRecorded calls visit with every event of a recording.
func eachRecorded(t *testing.T, path string, visit func(*fingerprint.Event)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a auditEvent
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		e := a.event()
		visit(&e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// census counts what a recording consists of.
type census struct {
	*fingerprint.Fingerprinter
	roles, clusters, prints map[any]int
	sources                 map[rbac.Source]int
}

func newCensus(r *rbac.Policy) *census {
	return &census{
		Fingerprinter: fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Policies: fingerprint.Always(r)}),
		roles:         map[any]int{}, clusters: map[any]int{}, prints: map[any]int{},
		sources: map[rbac.Source]int{},
	}
}

func (c *census) add(e *fingerprint.Event) *fingerprint.ClusterKey {
	fp := c.Of(e)
	c.prints[fp.ID]++
	c.clusters[fp.Cluster.ID]++
	c.roles[fp.Cluster.Role]++
	c.sources[fp.Cluster.RoleSource]++
	return fp.Cluster
}

func (c *census) log(t *testing.T, name string) {
	t.Logf("%s: %d role keys, %d clusters, %d fingerprints, events by role source %v",
		name, len(c.roles), len(c.clusters), len(c.prints), c.sources)
}

// TestRecordedRoles holds the resolver against what a real authorizer said of
// every request: a role that it names is in the policy's key, unless it is
// everyone's or its binding was made after the snapshot; what a binding of the
// snapshot allowed, the policy allows; what RBAC refused, it refuses.
func TestRecordedRoles(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("reads a whole recording: skipped by -short, and with -race, for which there is nothing here")
	}
	recording := recorded(t, "dev/audit.jsonl.zst")
	loaded, err := LoadFiles(recorded(t, "dev/rbac.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rbac.New(loaded.Objects)
	if err != nil {
		t.Fatal(err)
	}
	bindings := map[rbac.Role]bool{} // by namespace and name
	for _, b := range loaded.Objects.ClusterRoleBindings {
		bindings[rbac.Role{Name: b.Name}] = true
	}
	for _, b := range loaded.Objects.RoleBindings {
		bindings[rbac.Role{Namespace: b.Namespace, Name: b.Name}] = true
	}
	without, with := newCensus(nil), newCensus(p)
	var granted, newer, refused, problems int
	problem := func(what string, e *fingerprint.Event, a rbac.Answer, key string) {
		if problems++; problems <= 10 {
			t.Errorf("%s: %+v: policy %+v, key %q", what, *e, a, key)
		}
	}
	eachRecorded(t, recording, func(e *fingerprint.Event) {
		without.add(e)
		key := with.add(e).Role
		user, groups := e.Subject()
		a, _ := p.Resolve(&rbac.Request{
			User: user, Groups: groups, Verb: e.Verb, APIGroup: e.Resource.Group, Resource: e.Resource.Name,
			Subresource: e.Resource.Subresource, Namespace: e.Resource.Namespace, Object: e.Resource.Object, Path: e.Resource.Path,
		})
		g, ok := rbac.ParseReason(e.Reason)
		switch {
		case e.Decision == fingerprint.DecisionForbid:
			refused++
			if a.Allowed {
				problem("RBAC refused it", e, a, key)
			}
		case !ok:
			if e.Reason != "" {
				problem("reason does not parse", e, a, key)
			}
		case !bindings[rbac.Role{Namespace: g.BindingNamespace, Name: g.Binding}]:
			newer++
			if !g.ToEveryone() && !contains(key, g.Role) {
				problem("role of a new binding", e, a, key)
			}
		default:
			granted++
			if !a.Allowed || !g.ToEveryone() && (!contains(a.Key, g.Role) || !contains(key, g.Role)) {
				problem("RBAC allowed it", e, a, key)
			}
		}
	})
	without.log(t, "annotation only")
	with.log(t, "with the policy")
	t.Logf("%d allowed by bindings of the snapshot, %d by newer ones, %d refused; %d problems", granted, newer, refused, problems)
	if granted == 0 || newer == 0 || refused == 0 {
		t.Error("the recording has lost a kind of event")
	}
}

func contains(key string, r rbac.Role) bool {
	return slices.Contains(strings.Split(key, rbac.KeySeparator), r.Key())
}
