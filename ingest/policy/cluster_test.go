package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

// apiServer is client-go's fake of an API server, whose connection can be cut.
type apiServer struct {
	*fake.Clientset

	mu      sync.Mutex
	fails   map[string]error // by "verb resource" or "*"
	watches []apiwatch.Interface
}

func newAPIServer(objects ...runtime.Object) *apiServer {
	s := &apiServer{Clientset: fake.NewClientset(objects...), fails: map[string]error{}}
	s.PrependReactor("list", "*", func(a kubetesting.Action) (bool, runtime.Object, error) {
		err := s.failure(a)
		return err != nil, nil, err
	})
	s.PrependWatchReactor("*", func(a kubetesting.Action) (bool, apiwatch.Interface, error) {
		if err := s.failure(a); err != nil {
			return true, nil, err
		}
		w, err := s.Tracker().Watch(a.GetResource(), a.GetNamespace())
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watches = append(s.watches, w)
		return true, w, err
	})
	return s
}

func (s *apiServer) failure(a kubetesting.Action) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fails["*"]; err != nil {
		return err
	}
	return s.fails[a.GetVerb()+" "+a.GetResource().Resource]
}

// fail makes requests fail, or succeed again.
func (s *apiServer) fail(which string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[which] = err
}

// cut ends all watches.
func (s *apiServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watches {
		w.Stop()
	}
	s.watches = nil
}

// must returns what a request gave, which may not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func aRole(namespace, name, verb string) *rbacv1.Role {
	return &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Annotations:   map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{verb}}},
	}
}

func aBinding(name, user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
	}
}

func newTestCluster(s *apiServer, log io.Writer, hand func(Update)) *Cluster {
	cfg := DefaultConfig().Cluster
	c := NewCluster(cfg, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewPedanticRegistry(), nil, hand)
	c.connect = func() (*connection, error) {
		return &connection{client: s.RbacV1(), server: "https://test", close: func() {}}, nil
	}
	return c
}

// TestClusterFollows follows a cluster through changes, cuts and what is missed
// in between.
func TestClusterFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var got updates
		var log logged
		s := newAPIServer(aRole("a", "x", "get"), aBinding("b", "eve"))
		c := newTestCluster(s, &log, got.hand)
		if err := services.StartAndAwaitRunning(ctx, c); err != nil {
			t.Fatal(err)
		}
		defer stop(t, c)
		check := func(step, want string) {
			t.Helper()
			pass(3 * coalesceTime)
			if g := got.take(); g != want {
				t.Errorf("%s: handed on %q, want %q", step, g, want)
			}
		}
		gauge := func(want float64) {
			t.Helper()
			if g := testutil.ToFloat64(c.connected); g != want {
				t.Errorf("connected is %g, want %g", g, want)
			}
		}
		roles, bindings := s.RbacV1().Roles("a"), s.RbacV1().ClusterRoleBindings()
		kept := c.watches[kindRole].informer.GetStore().List()[0].(*rbacv1.Role)
		if kept.ManagedFields != nil || kept.Annotations != nil || len(kept.Rules) != 1 {
			t.Errorf("kept %+v", kept)
		}
		check("start", "initially +Role a/x, +ClusterRoleBinding b")
		gauge(1)

		must(roles.Update(ctx, aRole("a", "x", "list"), metav1.UpdateOptions{}))
		check("update", "+Role a/x")
		labelled := aRole("a", "x", "list")
		labelled.Annotations = map[string]string{"touched": "yes"}
		must(roles.Update(ctx, labelled, metav1.UpdateOptions{}))
		check("nothing that counts", "")
		must(bindings.Create(ctx, aBinding("c", "mallory"), metav1.CreateOptions{}))
		check("create", "+ClusterRoleBinding c")
		must(0, bindings.Delete(ctx, "b", metav1.DeleteOptions{}))
		check("delete", "-ClusterRoleBinding b")
		if n := testutil.ToFloat64(c.metrics.objects[kindClusterRoleBinding]); n != 1 {
			t.Errorf("%g ClusterRoleBindings are shown", n)
		}

		// The connection is lost, and meanwhile an object deleted, one made, and
		// one deleted and made anew.
		s.fail("*", errors.New("network is unreachable"))
		s.cut()
		pass(time.Minute)
		gauge(0)
		stale := testutil.ToFloat64(c.metrics.lastSuccess)
		must(0, roles.Delete(ctx, "x", metav1.DeleteOptions{}))
		must(roles.Create(ctx, aRole("a", "y", "get"), metav1.CreateOptions{}))
		must(0, bindings.Delete(ctx, "c", metav1.DeleteOptions{}))
		must(bindings.Create(ctx, aBinding("c", "trent"), metav1.CreateOptions{}))
		check("while away", "")
		if testutil.ToFloat64(c.metrics.lastSuccess) != stale {
			t.Error("without a connection it counts as up to date")
		}
		s.fail("*", nil)
		pass(time.Minute)
		gauge(1)
		var all []string
		for _, u := range got.drain() {
			all = append(all, told(u.Changes))
		}
		for _, want := range []string{"-Role a/x", "+Role a/y", "+ClusterRoleBinding c"} {
			if strings.Count(strings.Join(all, ", "), want) != 1 {
				t.Errorf("back again: handed on %q, want once %s", all, want)
			}
		}
		if n := strings.Count(log.String(), "network is unreachable"); n < 1 || n > 8 {
			t.Errorf("logged the loss %d times, want once for each list and watch at most:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "read again"); n < 4 {
			t.Errorf("logged the return %d times:\n%s", n, log.String())
		}
	})
}

