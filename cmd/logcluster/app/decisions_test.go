package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// bound is the change that binds users to a ClusterRole, by a binding of a name.
func bound(name, role string, users ...string) rbac.Change {
	b := &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacGroup, Kind: "ClusterRole", Name: role},
	}
	for _, u := range users {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacGroup, Kind: "User", Name: u})
	}
	return rbac.Change{ClusterRoleBinding: b}
}

func unbound(name string) rbac.Change {
	c := bound(name, "")
	c.Deleted = true
	return c
}

func testPolicies(t testing.TB) *policies {
	cfg := DefaultConfig()
	return newPolicies(&cfg, testLogger(t), nil)
}

// roleAt returns the role key of u in a tenant at a time, "-" without a policy.
func roleAt(p *policies, tenant string, at int64) string {
	in := p.At(tenant, at)
	if in == nil {
		return "-"
	}
	answer, _ := in.Resolve(&rbac.Request{User: "u", Verb: "get", Resource: "pods", Namespace: "n"})
	return answer.Key
}

// A journal that was folded gives the same policies, limits and places of records
// for every event that can still come.
func TestFoldChangesNothing(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(pane int) time.Time { return start.Add(time.Duration(pane) * 10 * time.Second) }
	rapid.Check(t, func(t *rapid.T) {
		list := []decision{{Source: policy.SourceFiles, Policy: []rbac.Change{bound("b0", "r0", "u")}}}
		pane := 0
		for i := range rapid.IntRange(0, 12).Draw(t, "decisions") {
			pane += rapid.IntRange(0, 3).Draw(t, "panes")
			list = append(list, anyDecision(t, i, at(pane)))
		}
		cut := at(rapid.IntRange(0, pane+2).Draw(t, "cut"))
		folded := fold(list, cut)

		before, after, repeated := testPolicies(nil), testPolicies(nil), testPolicies(nil)
		repeated.learns = func(string) bool { return false }
		repeated.repeat(list)
		before.restore(list)
		after.restore(folded)
		for tick := range pane + 4 {
			for _, tenant := range []string{"", "a", "b"} {
				seenIn(repeated, tenant, at(tick).UnixNano())
				want := strings.TrimPrefix(roleAt(before, tenant, at(tick).UnixNano()), "-")
				if got := strings.TrimPrefix(roleAt(repeated, tenant, at(tick).UnixNano()), "-"); got != want {
					t.Fatalf("repeated: tenant %q at %d: %q, want %q\n%s", tenant, tick, got, want, spell(list))
				}
				if at(tick).Before(cut) {
					continue
				}
				// No policy, and one of which nothing is left, bind the same.
				got := strings.TrimPrefix(roleAt(after, tenant, at(tick).UnixNano()), "-")
				if got != want {
					t.Fatalf("tenant %q at %d: %q, %q before folding\n%s", tenant, tick, got, want, spell(folded))
				}
			}
		}
		if !reflect.DeepEqual(after.read, before.read) {
			t.Fatalf("read up to %v, %v before folding", after.read, before.read)
		}
		if got, want := limitsOf(folded), limitsOf(list); !reflect.DeepEqual(got, want) {
			t.Fatalf("limits %v, %v before folding", got, want)
		}
		if again := fold(folded, cut); !reflect.DeepEqual(again, folded) {
			t.Fatalf("folded twice: %s\nonce: %s", spell(again), spell(folded))
		}
	})
}

func anyDecision(t *rapid.T, i int, from time.Time) decision {
	d := decision{From: from, Source: rapid.SampledFrom([]string{policy.SourceFiles, policy.SourceCluster, policy.SourceAudit, "limits"}).Draw(t, "source")}
	name := fmt.Sprint("b", rapid.IntRange(0, 3).Draw(t, "binding"))
	change := bound(name, fmt.Sprint("r", rapid.IntRange(0, 3).Draw(t, "role")), "u")
	change.ClusterRoleBinding.ResourceVersion = rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "resource version")
	if rapid.Bool().Draw(t, "deleted") {
		change = unbound(name)
	}
	switch d.Source {
	case "limits":
		limits := cluster.DefaultLimits()
		limits.MaxClusters = i + 1
		d.Limits = map[string]cluster.Limits{"a": limits}
	case policy.SourceAudit:
		d.Inherits = true
		d.Tenant = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tenant")
		d.Record = &place{Topic: d.Tenant, Partition: int32(rapid.IntRange(0, 1).Draw(t, "partition")), Offset: int64(i)}
		d.Policy = []rbac.Change{change}
		if rapid.Bool().Draw(t, "read") {
			d.Read = []place{{Topic: "b", Partition: 1, Offset: int64(i)}}
		}
	default:
		d.Policy = []rbac.Change{change}
	}
	return d
}

func limitsOf(list []decision) map[string]cluster.Limits {
	var last map[string]cluster.Limits
	for _, d := range list {
		if d.Limits != nil {
			last = d.Limits
		}
	}
	return last
}

