package cluster

import (
	"cmp"
	"maps"
	"slices"

	"github.com/logcluster/logcluster/fingerprint"
)

// Snapshot returns the state. It must not be called during a visit.
func (w *Windows) Snapshot() State {
	s := saver{w: w, names: make(map[string]int), keys: make(map[*fingerprint.ClusterKey]int)}
	s.State = State{
		Version:    StateVersion,
		Pane:       w.pane,
		Window:     w.window,
		Slide:      w.slide,
		SeenFor:    w.seenFor,
		Started:    w.started,
		Mark:       w.mark,
		Frontier:   w.frontier,
		AliveSince: w.aliveSince,
		AliveUntil: w.aliveUntil,
		Training:   w.training,
		Outcomes:   w.outcomes,
		Refused:    w.refused,
		Spilled:    w.spilled,
		Unknown:    w.unknown,
	}
	for _, src := range w.bySource {
		s.Sources = append(s.Sources, SavedSource{
			ID: src.id, Name: src.name, State: src.state,
			Seen: src.seen, High: src.high, Missing: src.missing,
			Recent: slices.Clone(src.clock.recent[:src.clock.n]), Next: src.clock.next, Bound: src.clock.bound,
		})
	}
	s.Open = s.savePanes(w.open)
	s.Late = s.savePanes(w.late)
	for _, p := range w.pending {
		s.Pending = append(s.Pending, savePending(p))
	}
	for _, sp := range w.spans {
		s.Spans = append(s.Spans, saveSpan(sp))
	}
	for _, t := range w.byTenant {
		s.Tenants = append(s.Tenants, s.saveTenant(t))
	}
	s.Limits = saveLimits(&w.limits)
	for i := range w.nextLimits {
		s.NextLimits = append(s.NextLimits, saveLimits(&w.nextLimits[i]))
	}
	return s.State
}

func saveLimits(o *overrides) SavedLimits {
	saved := SavedLimits{From: o.from}
	for _, name := range slices.Sorted(maps.Keys(o.byTenant)) {
		saved.Tenants = append(saved.Tenants, SavedTenantLimits{Name: name, Limits: *o.byTenant[name]})
	}
	return saved
}

// saver builds a State, giving names and keys their places in the order of
// first use.
type saver struct {
	State
	w     *Windows
	names map[string]int
	keys  map[*fingerprint.ClusterKey]int
}

func (s *saver) key(k *fingerprint.ClusterKey) int {
	at, ok := s.keys[k]
	if !ok {
		at = len(s.Keys)
		s.keys[k] = at
		s.Keys = append(s.Keys, *k)
	}
	return at
}

func (s *saver) name(text string) int {
	at, ok := s.names[text]
	if !ok {
		at = len(s.Names)
		s.names[text] = at
		s.Names = append(s.Names, text)
	}
	return at
}

func (s *saver) savePanes(panes []*pane) []SavedPane {
	var saved []SavedPane
	for _, p := range panes {
		partials := slices.Clone(p.partials)
		slices.SortFunc(partials, func(a, b *partial) int { return cmp.Compare(a.key.ID, b.key.ID) })
		saved = append(saved, SavedPane{Index: p.index, Partials: s.savePartials(partials)})
	}
	return saved
}

func (s *saver) savePartials(partials []*partial) []SavedPartial {
	saved := make([]SavedPartial, 0, len(partials))
	for _, p := range partials {
		sp := SavedPartial{
			Key: s.key(p.key), Pane: p.pane, Newcomer: p.newcomer,
			Sum:        saveAmounts(&p.sum),
			Subjects:   saveTally(&p.subjects),
			Objects:    saveTally(&p.objects),
			Namespaces: saveTally(&p.namespaces),
			Sources:    saveTally(&p.sources),
			Contacts:   saveTally(&p.contacts),
			Powers:     saveTally(&p.powers),
			Prints:     saveTally(&p.prints),
		}
		for _, t := range []*SavedTally{&sp.Subjects, &sp.Objects, &sp.Namespaces, &sp.Sources, &sp.Prints} {
			s.rename(t.IDs)
		}
		sp.Samples = s.saveSamples(p.samples[:])
		for i := range p.news {
			sp.News = append(sp.News, s.saveNovelty(0, &p.news[i]))
		}
		saved = append(saved, sp)
	}
	return saved
}

func saveAmounts(a *amounts) SavedAmounts {
	return SavedAmounts{Counts: a.counts, Verbs: a.verbs, Outcomes: a.outcomes, Latency: a.latency}
}

func saveTally(t *tally) SavedTally {
	saved := saveTable(&t.table)
	saved.Pruned, saved.Ceiling = t.pruned, t.ceiling
	return saved
}

// rename makes ids of names places in State.Names.
func (s *saver) rename(ids []uint32) {
	for i, id := range ids {
		ids[i] = uint32(s.name(s.w.mem.names.text(id)))
	}
}

func saveTable(t *table) SavedTally {
	return saveSlots(t.appendSorted(make([]slot, 0, t.size)))
}

