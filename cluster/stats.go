package cluster

// Stats are counters and gauges of a [Windows], for metrics. Times are Unix
// nanoseconds of event time, 0 before the first event.
type Stats struct {
	// Outcomes counts the events by [Outcome] since the beginning. Events of
	// open panes are counted as Clustered; some may turn out as Overflow when
	// their pane closes.
	Outcomes [NumOutcomes]uint64
	// Refused says which budget the events of Outcomes[Overflow] were beyond.
	// They add up to it.
	Refused [NumBudgets]uint64
	// Spilled is how many of the events (late ones included) met a pane that was
	// crowded, and went to the overflow without waiting for its close: see
	// [Windows].
	Spilled uint64
	// Watermark is how far event time has advanced and Frontier the end of the
	// last closed pane.
	Watermark, Frontier int64
	// Newest is the highest accepted event time of any source. The difference
	// to Watermark beyond Config.OutOfOrderness is how far sources are apart:
	// it is held in memory, in OpenPanes panes with OpenPartials partials (a
	// partial is what one cluster did in one pane).
	Newest                  int64
	OpenPanes, OpenPartials int
	// Tenants and Clusters are those known, without overflows; ActiveClusters
	// had events in or shortly before the last window.
	Tenants, Clusters, ActiveClusters int
	// Seen is the size of the memory of what was seen before, in entries, and
	// SeenUnknown how many things could not be told from new ones because it
	// was full.
	Seen        int
	SeenUnknown uint64
}

// Knows reports whether the tenant has clusters: one that had no event for
// Config.SeenFor is forgotten.
func (w *Windows) Knows(tenant string) bool { return w.tenants[tenant] != nil }

// Stats returns the counters and gauges. It takes time in proportion to the
// number of tenants.
func (w *Windows) Stats() Stats {
	st := Stats{
		Outcomes:    w.outcomes,
		Refused:     w.refused,
		Spilled:     w.spilled,
		Watermark:   w.mark,
		Frontier:    w.frontier,
		OpenPanes:   len(w.open),
		Clusters:    w.clusters,
		SeenUnknown: w.unknown,
	}
	for _, s := range w.bySource {
		st.Newest = max(st.Newest, s.high)
	}
	for _, p := range w.open {
		st.OpenPartials += len(p.partials)
	}
	for _, t := range w.byTenant {
		if t.name != OverflowName {
			st.Tenants++
		}
		st.ActiveClusters += len(t.active)
		st.Seen += t.seen.size()
		st.SeenUnknown += t.seen.unknownThings()
	}
	return st
}

// TenantStats are the counters and gauges of one tenant. The counters are since
// the tenant was admitted; they begin anew when it was forgotten in between
// (after Config.SeenFor without an event).
type TenantStats struct {
	// Name is OverflowName for the one that holds the tenants beyond
	// Config.MaxTenants.
	Name string
	// Clusters are those known, without the overflow; ActiveClusters (the
	// overflow included) had events in or shortly before the last window.
	Clusters, ActiveClusters int
	// Fingerprints are the distinct ones remembered, Pairs those of subjects
	// with resources, sources, roles and classes of power.
	Fingerprints, Pairs int
	// UnknownFingerprints and UnknownPairs count those that could not be told
	// from new ones because the memory was full.
	UnknownFingerprints, UnknownPairs uint64
	// Refused counts the events in the overflow cluster (late ones not
	// included) by the budget they were beyond.
	Refused [NumBudgets]uint64
	// Limits are the ones in force.
	Limits Limits
}

// AppendTenantStats appends those of every tenant, in ascending order of name,
// and returns the extended slice.
func (w *Windows) AppendTenantStats(dst []TenantStats) []TenantStats {
	for _, t := range w.byTenant {
		st := TenantStats{
			Name: t.name, Clusters: len(t.clusters), ActiveClusters: len(t.active),
			Refused: t.refused, Limits: *t.limits,
		}
		for k := range numKinds {
			if k == seenPrints {
				st.Fingerprints, st.UnknownFingerprints = t.seen.distinct(k), t.seen.unknown[k]
				continue
			}
			st.Pairs += t.seen.distinct(k)
			st.UnknownPairs += t.seen.unknown[k]
		}
		dst = append(dst, st)
	}
	return dst
}
