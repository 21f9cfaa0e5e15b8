//go:build kube

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

// TestKubeRequests sends real requests as people, as service accounts with
// tokens of their own, as nobody and as somebody else, most of them refused, and
// holds the resolver against what the API server has written about them into its
// audit log: who acted on what is read from there, and so is the binding.
func TestKubeRequests(t *testing.T) {
	k := theKube(t)
	w := newWorld(t, k, seeded(t))
	w.allowImpersonation(t, "bob", "user-1", "dev", "shift")
	policy, err := rbac.New(w.settled(t))
	must(t, err)

	begin, sent := k.auditOffset(t), map[string]sentRequest{}
	for _, s := range w.sendAll(t, w.callers(t), 60) {
		sent[s.id] = s
	}
	events := k.awaitEvents(t, begin, sent)
	counts := tally{}
	for id, e := range events {
		counts[compareEvent(t, policy, sent[id], e)]++
	}
	t.Logf("%d requests:%s", len(events), counts)
	for _, word := range []string{"allowed", "denied", "impersonated", "impersonation refused"} {
		if counts[word] == 0 {
			t.Errorf("no request was %s:%s", word, counts)
		}
	}
}

// allowImpersonation lets somebody act as a user, alone or as one of the groups.
func (w *world) allowImpersonation(t *testing.T, who, as string, groups ...string) {
	t.Helper()
	meta := w.object("", w.name("impersonator"))
	_, err := w.admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{Verbs: []string{"impersonate"}, APIGroups: []string{""}, Resources: []string{"users"}, ResourceNames: []string{as}},
		{Verbs: []string{"impersonate"}, APIGroups: []string{""}, Resources: []string{"groups"}, ResourceNames: groups},
	}}, metav1.CreateOptions{})
	must(t, err)
	_, err = w.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: who}},
	}, metav1.CreateOptions{})
	must(t, err)
}

// caller is somebody who sends requests.
type caller struct {
	name   string
	host   string
	client *http.Client
	// as are the headers by which the caller acts as somebody else, and refused
	// says that the caller may not.
	as      http.Header
	refused bool
}

// callers are everybody who can come to the API server.
func (w *world) callers(t *testing.T) []caller {
	t.Helper()
	var out []caller
	add := func(config *rest.Config, c caller) {
		client, err := rest.HTTPClientFor(config)
		must(t, err)
		c.host, c.client = config.Host, client
		out = append(out, c)
	}
	for _, who := range people {
		add(w.config(t, who.user), caller{name: who.user})
	}
	for _, ns := range w.namespaces {
		token, err := w.admin.CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		must(t, err)
		config := rest.AnonymousClientConfig(w.config(t, "admin"))
		config.BearerToken = token.Status.Token
		add(config, caller{name: "system:serviceaccount:" + ns + ":robot"})
	}
	add(rest.AnonymousClientConfig(w.config(t, "admin")), caller{name: "system:anonymous"})
	for _, c := range []caller{
		{as: http.Header{"Impersonate-User": {"user-1"}}},
		{as: http.Header{"Impersonate-User": {"user-1"}, "Impersonate-Group": {"dev", "shift"}}},
		{as: http.Header{"Impersonate-User": {"user-1"}, "Impersonate-Group": {"ops"}}, refused: true},
		{as: http.Header{"Impersonate-User": {"dora"}}, refused: true},
	} {
		c.name = "bob"
		add(w.config(t, "bob"), c)
	}
	return out
}

// sentRequest is a request that was answered.
type sentRequest struct {
	id     string // of its audit record
	caller caller
	*rbac.Request
	code int
}

// send sends a random request.
func (w *world) send(t *testing.T, c caller) sentRequest {
	t.Helper()
	r := w.request()
	method, path := asHTTP(r)
	req, err := http.NewRequestWithContext(t.Context(), method, c.host+path, bytes.NewBufferString("{}"))
	must(t, err)
	if method == http.MethodGet {
		req.Body = nil
	}
	req.Header = c.as.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", w.run)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	must(t, err)
	// A watch has no end; that it was answered is enough.
	resp.Body.Close()
	return sentRequest{id: resp.Header.Get("Audit-Id"), caller: c, Request: r, code: resp.StatusCode}
}

