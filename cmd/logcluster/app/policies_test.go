package app

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

const second = int64(time.Second)

// begin is the start of a pane.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano()

// written is the audit event of somebody who wrote a binding.
func written(t testing.TB, at int64, c rbac.Change) *fingerprint.Event {
	t.Helper()
	e := &fingerprint.Event{
		Time: at, Tenant: "a", User: "admin", Verb: "create", Code: 201, Decision: fingerprint.DecisionAllow,
		Resource: fingerprint.Resource{Group: rbacGroup, Name: "clusterrolebindings", Object: c.ClusterRoleBinding.Name},
	}
	if c.Deleted {
		e.Verb, e.Code = "delete", 200
		return e
	}
	var err error
	if e.Object, err = json.Marshal(c.ClusterRoleBinding); err != nil {
		t.Fatal(err)
	}
	return e
}

func seen(p *policies, at int64) { seenIn(p, "a", at) }

func seenIn(p *policies, tenant string, at int64) {
	p.observe(&fingerprint.Event{Time: at, Tenant: tenant, Verb: "get", Resource: fingerprint.Resource{Name: "pods"}}, origin{time: at, partition: 0})
}

func tell(t testing.TB, p *policies, now int64, u policy.Update) {
	t.Helper()
	p.told("", u)
	if err := p.settle(now); err != nil {
		t.Fatal(err)
	}
}

func wantRole(t testing.TB, p *policies, tenant string, at int64, want string) {
	t.Helper()
	if got := roleAt(p, tenant, at); got != want {
		t.Errorf("tenant %s, %v after the beginning: role %q, want %q", tenant, time.Duration(at-begin), got, want)
	}
}

func TestChangeOfBindingsIsInForceFromTheNextPane(t *testing.T) {
	p := testPolicies(t)
	wantRole(t, p, "a", begin, "-")
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}})
	wantRole(t, p, "a", begin-3600*second, "ClusterRole/viewer")

	seen(p, begin+12*second)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{bound("b2", "admin", "u")}})
	wantRole(t, p, "a", begin+19*second, "ClusterRole/viewer")
	wantRole(t, p, "a", begin+20*second, "ClusterRole/admin,ClusterRole/viewer")
	wantRole(t, p, "a", begin+19*second, "ClusterRole/viewer") // a late one

	// Where events are as they happen, a change counts for none from before it.
	seen(p, begin+25*second)
	tell(t, p, begin+61*second, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{unbound("b2")}})
	wantRole(t, p, "a", begin+69*second, "ClusterRole/admin,ClusterRole/viewer")
	wantRole(t, p, "a", begin+70*second, "ClusterRole/viewer")
	if n := len(p.tenants[""].recent); n != 3 {
		t.Errorf("%d versions", n)
	}
}

func TestChangesOfOnePaneAreOneVersion(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "r0", "u")}})
	seen(p, begin+1)
	for _, role := range []string{"r1", "r2", "r3"} {
		tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{bound("b", role, "u")}})
	}
	wantRole(t, p, "a", begin+10*second, "ClusterRole/r3")
	if n := p.tenants[""].number; n != 2 {
		t.Errorf("%d versions", n)
	}
}

func TestTheAuditLogChangesItsOwnTenant(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}})
	from := origin{time: begin, partition: 0, offset: 7}
	p.observe(written(t, begin+3*second, bound("evil", "admin", "u")), from)
	wantRole(t, p, "a", begin+9*second, "ClusterRole/viewer")
	wantRole(t, p, "a", begin+10*second, "ClusterRole/admin,ClusterRole/viewer")
	wantRole(t, p, "b", begin+10*second, "ClusterRole/viewer")

	// What everybody's policy learns later, it learns too.
	seen(p, begin+11*second)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{bound("b", "reader", "u")}})
	wantRole(t, p, "a", begin+20*second, "ClusterRole/admin,ClusterRole/reader")
	wantRole(t, p, "b", begin+20*second, "ClusterRole/reader")

	from.offset++
	p.observe(written(t, begin+21*second, unbound("evil")), from)
	wantRole(t, p, "a", begin+30*second, "ClusterRole/reader")
}

