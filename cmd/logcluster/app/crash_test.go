package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childEnv makes the test binary be the service: its value is the path of a
// configuration in JSON.
const childEnv = "LOGCLUSTER_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		os.Exit(serveChild(path))
	}
	os.Exit(m.Run())
}

// childConfig is what a child is told.
type childConfig struct {
	Brokers []string
	Group   string
	State   string
	RBAC    string
}

// describeChild writes down what a child is told, for [startChild].
func describeChild(t *testing.T, c childConfig) (path string, told *childConfig) {
	t.Helper()
	content, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "child.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, &c
}

func (c *childConfig) config() *Config {
	cfg := DefaultConfig()
	cfg.Kafka.Client.Brokers, cfg.Kafka.Topics, cfg.Kafka.Group = c.Brokers, []string{testTopic}, c.Group
	cfg.Kafka.CreateTopics, cfg.Kafka.PollRecords = true, 500
	cfg.Kafka.PollInterval, cfg.Kafka.SessionTimeout = 50*time.Millisecond, time.Second
	cfg.State.Dir, cfg.State.Interval, cfg.Sources.IdleAfter = c.State, 100*time.Millisecond, time.Minute
	cfg.Topics.Anomalies = anomaliesOf(c.Group)
	cfg.Roles.Policy.Files.Paths = []string{c.RBAC}
	cfg.Web.Listen = "127.0.0.1:0"
	return &cfg
}

func anomaliesOf(group string) string { return "anomalies-" + group }

// serveChild runs the service until SIGTERM and says on stdout how many events
// it has consumed.
func serveChild(path string) int {
	var c childConfig
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	app, err := New(Options{Config: c.config(), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Registry: prometheus.NewRegistry()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			s := app.pipeline.board.Status()
			fmt.Println(s.Consumed, s.Lag)
		}
	}()
	if err := app.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child is a service in a process of its own.
type child struct {
	cmd    *exec.Cmd
	out    *bufio.Scanner
	errors strings.Builder
}

func startChild(t *testing.T, path string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childEnv+"="+path)
	c.cmd.Stderr = &c.errors
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// await reads the child's progress until it has consumed n events and, if
// caughtUp, nothing waits.
func (c *child) await(t *testing.T, n uint64, caughtUp bool) uint64 {
	t.Helper()
	for c.out.Scan() {
		var consumed uint64
		var lag int64
		if _, err := fmt.Sscan(c.out.Text(), &consumed, &lag); err == nil && consumed >= n && (!caughtUp || lag == 0) {
			return consumed
		}
	}
	_ = c.cmd.Wait()
	t.Fatalf("child ended: %s", c.errors.String())
	return 0
}

// end sends a signal and returns how long the child took to be gone.
func (c *child) end(t *testing.T, sig os.Signal) time.Duration {
	t.Helper()
	began := time.Now()
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, discard{c.out})
	err := c.cmd.Wait()
	if sig == syscall.SIGTERM && err != nil {
		t.Fatalf("child after SIGTERM: %v\n%s", err, c.errors.String())
	}
	return time.Since(began)
}

// discard reads a scanner to its end.
type discard struct{ *bufio.Scanner }

func (d discard) Read([]byte) (int, error) {
	if d.Scan() {
		return 0, nil
	}
	return 0, io.EOF
}

// topicValues returns the distinct values of a topic.
func topicValues(t *testing.T, brokers []string, topic string) (distinct []string, repeats int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
	seen := map[string]bool{}
	for read := int64(0); read < total; {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			if seen[string(r.Value)] {
				repeats++
			}
			seen[string(r.Value)] = true
		})
	}
	for v := range seen {
		distinct = append(distinct, v)
	}
	return distinct, repeats
}

// TestKillAndTermUnderLoad kills the service at random, twice with -9 and once
// with TERM, while it reads. What it has counted, learned and told in the end
// is what a run without interruption has.
func TestKillAndTermUnderLoad(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	recording, rbac, _ := bundled(t)
	values := lines(t, recording)
	brokers := broker(t, 3)
	publish(t, brokers, values)
	path, oracle := describeChild(t, childConfig{Brokers: brokers, Group: "oracle", State: t.TempDir(), RBAC: rbac})
	c := startChild(t, path)
	c.await(t, uint64(len(values)), true)
	c.end(t, syscall.SIGTERM)

	path, killed := describeChild(t, childConfig{Brokers: brokers, Group: "killed", State: t.TempDir(), RBAC: rbac})
	share := uint64(len(values)) / 4
	for i, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		c := startChild(t, path)
		at := c.await(t, uint64(i)*share+random.Uint64N(share), false)
		took := c.end(t, sig)
		t.Logf("%v after %d events, gone after %s", sig, at, took.Round(time.Millisecond))
		if sig == syscall.SIGTERM && took > 10*time.Second {
			t.Errorf("SIGTERM took %s, want at most 10s", took)
		}
	}
	c = startChild(t, path)
	c.await(t, uint64(len(values)), true)
	c.end(t, syscall.SIGTERM)

	want, got := loadState(t, oracle), loadState(t, killed)
	if got.Totals != want.Totals {
		t.Errorf("totals %+v, want %+v", got.Totals, want.Totals)
	}
	if got.Engine.Windows.Outcomes != want.Engine.Windows.Outcomes {
		t.Errorf("outcomes %v, want %v", got.Engine.Windows.Outcomes, want.Engine.Windows.Outcomes)
	}
	end := time.Unix(0, min(got.Engine.Windows.Mark, want.Engine.Windows.Mark))
	told, repeats := topicValues(t, brokers, anomaliesOf("killed"))
	wanted, _ := topicValues(t, brokers, anomaliesOf("oracle"))
	told, wanted = upTo(t, told, end), upTo(t, wanted, end)
	if len(wanted) == 0 || !slices.Equal(told, wanted) {
		t.Errorf("killed run told %d changes, the other %d; first difference:\n%s", len(told), len(wanted), firstDifference(told, wanted))
	}
	t.Logf("%d events, %d changes told, %d of them more than once", got.Totals.Consumed, len(told), repeats)
}

func loadState(t *testing.T, c *childConfig) *savedState {
	t.Helper()
	d, err := openStateDir(c.State)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	s, err := d.load()
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	return s
}
