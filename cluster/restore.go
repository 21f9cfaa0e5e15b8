package cluster

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// errState is what a state that contradicts itself is refused with.
var errState = errors.New("state is inconsistent")

// Restore replaces everything by the state. The lengths of panes, windows and
// slides must be the ones that the state was taken under; every other setting
// may have changed. On an error w is empty, as from [New].
func (w *Windows) Restore(st State) error {
	w.clear()
	if err := w.restore(&st); err != nil {
		w.clear()
		return fmt.Errorf("restore windows: %w", err)
	}
	return nil
}

func (w *Windows) clear() { *w = *New(w.cfg) }

func (w *Windows) restore(st *State) error {
	if st.Version != StateVersion {
		return fmt.Errorf("state has version %d, this program reads %d", st.Version, StateVersion)
	}
	if st.Pane != w.pane || st.Window != w.window || st.Slide != w.slide {
		return fmt.Errorf("state has pane %v, window %v, slide %v, the configuration %v, %v, %v",
			time.Duration(st.Pane), time.Duration(st.Window), time.Duration(st.Slide),
			w.cfg.Pane, w.cfg.Window, w.cfg.Slide)
	}
	w.started, w.mark, w.frontier = st.Started, st.Mark, st.Frontier
	w.aliveSince, w.aliveUntil = st.AliveSince, st.AliveUntil
	w.training, w.outcomes, w.refused = st.Training, st.Outcomes, st.Refused
	w.spilled, w.unknown = st.Spilled, st.Unknown
	l := loader{State: st, w: w, keys: slices.Clone(st.Keys)}
	return errors.Join(l.limits(), l.sources(), l.panes(), l.tenants(), l.spans(), l.trainings(l.Pending, &w.pending))
}

// loader reads a State.
type loader struct {
	*State
	w    *Windows
	keys []fingerprint.ClusterKey
}

func (l *loader) limits() error {
	load := func(from *SavedLimits) (overrides, error) {
		to := overrides{from: from.From, byTenant: make(map[string]*Limits, len(from.Tenants))}
		for i := range from.Tenants {
			t := &from.Tenants[i]
			if err := t.Limits.Validate(); err != nil {
				return to, fmt.Errorf("limits of tenant %q: %w", t.Name, err)
			}
			limits := t.Limits
			to.byTenant[t.Name] = &limits
		}
		return to, nil
	}
	var err error
	l.w.limits, err = load(&l.Limits)
	for i := range l.NextLimits {
		next, nextErr := load(&l.NextLimits[i])
		err = errors.Join(err, nextErr)
		l.w.nextLimits = append(l.w.nextLimits, next)
	}
	return err
}

func (l *loader) sources() error {
	for _, s := range l.Sources {
		if len(s.Recent) > clockEvents || s.Next < 0 || s.Next >= clockEvents || s.State > SourceStalled {
			return fmt.Errorf("source %d: %w", s.ID, errState)
		}
		l.w.AddSource(s.ID, s.Name)
		to := l.w.sources[s.ID]
		to.state, to.seen, to.high, to.missing = s.State, s.Seen, s.High, s.Missing
		copy(to.clock.recent[:], s.Recent)
		to.clock.n, to.clock.next, to.clock.bound = len(s.Recent), s.Next, s.Bound
	}
	return nil
}

func (l *loader) panes() error {
	for _, list := range []struct {
		from []SavedPane
		to   *[]*pane
	}{{l.Open, &l.w.open}, {l.Late, &l.w.late}} {
		for _, from := range list.from {
			p := l.w.mem.paneAt(list.to, from.Index)
			for i := range from.Partials {
				part, err := l.partial(&from.Partials[i])
				if err != nil {
					return err
				}
				if p.find(part.key.ID) != nil {
					return fmt.Errorf("cluster %v twice in a pane: %w", part.key.ID, errState)
				}
				l.w.hold(part, p)
			}
		}
	}
	return nil
}

func (l *loader) key(at int) (*fingerprint.ClusterKey, error) {
	if at < 0 || at >= len(l.keys) {
		return nil, fmt.Errorf("cluster key %d of %d: %w", at, len(l.keys), errState)
	}
	return &l.keys[at], nil
}

