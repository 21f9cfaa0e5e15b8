package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/logcluster/logcluster/fingerprint"
)

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	d := NewDecoder(DefaultConfig())
	record := list(item("a"), "7", item("b")) + event(`"get"`, `"watch"`)
	result, _ := d.Decode([]byte(record), func(*fingerprint.Event) {})
	m.Add(&result)
	want := `
# HELP logcluster_ingest_events_consumed_total Events met in records: emitted + rejected + filtered.
# TYPE logcluster_ingest_events_consumed_total counter
logcluster_ingest_events_consumed_total 4
# HELP logcluster_ingest_events_emitted_total Events decoded and handed to the next stage, one a request.
# TYPE logcluster_ingest_events_emitted_total counter
logcluster_ingest_events_emitted_total 2
# HELP logcluster_ingest_events_filtered_total Events left out so that a request counts once, by rule.
# TYPE logcluster_ingest_events_filtered_total counter
logcluster_ingest_events_filtered_total{rule="long_running_ended"} 1
logcluster_ingest_events_filtered_total{rule="request_received"} 0
logcluster_ingest_events_filtered_total{rule="response_started"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"logcluster_ingest_events_consumed_total", "logcluster_ingest_events_emitted_total", "logcluster_ingest_events_filtered_total"); err != nil {
		t.Error(err)
	}
	// Every reason has a series from the start.
	if n := testutil.CollectAndCount(m.rejected[ReasonWrongType]); n != 1 || testutil.ToFloat64(m.rejected[ReasonWrongType]) != 1 {
		t.Errorf("%d series", n)
	}
	if n, err := testutil.GatherAndCount(reg, "logcluster_ingest_events_rejected_total"); n != ReasonCount-1 || err != nil {
		t.Errorf("%d reasons, error %v", n, err)
	}
}

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
