package app

import (
	"fmt"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest"
)

// totals are the two sides of the accounting identity, in events since the
// state began. Decoding counts the left side and what it kept back; the windows
// count the rest by themselves.
type totals struct {
	Consumed  uint64
	Rejected  [ingest.ReasonCount]uint64
	Filtered  [ingest.RuleCount]uint64
	Truncated uint64
	Redacted  uint64
	// Roles counts decoded events by where their role came from, and Refuted
	// those that were refused though the policy in force allows them.
	Roles   [rbac.SourceCount]uint64
	Refuted uint64
}

func (t *totals) add(o *observations) {
	r := &o.result
	t.Consumed += uint64(r.Consumed())
	for i, n := range r.Rejected {
		t.Rejected[i] += uint64(n)
	}
	for i, n := range r.Filtered {
		t.Filtered[i] += uint64(n)
	}
	t.Truncated += uint64(r.Truncated)
	t.Redacted += uint64(r.Redacted)
	for i, n := range o.roles {
		t.Roles[i] += n
	}
	t.Refuted += o.refuted
}

// rejected returns the sum over all reasons of the decoder.
func (t *totals) rejected() uint64 { return sum(t.Rejected[:]) }

// filtered returns the sum over all rules.
func (t *totals) filtered() uint64 { return sum(t.Filtered[:]) }

// check returns an error unless every consumed event is accounted for:
//
//	consumed = clustered + overflow + late_corrected + late_dropped
//	           + rejected(reason) + filtered(rule)
func (t *totals) check(s *cluster.Stats) error {
	var outcomes uint64
	for _, n := range s.Outcomes {
		outcomes += n
	}
	if got := outcomes + t.rejected() + t.filtered(); got != t.Consumed {
		return fmt.Errorf("accounting identity: %d events consumed, %d accounted for", t.Consumed, got)
	}
	return nil
}

func sum(of []uint64) (total uint64) {
	for _, n := range of {
		total += n
	}
	return total
}
