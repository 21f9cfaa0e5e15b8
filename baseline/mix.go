package baseline

import "math"

// MixTails says how unlike its expected shares a vector of counts is, when the
// shares themselves vary as a Dirichlet distribution with parameters alpha: Up is
// the tail towards "more unlike than this", Low its complement. A high z is a
// deviation; a low one says only that the counts are closer to the shares than
// usual. Alpha must not be negative and is taken as at least 1e-9; there are at
// most 32 categories (what is beyond is added to the last one). Counts beyond
// alpha, and alpha beyond counts, are as if the other had a zero there.
//
// A Dirichlet-multinomial vector is a chain of independent beta-binomials: the
// count of one category among all, then of the next among what is left, and so
// on (Johnson, Kotz and Balakrishnan, Discrete Multivariate Distributions,
// chapter 40). Each link has its exact two-sided p-value, and under the model
// these are independent: Up is their smallest by the formula of Šidák, as in
// [Combine]. So it holds from one event to millions and as far out as the
// beta-binomial does; with two categories it is the two-sided beta-binomial. What
// is lost against a sum of squares is little: a mix has few categories, and
// deviates by one or two of them.
//
// Categories of which less than rareExpected is expected are one link together,
// and are told apart only when there is something to tell apart: those that
// cannot deviate cost the others nothing.
//
// Counts are discrete, so Up is not spread evenly: mid-p values make it right on
// average, and neither tail is less than half of the probability of the vector.
// Against simulated vectors the share beyond a nominal level is within ½ and 1.5
// times the level; where the vector can take but a few values it may be less, or
// twice as much at the level of such a value, as with any mid-p.
func MixTails(counts []uint32, alpha []float64) Tails {
	var m mix
	for i := range max(len(counts), len(alpha)) {
		n, a := 0.0, 0.0
		if i < len(counts) {
			n = float64(counts[i])
		}
		if i < len(alpha) {
			a = alpha[i]
		}
		m.insert(n, a)
	}
	return m.tails()
}

const (
	maxCategories = 32
	leastAlpha    = 1e-9
	// rareExpected is the expected count under which categories are joined.
	rareExpected = 0.5
)

// mix is the categories in ascending order of alpha, equal ones of the count.
type mix struct {
	counts, alpha [maxCategories]float64
	n             int

	least float64 // log of the smallest p-value of a link so far
	links int
	logAt float64 // log of the probability of the vector
}

func (m *mix) insert(count, alpha float64) {
	if !(alpha > leastAlpha) {
		alpha = leastAlpha
	}
	alpha = math.Min(alpha, 1e12)
	if m.n == maxCategories {
		m.counts[m.n-1] += count
		m.alpha[m.n-1] += alpha
		return
	}
	i := m.n
	for ; i > 0 && (m.alpha[i-1] > alpha || m.alpha[i-1] == alpha && m.counts[i-1] > count); i-- {
		m.counts[i], m.alpha[i] = m.counts[i-1], m.alpha[i-1]
	}
	m.counts[i], m.alpha[i] = count, alpha
	m.n++
}

func (m *mix) tails() Tails {
	events, total := 0.0, 0.0
	for i := range m.n {
		events += m.counts[i]
		total += m.alpha[i]
	}
	if events == 0 || m.n < 2 {
		return Tails{Up: -math.Ln2, Low: -math.Ln2}
	}
	rare, rareEvents, rareAlpha := 0, 0.0, 0.0
	for rare < m.n-1 && events*(rareAlpha+m.alpha[rare]) < rareExpected*total {
		rareEvents += m.counts[rare]
		rareAlpha += m.alpha[rare]
		rare++
	}
	if rare > 0 {
		m.link(rareEvents, events, rareAlpha, total-rareAlpha)
		m.chain(0, rare, rareEvents, rareAlpha)
	}
	m.chain(rare, m.n, events-rareEvents, total-rareAlpha)

	half := m.logAt - math.Ln2
	up := Combine(m.least, m.links)
	up = math.Min(math.Max(up, half), log1mExp(half))
	return Tails{Up: boundLog(up), Low: boundLog(log1mExp(up))}
}

// chain adds the links between the categories from … to−1, which have so many
// events and alpha together.
func (m *mix) chain(from, to int, events, alpha float64) {
	for i := from; i+1 < to && events > 0; i++ {
		alpha = math.Max(alpha-m.alpha[i], leastAlpha)
		m.link(m.counts[i], events, m.alpha[i], alpha)
		events -= m.counts[i]
	}
}

// link adds the two-sided p-value of one beta-binomial. The other side counts
// only where it can be as unlikely.
func (m *mix) link(x, n, alpha, beta float64) {
	d := BetaBinomial{N: n, Alpha: alpha, Beta: beta}
	t, at := d.tailsAt(x)
	p, end := t.Up, 0.0
	if t.Low < t.Up {
		p, end = t.Low, n
	}
	if d.logAt(end)-math.Ln2 <= p {
		p = math.Min(p+math.Ln2, 0)
	}
	m.least = math.Min(m.least, p)
	m.links++
	m.logAt += at
}
