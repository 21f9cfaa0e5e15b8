package grafana

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
)

// metricsOf starts the program with an embedded broker and every sink, and
// returns the metrics that it has, with their labels.
func metricsOf(t *testing.T) map[string][]string {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cfg := app.DefaultConfig()
	cfg.Kafka.Client.Brokers, cfg.Kafka.Topics, cfg.Kafka.CreateTopics = broker.ListenAddrs(), []string{"audit"}, true
	cfg.Alert.Loki.URL, cfg.Alert.Alertmanager.URLs = "http://127.0.0.1:1", []string{"http://127.0.0.1:1"}
	cfg.State.Dir, cfg.Web.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.Roles.Policy.Files.Paths = []string{manifest(t)}
	reg := prometheus.NewRegistry()
	service, err := app.New(app.Options{Config: &cfg, Logger: slog.New(slog.DiscardHandler), Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	awaitReady(t, service, ended)
	known := describe(reg)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return known
}

// manifest writes a role, so that there is a source of policies.
func manifest(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rbac.yaml")
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}\n" +
		"rules:\n- {apiGroups: [\"\"], resources: [pods], verbs: [get]}\n"
	if err := os.WriteFile(path, []byte(role), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func awaitReady(t *testing.T, service *app.App, ended <-chan error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			t.Fatalf("ended before it was ready: %v", err)
		case <-deadline:
			t.Fatal("not ready in time")
		case <-tick.C:
		}
		if addr := service.Addr(); addr != nil {
			resp, err := http.Get("http://" + addr.String() + "/readyz")
			if err != nil {
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// described are the parts of a descriptor's text, which has no other accessor.
var described = regexp.MustCompile(`fqName: "([^"]+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// describe returns the labels of every metric that is registered, whether it
// has values yet or not.
func describe(reg *prometheus.Registry) map[string][]string {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		reg.Describe(descs)
	}()
	known := map[string][]string{}
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			continue
		}
		var labels []string
		for _, pair := range strings.Split(m[2], ",") {
			name, _, _ := strings.Cut(pair, "=")
			labels = append(labels, name)
		}
		known[m[1]] = append(labels, strings.Split(m[3], ",")...)
	}
	return known
}
