package app

import (
	"time"

	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// maxRecent bounds the versions of a policy that are shown.
const maxRecent = 20

// tenantPolicy is the policy of a tenant: the objects as they are now, and what
// was in force when.
type tenantPolicy struct {
	set *rbac.Set
	// said is what each source has said last. Sources are merged object by
	// object; package policy says who wins.
	said map[string]*rbac.Set
	// learned are the bytes that the objects take which the audit log has told, by
	// object, and in all.
	learned      map[string]int
	learnedBytes int
	versions     rbac.Versions
	// waiting are changes of set since the last version, in force from due on.
	waiting int
	due     int64
	by      []string // their sources
	// number, recent, the objects of the last version and when sources told
	// something last (by the wall clock) are for people.
	number  uint64
	recent  []policyVersion
	objects rbac.Objects
	toldAt  map[string]time.Time
	health  map[string]func() policy.Health
	// inherits says that the policy began as that of everybody, whose changes it
	// follows.
	inherits bool
}

// policyVersion is one version, for people.
type policyVersion struct {
	number  uint64
	from    int64
	changes int
	sources []string
}

// since returns what has changed since a source spoke last, perhaps before a
// restart, by all that it knows now. What the audit log told before a cluster was
// watched is gone where the cluster does not have it.
func (t *tenantPolicy) since(u *update) []rbac.Change {
	now := rbac.NewSet(rbac.Objects{})
	for i := range u.Changes {
		now.Apply(u.Changes[i])
	}
	changes := rbac.Diff(t.heard(u.Source).Objects(), now.Objects())
	if u.Source != policy.SourceCluster {
		return changes
	}
	for _, c := range rbac.Diff(t.heard(policy.SourceAudit).Objects(), now.Objects()) {
		if _, listed := t.heard(u.Source).Get(c); c.Deleted && !listed {
			changes = append(changes, c)
		}
	}
	return changes
}

// heard returns what a source has said.
func (t *tenantPolicy) heard(source string) *rbac.Set {
	said := t.said[source]
	if said == nil {
		said = rbac.NewSet(rbac.Objects{})
		t.said[source] = said
	}
	return said
}

// hear notes what a source says, and returns what counts of it: about an object
// that is watched in a cluster, nobody else is believed.
func (t *tenantPolicy) hear(d *decision) []rbac.Change {
	counts := make([]rbac.Change, 0, len(d.Policy))
	for _, c := range d.Policy {
		t.heard(d.Source).Put(c)
		if d.Source == policy.SourceAudit {
			t.weigh(&c)
		}
		if d.Source == policy.SourceCluster {
			if c.Deleted {
				t.heard(policy.SourceAudit).Put(c)
				t.weigh(&c)
			}
		} else if _, watched := t.heard(policy.SourceCluster).Get(c); watched {
			continue
		}
		counts = append(counts, c)
	}
	return counts
}

// maxLearnedBytes bounds the objects that the audit log of one tenant can teach,
// which is whoever can write to its topic: some ten times those of a cluster with
// 10,000 bindings. What is more is counted as unseen.
const maxLearnedBytes = 32 << 20

// objectBytes is what an object costs beside its own text.
const objectBytes = 256

func bytesOf(c *rbac.Change) int {
	switch {
	case c.Deleted:
		return 0
	case c.Role != nil:
		return objectBytes + c.Role.Size()
	case c.ClusterRole != nil:
		return objectBytes + c.ClusterRole.Size()
	case c.RoleBinding != nil:
		return objectBytes + c.RoleBinding.Size()
	case c.ClusterRoleBinding != nil:
		return objectBytes + c.ClusterRoleBinding.Size()
	}
	return 0
}

// weigh counts an object that the audit log told.
func (t *tenantPolicy) weigh(c *rbac.Change) {
	object, bytes := objectOf(c), bytesOf(c)
	t.learnedBytes += bytes - t.learned[object]
	if t.learned[object] = bytes; bytes == 0 {
		delete(t.learned, object)
	}
}

// hasRoom reports whether the audit log can teach that.
func (t *tenantPolicy) hasRoom(changes []rbac.Change) bool {
	more := 0
	for i := range changes {
		if bytes := bytesOf(&changes[i]); bytes > 0 {
			more += bytes - t.learned[objectOf(&changes[i])]
		}
	}
	return more <= 0 || t.learnedBytes+more <= maxLearnedBytes
}

// inForceFrom says from when a version is in force.
func inForceFrom(from int64) string {
	if from == 0 {
		return "the beginning"
	}
	return time.Unix(0, from).UTC().Format(time.RFC3339)
}
