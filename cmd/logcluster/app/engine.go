package app

import (
	"fmt"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint"
)

// engine composes the pure stages behind the fingerprint: windows, baselines
// and the detector. Event time alone moves it, so that a replay gives what the
// live service would have given. It is not safe for concurrent use.
type engine struct {
	windows   *cluster.Windows
	baselines *baseline.Store
	detector  *anomaly.Detector
	families  *family.Learner
	// policies tells what roles may do, which families are learned from.
	policies fingerprint.Policies

	retrainEvery int64
	// retrained is the last mark of event time at which the baselines were
	// retrained, in Unix nanoseconds; zero before the first window.
	retrained int64

	// found receives every evaluation and its result. They are valid until it
	// returns; the anomalies in the result may be kept.
	found func(*cluster.Evaluation, anomaly.Result)
	// learned receives the role families of a tenant after every retrain; they may
	// be kept. Nil when nobody asks for families: nothing else depends on them.
	learned func(*family.Families)
	// forgotten is told of a tenant that is known no more. Nil when nobody asks.
	forgotten func(tenant string)
}

func newEngine(cfg *Config, policies fingerprint.Policies, found func(*cluster.Evaluation, anomaly.Result)) *engine {
	baselines := baseline.New(cfg.Baseline)
	return &engine{
		windows:      cluster.New(cfg.Cluster),
		baselines:    baselines,
		detector:     anomaly.New(cfg.Anomaly, baselines),
		families:     family.New(cfg.Roles.Families),
		policies:     policies,
		retrainEvery: int64(cfg.Baseline.Retrain),
		found:        found,
	}
}

// advance closes what the watermark has passed and has it scored.
func (e *engine) advance() { e.windows.Advance(e) }

// Train implements [cluster.Visitor].
func (e *engine) Train(t *cluster.Training) { e.baselines.Train(t) }

// Evaluate implements [cluster.Visitor]. Baselines are retrained when event
// time crosses a mark, before the window that crosses it is scored.
func (e *engine) Evaluate(ev *cluster.Evaluation) {
	if mark := ev.End - ev.End%e.retrainEvery; mark > e.retrained {
		e.retrain(mark)
	}
	e.found(ev, e.detector.Evaluate(ev))
}

// retrain fits the baselines anew, and learns which roles are alike.
func (e *engine) retrain(mark int64) {
	e.baselines.Retrain(mark)
	e.retrained = mark
	e.forget()
	if e.learned == nil {
		return
	}
	for _, tenant := range e.baselines.Tenants() {
		roles := family.Assemble(e.policies.At(tenant, mark), e.baselines.Behaviour(tenant))
		if len(roles) == 0 {
			continue
		}
		e.learned(e.families.Learn(tenant, mark, roles))
	}
}

// forget drops what is kept of tenants that the windows have forgotten: so the
// budget of tenants bounds it, however many there have been.
func (e *engine) forget() {
	for _, tenant := range e.baselines.Tenants() {
		if e.windows.Knows(tenant) {
			continue
		}
		e.baselines.Forget(tenant)
		e.detector.Forget(tenant)
		e.families.Forget(tenant)
		if e.forgotten != nil {
			e.forgotten(tenant)
		}
	}
}

// engineState is what an engine must keep to go on bit for bit.
type engineState struct {
	Windows   cluster.State
	Baselines baseline.State
	Detector  anomaly.DetectorState
	Families  family.State
	Retrained int64
}

func (e *engine) snapshot() engineState {
	return engineState{
		Windows:   e.windows.Snapshot(),
		Baselines: e.baselines.Snapshot(),
		Detector:  e.detector.Snapshot(),
		Families:  e.families.Snapshot(),
		Retrained: e.retrained,
	}
}

func (e *engine) restore(s *engineState) error {
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
	e.retrained = s.Retrained
	return nil
}
