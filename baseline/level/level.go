package level

import (
	"math"

	"github.com/logcluster/logcluster/baseline"
)

// Result is what is said of one row.
type Result struct {
	// Known is whether the row was judged: the first one can't be, and one that
	// is not a number is not.
	Known bool
	// Expected is the median of what was expected before the row was seen, Low
	// and High enclose what 95 of 100 rows are within.
	Expected, Low, High float64
	// Z is the calibrated z-score of the value: positive for more than
	// expected.
	Z float64
	// AnomalyScore is how much the row is an anomaly, and news: 0 to 1. It is
	// R/(R + N) where so much evidence is seen once in R rows of this series'
	// own history, and N is [Config].Rare or a third of a longer history: ½
	// is rarer than all but about three rows of it.
	AnomalyScore float64
}

// Series scores the rows of one series as they come. It is not safe for
// concurrent use.
type Series struct {
	cfg   Config
	state State
	mix   mixture
}

// New returns a series without rows. The configuration must be valid.
func New(cfg Config) *Series { return &Series{cfg: cfg, state: newState()} }

// largest bounds the values: what is beyond is taken as this, such that
// differences and their sums are finite.
const largest = 1e300

// Next scores the next row, at a time in Unix nanoseconds, and then learns from
// it. A time before the last one's is taken as no time having passed, apart
// from the season. A value that is NaN is a missing point: it is not known and
// changes nothing. Next does not allocate.
func (s *Series) Next(at int64, value float64) Result {
	if math.IsNaN(value) {
		return Result{}
	}
	x := bound(value, largest)
	st := &s.state
	st.Rows++
	if st.Rows == 1 {
		st.begin(at, x, s.cfg)
		return Result{}
	}
	var f forecast
	f.make(st, at, s.cfg)
	s.mix.prepare(st, &f.mean, &f.wide)
	up, low := s.mix.tails(x)
	r := Result{Known: true}
	r.Expected, r.Low, r.High = s.band()
	memory := float64(s.cfg.Memory)
	z, nats := st.Evidence.point(up, low, memory)
	if change := math.Abs(x - st.Last); change > 0 && (st.Quantum == 0 || change < st.Quantum) {
		st.Quantum = change
	}
	chances := s.mix.chances(x, st.Quantum)
	all := st.Evidence.weigh(st, &f, chances, row{x, z, nats}, memory)
	rows := math.Exp(st.Evidence.news(all, s.cfg))
	r.Z = z
	r.AnomalyScore = rows / (rows + math.Max(s.cfg.Rare, st.Evidence.Combined.Total/3))
	st.learn(at, x, &f, &s.mix, chances, s.cfg)
	return r
}

// band is the median and the limits that calibrated tails of 2.5 % are beyond.
func (s *Series) band() (median, low, high float64) {
	e := &s.state.Evidence
	total := e.Up.Total + e.Low.Total
	tail := func(r *Rarity) float64 {
		return math.Exp(-r.above(math.Min(0.025*total/r.Total, 0.999))) / 2
	}
	median = s.mix.quantile(0.5)
	low = math.Min(s.mix.quantile(1-tail(&e.Low)), median)
	high = math.Max(s.mix.quantile(tail(&e.Up)), median)
	return bound(median, largest), bound(low, largest), bound(high, largest)
}

// zOf is the size of a z-score from the logarithm of a one-sided tail.
func zOf(logP float64) float64 {
	return math.Max(0, -baseline.NormalQuantile(math.Min(logP, -math.Ln2)))
}
