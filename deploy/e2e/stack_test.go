//go:build e2e || kube

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stack are the addresses of the real servers.
type stack struct {
	kafka, loki, alertmanager, prometheus string
	// port is where Prometheus looks for logcluster.
	port string
}

// theStack returns the servers of the environment, and skips the test when
// there are none.
func theStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{
		kafka: os.Getenv("KAFKA_BROKERS"), loki: os.Getenv("LOKI_URL"),
		alertmanager: os.Getenv("ALERTMANAGER_URL"), prometheus: os.Getenv("PROMETHEUS_URL"),
		port: cmp.Or(os.Getenv("LOGCLUSTER_PORT"), "18080"),
	}
	if s.kafka == "" || s.loki == "" || s.alertmanager == "" || s.prometheus == "" {
		t.Skip("KAFKA_BROKERS, LOKI_URL, ALERTMANAGER_URL and PROMETHEUS_URL are not all set: no servers to talk to")
	}
	return s
}

// control runs the script that starts and stops the servers.
func control(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("../stack/stack.sh", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("stack.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// program returns the path of the program under test.
func program(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(cmp.Or(os.Getenv("LOGCLUSTER_BIN"), "../../bin/logcluster"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("no program to test, make build makes it: %v", err)
	}
	return path
}

// unique returns a name that no run had before.
func unique(scenario string) string {
	return "e2e-" + scenario + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

// until asks again and again until done says so. It fails the test with what
// done said last when that takes longer than the limit, and returns how long it
// took.
func until(t *testing.T, limit time.Duration, done func() (bool, string)) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		ok, found := done()
		if ok {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			t.Fatalf("after %s: %s", limit, found)
		}
	}
	return 0
}

// within bounds what may not hang.
var within = &http.Client{Timeout: 30 * time.Second}

// get returns the body of an answer that must be a 200.
func get(base, path string, query url.Values, headers ...string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := within.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", req.URL, resp.Status, body)
	}
	return body, err
}

// getJSON decodes the body of an answer.
func getJSON(base, path string, query url.Values, into any, headers ...string) error {
	body, err := get(base, path, query, headers...)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
