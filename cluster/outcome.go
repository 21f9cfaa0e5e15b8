package cluster

// Outcome is what became of one event. Every event has exactly one.
type Outcome uint8

// The outcomes. Whether an event that came in time ends in a cluster of its own
// or in the overflow is decided when its pane closes, so [Windows.Add] answers
// Clustered for both; [Stats] tells them apart.
const (
	Clustered     Outcome = iota // counted in its cluster
	Overflow                     // counted in the overflow cluster of its tenant
	LateCorrected                // behind the watermark, inside the grace: counted in a Training only
	LateDropped                  // behind the watermark and the grace: not counted
	RejectedAhead                // too far ahead of its record: not counted, moves nothing
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"clustered", "overflow", "late_corrected", "late_dropped", "rejected_ahead"}

// String returns the outcome as a metric label value, such as
// "late_corrected".
func (o Outcome) String() string {
	if o >= NumOutcomes {
		return "invalid"
	}
	return outcomeNames[o]
}
