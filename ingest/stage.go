package ingest

import (
	"strings"

	"github.com/logcluster/logcluster/fingerprint"
)

// A request passes through up to three audit stages and is to be counted once,
// by a decoder that sees each stage alone. The rule:
//
//   - A long-running request counts at ResponseStarted, and its ResponseComplete
//     or Panic is filtered. kube-apiserver records ResponseStarted for exactly
//     those requests, also when it refuses them.
//   - Every other request counts at ResponseComplete or Panic.
//   - RequestReceived never counts.
//
// What it costs: a long-running request whose ResponseStarted is lost, or
// which panics before its response starts, is not counted. With
// Config.LongRunningAtEnd the first rule is void, and what is lost instead are
// watches that never end (and an exec session counts only when it is over).

// disposition says what to do with the event: emit it, or filter it by a rule,
// or reject it because of an unknown stage.
func (d *Decoder) disposition(stage string, e *fingerprint.Event) (emit bool, rule Rule, known bool) {
	switch stage {
	case "ResponseComplete", "Panic":
		if !d.cfg.LongRunningAtEnd && longRunning(e) {
			return false, RuleLongRunningEnded, true
		}
		return true, 0, true
	case "ResponseStarted":
		if !d.cfg.LongRunningAtEnd && longRunning(e) {
			return true, 0, true
		}
		return false, RuleResponseStarted, true
	case "RequestReceived":
		return false, RuleRequestReceived, true
	default:
		return false, 0, false
	}
}

// longRunning reports whether kube-apiserver treats the request as
// long-running: watches, the subresources that carry a stream, and profiling.
func longRunning(e *fingerprint.Event) bool {
	if e.Verb == "watch" || e.Verb == "proxy" {
		return true
	}
	switch e.Resource.Subresource {
	case "attach", "exec", "log", "portforward", "proxy":
		return true
	}
	return strings.HasPrefix(e.Resource.Path, "/debug/pprof/")
}
