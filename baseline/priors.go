package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
)

// priors are what a tenant's clusters have in common at one scale: what a
// cluster of which little is known is taken to be like. They have three steps:
// the tenant (of the same class of access), the group, the cluster itself.
type priors struct {
	denied, failed [classes]float64 // shares of the events
	spread         [counted]float64 // typical dispersions
	usual          [classes]usualMix
	groups         map[groupKey]*group
}

// groupKey is what the clusters of a group share: the role family, the resource
// and the access. What they differ in is the role.
type groupKey struct {
	family string
	use    use
}

// group is the sums over clusters of one family that do the same. A cluster that
// asks is taken out of them, so that nothing is its own witness.
type group struct {
	weight, weight2 float64          // of the rates, and its square
	rate, rate2     [counted]float64 // weighted rates (counts a window), and their squares
	settled         float64          // clusters in logs
	logs            [counted]float64 // logarithms of dispersions
	events          float64
	denied, failed  float64
}

// What a tenant's clusters have in common before anything is known of them, and
// the weight of it: in events for the shares, in clusters for the dispersion.
const (
	firstDenied = 0.002
	firstFailed = 0.01
	firstSpread = 1.0

	priorEvents   = 1000
	priorClusters = 5
	// groupEvents and groupClusters are the weight of the tenant against the group.
	groupEvents   = 200
	groupClusters = 3
)

// settledWindows is how many windows with events a cluster's own dispersion must
// rest on to count for the others.
var settledWindows = [cluster.NumScales]uint64{cluster.Short: 24, cluster.Medium: 12, cluster.Long: 3}

// settle notes what the clusters' dispersions tell the others. It is kept apart
// from the dispersions, which are fitted when a cluster is asked, so that the
// priors depend on the retrain alone.
func (p *population) settle() {
	for _, h := range p.order {
		h.settled = h.spreadCell != notFitted && h.total.Windows >= settledWindows[p.scale]
		if !h.settled {
			continue
		}
		for i := range counted {
			h.told[i] = float32(math.Log(math.Max(h.spread[i], minDispersion)))
		}
	}
}

// pool takes the priors from the histories.
func (p *population) pool() {
	var events, denied, failed [classes]float64
	var logs [counted]float64
	settled := 0.0
	for _, g := range p.prior.groups {
		*g = group{}
	}
	var usual [classes]usualMix
	for _, h := range p.order {
		c := h.prediction.class
		if h.form != nil {
			h.form.Verbs.tell(usual[c].verbs[:])
			h.form.Outcomes.tell(usual[c].outcomes[:])
		}
		events[c] += float64(h.total.Sum[cluster.Events])
		denied[c] += float64(h.total.Sum[cluster.Denied])
		failed[c] += float64(h.total.Sum[cluster.Failed])
		if h.group != nil {
			h.group.add(h, p.witness(h), 1)
		}
		if h.settled {
			settled++
			for i := range counted {
				logs[i] += float64(h.told[i])
			}
		}
	}
	for c := range usual {
		normalise(usual[c].verbs[:])
		normalise(usual[c].outcomes[:])
	}
	p.prior.usual = usual
	for c := range events {
		p.prior.denied[c] = (denied[c] + priorEvents*firstDenied) / (events[c] + priorEvents)
		p.prior.failed[c] = (failed[c] + priorEvents*firstFailed) / (events[c] + priorEvents)
	}
	for i := range counted {
		p.prior.spread[i] = math.Exp((logs[i] + priorClusters*math.Log(firstSpread)) / (settled + priorClusters))
	}
}

// tell adds a cluster's shares to those of its class, with a weight below 1 that
// is a half at mixEvents.
func (m *Mix) tell(shares []float64) {
	for i, v := range m.Of {
		shares[i] += v / (m.N + mixEvents)
	}
}

const mixEvents = 50

// normalise makes shares of sums, to which one cluster with an even mix is added.
func normalise(sums []float64) {
	all := 1.0
	for _, v := range sums {
		all += v
	}
	for i := range sums {
		sums[i] = (sums[i] + 1/float64(len(sums))) / all
	}
}

// witness is how much the rate of a cluster tells of the others' (0 to 1) and how
// many windows it is of: the first few are of a cluster that was just seen, which
// says more about when we look than about its rate.
func (p *population) witness(h *history) (w witness) {
	const half = 12 // cells
	w.windows = p.live.lived(h)
	w.weight = 1 - faded(w.windows, half*float64(cellWindows[p.scale]))
	return w
}

