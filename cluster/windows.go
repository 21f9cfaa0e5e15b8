package cluster

import (
	"github.com/logcluster/logcluster/fingerprint"
)

// Windows counts events into panes and closes them to windows. It is the
// streaming state of the package, and it is not safe for concurrent use.
//
// Events are given to [Windows.Add], each with the source that it came from;
// [Windows.Advance], called as often as one likes, hands out what the
// watermark has passed. What is handed out depends on the events, on the order
// of those of the same source, and on the marks set on sources, on nothing
// else, as long as no pane is crowded.
//
// Memory is bounded by the budgets of [Config]. A pane is crowded when it holds
// as many new clusters of a tenant as Limits.MaxClusters, or as many new tenants
// as Config.MaxTenants (4,096 at least, at about 1 KB each), or all open panes
// together four times as many. It then takes only clusters that were admitted
// before; the first events of others are counted in the overflow at once, which
// ones depends on how sources were interleaved and what is new about them is not
// known. [Stats] counts them.
//
// Events ahead of the watermark are held in open panes: a caller with one
// source far behind the others must stop reading the others for a while, or
// mark the one as stalled (see [Stats]).
type Windows struct {
	cfg Config
	// The lengths of cfg in nanoseconds.
	pane, window, slide, outOfOrder, grace, maxAhead, maxGap, seenFor int64
	panesPerWindow, panesPerSlide                                     int64
	forgetEvery                                                       int64

	// limits are the overrides in force, nextLimits those set for later,
	// ascending.
	limits     overrides
	nextLimits []overrides

	mem memory

	sources    map[int]*source
	bySource   []*source // ascending id
	lastSource *source

	open      []*pane        // panes not closed yet, ascending
	late      []*pane        // late events by training window, ascending
	newcomers map[string]int // of all of these

	// mark is the highest watermark reached, frontier the end of the last
	// closed pane; valid when started.
	started        bool
	mark, frontier int64
	// aliveUntil is the end of the last closed pane with events, aliveSince the
	// start of the slide of the first one after the last gap longer than
	// maxGap (of the slide, so that its events are in a whole window); 0
	// before any.
	aliveSince, aliveUntil int64
	// training is the index (start divided by window) of the next training
	// window to become final; pending are the ones captured and not final.
	training int64
	pending  []*pending

	spans []*span // the longer scales that are on, ascending

	tenants  map[string]*tenant
	byTenant []*tenant // ascending name
	clusters int       // of all tenants, without overflows

	outcomes [NumOutcomes]uint64
	refused  [NumBudgets]uint64 // of outcomes[Overflow]
	spilled  uint64
	unknown  uint64 // of tenants that were forgotten

	landed     uint32    // panes since the start, from 1 on
	landings   []landing // scratch of land
	visit      []Window  // scratch of a visit, as the next two
	evaluation Evaluation
	train      Training
	top        table          // scratch of AppendTop
	gather     [numSets]table // scratch of a step, as is
	news       []Novelty
}

// New returns an empty Windows. It panics when the configuration is not valid:
// see [Config.Validate].
func New(c Config) *Windows {
	if err := c.Validate(); err != nil {
		panic("cluster: invalid configuration: " + err.Error())
	}
	w := &Windows{
		cfg:        c,
		pane:       int64(c.Pane),
		window:     int64(c.Window),
		slide:      int64(c.Slide),
		outOfOrder: int64(c.OutOfOrderness),
		grace:      int64(c.Grace),
		maxAhead:   int64(c.MaxAhead),
		maxGap:     int64(c.MaxGap),
		seenFor:    int64(c.SeenFor),
		newcomers:  make(map[string]int),
		landed:     1,
		sources:    make(map[int]*source),
		tenants:    make(map[string]*tenant),
	}
	w.panesPerWindow = w.window / w.pane
	w.panesPerSlide = w.slide / w.pane
	if c.MediumWindow > 0 {
		w.spans = append(w.spans, w.newSpan(Medium, int64(c.MediumWindow), int64(c.MediumSlide)))
	}
	if c.LongWindow > 0 {
		w.spans = append(w.spans, w.newSpan(Long, int64(c.LongWindow), int64(c.LongSlide)))
	}
	w.forgetEvery = max(w.seenFor/32/w.window, 1) * w.window
	return w
}

// maxTime is the end of event time, in 2106: pane numbers have 32 bits.
const maxTime = (1<<32 - 1<<20) * int64(1e9)

// Add counts one event of the fingerprint fp. Nothing of the event is retained:
// its names are copied, as is the ID of one that is kept as a [Sample].
//
// A source that was not added is added under its number. A wrong clock of the
// event shows against the time of the record. When there is none, the recent
// event times of the source tell (see clock), which rejects up to 7 events after
// a jump of more than Config.MaxAhead.
//
// Lateness is judged against the events of the same source before this one,
// and, for a source that was idle, stalled or added later, against what is
// closed already. An event before 1970 is dropped as late, one after 2105 is
// rejected.
func (w *Windows) Add(e *fingerprint.Event, fp *fingerprint.Fingerprint, from Origin) Outcome {
	o := w.add(e, fp, w.source(from.Source), from)
	w.outcomes[o]++
	return o
}

func (w *Windows) add(e *fingerprint.Event, fp *fingerprint.Fingerprint, s *source, from Origin) Outcome {
	t, recordTime := e.Time, from.RecordTime
	if t < 0 {
		return LateDropped
	}
	if t > maxTime {
		return RejectedAhead
	}
	warming := false
	if recordTime != 0 {
		if t-w.maxAhead > recordTime {
			return RejectedAhead
		}
	} else {
		if s.clock.note(t, w.maxAhead) {
			return RejectedAhead
		}
		warming = s.clock.n < clockWarm
		if s.clock.n == clockWarm && !s.seen {
			s.high = s.clock.highest()
		}
	}
	onTime := (!s.seen || t >= s.high-w.outOfOrder) && (!w.started || t >= w.frontier)
	deep := s.seen && t < s.high-w.outOfOrder-w.grace ||
		w.started && (t < w.mark-w.grace || t/w.window < w.training)
	// Nobody is late because of an event from the future: the source has come
	// as far as its records.
	reached := t
	if recordTime != 0 {
		reached = min(t, recordTime)
	}
	w.moved(s, reached, warming)
	switch {
	case onTime:
		w.count(w.mem.paneAt(&w.open, t/w.pane), e, fp, from, false)
		return Clustered
	case deep:
		return LateDropped
	default:
		w.count(w.mem.paneAt(&w.late, t/w.window), e, fp, from, true)
		return LateCorrected
	}
}

// count adds the event to the partial of its cluster.
func (w *Windows) count(at *pane, e *fingerprint.Event, fp *fingerprint.Fingerprint, from Origin, late bool) {
	p := w.partialOf(fp.Cluster, at, e.Time/w.pane)
	p.add(e, fp, from, late, w.cfg.MaxDistinct, &w.mem)
}

func (w *Windows) capped(n int) uint32 { return uint32(min(n, w.cfg.MaxDistinct)) }
