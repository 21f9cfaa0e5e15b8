package policy

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
)

const token = "not-for-any-log"

// kubeconfig writes a kubeconfig with two contexts, of which the current one
// leads nowhere.
func kubeconfig(t *testing.T, server string, authority []byte) string {
	t.Helper()
	ca := ""
	if len(authority) > 0 {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority})
		ca = fmt.Sprintf(`,"certificate-authority-data":%q`, base64.StdEncoding.EncodeToString(text))
	}
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"nowhere",
"clusters":[{"name":"c","cluster":{"server":%q%s}},{"name":"n","cluster":{"server":"http://127.0.0.1:1"}}],
"users":[{"name":"u","user":{"token":%q}}],
"contexts":[{"name":"here","context":{"cluster":"c","user":"u"}},{"name":"nowhere","context":{"cluster":"n","user":"u"}}]}`, server, ca, token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func connectTo(t *testing.T, cfg ClusterConfig, log io.Writer, hand func(Update)) (*Cluster, error) {
	t.Helper()
	handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	c := NewCluster(cfg, slog.New(handler), prometheus.NewPedanticRegistry(), nil, hand)
	return c, services.StartAndAwaitRunning(t.Context(), c)
}

// TestClusterConnects speaks HTTP with a server that has one object.
func TestClusterConnects(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.UserAgent() != "logcluster" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		k, ok := kindNamed(&resourceNames, strings.TrimPrefix(r.URL.Path, "/apis/rbac.authorization.k8s.io/v1/"))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") != "" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		items := "[]"
		if k == kindRole {
			items = "[" + jsonRole + "]"
		}
		fmt.Fprintf(w, `{"apiVersion":%q,"kind":"%sList","metadata":{"resourceVersion":"5"},"items":%s}`, rbacV1, k, items)
	}))
	defer server.Close()
	var got updates
	var log logged
	cfg := ClusterConfig{Kubeconfig: kubeconfig(t, server.URL, server.Certificate().Raw), Context: "here", SyncTimeout: 10 * time.Second}
	c, err := connectTo(t, cfg, &log, got.hand)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, c)
	if g, want := got.take(), "initially +Role a/x"; g != want {
		t.Errorf("handed on %q, want %q", g, want)
	}
	if strings.Contains(log.String(), token) {
		t.Errorf("the token is in the log:\n%s", log.String())
	}
}

// TestClusterRefused checks what people read when permissions are missing.
func TestClusterRefused(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
			"message": `clusterroles.rbac.authorization.k8s.io is forbidden: User "u" cannot list resource "clusterroles" at the cluster scope`,
		})
	}))
	defer server.Close()
	var log logged
	cfg := ClusterConfig{Kubeconfig: kubeconfig(t, server.URL, server.Certificate().Raw), Context: "here", SyncTimeout: 500 * time.Millisecond}
	_, err := connectTo(t, cfg, &log, func(Update) {})
	for _, want := range []string{server.URL, "not allowed to list roles, list clusterroles, list rolebindings", `User "u" cannot list`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if strings.Contains(log.String()+fmt.Sprint(err), token) {
		t.Error("the token is told")
	}
}

// TestConnectErrors checks that what is wrong with the configuration is told.
func TestConnectErrors(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tc := range []struct {
		cfg  ClusterConfig
		want string
	}{
		{ClusterConfig{}, "not in a pod: name a kubeconfig"},
		{ClusterConfig{Kubeconfig: missing}, "missing: no such file"},
		{ClusterConfig{Kubeconfig: kubeconfig(t, "http://127.0.0.1:1", nil), Context: "elsewhere"}, `"elsewhere" does not exist`},
	} {
		_, err := tc.cfg.connect()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v does not say %q", err, tc.want)
		}
	}
	several := ClusterConfig{Context: "here", Kubeconfig: strings.Join(
		[]string{missing, kubeconfig(t, "http://127.0.0.1:2", nil)}, string(filepath.ListSeparator))}
	if to, err := several.connect(); err != nil || to.server != "http://127.0.0.1:2" {
		t.Errorf("several files: %+v, %v", to, err)
	}
}
