package web

import (
	"fmt"
	"html"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// text gets a page and undoes its escapes.
func text(t *testing.T, roles Roles, path string) string {
	t.Helper()
	w := get(t, NewHandler(DefaultConfig(), optionsWith(roles)), path)
	if w.Code != 200 {
		t.Fatalf("%s: status %d", path, w.Code)
	}
	return html.UnescapeString(w.Body.String())
}

func expect(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(page, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
}

func TestRolesPageTells(t *testing.T) {
	page := text(t, teams(), "/roles")
	expect(t, page,
		"version 7", "in force since 14:20", "153 roles, 165 bindings", "of 26 roles", "<title>Roles · logcluster</title>", `data-live="/roles/live"`,
		`id="family-5be1a45d019f0c2d"`, "Role/team-*/team-*-editor", "16 roles", "silhouette 0.94 · since 31 Oct 14:31", "elevated power",
		"25 roles in 6 families · learned 14:25 · silhouette 0.82 over 22 roles · stability 99 %", "3 roles like no other", "1 role in 1 family · learned 14:25 · stability 100 %",
		"11 min of event time · 318 objects · 2 versions held", "1 d ago", "3 h ago", "up to date", "in use", "cluster, audit", "Clusters of one role", "at most 2,500",
		"4,512 of 10,000", `width="45.1"`, "own limits", "0, no limit",
	)
	if n := strings.Count(page, `id="family-00aa11bb22cc33dd"`); n != 1 {
		t.Errorf("a family of two tenants has %d anchors", n)
	}
	if strings.Contains(page, `class="notice"`) {
		t.Error("a notice without a reason")
	}
	if live := text(t, teams(), "/roles/live"); !strings.Contains(page, live) {
		t.Error("the live part is not that of the page")
	}
}

func TestDoubtsAreTold(t *testing.T) {
	for _, path := range []string{"/", "/roles"} {
		expect(t, text(t, stale(), path),
			"The source of roles “files” has a problem.", "did not find expected key", "3 writes to roles or bindings",
			"production has used its 10,000 clusters: what is new is added up in one overflow cluster.",
		)
	}
	page := text(t, stale(), "/roles")
	expect(t, page, "nothing yet", "never", "49,415 <small>48,211 by clusters, 1,204 by new clusters an hour</small>")
	if first, second := strings.Index(page, "<bdi>production</bdi> <span"), strings.Index(page, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><bdi>staging"); first < 0 || second < first {
		t.Errorf("who is past a budget (at %d) does not come before who is not (at %d)", first, second)
	}
	many := stale()
	for range 5 {
		many.budgets = append(many.budgets, many.budgets[0])
	}
	expect(t, text(t, many, "/"), "And 5 more such notes.")
}

func TestSourceState(t *testing.T) {
	ago := func(d time.Duration) time.Time { return wall.Add(-d) }
	tests := map[string]struct {
		source PolicySource
		want   sourceView
	}{
		"never told":      {PolicySource{Source: "files"}, sourceView{"files", "nothing yet", "never", false}},
		"nobody checks":   {PolicySource{Source: "audit", LoadedAt: ago(time.Hour)}, sourceView{"audit", "in use", "1 h ago", false}},
		"fresh":           {PolicySource{Source: "cluster", LoadedAt: ago(time.Hour), CheckedAt: ago(staleAfter)}, sourceView{"cluster", "up to date", "1 h ago", false}},
		"silent":          {PolicySource{Source: "cluster", LoadedAt: ago(time.Hour), CheckedAt: ago(7 * time.Minute)}, sourceView{"cluster", "not heard of for 7 min", "1 h ago", true}},
		"problem":         {PolicySource{Source: "files", LoadedAt: ago(time.Hour), CheckedAt: ago(0), Problem: "broken"}, sourceView{"files", "broken", "1 h ago", true}},
		"problem at once": {PolicySource{Source: "files", Problem: "broken"}, sourceView{"files", "broken", "never", true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := newSourceView(test.source, wall); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestUsedUp(t *testing.T) {
	for budget, want := range map[string]string{
		"clusters":     "t has used its 10 clusters: what is new is added up in one overflow cluster.",
		"role":         "t has used its 10 clusters of one role: what is new is added up in one overflow cluster.",
		"rate":         "t has used its 10 new clusters an hour: what is new is added up in one overflow cluster.",
		"fingerprints": "t has used its 10 fingerprints: what is new can no longer be told from what was seen long ago.",
	} {
		if got := usedUp("t", &Budget{budget, 10, 10, 1}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRolesPageOfNothing(t *testing.T) {
	page := text(t, nil, "/roles")
	expect(t, page, "None yet: families are learned", "No source of RBAC objects is configured", "No tenant yet.", "roles by the audit log")
	whole := &fixedRoles{policy: &Policy{Version: 1}}
	expect(t, text(t, whole, "/roles"), "Version 1, in force since the start · 0 objects", "<td colspan=\"3\">none</td>")
	two := &twoPolicies{}
	expect(t, text(t, two, "/roles"), "2 policies", "<bdi>blue</bdi>")
	expect(t, text(t, two, "/explain"), `name="tenant" value=""`, `<option value="blue">`)
}

type twoPolicies struct{ noRoles }

func (twoPolicies) Policies(string) []Policy { return []Policy{*freshPolicy(), {Tenant: "blue"}} }

func TestRolesPageIsBounded(t *testing.T) {
	roles := teams()
	var families []Family
	for i := range maxFamilies + 3 {
		families = append(families,
			Family{ID: fmt.Sprint("a", i), Name: "x", Members: []string{"x"}},
			Family{ID: fmt.Sprint("b", i), Members: slices.Repeat([]string{"y"}, maxMembers+7)},
		)
	}
	roles.families = []Families{{Tenant: "t", Families: families}}
	for i := range maxTenants + 4 {
		lone := Family{ID: fmt.Sprint("c", i), Name: "x", Members: []string{"x"}}
		roles.families = append(roles.families, Families{Tenant: fmt.Sprint("t", i), Families: slices.Repeat([]Family{lone}, 100)})
	}
	for i := range maxTenants {
		roles.budgets = append(roles.budgets, Budgets{Tenant: fmt.Sprint("t", i)})
	}
	page := text(t, roles, "/roles")
	for what, want := range map[string]int{
		`id="family-a`: maxFamilies, `id="family-b`: maxFamilies, "<bdi>x</bdi>": maxAllFamilies - maxFamilies, "<bdi>y</bdi>": maxAllMembers,
		"3 more in the <a href=\"/api/v1/families\">": 2, "5 more tenants in the": 1, "2 more in the <a href=\"/api/v1/tenants\">": 1,
	} {
		if got := strings.Count(page, what); got != want {
			t.Errorf("%d times %q, want %d", got, what, want)
		}
	}
}

func TestAnomaliesTellRoles(t *testing.T) {
	page := text(t, teams(), "/")
	expect(t, page,
		`<span class="chip power-escalate">escalate power</span>`, "escalate: can become more powerful", "from rbac", "from annotation",
		`<a class="note family" href="/roles#family-5be1a45d019f0c2d"><bdi>Role/*/debugger</bdi></a>`, "(4 roles)",
		`href="/explain?tenant=production&user=system%3Aserviceaccount%3Apayments%3Aci-runner"`,
	)
	if strings.Contains(page, "unknown power") || strings.Contains(page, "from unknown") {
		t.Error("the unknown is told as if it were known")
	}
	if strings.Contains(text(t, nil, "/"), "may do what?") {
		t.Error("it offers to explain without a policy")
	}
}

func TestExplainPage(t *testing.T) {
	yes, no := true, false
	const runner = "/explain?namespace=payments&user=system:serviceaccount:payments:ci-runner"
	tests := map[string]struct {
		explanation *Explanation
		path        string
		want        []string
	}{
		"nothing asked":  {nil, "/explain", []string{"Without a verb: everything that the subject may do", `<option value="escalate">`}},
		"no such policy": {nil, "/explain?user=alice&tenant=blue", []string{`no role policy is in force for the tenant "blue"`}},
		"no policy":      {nil, "/explain?user=alice", []string{"no role policy is in force for every tenant"}},
		"wrong":          {nil, "/explain?verb=get", []string{"user: who is asked about?", "resource: a verb needs one"}},
		"allowed": {deployer(&yes), runner + "&verb=get&resource=secrets&name=registry", []string{
			">yes</span> <bdi>May system:serviceaccount:payments:ci-runner get secrets registry in payments?", "Bound by 4 bindings, of which 1 allows it",
			"escalate power", "can give itself other roles", `<p class="notice"><bdi>all of it is invented</bdi></p>`, "<b>get</b> <bdi>secrets</bdi> <span class=\"note\">only <bdi>registry</bdi>", "role missing", "everybody",
			`value="registry"`, "/roles#family-00aa11bb22cc33de", "/api/v1/explain?name=registry&namespace=payments",
		}},
		"refused": {deployer(&no), "/explain?user=alice&verb=create&resource=pods/exec&tenant=production", []string{
			">no</span> <bdi>May alice create pods/exec in the whole cluster?", "of which 0 allow it", "Groups come with who was authenticated", `value="pods/exec"`, `name="tenant" value="production"`,
		}},
		"everything": {deployer(nil), runner, []string{
			"<bdi>What system:serviceaccount:payments:ci-runner may do in payments and in the whole cluster</bdi>", "<b>create, update, patch</b> <bdi>deployments, statefulsets (apps)</bdi>", "<b>get</b> <bdi>/api, /api/*, /version</bdi>",
		}},
		"a path":  {deployer(&yes), "/explain?user=alice&group=a&verb=get&path=/metrics", []string{"May alice get /metrics?"}},
		"a group": {&Explanation{}, "/explain?group=a%0Ab", []string{"What a member of a, b may do, wherever it is", "No binding names this subject.", "Bound by 0 bindings", ">a\nb</textarea>"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			roles := teams()
			roles.explanation = test.explanation
			expect(t, text(t, roles, test.path), test.want...)
		})
	}
}

func TestExplainPageIsBounded(t *testing.T) {
	roles := teams()
	roles.explanation = &Explanation{}
	for range maxBindings + 5 {
		roles.explanation.Bindings = append(roles.explanation.Bindings, Binding{Rules: make([]Rule, maxRules+2)})
	}
	page := text(t, roles, "/explain?user=alice")
	expect(t, page, "5 more in the", "2 more in the", "Bound by 205 bindings")
	if n := strings.Count(page, "<li><b>"); n != maxBindings*maxRules {
		t.Errorf("%d rules", n)
	}
}

// taint puts the hostile text into every string that there is.
func taint(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Pointer:
		if !v.IsNil() {
			taint(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			taint(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			taint(v.Field(i))
		}
	default: // numbers and booleans are ours
	}
}

// TestHostileRoles checks that the names of roles, subjects and problems, and
// what a link put into the form, reach the pages as text.
func TestHostileRoles(t *testing.T) {
	yes := true
	roles := stale()
	roles.explanation = deployer(&yes)
	taint(reflect.ValueOf(&roles.families).Elem())
	taint(reflect.ValueOf(roles.policy))
	taint(reflect.ValueOf(&roles.budgets).Elem())
	taint(reflect.ValueOf(roles.explanation))
	link := url.Values{}
	for _, name := range []string{"tenant", "user", "group", "verb", "resource", "subresource", "api_group", "namespace", "name"} {
		link.Set(name, hostile)
	}
	broken := url.Values{"user": {hostile}, "path": {hostile}}
	for _, path := range []string{"/roles", "/explain?" + link.Encode(), "/explain?" + broken.Encode()} {
		page := get(t, NewHandler(DefaultConfig(), optionsWith(roles)), path).Body.String()
		for _, bad := range []string{"<script>document", "<img src=x", `onerror="`, "' onmouseover='"} {
			if strings.Contains(page, bad) {
				t.Errorf("%.20s: the page holds %s", path, bad)
			}
		}
		if n := strings.Count(page, "<script"); n != 1 {
			t.Errorf("%.20s: %d scripts in the page, want its own", path, n)
		}
		if !strings.Contains(page, "&lt;script&gt;document.title=&#39;owned&#39;") {
			t.Errorf("%.20s: the text is not shown", path)
		}
	}
}
