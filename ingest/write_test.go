package ingest

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestDryRun(t *testing.T) {
	pods, exec := `{"resource":"pods","name":"a"}`, `{"resource":"pods","name":"a","subresource":"exec"}`
	tests := []struct {
		name, verb, uri, ref, bodies string
		want                         bool
	}{
		{"asked for", "create", "/x?dryRun=All", pods, "", true},
		{"among others", "patch", `/x?fieldManager=a\u0026dryRun=All\u0026force=true`, pods, "", true},
		{"repeated", "update", "/x?dryRun=&dryRun=All", pods, "", true},
		{"escaped", "update", "/x?%64ry%52un=%41l%6c", pods, "", true},
		{"not asked for", "create", "/x?fieldManager=dryRun=All", pods, "", false},
		{"in the path", "create", "/dryRun=All", pods, "", false},
		{"no query", "create", "/x", pods, "", false},
		{"of another case", "create", "/x?dryrun=All", pods, "", false},
		{"another value", "create", "/x?dryRun=all", pods, "", false},
		{"longer", "create", "/x?dryRun=Alls", pods, "", false},
		{"longer name", "create", "/x?dryRunx=All", pods, "", false},
		{"escaped percent", "create", "/x?dryRun=%2541ll", pods, "", false},
		{"half an escape", "create", "/x?dryRun=All%4", pods, "", false},
		{"bad escape", "create", "/x?dryRun=%4gll", pods, "", false},
		{"a read", "get", "/x?dryRun=All", pods, "", false},
		{"exec", "create", "/x?dryRun=All", exec, "", false},
		{"token", "create", "/x?dryRun=All", strings.Replace(exec, "exec", "token", 1), "", false},
		{"eviction", "create", "/x?dryRun=All", strings.Replace(exec, "exec", "eviction", 1), "", true},
		{"no object", "create", "/x?dryRun=All", "null", "", false},
		{"delete, bodies unknown", "delete", "/x?dryRun=All", pods, "", false},
		{"delete, no body", "delete", "/x?dryRun=All", pods, `"responseObject":{},`, true},
		{"delete, body", "delete", "/x", pods, `"requestObject":{"kind":"DeleteOptions","dryRun":["All"]},`, true},
		{"delete, escaped in the body", "deletecollection", "/x", pods, `"requestObject":{"dryRun":["x" , "\u0041ll"]},`, true},
		{"delete, the body wins", "delete", "/x?dryRun=All", pods, `"requestObject":{"kind":"DeleteOptions"},"responseObject":{},`, false},
		{"delete, the last of repeated", "delete", "/x", pods, `"requestObject":{"dryRun":["All"],"dryRun":[1]},`, false},
		{"delete, text", "delete", "/x", pods, `"requestObject":{"dryRun":"All"},`, false},
		{"a body of something else", "create", "/x", pods, `"requestObject":{"dryRun":["All"]},`, false},
	}
	d := NewDecoder(DefaultConfig())
	for _, test := range tests {
		record := event(`"verb"`, test.bodies+`"objectRef":`+test.ref+`,"verb"`, "get", test.verb, "/x?q", test.uri, "ResponseComplete", stageOf(test.ref))
		events, _, err := decodeAll(d, []byte(record))
		if err != nil || len(events) != 1 || events[0].DryRun != test.want {
			t.Errorf("%s: got %+v, error %v, want %v", test.name, events, err, test.want)
		}
	}
}

// stageOf returns the stage at which a request on the object counts.
func stageOf(ref string) string {
	if strings.Contains(ref, "exec") {
		return "ResponseStarted"
	}
	return "ResponseComplete"
}

func TestObjectOfARBACWrite(t *testing.T) {
	const role = `{"kind":"Role" , "rules":[{"verbs":["\u0067et"]}]}`
	tests := []struct{ name, from, to, want string }{
		{"create", "", "", role},
		{"update", "create", "update", role},
		{"patch", "create", "patch", role},
		{"delete", "create", "delete", role},
		{"deletecollection", "create", "deletecollection", role},
		{"get", "create", "get", ""},
		{"bindings", "roles", "clusterrolebindings", role},
		{"spaces", `"responseObject":`, `"responseObject" : ` + "\n", role},
		{"other resource", "roles", "pods", ""},
		{"other group", "rbac.authorization.k8s.io", "example.org", ""},
		{"subresource", `"name":"a"`, `"subresource":"status"`, ""},
		{"refused", "201", "403", ""},
		{"redirected", "201", "302", ""},
		{"no code", `"code":201`, ``, ""},
		{"panic", "ResponseComplete", "Panic", ""},
		{"dry run", "/x", "/x?dryRun=All", ""},
		{"dry run of a delete", `"create"`, `"delete","requestObject":{"dryRun":["All"]}`, ""},
		{"null", role, "null", ""},
		{"text", role, `"{}"`, ""},
		{"list", role, "[" + role + "]", ""},
		{"the last of repeated", role, role + `,"responseObject":{}`, "{}"},
		{"null at last", role, role + `,"responseObject":null`, ""},
	}
	d := NewDecoder(DefaultConfig())
	for _, order := range []string{"before", "after"} {
		for _, test := range tests {
			before, after := `"responseObject":`+role+`,`, ""
			if order == "after" {
				before, after = "", `,"responseObject":`+role
			}
			record := event(`"verb"`, before+`"objectRef":{"resource":"roles","apiGroup":"rbac.authorization.k8s.io","name":"a"},"responseStatus":{"code":201},"verb"`,
				`"get"`, `"create"`, "/x?q", "/x", `31Z"}`, `31Z"`+after+`}`)
			if test.from != "" {
				record = strings.Replace(record, test.from, test.to, 1)
			}
			events, _, err := decodeAll(d, []byte(record))
			if err != nil || len(events) != 1 || string(events[0].Object) != test.want {
				t.Errorf("%s, %s: error %v, got %+v", test.name, order, err, events)
			}
		}
	}
}

// The object is handed out as it stands; nothing of it is in the rest.
func TestObjectOfARecordWithBodies(t *testing.T) {
	record := fixture(t, "event_rbac.json")
	events, _, err := decodeAll(NewDecoder(DefaultConfig()), record)
	if err != nil || len(events) != 1 {
		t.Fatal(err)
	}
	e := events[0]
	if !strings.HasPrefix(string(e.Object), `{"kind":"ClusterRoleBinding"`) || !strings.HasSuffix(string(e.Object), `"name":"cluster-admin"}}`) {
		t.Errorf("object %s", e.Object)
	}
	if e.Code != 201 || e.DryRun || e.Resource.Object != "night-shift" {
		t.Errorf("event %+v", e)
	}
}

func BenchmarkQueryHas(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if queryHas("/apis/apps/v1/namespaces/payments/deployments/ledger-api?fieldManager=kubectl-client-side-apply&fieldValidation=Strict&timeout=30s", "dryRun", "All") {
			b.Fatal("found")
		}
	}
}

// Whether a query asks for a dry run is what the server's own parser says.
func FuzzQueryHas(f *testing.F) {
	for _, query := range []string{"dryRun=All", "a=b&dryRun=%41ll", "dryRun=All;", "dryRun=All%", "%64ryRun=Al%6C&dryRun", "dryRun=A+ll", "=&&dryRun=All"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query) // what is not well-formed is left out
		if got, want := queryHas("/x?"+query, "dryRun", "All"), slices.Contains(values["dryRun"], "All"); got != want {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	})
}
