package level

import "math"

// Rarity is the running distribution of one kind of evidence on the series
// itself: how much of it there usually is. Evidence is at least 0, in nats: if
// the model that it comes from were right, it would be exponential with mean 1.
// What the series really does is learned from its own past, so that a
// model that is wrong for a series makes no alarms on it (the idea of conformal
// prediction: Vovk, Gammerman and Shafer 2005).
type Rarity struct {
	// Count and Sum are the number and the sum of the evidence in each bin.
	Count, Sum [rarityBins]float64
	// Total is the sum of Count.
	Total float64
	// Peak is the largest evidence of the latest event and Age how many rows ago
	// it was; Shade is what of it still hides smaller evidence.
	Peak, Shade float64
	Age         int64
}

const (
	rarityBins = 96
	// Bins are a quarter wide up to rarityFine, then eight to an octave.
	rarityFine = 16.0
	// rarityPrior rows of the exponential distribution stand in for a history
	// at the beginning.
	rarityPrior = 20.0
)

// newRarity is a distribution without a history of its own.
func newRarity() Rarity {
	r := Rarity{Age: rampRows}
	const step = 0.25
	for i := range int(rarityFine / step) {
		low := float64(i) * step
		r.Count[i] = rarityPrior * (math.Exp(-low) - math.Exp(-low-step))
		r.Sum[i] = r.Count[i] * (low + step/2)
	}
	for _, c := range r.Count {
		r.Total += c
	}
	return r
}

func rarityBin(e float64) int {
	if e < rarityFine {
		return int(4 * e)
	}
	return min(int(4*rarityFine)+int(8*math.Log2(e/rarityFine)), rarityBins-1)
}

func rarityEdge(bin int) float64 {
	if f := float64(bin) / 4; f <= rarityFine {
		return f
	}
	return rarityFine * math.Exp2(float64(bin-int(4*rarityFine))/8)
}

// hold returns how rare so much evidence is, in nats, and then learns it.
func (r *Rarity) hold(e, memory float64) float64 {
	nats := r.nats(e)
	r.learn(e, nats, memory)
	return nats
}

const (
	// clusterNats is from which rarity on rows are taken as one event with their
	// neighbours, clusterRows how fast an event is over, rampRows how soon after
	// one row a larger one takes its place.
	clusterNats = 3.0
	clusterRows = 100.0
	rampRows    = 5
	// clusterShare is what a further row of an event counts for.
	clusterShare = 0.05
)

// learn adds evidence of the rarity nats to the history. What is rare
// comes in clusters: of an event that lasts, the largest row counts, the others
// hardly at all, so that one long event does not make all later ones look usual
// (declustering of peaks over a threshold: Davison and Smith 1990).
func (r *Rarity) learn(e, nats, memory float64) {
	r.Age++
	r.Shade *= 1 - 1/clusterRows
	switch {
	case nats <= clusterNats:
		r.add(e, 1, memory)
	case e < r.Shade:
		r.add(e, clusterShare, memory)
	default:
		if r.Age <= rampRows {
			r.add(r.Peak, clusterShare-1, memory)
		}
		r.add(e, 1, memory)
		r.Peak, r.Age = e, 0
	}
	r.Shade = math.Max(r.Shade, e)
}

// add counts evidence as so many rows, less than 0 to take some back. Beyond
// memory rows, what is old fades.
func (r *Rarity) add(e, rows, memory float64) {
	b := rarityBin(e)
	r.Count[b] = math.Max(r.Count[b]+rows, 0)
	r.Sum[b] = math.Max(r.Sum[b]+rows*e, 0)
	r.Total += rows
	if r.Total < 2*memory {
		return
	}
	r.Total = 0
	for i := range r.Count {
		r.Count[i] /= 2
		r.Sum[i] /= 2
		r.Total += r.Count[i]
	}
}

// nats returns −log of the probability of so much evidence or more.
//
// In the body it is counted. Above the start u of the upper tail, which has at
// least tailRows rows and a fiftieth of all, the excess is taken as
// exponential with a gamma prior on its rate, whose predictive is the Lomax
// distribution (1 + y/B)^−A with A rows and B their summed excess: with
// few rows it is heavy by itself, so that a short history never makes a large
// rarity (Gelman et al., Bayesian Data Analysis, 2.6).
func (r *Rarity) nats(e float64) float64 {
	const (
		tailRows  = 15.0
		priorRows = 4.0
	)
	want := math.Max(tailRows, r.Total/50)
	count, sum, b := 0.0, 0.0, rarityBins
	for b > 1 && count < want {
		b--
		count += r.Count[b]
		sum += r.Sum[b]
	}
	if bin := rarityBin(e); bin < b {
		return r.counted(b, bin, count, e)
	}
	u := rarityEdge(b)
	rows, scale := count+priorRows, math.Max(sum-count*u, 0)+priorRows
	return rows*math.Log1p(math.Max(e-u, 0)/scale) + r.logShare(count)
}

// logShare is −log of a number of rows as a share of all, at least 0.
func (r *Rarity) logShare(rows float64) float64 {
	return math.Max(0, -math.Log((rows+0.5)/(r.Total+1)))
}

// counted is nats in the body: rows in bins above from down to the one of e,
// in proportion.
func (r *Rarity) counted(from, bin int, count, e float64) float64 {
	for b := from - 1; b > bin; b-- {
		count += r.Count[b]
	}
	low, high := rarityEdge(bin), rarityEdge(bin+1)
	count += r.Count[bin] * math.Min(math.Max((high-e)/(high-low), 0), 1)
	return r.logShare(count)
}

// above returns the evidence that the share p of the rows exceeds.
func (r *Rarity) above(p float64) float64 {
	want, count := p*r.Total, 0.0
	for b := rarityBins - 1; b >= 0; b-- {
		c := r.Count[b]
		if count+c >= want {
			low, high := rarityEdge(b), rarityEdge(b+1)
			return high - (high-low)*(want-count)/c
		}
		count += c
	}
	return 0
}