// saveSlots saves slots in ascending order of key.
func saveSlots(slots []slot) SavedTally {
	if len(slots) == 0 {
		return SavedTally{}
	}
	var saved SavedTally
	saved.Keys = make([]uint64, 0, len(slots))
	ones, noIDs := true, true
	for _, s := range slots {
		saved.Keys = append(saved.Keys, s.key)
		ones = ones && s.n == 1
		noIDs = noIDs && s.id == 0
	}
	for _, s := range slots {
		if !ones {
			saved.N = append(saved.N, s.n)
		}
		if !noIDs {
			saved.IDs = append(saved.IDs, s.id)
		}
	}
	return saved
}

func savePending(p *pending) SavedTraining {
	saved := SavedTraining{Index: p.index, Incomplete: p.incomplete}
	for _, t := range p.tenants {
		rows := SavedRows{Name: t.name}
		for _, r := range t.rows {
			rows.Clusters = append(rows.Clusters, r.series.key.ID)
			rows.Counts = append(rows.Counts, r.totals.counts)
			rows.Shapes = append(rows.Shapes, r.totals.shape)
		}
		saved.Tenants = append(saved.Tenants, rows)
	}
	return saved
}

func (s *saver) saveTenant(t *tenant) SavedTenant {
	saved := SavedTenant{
		Name: t.name, RateFull: t.rate.full, Refused: t.refused,
		Seen: SavedSeen{Now: t.seen.now, Era: t.seen.era, Full: t.seen.full, Powers: t.seen.powers, Unknown: t.seen.unknown},
	}
	ids := make([]fingerprint.ID, 0, len(t.clusters))
	for id := range t.clusters {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		saved.Clusters = append(saved.Clusters, s.saveSeries(t.clusters[id]))
	}
	if t.overflow != nil {
		saved.Overflow = []SavedCluster{s.saveSeries(t.overflow)}
	}
	for k := range t.seen.current {
		saved.Seen.Current[k] = saveGeneration(&t.seen.current[k])
		saved.Seen.Previous[k] = saveGeneration(&t.seen.previous[k])
	}
	return saved
}

func (s *saver) saveSeries(r *series) SavedCluster {
	saved := SavedCluster{
		Key: s.key(r.key), First: r.first, Last: r.last,
		Ring: s.savePartials(r.ring), Win: r.win,
	}
	for _, sp := range s.w.spans {
		if reach := r.reach[sp.scale]; reach != nil {
			saved.Reach = append(saved.Reach, s.saveReach(reach))
		}
	}
	return saved
}

func (s *saver) saveReach(r *reach) SavedReach {
	saved := SavedReach{Scale: r.span.scale}
	for _, p := range r.steps {
		step := SavedStep{Index: p.index, Sum: saveAmounts(&p.sum)}
		for i := range step.Tops {
			step.Tops[i] = saveSlots(p.top(i))
			s.rename(step.Tops[i].IDs)
		}
		saved.Steps = append(saved.Steps, step)
	}
	for i := range r.sets {
		for _, m := range r.sets[i].appendSorted(nil) {
			saved.Marks[i].Keys = append(saved.Marks[i].Keys, m.key)
			saved.Marks[i].Bits = append(saved.Marks[i].Bits, bitsOf(&m))
		}
	}
	if r.late != nil {
		saved.Late = s.savePartials([]*partial{r.late})
	}
	saved.Samples = s.saveSamples(r.samples)
	for i := range r.news {
		saved.News = append(saved.News, s.saveNovelty(r.news[i].step, &r.news[i].Novelty))
	}
	return saved
}

func (s *saver) saveSamples(samples []*sample) (saved []SavedSample) {
	for _, p := range samples {
		if p == nil {
			continue
		}
		saved = append(saved, SavedSample{
			Time: p.Time, Source: p.Source, Offset: p.Offset, ID: string(p.id),
			Subject: s.name(p.Subject), Verb: s.name(p.Verb), Namespace: s.name(p.Namespace),
			Object: s.name(p.Object), Address: s.name(p.Address),
			Code: p.Code, Denied: p.Denied, Print: p.print, Who: p.who, What: p.what, Rank: p.rank, News: p.news,
		})
	}
	return saved
}

func (s *saver) saveNovelty(step int64, n *Novelty) SavedNovelty {
	return SavedNovelty{Step: step, Feature: n.Feature, Subject: s.name(n.Subject), What: s.name(n.What)}
}

func saveSpan(sp *span) SavedSpan {
	saved := SavedSpan{Scale: sp.scale, Window: sp.window, Slide: sp.slide}
	for _, l := range sp.lacks {
		if l.gap > 0 || l.stall > 0 {
			saved.Lacks = append(saved.Lacks, SavedLack{Step: l.step, Gap: l.gap, Stall: l.stall})
		}
	}
	slices.SortFunc(saved.Lacks, func(a, b SavedLack) int { return cmp.Compare(a.Step, b.Step) })
	for _, p := range sp.pending {
		saved.Pending = append(saved.Pending, savePending(p))
	}
	return saved
}

func saveGeneration(g *generation) SavedGeneration {
	return SavedGeneration{Keys: saveTable(&g.keys).Keys, Quotas: saveTable(&g.quotas)}
}
