package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
)

// ShadowConfig names a second configuration that runs beside the service.
type ShadowConfig struct {
	// Config is a configuration file whose sections cluster, baseline, peers and
	// anomaly, defaults for what it leaves out, run beside the service's own on the
	// same events. Its alerts go nowhere: they are compared with the service's, by
	// logcluster_shadow_alerts_total and /api/v1/shadow. Everything else in the file
	// is ignored. It costs what counting and scoring cost, once more, in time on
	// another core, in memory and in the size of the snapshot. Empty for none.
	Config string `yaml:"config"`
}

// LoadShadow returns the configuration of the shadow, nil when there is none: the
// service's own, but for what the score depends on.
func LoadShadow(cfg *Config) (*Config, error) {
	if cfg.Shadow.Config == "" {
		return nil, nil
	}
	second := DefaultConfig()
	if err := config.LoadFile(cfg.Shadow.Config, config.Source{Unused: []string{"kafka", "topics"}}, &second); err != nil {
		return nil, fmt.Errorf("shadow.config: %w", err)
	}
	out := *cfg
	out.Cluster, out.Baseline, out.Peers, out.Anomaly = second.Cluster, second.Baseline, second.Peers, second.Anomaly
	return &out, nil
}

// shadow is a second engine on the events of the service, whose alerts go nowhere.
// It works while the service's own engine does, in a goroutine of the batch; what
// it needs longer than that, the batch waits for. If it fails it ends, and the
// service goes on. All but what people are shown belongs to the stream.
type shadow struct {
	name    string
	print   uint64
	engine  *engine.Engine
	compare *comparison
	log     *slog.Logger

	// found are the results of the batch in hand, of each side.
	found [sides][]anomaly.Result
	at    [sides]int64
	// ready are the tenants that the shadow has learned: before, it has nothing to
	// compare with.
	ready map[string]bool

	mu sync.Mutex
	// counts and what follows are what people are shown.
	counts  shadowCounts
	last    []web.Difference // the newest first
	firing  map[string][]web.ShadowAlert
	since   int64
	problem string
}

// shadowCounts count alerts by who has raised them.
type shadowCounts struct{ Main, Shadow, Both uint64 }

// What is shown of a shadow.
const (
	maxDifferences   = 200
	maxShadowFirings = 100
)

// The words for who has raised an alert.
const (
	onlyMain   = "main"
	onlyShadow = "shadow"
	byBoth     = "both"
)

func newShadow(main, cfg *Config, policies fingerprint.Policies, log *slog.Logger) *shadow {
	s := &shadow{
		name: main.Shadow.Config, print: printOf(cfg), compare: newComparison(main, cfg), log: log,
		firing: map[string][]web.ShadowAlert{}, ready: map[string]bool{},
	}
	s.compare.matched = func(c *compared) { s.differ(byBoth, &c.Alert) }
	s.compare.closed = func(side int, c *compared) {
		if len(c.Matches) == 0 {
			s.differ([]string{onlyMain, onlyShadow}[side], &c.Alert)
		}
	}
	s.fresh(cfg, policies)
	return s
}

// fresh gives the shadow an engine without history.
func (s *shadow) fresh(cfg *Config, policies fingerprint.Policies) {
	s.engine = engine.New(cfg.engine(), policies, engine.Observer{
		Found: func(_ *cluster.Evaluation, r anomaly.Result) { s.take(sideB, &r) },
	})
}

// printOf identifies what the score of a configuration depends on: a snapshot of
// another one is of no use.
func printOf(cfg *Config) uint64 {
	text, err := json.Marshal(cfg.engine())
	if err != nil {
		panic("shadow: encode configuration: " + err.Error()) // plain numbers and texts
	}
	return xxhash.Sum64(text)
}

// take keeps a result of one side until the batch is done.
func (s *shadow) take(side int, r *anomaly.Result) {
	s.found[side] = append(s.found[side], *r)
	s.at[side] = r.End.UnixNano()
}

// beside runs the shadow on a batch while main does the service's own work. Without
// a shadow, or with one that has failed, that is all.
func (s *shadow) beside(o *observations, main func()) {
	if s == nil || s.failed() {
		main()
		return
	}
	var work sync.WaitGroup
	work.Go(func() {
		defer func() {
			if reason := recover(); reason != nil {
				s.fail(fmt.Sprint(reason))
			}
		}()
		o.apply(s.engine, ignore, ignore)
	})
	main()
	work.Wait()
	if !s.failed() {
		s.settle()
	}
}

// settle compares what both sides came to, of the tenants that the shadow has
// learned.
func (s *shadow) settle() {
	for _, side := range []int{sideB, sideA} {
		for i := range s.found[side] {
			r := &s.found[side][i]
			if side == sideB && !r.Learning {
				s.ready[r.Tenant] = true
				s.show(r)
			}
			if s.ready[r.Tenant] {
				s.compare.observe(side, r)
			}
		}
		clear(s.found[side])
		s.found[side] = s.found[side][:0]
	}
	s.compare.settle(min(s.at[sideA], s.at[sideB]))
}

