package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// request is a successful write to an RBAC object, "namespace/name" or "name".
func request(verb, resource, object, answer string) *fingerprint.Event {
	ns, name, ok := strings.Cut(object, "/")
	if !ok {
		ns, name = "", object
	}
	e := &fingerprint.Event{
		Verb: verb, Code: 200, Decision: fingerprint.DecisionAllow,
		Resource: fingerprint.Resource{Group: rbacv1.GroupName, Name: resource, Namespace: ns, Object: name},
	}
	if answer != "" {
		e.Object = []byte(answer)
	}
	return e
}

// told spells changes: "+Role a/x" for one that was put, "-Role a/x" for one
// that was deleted.
func told(changes []rbac.Change) string {
	var all []string
	for i := range changes {
		c := &changes[i]
		sign, name := "+", metaOf(c).Name
		if c.Deleted {
			sign = "-"
		}
		if ns := metaOf(c).Namespace; ns != "" {
			name = ns + "/" + name
		}
		all = append(all, sign+kindOf(c).String()+" "+name)
	}
	return strings.Join(all, ", ")
}

func kindOf(c *rbac.Change) kind {
	switch {
	case c.Role != nil:
		return kindRole
	case c.ClusterRole != nil:
		return kindClusterRole
	case c.RoleBinding != nil:
		return kindRoleBinding
	default:
		return kindClusterRoleBinding
	}
}

