package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, cfg *app.Config) map[string]Result {
	t.Helper()
	results := Run(t.Context(), cfg, 20*time.Second, slog.New(slog.DiscardHandler))
	byName := map[string]Result{}
	for _, r := range results {
		byName[r.Target+": "+r.Step] = r
		if r.OK != (r.Error == "") {
			t.Errorf("%+v is neither one nor the other", r)
		}
	}
	return byName
}

func TestEverythingWorks(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, "audit", "dlq", "anomalies"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	sinks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v2/status":
			_, _ = io.WriteString(w, `{"cluster":{"status":"ready"},"versionInfo":{"version":"0.28.0"}}`)
		case "/loki/api/v1/push":
			http.Error(w, "no entries", http.StatusUnprocessableEntity)
		}
	}))
	defer sinks.Close()
	rbac := filepath.Join(t.TempDir(), "rbac.yaml")
	if err := os.WriteFile(rbac, []byte("apiVersion: v1\nkind: List\nitems: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := app.DefaultConfig()
	cfg.Kafka.Client.Brokers = cluster.ListenAddrs()[:1] // the other is advertised
	cfg.Kafka.Topics = []string{"audit"}
	cfg.Topics.DeadLetter, cfg.Topics.Anomalies = "dlq", "anomalies"
	cfg.Roles.Policy.Files.Paths = []string{rbac}
	cfg.Alert.Alertmanager.URLs = []string{sinks.URL}
	cfg.Alert.Loki.URL = sinks.URL
	cfg.State.Dir = filepath.Join(t.TempDir(), "a", "b")
	got := run(t, &cfg)
	for name, detail := range map[string]string{
		"kafka " + cluster.ListenAddrs()[0] + ": connect":                                         "answers in",
		"kafka " + cluster.ListenAddrs()[1] + ": connect as the cluster advertises it (broker 1)": "",
		"topic audit: read":                                    "3 partitions, 0 records",
		"topic dlq: write":                                     "",
		"topic anomalies: write":                               "",
		"group logcluster: describe":                           "free",
		"roles " + rbac + ": load RBAC objects":                "0 objects in 1 files",
		"alertmanager " + sinks.URL + ": ask for its status":   "0.28.0",
		"loki " + sinks.URL + ": push a request without lines": "may write",
		"state " + cfg.State.Dir + ": write a file":            "can be made",
	} {
		r, ok := got[name]
		if !ok || !r.OK || !strings.Contains(r.Detail, detail) {
			t.Errorf("%s: %+v, want detail %q", name, r, detail)
		}
	}
	if _, err := os.Stat(cfg.State.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the check has made the state directory: %v", err)
	}
}

func TestRightsAreTried(t *testing.T) {
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.SeedTopics(1, "audit", "dlq"),
		kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "root"),
		kfake.User("PLAIN", "reader", "right"),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cfg := app.DefaultConfig()
	cfg.Kafka.Client.Brokers = cluster.ListenAddrs()
	cfg.Kafka.Topics = []string{"audit"}
	cfg.Topics.DeadLetter, cfg.Topics.Anomalies = "dlq", ""
	cfg.State.Dir = t.TempDir()
	cfg.Kafka.Client.SASL.Mechanism = "PLAIN"
	cfg.Kafka.Client.SASL.Username = "reader"
	password := func(p string) {
		t.Setenv("LOGCLUSTER_CHECK_PASSWORD", p)
		cfg.Kafka.Client.SASL.PasswordEnv = "LOGCLUSTER_CHECK_PASSWORD"
	}
	connect := "kafka " + cluster.ListenAddrs()[0] + ": connect"

	password("wrong")
	if r := run(t, &cfg)[connect]; r.OK || !strings.Contains(r.Hint, "credentials") {
		t.Errorf("a wrong password: %+v", r)
	}
	password("right")
	got := run(t, &cfg)
	if r := got[connect]; !r.OK {
		t.Errorf("the right password: %+v", r)
	}
	for _, name := range []string{"topic audit: read", "topic dlq: write"} {
		if r := got[name]; r.OK || !strings.Contains(r.Hint, "ACLs Read and Describe") {
			t.Errorf("%s without the right: %+v", name, r)
		}
	}
	cfg.Kafka.Client.SASL.Username = "root"
	password("root")
	for name, r := range run(t, &cfg) {
		if !r.OK {
			t.Errorf("%s with all rights: %+v", name, r)
		}
	}
}

func TestHints(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	handshake := func(url, name string, roots *x509.CertPool) error {
		conn, err := tls.Dial("tcp", strings.SplitN(url, "//", 2)[1], &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS12})
		if err == nil {
			conn.Close()
		}
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	tests := map[string]struct {
		err  error
		want string
	}{
		"refused":        {fmt.Errorf("dial: %w", syscall.ECONNREFUSED), "nothing listens there"},
		"no such name":   {&net.DNSError{Err: "no such host", Name: "x"}, "does not resolve"},
		"deadline":       {context.DeadlineExceeded, "no answer in time"},
		"not TLS":        {handshake(plain.URL, "x", nil), "does not speak TLS"},
		"unknown issuer": {handshake(secure.URL, "example.com", x509.NewCertPool()), "tls.ca_file"},
		"other name":     {handshake(secure.URL, "other.example.org", trusted), "tls.server_name"},
		"hung up":        {io.EOF, "it may expect TLS"},
		"topic":          {kerr.UnknownTopicOrPartition, "kafka.create_topics"},
		"group":          {kerr.GroupAuthorizationFailed, "ACLs"},
		"password":       {kerr.SaslAuthenticationFailed, "kafka.sasl"},
		"leader":         {kerr.LeaderNotAvailable, "no leader"},
		"permission":     {os.ErrPermission, "the right"},
		"anything else":  {errors.New("odd"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := hint(test.err); test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("hint for %v is %q, want %q", test.err, got, test.want)
			}
		})
	}
}

func TestState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{t.TempDir(): "", file: "not a directory", filepath.Join(file, "below"): "not a directory"} {
		if r := stateWorks(dir); r.OK != (want == "") || !strings.Contains(r.Error, want) {
			t.Errorf("%s: %+v", dir, r)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".logcluster*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}
