package scenario

import (
	"slices"

	"github.com/logcluster/logcluster/bench/stream"
)

// Audited makes a world of a recorded audit log. What happened in it is known, and
// stays.
func Audited(name string, r *stream.Recording) *World {
	return &World{
		Name: name, Items: r.Items, Policy: r.Policy, Groups: r.Groups, Prints: r.Prints, Words: Kubernetes(),
		Known: slices.Concat(r.Labels.Incidents, r.Labels.BenignChanges),
	}
}