// asHTTP returns the request as it is sent, and makes it one that can be: what
// has no name is listed and not got, and so on.
func asHTTP(r *rbac.Request) (method, path string) {
	methods := map[string]string{
		"get": http.MethodGet, "list": http.MethodGet, "watch": http.MethodGet, "create": http.MethodPost,
		"update": http.MethodPut, "patch": http.MethodPatch, "delete": http.MethodDelete, "deletecollection": http.MethodDelete,
	}
	if r.Resource == "" {
		method = methods[r.Verb]
		r.Verb = strings.ToLower(method)
		return method, r.Path
	}
	if methods[r.Verb] == "" || r.Resource == "*" {
		r.Verb, r.Resource = "get", "pods"
	}
	if r.Verb == "create" && r.Subresource == "" {
		r.Object = "" // no API takes a name in the path of what is to be made
	}
	switch {
	case r.Subresource != "" && r.Object == "":
		r.Subresource = ""
	case r.Subresource != "" && (r.Verb == "list" || r.Verb == "watch"):
		r.Verb = "get"
	}
	switch {
	case r.Object == "" && r.Verb == "get":
		r.Verb = "list"
	case r.Object == "" && r.Verb == "delete":
		r.Verb = "deletecollection"
	case r.Object != "" && r.Verb == "deletecollection":
		r.Verb = "delete"
	}
	path = "/api/v1"
	if r.APIGroup != "" {
		path = "/apis/" + r.APIGroup + "/v1"
	}
	if r.Namespace != "" {
		path += "/namespaces/" + r.Namespace
	}
	path += "/" + r.Resource
	switch {
	case r.Verb == "list" || r.Verb == "watch":
		query := "?timeoutSeconds=1"
		if r.Verb == "watch" {
			query += "&watch=1"
		}
		if r.Object != "" {
			query += "&fieldSelector=metadata.name%3D" + r.Object
		}
		return methods[r.Verb], path + query
	case r.Object != "":
		path += "/" + r.Object
	}
	if r.Subresource != "" {
		path += "/" + r.Subresource
	}
	return methods[r.Verb], path
}

// awaitEvents returns the events of what was sent by their ids, as the service
// decodes them.
func (k *kube) awaitEvents(t *testing.T, begin int64, sent map[string]sentRequest) map[string]fingerprint.Event {
	t.Helper()
	var found map[string]fingerprint.Event
	until(t, 30*time.Second, func() (bool, string) {
		found = map[string]fingerprint.Event{}
		decoder := ingest.NewDecoder(ingest.DefaultConfig())
		// The text is kept, and so are the events that alias it.
		for line := range splitLines(k.auditSince(t, begin)) {
			_, err := decoder.Decode(line, func(e *fingerprint.Event) {
				if _, mine := sent[e.ID]; mine {
					found[strings.Clone(e.ID)] = cloned(e)
				}
			})
			if err != nil {
				return false, fmt.Sprintf("decode a record that is perhaps not whole yet: %v: %.200s", err, line)
			}
		}
		return len(found) == len(sent), fmt.Sprintf("%d of %d requests are in the audit log", len(found), len(sent))
	})
	return found
}

// cloned returns an event that outlives its record.
func cloned(e *fingerprint.Event) fingerprint.Event {
	c := *e
	for _, s := range []*string{
		&c.User, &c.ActingAs, &c.Verb, &c.Reason, &c.Resource.Group, &c.Resource.Name, &c.Resource.Subresource,
		&c.Resource.Namespace, &c.Resource.Object, &c.Resource.Path,
	} {
		*s = strings.Clone(*s)
	}
	for _, groups := range []*[]string{&c.Groups, &c.ActingGroups} {
		*groups = slices.Clone(*groups)
		for i := range *groups {
			(*groups)[i] = strings.Clone((*groups)[i])
		}
	}
	return c
}

// compareEvent holds the resolver against one record.
func compareEvent(t *testing.T, p *rbac.Policy, s sentRequest, e fingerprint.Event) string {
	t.Helper()
	acting := s.caller.as.Get("Impersonate-User")
	if s.caller.refused {
		// Who may not act as somebody else is refused before the request itself
		// is looked at: the record has no decision, and does not say as whom.
		if e.Decision != fingerprint.DecisionUnknown || e.Code != http.StatusForbidden || e.ActingAs != "" {
			t.Errorf("%s may not act as %q, the audit log: %+v", s.caller.name, acting, e)
		}
		return "impersonation refused"
	}
	if e.User != s.caller.name || e.ActingAs != acting {
		t.Errorf("%s acted as %q, the audit log: %+v", s.caller.name, acting, e)
	}
	if e.Verb != s.Verb || e.Resource.Group != s.APIGroup || e.Resource.Name != s.Resource ||
		e.Resource.Subresource != s.Subresource || e.Resource.Namespace != s.Namespace ||
		e.Resource.Object != s.Object || e.Resource.Path != s.Path {
		t.Errorf("sent %+v, the audit log: %+v", *s.Request, e)
	}
	r := requestOf(&e)
	// What an anonymous may not do is theirs to log in for.
	refused := s.code == http.StatusForbidden || s.code == http.StatusUnauthorized
	if e.Decision == fingerprint.DecisionUnknown || e.Decision == fingerprint.DecisionForbid && !refused {
		t.Errorf("%+v: answered with %d, the audit log: %+v", *r, s.code, e)
	}
	v := judge(p, r, e.Decision == fingerprint.DecisionAllow, e.Reason)
	if v.wrong != "" {
		t.Errorf("%+v: %s\nthe audit log: %+v", *r, v.wrong, e)
	}
	if e.ActingAs != "" && v.wrong == "" {
		return "impersonated"
	}
	return v.word
}

// requestOf is an event as the authorizer saw it.
func requestOf(e *fingerprint.Event) *rbac.Request {
	r := e.Request()
	return &r
}
