package baseline

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

func TestBehaviour(t *testing.T) {
	s := New(DefaultConfig())
	clusterOf := func(id uint64, role, resource string, access fingerprint.Access, power rbac.Class) *fingerprint.ClusterKey {
		return &fingerprint.ClusterKey{ID: fingerprint.ID(id), Tenant: "t", Role: role, Resource: resource, Access: access, Power: power}
	}
	pods := clusterOf(3, "b", "pods", fingerprint.AccessRead, rbac.ClassRead)
	written := clusterOf(1, "b", "pods", fingerprint.AccessWrite, rbac.ClassWrite)
	other := clusterOf(2, "a", "jobs", fingerprint.AccessRead, rbac.ClassUnknown)
	overflow := clusterOf(4, cluster.OverflowName, "", 0, 0)
	for i, ws := range [][]cluster.Window{
		{{Cluster: pods, Counts: counts(4)}, {Cluster: other, Counts: counts(1)}, {Cluster: overflow, Counts: counts(99)}},
		{{Cluster: pods, Counts: counts(5)}, {Cluster: written, Counts: counts(2)}},
	} {
		s.Train(training(origin+int64(i)*window, ws...))
	}
	if got := s.Behaviour("t"); got != nil {
		t.Errorf("before the retrain: %+v", got)
	}
	s.Retrain(origin + 9*window)
	want := []RoleBehaviour{
		{Role: "a", Events: 1, Activities: []RoleActivity{{Resource: "jobs", Access: fingerprint.AccessRead, Events: 1}}},
		{Role: "b", Power: rbac.ClassWrite, Events: 11, Activities: []RoleActivity{
			{Resource: "pods", Access: fingerprint.AccessRead, Events: 9},
			{Resource: "pods", Access: fingerprint.AccessWrite, Events: 2},
		}},
	}
	if got := s.Behaviour("t"); !reflect.DeepEqual(got, want) {
		t.Errorf("behaviour\n%+v, want\n%+v", got, want)
	}
	if got := s.Behaviour("nobody"); got != nil {
		t.Errorf("of a tenant that is not known: %+v", got)
	}
	// What is older than the history is forgotten.
	late := origin + int64(8*24*time.Hour)
	s.Train(training(late, cluster.Window{Cluster: other, FirstPane: origin, Counts: counts(3)}))
	s.Retrain(late + 2*window)
	if got := s.Behaviour("t"); len(got) != 1 || got[0].Role != "a" || got[0].Events != 3 {
		t.Errorf("after eight days: %+v", got)
	}
}

// The power of a role is what the policy said last, also of clusters that were
// there before it; and a restart between tells the same.
func TestPowerIsRenewed(t *testing.T) {
	s := New(DefaultConfig())
	for i, power := range []rbac.Class{rbac.ClassUnknown, rbac.ClassEscalate, rbac.ClassEscalate, rbac.ClassRead} {
		k := &fingerprint.ClusterKey{ID: 1, Tenant: "t", Role: "mapped:x", Resource: "pods", Access: fingerprint.AccessRead, Power: power}
		start := origin + int64(i)*window
		s.Train(training(start, cluster.Window{Cluster: k, FirstPane: origin, Counts: counts(4)}))
		s.Retrain(start + window)
		again := New(DefaultConfig())
		if err := again.Restore(s.Snapshot()); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Store{s, again} {
			s.Retrain(start + window)
			if got := s.Behaviour("t"); i > 0 && (len(got) != 1 || got[0].Power != power) {
				t.Errorf("window %d: %+v, want power %s", i, got, power)
			}
		}
	}
}

// BenchmarkBehaviour is for 10,000 clusters of 500 roles.
func BenchmarkBehaviour(b *testing.B) {
	s := New(DefaultConfig())
	ws := make([]cluster.Window, 10_000)
	for i := range ws {
		ws[i] = cluster.Window{Cluster: &fingerprint.ClusterKey{
			ID: fingerprint.ID(i), Tenant: "t", Role: fmt.Sprint("role-", i%500), Resource: fmt.Sprint("resource-", i/500),
		}, Counts: counts(5)}
	}
	s.Train(training(origin, ws...))
	s.Retrain(origin + 2*window)
	b.ReportAllocs()
	for b.Loop() {
		if n := len(s.Behaviour("t")); n != 500 {
			b.Fatal(n)
		}
	}
}
