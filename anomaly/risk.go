package anomaly

import (
	"math"
	"slices"
	"strings"

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

// stake is the weight of a cluster's tests when the wanted number of false alerts
// is shared out: how many more false alerts one is worth taking for it. See
// [Config.FalseAlertsPerDay].
func stake(key *fingerprint.ClusterKey) float64 {
	w := stakeOfAccess[min(int(key.Access), len(stakeOfAccess)-1)]
	if key.Sensitive {
		w *= 4
	}
	return w
}

var stakeOfAccess = [...]float64{
	fingerprint.AccessReview:   1,
	fingerprint.AccessRead:     1,
	fingerprint.AccessWrite:    1,
	fingerprint.AccessDelete:   2,
	fingerprint.AccessConnect:  4,
	fingerprint.AccessEscalate: 8,
}

// allowance is the logarithm of a cluster's stake over the mean stake of the
// clusters in the window, so that all together stay within the wanted number
// (p-value weighting: Genovese, Roeder and Wasserman 2006).
func (j *judging) allowance(key *fingerprint.ClusterKey) float64 {
	if j.meanStake == 0 {
		for i := range j.ev.Windows {
			j.meanStake += stake(j.ev.Windows[i].Cluster)
		}
		j.meanStake = math.Max(1, j.meanStake/math.Max(1, float64(len(j.ev.Windows))))
	}
	return math.Log(stake(key) / j.meanStake)
}

// reactive reports whether a cluster is a part of Kubernetes that acts on what
// others have written: its controllers, scheduler, nodes and the API server
// itself. Names that begin with "system:" are reserved for them.
func reactive(tr *track) bool {
	for member := range strings.SplitSeq(tr.Cluster.Role, ",") {
		if strings.HasPrefix(member, "ClusterRole/system:controller:") || slices.Contains(reactiveRoles, member) {
			return true
		}
	}
	return len(tr.Subjects) > 0 && tr.Subjects[0].Name == "system:apiserver"
}

var reactiveRoles = []string{
	"ClusterRole/system:kube-scheduler", "ClusterRole/system:kube-controller-manager",
	"ClusterRole/system:node", "system:nodes",
}

// weight is what anomalies are ranked by.
func (d *Detector) weight(tr *track) float64 {
	z := math.Abs(tr.Z)
	if d.cfg.RiskWeights {
		z *= Risk(tr.Cluster)
	}
	return z
}

// severityOf fixes an anomaly's severity when it fires: critical where power
// may have been gained or used, info for what is less than usual in reading and
// for what is found while the tenant is being learnt.
func severityOf(tr *track, learning bool) Severity {
	key := tr.Cluster
	switch {
	case learning:
		return Info
	case key.Access == fingerprint.AccessEscalate,
		(key.Sensitive || key.Access == fingerprint.AccessConnect) && tr.Z > 0:
		return Critical
	default:
		return Warning
	}
}