// TestClusterCoalesces checks that many changes at once are few updates.
func TestClusterCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got updates
		s := newAPIServer()
		c := newTestCluster(s, io.Discard, got.hand)
		if err := services.StartAndAwaitRunning(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		defer stop(t, c)
		if first := got.drain(); len(first) != 1 || !first[0].Initial || len(first[0].Changes) != 0 {
			t.Fatalf("an empty cluster handed on %+v", first)
		}
		pass(3 * coalesceTime)
		for i := range 50 {
			must(s.RbacV1().Roles("a").Create(t.Context(), aRole("a", fmt.Sprint(i), "get"), metav1.CreateOptions{}))
			pass(coalesceTime / 25)
		}
		pass(3 * coalesceTime)
		changes, all := 0, got.drain()
		for _, u := range all {
			changes += len(u.Changes)
		}
		if changes != 50 || len(all) > 4 {
			t.Errorf("%d changes in %d updates", changes, len(all))
		}
	})
}

// TestClusterStart checks that a start that is not possible says why, and leaves
// nothing behind.
func TestClusterStart(t *testing.T) {
	refused := func(resource string) error {
		return apierrors.NewForbidden(schema.GroupResource{Group: rbacv1.GroupName, Resource: resource}, "",
			errors.New(`User "system:serviceaccount:l:logcluster" cannot do that`))
	}
	for _, tc := range []struct {
		name  string
		fails map[string]error
		want  []string
	}{
		{
			name:  "nothing is allowed",
			fails: map[string]error{"list roles": refused("roles"), "list clusterroles": refused("clusterroles")},
			want:  []string{"https://test", "not allowed to list roles, list clusterroles (rbac.authorization.k8s.io)", "serviceaccount:l:logcluster"},
		},
		{
			name:  "reading but not watching is allowed",
			fails: map[string]error{"watch rolebindings": refused("rolebindings")},
			want:  []string{"not allowed to watch rolebindings"},
		},
		{
			name:  "away",
			fails: map[string]error{"*": errors.New("no route to host")},
			want:  []string{"within 1m0s: list roles: no route to host"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newAPIServer()
				for which, err := range tc.fails {
					s.fail(which, err)
				}
				var got updates
				err := services.StartAndAwaitRunning(t.Context(), newTestCluster(s, io.Discard, got.hand))
				for _, want := range tc.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("error %v does not say %q", err, want)
					}
				}
				if g := got.drain(); len(g) != 0 {
					t.Errorf("handed on %v", g)
				}
			})
		})
	}
}

// TestClusterStartsWithoutItsServer checks that what is known from an earlier run
// is enough to start, and that all objects are handed on at once when the server
// is back, also where it answers for one kind after the other.
func TestClusterStartsWithoutItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(aRole("a", "x", "get"), aBinding("b", "eve"))
		away := errors.New("no route to host")
		s.fail("*", away)
		var got updates
		var log logged
		c := newTestCluster(s, &log, got.hand)
		c.known = func() bool { return true }
		if err := services.StartAndAwaitRunning(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		defer stop(t, c)
		if h := c.Health(); !strings.Contains(h.Problem, "no route to host") || !h.UpToDate.IsZero() {
			t.Errorf("%+v", h)
		}
		if !strings.Contains(log.String(), "going on with those of an earlier run") {
			t.Error(log.String())
		}
		s.fail("list clusterrolebindings", away)
		s.fail("*", nil)
		pass(2 * time.Minute)
		if g := got.drain(); len(g) != 0 || testutil.ToFloat64(c.connected) != 0 {
			t.Errorf("handed on %v, connected %v", g, testutil.ToFloat64(c.connected))
		}
		s.fail("list clusterrolebindings", nil)
		pass(2 * time.Minute)
		if g := got.take(); g != "initially +Role a/x, +ClusterRoleBinding b" {
			t.Errorf("handed on %q", g)
		}
		if h := c.Health(); h.Problem != "" || testutil.ToFloat64(c.connected) != 1 {
			t.Errorf("%+v", h)
		}
		must(0, s.RbacV1().ClusterRoleBindings().Delete(t.Context(), "b", metav1.DeleteOptions{}))
		pass(3 * coalesceTime)
		if g := got.take(); g != "-ClusterRoleBinding b" {
			t.Errorf("handed on %q", g)
		}
	})
}

// TestClusterStopsWhileStarting checks that a start can be given up.
func TestClusterStopsWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		s.fail("*", errors.New("no route to host"))
		c := newTestCluster(s, io.Discard, func(Update) {})
		if err := c.StartAsync(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		began := time.Now()
		c.StopAsync()
		_ = c.AwaitTerminated(context.Background())
		if d := time.Since(began); d > time.Second {
			t.Errorf("it took %s", d)
		}
	})
}
