package policy

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// write puts files, given as name and content in turn, into a new directory.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names lists what was loaded, in order.
func names(o *rbac.Objects) string {
	var all []string
	for _, r := range o.Roles {
		all = append(all, "R/"+r.Namespace+"/"+r.Name)
	}
	for _, r := range o.ClusterRoles {
		all = append(all, "CR/"+r.Name)
	}
	for _, b := range o.RoleBindings {
		all = append(all, "RB/"+b.Namespace+"/"+b.Name)
	}
	for _, b := range o.ClusterRoleBindings {
		all = append(all, "CRB/"+b.Name)
	}
	return strings.Join(all, " ")
}

const (
	clusterRole = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}\n" +
		"rules:\n- apiGroups: ['']\n  resources: [pods]\n  verbs: [get]\n"
	clusterBinding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: readers}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}\n" +
		"subjects: [{kind: Group, name: dev}]\n"
	jsonRole = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"namespace":"a","name":"x"}}`
)

func TestLoadFormats(t *testing.T) {
	for _, tc := range []struct {
		name, file, text string
		want             string
		documents        int
		skipped          map[string]int
	}{
		{name: "one document", text: clusterRole, want: "CR/reader", documents: 1},
		{name: "byte order mark", text: "\xef\xbb\xbf" + clusterRole, want: "CR/reader", documents: 1},
		{
			name: "carriage returns", text: strings.ReplaceAll(clusterRole+"---\n"+clusterBinding, "\n", "\r\n"),
			want: "CR/reader CRB/readers", documents: 2,
		},
		{name: "many documents", text: "# a comment\n---\n" + clusterRole + "---\n# nothing\n--- # the binding\n" +
			clusterBinding + "...\n---\n", want: "CR/reader CRB/readers", documents: 2},
		{name: "content on the marker's line", text: "--- " + jsonRole + "\n", want: "R/a/x", documents: 1},
		{
			name: "marker inside a value", text: "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    x\n    ---\n    y\n---\n" + clusterRole,
			want: "CR/reader", documents: 2, skipped: map[string]int{"v1/ConfigMap": 1},
		},
		{
			name: "list of kubectl", text: `{"apiVersion":"v1","kind":"List","items":[` + jsonRole +
				`,{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}]}`,
			want: "R/a/x", documents: 1, skipped: map[string]int{"v1/Secret": 1},
		},
		{name: "typed list of the API server", text: `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleList",` +
			`"items":[{"metadata":{"namespace":"b","name":"y"}}]}`, want: "R/b/y", documents: 1},
		{name: "list in a list", text: `{"kind":"List","apiVersion":"v1","items":[{"kind":"List","apiVersion":"v1","items":[` +
			jsonRole + `]}]}`, want: "R/a/x", documents: 1},
		{name: "stream of JSON values", text: jsonRole + "\n" + jsonRole, want: "R/a/x R/a/x", documents: 2},
		{
			name: "flow mapping is not JSON", text: "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {namespace: a, name: x}}",
			want: "R/a/x", documents: 1,
		},
		{name: "v1beta1", text: strings.Replace(clusterRole, "/v1", "/v1beta1", 1), want: "CR/reader", documents: 1},
		{
			name: "a Role of another API", text: strings.Replace(jsonRole, "rbac.authorization.k8s.io", "iam.example.com", 1),
			documents: 1, skipped: map[string]int{"iam.example.com/v1/Role": 1},
		},
		{
			name: "items that are no list", text: "apiVersion: shop/v1\nkind: Cart\nitems: 3\n", documents: 1,
			skipped: map[string]int{"shop/v1/Cart": 1},
		},
		{name: "empty", text: "\n---\n# nothing here\n"},
		{
			// What "kubectl get roles,rolebindings -A -o json" prints.
			name: "list of kubectl in JSON", text: "\xef\xbb\xbf{\r\n    \"apiVersion\": \"v1\",\r\n    \"items\": [\r\n" + jsonRole + ",\r\n" +
				answer(rbacV1, "RoleBinding", xInA, binds) + "],\r\n    \"kind\": \"List\",\r\n    \"metadata\": {\"resourceVersion\": \"\"}\r\n}\r\n",
			want: "R/a/x RB/a/x", documents: 1,
		},
		{
			name: "every typed list", documents: 3, want: "CR/x RB/a/x CRB/x",
			text: answer(rbacV1, "ClusterRoleList", "", `,"items":[{"metadata":{"name":"x"}`+rules+`}]`) +
				answer(rbacV1, "RoleBindingList", "", `,"items":[{"metadata":{`+xInA+`}`+binds+`}]`) + "\n" +
				answer(rbacV1, "ClusterRoleBindingList", "", `,"items":[{"metadata":{"name":"x"}`+binds+`}]`),
		},
		{name: "empty typed list", text: answer(rbacV1, "RoleList", "", `,"items":[]`), documents: 1},
		{
			name: "anchors and merged keys", want: "CR/reader CRB/readers", documents: 2,
			text: clusterRole + "- &rule {apiGroups: [''], resources: [pods], verbs: [list]}\n- {<<: *rule, verbs: [watch]}\n---\n" + clusterBinding,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := LoadFiles(filepath.Join(write(t, "m.yaml", tc.text), "m.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if n := names(&got.Objects); n != tc.want {
				t.Errorf("loaded %q, want %q", n, tc.want)
			}
			if got.Documents != tc.documents || got.Files != 1 {
				t.Errorf("read %d documents in %d files, want %d in 1", got.Documents, got.Files, tc.documents)
			}
			if !maps.Equal(got.Skipped, tc.skipped) {
				t.Errorf("skipped %v, want %v", got.Skipped, tc.skipped)
			}
		})
	}
}

