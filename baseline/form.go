package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
)

// form is what a cluster's windows were like, beside how much there was of them:
// sums over the trailing windows, and what was fitted to them. The sums fade by
// halves in half of the history, so that a form costs the same however long it
// is.
type form struct {
	Form
	fits
}

// Form are the sums of a [cluster.Shape] over windows. Each window counts with a
// weight of at most 1, less when it was far from what was expected.
type Form struct {
	At       int64 // start of the last window
	Verbs    Mix
	Outcomes Mix
	Latency  Delays
	// TopObject and TopSubject are of the other events beside the first of the
	// most active one: so a window of one event says nothing.
	TopObject, TopSubject, Stability Parts
}

// Mix are the sums of counts by class. Pairs are the pairs of events of one
// window, and Same those of them that are of one class.
type Mix struct {
	Windows, N, Pairs, Same float64
	Of                      []float64
}

// Delays are the sums of the mean logarithm of the latency (log2 of µs): N events
// in so many windows; Inside is the sum of squares within windows, and Mean and
// Square are the sums of the windows' means and of their squares; Harmonic that
// of 1/N.
type Delays struct{ Windows, N, Inside, Mean, Square, Harmonic float64 }

// fits is what is expected of a window.
type fits struct {
	verbs, outcomes                  []float64 // parameters of a Dirichlet distribution, nil for no opinion
	top, subject, stability          share
	latency                          latencyFit
	hasTop, hasSubject, hasStability bool
}

// latencyFit predicts the mean of N events as Student's t: the level's own
// variation between windows, what N events leave of that within, and what is not
// known of the level after so many windows.
type latencyFit struct {
	mean, between, within, windows float64
	edge                           float64 // of T's 95 % band; 0 until somebody asks
}

// leastForm is from how many windows on a form has an opinion, and leastEvents
// from how many events a window has one about a mix.
var leastForm = [cluster.NumScales]float64{cluster.Short: 12, cluster.Medium: 6, cluster.Long: 3}

const leastEvents = 5

// possible is the expected share of events outside of the most usual class from
// which on a mix can be judged: what always was the same is no mix.
const possible = 1e-3

// usualMix are the shares of the verbs and outcomes of the tenant's clusters of a
// class.
type usualMix struct {
	verbs    [cluster.NumVerbs]float64
	outcomes [cluster.NumOutcomeClasses]float64
}

// learn adds a window that began at a time, each part with its weight.
func (f *form) learn(start int64, x *cluster.Shape, trust *trust, halfLife float64) {
	if f.At != 0 {
		f.fade(math.Exp2(-float64(start-f.At) / halfLife))
	}
	if trust == nil {
		trust = &fullTrust
	}
	f.At = start
	f.Verbs.learn(x.Verbs[:], float64(trust[cluster.VerbMix-cluster.Latency]))
	f.Outcomes.learn(x.Outcomes[:], float64(trust[cluster.OutcomeMix-cluster.Latency]))
	f.Latency.learn(&x.Latency, float64(trust[0]))
	for _, of := range partFeatures {
		f.parts(of).learn(partOf(of, x), float64(trust[of-cluster.Latency]))
	}
}

// trust is the weight of a window for each feature from Latency on.
type trust [formed]float32

var fullTrust = trust{1, 1, 1, 1, 1, 1}

// formed is how many features a form has: from Latency to Stability.
const formed = int(cluster.Stability-cluster.Latency) + 1

var partFeatures = [...]cluster.Feature{cluster.TopObject, cluster.TopSubject, cluster.Stability}

func (f *Form) parts(of cluster.Feature) *Parts {
	switch of {
	case cluster.TopObject:
		return &f.TopObject
	case cluster.TopSubject:
		return &f.TopSubject
	default:
		return &f.Stability
	}
}

// part is x of n.
type part struct{ x, n uint32 }

func partOf(of cluster.Feature, x *cluster.Shape) part {
	switch of {
	case cluster.TopObject:
		return beside(x.TopObject, x)
	case cluster.TopSubject:
		return beside(x.TopSubject, x)
	default:
		return part{x: min(x.Stayed, x.Either), n: x.Either}
	}
}

// beside is of the events beside one, how many are of the same.
func beside(top uint32, x *cluster.Shape) part {
	n := total(x.Verbs[:])
	if n == 0 || top == 0 {
		return part{}
	}
	return part{x: min(top, n) - 1, n: n - 1}
}

func total(counts []uint32) uint32 {
	n := uint32(0)
	for _, c := range counts {
		n += c
	}
	return n
}

func (f *Form) fade(keep float64) {
	for _, m := range []*Mix{&f.Verbs, &f.Outcomes} {
		m.Windows, m.N, m.Pairs, m.Same = keep*m.Windows, keep*m.N, keep*m.Pairs, keep*m.Same
		for i := range m.Of {
			m.Of[i] *= keep
		}
	}
	d := &f.Latency
	d.Windows, d.N, d.Inside = keep*d.Windows, keep*d.N, keep*d.Inside
	d.Mean, d.Square, d.Harmonic = keep*d.Mean, keep*d.Square, keep*d.Harmonic
	for _, of := range partFeatures {
		p := f.parts(of)
		p.Windows, p.X, p.XX = keep*p.Windows, keep*p.X, keep*p.XX
		p.XN, p.N, p.NN = keep*p.XN, keep*p.N, keep*p.NN
	}
}

func (m *Mix) learn(counts []uint32, weight float64) {
	n := float64(total(counts))
	if n == 0 {
		return
	}
	if m.Of == nil {
		m.Of = make([]float64, len(counts))
	}
	m.Windows += weight
	m.N += weight * n
	m.Pairs += weight * n * (n - 1)
	for i, c := range counts {
		if v := float64(c); v > 0 {
			m.Of[i] += weight * v
			m.Same += weight * v * (v - 1)
		}
	}
}

func (d *Delays) learn(x *cluster.Latencies, weight float64) {
	if x.N == 0 {
		return
	}
	n, mean := float64(x.N), x.Mean()
	d.Windows += weight
	d.N += weight * n
	d.Inside += weight * math.Max(float64(x.Square)/(latencySteps*latencySteps)-n*mean*mean, 0)
	d.Mean += weight * mean
	d.Square += weight * mean * mean
	d.Harmonic += weight / n
}

// latencySteps are the steps of a [cluster.Latencies] per power of two.
const latencySteps = 256

func (p *Parts) learn(x part, weight float64) {
	if x.n == 0 {
		return
	}
	v, n := float64(x.x), float64(x.n)
	p.Windows += weight
	p.X += weight * v
	p.XX += weight * v * v
	p.XN += weight * v * n
	p.N += weight * n
	p.NN += weight * n * n
}