func TestARecordIsLearnedFromOnce(t *testing.T) {
	from := origin{time: begin, partition: 3, offset: 7}
	var list []decision
	record := func(d decision) { list = append(list, d) }
	record(decision{Source: policy.SourceFiles, Policy: []rbac.Change{bound("b", "viewer", "u")}})
	record(decision{Tenant: "a", Inherits: true, Source: policy.SourceAudit, From: time.Unix(0, begin+40*second).UTC(), Record: &place{"a", 3, 7}, Policy: []rbac.Change{bound("evil", "admin", "u")}})

	again := testPolicies(t)
	again.restore(list)
	again.observe(written(t, begin, bound("evil", "admin", "u")), from) // read again after a crash
	wantRole(t, again, "a", begin+39*second, "ClusterRole/viewer")
	wantRole(t, again, "a", begin+40*second, "ClusterRole/admin,ClusterRole/viewer")
}

// A record that changed nothing when it was read first changes nothing when it is
// read once more after a crash, whatever was decided since.
func TestARecordThatChangedNothingIsNotLearnedFromLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), decisionsFile)
	run := func(watch func(*policies)) {
		j, list, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		p := testPolicies(t)
		p.restore(list)
		p.journal = j
		tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u"), versioned(bound("c", "admin", "u"), "8")}})
		// Of two API servers each writes a partition; one's word comes late.
		p.observe(written(t, begin, versioned(bound("c", "old", "u"), "7")), origin{time: begin, partition: 0, offset: 5})
		watch(p)
		p.observe(written(t, begin+second, unbound("c")), origin{time: begin, partition: 1, offset: 9})
		wantRole(t, p, "a", begin+10*second, "ClusterRole/viewer")
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
	run(func(p *policies) { wantRole(t, p, "a", begin, "ClusterRole/admin,ClusterRole/viewer") })
	run(func(p *policies) { wantRole(t, p, "a", begin+10*second, "ClusterRole/viewer") })
}

// How far the events of one tenant are ahead changes nothing for another.
func TestATenantAheadPutsNobodyOff(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}})
	p.observe(&fingerprint.Event{Time: begin + 290*second, Tenant: "hostile", Verb: "get"}, origin{time: begin, partition: 0})
	p.observe(written(t, begin, bound("evil", "admin", "u")), origin{time: begin, partition: 0})
	wantRole(t, p, "a", begin+10*second, "ClusterRole/admin,ClusterRole/viewer")
}

// A source that starts again tells everything anew: what has not changed is no
// change, what is gone is.
func TestASourceStartsAgain(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u"), bound("c", "editor", "u")}})
	wantRole(t, p, "a", begin, "ClusterRole/editor,ClusterRole/viewer")
	seen(p, begin)
	p.observe(written(t, begin+second, bound("c", "admin", "u")), origin{time: begin, partition: 0, offset: 1})
	wantRole(t, p, "a", begin+10*second, "ClusterRole/admin,ClusterRole/viewer")

	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("c", "editor", "u")}})
	wantRole(t, p, "a", begin+20*second, "ClusterRole/admin")
}

func versioned(c rbac.Change, version string) rbac.Change {
	c.ClusterRoleBinding.ResourceVersion = version
	return c
}

