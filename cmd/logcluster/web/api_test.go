package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// decode gets a path and reads its JSON, unknown fields refused.
func decode[T any](t *testing.T, h http.Handler, path string, code int) T {
	t.Helper()
	w := get(t, h, path)
	if w.Code != code || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %s\n%s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	var v T
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

func TestAPIClusters(t *testing.T) {
	roles := teams()
	roles.clusters = busy(maxClusters + 1)
	h := NewHandler(DefaultConfig(), optionsWith(roles))
	tests := []struct {
		query       string
		shown, from int
	}{
		{"", defaultClusters, maxClusters + 1},
		{"?limit=1", 1, maxClusters + 1},
		{"?limit=2000", maxClusters, maxClusters + 1},
		{"?tenant=staging", 1, 1},
		{"?tenant=none", 0, 0},
	}
	for _, test := range tests {
		got := decode[ClustersAnswer](t, h, "/api/v1/clusters"+test.query, 200)
		if len(got.Clusters) != test.shown || got.Total != test.from {
			t.Errorf("%q: %d of %d clusters, want %d of %d", test.query, len(got.Clusters), got.Total, test.shown, test.from)
		}
		if got.SchemaVersion != alert.SchemaVersion || !got.GeneratedAt.Equal(wall) {
			t.Errorf("%q: head %+v", test.query, got.Head)
		}
	}
	got := decode[ClustersAnswer](t, h, "/api/v1/clusters?limit=3", 200)
	if !reflect.DeepEqual(got.Clusters, roles.clusters[:3]) {
		t.Errorf("clusters: %+v", got.Clusters)
	}
	for _, limit := range []string{"0", "-1", "2001", "many", "1e3"} {
		got := decode[ErrorAnswer](t, h, "/api/v1/clusters?limit="+limit, 400)
		if want := `limit: "` + limit + `" is not a number from 1 to 2000`; got.Error != want {
			t.Errorf("limit %s: %q", limit, got.Error)
		}
	}
}

func TestAPIRoles(t *testing.T) {
	roles := teams()
	h := NewHandler(DefaultConfig(), optionsWith(roles))
	if got := decode[FamiliesAnswer](t, h, "/api/v1/families", 200); !reflect.DeepEqual(got.Tenants, roles.families) {
		t.Errorf("families: %+v", got)
	}
	if got := decode[FamiliesAnswer](t, h, "/api/v1/families?tenant=staging", 200); len(got.Tenants) != 1 || got.Tenants[0].Silhouette != nil {
		t.Errorf("families of one tenant: %+v", got)
	}
	if got := decode[PolicyAnswer](t, h, "/api/v1/policy?tenant=staging", 200); !reflect.DeepEqual(got.Policies, []Policy{*roles.policy}) || roles.tenant != "staging" {
		t.Errorf("policy: %+v", got.Policies)
	}
	if got := decode[TenantsAnswer](t, h, "/api/v1/tenants", 200); !reflect.DeepEqual(got.Tenants, roles.budgets) {
		t.Errorf("budgets: %+v", got)
	}
}

// TestAPIOfNothing checks that a process without roles answers, and that what
// it does not have is empty and not null.
func TestAPIOfNothing(t *testing.T) {
	tests := map[string]string{
		"/api/v1/anomalies": `"anomalies":[]`,
		"/api/v1/clusters":  `"total":0,"clusters":[]`,
		"/api/v1/families":  `"tenants":[]`,
		"/api/v1/policy":    `"policies":[]`,
		"/api/v1/tenants":   `"tenants":[]`,
	}
	hollow := &fixedRoles{families: []Families{{Tenant: "t", Silhouette: new(float64)}}, policy: &Policy{}, budgets: []Budgets{{Tenant: "t"}}, explanation: &Explanation{Bindings: make([]Binding, 1)}}
	bare := optionsOf(&fixed{})
	for path, want := range tests {
		if got := get(t, NewHandler(DefaultConfig(), bare), path).Body.String(); !strings.HasPrefix(got, `{"schema_version":1,`) || !strings.Contains(got, want) {
			t.Errorf("%s: no %s in %s", path, want, got)
		}
		bare.Roles = hollow
		if got := get(t, NewHandler(DefaultConfig(), bare), path).Body.String(); strings.Contains(got, "null") {
			t.Errorf("%s: null in %s", path, got)
		}
		bare.Roles = nil
	}
	got := decode[ErrorAnswer](t, NewHandler(DefaultConfig(), bare), "/api/v1/explain?user=alice", 404)
	if !strings.Contains(got.Error, "no role policy is in force for every tenant") {
		t.Errorf("explain without a policy: %q", got.Error)
	}
	bare.Roles = hollow
	text := get(t, NewHandler(DefaultConfig(), bare), "/api/v1/explain?user=alice").Body.String()
	for _, want := range []string{`"groups":[]`, `"notes":[]`, `"reasons":[]`, `"rules":[]`, `"allowed":null`, `"family":null`} {
		if !strings.Contains(text, want) {
			t.Errorf("explain: no %s in %s", want, text)
		}
	}
}

func TestAPIExplain(t *testing.T) {
	yes := true
	roles := teams()
	roles.explanation = deployer(&yes)
	h := NewHandler(DefaultConfig(), optionsWith(roles))
	got := decode[ExplainAnswer](t, h, "/api/v1/explain?tenant=production&user=u&group=a&group=b%0Ac%0A&verb=get&resource=pods/log&api_group=g&namespace=n&name=o", 200)
	want := rbac.Request{User: "u", Groups: []string{"a", "b", "c"}, Verb: "get", APIGroup: "g", Resource: "pods", Subresource: "log", Namespace: "n", Object: "o"}
	if !reflect.DeepEqual(roles.asked, want) || roles.tenant != "production" {
		t.Errorf("asked %q for %+v, want %+v", roles.tenant, roles.asked, want)
	}
	decode[ExplainAnswer](t, h, "/api/v1/explain?user=u&verb=get&resource=deployments/scale.apps", 200)
	want = rbac.Request{User: "u", Verb: "get", APIGroup: "apps", Resource: "deployments", Subresource: "scale"}
	if !reflect.DeepEqual(roles.asked, want) {
		t.Errorf("asked for %+v, want %+v", roles.asked, want)
	}
	for _, two := range []string{"resource=deployments.apps&api_group=batch", "resource=pods/exec&subresource=log"} {
		decode[ErrorAnswer](t, h, "/api/v1/explain?user=u&verb=get&"+two, 400)
	}
	if f := got.Explanation.Family; f == nil || f.ID != "00aa11bb22cc33de" || f.Members != 1 {
		t.Errorf("family: %+v", f)
	}
	got.Explanation.Family = nil
	for i := range roles.explanation.Bindings {
		roles.explanation.Bindings[i].Rules = orEmpty(roles.explanation.Bindings[i].Rules)
	}
	if !reflect.DeepEqual(&got.Explanation, roles.explanation) {
		t.Errorf("explanation: %+v, want %+v", got.Explanation, roles.explanation)
	}
}

func TestParseQuestion(t *testing.T) {
	tests := map[string]struct {
		query string
		want  string // the problem, "" for none
	}{
		"everything":       {"user=alice", ""},
		"a group":          {"group=developers", ""},
		"a path":           {"user=alice&verb=get&path=/metrics", ""},
		"a subresource":    {"user=alice&verb=create&resource=pods&subresource=exec", ""},
		"nobody":           {"user=+", "user: who is asked about? A user or a group is needed"},
		"no verb":          {"user=alice&resource=pods", "verb: a resource or a path needs one, such as get"},
		"no resource":      {"user=alice&verb=get", "resource: a verb needs one, such as pods, or a path"},
		"two requests":     {"user=alice&verb=get&resource=pods&path=/x", "path: a request has a resource or a path, not both"},
		"not a path":       {"user=alice&verb=get&path=metrics", `path: "metrics" does not begin with /`},
		"several problems": {"path=x", "user: who is asked about? A user or a group is needed\nverb: a resource or a path needs one, such as get\npath: \"x\" does not begin with /"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			values, err := url.ParseQuery(test.query)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if _, err := parseQuestion(values); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
