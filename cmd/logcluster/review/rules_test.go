package review

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
	"pgregory.net/rapid"
)

// rule writes a rule in four words; the core group is "".
func rule(verbs, groups, resources, names string) rbacv1.PolicyRule {
	r := rbacv1.PolicyRule{
		Verbs: strings.Fields(verbs), Resources: strings.Fields(resources), ResourceNames: strings.Fields(names),
		APIGroups: strings.Fields(groups),
	}
	for i, g := range r.APIGroups {
		if g == "core" {
			r.APIGroups[i] = ""
		}
	}
	return r
}

func urls(verbs, urls string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Fields(verbs), NonResourceURLs: strings.Fields(urls)}
}

func texts(rules []rbacv1.PolicyRule) []string {
	var out []string
	for i := range rules {
		out = append(out, RuleText(&rules[i]))
	}
	return out
}

func TestCompact(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rules []rbacv1.PolicyRule
		want  []string
	}{
		{name: "nothing"},
		{name: "a rule about nothing", rules: []rbacv1.PolicyRule{rule("get", "", "", "")}},
		{
			name: "verbs, resources and groups join",
			rules: []rbacv1.PolicyRule{
				rule("list", "core", "pods", ""), rule("get", "core", "pods", ""), rule("get list", "core", "services", ""),
				rule("get list", "apps", "pods services", ""),
			},
			want: []string{"get,list pods,services in core,apps"},
		},
		{
			name:  "different verbs stay apart",
			rules: []rbacv1.PolicyRule{rule("get", "core", "pods", ""), rule("list", "core", "services", "")},
			want:  []string{"get pods", "list services"},
		},
		{
			name: "names join, and all objects hold any one",
			rules: []rbacv1.PolicyRule{
				rule("get", "core", "secrets", "b"), rule("get", "core", "secrets", "a"),
				rule("get", "core", "configmaps", "a"), rule("get", "core", "configmaps", ""),
			},
			want: []string{"get configmaps", "get secrets named a,b"},
		},
		{
			name:  "a wildcard holds the rest",
			rules: []rbacv1.PolicyRule{rule("get *", "core", "pods", ""), rule("list", "core", "pods", "")},
			want:  []string{"* pods"},
		},
		{
			name:  "urls",
			rules: []rbacv1.PolicyRule{urls("get", "/healthz"), urls("get post", "/a"), urls("get", "/b")},
			want:  []string{"get,post /a", "get /b,/healthz"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := texts(Compact(tc.rules)); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// drawRule draws a rule over a small world, in which rules often meet.
func drawRule(t *rapid.T) rbacv1.PolicyRule {
	some := func(label string, from ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, 3, rapid.ID[string]).Draw(t, label)
	}
	if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
		return rbacv1.PolicyRule{
			Verbs:           some("verbs", "get", "post", "*"),
			NonResourceURLs: some("urls", "/a", "/a/*", "/b", "*"),
		}
	}
	r := rbacv1.PolicyRule{
		Verbs:     some("verbs", "get", "list", "create", "*"),
		APIGroups: some("groups", "", "apps", "*"),
		Resources: some("resources", "pods", "pods/exec", "*/scale", "secrets", "*"),
	}
	if rapid.Bool().Draw(t, "named") {
		r.ResourceNames = some("names", "a", "b", "c")
	}
	return r
}

// TestCompactAllowsTheSame holds it against Kubernetes' own comparison: each of
// the two sets covers the other.
func TestCompactAllowsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.Custom(drawRule), 0, 6).Draw(t, "rules")
		compact := Compact(rules)
		if ok, missing := validation.Covers(rules, compact); !ok {
			t.Fatalf("%q allows more than %q: %q", texts(compact), texts(rules), texts(missing))
		}
		if ok, missing := validation.Covers(compact, rules); !ok {
			t.Fatalf("%q allows less than %q: %q", texts(compact), texts(rules), texts(missing))
		}
		if again := Compact(compact); !reflect.DeepEqual(again, compact) {
			t.Fatalf("compacted again: %q, before %q", texts(again), texts(compact))
		}
	})
}
