package ingest

import "strconv"

// Reason says why an event, or the rest of a record, was rejected. The set is
// closed, so that it can be a label of a metric.
type Reason uint8

// The reasons of rejection.
const (
	// ReasonNone is the zero value: nothing was rejected.
	ReasonNone Reason = iota
	// ReasonEmpty is a record without a value, or of white space only.
	ReasonEmpty
	// ReasonTooLarge is a record longer than [Config.MaxRecordBytes].
	ReasonTooLarge
	// ReasonTooDeep is a record nested deeper than [Config.MaxDepth].
	ReasonTooDeep
	// ReasonInvalidJSON is text that is not JSON from some point on.
	ReasonInvalidJSON
	// ReasonWrongType is a needed field (or a whole record) of another JSON
	// type than it should have, or a status code that is not one.
	ReasonWrongType
	// ReasonUnsupportedKind is an object that is not an audit Event or
	// EventList of a version that is understood.
	ReasonUnsupportedKind
	// ReasonMissingField is an event without a stage, a verb, a time, or
	// without anything that it was about.
	ReasonMissingField
	// ReasonBadTimestamp is a time that is not RFC 3339, or outside of the
	// years 1970 to 2261.
	ReasonBadTimestamp
	// ReasonUnknownStage is a stage that the audit API does not define.
	ReasonUnknownStage
	// ReasonPoisonBatch is a batch of records that the broker's client could
	// not unpack: damaged, or beyond the limit of decompression. It counts
	// records that were never seen, by their offsets. The decoder never
	// gives it; a Kafka session does.
	ReasonPoisonBatch

	// ReasonCount is the number of reasons, [ReasonNone] included.
	ReasonCount = iota
)

var reasonNames = [ReasonCount]string{
	"none", "empty", "too_large", "too_deep", "invalid_json", "wrong_type", "unsupported_kind",
	"missing_field", "bad_timestamp", "unknown_stage", "poison_batch",
}

// String returns the reason as the value of a metric's label.
func (r Reason) String() string { return nameOf(reasonNames[:], int(r)) }

// Reasons returns every reason but [ReasonNone], in a stable order.
func Reasons() []Reason {
	all := make([]Reason, 0, ReasonCount-1)
	for r := ReasonNone + 1; r < ReasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// Rule says why a well-formed event is not counted. The set is closed, so that
// it can be a label of a metric.
type Rule uint8

// The rules. Together they make one request count once, however many of its
// stages the audit policy records; see [Config.LongRunningAtEnd].
const (
	// RuleRequestReceived leaves out the arrival of a request: how it ended
	// is not known yet.
	RuleRequestReceived Rule = iota
	// RuleResponseStarted leaves out the start of the response to a request
	// that counts when it ends.
	RuleResponseStarted
	// RuleLongRunningEnded leaves out the end of a long-running request,
	// which has counted when it started.
	RuleLongRunningEnded

	// RuleCount is the number of rules.
	RuleCount = iota
)

var ruleNames = [RuleCount]string{"request_received", "response_started", "long_running_ended"}

// String returns the rule as the value of a metric's label.
func (r Rule) String() string { return nameOf(ruleNames[:], int(r)) }

// Rules returns every rule in a stable order.
func Rules() []Rule { return []Rule{RuleRequestReceived, RuleResponseStarted, RuleLongRunningEnded} }

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}

// RejectError is the rejection of one event or of the rest of a record.
type RejectError struct {
	// Reason is the bounded cause.
	Reason Reason
	// Field is the path of the field at fault ("user.groups"), empty when it
	// is not about one field. It is never text from a record.
	Field string
	// Err is the cause beneath, nil if there is none. Its text may quote a
	// byte of the record but no more.
	Err error
}

// Error implements error.
func (e *RejectError) Error() string {
	s := "decode audit record: " + e.Reason.String()
	if e.Field != "" {
		s += ": " + e.Field
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause beneath.
func (e *RejectError) Unwrap() error { return e.Err }

// Result counts what became of the events of one record, or of several when
// added up.
type Result struct {
	// Emitted is the number of events handed out.
	Emitted int
	// LongRunning is how many of the emitted were long-running requests
	// counted at their start. If it stays zero while
	// Filtered[RuleLongRunningEnded] grows, the audit policy omits the stage
	// ResponseStarted and [Config.LongRunningAtEnd] should be set.
	LongRunning int
	// Rejected and Filtered count events by reason and by rule. A record that
	// breaks off counts as one more rejected event.
	Rejected [ReasonCount]int
	Filtered [RuleCount]int
	// Truncated is the number of fields cut to a limit, and Redacted the
	// number of secrets masked. They are no part of the identity.
	Truncated int
	Redacted  int
}

// Add adds the counts of other.
func (r *Result) Add(other *Result) {
	r.Emitted += other.Emitted
	r.LongRunning += other.LongRunning
	for i, n := range other.Rejected {
		r.Rejected[i] += n
	}
	for i, n := range other.Filtered {
		r.Filtered[i] += n
	}
	r.Truncated += other.Truncated
	r.Redacted += other.Redacted
}

// Consumed returns the number of events that were met: emitted + rejected +
// filtered.
func (r *Result) Consumed() int { return r.Emitted + r.TotalRejected() + r.TotalFiltered() }

// TotalRejected returns the number of rejected events of all reasons.
func (r *Result) TotalRejected() int {
	n := 0
	for _, c := range r.Rejected {
		n += c
	}
	return n
}

// TotalFiltered returns the number of filtered events of all rules.
func (r *Result) TotalFiltered() int {
	n := 0
	for _, c := range r.Filtered {
		n += c
	}
	return n
}
