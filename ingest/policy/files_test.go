package policy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// updates keeps what a source hands on.
type updates struct {
	mu  sync.Mutex
	all []Update
}

func (u *updates) hand(update Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, update)
}

// drain returns what was handed on since.
func (u *updates) drain() []Update {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.all
	u.all = nil
	return all
}

// take returns what was handed on since, as told spells it, one update a line.
func (u *updates) take() string {
	var lines []string
	for _, update := range u.drain() {
		line := told(update.Changes)
		if update.Initial {
			line = "initially " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// put writes a file as an editor does that keeps its size: later than before.
func put(t *testing.T, path, text string, later time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 0).Add(later)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func startFiles(t *testing.T, log io.Writer, hand func(Update), paths ...string) *Files {
	t.Helper()
	cfg := DefaultConfig().Files
	cfg.Paths = paths
	f := NewFiles(cfg, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewPedanticRegistry(), hand)
	if err := services.StartAndAwaitRunning(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return f
}

func stop(t *testing.T, s services.Service) {
	t.Helper()
	if err := services.StopAndAwaitTerminated(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass and everybody come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestFilesReload follows a folder through its life.
func TestFilesReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got updates
		var log logged
		dir := write(t, "a.yaml", clusterRole, "b.json", jsonRole)
		a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.json")
		f := startFiles(t, &log, got.hand, dir)
		defer stop(t, f)

		check := func(step, want string) {
			t.Helper()
			pass(f.cfg.Reload + settleTime)
			if g := got.take(); g != want {
				t.Errorf("%s: handed on %q, want %q", step, g, want)
			}
		}
		check("start", "initially +ClusterRole reader, +Role a/x")
		check("nothing", "")
		put(t, a, clusterRole, time.Hour)
		check("touched", "")
		put(t, a, strings.Replace(clusterRole, "[get]", "[del]", 1), 2*time.Hour)
		check("a verb of the same length", "+ClusterRole reader")
		put(t, filepath.Join(dir, "c.yaml"), clusterBinding, 0)
		check("a new file", "+ClusterRoleBinding readers")

		failed := testutil.ToFloat64(f.metrics.failed)
		put(t, a, clusterRole+"rules: []\n", 3*time.Hour)
		check("the same key twice", "")
		check("still so", "")
		if n := testutil.ToFloat64(f.metrics.failed) - failed; n < 2 {
			t.Errorf("%g failures, want one for each look", n)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), `key \"rules\" already set`) {
			t.Errorf("logged %d errors, want the one about the key:\n%s", n, log.String())
		}
		stale := testutil.ToFloat64(f.metrics.lastSuccess)
		put(t, a, clusterRole, 4*time.Hour)
		check("mended", "+ClusterRole reader")
		if testutil.ToFloat64(f.metrics.lastSuccess) <= stale {
			t.Error("the time of the last success stands still")
		}

		put(t, a, "", 5*time.Hour)
		check("truncated", "")
		if err := os.Remove(a); err != nil {
			t.Fatal(err)
		}
		check("removed", "-ClusterRole reader")
		if n := testutil.ToFloat64(f.metrics.objects[kindClusterRole]); n != 0 {
			t.Errorf("%g ClusterRoles are shown", n)
		}
		if err := os.Remove(b); err != nil {
			t.Fatal(err)
		}
		check("another removed", "-Role a/x")
		put(t, filepath.Join(dir, "c.yaml"), "# nothing\n", 6*time.Hour)
		check("nothing left", "")
		put(t, b, jsonRole, 7*time.Hour)
		check("something again", "-ClusterRoleBinding readers, +Role a/x")
	})
}

// TestFilesSettle checks that a file that is still being written is not read.
func TestFilesSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got updates
		path := filepath.Join(write(t, "a.yaml", clusterRole+"---\n"+clusterBinding), "a.yaml")
		f := startFiles(t, io.Discard, got.hand, path)
		defer stop(t, f)
		got.take()

		pass(f.cfg.Reload - settleTime/4)
		put(t, path, clusterRole, time.Hour) // the first half
		pass(settleTime)
		put(t, path, clusterRole+"---\n"+clusterBinding+"---\n"+jsonRole, 2*time.Hour)
		pass(3 * settleTime)
		if g, want := got.take(), "+Role a/x"; g != want {
			t.Errorf("handed on %q, want %q", g, want)
		}
	})
}

// TestFilesConfigMap swaps a mounted ConfigMap as the kubelet does: the names
// stay, a link that they lead through points elsewhere. Sizes and times stay the
// same, too.
func TestFilesConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got updates
		dir := write(t)
		version := func(name, text string) {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, name, "rbac.yaml"), text, 0)
			next := filepath.Join(dir, "..next")
			if err := os.Symlink(name, next); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		version("..1", jsonRole)
		if err := os.Symlink(filepath.Join("..data", "rbac.yaml"), filepath.Join(dir, "rbac.yaml")); err != nil {
			t.Fatal(err)
		}
		f := startFiles(t, io.Discard, got.hand, dir)
		defer stop(t, f)
		version("..2", strings.Replace(jsonRole, `"x"`, `"y"`, 1))
		pass(f.cfg.Reload + settleTime)
		if g, want := got.take(), "initially +Role a/x\n-Role a/x, +Role a/y"; g != want {
			t.Errorf("handed on %q, want %q", g, want)
		}
	})
}

// TestFilesStart checks that a service with wrong files does not start, and one
// without objects does.
func TestFilesStart(t *testing.T) {
	var got updates
	cfg := FilesConfig{Paths: []string{filepath.Join(t.TempDir(), "missing.yaml")}, Reload: time.Second}
	f := NewFiles(cfg, slog.New(slog.DiscardHandler), prometheus.NewPedanticRegistry(), got.hand)
	err := services.StartAndAwaitRunning(t.Context(), f)
	if err == nil || !strings.Contains(err.Error(), "missing.yaml: no such file") {
		t.Errorf("error %v", err)
	}
	if g := got.drain(); len(g) != 0 {
		t.Errorf("handed on %v", g)
	}

	var log logged
	stop(t, startFiles(t, &log, got.hand, t.TempDir()))
	if g := got.take(); g != "initially " || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("handed on %q, logged %s", g, log.String())
	}
}

// TestTwoSourcesOneRegistry checks that sources of several tenants share a
// registry.
func TestTwoSourcesOneRegistry(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	for _, tenant := range []string{"", "b"} {
		of := prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, reg)
		NewFiles(FilesConfig{}, slog.New(slog.DiscardHandler), of, nil)
		NewCluster(ClusterConfig{}, slog.New(slog.DiscardHandler), of, nil, nil)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestConfigValidate(t *testing.T) {
	def := DefaultConfig()
	if err := def.Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{
		Files:   FilesConfig{Paths: []string{"a", ""}, Reload: time.Millisecond},
		Cluster: ClusterConfig{Context: "c"},
	}
	err := bad.Validate()
	for _, want := range []string{"files: paths[1]: ", "reload: 1ms is not", "cluster: context: ", "sync_timeout: 0s is not"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
