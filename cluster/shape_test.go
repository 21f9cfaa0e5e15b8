package cluster

import (
	"math"
	"testing"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

func TestVerbOf(t *testing.T) {
	for verb, want := range map[string]VerbClass{
		"get": VerbGet, "head": VerbGet, "list": VerbList, "watch": VerbWatch, "create": VerbCreate, "post": VerbCreate,
		"update": VerbUpdate, "put": VerbUpdate, "patch": VerbPatch, "delete": VerbDelete,
		"deletecollection": VerbDeleteCollection, "impersonate": VerbOther, "": VerbOther, "GET": VerbOther,
	} {
		if got := VerbOf(verb); got != want {
			t.Errorf("VerbOf(%q) = %v, want %v", verb, got, want)
		}
	}
	if s := VerbDeleteCollection.String() + " " + VerbClass(99).String(); s != "deletecollection invalid" {
		t.Error(s)
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		code     int
		decision fingerprint.Decision
		want     OutcomeClass
	}{
		{0, fingerprint.DecisionUnknown, OutcomeSuccess},
		{101, fingerprint.DecisionAllow, OutcomeSuccess},
		{304, fingerprint.DecisionAllow, OutcomeSuccess},
		{403, fingerprint.DecisionForbid, OutcomeRefused},
		{0, fingerprint.DecisionForbid, OutcomeRefused},
		{403, fingerprint.DecisionAllow, OutcomeForbidden},
		{401, fingerprint.DecisionUnknown, OutcomeUnauthenticated},
		{404, fingerprint.DecisionAllow, OutcomeNotFound},
		{410, fingerprint.DecisionAllow, OutcomeNotFound},
		{409, fingerprint.DecisionAllow, OutcomeConflict},
		{422, fingerprint.DecisionAllow, OutcomeRejected},
		{429, fingerprint.DecisionAllow, OutcomeRejected},
		{500, fingerprint.DecisionAllow, OutcomeError},
		{999, fingerprint.DecisionAllow, OutcomeError},
	} {
		if got := OutcomeOf(c.code, c.decision); got != c.want {
			t.Errorf("OutcomeOf(%d, %v) = %v, want %v", c.code, c.decision, got, c.want)
		}
	}
	if s := OutcomeNotFound.String() + " " + OutcomeClass(99).String(); s != "not_found invalid" {
		t.Error(s)
	}
}

func TestLatencies(t *testing.T) {
	var l Latencies
	if l.Mean() != 0 {
		t.Error("no latency has a mean")
	}
	l.note(-1) // not known
	for _, d := range []time.Duration{time.Microsecond, 2 * time.Microsecond, 4 * time.Microsecond} {
		l.note(int64(d))
	}
	// The logarithms are 0, 1 and 2, in steps of 1/256.
	if l.N != 3 || l.Mean() != 1 || l.Square != 5*256*256 {
		t.Errorf("%+v: mean %v", l, l.Mean())
	}
	if got := LatencyStep(math.MaxInt64); got != 13577 { // 256·log2(9.22e15)
		t.Errorf("the longest latency is %d", got)
	}
	if LatencyStep(0) != 0 || LatencyStep(999) != 0 || LatencyStep(1003) != 1 {
		t.Error("steps near 1 µs")
	}
}