func TestLoadKeepsContent(t *testing.T) {
	got, err := LoadFiles(write(t, "a.yaml", clusterRole+"---\n"+clusterBinding))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rbac.New(got.Objects)
	if err != nil {
		t.Fatal(err)
	}
	a, known := p.Resolve(&rbac.Request{User: "u", Groups: []string{"dev"}, Verb: "get", Resource: "pods", Namespace: "n"})
	if !known || a.Key != "ClusterRole/reader" || !a.Allowed {
		t.Errorf("resolved %+v, %v", a, known)
	}
}

func TestLoadDirectory(t *testing.T) {
	role := func(name string) string { return strings.Replace(jsonRole, `"x"`, `"`+name+`"`, 1) }
	dir := write(t,
		"b/2.yml", role("2"), "b/1.json", role("1"), "a.yaml", role("0"),
		"README.md", "not YAML: [", ".hidden.yaml", "not YAML: [", "..data/c.yaml", role("3"))
	// A mounted ConfigMap: the visible names are links into ..data.
	if err := os.Symlink(filepath.Join("..data", "c.yaml"), filepath.Join(dir, "c.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(dir, "loop.yaml")); err != nil {
		t.Fatal(err)
	}
	got, err := LoadFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, want := names(&got.Objects), "R/a/0 R/a/1 R/a/2 R/a/3"; n != want || got.Files != 4 {
		t.Errorf("loaded %q from %d files, want %q from 4", n, got.Files, want)
	}
}

// bomb is a few lines of YAML that stand for 9^9 words.
var bomb = func() string {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9))
	}
	return text + clusterRole
}()

func TestLoadErrors(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"syntax", clusterRole + "---\na: [\n", "m.yaml: document 2 (line 8): "},
		{"no object", "hello", "m.yaml: read kind: "},
		{"key there twice", clusterRole + "kind: Role\n", `line 8: key "kind" already set`},
		{"key there twice in JSON", strings.Replace(jsonRole, `"name"`, `"name":"y","name"`, 1), `duplicate field "metadata.name"`},
		{"key of another case", strings.Replace(clusterRole, "kind", "Kind", 1), "it has no kind"},
		{"bomb of aliases", bomb, "excessive aliasing"},
		{"aggregation by nonsense", clusterRole + "aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: k, operator: Odd}]}]}\n", `ClusterRole "reader": aggregationRule.clusterRoleSelectors[0]: "Odd" is not`},
		{"no kind", "a: 1", "m.yaml: not a Kubernetes object: it has no kind"},
		{"wrong type", strings.Replace(clusterRole, "[pods]", "pods", 1), "m.yaml: decode ClusterRole: "},
		{"no name", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n", "m.yaml: Role has no metadata.name"},
		{
			"roleRef", strings.Replace(clusterBinding, "kind: ClusterRole,", "kind: Role,", 1),
			`m.yaml: ClusterRoleBinding "readers": roleRef must name a ClusterRole, names Role "reader"`,
		},
		{"item", `{"kind":"List","apiVersion":"v1","items":[` + jsonRole + `,{"kind":7}]}`, "m.yaml: item 2: read kind: "},
		{"deep lists", strings.Repeat(`{"kind":"List","items":[`, 20) + strings.Repeat(`]}`, 20), "nested more than 16 deep"},
		{"many", strings.Repeat("---\na: 1\n", 30), "and 10 more problems"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := LoadFiles(write(t, "m.yaml", tc.text))
			if err == nil || got != nil {
				t.Fatalf("loaded %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
		})
	}
}

func TestLoadLimits(t *testing.T) {
	dir := write(t, "big.yaml", "")
	if err := os.Truncate(filepath.Join(dir, "big.yaml"), MaxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                           "larger than 64 MiB",
		filepath.Join(dir, "missing"): "no such file",
		"/dev/null":                   "not a regular file",
		write(t, strings.Repeat("d/", 17)+"a.yaml", ""): "directories deep",
	} {
		if _, err := LoadFiles(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

// FuzzLoad checks that no text makes the loader panic, and that splitting loses
// no line with content but the markers.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{clusterRole, clusterBinding, jsonRole, "---\n...\n--- {}\n", "a: &a [*a]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var content int
		docs := splitYAML(data)
		for _, d := range docs {
			content += len(bytes.TrimSpace(d.text))
			if d.line < 1 || d.line > bytes.Count(data, []byte("\n"))+1 {
				t.Fatalf("a document begins at line %d", d.line)
			}
		}
		if content > len(data) {
			t.Fatalf("split %d bytes into %d", len(data), content)
		}
		l := loader{loaded: &Loaded{}}
		for _, d := range splitDocuments(data) {
			l.document(d)
		}
		if len(l.problems) == 0 {
			_, _ = rbac.New(l.loaded.Objects)
		}
	})
}
