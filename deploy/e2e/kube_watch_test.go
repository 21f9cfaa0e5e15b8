//go:build kube

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// TestKubeWatch follows a cluster while it changes: objects are written,
// rewritten and deleted, and the API server is killed and comes back with others
// while the line to it is cut. After each of them, what the source has told is
// what the API server lists.
func TestKubeWatch(t *testing.T) {
	k := theKube(t)
	ns := k.namespace(t, "watched")
	k.allowWatching(t, "observer")
	wire := newWire(t, k)
	w := startWatcher(t, policy.ClusterConfig{
		Enabled: true, Kubeconfig: wire.kubeconfig, Context: "observer", SyncTimeout: 30 * time.Second,
	})
	w.awaitSame(t, k, "the initial sync")
	if first := w.updates[0]; !first.Initial || first.Source != policy.SourceCluster || first.Objects != len(first.Changes) {
		t.Errorf("the first update is %+v", first)
	}

	k.bind(t, ns, "shifters", "view", "ann", "bob")
	w.awaitSame(t, k, "a binding was written")
	k.rebind(t, ns, "shifters", "carl")
	w.awaitSame(t, k, "its subjects were changed")
	must(t, k.admin.RbacV1().RoleBindings(ns).Delete(t.Context(), "shifters", metav1.DeleteOptions{}))
	w.awaitSame(t, k, "it was deleted")
	world := &world{kube: k, random: seeded(t), namespaces: []string{ns}, subjects: people}
	for range 20 {
		world.writeClusterRole(t)
		world.writeRole(t)
		world.writeBinding(t)
		world.writeClusterBinding(t)
	}
	world.writeAggregated(t)
	w.awaitSame(t, k, "much was written")

	wire.cut()
	control(t, "stop", "--kill", "kube-apiserver")
	control(t, "start", "kube-apiserver")
	world.change(t)
	k.bind(t, ns, "latecomers", "edit", "dora")
	told := w.count()
	if w.holds(k.objects(t)) {
		t.Error("what happened while the line was cut is known already")
	}
	wire.mend()
	w.awaitSame(t, k, "the API server was killed, and the line cut")
	if again := w.after(told); len(again) == 0 || again[0].Initial {
		t.Errorf("what was missed came as %d updates, the first of them initial", len(again))
	}
	w.stop(t)
	t.Logf("%d updates, %d objects", len(w.updates), w.updates[len(w.updates)-1].Objects)
}

// TestKubeWatchRefused starts the source where it cannot work. The error tells
// why, and no secret.
func TestKubeWatchRefused(t *testing.T) {
	k := theKube(t)
	cut := newWire(t, k)
	cut.cut()
	wrong := k.rewritten(t, func(c *clientcmdapi.Config) { c.AuthInfos["observer"].Token = "not-the-token" })
	for _, tc := range []struct {
		name    string
		cfg     policy.ClusterConfig
		mention []string
	}{
		{"wrong token", policy.ClusterConfig{Kubeconfig: wrong, Context: "observer"}, []string{"nauthorized"}},
		{"no permission", policy.ClusterConfig{Kubeconfig: k.kubeconfig, Context: "dora"}, []string{"dora", "list", "rbac.authorization.k8s.io"}},
		{"nobody there", policy.ClusterConfig{Kubeconfig: cut.kubeconfig, Context: "observer"}, []string{"127.0.0.1"}},
		{"no such context", policy.ClusterConfig{Kubeconfig: k.kubeconfig, Context: "nobody"}, []string{"nobody"}},
		{"no such file", policy.ClusterConfig{Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}, []string{"kubeconfig"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.Enabled, tc.cfg.SyncTimeout = true, 3*time.Second
			w := newWatcher(tc.cfg)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := services.StartAndAwaitRunning(ctx, w.service)
			if err == nil {
				w.stop(t)
				t.Fatal("it runs")
			}
			t.Logf("after %s: %v", time.Since(began).Round(time.Millisecond), err)
			for _, word := range tc.mention {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not mention %q", word)
				}
			}
			if text := err.Error() + w.log.String(); strings.Contains(text, "not-the-token") {
				t.Errorf("the token is shown: %s", text)
			}
		})
	}
}

// allowWatching lets somebody list and watch RBAC objects, and nothing else.
func (k *kube) allowWatching(t *testing.T, user string) {
	t.Helper()
	meta := k.object("", k.run+"-watcher")
	_, err := k.admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		Verbs: []string{"list", "watch"}, APIGroups: []string{rbacv1.GroupName},
		Resources: []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"},
	}}}, metav1.CreateOptions{})
	must(t, err)
	_, err = k.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: users(user),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
	}, metav1.CreateOptions{})
	must(t, err)
	k.awaitAllowed(t, &rbac.Request{User: user, Groups: []string{"system:authenticated"}, Verb: "list", APIGroup: rbacv1.GroupName, Resource: "roles"})
}

