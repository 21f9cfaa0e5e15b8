package app

import (
	"fmt"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
)

// engine composes the pure stages behind the fingerprint: windows, baselines
// and the detector. Event time alone moves it, so that a replay gives what the
// live service would have given. It is not safe for concurrent use.
type engine struct {
	windows   *cluster.Windows
	baselines *baseline.Store
	detector  *anomaly.Detector

	retrainEvery int64
	// retrained is the last mark of event time at which the baselines were
	// retrained, in Unix nanoseconds; zero before the first window.
	retrained int64

	// found receives the result of every evaluation. The result is valid until
	// it returns; the anomalies in it may be kept.
	found func(anomaly.Result)
}

func newEngine(cfg *Config, found func(anomaly.Result)) *engine {
	baselines := baseline.New(cfg.Baseline)
	return &engine{
		windows:      cluster.New(cfg.Cluster),
		baselines:    baselines,
		detector:     anomaly.New(cfg.Anomaly, baselines),
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
		e.baselines.Retrain(mark)
		e.retrained = mark
	}
	e.found(e.detector.Evaluate(ev))
}

// engineState is what an engine must keep to go on bit for bit.
type engineState struct {
	Windows   cluster.State
	Baselines baseline.State
	Detector  anomaly.DetectorState
	Retrained int64
}

func (e *engine) snapshot() engineState {
	return engineState{
		Windows:   e.windows.Snapshot(),
		Baselines: e.baselines.Snapshot(),
		Detector:  e.detector.Snapshot(),
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
	e.retrained = s.Retrained
	return nil
}
