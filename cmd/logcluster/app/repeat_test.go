package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// withGrants puts into a recording, after every so many lines, the audit event of
// somebody who binds the user of the next line to another role, as an audit log of
// level RequestResponse has it.
func withGrants(t testing.TB, values [][]byte, every int) [][]byte {
	t.Helper()
	var out [][]byte
	for i, v := range values {
		if i > 0 && i%every == 0 {
			out = append(out, grantEvent(t, i, v))
		}
		out = append(out, v)
	}
	return out
}

func grantEvent(t testing.TB, i int, before []byte) []byte {
	t.Helper()
	var e struct {
		StageTimestamp time.Time
		User           struct{ Username string }
	}
	if err := json.Unmarshal(before, &e); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprint("granted-", i)
	object := bound(name, name, e.User.Username).ClusterRoleBinding
	line, err := json.Marshal(map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": name, "stage": "ResponseComplete",
		"requestURI": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "verb": "create",
		"user":           map[string]any{"username": "granter", "groups": []string{"system:masters", "system:authenticated"}},
		"objectRef":      map[string]any{"resource": "clusterrolebindings", "name": name, "apiGroup": rbacGroup, "apiVersion": "v1"},
		"responseStatus": map[string]any{"code": 201}, "responseObject": object,
		"requestReceivedTimestamp": e.StageTimestamp, "stageTimestamp": e.StageTimestamp,
		"annotations": map[string]any{"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// TestTheJournalRepeatsARun changes roles in the audit log while the service
// reads, and kills it in between. A run from nothing but its
// journal of decisions comes to the same.
func TestTheJournalRepeatsARun(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	recording, rbac, _ := bundled(t)
	values := withGrants(t, lines(t, recording), 5000)
	brokers := broker(t, 3)
	publish(t, brokers, values)
	path, killed := describeChild(t, childConfig{Brokers: brokers, Group: "changed", State: t.TempDir(), RBAC: rbac})
	for i := range 3 {
		c := startChild(t, path)
		c.await(t, uint64(len(values))/4*uint64(i)+random.Uint64N(uint64(len(values))/4), false)
		c.end(t, syscall.SIGKILL)
	}
	c := startChild(t, path)
	c.await(t, uint64(len(values)), true)
	c.end(t, syscall.SIGTERM)

	again, repeated := describeChild(t, childConfig{Brokers: brokers, Group: "repeated", State: t.TempDir(), RBAC: rbac})
	journal, err := os.ReadFile(filepath.Join(killed.State, decisionsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repeated.State, decisionsFile), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, again)
	c.await(t, uint64(len(values)), true)
	c.end(t, syscall.SIGTERM)

	decided, err := readDecisionsFile(filepath.Join(repeated.State, decisionsFile))
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + (len(values)-1)/5001; len(decided) != want {
		t.Errorf("%d decisions, want %d: the manifests and each grant once", len(decided), want)
	}
	want, got := loadState(t, killed), loadState(t, repeated)
	if got.Totals != want.Totals {
		t.Errorf("totals %+v, want %+v", got.Totals, want.Totals)
	}
	if got, want := len(got.Engine.Windows.Tenants), len(want.Engine.Windows.Tenants); got != want {
		t.Errorf("%d tenants, want %d", got, want)
	}
	end := time.Unix(0, min(got.Engine.Windows.Mark, want.Engine.Windows.Mark))
	told, _ := topicValues(t, brokers, anomaliesOf("repeated"))
	wanted, _ := topicValues(t, brokers, anomaliesOf("changed"))
	told, wanted = upTo(t, told, end), upTo(t, wanted, end)
	if len(wanted) == 0 || !slices.Equal(told, wanted) {
		t.Errorf("repeated run told %d changes, the other %d; first difference:\n%s", len(told), len(wanted), firstDifference(told, wanted))
	}
	t.Logf("%d events, %d decisions, %d changes told", got.Totals.Consumed, len(decided), len(told))
}
