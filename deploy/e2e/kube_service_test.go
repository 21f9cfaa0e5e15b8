//go:build kube

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

// pane is the slice of event time from whose start a policy is in force. The
// services of this test evaluate each by itself, so that each is seen.
const pane = 10 * time.Second

// notice is how long a change of roles may take until a service knows of it.
// It counts from the start of the next pane.
const notice = 3 * time.Second

const kubeConfiguration = `
kafka:
  brokers: %s
  topics: [%q]
  group: %q
  session_timeout: 6s
topics:
  dead_letter: ""
  anomalies: ""
roles:
%s
cluster:
  pane: 10s
  slide: 10s
  window: 10s
  out_of_orderness: 2s
state:
  dir: %q
web:
  listen: %q
`

// TestKubeRolesWhileRunning runs the service twice on the audit log of the API
// server, while a service account lists pods all the time and is given a role,
// and has another one taken away. One service watches the cluster; the other one
// knows the objects of the beginning from a file, and what changes from the
// audit log itself. For both the account has its new role from the start of a
// pane on, the next one; and not one of its requests is counted otherwise.
func TestKubeRolesWhileRunning(t *testing.T) {
	k := theKube(t)
	k.allowWatching(t, "observer")
	a := newActor(t, k)
	a.bind(t, a.reader)

	begin, topic := k.auditOffset(t), k.run
	brokers := embedded(t, topic)
	files := fmt.Sprintf("  audit: true\n  files:\n    paths: [%q]", writeManifests(t, k.objects(t)))
	watch := fmt.Sprintf("  cluster:\n    enabled: true\n    kubeconfig: %q\n    context: observer", k.kubeconfig)
	spectators := []*spectator{
		watchPanes(t, newKubeInstance(t, brokers, topic, topic+"-watch", watch).start(t)),
		watchPanes(t, newKubeInstance(t, brokers, topic, topic+"-audit", files).start(t)),
	}
	stopShipping := ship(t, k, begin, brokers, topic)
	stopActing := a.act(t)

	phases := []*phase{{name: "reader", role: key(a.reader), power: rbac.ClassRead, allowed: true, begin: time.Now()}}
	a.during(t, spectators, phases[0])
	a.bind(t, a.keeper)
	phases = append(phases, &phase{name: "reader and keeper", role: key(a.keeper, a.reader), power: rbac.ClassElevated, allowed: true, begin: time.Now()})
	a.during(t, spectators, phases[1])
	must(t, k.admin.RbacV1().RoleBindings(a.namespace).Delete(t.Context(), a.reader, metav1.DeleteOptions{}))
	phases = append(phases, &phase{name: "keeper", role: key(a.keeper), power: rbac.ClassElevated, begin: time.Now()})
	a.during(t, spectators, phases[2])

	stopActing()
	stopShipping()
	sent := a.counted(t, begin)
	for _, s := range spectators {
		t.Run(s.service.name, func(t *testing.T) {
			s.check(t, sent, phases)
			until(t, 10*time.Second, func() (bool, string) {
				lag := s.service.metric(t, "logcluster_lag_records")
				return lag == 0, fmt.Sprintf("lag %v", lag)
			})
			s.service.identity(t)
			s.stop()
			s.service.end(t, syscall.SIGTERM)
		})
	}
}

// phase is a time during which the account has the same roles.
type phase struct {
	name string
	// role and power are those of the pods that the account lists, which it may
	// or may not.
	role    string
	power   rbac.Class
	allowed bool
	begin   time.Time
}

func key(clusterRoles ...string) string {
	var keys []string
	for _, name := range clusterRoles {
		keys = append(keys, rbac.Role{Name: name}.Key())
	}
	return rbac.JoinKeys(keys)
}

// actor is a service account that lists pods all the time.
type actor struct {
	*kube
	namespace string
	user      string
	config    *rest.Config
	// reader and keeper are ClusterRoles: to list pods, and to read secrets.
	reader, keeper string
}