func spell(list []decision) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s %s %s", d.From.Format("15:04:05"), d.Tenant, d.Source)
		for i := range d.Policy {
			fmt.Fprintf(&b, " %s(deleted %v)", objectOf(&d.Policy[i]), d.Policy[i].Deleted)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), decisionsFile)
	j, list, err := openJournal(path)
	if err != nil || list != nil {
		t.Fatal(list, err)
	}
	want := []decision{
		{Source: policy.SourceFiles, Policy: []rbac.Change{bound("b", "r", "u")}},
		{From: time.Unix(10, 0).UTC(), Tenant: "a", Source: policy.SourceAudit, Record: &place{"a", 1, 2}, Policy: []rbac.Change{unbound("b")}},
		{From: time.Unix(20, 0).UTC(), Source: "limits", Limits: map[string]cluster.Limits{"a": cluster.DefaultLimits()}},
	}
	for i := range want {
		if err := j.append(&want[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}

	// Nor is one that says that nobody has limits of his own any more forgotten.
	want = append(want, decision{From: time.Unix(30, 0).UTC(), Source: "limits", Limits: map[string]cluster.Limits{}})
	j, _, err = openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.append(&want[3]), j.sync(), j.close()); err != nil {
		t.Fatal(err)
	}

	// A crash in the middle of a line costs that line.
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"source":"fi`); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}
	j, list, err = openJournal(path)
	if err != nil || !reflect.DeepEqual(list, want) {
		t.Fatalf("%v\ngot  %+v\nwant %+v", err, list, want)
	}

	// It goes on behind the last whole line, also after it was folded.
	j.folded = -journalRoom
	if err := j.foldIfDue(time.Unix(15, 0)); err != nil {
		t.Fatal(err)
	}
	if err := j.append(&want[2]); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	_, list, err = openJournal(path)
	if want := append(fold(want, time.Unix(15, 0)), want[2]); err != nil || !reflect.DeepEqual(list, want) {
		t.Fatalf("%v\ngot  %+v\nwant %+v", err, list, want)
	}
}

// Nor is one with limits that can't be.
func TestJournalOfWrongLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), decisionsFile)
	if err := os.WriteFile(path, []byte(`{"source":"limits","limits":{"a":{}}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readDecisionsFile(path); err == nil || !strings.Contains(err.Error(), "decision 1: limits.a") {
		t.Fatal(err)
	}
}

// A disk that is full costs the folding, not the journal, and is not asked again
// with every batch.
func TestJournalThatCannotBeFolded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, decisionsFile)
	j, _, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	d := decision{Source: policy.SourceFiles, Policy: []rbac.Change{bound("b", "r", "u")}}
	if err := j.append(&d); err != nil {
		t.Fatal(err)
	}
	j.path, j.folded = filepath.Join(dir, "gone", decisionsFile), -journalRoom
	if err := j.foldIfDue(time.Unix(15, 0)); err == nil {
		t.Fatal("folded into nothing")
	}
	if err := j.foldIfDue(time.Unix(15, 0)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.append(&d), j.sync(), j.close()); err != nil {
		t.Fatal(err)
	}
	if _, list, err := openJournal(path); err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
}

// A repeated run holds the policies that events can still ask for, not all of
// them.
func TestRepeatedDecisionsTakeNoMemory(t *testing.T) {
	var list []decision
	for i := range int64(2000) {
		list = append(list, decision{
			Source: policy.SourceFiles, From: time.Unix(0, begin+i*10*second).UTC(),
			Policy: []rbac.Change{bound("b", fmt.Sprint("r", i), "u")},
		})
	}
	p := testPolicies(t)
	p.repeat(list)
	most := 0
	for i := range int64(2000) {
		seen(p, begin+i*10*second)
		wantRole(t, p, "a", begin+i*10*second, fmt.Sprint("ClusterRole/r", i))
		most = max(most, p.tenants[""].versions.Len())
	}
	cfg := DefaultConfig()
	if limit := int(keptVersions(&cfg)/(10*second)) + 2; most > limit {
		t.Errorf("%d versions, want at most %d", most, limit)
	}
}

// A journal that many runs have added to is folded by the next one.
func TestJournalOfManyRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), decisionsFile)
	d := decision{Source: policy.SourceFiles, Policy: []rbac.Change{bound("b", strings.Repeat("r", journalRoom/10), "u")}}
	for range 12 {
		j, _, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.foldIfDue(time.Unix(15, 0)), j.append(&d), j.sync(), j.close()); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > journalRoom {
		t.Fatal(info.Size(), err)
	}
}

// A decision that is not one is an error, not a policy without it.
func TestJournalOfGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), decisionsFile)
	if err := os.WriteFile(path, []byte("{\"source\":\"files\"}\n{]\n{\"source\":\"files\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openJournal(path); err == nil || !strings.Contains(err.Error(), "decision 2") {
		t.Fatal(err)
	}
}

// What can't be written is not in force, and is tried again.
func TestDecisionWaitsForTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), decisionsFile)
	j, _, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	p := testPolicies(t)
	p.journal = j
	p.told("", policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "r", "u")}})
	if err := j.file.Close(); err != nil { // a disk that has gone
		t.Fatal(err)
	}
	if err := p.settle(0); err == nil {
		t.Fatal("written to a closed file")
	}
	if got := roleAt(p, "a", 1); got != "" && got != "-" {
		t.Fatalf("in force without being written down: %q", got)
	}
	if p.journal, _, err = openJournal(path); err != nil {
		t.Fatal(err)
	}
	if err := p.settle(0); err != nil {
		t.Fatal(err)
	}
	if got := roleAt(p, "a", 1); got != "ClusterRole/r" {
		t.Fatal(got)
	}
	_, list, err := openJournal(path)
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Policy[0].ClusterRoleBinding.Subjects, p.tenants[""].objects.ClusterRoleBindings[0].Subjects) {
		t.Fatal(list, err)
	}
}

func clusterRole(name, verb, resource string) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{Verbs: []string{verb}, APIGroups: []string{""}, Resources: []string{resource}}},
	}
}
