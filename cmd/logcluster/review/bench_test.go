package review

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// crowd is a policy of many bindings, and events of their subjects.
func crowd(bindings, events int) (rbac.Objects, []*fingerprint.Event) {
	o := rbac.Objects{ClusterRoles: []rbacv1.ClusterRole{
		clusterRole("view", rule("get list watch", "core", "pods services configmaps", "")),
	}}
	for i := range bindings {
		user := fmt.Sprint("user", i/2)
		o.ClusterRoleBindings = append(o.ClusterRoleBindings, clusterBinding(fmt.Sprint("b", i), "view", user))
	}
	var all []*fingerprint.Event
	for i := range events {
		user := i % (bindings / 2)
		e := event(fmt.Sprint("user", user), "get", "pods", fmt.Sprint("ns", i%7), "p")
		all = append(all, allowedBy(int64(i), fmt.Sprint("b", 2*user+1), "view", e))
	}
	return o, all
}

// BenchmarkVerify is one event of one subject of 5,000 with 10,000 bindings.
func BenchmarkVerify(b *testing.B) {
	objects, events := crowd(10_000, 1<<16)
	v, err := NewVerifier(objects, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := v.Add(events[i&(1<<16-1)]); err != nil {
			b.Fatal(err)
		}
	}
	if v.counts.agreed != v.counts.annotated {
		b.Fatalf("%d of %d agreed", v.counts.agreed, v.counts.annotated)
	}
}

// BenchmarkUsage is the same for what is used.
func BenchmarkUsage(b *testing.B) {
	objects, events := crowd(10_000, 1<<16)
	u, err := NewUsage(objects, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		u.Add(events[i&(1<<16-1)])
	}
}