// After a cluster was restored from a backup its versions go back: what it says
// holds all the same, and files do not overrule it.
func TestAClusterIsBelieved(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{versioned(bound("b", "old", "u"), "4"), bound("only", "file", "u")}})
	tell(t, p, 0, policy.Update{Source: policy.SourceCluster, Initial: true, Changes: []rbac.Change{versioned(bound("b", "viewer", "u"), "900")}})
	wantRole(t, p, "a", begin, "ClusterRole/file,ClusterRole/viewer")
	seen(p, begin)
	tell(t, p, 0, policy.Update{Source: policy.SourceCluster, Changes: []rbac.Change{versioned(bound("b", "restored", "u"), "17")}})
	wantRole(t, p, "a", begin+10*second, "ClusterRole/file,ClusterRole/restored")
	seen(p, begin+11*second)
	tell(t, p, 0, policy.Update{Source: policy.SourceCluster, Initial: true, Changes: []rbac.Change{versioned(bound("b", "again", "u"), "3")}})
	wantRole(t, p, "a", begin+20*second, "ClusterRole/again,ClusterRole/file")
	seen(p, begin+21*second)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{unbound("b"), versioned(bound("only", "file2", "u"), "1")}})
	wantRole(t, p, "a", begin+30*second, "ClusterRole/again,ClusterRole/file2")
}

// What the audit log told before a cluster was watched is gone where the cluster
// does not have it.
func TestAClusterEndsWhatTheLogTold(t *testing.T) {
	p := testPolicies(t)
	own := policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}}
	p.told("a", own)
	if err := p.settle(0); err != nil {
		t.Fatal(err)
	}
	p.observe(written(t, begin, bound("evil", "admin", "u")), origin{time: begin, partition: 0})
	wantRole(t, p, "a", begin+10*second, "ClusterRole/admin,ClusterRole/viewer")
	seen(p, begin+11*second)
	p.told("a", policy.Update{Source: policy.SourceCluster, Initial: true})
	if err := p.settle(0); err != nil {
		t.Fatal(err)
	}
	wantRole(t, p, "a", begin+20*second, "ClusterRole/viewer")
}

// A file that goes back in its history holds, unless the log told later.
func TestFilesGoBack(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{versioned(bound("b", "new", "u"), "9"), versioned(bound("c", "new", "u"), "9")}})
	seen(p, begin)
	p.observe(written(t, begin+second, versioned(bound("c", "told", "u"), "10")), origin{time: begin, partition: 0})
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{versioned(bound("b", "old", "u"), "5"), versioned(bound("c", "old", "u"), "5")}})
	wantRole(t, p, "a", begin+10*second, "ClusterRole/old,ClusterRole/told")
	wantRole(t, p, "b", begin+10*second, "ClusterRole/old")
}

// What a source told that is no longer configured ends.
func TestASourceThatIsNoLongerConfigured(t *testing.T) {
	p := testPolicies(t)
	p.restore([]decision{
		{Source: policy.SourceFiles, Policy: []rbac.Change{bound("b", "viewer", "u")}},
		{Source: policy.SourceCluster, Policy: []rbac.Change{bound("c", "admin", "u")}},
	})
	p.know("", policy.SourceFiles, func() policy.Health { return policy.Health{} })
	p.retire()
	seen(p, begin)
	if err := p.settle(0); err != nil {
		t.Fatal(err)
	}
	wantRole(t, p, "a", begin, "ClusterRole/admin,ClusterRole/viewer")
	wantRole(t, p, "a", begin+10*second, "ClusterRole/viewer")
	p.retire()
	if len(p.updates) > 0 {
		t.Error("once more")
	}
}

// Whoever can write to a topic can't have the policy of its tenant take all the
// memory, and what is deleted makes room again.
func TestTheAuditLogTeachesWithinBounds(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}})
	large := bound("flood", "x", strings.Repeat("n", policy.MaxObjectBytes/2))
	offset := int64(0)
	put := func(i int, c rbac.Change) {
		offset++
		c.ClusterRoleBinding.Name = fmt.Sprint("flood", i)
		p.observe(written(t, begin, c), origin{time: begin, partition: 0, offset: offset})
	}
	for i := range 64 {
		put(i, large)
		put(i, large) // it takes room once
	}
	own := p.tenants["a"]
	if n := own.set.Len(); n != 1+31 || p.unseen["a"] == 0 || own.learnedBytes > maxLearnedBytes {
		t.Errorf("%d objects of %d bytes, %d unseen", n, own.learnedBytes, p.unseen["a"])
	}
	put(0, unbound(""))
	put(100, bound("", "admin", "u"))
	wantRole(t, p, "a", begin+10*second, "ClusterRole/admin,ClusterRole/viewer")
	for i := range 101 {
		put(i, unbound(""))
	}
	if own.learnedBytes != 0 || len(own.learned) != 0 {
		t.Errorf("%d bytes of nothing", own.learnedBytes)
	}
}

