// Package engine composes the pure stages behind the fingerprint: windows,
// baselines, role families and the detector. The service runs one, and so does
// everything that asks what the service would have said: a replay, a backtest,
// a shadow, a benchmark.
//
// Event time alone moves an engine, so the same events give the same results,
// bit for bit. It starts no goroutine and is not safe for concurrent use.
package engine

import (
	"fmt"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/calibration"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/baseline/peer"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// Config is the configuration of the stages. It must be valid.
type Config struct {
	Cluster  cluster.Config
	Baseline baseline.Config
	Families family.Config
	Peers    peer.Config
	Anomaly  anomaly.Config
}

// DefaultConfig returns the defaults of all stages.
func DefaultConfig() Config {
	return Config{
		Cluster:  cluster.DefaultConfig(),
		Baseline: baseline.DefaultConfig(),
		Families: family.DefaultConfig(),
		Peers:    peer.DefaultConfig(),
		Anomaly:  anomaly.DefaultConfig(),
	}
}

// Observer is told what an engine comes to. Any of its functions may be nil.
type Observer struct {
	// Found receives every evaluation of the short scale and its result. They are
	// valid until it returns; the anomalies in the result may be kept.
	Found func(*cluster.Evaluation, anomaly.Result)
	// Learned receives the role families of a tenant whenever they were learned;
	// they may be kept.
	Learned func(*family.Families)
	// Compared receives how well roles describe their subjects, and how stable the
	// clusters are, after every window of the medium scale. It is valid until it
	// returns.
	Compared func(tenant string, q peer.Quality)
	// Calibrated receives what was measured of a tenant's calibration, when its
	// families have been learned. It may be kept. It costs some milliseconds.
	Calibrated func(tenant string, rows []calibration.Row)
	// Forgotten is told of a tenant that is known no more.
	Forgotten func(tenant string)
}

// Engine is the stages together.
type Engine struct {
	windows   *cluster.Windows
	baselines *baseline.Store
	detector  *anomaly.Detector
	families  *family.Learner
	peers     *peer.Store
	book      *verdict.Book
	// policies tells what roles may do, which families are learned from.
	policies fingerprint.Policies
	observer Observer

	retrainEvery, learnEvery int64
	// retrained is the last mark of event time at which the baselines were
	// retrained, and learned that at which families were, in Unix nanoseconds;
	// zero before the first window.
	retrained, learned int64
}

// New returns an engine without any history. The policies say what roles may do;
// [fingerprint.Always](nil) where nothing does.
func New(cfg Config, policies fingerprint.Policies, observer Observer) *Engine {
	baselines := baseline.New(cfg.Baseline)
	book := verdict.New(cfg.Cluster.Window)
	detector := anomaly.New(cfg.Anomaly, baselines)
	detector.SetSuppressions(book)
	detector.SetDismissals(book)
	detector.SetBindings(bindings{policies})
	return &Engine{
		windows:      cluster.New(cfg.Cluster),
		baselines:    baselines,
		detector:     detector,
		families:     family.New(cfg.Families),
		peers:        peer.New(cfg.Peers),
		book:         book,
		policies:     policies,
		observer:     observer,
		retrainEvery: int64(cfg.Baseline.Retrain),
		learnEvery:   int64(cfg.Families.Every),
	}
}

// Windows is where events are counted: whoever feeds the engine adds them there.
func (e *Engine) Windows() *cluster.Windows { return e.windows }

// Baselines is what is expected.
func (e *Engine) Baselines() *baseline.Store { return e.baselines }

// Detector is what judges.
func (e *Engine) Detector() *anomaly.Detector { return e.detector }

// Book is what people have decided about alerts. What is applied to it is in force
// from the first evaluation that ends at its time or later.
func (e *Engine) Book() *verdict.Book { return e.book }

// Retrained is the last mark of event time at which the baselines were retrained,
// in Unix nanoseconds; zero before the first window.
func (e *Engine) Retrained() int64 { return e.retrained }

// Advance closes what the watermark has passed and has it scored.
func (e *Engine) Advance() { e.windows.Advance(visitor{e}) }

// Finish closes what can be closed at the end of all input; see
// [cluster.Windows.Finish].
func (e *Engine) Finish() { e.windows.Finish(visitor{e}) }

// bindings answer for the detector which roles are still bound. The policy can
// tell of a key only that was made by one.
type bindings struct{ policies fingerprint.Policies }

// Bound implements [anomaly.Bindings].
func (b bindings) Bound(key *fingerprint.ClusterKey, at int64) bool {
	return key.RoleSource != rbac.SourceRBAC || b.policies.At(key.Tenant, at).KeyBound(key.Role)
}

// visitor is the engine as the windows see it.
type visitor struct{ *Engine }

// Train implements [cluster.Visitor].
func (v visitor) Train(t *cluster.Training) { v.baselines.Train(t) }

// Evaluate implements [cluster.Visitor]. Baselines are retrained when event
// time crosses a mark, before the window that crosses it is scored.
func (v visitor) Evaluate(ev *cluster.Evaluation) {
	mark := ev.End - ev.End%v.retrainEvery
	v.book.Advance(ev.End, v.baselines, mark > v.retrained)
	if mark > v.retrained {
		v.retrain(mark)
	}
	if ev.Scale != cluster.Short {
		v.detector.Note(ev, v.compare(ev))
		return
	}
	result := v.detector.Evaluate(ev)
	v.book.Observe(&result, v.baselines)
	if v.observer.Found != nil {
		v.observer.Found(ev, result)
	}
}

// familyOf tells the family of a role, "" of one that is not known.
func familyOf(families *family.Families) func(role string) string {
	return func(role string) string {
		if f := families.Of(role); f != nil {
			return f.ID
		}
		return ""
	}
}

// compare holds subjects against their peers, and roles against each other, in
// the windows that are long enough for it and not too long to be soon enough.
func (e *Engine) compare(ev *cluster.Evaluation) []baseline.Finding {
	if ev.Scale != cluster.Medium {
		return nil
	}
	findings := e.peers.Judge(ev)
	if e.observer.Compared != nil {
		e.observer.Compared(ev.Tenant, e.peers.Quality(ev.Tenant))
	}
	return findings
}

// retrain fits the baselines anew, takes note of new levels, and, from time to
// time, learns which roles are alike.
func (e *Engine) retrain(mark int64) {
	e.detector.Shifted(e.baselines.Retrain(mark))
	e.retrained = mark
	e.forget()
	if mark-mark%e.learnEvery <= e.learned {
		return
	}
	e.learned = mark
	for _, tenant := range e.baselines.Tenants() {
		roles := family.Assemble(e.policies.At(tenant, mark), e.baselines.Behaviour(tenant))
		if len(roles) == 0 {
			continue
		}
		families := e.families.Learn(tenant, mark, roles)
		e.baselines.SetFamilies(tenant, familyOf(families))
		e.peers.SetFamilies(tenant, familyOf(families))
		if e.observer.Learned != nil {
			e.observer.Learned(families)
		}
		if e.observer.Calibrated != nil {
			e.observer.Calibrated(tenant, append(e.baselines.Calibration(tenant), e.peers.Calibration(tenant)...))
		}
	}
}

// forget drops what is kept of tenants that the windows have forgotten: so the
// budget of tenants bounds it, however many there have been.
func (e *Engine) forget() {
	for _, tenant := range e.baselines.Tenants() {
		if e.windows.Knows(tenant) {
			continue
		}
		e.baselines.Forget(tenant)
		e.detector.Forget(tenant)
		e.families.Forget(tenant)
		e.peers.Forget(tenant)
		e.book.Forget(tenant)
		if e.observer.Forgotten != nil {
			e.observer.Forgotten(tenant)
		}
	}
}

// State is what an engine must keep to go on bit for bit.
type State struct {
	Windows   cluster.State
	Baselines baseline.State
	Detector  anomaly.DetectorState
	Families  family.State
	Peers     peer.State
	Book      verdict.State
	Retrained int64
	Learned   int64
}

// Snapshot returns the state of the engine. It shares no memory with it.
func (e *Engine) Snapshot() State {
	return State{
		Windows:   e.windows.Snapshot(),
		Baselines: e.baselines.Snapshot(),
		Detector:  e.detector.Snapshot(),
		Families:  e.families.Snapshot(),
		Peers:     e.peers.Snapshot(),
		Book:      e.book.Snapshot(),
		Retrained: e.retrained,
		Learned:   e.learned,
	}
}

// Restore puts the engine, which must be new, into the state. After an error it
// must not be used.
func (e *Engine) Restore(s *State) error {
	if err := e.windows.Restore(s.Windows); err != nil {
		return err
	}
	if err := e.baselines.Restore(s.Baselines); err != nil {
		return fmt.Errorf("restore baselines: %w", err)
	}
	if err := e.detector.Restore(s.Detector); err != nil {
		return fmt.Errorf("restore anomalies: %w", err)
	}
	if err := e.families.Restore(s.Families); err != nil {
		return fmt.Errorf("restore role families: %w", err)
	}
	if err := e.peers.Restore(s.Peers); err != nil {
		return fmt.Errorf("restore peers: %w", err)
	}
	for _, f := range s.Families.Tenants {
		e.peers.SetFamilies(f.Tenant, familyOf(e.families.Families(f.Tenant)))
	}
	if err := e.book.Restore(s.Book); err != nil {
		return err
	}
	e.retrained, e.learned = s.Retrained, s.Learned
	return nil
}
