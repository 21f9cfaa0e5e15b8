//go:build e2e || kube

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/deploy/demo"
)

// instance is a configuration of the service with everything its own: topics,
// group, state, stream labels in Loki.
type instance struct {
	stack *stack
	// topic is read, and is the tenant of all events.
	topic string
	// name is the group, and the label run of the lines in Loki.
	name string
	// listen is the address of the page and the metrics.
	listen string
	dir    string
	config string
}

const configuration = `
kafka:
  brokers: [%q]
  topics: [%q]
  group: %q
  create_topics: true
  session_timeout: 6s   # the least that a broker takes by default
topics:
  dead_letter: %q
  anomalies: %q
roles:
  files:
    paths: [%q]
alert:
  alertmanager:
    urls: [%q]
    max_age: 0s          # recorded time: everything is old
    resend_interval: 5s
    max_backoff: 5s
  loki:
    url: %q
    labels: {run: %q}
    max_backoff: 5s
sources:
  idle_after: 30m       # recorded time runs fast
state:
  dir: %q
  interval: 1s
web:
  listen: %q
`

// newInstance writes the configuration of an instance that reads the topic. The
// settings are fields and values over it, in the notation of --set.
func newInstance(t *testing.T, s *stack, topic, name, listen string) *instance {
	t.Helper()
	dir := t.TempDir()
	i := &instance{stack: s, topic: topic, name: name, listen: listen, dir: dir, config: filepath.Join(dir, "logcluster.yaml")}
	roles := filepath.Join(dir, "rbac.yaml")
	text := fmt.Sprintf(configuration, s.kafka, topic, name, i.letters(), i.anomalies(), roles,
		s.alertmanager, s.loki, name, filepath.Join(dir, "state"), listen)
	for path, content := range map[string][]byte{roles: demo.RBAC, i.config: []byte(text)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dropTopics(t, s, i.letters(), i.anomalies())
	return i
}

func (i *instance) letters() string   { return i.name + "-dlq" }
func (i *instance) anomalies() string { return i.name + "-anomalies" }

// scraped is the address where Prometheus looks for logcluster.
func (s *stack) scraped() string { return "127.0.0.1:" + s.port }

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// service is a process that runs.
type service struct {
	*instance
	cmd            *exec.Cmd
	began          time.Time
	stdout, stderr string
	ended          chan struct{}
	err            error // of the end
}

// start starts the service and waits until it is ready. The extra arguments are
// flags of run.
func (i *instance) start(t *testing.T, args ...string) *service {
	t.Helper()
	s := i.launch(t, args...)
	took := until(t, 60*time.Second, func() (bool, string) {
		select {
		case <-s.ended:
			t.Fatalf("the service ended before it was ready: %v", s.err)
		default:
		}
		body, err := get("http://"+i.listen, "/readyz", nil)
		return err == nil, fmt.Sprintf("not ready: %v %s", err, body)
	})
	t.Logf("%s ready after %s", i.name, took.Round(time.Millisecond))
	return s
}

// launch starts the service.
func (i *instance) launch(t *testing.T, args ...string) *service {
	t.Helper()
	n := strconv.FormatInt(time.Now().UnixNano(), 36)
	s := &service{instance: i, began: time.Now(), stdout: filepath.Join(i.dir, n+".out"), stderr: filepath.Join(i.dir, n+".err"), ended: make(chan struct{})}
	s.cmd = exec.Command(program(t), append([]string{"run", "--config", i.config, "--output", "json"}, args...)...)
	for path, to := range map[string]func(*os.File){
		s.stdout: func(f *os.File) { s.cmd.Stdout = f }, s.stderr: func(f *os.File) { s.cmd.Stderr = f },
	} {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // the process has its own
		to(f)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("the end of what %s wrote to stderr:\n%s", i.name, tail(s.stderr, 40))
		}
	})
	return s
}

// tail returns the last lines of a file.
func tail(path string, n int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// end sends a signal and waits until the process is gone. SIGTERM must be
// followed within ten seconds, with success.
func (s *service) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	s.signal(t, sig)
	if sig == syscall.SIGTERM && s.err != nil {
		t.Errorf("%s ended with %v", s.name, s.err)
	}
}

// signal sends a signal and waits until the process is gone, at most ten
// seconds.
func (s *service) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s is still there 30 s after %s", s.name, sig)
	}
	took := time.Since(began).Round(time.Millisecond)
	if took > 10*time.Second {
		t.Errorf("%s: %s took %s, at most 10s are fine", s.name, sig, took)
	}
	t.Logf("%s gone %s after %s", s.name, took, sig)
}

// exit waits for the process to end by itself and returns its code.
func (s *service) exit(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(limit):
		t.Fatalf("still there after %s", limit)
	}
	var failed *exec.ExitError
	if s.err != nil && !errors.As(s.err, &failed) {
		t.Fatal(s.err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// metric returns the sum over the series of a metric that have the labels,
// given as names and values; NaN when there is none.
func (s *service) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	body, err := get("http://"+s.listen, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("parse /metrics: %v", err)
	}
	sum, found := 0.0, false
	for _, m := range families[name].GetMetric() {
		if !matches(m, labels) {
			continue
		}
		found = true
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	if !found {
		return math.NaN()
	}
	return sum
}

func matches(m *dto.Metric, labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		found := false
		for _, pair := range m.GetLabel() {
			found = found || pair.GetName() == labels[i] && pair.GetValue() == labels[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// awaitConsumed waits until the service has met n events and nothing waits.
func (s *service) awaitConsumed(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	took := until(t, limit, func() (bool, string) {
		consumed, lag := s.metric(t, "logcluster_events_consumed_total"), s.metric(t, "logcluster_lag_records")
		return consumed == float64(n) && lag == 0, fmt.Sprintf("consumed %v of %d events, lag %v", consumed, n, lag)
	})
	t.Logf("%s has consumed %d events %s after the wait began", s.name, n, took.Round(time.Millisecond))
}

// identity fails unless every consumed event became exactly one thing.
func (s *service) identity(t *testing.T) {
	t.Helper()
	consumed := s.metric(t, "logcluster_events_consumed_total")
	events := s.metric(t, "logcluster_events_total")
	rejected := s.metric(t, "logcluster_events_rejected_total")
	filtered := s.metric(t, "logcluster_events_filtered_total")
	if consumed != events+rejected+filtered {
		t.Errorf("consumed %v != %v counted + %v rejected + %v filtered", consumed, events, rejected, filtered)
	}
	t.Logf("%v consumed = %v counted + %v rejected + %v filtered", consumed, events, rejected, filtered)
}

// changes returns the changes that the service has written to stdout.
func (s *service) changes(t *testing.T) []alert.Alert {
	t.Helper()
	content, err := os.ReadFile(s.stdout)
	if err != nil {
		t.Fatal(err)
	}
	return parseAlerts(t, slices.Collect(splitLines(content)))
}

// parseAlerts reads JSON lines; empty ones are skipped.
func parseAlerts(t *testing.T, lines [][]byte) []alert.Alert {
	t.Helper()
	var out []alert.Alert
	for _, line := range lines {
		if len(line) == 0 {
			continue
		}
		var a alert.Alert
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, a)
	}
	return out
}

// splitLines are the lines of a text.
func splitLines(text []byte) iter.Seq[[]byte] {
	return bytes.SplitSeq(bytes.TrimSpace(text), []byte("\n"))
}

// exitCode runs the program to its end, however it ends, and returns what it
// has written.
func exitCode(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// run runs the program to its end, which must be a success, and returns its
// stdout.
func run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("logcluster %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}
