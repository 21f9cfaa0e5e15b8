package baseline

import (
	"math"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// absence is when a cluster can be missed at a scale, in windows.
type absence struct {
	// lived is how old a cluster must be: a few hours, or some windows.
	lived float64
	// longest is the silence up to which longer is more unusual.
	longest float64
}

var absences = [cluster.NumScales]absence{
	cluster.Short:  {lived: 36, longest: 12},
	cluster.Medium: {lived: 12, longest: 6},
	cluster.Long:   {lived: 3, longest: 2},
}

// expectedMean is how many events a window must have on average for a silence of
// the longest length looked at to be unusual.
const expectedMean = 0.5

// expectedAt returns the clusters whose absence from a window of the cell would
// be unusual.
func (p *population) expectedAt(s *Store, cell int64) []*history {
	if p.expectedEpoch == s.epoch && p.expectedCell == cell {
		return p.expected
	}
	unusual, _ := normalLow(-Exceedance)
	least := absences[p.scale]
	p.expectedEpoch, p.expectedCell = s.epoch, cell
	p.expected = p.expected[:0]
	for _, h := range p.order {
		lived := p.live.lived(h)
		if lived < least.lived || float64(h.total.Sum[cluster.Events]) < expectedMean*lived {
			continue
		}
		d := p.predict(s, h, cell).counts[cluster.Events].dist
		if silence(d, least.longest).Low < unusual {
			p.expected = append(p.expected, h)
		}
	}
	return p.expected
}

// Missing calls visit for every known cluster that is not listed in the
// evaluation although a long silence of it (an hour at the short scale) would be
// unusual, in ascending order of id. How unusual its silence is, [Absent.Tails]
// says.
func (s *Store) Missing(ev *cluster.Evaluation, visit func(*Absent)) {
	tn := s.tenants[ev.Tenant]
	if tn == nil || !tn.scales[ev.Scale].known() {
		return
	}
	p := &tn.scales[ev.Scale]
	next := 0
	cell := p.cellOf(ev)
	for _, h := range p.expectedAt(s, cell) {
		for next < len(ev.Windows) && ev.Windows[next].Cluster.ID < h.key.ID {
			next++
		}
		if next < len(ev.Windows) && ev.Windows[next].Cluster.ID == h.key.ID {
			continue
		}
		visit(&Absent{Cluster: h.key, scale: p.scale, Expectation: Expectation{
			prediction: p.predict(s, h, cell), class: h.prediction.class, corrections: p.table.Corrections(),
		}})
	}
}

// Absent is a known cluster without events in a window. It is valid until the
// visit returns.
type Absent struct {
	Cluster     *fingerprint.ClusterKey
	Expectation Expectation
	scale       cluster.Scale
}

// Tails is the score of a silence of so many windows (1 and more, fractions
// too). Silences longer than the longest that is looked at (an hour at the short
// scale) are no more unusual than that.
func (a *Absent) Tails(windows float64) Tails {
	longest := absences[a.scale].longest
	m := a.Expectation.prediction.counts[cluster.Events]
	t := silence(m.dist, math.Min(math.Max(windows, 1), longest))
	return t.Corrected(a.Expectation.corrections.For(cluster.Events, m.stratum))
}

// silence is the score of no events in a number of windows, of which each is
// expected to be like d. The rate is taken to vary together in all of them: what
// is quiet now may well be quiet for an hour.
func silence(d NegBinomial, windows float64) Tails {
	d.Mean *= windows
	return d.Tails(0)
}
