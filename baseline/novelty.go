package baseline

import (
	"math"
	"time"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// class is what first-seen rates are kept by: the access and whether the
// resource is sensitive. New readers of pods come every hour, new writers of
// webhooks once a year.
type class uint8

const (
	accesses = int(fingerprint.AccessEscalate) + 1
	classes  = 2 * accesses
)

func classOf(k *fingerprint.ClusterKey) class {
	c := class(min(int(k.Access), accesses-1)) * 2
	if k.Sensitive {
		c++
	}
	return c
}

// novelties are the kinds of first-seen things that have a rate: the four
// first-seen features, and new clusters: whose first window was mostly allowed
// or mostly refused.
const (
	newCluster = int(cluster.NumFeatures) - counted + iota
	newRefused
	novelties
)

// noveltyHalfLife is how fast the rates of new things forget. They fall all the
// time while a tenant is being learnt.
const noveltyHalfLife = 12 * time.Hour

// Rate is a decayed sum over a tenant's windows of how many new things of a
// kind a cluster had, and of the squares.
type Rate struct{ Sum, Square float64 }

// rates are a tenant's rates of new things.
type rates struct {
	windows  float64 // decayed live windows
	clusters float64 // decayed clusters with events, over them
	of       [classes][novelties]Rate
	first    [classes]Rate // events in the first window of a cluster

	models      [classes][novelties]*model
	firstModels [classes]*model
}

// decay ages the rates by one window.
func (r *rates) decay(window time.Duration) {
	keep := math.Exp2(-float64(window) / float64(noveltyHalfLife))
	r.windows = r.windows*keep + 1
	r.clusters *= keep
	for c := range r.of {
		for k := range r.of[c] {
			r.of[c][k].Sum *= keep
			r.of[c][k].Square *= keep
		}
		r.first[c].Sum *= keep
		r.first[c].Square *= keep
	}
}

// add counts one cluster's window.
func (r *rates) add(c class, counts *cluster.Counts, born bool) {
	r.clusters++
	for k := range newCluster {
		r.of[c][k].add(float64(counts[counted+k]))
	}
	if born {
		r.of[c][bornKind(counts)].add(1)
		r.first[c].add(float64(counts[cluster.Events]))
	}
}

func (r *Rate) add(x float64) {
	if x > 0 {
		r.Sum += x
		r.Square += x * x
	}
}

func bornKind(counts *cluster.Counts) int {
	if 2*counts[cluster.Denied] > counts[cluster.Events] {
		return newRefused
	}
	return newCluster
}

// refit makes the models of a window of one cluster. The rate of a kind is
// the tenant's, spread evenly over the clusters that are active: so p times
// the number of clusters tested is how often the tenant sees the like.
func (r *rates) refit(g *grid) {
	tests := math.Max(r.clusters, 1)
	for c := range r.of {
		for k, sum := range r.of[c] {
			r.models[c][k] = g.at(sum.moments(tests))
		}
		births := r.of[c][newCluster].Sum + r.of[c][newRefused].Sum
		r.firstModels[c] = g.at(r.first[c].moments(births))
	}
}

// moments are the mean and dispersion of one window out of n, with half a
// thing added: what was never seen has a rate too.
func (r Rate) moments(n float64) (mean, dispersion float64) {
	sum, square := r.Sum+0.5, r.Square+0.5
	n = math.Max(n, 1)
	mean = sum / n
	return mean, math.Max((square/n-mean)/(mean*mean)-1, 0)
}

// priors are what a tenant's clusters have in common.
type priors struct {
	denied, failed [classes]float64 // shares of the events
	spread         [counted]float64 // typical dispersions
}

// What a tenant's clusters have in common before anything is known of them, and
// the weight of it: in events for the shares, in clusters for the dispersion.
const (
	firstDenied = 0.002
	firstFailed = 0.01
	firstSpread = 1.0

	priorEvents   = 1000
	priorClusters = 5
	// settledWindows is how many windows with events a cluster's own dispersion
	// must rest on to count for the others.
	settledWindows = 24
)

func (p *priors) reset() { p.refit(nil) }

// refit takes the shares of each class, and the geometric mean of the settled
// clusters' dispersions.
func (p *priors) refit(all []*history) {
	var events, denied, failed [classes]float64
	var logs [counted]float64
	settled := 0.0
	for _, h := range all {
		c := h.prediction.class
		events[c] += float64(h.total.Sum[cluster.Events])
		denied[c] += float64(h.total.Sum[cluster.Denied])
		failed[c] += float64(h.total.Sum[cluster.Failed])
		if h.total.Windows < settledWindows || h.spreadHour < 0 {
			continue
		}
		settled++
		for i := range counted {
			logs[i] += math.Log(math.Max(h.spread[i], minDispersion))
		}
	}
	for c := range events {
		p.denied[c] = (denied[c] + priorEvents*firstDenied) / (events[c] + priorEvents)
		p.failed[c] = (failed[c] + priorEvents*firstFailed) / (events[c] + priorEvents)
	}
	for i := range counted {
		p.spread[i] = math.Exp((logs[i] + priorClusters*math.Log(firstSpread)) / (settled + priorClusters))
	}
}