func (l *loader) partial(from *SavedPartial) (*partial, error) {
	key, err := l.key(from.Key)
	if err != nil {
		return nil, err
	}
	p := l.w.mem.newPartial(from.Pane, key)
	p.newcomer = from.Newcomer
	p.sum = loadAmounts(&from.Sum)
	for _, t := range []struct {
		from *SavedTally
		to   *tally
	}{
		{&from.Subjects, &p.subjects},
		{&from.Objects, &p.objects},
		{&from.Namespaces, &p.namespaces},
		{&from.Sources, &p.sources},
		{&from.Contacts, &p.contacts},
		{&from.Powers, &p.powers},
		{&from.Prints, &p.prints},
	} {
		if err := l.tally(t.to, t.from); err != nil {
			return nil, err
		}
	}
	if len(from.Samples) > samplesOfPane || len(from.News) > newsOfPane {
		return nil, fmt.Errorf("%d samples, %d news of a pane: %w", len(from.Samples), len(from.News), errState)
	}
	for i := range from.Samples {
		if p.samples[i], err = l.sample(&from.Samples[i]); err != nil {
			return nil, err
		}
	}
	for i := range from.News {
		n, err := l.novelty(&from.News[i])
		if err != nil {
			return nil, err
		}
		p.news = append(p.news, n)
	}
	return p, nil
}

func (l *loader) sample(from *SavedSample) (*sample, error) {
	s := l.w.mem.newSample()
	s.Sample = Sample{Time: from.Time, Source: from.Source, Offset: from.Offset, Code: from.Code, Denied: from.Denied}
	s.id = append(s.id[:0], from.ID...)
	s.print, s.who, s.what, s.rank, s.news = from.Print, from.Who, from.What, from.Rank, from.News
	return s, errors.Join(
		l.name(&s.Subject, from.Subject), l.name(&s.Verb, from.Verb), l.name(&s.Namespace, from.Namespace),
		l.name(&s.Object, from.Object), l.name(&s.Address, from.Address))
}

func (l *loader) novelty(from *SavedNovelty) (Novelty, error) {
	n := Novelty{Feature: from.Feature}
	err := errors.Join(l.name(&n.Subject, from.Subject), l.name(&n.What, from.What))
	return n, err
}

func (l *loader) name(to *string, at int) error {
	if at < 0 || at >= len(l.Names) {
		return fmt.Errorf("name %d of %d: %w", at, len(l.Names), errState)
	}
	*to = l.Names[at]
	return nil
}

func (l *loader) tally(to *tally, from *SavedTally) error {
	to.pruned, to.ceiling = from.Pruned, from.Ceiling
	if !to.named {
		return l.table(&to.table, from)
	}
	if len(from.IDs) != len(from.Keys) || len(from.N) != 0 && len(from.N) != len(from.Keys) {
		return fmt.Errorf("subjects: %w", errState)
	}
	for i, key := range from.Keys {
		id := from.IDs[i]
		if int(id) >= len(l.Names) {
			return fmt.Errorf("name %d of %d: %w", id, len(l.Names), errState)
		}
		s, added := to.put(key, &l.w.mem.slabs)
		if !added {
			return fmt.Errorf("subject twice: %w", errState)
		}
		s.n, s.id = 1, l.w.mem.names.hold(s.key, l.Names[id])
		if len(from.N) > 0 {
			s.n = max(from.N[i], 1)
		}
	}
	return nil
}

func (l *loader) table(to *table, from *SavedTally) error {
	if len(from.N) != 0 && len(from.N) != len(from.Keys) || len(from.IDs) != 0 && len(from.IDs) != len(from.Keys) {
		return fmt.Errorf("tally: %w", errState)
	}
	for i, key := range from.Keys {
		s, _ := to.put(key, &l.w.mem.slabs)
		s.n = 1
		if len(from.N) > 0 {
			s.n = max(from.N[i], 1)
		}
		if len(from.IDs) > 0 {
			s.id = from.IDs[i]
		}
	}
	return nil
}