type witness struct{ weight, windows float64 }

// add adds a cluster to a group, or takes it out with a sign of −1.
func (g *group) add(h *history, w witness, sign float64) {
	g.events += sign * float64(h.total.Sum[cluster.Events])
	g.denied += sign * float64(h.total.Sum[cluster.Denied])
	g.failed += sign * float64(h.total.Sum[cluster.Failed])
	if w.windows > 0 {
		g.weight += sign * w.weight
		g.weight2 += sign * w.weight * w.weight
		for i, v := range h.total.Sum {
			rate := float64(v) / w.windows
			g.rate[i] += sign * w.weight * rate
			g.rate2[i] += sign * w.weight * rate * rate
		}
	}
	if h.settled {
		g.settled += sign
		for i := range counted {
			g.logs[i] += sign * float64(h.told[i])
		}
	}
}

// others returns the sums of a cluster's group without itself; the zero value
// when there is nobody else.
func (p *population) others(h *history) group {
	if h.group == nil {
		return group{}
	}
	g := *h.group
	g.add(h, p.witness(h), -1)
	if g.weight < leastWeight {
		g.weight = 0
	}
	return g
}

// leastWeight is what is not the rounding of a difference.
const leastWeight = 1e-6

// level is the prior of a cluster's rate: worth so many windows of a rate.
type level struct{ rate, windows float64 }

// mean draws a sum over lived windows to the prior.
func (l level) mean(sum, lived float64) float64 {
	return (sum + l.windows*l.rate) / (lived + l.windows)
}

// The prior of the level of a cluster without its like, in events and windows:
// half an event in one window, the Gamma(½, 1) prior of a Poisson rate. It gives
// a cluster an opinion from its second window and is forgotten after a few.
const (
	priorCount   = 0.5
	priorWindows = 1
	// priorVariation is its squared coefficient of variation, and priorMembers the
	// clusters that it counts for against how the others of a group vary.
	priorVariation = 2
	priorMembers   = 2
)

// levelOf returns the prior of a feature's level: the mean rate of the others in
// the group, worth as many windows as the variation within a cluster is larger
// than that between clusters (the credibility of Bühlmann and Straub 1970: with
// k = within/between, n windows of one's own count n/(n+k)).
func (g *group) levelOf(feature int, dispersion float64) level {
	if g.weight == 0 {
		return level{rate: priorCount / priorWindows, windows: priorWindows}
	}
	rate := math.Max(g.rate[feature]/g.weight, minRate)
	members := g.weight * g.weight / math.Max(g.weight2, leastWeight) // effective
	between := math.Max(g.rate2[feature]/g.weight-rate*rate, 0) / (rate * rate)
	variation := (between*members + priorVariation*priorMembers) / (math.Max(members-1, 0) + priorMembers)
	windows := (1/rate + dispersion) / math.Max(variation, 0.01)
	return level{rate: rate, windows: windows}
}

// faded is 1 for nothing seen, ½ for half, and goes to 0.
func faded(seen, half float64) float64 { return half / (half + seen) }

// minRate keeps the prior of something that nobody does finite.
const minRate = 1e-3

// share is the prior of a share of the events.
func (p *priors) share(g *group, c class, of cluster.Feature) float64 {
	typical, sum := p.denied[c], g.denied
	if of == cluster.Failed {
		typical, sum = p.failed[c], g.failed
	}
	return (sum + groupEvents*typical) / (g.events + groupEvents)
}

// spreads are the typical dispersions of a group.
func (p *priors) spreads(g *group) [counted]float64 {
	out := p.spread
	if g.settled < 0.5 {
		return out
	}
	for i := range counted {
		out[i] = math.Exp((g.logs[i] + groupClusters*math.Log(p.spread[i])) / (g.settled + groupClusters))
	}
	return out
}

// join puts a history into the group of its family.
func (p *population) join(h *history, families map[string]string) {
	family, known := families[h.key.Role]
	if !known {
		h.group = nil // a family of its own
		return
	}
	key := groupKey{family: family, use: useOf(h.key)}
	if p.prior.groups[key] == nil {
		p.prior.groups[key] = &group{}
	}
	h.group = p.prior.groups[key]
}

// regroup puts every history into the group of its family anew.
func (p *population) regroup(families map[string]string) {
	p.prior.groups = make(map[groupKey]*group)
	for _, h := range p.order {
		p.join(h, families)
	}
	p.pool()
}