// answer is a response of the API server: type and metadata, then the rest.
func answer(apiVersion, kind, metadata, rest string) string {
	return fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{%s}%s}`, kind, apiVersion, metadata, rest)
}

const (
	rbacV1  = "rbac.authorization.k8s.io/v1"
	metaV1  = "meta.k8s.io/v1"
	xInA    = `"name":"x","namespace":"a","uid":"u","resourceVersion":"7"`
	rules   = `,"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]`
	binds   = `,"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"eve"}],"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}`
	leaving = `,"deletionTimestamp":"2026-11-23T03:00:00Z","deletionGracePeriodSeconds":0`
	held    = `,"finalizers":["foregroundDeletion"]`
	success = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"x"}}`
)

func TestFromEvent(t *testing.T) {
	role := answer(rbacV1, "Role", xInA, rules)
	partial := func(meta string) string { return answer(metaV1, "PartialObjectMetadata", meta, "") }
	table := func(objects ...string) string {
		var rows []string
		for _, o := range objects {
			rows = append(rows, `{"cells":["x","2026-11-23T03:00:00Z"],"object":`+o+`}`)
		}
		return answer(metaV1, "Table", "", `,"columnDefinitions":[],"rows":[`+strings.Join(rows, ",")+`]`)
	}
	list := func(items ...string) string {
		return answer(rbacV1, "RoleList", `"resourceVersion":"9"`, `,"items":[`+strings.Join(items, ",")+`]`)
	}
	item := func(meta string) string { return `{"metadata":{` + meta + `}` + rules + `}` }
	yInA := `"name":"y","namespace":"a"`
	for _, tc := range []struct {
		name  string
		event *fingerprint.Event
		with  func(*fingerprint.Event)
		want  string // changes, or the sighting where there are none
	}{
		// What is put.
		{name: "create", event: request("create", "roles", "a/x", role), want: "+Role a/x"},
		{name: "update", event: request("update", "roles", "a/x", role), want: "+Role a/x"},
		{name: "patch", event: request("patch", "roles", "a/x", role), want: "+Role a/x"},
		{name: "a name that the server made", event: request("create", "roles", "a/", role), want: "+Role a/x"},
		{
			name:  "cluster role",
			event: request("create", "clusterroles", "x", answer(rbacV1, "ClusterRole", `"name":"x"`, rules)), want: "+ClusterRole x",
		},
		{
			name:  "role binding",
			event: request("create", "rolebindings", "a/x", answer(rbacV1, "RoleBinding", xInA, binds)), want: "+RoleBinding a/x",
		},
		{
			name: "cluster role binding", want: "+ClusterRoleBinding x",
			event: request("patch", "clusterrolebindings", "x", answer(rbacV1, "ClusterRoleBinding", `"name":"x"`, binds)),
		},
		{
			name: "v1beta1", want: "+Role a/x",
			event: request("create", "roles", "a/x", answer("rbac.authorization.k8s.io/v1beta1", "Role", xInA, rules)),
		},
		{name: "a table with the object", event: request("patch", "roles", "a/x", table(role)), want: "+Role a/x"},

		// What is deleted.
		{name: "delete", event: request("delete", "roles", "a/x", success), want: "-Role a/x"},
		{name: "delete without a body", event: request("delete", "clusterrolebindings", "x", ""), want: "-ClusterRoleBinding x"},
		{name: "delete answers with the object", event: request("delete", "roles", "a/x", role), want: "-Role a/x"},
		{name: "delete answers with metadata", event: request("delete", "roles", "a/x", partial(xInA)), want: "-Role a/x"},
		{name: "delete answers with a table", event: request("delete", "roles", "a/x", table(partial(xInA))), want: "-Role a/x"},
		{
			name: "a finalizer holds it", want: "+Role a/x",
			event: request("delete", "roles", "a/x", answer(rbacV1, "Role", xInA+leaving+held, rules)),
		},
		{
			name: "a finalizer holds it, says its metadata", want: "no_change",
			event: request("delete", "roles", "a/x", partial(xInA+leaving+held)),
		},
		{
			name: "not yet deleted", event: request("delete", "roles", "a/x", ""),
			with: func(e *fingerprint.Event) { e.Code = 202 }, want: "unseen",
		},
		{
			name: "the last finalizer goes", want: "-Role a/x",
			event: request("patch", "roles", "a/x", answer(rbacV1, "Role", xInA+leaving, rules)),
		},
		{
			name: "the last finalizer goes, says its metadata", want: "-Role a/x",
			event: request("patch", "roles", "a/x", partial(xInA+leaving)),
		},
		{
			name: "one of its finalizers goes", want: "+Role a/x",
			event: request("patch", "roles", "a/x", answer(rbacV1, "Role", xInA+leaving+held, rules)),
		},

		// Collections.
		{
			name: "delete a collection", want: "-Role a/x, -Role a/y",
			event: request("deletecollection", "roles", "a/", list(item(xInA), item(yInA))),
		},
		{
			name: "one of a collection is held", want: "-Role a/y",
			event: request("deletecollection", "roles", "a/", list(item(xInA+held), item(yInA))),
		},
		{
			name: "metadata of a collection", want: "-Role a/x",
			event: request("deletecollection", "roles", "a/", answer(metaV1, "PartialObjectMetadataList", "", `,"items":[`+partial(xInA)+`]`)),
		},
		{name: "table of a collection", event: request("deletecollection", "roles", "a/", table(partial(yInA))), want: "-Role a/y"},
		{name: "empty collection", event: request("deletecollection", "roles", "a/", list()), want: "no_change"},
		{name: "collection without a body", event: request("deletecollection", "roles", "a/", ""), want: "unseen"},
		{name: "collection answers with a status", event: request("deletecollection", "roles", "a/", success), want: "unseen"},
		{name: "collection of another namespace", event: request("deletecollection", "roles", "b/", list(item(xInA))), want: "unseen"},
		{
			name: "collection that broke off", event: request("deletecollection", "roles", "a/", ""),
			with: func(e *fingerprint.Event) { e.Code = 500 }, want: "unseen",
		},
		{
			name: "too many for one collection", want: "unseen",
			event: request("deletecollection", "roles", "a/", list(strings.Repeat("{},", MaxListItems)+"{}")),
		},

		// What is not in the record, or does not fit it.
		{name: "no body", event: request("create", "roles", "a/x", ""), want: "unseen"},
		{name: "status for an update", event: request("update", "roles", "a/x", success), want: "unseen"},
		{name: "metadata of an update", event: request("update", "roles", "a/x", partial(xInA)), want: "unseen"},
		{name: "table without rows", event: request("update", "roles", "a/x", table()), want: "unseen"},
		{name: "table in a table", event: request("update", "roles", "a/x", table(table(role))), want: "unseen"},
		{name: "another name", event: request("update", "roles", "a/y", role), want: "unseen"},
		{name: "another name deleted", event: request("delete", "roles", "a/y", role), want: "unseen"},
		{name: "another namespace", event: request("create", "roles", "b/x", role), want: "unseen"},
		{name: "no namespace", event: request("create", "roles", "x", role), want: "unseen"},
		{name: "no name", event: request("update", "roles", "a/", role), want: "unseen"},
		{name: "delete of nothing", event: request("delete", "roles", "a/", success), want: "unseen"},
		{name: "another kind", event: request("create", "clusterroles", "x", role), want: "unseen"},
		{name: "another API", event: request("create", "roles", "a/x", answer("iam.example.com/v1", "Role", xInA, rules)), want: "unseen"},
		{name: "not JSON", event: request("delete", "roles", "a/x", `{"kind":`), want: "unseen"},
		{name: "not an object", event: request("create", "roles", "a/x", `[]`), want: "unseen"},
		{name: "failure in a success", event: request("delete", "roles", "a/x", strings.Replace(success, "Success", "Failure", 1)), want: "unseen"},
		{name: "names in other case", event: request("create", "roles", "a/x", strings.Replace(role, "kind", "Kind", 1)), want: "unseen"},
		{
			name: "rules that say nothing", want: "unseen",
			event: request("create", "roles", "a/x", answer(rbacV1, "Role", xInA, `,"rules":[{}]`)),
		},
		{
			name: "selector that no policy can be built with", want: "unseen",
			event: request("create", "clusterroles", "x", answer(rbacV1, "ClusterRole", `"name":"x"`,
				`,"aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"k","operator":"Odd"}]}]}`)),
		},
		{
			name: "too large", want: "unseen",
			event: request("create", "roles", "a/x", role[:len(role)-1]+strings.Repeat(" ", MaxObjectBytes)+"}"),
		},
		{
			name: "timed out", event: request("update", "roles", "a/x", ""),
			with: func(e *fingerprint.Event) { e.Code = 504 }, want: "unseen",
		},
		{
			name: "no code", event: request("update", "roles", "a/x", role),
			with: func(e *fingerprint.Event) { e.Code = 0 }, want: "unseen",
		},

		// What writes nothing.
		{name: "read", event: request("get", "roles", "a/x", role), want: "no_change"},
		{name: "escalate", event: request("escalate", "roles", "a/x", role), want: "no_change"},
		{name: "another resource", event: request("create", "rolebindingrestrictions", "a/x", role), want: "no_change"},
		{
			name: "another group", event: request("create", "roles", "a/x", role),
			with: func(e *fingerprint.Event) { e.Resource.Group = "iam.example.com" }, want: "no_change",
		},
		{
			name: "subresource", event: request("update", "roles", "a/x", role),
			with: func(e *fingerprint.Event) { e.Resource.Subresource = "status" }, want: "no_change",
		},
		{
			name: "dry run", event: request("create", "roles", "a/x", role),
			with: func(e *fingerprint.Event) { e.DryRun = true }, want: "no_change",
		},
		{
			name: "refused", event: request("create", "roles", "a/x", ""),
			with: func(e *fingerprint.Event) { e.Code, e.Decision = 403, fingerprint.DecisionForbid }, want: "no_change",
		},
		{
			name: "refused without a code", event: request("create", "roles", "a/x", ""),
			with: func(e *fingerprint.Event) { e.Code, e.Decision = 0, fingerprint.DecisionForbid }, want: "no_change",
		},
		{
			name: "conflict", event: request("update", "roles", "a/x", ""),
			with: func(e *fingerprint.Event) { e.Code = 409 }, want: "no_change",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.with != nil {
				tc.with(tc.event)
			}
			changes, sighting := FromEvent(tc.event)
			got := told(changes)
			if sighting != Applied {
				got += sighting.String()
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestFromEventContent checks that all that a policy needs of an object is
// there, and nothing aliases the record.
func TestFromEventContent(t *testing.T) {
	meta := `"name":"x","namespace":"a","uid":"u","resourceVersion":"7","labels":{"l":"1"},` +
		`"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"},"managedFields":[{"manager":"kubectl"}]`
	e := request("create", "roles", "a/x", answer(rbacV1, "Role", meta, rules))
	changes, _ := FromEvent(e)
	clear(e.Object)
	got, err := json.Marshal(changes)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"role":{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"x","namespace":"a","uid":"u","resourceVersion":"7","labels":{"l":"1"}},` +
		`"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestFromEventOfOthersIsFree checks that the events that are not writes of RBAC
// objects, nearly all, cost nothing.
func TestFromEventOfOthersIsFree(t *testing.T) {
	pods, read := request("create", "pods", "a/x", "{}"), request("list", "roles", "a/", "{}")
	pods.Resource.Group = ""
	if n := testing.AllocsPerRun(100, func() { FromEvent(pods); FromEvent(read) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkFromEventOfOthers(b *testing.B) {
	e := request("create", "pods", "a/x", "{}")
	e.Resource.Group = ""
	b.ReportAllocs()
	for b.Loop() {
		FromEvent(e)
	}
}

// FuzzFromEvent checks that no body makes it panic, and that whatever it says
// is about the object of the request and can be built into a policy.
func FuzzFromEvent(f *testing.F) {
	verbs := []string{"create", "update", "patch", "delete", "deletecollection"}
	for i := range verbs {
		f.Add(uint8(i), uint8(0), "a", "x", answer(rbacV1, "Role", xInA, rules))
		f.Add(uint8(i), uint8(3), "", "x", answer(rbacV1, "ClusterRoleBinding", `"name":"x"`, binds))
		f.Add(uint8(i), uint8(0), "a", "", answer(metaV1, "Table", "", `,"rows":[{"object":{"metadata":{`+xInA+leaving+`}}}]`))
		f.Add(uint8(i), uint8(2), "a", "x", answer(metaV1, "PartialObjectMetadata", xInA+leaving+held, ""))
		f.Add(uint8(i), uint8(1), "", "x", success)
	}
	f.Fuzz(func(t *testing.T, verb, resource uint8, namespace, name, text string) {
		e := request(verbs[int(verb)%len(verbs)], resourceNames[resource%uint8(numKinds)], namespace+"/"+name, text)
		e.Resource.Namespace, e.Resource.Object = namespace, name
		changes, sighting := FromEvent(e)
		if (sighting == Applied) != (len(changes) > 0) {
			t.Fatalf("%s with %d changes", sighting, len(changes))
		}
		var o rbac.Objects
		for i := range changes {
			c := &changes[i]
			meta := metaOf(c)
			if kindOf(c).resource() != e.Resource.Name || meta.Namespace != namespace || meta.Name == "" ||
				name != "" && meta.Name != name && e.Verb != "deletecollection" {
				t.Fatalf("%s of %s/%s changed %s", e.Verb, namespace, name, told(changes))
			}
			if !c.Deleted && c.ClusterRole != nil {
				o.ClusterRoles = append(o.ClusterRoles, *c.ClusterRole)
			}
		}
		if _, err := rbac.New(o); err != nil {
			t.Fatal(err)
		}
	})
}
