package cluster

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/logcluster/logcluster/fingerprint"
)

// oracleScale is one of the lengths of windows.
type oracleScale struct {
	scale         Scale
	window, slide int64
}

func oracleScales(cfg Config) []oracleScale {
	all := []oracleScale{{Short, int64(cfg.Window), int64(cfg.Slide)}}
	if cfg.MediumWindow > 0 {
		all = append(all, oracleScale{Medium, int64(cfg.MediumWindow), int64(cfg.MediumSlide)})
	}
	if cfg.LongWindow > 0 {
		all = append(all, oracleScale{Long, int64(cfg.LongWindow), int64(cfg.LongSlide)})
	}
	return all
}

// whole reports whether a window is to be handed out, and whether there were
// events in the gap before its end.
func (o *oracle) whole(s oracleScale, start, end int64) (whole, alive bool) {
	since, until := int64(-1), int64(-1)
	lacking := int64(0)
	for _, a := range o.alive {
		if a >= end {
			break
		}
		if until < 0 || a-until > int64(o.cfg.MaxGap) {
			since = a - a%int64(o.cfg.Slide)
			lacking += max(0, min(since, end)-max(until, start))
		}
		until = a + int64(o.cfg.Pane)
	}
	alive = until >= 0 && end-until <= int64(o.cfg.MaxGap)
	if s.scale != Short {
		return alive && start >= 0 && lacking <= s.slide, alive
	}
	return alive && since <= start, alive
}

// gap returns how much of a stretch had no source, as known at its end or
// later.
func (o *oracle) gap(from, to int64) (lacking int64) {
	until := int64(-1)
	for _, a := range o.alive {
		if until < 0 || a-until > int64(o.cfg.MaxGap) {
			lacking += max(0, min(a-a%int64(o.cfg.Slide), to)-max(until, from))
		}
		until = a + int64(o.cfg.Pane)
	}
	return lacking
}

func (o *oracle) evaluate(s oracleScale, end int64, out *transcript) {
	start := end - s.window
	if whole, _ := o.whole(s, start, end); !whole {
		return
	}
	for _, name := range o.names(end) {
		out.printf("evaluate %v %s %d..%d partial=[]", s.scale, name, start/1e9, end/1e9)
		o.windows(s, start, name, func(p *placed) bool { return !p.late && p.pane >= start && p.pane < end },
			func(p *placed) bool { return p.pane >= end-s.slide }, out, true)
	}
}

