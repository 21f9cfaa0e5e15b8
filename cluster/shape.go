package cluster

import (
	"math"

	"github.com/logcluster/logcluster/fingerprint"
)

// VerbClass is a class of request verbs: the index of [Shape].Verbs.
type VerbClass uint8

// The classes of verbs.
const (
	VerbGet VerbClass = iota
	VerbList
	VerbWatch
	VerbCreate
	VerbUpdate
	VerbPatch
	VerbDelete
	VerbDeleteCollection
	VerbOther // bind, approve, impersonate, use, … and what is no verb at all
)

var verbNames = [NumVerbs]string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "other"}

// String returns the verb of the class, or "other".
func (c VerbClass) String() string {
	if c < NumVerbs {
		return verbNames[c]
	}
	return "invalid"
}

// VerbOf returns the class of a request verb, or of the lower-case HTTP method
// of a request that is not about an API resource.
func VerbOf(verb string) VerbClass {
	switch verb {
	case "get", "head", "options":
		return VerbGet
	case "list":
		return VerbList
	case "watch":
		return VerbWatch
	case "create", "post":
		return VerbCreate
	case "update", "put":
		return VerbUpdate
	case "patch":
		return VerbPatch
	case "delete":
		return VerbDelete
	case "deletecollection":
		return VerbDeleteCollection
	default:
		return VerbOther
	}
}

// OutcomeClass is a class of answers to a request: the index of
// [Shape].Outcomes.
type OutcomeClass uint8

// The classes of answers. Who refuses is told apart, because it tells what went
// wrong: the authorizer (no role allows it), admission or quota (any other 403),
// or nobody, and the request was a mistake.
const (
	OutcomeSuccess         OutcomeClass = iota // below 400, or not known
	OutcomeUnauthenticated                     // 401
	OutcomeRefused                             // by the authorizer, whatever the code
	OutcomeForbidden                           // any other 403: admission, quota
	OutcomeNotFound                            // 404, 410
	OutcomeConflict                            // 409, 412
	OutcomeRejected                            // any other 4xx: not valid, too many requests
	OutcomeError                               // 500 and above
)

var outcomeClassNames = [NumOutcomeClasses]string{
	"success", "unauthenticated", "refused", "forbidden", "not_found", "conflict", "rejected", "error",
}

// String returns the class as a label, such as "not_found".
func (c OutcomeClass) String() string {
	if c < NumOutcomeClasses {
		return outcomeClassNames[c]
	}
	return "invalid"
}

// OutcomeOf returns the class of the answer with the HTTP status code, 0 when it
// is not known, and the decision of the authorizer.
func OutcomeOf(code int, decision fingerprint.Decision) OutcomeClass {
	switch {
	case decision == fingerprint.DecisionForbid:
		return OutcomeRefused
	case code < 400:
		return OutcomeSuccess
	case code >= 500:
		return OutcomeError
	}
	switch code {
	case 401:
		return OutcomeUnauthenticated
	case 403:
		return OutcomeForbidden
	case 404, 410:
		return OutcomeNotFound
	case 409, 412:
		return OutcomeConflict
	default:
		return OutcomeRejected
	}
}

// latencySteps is how many steps there are from one latency to twice as much.
const latencySteps = 256

// LatencyStep returns a latency in nanoseconds in the units of [Latencies]: its
// logarithm to base 2 in steps of 1/256, from 1 µs on. Up to 1 µs it is 0.
func LatencyStep(nanoseconds int64) uint64 {
	if nanoseconds <= 1000 {
		return 0
	}
	return uint64(math.Log2(float64(nanoseconds)/1000)*latencySteps + 0.5)
}

// Mean returns the mean of the logarithm to base 2 of the latency in
// microseconds, 0 when there is none.
func (l *Latencies) Mean() float64 {
	if l.N == 0 {
		return 0
	}
	return float64(l.Sum) / (float64(l.N) * latencySteps)
}

func (l *Latencies) note(nanoseconds int64) {
	if nanoseconds < 0 {
		return
	}
	step := LatencyStep(nanoseconds)
	l.N++
	l.Sum += step
	l.Square += step * step
}

// amounts are the sums that are kept of events. They are whole numbers, so that
// what was added can be subtracted again without a trace.
type amounts struct {
	counts   Counts // without the distinct ones
	verbs    [NumVerbs]uint32
	outcomes [NumOutcomeClasses]uint32
	latency  Latencies
}

// note counts one event.
func (a *amounts) note(e *fingerprint.Event, verb string) {
	a.counts[Events]++
	if e.Decision == fingerprint.DecisionForbid {
		a.counts[Denied]++
	}
	if e.Failed() {
		a.counts[Failed]++
	}
	a.verbs[VerbOf(verb)]++
	a.outcomes[OutcomeOf(e.Code, e.Decision)]++
	a.latency.note(e.Latency)
}

func (a *amounts) add(b *amounts) {
	a.counts.add(&b.counts)
	for i, n := range b.verbs {
		a.verbs[i] += n
	}
	for i, n := range b.outcomes {
		a.outcomes[i] += n
	}
	a.latency.add(&b.latency)
}

func (l *Latencies) add(o *Latencies) {
	l.N += o.N
	l.Sum += o.Sum
	l.Square += o.Square
}

func (a *amounts) subtract(b *amounts) {
	for i, n := range b.counts {
		a.counts[i] -= n
	}
	for i, n := range b.verbs {
		a.verbs[i] -= n
	}
	for i, n := range b.outcomes {
		a.outcomes[i] -= n
	}
	a.latency.N -= b.latency.N
	a.latency.Sum -= b.latency.Sum
	a.latency.Square -= b.latency.Square
}

// shape returns the part of a Shape that is sums.
func (a *amounts) shape() Shape {
	return Shape{Verbs: a.verbs, Outcomes: a.outcomes, Latency: a.latency}
}
