package anomaly

import (
	"math"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// Risk is the weight of a cluster's power in the ranking: what an intruder
// gains from it. z is multiplied with it to rank, and only to rank.
//
//	review 0.8   asks, changes nothing
//	read   1
//	write  1.1   delete 1.2
//	connect 1.5  a shell or a tunnel
//	escalate 2   more power than before
//
// times 1.25 for sensitive resources.
func Risk(key *fingerprint.ClusterKey) float64 {
	w := riskOfAccess[min(int(key.Access), len(riskOfAccess)-1)]
	if key.Sensitive {
		w *= 1.25
	}
	return w
}

var riskOfAccess = [...]float64{
	fingerprint.AccessReview:   0.8,
	fingerprint.AccessRead:     1,
	fingerprint.AccessWrite:    1.1,
	fingerprint.AccessDelete:   1.2,
	fingerprint.AccessConnect:  1.5,
	fingerprint.AccessEscalate: 2,
}

// reactive reports whether a cluster is a part of Kubernetes that acts on what
// others have written: its controllers, scheduler, nodes and the API server
// itself. Names that begin with "system:" are reserved for them.
func reactive(key *fingerprint.ClusterKey, subjects []Share) bool {
	for member := range strings.SplitSeq(key.Role, ",") {
		if strings.HasPrefix(member, "ClusterRole/system:controller:") || slices.Contains(reactiveRoles, member) {
			return true
		}
	}
	return len(subjects) > 0 && subjects[0].Name == "system:apiserver"
}

var reactiveRoles = []string{
	"ClusterRole/system:kube-scheduler", "ClusterRole/system:kube-controller-manager",
	"ClusterRole/system:node", "system:nodes",
}

// isAct reports whether a feature tells of what somebody did or tried. That
// requests fail, take long or are otherwise composed tells of how it went.
func isAct(f cluster.Feature) bool {
	return f < cluster.NumFeatures && f != cluster.Failed || f == cluster.Peer
}

// weight is what anomalies are ranked by.
func (d *Detector) weight(tr *track) float64 {
	z := math.Abs(tr.Z)
	if d.cfg.RiskWeights {
		z *= Risk(tr.Cluster)
	}
	return z
}

// severityOf fixes an anomaly's severity when it fires: critical where power may
// have been gained or used (see isAct), and info while the tenant is being learnt.
func severityOf(tr *track, learning bool) Severity {
	key := tr.Cluster
	switch {
	case learning:
		return Info
	case !isAct(tr.Driver):
		return Warning
	case key.Access == fingerprint.AccessEscalate,
		(key.Sensitive || key.Access == fingerprint.AccessConnect) && tr.Z > 0:
		return Critical
	default:
		return Warning
	}
}
