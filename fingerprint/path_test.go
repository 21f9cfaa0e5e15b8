package fingerprint

import (
	"strings"
	"testing"
)

func TestPathTemplate(t *testing.T) {
	for path, want := range map[string]string{
		"":            "/",
		"/":           "/",
		"//":          "/",
		"version":     "/version",
		"/readyz?v=1": "/readyz",
		"/a/b/c/d":    "/a/b/c/...",
		"/a/b/c/d/e/": "/a/b/c/...",
		"/a/b/c/":     "/a/b/c/",
		"/api/v1/namespaces/shop/pods/cart-7b889bf4b4-psd2j": "/api/v1/namespaces/...",
		"/openapi/v3/apis/apps/v1":                           "/openapi/v3/apis/...",
		"/sessions/0af7651916cd43dd8448eb211c80319c":         "/sessions/{id}",
		"/users/4711": "/users/{id}",
		"/users/7":    "/users/{id}",
		"/a/550e8400-e29b-41d4-a716-446655440000": "/a/{id}",
		"/logs/kube-apiserver-2026-11-02.log":     "/logs/{id}",
		"/<script>":                               "/{id}",
		"/%2e%2e/etc/passwd":                      "/{id}/etc/passwd",
		"/../../etc/passwd":                       "/../../etc/...",
		"/" + strings.Repeat("a", 65):             "/{id}",
		"/caf\u00e9":                              "/{id}",
		"/deadbeef":                               "/deadbeef",
		"/dead0beef":                              "/{id}",
	} {
		if got := string(appendPath(nil, path)); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// TestKubernetesPaths holds that what an API server serves is its own template.
func TestKubernetesPaths(t *testing.T) {
	for path := range strings.FieldsSeq(`
		/ /api /api/ /api/v1 /apis /apis/ /apis/apps /apis/apps/v1 /apis/metrics.k8s.io/v1beta1
		/apis/resource.k8s.io/v1alpha3 /version /version/ /healthz /healthz/ping /healthz/etcd
		/livez /livez/ /livez/poststarthook/start-kube-apiserver-identity-lease-garbage-collector
		/readyz /readyz/informer-sync /readyz/poststarthook/apiservice-discovery-controller
		/metrics /metrics/slis /metrics/cadvisor /openapi/v2 /openapi/v3 /openapi/v3/version /swagger.json
		/logs /logs/ /logs/kube-apiserver.log /debug/pprof /debug/pprof/ /debug/pprof/heap
		/debug/pprof/goroutine /debug/flags/v /ui /ui/ /flagz /statusz /configz
		/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/`) {
		if got := string(appendPath(nil, path)); got != path {
			t.Errorf("%q became %q", path, got)
		}
	}
}

func FuzzPathTemplate(f *testing.F) {
	for _, s := range []string{"/healthz", "//a//4711?x", "/\x1b[31m/{id}/...", "/a/b/c/d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := string(appendPath([]byte("x"), path))[1:]
		if again := string(appendPath(nil, got)); again != got {
			t.Fatalf("%q: the template %q has the template %q", path, got, again)
		}
		if got[0] != '/' || len(got) > maxPathSegments*(maxPathSegment+1)+len("/...") || strings.Count(got, "/") > maxPathSegments+1 {
			t.Fatalf("%q: no template: %q", path, got)
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'<>&,~%\`, c) >= 0 {
				t.Fatalf("%q: the template %q has the byte %#x", path, got, c)
			}
		}
	})
}