// What people ask does not change what the stream comes to, nor read what belongs
// to its goroutine.
func TestPeopleAskWhileRecordsFlow(t *testing.T) {
	p := testPolicies(t)
	asking := false
	p.settled = func() int64 {
		if asking {
			t.Error("the windows are the stream's")
		}
		return 0
	}
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "r", "u")}})
	view := roleView{nil, p}
	for i := range int64(3) {
		asking = true
		if _, known := view.Explain("a", &rbac.Request{User: "u"}); !known {
			t.Error("no policy")
		}
		asking = false
		seen(p, begin+i*10*second)
		for _, role := range []string{"r", "r2"} {
			tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{bound("b", fmt.Sprint(role, i), "u")}})
			asking = true
			view.Explain("a", &rbac.Request{User: "u"})
			asking = false
		}
		wantRole(t, p, "a", begin+(i+1)*10*second, fmt.Sprint("ClusterRole/r2", i))
	}
	if n := p.tenants[""].versions.Len(); n != 4 {
		t.Errorf("%d versions held", n)
	}
}

func TestUnseenChangesAreCounted(t *testing.T) {
	p := testPolicies(t)
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}})
	e := written(t, begin, bound("evil", "admin", "u"))
	e.Object = nil // audit level Metadata
	p.observe(e, origin{time: begin, partition: 0})
	wantRole(t, p, "a", begin+60*second, "ClusterRole/viewer")
	if p.unseen["a"] != 1 {
		t.Error(p.unseen)
	}
}

// One wrong clock must not put a change off for years.
func TestAWrongClockDoesNotDelayAChange(t *testing.T) {
	for name, from := range map[string]origin{
		"in Kafka": {time: begin, partition: 0, offset: 2}, "without a timestamp": {partition: 0, offset: 2}, "in a file": {partition: noPartition},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPolicies(t)
			tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u")}})
			seen(p, begin)
			p.observe(&fingerprint.Event{Time: begin + 1e6*second, Tenant: "a", Verb: "get"}, from)
			p.observe(written(t, begin, bound("evil", "admin", "u")), from)
			wantRole(t, p, "a", begin+10*second, "ClusterRole/admin,ClusterRole/viewer")
			from.offset++
			p.observe(written(t, begin+1e7*second, bound("future", "editor", "u")), from)
			from.offset++
			p.observe(written(t, begin+20*second, unbound("evil")), from)
			wantRole(t, p, "a", begin+30*second, "ClusterRole/editor,ClusterRole/viewer")
			seen(p, begin+31*second)
			tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Changes: []rbac.Change{unbound("b")}})
			if name == "in a file" {
				return // which has no sources that tell
			}
			wantRole(t, p, "a", begin+40*second, "ClusterRole/editor")
			wantRole(t, p, "b", begin+40*second, "")
		})
	}
}

func TestRefuted(t *testing.T) {
	p := testPolicies(t)
	e := &fingerprint.Event{Time: begin, Tenant: "a", User: "u", Verb: "get", Decision: fingerprint.DecisionForbid, Resource: fingerprint.Resource{Name: "pods"}}
	if p.refuted(e) {
		t.Error("refuted without a policy")
	}
	role := rbac.Change{ClusterRole: clusterRole("viewer", "get", "pods")}
	tell(t, p, 0, policy.Update{Source: policy.SourceFiles, Initial: true, Changes: []rbac.Change{bound("b", "viewer", "u"), role}})
	if !p.refuted(e) {
		t.Error("the policy allows it")
	}
	e.Resource.Name = "secrets"
	if p.refuted(e) {
		t.Error("the policy refuses it too")
	}
}
