package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		seen[r.String()] = true
	}
	for _, r := range Rules() {
		seen[r.String()] = true
	}
	if len(seen) != ReasonCount-1+RuleCount || seen["none"] || seen[""] {
		t.Errorf("names %v", seen)
	}
	if s := fmt.Sprint(Reason(200), Rule(200)); s != "200 200" {
		t.Errorf("unknown values are called %q", s)
	}
	cause := errors.New("byte 7")
	err := error(&RejectError{Reason: ReasonInvalidJSON, Field: "user", Err: cause})
	if !errors.Is(err, cause) || err.Error() != "decode audit record: invalid_json: user: byte 7" {
		t.Errorf("error %q", err)
	}
}

func TestResultAdds(t *testing.T) {
	var sum Result
	one := Result{Emitted: 1, LongRunning: 1, Truncated: 2, Redacted: 3}
	one.Rejected[ReasonEmpty], one.Filtered[RuleResponseStarted] = 4, 5
	sum.Add(&one)
	sum.Add(&one)
	want := Result{Emitted: 2, LongRunning: 2, Truncated: 4, Redacted: 6}
	want.Rejected[ReasonEmpty], want.Filtered[RuleResponseStarted] = 8, 10
	if sum != want || sum.Consumed() != 20 {
		t.Errorf("got %+v, want %+v", sum, want)
	}
}

func TestConfigValidate(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c = Config{}
	for _, field := range []string{"max_record_bytes", "max_depth", "max_field_bytes", "max_groups"} {
		if err := c.Validate(); !strings.Contains(fmt.Sprint(err), field) {
			t.Errorf("%v lacks %s", err, field)
		}
	}
}
