package scenario

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/rivals"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/fingerprint"
)

// Contender is a rival with the threshold that it is judged at.
type Contender struct {
	Rival     *rivals.Rival
	Threshold float64
}

// Warm are detectors that have seen a world until a time. It is safe for
// concurrent use: every trial begins with copies.
type Warm struct {
	world      World
	cfg        engine.Config
	at         int64
	state      []byte
	contenders []Contender
}

// Warm lets detectors see the world until a time.
func (w *World) Warm(cfg engine.Config, until int64, contenders []Contender) (*Warm, error) {
	warm := &Warm{world: *w, cfg: cfg, at: until}
	warm.world.Learn(until)
	before := stream.Between(w.Items, 0, until)
	e := engine.New(cfg, fingerprint.Always(w.Policy), engine.Observer{})
	stream.AddSources(e, before)
	stream.Feed(e, before)
	state := e.Snapshot()
	var err error
	if warm.state, err = cbor.Marshal(&state); err != nil {
		return nil, fmt.Errorf("keep the state: %w", err)
	}
	for _, c := range contenders {
		own := c.Rival.Clone()
		own.Feed(before, func(rivals.Score) {})
		warm.contenders = append(warm.contenders, Contender{own, c.Threshold})
	}
	return warm, nil
}

// Result is what one detector came to in one trial.
type Result struct {
	Detector string
	Seed     uint64
	Report   detection.Report
}

// Try draws a plan of a seed for the time until the end and lets every detector
// loose on it: first the project's own, then the contenders.
func (w *Warm) Try(seed uint64, attacks int, until int64) ([]Result, error) {
	plan := w.world.Draw(seed, attacks, w.at, until)
	if len(plan.Attacks) == 0 {
		return nil, fmt.Errorf("seed %d: no attack fits", seed)
	}
	judge := func(name string, r detection.Report) Result { return Result{Detector: name, Seed: seed, Report: r} }
	start, end := plan.Labels.Start, plan.Labels.End

	var state engine.State
	if err := cbor.Unmarshal(w.state, &state); err != nil {
		return nil, fmt.Errorf("take up the state: %w", err)
	}
	var o stream.Outcome
	e := engine.New(w.cfg, fingerprint.Always(w.world.Policy), o.Observe())
	if err := e.Restore(&state); err != nil {
		return nil, err
	}
	stream.Feed(e, plan.Items)
	e.Finish()
	out := []Result{judge("logcluster", detection.Judge(plan.Labels, o.Alerts, start, end))}
	for _, c := range w.contenders {
		var scores []rivals.Score
		c.Rival.Clone().Feed(plan.Items, func(s rivals.Score) { scores = append(scores, s) })
		out = append(out, judge(c.Rival.Name, detection.Judge(plan.Labels, rivals.Fair(c.Threshold).Alerts(scores), start, end)))
	}
	return out, nil
}
