package policy

import "github.com/logcluster/logcluster/fingerprint/rbac"

// The sources that send an [Update], as [Update].Source and the label source of
// the metrics spell them. SourceAudit is the audit log itself, whose changes
// [FromEvent] reads; it is named here so that all are named alike.
const (
	SourceFiles   = "files"
	SourceCluster = "cluster"
	SourceAudit   = "audit"
)

// Update is what a source has learned since its previous update; its first one
// holds everything it knows. It belongs to whoever receives it, but the objects
// that its changes point to are shared with the source and must not be written
// to.
type Update struct {
	// Source is who tells: SourceFiles or SourceCluster.
	Source string
	// Initial says that this is the source's first update since it was started:
	// everything it knows. It is handed on also when it is empty, and while the
	// service starts, but for a [Cluster] that starts without its API server.
	Initial bool
	// Changes are to be applied in their order. No two are about the same
	// object. Never empty unless Initial is set.
	Changes []rbac.Change
	// Objects is how many objects the source knows after the changes.
	Objects int
}
