package anomaly

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// level is the logarithm of the p-value at which one test among so many clusters
// counts towards an alert: the wanted number of false alerts over the
// effectively independent tests of a day of event time. Of the overlapping
// windows of a scale, those that do not overlap are independent.
func (d *Detector) level(name string, clusters int) float64 {
	tn := d.tenant(name)
	tests := 0.0
	add := func(window int64, clusters float64) {
		if window > 0 {
			tests += float64(24*time.Hour) / float64(window) * math.Max(clusters, 1)
		}
	}
	add(tn.window, math.Max(float64(clusters), d.store.Tests(name)))
	for s := cluster.Medium; s < cluster.NumScales; s++ {
		add(tn.views[s].End-tn.views[s].Start, float64(len(tn.views[s].IDs)))
	}
	return math.Min(0, math.Log(d.cfg.FalseAlertsPerDay/math.Max(tests, 1)))
}

// cutoff is the logarithm of the p-value at which a test of this evaluation
// counts, by the step-up procedure of Benjamini and Hochberg (1995) with weighted
// p-values (Genovese, Roeder and Wasserman 2006): the largest of the k-th
// smallest that are within k times the level. With one alone it is the level;
// when much happens at once, each of it needs less. What fires already is
// continued, not tested again, and lets nothing else through.
func (j *judging) cutoff() float64 {
	level := j.level(j.ev.Tenant, j.evaluated)
	var tested []float64
	for i := range j.candidates {
		if c := &j.candidates[i]; c.exceeds() && (c.track == nil || c.track.Story == 0) {
			tested = append(tested, j.weighted(c, c.scale, c.logP))
		}
	}
	slices.SortFunc(tested, cmp.Compare[float64])
	for k := len(tested); k > 1; k-- {
		if bound := level + math.Log(float64(k)); tested[k-1] <= bound {
			return bound
		}
	}
	return level
}

// weighted is the logarithm of a p-value as it is held against the cutoff. It is
// divided by the cluster's allowance. Where only what is extraordinary counts, it
// is the square root of the p-value: while the tenant is being learnt; for less
// than usual, and for the absence of a cluster, where the role does other things,
// because a component that is dead is silent in everything; and for what only
// reacts to others, because it adds up what all of them do.
func (j *judging) weighted(c *candidate, s cluster.Scale, logP float64) float64 {
	v := &c.said[s]
	if j.learning || !v.Up && (!v.silent || j.active(c.cluster.Role)) ||
		!isNew(v.Driver) && reactive(c.cluster, v.account.Subjects) {
		logP /= 2
	}
	if v.Up {
		logP -= j.allowance(c.cluster)
	}
	return logP
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
// clusters in the window, so that all together stay within the wanted number.
func (j *judging) allowance(key *fingerprint.ClusterKey) float64 {
	if j.meanStake == 0 {
		for i := range j.ev.Windows {
			j.meanStake += stake(j.ev.Windows[i].Cluster)
		}
		j.meanStake = math.Max(1, j.meanStake/math.Max(1, float64(len(j.ev.Windows))))
	}
	return math.Log(stake(key) / j.meanStake)
}