// names are the tenants that had anything counted before the time.
func (o *oracle) names(before int64) []string {
	var names []string
	for _, p := range o.admitted {
		if p.pane < before {
			names = append(names, p.tenant)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (o *oracle) train(s oracleScale, start int64, out *transcript) {
	end := start + s.window
	// As of the end of the window: later panes are not to be counted.
	whole, alive := o.whole(s, start, end)
	in := func(p *placed) bool { return p.pane >= start && p.pane < end }
	names := map[string]bool{}
	for i := range o.admitted {
		p := &o.admitted[i]
		if in(p) || alive && p.pane < end && o.knownBy(p, end) {
			names[p.tenant] = true
		}
	}
	// The last pane that is closed when the training is final.
	o.inForce = end + int64(o.cfg.Grace)
	o.inForce -= o.inForce%int64(o.cfg.Pane) + int64(o.cfg.Pane)
	if s.scale == Short {
		o.admit(o.late[start], end)
	}
	for i := range o.admitted {
		if p := &o.admitted[i]; in(p) {
			names[p.tenant] = true
		}
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		out.printf("train %v %s %d..%d incomplete=%v", s.scale, name, start/1e9, end/1e9, !whole)
		o.windows(s, start, name, in, func(*placed) bool { return false }, out, false)
	}
}

// knownBy reports whether the event was admitted by the time: on-time ones are
// at the end of their pane, late ones when their training window is final.
func (o *oracle) knownBy(p *placed, at int64) bool {
	if !p.late {
		return true
	}
	t := p.event.Time
	return t-t%int64(o.cfg.Window)+int64(o.cfg.Window+o.cfg.Grace) <= at
}

func (o *oracle) windows(s oracleScale, start int64, tenant string, in, fresh func(*placed) bool, out *transcript, top bool) {
	byCluster := map[fingerprint.ID][]*placed{}
	for i := range o.admitted {
		if p := &o.admitted[i]; p.tenant == tenant && in(p) {
			byCluster[p.cluster.key.ID] = append(byCluster[p.cluster.key.ID], p)
		}
	}
	var ids []fingerprint.ID
	for id := range byCluster {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		events := byCluster[id]
		w := Window{Cluster: events[0].cluster.key, FirstPane: events[0].cluster.first}
		w.Counts, w.Shape = o.count(events), oracleShape(events)
		// Late events don't tell who stayed, and a window of nothing else has no answer.
		onTime := slices.ContainsFunc(events, func(p *placed) bool { return !p.late })
		if before := start - s.window; onTime && s.scale != Short && before >= 0 && o.gap(before, start) <= s.slide {
			w.Stayed, w.Either = o.stability(events[0].cluster, before, start, start+s.window)
		}
		w.Fresh = o.count(slices.DeleteFunc(slices.Clone(events), func(p *placed) bool { return !fresh(p) }))
		if top {
			w.Detail = naiveDetail{o, events, start, s}
		}
		out.window(&w)
	}
}

func (o *oracle) count(events []*placed) Counts {
	var c Counts
	sets := map[Feature]map[string]bool{Subjects: {}, Objects: {}, Namespaces: {}, Sources: {}}
	for _, p := range events {
		e := &p.event
		c[Events]++
		if e.Decision == fingerprint.DecisionForbid {
			c[Denied]++
		} else if e.Code >= 400 {
			c[Failed]++
		}
		for _, f := range firstSeen {
			c[f] += p.news[f]
		}
		for f, key := range map[Feature]string{
			Subjects: e.User, Namespaces: e.Resource.Namespace, Sources: e.Source,
		} {
			if key != "" {
				sets[f][key] = true
			}
		}
		if e.Resource.Object != "" {
			sets[Objects][e.Resource.Namespace+"\x00"+e.Resource.Object] = true
		}
	}
	for f, set := range sets {
		c[f] = uint32(min(len(set), o.cfg.MaxDistinct))
	}
	return c
}

// stability counts the subjects of a cluster that were active in both of two
// windows, and in either, without late events.
func (o *oracle) stability(c *oracleCluster, start, middle, end int64) (stayed, either uint32) {
	in := map[string]int{}
	for i := range o.admitted {
		p := &o.admitted[i]
		switch {
		case p.late || p.cluster != c || p.event.User == "":
		case p.pane >= start && p.pane < middle:
			in[p.event.User] |= 1
		case p.pane >= middle && p.pane < end:
			in[p.event.User] |= 2
		}
	}
	for _, windows := range in {
		if windows == 3 {
			stayed++
		}
	}
	return stayed, uint32(len(in))
}

func oracleShape(events []*placed) Shape {
	var s Shape
	objects, subjects := map[string]uint32{}, map[string]uint32{}
	for _, p := range events {
		e := &p.event
		s.Verbs[oracleVerbs[p.print.Verb]]++
		if class := oracleOutcomes[e.Code]; e.Decision == fingerprint.DecisionForbid {
			s.Outcomes[OutcomeRefused]++
		} else {
			s.Outcomes[class]++
		}
		if e.Latency >= 0 {
			step := uint64(math.Round(256 * math.Log2(max(float64(e.Latency)/1e3, 1))))
			s.Latency.N++
			s.Latency.Sum += step
			s.Latency.Square += step * step
		}
		if e.User != "" {
			subjects[e.User]++
			s.TopSubject = max(s.TopSubject, subjects[e.User])
		}
		if e.Resource.Object != "" {
			object := e.Resource.Namespace + "/" + e.Resource.Object
			objects[object]++
			s.TopObject = max(s.TopObject, objects[object])
		}
	}
	return s
}

// naiveDetail ranks and counts the events of a window. What is new and the samples
// are left to other tests.
type naiveDetail struct {
	o      *oracle
	events []*placed
	start  int64
	scale  oracleScale
}

func (d naiveDetail) AppendNew(dst []Novelty, _ int) []Novelty { return dst }

func (d naiveDetail) AppendSamples(dst []Sample, _ Feature, _ int) []Sample { return dst }

func (d naiveDetail) AppendSteps(dst []uint32, f Feature) []uint32 {
	length := d.scale.slide
	if d.scale.scale == Short {
		length = int64(d.o.cfg.Pane)
	}
	for at := d.start; at < d.start+d.scale.window; at += length {
		var in []*placed
		for _, p := range d.events {
			if p.pane >= at && p.pane < at+length {
				in = append(in, p)
			}
		}
		counts := d.o.count(in)
		dst = append(dst, counts[f])
	}
	return dst
}

func (d naiveDetail) AppendTop(dst []Count, of Facet, n int) []Count {
	counts := map[string]uint32{}
	for _, p := range d.events {
		e := &p.event
		name := [NumFacets]string{BySubject: e.User, BySource: e.Source, ByNamespace: e.Resource.Namespace, ByObject: e.Resource.Object}[of]
		if of == ByObject && name != "" && e.Resource.Namespace != "" {
			name = e.Resource.Namespace + "/" + name
		}
		if name != "" {
			counts[name]++
		}
	}
	var all []Count
	for name, n := range counts {
		all = append(all, Count{name, n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Name, b.Name))
	})
	return append(dst, all[:min(n, len(all))]...)
}
