package rbac

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// TestDiffLeadsFromBeforeToAfter checks that the changes of a difference, sent
// as JSON, make the one set of objects of the other, that none of them is
// without effect, and that they come in one order.
func TestDiffLeadsFromBeforeToAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawObjects(t), drawObjects(t)
		changes := Diff(before, after)
		shuffled := after
		want := NewSet(after).Objects()
		shuffled.Roles = rapid.Permutation(want.Roles).Draw(t, "roles")
		shuffled.RoleBindings = rapid.Permutation(want.RoleBindings).Draw(t, "bindings")
		if again := Diff(before, shuffled); !reflect.DeepEqual(again, changes) {
			t.Fatalf("in another order\n%+v\n%+v", again, changes)
		}
		s := NewSet(before)
		for _, c := range changes {
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			var read Change
			if err := json.Unmarshal(text, &read); err != nil {
				t.Fatal(err)
			}
			if !s.Apply(read) {
				t.Fatalf("%s changes nothing", text)
			}
			if s.Apply(c) {
				t.Fatalf("%s changes something twice", text)
			}
		}
		got := s.Objects()
		if len(Diff(got, want)) != 0 || len(Diff(want, got)) != 0 || got.Len() != s.Len() || got.Len() != want.Len() {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

// TestSetAnswersAsItsObjects checks that a policy is the same whether it is
// built from objects or from a set of them, which was itself restored.
func TestSetAnswersAsItsObjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObjects(t)
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		q, err := New(NewSet(NewSet(o).Objects()).Objects())
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			r := drawRequest(t)
			want, _ := p.Resolve(&r)
			if got, _ := q.Resolve(&r); got != want {
				t.Fatalf("%+v: got %+v, want %+v", r, got, want)
			}
		}
		if !reflect.DeepEqual(p.Roles(), q.Roles()) {
			t.Fatalf("roles %+v\nwant  %+v", q.Roles(), p.Roles())
		}
	})
}

func TestSetApply(t *testing.T) {
	role := func(version, verbs string) Change {
		r := &rbacv1.Role{ObjectMeta: meta("", "r"), Rules: []rbacv1.PolicyRule{rule(verbs, "", "pods")}}
		r.ResourceVersion = version
		r.Annotations = map[string]string{"version": version}
		return Change{Role: r}
	}
	deleted := role("1", "")
	deleted.Deleted = true
	labelled := Change{ClusterRole: &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "c", Labels: map[string]string{"a": "b"}}}}
	aggregated := Change{ClusterRole: &rbacv1.ClusterRole{
		ObjectMeta: labelled.ClusterRole.ObjectMeta, AggregationRule: &rbacv1.AggregationRule{},
	}}
	binding := func(name, role string, subjects ...rbacv1.Subject) Change {
		b := clusterBinding(name, role, subjects...)
		return Change{ClusterRoleBinding: &b}
	}
	s := NewSet(Objects{})
	for i, step := range []struct {
		what   string
		change Change
		want   bool
		len    int
	}{
		{"nothing", Change{}, false, 0},
		{"nothing deleted", Change{Deleted: true}, false, 0},
		{"new", role("9", "get"), true, 1},
		{"the same", role("9", "get"), false, 1},
		{"newer, but the same", role("10", "get"), false, 1},
		{"older", role("9", "list"), false, 1}, // as numbers, not as text
		{"newer", role("11", "list"), true, 1},
		{"of no version", role("", "get"), true, 1},
		{"of no numeric version", role("x", "list"), true, 1},
		{"deleted, whatever its version", deleted, true, 0},
		{"deleted again", deleted, false, 0},
		{"a label", labelled, true, 1},
		{"an aggregation rule", aggregated, true, 1},
		{"a binding", binding("b", "c", user("u")), true, 2},
		{"another subject", binding("b", "c", user("v")), true, 2},
		{"another role", binding("b", "d", user("v")), true, 2},
		{"the same binding", binding("b", "d", user("v")), false, 2},
	} {
		if got := s.Apply(step.change); got != step.want || s.Len() != step.len {
			t.Errorf("step %d, %s: changed %v, %d objects; want %v, %d", i, step.what, got, s.Len(), step.want, step.len)
		}
	}
	o := s.Objects()
	if o.ClusterRoles[0].Labels["a"] != "b" || o.ClusterRoles[0].AggregationRule == nil {
		t.Errorf("holds %+v", o)
	}
}

// TestVersions holds the versions against a list that is read from its beginning.
func TestVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v Versions
		type version struct {
			from   int64
			policy *Policy
		}
		var all []version
		at := func(when int64) *Policy {
			var p *Policy
			for _, x := range all {
				if x.from <= when {
					p = x.policy
				}
			}
			return p
		}
		times := rapid.OneOf(rapid.Int64Range(-5, 30), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
		forgotten := int64(math.MinInt64)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "kind") > 0 {
				from := times.Draw(t, "from")
				p := &Policy{roles: make([]role, len(all))}
				v.Append(from, p)
				if n := len(all); n > 0 {
					from = max(from, all[n-1].from)
				}
				all = append(all, version{from, p})
			} else {
				before := times.Draw(t, "before")
				v.Forget(before)
				forgotten = max(forgotten, before)
			}
			if when := times.Draw(t, "at"); when >= forgotten && v.At(when) != at(when) {
				t.Fatalf("another policy is in force at %d", when)
			}
			if v.Len() > len(all) {
				t.Fatalf("%d versions of %d", v.Len(), len(all))
			}
		}
		v.Forget(math.MaxInt64)
		if v.Len() > 1 || v.At(math.MaxInt64) != at(math.MaxInt64) {
			t.Fatalf("%d versions are left in the end", v.Len())
		}
	})
}

// TestObjectsSurviveASnapshot checks that a set is what it was after its objects
// were encoded as a snapshot encodes them.
func TestObjectsSurviveASnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := NewSet(drawObjects(t)).Objects()
		encoded, err := cbor.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var read Objects
		if err := cbor.Unmarshal(encoded, &read); err != nil {
			t.Fatal(err)
		}
		if lost, more := Diff(want, read), Diff(read, want); len(lost)+len(more) > 0 || read.Len() != want.Len() {
			t.Fatalf("got %+v\nwant %+v", read, want)
		}
	})
}