func users(names ...string) []rbacv1.Subject {
	out := make([]rbacv1.Subject, len(names))
	for i, name := range names {
		out[i] = rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}
	}
	return out
}

// bind binds a ClusterRole to users in a namespace.
func (k *kube) bind(t *testing.T, namespace, name, role string, subjects ...string) {
	t.Helper()
	_, err := k.admin.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: k.object(namespace, name), Subjects: users(subjects...),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}, metav1.CreateOptions{})
	must(t, err)
}

// rebind gives a binding other subjects.
func (k *kube) rebind(t *testing.T, namespace, name string, subjects ...string) {
	t.Helper()
	b, err := k.admin.RbacV1().RoleBindings(namespace).Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	b.Subjects = users(subjects...)
	_, err = k.admin.RbacV1().RoleBindings(namespace).Update(t.Context(), b, metav1.UpdateOptions{})
	must(t, err)
}

// watcher is the source of policies that is tested, and what it has told.
type watcher struct {
	service services.Service
	log     *lockedBuffer

	mu      sync.Mutex
	set     *rbac.Set
	updates []policy.Update
}

func newWatcher(cfg policy.ClusterConfig) *watcher {
	w := &watcher{log: &lockedBuffer{}, set: rbac.NewSet(rbac.Objects{})}
	w.service = policy.NewCluster(cfg, slog.New(slog.NewTextHandler(w.log, nil)), prometheus.NewRegistry(), nil, func(u policy.Update) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.updates = append(w.updates, u)
		for _, c := range u.Changes {
			w.set.Apply(c)
		}
	})
	return w
}

// startWatcher starts the source, which must work.
func startWatcher(t *testing.T, cfg policy.ClusterConfig) *watcher {
	t.Helper()
	w := newWatcher(cfg)
	must(t, services.StartAndAwaitRunning(t.Context(), w.service))
	t.Cleanup(func() {
		w.service.StopAsync()
		if t.Failed() {
			t.Logf("the log of the source:\n%s", w.log)
		}
	})
	return w
}

func (w *watcher) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := services.StopAndAwaitTerminated(ctx, w.service); err != nil {
		t.Errorf("the source did not stop: %v", err)
	}
}

// awaitSame waits until what the source has told is what there is.
func (w *watcher) awaitSame(t *testing.T, k *kube, when string) {
	t.Helper()
	var rest []rbac.Change
	took := until(t, 40*time.Second, func() (bool, string) {
		want := k.objects(t)
		rest = w.missing(want)
		return len(rest) == 0, fmt.Sprintf("%s: %d of %d objects are not as listed, the first: %+v", when, len(rest), want.Len(), rest[:min(1, len(rest))])
	})
	t.Logf("%s: known after %s", when, took.Round(10*time.Millisecond))
}

// missing are the changes that the source has yet to tell.
func (w *watcher) missing(of rbac.Objects) []rbac.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rbac.Diff(w.set.Objects(), of)
}

func (w *watcher) holds(o rbac.Objects) bool { return len(w.missing(o)) == 0 }

// count is how many updates there have been.
func (w *watcher) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.updates)
}

// after are the updates but the first n.
func (w *watcher) after(n int) []policy.Update {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.updates[n:]
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wire is a way to the API server that can be cut.
type wire struct {
	kubeconfig string
	to         string

	mu    sync.Mutex
	isCut bool
	open  map[net.Conn]bool
}

// newWire listens on a port of its own for the API server.
func newWire(t *testing.T, k *kube) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	server, err := url.Parse(k.config(t, "admin").Host)
	must(t, err)
	out := &wire{to: server.Host, open: map[net.Conn]bool{}}
	out.kubeconfig = k.rewritten(t, func(c *clientcmdapi.Config) {
		for _, cluster := range c.Clusters {
			cluster.Server = "https://" + l.Addr().String()
		}
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go out.carry(conn)
		}
	}()
	t.Cleanup(out.cut)
	return out
}

// carry connects one client, unless the line is cut.
func (w *wire) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	if w.isCut {
		w.mu.Unlock()
		return
	}
	w.open[client], w.open[server] = true, true
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, server)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, client)
	delete(w.open, server)
}

// cut ends all connections, and lets nobody through.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for conn := range w.open {
		conn.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}

// rewritten returns the path of a kubeconfig that differs from the stack's.
func (k *kube) rewritten(t *testing.T, edit func(*clientcmdapi.Config)) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(k.kubeconfig)
	must(t, err)
	edit(config)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*config, path))
	return path
}
