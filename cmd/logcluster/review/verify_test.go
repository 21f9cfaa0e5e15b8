package review

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/policy"
)

// allowedBy is an event that the API server allowed by a ClusterRoleBinding, at a
// second of 1970.
func allowedBy(at int64, binding, role string, e *fingerprint.Event) *fingerprint.Event {
	e.Time = at * second
	e.Reason = fmt.Sprintf(`RBAC: allowed by ClusterRoleBinding %q of ClusterRole %q to User %q`, binding, role, e.User)
	return e
}

func refusedAt(at int64, e *fingerprint.Event) *fingerprint.Event {
	e.Time, e.Decision, e.Code = at*second, fingerprint.DecisionForbid, 403
	return e
}

// wrote is a successful write to an RBAC object, which the record carries if it
// is not nil.
func wrote(t *testing.T, at int64, verb, resource, name string, object any) *fingerprint.Event {
	t.Helper()
	e := event("admin", verb, resource+".rbac.authorization.k8s.io", "", name)
	e.Time = at * second
	if object != nil {
		var err error
		if e.Object, err = json.Marshal(object); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func typed(b rbacv1.ClusterRoleBinding) *rbacv1.ClusterRoleBinding {
	b.APIVersion, b.Kind = "rbac.authorization.k8s.io/v1", "ClusterRoleBinding"
	b.RoleRef.APIGroup = "rbac.authorization.k8s.io"
	for i := range b.Subjects {
		b.Subjects[i].APIGroup = "rbac.authorization.k8s.io"
	}
	return &b
}

func TestVerify(t *testing.T) {
	start := rbac.Objects{
		ClusterRoles: []rbacv1.ClusterRole{
			clusterRole("view", rule("get", "core", "pods", "")), clusterRole("more", rule("get list", "core", "pods", "")),
			clusterRole("one", rule("get", "core", "secrets", "s1")),
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			clusterBinding("views", "view", "ann"), clusterBinding("mores", "more", "ann"), clusterBinding("ones", "one", "ann"),
		},
	}
	later := rbac.Objects{
		ClusterRoles:        start.ClusterRoles,
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{clusterBinding("views", "view", "bob")},
	}
	get := func(user string) *fingerprint.Event { return event(user, "get", "pods", "shop", "p") }
	elsewhere := get("ann")
	elsewhere.Reason = "EKS Access Policy: " + strings.TrimPrefix(allowedBy(1, "x", "view", get("ann")).Reason, "RBAC: ")
	dry := wrote(t, 5, "update", "clusterrolebindings", "views", nil)
	dry.DryRun = true
	failed := wrote(t, 5, "update", "clusterrolebindings", "views", nil)
	failed.Code = 409
	other := wrote(t, 5, "update", "roles", "view", nil)
	other.Resource.Namespace = "shop" // a Role of the name, not the ClusterRole
	type counts struct{ agreed, unknown, not, denied, but, explained, unexplained uint64 }
	for _, tc := range []struct {
		name   string
		events []*fingerprint.Event
		end    *rbac.Objects
		want   counts
	}{
		{
			name: "any of the bindings that allow it agrees, and no other",
			events: []*fingerprint.Event{
				allowedBy(1, "views", "view", get("ann")), allowedBy(1, "mores", "more", get("ann")),
				allowedBy(1, "ones", "one", get("ann")), allowedBy(1, "views", "more", get("ann")),
			},
			want: counts{agreed: 2, not: 2, unexplained: 2},
		},
		{
			name: "names of objects are told apart, whichever comes first",
			events: []*fingerprint.Event{
				allowedBy(1, "ones", "one", event("ann", "get", "secrets", "shop", "s1")),
				allowedBy(1, "ones", "one", event("ann", "get", "secrets", "shop", "s2")),
				allowedBy(1, "ones", "one", event("ann", "get", "secrets", "shop", "s1")),
				refusedAt(1, event("ann", "get", "secrets", "shop", "s2")),
				refusedAt(1, event("ann", "get", "secrets", "shop", "s1")),
			},
			want: counts{agreed: 2, not: 1, denied: 2, but: 1, unexplained: 2},
		},
		{
			name:   "a binding that nobody told of",
			events: []*fingerprint.Event{allowedBy(1, "new", "view", get("bob"))},
			want:   counts{unknown: 1, unexplained: 1},
		},
		{
			name: "a binding that the log tells of, from then on",
			events: []*fingerprint.Event{
				allowedBy(4, "new", "view", get("bob")), wrote(t, 5, "create", "clusterrolebindings", "new", nil),
				allowedBy(6, "new", "view", get("bob")), allowedBy(600, "new", "view", get("bob")),
			},
			want: counts{unknown: 3, explained: 2, unexplained: 1},
		},
		{
			name: "the write may come later in the log than what it explains",
			events: []*fingerprint.Event{
				allowedBy(6, "new", "view", get("bob")), wrote(t, 5, "create", "clusterrolebindings", "new", nil),
			},
			want: counts{unknown: 1, explained: 1},
		},
		{
			name: "a write to something else, a dry run, a failure explain nothing",
			events: []*fingerprint.Event{
				wrote(t, 5, "update", "clusterrolebindings", "mores", nil), other, dry, failed,
				refusedAt(6, event("ann", "get", "pods", "shop", "p")),
			},
			want: counts{denied: 1, but: 1, unexplained: 1},
		},
		{
			name: "all bindings that would allow it have to be in doubt: by themselves or by their roles",
			events: []*fingerprint.Event{
				wrote(t, 5, "update", "clusterrolebindings", "mores", nil), wrote(t, 5, "patch", "clusterroles", "view", nil),
				refusedAt(6, event("ann", "get", "pods", "shop", "p")),
			},
			want: counts{denied: 1, but: 1, explained: 1},
		},
		{
			name: "a record that carries the object changes the policy, no less and no more",
			events: []*fingerprint.Event{
				wrote(t, 100, "create", "clusterrolebindings", "new", typed(clusterBinding("new", "view", "bob"))),
				allowedBy(101, "new", "view", get("bob")), allowedBy(300, "new", "view", get("bob")),
				allowedBy(300, "new", "view", get("eve")),
			},
			want: counts{agreed: 2, not: 1, unexplained: 1},
		},
		{
			name: "around a write that is known the server may decide by what was before",
			events: []*fingerprint.Event{
				wrote(t, 100, "delete", "clusterrolebindings", "views", nil), wrote(t, 100, "delete", "clusterrolebindings", "mores", nil),
				allowedBy(99, "views", "view", get("ann")), allowedBy(105, "views", "view", get("ann")),
				refusedAt(120, get("ann")), allowedBy(120, "views", "view", get("ann")),
			},
			want: counts{unknown: 3, denied: 1, explained: 2, unexplained: 1},
		},
		{
			name:   "the snapshot of the end explains what it has as the log",
			events: []*fingerprint.Event{allowedBy(1, "views", "view", get("bob")), refusedAt(1, get("ann")), allowedBy(1, "views", "view", get("eve"))},
			end:    &later,
			want:   counts{not: 2, denied: 1, but: 1, explained: 2, unexplained: 1},
		},
		{
			name:   "what others decided is not compared",
			events: []*fingerprint.Event{elsewhere, get("root")},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := NewVerifier(start, tc.end)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range tc.events {
				if err := v.Add(e); err != nil {
					t.Fatal(err)
				}
			}
			r := v.Report(Span{})
			got := counts{r.Agreed, r.UnknownBinding, r.NotAllowing, r.Denied, r.DeniedButAllowed, r.Explained, r.Unexplained}
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if r.Annotated != r.Agreed+r.UnknownBinding+r.NotAllowing {
				t.Errorf("%d annotated are not their parts", r.Annotated)
			}
			checkGroups(t, r)
		})
	}
}

// checkGroups checks that the list says the same as the counts.
func checkGroups(t *testing.T, r *VerifyReport) {
	t.Helper()
	var events, explained uint64
	for _, d := range r.Disagreements {
		events, explained = events+d.Events, explained+d.Explained
		if d.First.After(d.Last) || (d.Explained > 0) != (d.Explanation != "") {
			t.Errorf("disagreement %+v", d)
		}
	}
	if events+r.Unlisted != r.Explained+r.Unexplained || events != r.UnknownBinding+r.NotAllowing+r.DeniedButAllowed-r.Unlisted ||
		r.Unlisted == 0 && explained != r.Explained {
		t.Errorf("listed %d, %d of them explained, %d unlisted: %+v", events, explained, r.Unlisted, r)
	}
}

// TestVerifyIsBounded has more subjects disagree than are listed, and more events
// than wait: everything is counted all the same.
func TestVerifyIsBounded(t *testing.T) {
	v, err := NewVerifier(rbac.Objects{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const events = maxWaiting + maxGroups
	for i := range events {
		e := event(fmt.Sprint("user", i%(maxGroups+100)), "get", "pods", "shop", "p")
		e.ID = fmt.Sprint("id", i)
		if err := v.Add(allowedBy(1, "late", "view", e)); err != nil {
			t.Fatal(err)
		}
		if len(v.waiting) >= maxWaiting {
			t.Fatalf("%d wait", len(v.waiting))
		}
	}
	r := v.Report(Span{})
	if len(r.Disagreements) != maxGroups || r.Unexplained != events || r.Unlisted == 0 {
		t.Errorf("%d groups, %d unexplained, %d unlisted", len(r.Disagreements), r.Unexplained, r.Unlisted)
	}
	checkGroups(t, r)
}

// TestTextIsSafe checks that names from records never reach a terminal as they
// are, in any of the texts.
func TestTextIsSafe(t *testing.T) {
	const bad = "\x1b]0;owned\x07\u202e\n"
	objects := rbac.Objects{
		ClusterRoles:        []rbacv1.ClusterRole{clusterRole("r"+bad, rule("*", "*", "*", ""), rule("get"+bad, "g"+bad, "s"+bad, "n"+bad))},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{clusterBinding("b"+bad, "r"+bad, "u"+bad)},
	}
	v, err := NewVerifier(objects, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := event("u"+bad, "get"+bad, "s"+bad, "ns"+bad, "n"+bad)
	e.ID = "id" + bad
	_ = v.Add(allowedBy(1, "other"+bad, "r"+bad, e))
	w := wrote(t, 1, "create", "clusterrolebindings", "other"+bad, nil)
	w.User = bad
	_ = v.Add(w)
	_ = v.Add(refusedAt(2, event("u"+bad, "get", "pods", "ns", "n")))
	u := newUsage(t, objects, 1)
	u.Add(event("u"+bad, "get"+bad, "s"+bad, "ns"+bad, "n"+bad))
	p, err := rbac.New(objects)
	if err != nil {
		t.Fatal(err)
	}
	r := rbac.Request{User: "u" + bad, Groups: []string{bad}, Verb: "get", Resource: "s" + bad, Namespace: bad, Object: bad}
	ex := Explain(p, &r)

	var text bytes.Buffer
	usage := u.Report(Span{})
	for _, err := range []error{
		v.Report(Span{}).WriteText(&text, 10), usage.WriteText(&text, 10), usage.WriteManifests(&text, "-x"),
		Risky(p, rbac.ClassNone).WriteText(&text), WriteExplanation(&text, &ex, &r),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if i := strings.IndexAny(text.String(), "\x1b\x07\u202e"); i >= 0 {
		t.Errorf("unsafe near %q", text.String()[max(i-80, 0):i+10])
	}
	if strings.Contains(text.String(), "owned\n") {
		t.Error("a name breaks the line")
	}
}

// recorded returns the path of the real recording's file, which lies beside the
// repository or where LOGCLUSTER_DATA says, and skips the test without it.
func recorded(t testing.TB, name string) string {
	t.Helper()
	root := cmp.Or(os.Getenv("LOGCLUSTER_DATA"), filepath.Join("..", "..", "..", "..", "shared", "data"))
	path := filepath.Join(root, "dev", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the recorded data is not here (set LOGCLUSTER_DATA): %v", err)
	}
	return path
}

func loadRecorded(t testing.TB, name string) rbac.Objects {
	t.Helper()
	loaded, err := policy.LoadFiles(recorded(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Objects
}

// TestRecording holds the resolver against a real API server: of every event that
// RBAC decided the binding is among those that allow it, or is not in the
// snapshot; what it refused is refused; and the log explains every difference by
// itself.
func TestRecording(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("reads a whole recording: skipped by -short, and with -race, for which there is nothing here")
	}
	start, end := loadRecorded(t, "rbac.yaml"), loadRecorded(t, "rbac_end.yaml")
	alone, err := NewVerifier(start, nil)
	if err != nil {
		t.Fatal(err)
	}
	both, err := NewVerifier(start, &end)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := NewReader(ingest.DefaultConfig(), func(e *fingerprint.Event) {
		for _, v := range []*Verifier{alone, both} {
			if err := v.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := r.File(t.Context(), recorded(t, "audit.jsonl.zst"), nil); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*Verifier{"start": alone, "start and end": both} {
		report := v.Report(r.Span())
		var text bytes.Buffer
		_ = report.WriteText(&text, 0)
		t.Logf("%s, in %v:\n%s", name, time.Since(began).Round(time.Millisecond), &text)
		switch {
		case report.NotAllowing > 0 || report.DeniedButAllowed > 0 || report.UnexplainedDenied > 0 || report.Unexplained > 0:
			t.Errorf("%s: the resolver and the API server disagree: %+v", name, report.Disagreements)
		case report.Agreed < 400_000 || report.UnknownBinding == 0 || report.Denied < 1_000:
			t.Errorf("%s: the recording has lost a kind of event: %+v", name, report)
		}
		checkGroups(t, report)
	}
}