// show puts up what the shadow says now.
func (s *shadow) show(r *anomaly.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == 0 {
		s.since = r.Start.UnixNano()
	}
	if len(r.Firing) == 0 {
		delete(s.firing, r.Tenant)
		return
	}
	list := make([]web.ShadowAlert, min(len(r.Firing), maxShadowFirings))
	for i := range list {
		list[i] = shadowAlert(&r.Firing[i])
	}
	s.firing[r.Tenant] = list
}

// differ counts an alert and puts it up.
func (s *shadow) differ(only string, a *web.ShadowAlert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch only {
	case onlyMain:
		s.counts.Main++
	case onlyShadow:
		s.counts.Shadow++
	default:
		s.counts.Both++
	}
	s.last = slices.Insert(s.last, 0, web.Difference{Only: only, Alert: *a})
	s.last = s.last[:min(len(s.last), maxDifferences)]
}

// fail ends the shadow.
func (s *shadow) fail(reason string) {
	s.log.Error("the shadow has failed and ends, the service goes on", "reason", reason)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem, s.firing = reason, map[string][]web.ShadowAlert{}
}

func (s *shadow) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem != ""
}

// view is what people are shown. It may be asked by any goroutine.
func (s *shadow) view() (rule string, now *web.Shadow) {
	if s == nil {
		return matchRule, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &web.Shadow{
		Config: s.name, Problem: s.problem, Since: eventTime(s.since),
		Main: s.counts.Main, Shadow: s.counts.Shadow, Both: s.counts.Both, Last: slices.Clone(s.last),
	}
	for _, tenant := range slices.Sorted(maps.Keys(s.firing)) {
		out.Firing = append(out.Firing, s.firing[tenant]...)
	}
	out.Firing = out.Firing[:min(len(out.Firing), maxShadowFirings)]
	return matchRule, out
}

// shadowState is what a shadow must keep to go on.
type shadowState struct {
	// Print identifies the configuration.
	Print  uint64
	Engine engine.State
	Open   [sides][]compared
	Counts shadowCounts
	Last   []web.Difference
	Since  int64
	At     [sides]int64
	Ready  []string
}

// snapshot returns the state, nil without a shadow that runs.
func (s *shadow) snapshot() *shadowState {
	if s == nil || s.failed() {
		return nil
	}
	out := &shadowState{Print: s.print, Engine: s.engine.Snapshot(), At: s.at, Ready: slices.Sorted(maps.Keys(s.ready))}
	for side, list := range s.compare.open {
		for _, c := range list {
			out.Open[side] = append(out.Open[side], *c)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Counts, out.Last, out.Since = s.counts, slices.Clone(s.last), s.since
	return out
}

// restore goes on from a state. It reports whether it could: a state of another
// configuration is of no use, and the engine must then be a fresh one.
func (s *shadow) restore(state *shadowState) bool {
	if state == nil || state.Print != s.print {
		return false
	}
	if err := s.engine.Restore(&state.Engine); err != nil {
		s.log.Warn("the shadow begins anew", "error", err)
		return false
	}
	for side, list := range state.Open {
		for i := range list {
			c := list[i]
			s.compare.open[side] = append(s.compare.open[side], &c)
		}
	}
	for _, tenant := range state.Ready {
		s.ready[tenant] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.counts, s.last, s.since = state.At, state.Counts, state.Last, state.Since
	return true
}

// allWindows are the windows of all engines: what is true of sources and limits is
// true of each.
type allWindows []*cluster.Windows

// AddSource makes a source known.
func (all allWindows) AddSource(id int, name string) {
	for _, w := range all {
		w.AddSource(id, name)
	}
}

// MarkSource says how a source is doing.
func (all allWindows) MarkSource(id int, state cluster.SourceState) {
	for _, w := range all {
		w.MarkSource(id, state)
	}
}

// SetLimits says which limits tenants have from a time on.
func (all allWindows) SetLimits(from int64, limits map[string]cluster.Limits) {
	for _, w := range all {
		w.SetLimits(from, limits)
	}
}

// everyWindows are the windows of a pipeline, as they are now.
type everyWindows struct{ *pipeline }

// AddSource implements [sourceKeeper].
func (e everyWindows) AddSource(id int, name string) { e.windows().AddSource(id, name) }

// MarkSource implements [sourceKeeper].
func (e everyWindows) MarkSource(id int, state cluster.SourceState) {
	e.windows().MarkSource(id, state)
}

// windows are those of the service, and of its shadow.
func (p *pipeline) windows() allWindows {
	all := allWindows{p.engine.Windows()}
	if p.shadow != nil {
		all = append(all, p.shadow.engine.Windows())
	}
	return all
}

// shadowed takes a result of the service for the comparison.
func (p *pipeline) shadowed(r *anomaly.Result) {
	if p.shadow != nil && !p.shadow.failed() {
		p.shadow.take(sideA, r)
	}
}