func newActor(t *testing.T, k *kube) *actor {
	t.Helper()
	a := &actor{kube: k, namespace: k.namespace(t, "acted-in"), reader: k.run + "-reader", keeper: k.run + "-keeper"}
	for name, resource := range map[string]string{a.reader: "pods", a.keeper: "secrets"} {
		_, err := k.admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
			ObjectMeta: k.object("", name),
			Rules:      []rbacv1.PolicyRule{{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{resource}}},
		}, metav1.CreateOptions{})
		must(t, err)
	}
	accounts := k.admin.CoreV1().ServiceAccounts(a.namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: k.object(a.namespace, "lister")}, metav1.CreateOptions{})
	must(t, err)
	token, err := accounts.CreateToken(t.Context(), "lister", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)
	a.user = account(a.namespace, "lister").user
	a.config = rest.AnonymousClientConfig(k.config(t, "admin"))
	a.config.BearerToken = token.Status.Token
	return a
}

// bind gives the account a role in its namespace, by a binding of that name.
func (a *actor) bind(t *testing.T, role string) {
	t.Helper()
	a.kube.bind(t, a.namespace, role, role, a.user)
}

// act lists pods until it is stopped.
func (a *actor) act(t *testing.T) (stop func()) {
	t.Helper()
	client, err := rest.HTTPClientFor(a.config)
	must(t, err)
	return every(t, 100*time.Millisecond, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.config.Host+"/api/v1/namespaces/"+a.namespace+"/pods", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// every calls a function at an interval until the test ends, it fails, or stop
// is called, which returns when no call is under way.
func every(t *testing.T, interval time.Duration, call func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := call(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	stop = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// during returns when every service has evaluated a pane that is all in the
// phase, the notice included.
func (a *actor) during(t *testing.T, spectators []*spectator, p *phase) {
	t.Helper()
	until(t, 90*time.Second, func() (bool, string) {
		for _, s := range spectators {
			if last := s.last(); last.Add(-pane).Before(p.begin.Add(notice)) {
				return false, fmt.Sprintf("%s has seen panes until %s only", s.service.name, last)
			}
		}
		return true, ""
	})
}

// counted is how many requests of the account are in the audit log, by the end
// of their pane.
func (a *actor) counted(t *testing.T, begin int64) map[time.Time]uint64 {
	t.Helper()
	decoder, out := ingest.NewDecoder(ingest.DefaultConfig()), map[time.Time]uint64{}
	content := a.auditSince(t, begin)
	for line := range splitLines(content[:bytes.LastIndexByte(content, '\n')+1]) {
		_, err := decoder.Decode(line, func(e *fingerprint.Event) {
			if e.User == a.user && e.Resource.Name == "pods" {
				out[time.Unix(0, e.Time).UTC().Truncate(pane).Add(pane)]++
			}
		})
		must(t, err)
	}
	return out
}

// embedded is a broker in the process of the test, and has the topic.
func embedded(t *testing.T, topic string) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	must(t, err)
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// ship sends the lines of the audit log to a topic, as a log shipper does, until
// it is stopped.
func ship(t *testing.T, k *kube, begin int64, brokers []string, topic string) (stop func()) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic))
	must(t, err)
	t.Cleanup(client.Close)
	log, err := os.Open(k.auditLog)
	must(t, err)
	t.Cleanup(func() { log.Close() })
	_, err = log.Seek(begin, io.SeekStart)
	must(t, err)
	var rest []byte
	return every(t, 100*time.Millisecond, func(ctx context.Context) error {
		fresh, err := io.ReadAll(log)
		if err != nil {
			return err
		}
		rest = append(rest, fresh...)
		for line, after, whole := bytes.Cut(rest, []byte("\n")); whole; line, after, whole = bytes.Cut(rest, []byte("\n")) {
			client.Produce(ctx, &kgo.Record{Value: bytes.Clone(line)}, nil)
			rest = after
		}
		return client.Flush(ctx)
	})
}

// writeManifests writes the objects as kubectl would, and returns the path.
func writeManifests(t *testing.T, o rbac.Objects) string {
	t.Helper()
	list := struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Items      []any  `json:"items"`
	}{APIVersion: "v1", Kind: "List"}
	kind := func(name string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: name}
	}
	for _, r := range o.Roles {
		r.TypeMeta = kind("Role")
		list.Items = append(list.Items, r)
	}
	for _, r := range o.ClusterRoles {
		r.TypeMeta = kind("ClusterRole")
		list.Items = append(list.Items, r)
	}
	for _, b := range o.RoleBindings {
		b.TypeMeta = kind("RoleBinding")
		list.Items = append(list.Items, b)
	}
	for _, b := range o.ClusterRoleBindings {
		b.TypeMeta = kind("ClusterRoleBinding")
		list.Items = append(list.Items, b)
	}
	content, err := json.Marshal(list)
	must(t, err)
	path := filepath.Join(t.TempDir(), "rbac.json")
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// newKubeInstance writes the configuration of a service that reads the topic.
func newKubeInstance(t *testing.T, brokers []string, topic, name, roles string) *instance {
	t.Helper()
	dir := t.TempDir()
	i := &instance{topic: topic, name: name, listen: freeAddress(t), dir: dir, config: filepath.Join(dir, "logcluster.yaml")}
	list, err := json.Marshal(brokers)
	must(t, err)
	text := fmt.Sprintf(kubeConfiguration, list, topic, name, roles, filepath.Join(dir, "state"), i.listen)
	must(t, os.WriteFile(i.config, []byte(text), 0o600))
	return i
}

