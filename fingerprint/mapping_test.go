package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func mapping(t testing.TB, rules ...fingerprint.MappingRule) *fingerprint.Mapping {
	t.Helper()
	m, err := fingerprint.NewMapping(rules)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMapping(t *testing.T) {
	m := mapping(t,
		fingerprint.MappingRule{User: `agent-(?P<kind>[a-z]+)-\d+`, Namespace: "ai|ml", Role: "agent-${kind}"},
		fingerprint.MappingRule{Group: `oidc:(?P<team>.+)`, Attributes: map[string]string{"user_agent": "kubectl/.*"}, Role: "${team} by hand"},
		fingerprint.MappingRule{Attributes: map[string]string{"annotations/role.type": "(?P<type>.*)"}, Role: "${type}"},
	)
	if got := strings.Join(m.Attributes(), " "); got != "annotations/role.type user_agent" {
		t.Errorf("attributes %s", got)
	}
	for name, tc := range map[string]struct {
		event fingerprint.Event
		want  string
	}{
		"first rule":               {fingerprint.Event{User: "agent-planner-17", Resource: fingerprint.Resource{Namespace: "ai"}}, "mapped:agent-planner"},
		"patterns match it all":    {fingerprint.Event{User: "agent-planner-17x", Resource: fingerprint.Resource{Namespace: "ai"}}, ""},
		"all patterns must match":  {fingerprint.Event{User: "agent-planner-17", Resource: fingerprint.Resource{Namespace: "shop"}}, ""},
		"any group, and attribute": {fingerprint.Event{User: "jane", Groups: []string{"x", "oidc:web"}, Attributes: []fingerprint.Attribute{{Name: "user_agent", Value: "kubectl/v1"}}}, "mapped:web by hand"},
		"attribute is missing":     {fingerprint.Event{User: "jane", Groups: []string{"oidc:web"}}, ""},
		"attackers' text":          {fingerprint.Event{User: "jane", Attributes: []fingerprint.Attribute{{Name: "annotations/role.type", Value: "ClusterRole/admin,x\n"}}}, "mapped:ClusterRole%2Fadmin%2Cx%0A"},
		"the one acted as":         {fingerprint.Event{User: "jane", ActingAs: "agent-a-1", Resource: fingerprint.Resource{Namespace: "ml"}}, "mapped:agent-a"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.event.Verb, tc.event.Resource.Name = "get", "pods"
			f := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Mapping: m})
			for range 2 { // the second time from memory
				got := f.Of(&tc.event).Cluster
				if tc.want == "" && got.RoleSource == rbac.SourceMapping || tc.want != "" && (got.Role != tc.want || got.RoleSource != rbac.SourceMapping) {
					t.Errorf("role %q by %s, want %q", got.Role, got.RoleSource, tc.want)
				}
			}
		})
	}
}

// The policy and the authorizer know better.
func TestMappingComesAfterPolicyAndAnnotation(t *testing.T) {
	m := mapping(t, fingerprint.MappingRule{User: ".*", Role: "everybody"})
	e := fingerprint.Event{User: "u", Verb: "get", Resource: pods("n"), Decision: fingerprint.DecisionAllow, Reason: editReason}
	if got := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Mapping: m}).Of(&e).Cluster; got.RoleSource != rbac.SourceAnnotation {
		t.Errorf("%s by %s", got.Role, got.RoleSource)
	}
	e.Reason = ""
	if got := fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{Mapping: m}).Of(&e).Cluster; got.Role != "mapped:everybody" {
		t.Errorf("%s by %s", got.Role, got.RoleSource)
	}
}

func TestMappingThatIsWrong(t *testing.T) {
	for want, r := range map[string]fingerprint.MappingRule{
		"[0].user: ":                            {User: "(", Role: "r"},
		"[0].role: is empty":                    {User: "u"},
		"[0].role: the rule has no pattern":     {Role: "r"},
		"no pattern has a group (?P<x>…)":       {User: "u", Role: "${x}"},
		"has a $ that does not begin ${name}":   {User: "u", Role: "$1"},
		`the group "x" is in user already`:      {User: "(?P<x>u)", Group: "(?P<x>g)", Role: "r"},
		"[0].attributes.user_agent: error pars": {Attributes: map[string]string{"user_agent": "["}, Role: "r"},
	} {
		if _, err := fingerprint.NewMapping([]fingerprint.MappingRule{r}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one that tells %q", r, err, want)
		}
	}
	if m, err := fingerprint.NewMapping(nil); m != nil || err != nil {
		t.Error(m, err)
	}
}