func (l *loader) tenants() error {
	for i := range l.Tenants {
		from := &l.Tenants[i]
		if l.w.tenants[from.Name] != nil || len(from.Overflow) > 1 {
			return fmt.Errorf("tenant: %w", errState)
		}
		t := l.w.newTenant(from.Name)
		l.w.addTenant(t)
		for j := range from.Clusters {
			s, err := l.series(t, &from.Clusters[j])
			if err != nil {
				return err
			}
			if t.clusters[s.key.ID] != nil {
				return fmt.Errorf("cluster %v twice: %w", s.key.ID, errState)
			}
			l.w.addCluster(t, s)
		}
		if len(from.Overflow) == 1 {
			s, err := l.series(t, &from.Overflow[0])
			if err != nil {
				return err
			}
			t.overflow = s
		}
		t.rate.full, t.refused = from.RateFull, from.Refused
		if err := l.seen(&t.seen, &from.Seen); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) series(t *tenant, from *SavedCluster) (*series, error) {
	key, err := l.key(from.Key)
	if err != nil {
		return nil, err
	}
	if from.Win < 0 || from.Win > len(from.Ring) {
		return nil, fmt.Errorf("cluster %v: %w", key.ID, errState)
	}
	s := l.w.newSeries(key, from.First)
	s.last = from.Last
	if len(from.Ring) > 0 {
		t.activate(s)
	}
	for i := range from.Ring {
		p, err := l.partial(&from.Ring[i])
		if err != nil {
			return nil, err
		}
		if i < from.Win {
			s.ring = append(s.ring, p)
		} else {
			s.push(p)
		}
	}
	s.win = from.Win
	for i := range from.Reach {
		if err := l.reach(t, s, &from.Reach[i]); err != nil {
			return nil, fmt.Errorf("cluster %v: %w", key.ID, err)
		}
	}
	return s, nil
}

func loadAmounts(from *SavedAmounts) amounts {
	return amounts{counts: from.Counts, verbs: from.Verbs, outcomes: from.Outcomes, latency: from.Latency}
}

func (l *loader) seen(to *seen, from *SavedSeen) error {
	to.now, to.era, to.full, to.powers, to.unknown = from.Now, from.Era, from.Full, from.Powers, from.Unknown
	if l.SeenFor != l.w.seenFor {
		to.era = l.w.era(l.Frontier)
	}
	for k := range to.current {
		if err := errors.Join(
			l.generation(&to.current[k], &from.Current[k]),
			l.generation(&to.previous[k], &from.Previous[k]),
		); err != nil {
			return err
		}
		for _, key := range from.Current[k].Keys {
			if to.previous[k].keys.find(key) != nil {
				to.carried[k]++
			}
		}
	}
	return nil
}

func (l *loader) generation(to *generation, from *SavedGeneration) error {
	return errors.Join(
		l.table(&to.keys, &SavedTally{Keys: from.Keys}),
		l.table(&to.quotas, &from.Quotas),
	)
}

// trainings needs the tenants restored.
func (l *loader) trainings(saved []SavedTraining, list *[]*pending) error {
	for _, from := range saved {
		p := &pending{index: from.Index, incomplete: from.Incomplete}
		for _, rows := range from.Tenants {
			t := l.w.tenants[rows.Name] // nil for one without clusters, forgotten meanwhile
			if t == nil && len(rows.Clusters) > 0 || len(rows.Counts) != len(rows.Clusters) || len(rows.Shapes) != len(rows.Clusters) {
				return fmt.Errorf("training: %w", errState)
			}
			to := tenantRows{name: rows.Name, rows: make([]row, 0, len(rows.Clusters))}
			for i, id := range rows.Clusters {
				s := t.clusters[id]
				if s == nil && t.overflow != nil && t.overflow.key.ID == id {
					s = t.overflow
				}
				if s == nil {
					return fmt.Errorf("cluster %v of a training: %w", id, errState)
				}
				to.rows = append(to.rows, row{s, totals{rows.Counts[i], rows.Shapes[i]}})
			}
			p.tenants = append(p.tenants, to)
		}
		*list = append(*list, p)
	}
	return nil
}