// spectator looks at the clusters that a service shows, pane by pane.
type spectator struct {
	service *service
	stop    func()

	mu    sync.Mutex
	panes map[time.Time][]web.Cluster // by their end
}

func watchPanes(t *testing.T, s *service) *spectator {
	out := &spectator{service: s, panes: map[time.Time][]web.Cluster{}}
	out.stop = every(t, 200*time.Millisecond, func(context.Context) error {
		var answer web.ClustersAnswer
		if err := getJSON("http://"+s.listen, "/api/v1/clusters", url.Values{"tenant": {s.topic}}, &answer); err != nil {
			return err
		}
		out.mu.Lock()
		defer out.mu.Unlock()
		if len(answer.Clusters) > 0 {
			out.panes[answer.Clusters[0].WindowEnd.UTC()] = answer.Clusters
		}
		return nil
	})
	return out
}

// last is the end of the last pane that was evaluated.
func (s *spectator) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last time.Time
	for end := range s.panes {
		if end.After(last) {
			last = end
		}
	}
	return last
}

// check holds what the service showed against what was sent.
func (s *spectator) check(t *testing.T, sent map[time.Time]uint64, phases []*phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := slices.SortedFunc(maps.Keys(s.panes), time.Time.Compare)
	at := -1 // the phase whose roles were last seen
	for _, end := range ends {
		mine := slices.DeleteFunc(slices.Clone(s.panes[end]), func(c web.Cluster) bool {
			// The API server itself watches pods too, now and then.
			return c.Resource != "pods" || c.Access != "read" || c.Role == "system:apiserver"
		})
		if len(mine) == 0 && sent[end] == 0 {
			continue // before the account began
		}
		if len(mine) != 1 {
			t.Errorf("pane until %s: the account's requests are in %d clusters: %+v", end, len(mine), mine)
			continue
		}
		c := mine[0]
		t.Logf("pane until %s: %d events, %d denied, %s (%s), %s", end.Format(time.TimeOnly), c.Events, c.Denied, c.Role, c.RoleSource, c.Power)
		if c.Events != sent[end] || c.RoleSource != "rbac" {
			t.Errorf("%d events by %s, %d were sent", c.Events, c.RoleSource, sent[end])
		}
		now := slices.IndexFunc(phases, func(p *phase) bool { return p.role == c.Role })
		if now < at || now > at+1 {
			t.Errorf("%s after %s", c.Role, phases[max(at, 0)].role)
			continue
		}
		at = now
		s.checkPane(t, c, phases, now)
	}
	if at != len(phases)-1 {
		t.Errorf("the last roles were never seen")
	}
}

// checkPane holds one pane against the phase whose roles it shows.
func (s *spectator) checkPane(t *testing.T, c web.Cluster, phases []*phase, now int) {
	t.Helper()
	p, begin := phases[now], c.WindowEnd.Add(-pane)
	if now > 0 && begin.Before(p.begin) {
		t.Errorf("the roles of %q count from %s, before they were given at %s", p.name, begin, p.begin)
	}
	if now+1 < len(phases) && begin.After(phases[now+1].begin.Add(notice+pane)) {
		t.Errorf("the roles of %q still count at %s, and changed at %s", p.name, begin, phases[now+1].begin)
	}
	if c.Power != p.power.String() {
		t.Errorf("the power of %q is %s", p.name, c.Power)
	}
	// While roles change, requests are decided by those before or after.
	settled := !begin.Before(p.begin.Add(notice)) && (now+1 == len(phases) || c.WindowEnd.Before(phases[now+1].begin))
	if settled && (c.Denied == 0) != p.allowed {
		t.Errorf("%d of %d requests of %q were denied", c.Denied, c.Events, p.name)
	}
}
