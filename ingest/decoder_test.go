package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/fingerprint"
)

// cloneEvent keeps an event beyond emit.
func cloneEvent(e *fingerprint.Event) fingerprint.Event {
	c := *e
	for _, s := range []*string{
		&c.ID, &c.Tenant, &c.User, &c.ActingAs, &c.Verb, &c.Reason, &c.Source, &c.UserAgent,
		&c.Resource.Group, &c.Resource.Name, &c.Resource.Subresource, &c.Resource.Namespace, &c.Resource.Object, &c.Resource.Path,
	} {
		*s = strings.Clone(*s)
	}
	for _, groups := range []*[]string{&c.Groups, &c.ActingGroups} {
		*groups = append([]string(nil), *groups...) // nil when empty
		for i, g := range *groups {
			(*groups)[i] = strings.Clone(g)
		}
	}
	c.Attributes = append([]fingerprint.Attribute(nil), c.Attributes...)
	for i, a := range c.Attributes {
		c.Attributes[i] = fingerprint.Attribute{Name: strings.Clone(a.Name), Value: strings.Clone(a.Value)}
	}
	c.Object = bytes.Clone(c.Object)
	return c
}

func decodeAll(d *Decoder, value []byte) (events []fingerprint.Event, result Result, err error) {
	result, err = d.Decode(value, func(e *fingerprint.Event) { events = append(events, cloneEvent(e)) })
	return events, result, err
}

// checkSame compares events, taking empty and nil slices for the same.
func checkSame(t testing.TB, got, want *fingerprint.Event) {
	t.Helper()
	normal := func(e fingerprint.Event) fingerprint.Event {
		e.Groups = append([]string{}, e.Groups...)
		e.ActingGroups = append([]string{}, e.ActingGroups...)
		e.Attributes = append([]fingerprint.Attribute{}, e.Attributes...)
		return e
	}
	if g, w := normal(*got), normal(*want); !reflect.DeepEqual(g, w) {
		t.Errorf("got  %+v\nwant %+v", g, w)
	}
}

func TestDecodeEvent(t *testing.T) {
	events, result, err := decodeAll(NewDecoder(DefaultConfig()), fixture(t, "event.json"))
	if err != nil || len(events) != 1 || result.Consumed() != 1 {
		t.Fatalf("%d events, %+v, error %v", len(events), result, err)
	}
	checkSame(t, &events[0], &fingerprint.Event{
		Time: 1773065251497044000, ID: "7f3c1c52-9a0e-4d0b-8f1e-5b9a6f0c2d11",
		User:   "system:serviceaccount:payments:release-bot",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:payments", "system:authenticated"},
		Verb:   "patch",
		Resource: fingerprint.Resource{
			Group: "apps", Name: "deployments", Subresource: "scale", Namespace: "payments", Object: "ledger-api",
		},
		Decision: fingerprint.DecisionAllow,
		Reason:   `RBAC: allowed by RoleBinding "release-bot/payments" of ClusterRole "release-manager" to ServiceAccount "release-bot/payments"`,
		Code:     200, Latency: 14131000, Source: "10.42.7.19", UserAgent: "release-bot/v2.14.3 (linux/amd64) kubernetes/8cc511e",
	})
}

func TestDecodeLines(t *testing.T) {
	events, result, err := decodeAll(NewDecoder(DefaultConfig()), fixture(t, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		user, _ := e.Subject()
		got = append(got, fmt.Sprintf("%s %s %s%s/%s code=%d decision=%d latency=%d", user, e.Verb, e.Resource.Path, e.Resource.Name, e.Resource.Subresource, e.Code, e.Decision, e.Latency))
	}
	bot := "system:serviceaccount:payments:release-bot "
	want := []string{
		"system:anonymous get /healthz/ code=200 decision=1 latency=14131000",
		bot + "get pods/exec code=101 decision=1 latency=14131000",
		bot + "list secrets/ code=403 decision=2 latency=14131000",
		"jane@example.org get deployments/scale code=200 decision=1 latency=14131000",
		bot + "create deployments/scale code=500 decision=1 latency=14131000",
		bot + "get deployments/scale code=200 decision=1 latency=-1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if a := events[5].UserAgent; a != "curl/8.5 \u202e\u001b[31m \"q\" \\ \U0001f680" {
		t.Errorf("user agent %q", a)
	}
	wantResult := Result{Emitted: 6, LongRunning: 1}
	wantResult.Filtered[RuleRequestReceived], wantResult.Filtered[RuleLongRunningEnded] = 1, 1
	if result != wantResult {
		t.Errorf("got %+v, want %+v", result, wantResult)
	}
}

// event returns a small event with some of its text replaced.
func event(replacements ...string) string {
	return strings.NewReplacer(replacements...).Replace(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","stage":"ResponseComplete",` +
		`"verb":"get","requestURI":"/x?q","stageTimestamp":"2026-03-09T14:07:31Z"}`)
}

func item(id string) string {
	return `{"auditID":"` + id + `","stage":"ResponseComplete","verb":"get","requestURI":"/x","stageTimestamp":"2026-03-09T14:07:31Z"}`
}

func list(items ...string) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + strings.Join(items, ",") + `]}`
}

// TestDecodeShapes goes through what a record can be. The wanted text is the
// ids of the emitted events, then what was rejected and filtered.
func TestDecodeShapes(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	tests := []struct{ name, record, want string }{
		{"event", event(), "1"},
		{"v1beta1", event("io/v1", "io/v1beta1"), "1"},
		{"several", event() + "\n" + event(`"1"`, `"2"`) + event(`"1"`, `"3"`), "1 2 3"},
		{"array", "[" + event() + ",\n" + event(`"1"`, `"2"`) + "]", "1 2"},
		{"empty array", "[]", ""},
		{"list", list(item("a"), item("b")), "a b"},
		{"empty list", list(), ""},
		{"list without items", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1"}`, ""},
		{"list of null", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":null}`, ""},
		{"list with its kind last", `{"items":[` + item("a") + `,` + item("b") + `],"apiVersion":"audit.k8s.io/v1","kind":"EventList"}`, "a b"},
		{"lists in an array", "[" + list(item("a")) + "," + list(item("b")) + "]", "a b"},
		{"list in a list", list(item("a"), list(item("b")), item("c")), "a c unsupported_kind:1"},
		{"list that is no array", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":{}}`, "wrong_type:1"},
		{"list with items twice", strings.TrimSuffix(list(item("a")), "}") + `,"items":[` + item("b") + `]}`, "a wrong_type:1"},
		{"list of something else", `{"kind":"EventList","apiVersion":"v1","items":[` + item("a") + `]}`, "unsupported_kind:1"},
		{"bad neighbours", list(item("a"), `7`, item("b"), `{"verb":{}}`, item("c"), `{}`, item("d")), "a b c d wrong_type:2 missing_field:1"},
		{"items with kinds", list(event(), event(`"Event"`, `"Pod"`), event("io/v1", "io/v2")), "1 unsupported_kind:2"},
		{"list cut off", strings.TrimSuffix(list(item("a"), item("b"), item("c")), `"}]}`), "a b invalid_json:1"},
		{"event cut off", event()[:100], "invalid_json:1"},
		{"rubbish after an event", event() + " rubbish " + event(), "1 invalid_json:1"},
		{"rubbish", "rubbish", "invalid_json:1"},
		{"comma between", event() + "," + event(), "1 invalid_json:1"},
		{"byte order mark", "\ufeff" + event(), "invalid_json:1"},
		{"nothing", "", "empty:1"},
		{"blank", " \r\n\t", "empty:1"},
		{"scalars", `1 "x" null true ` + event(), "1 wrong_type:4"},
		{"other object", `{"kind":"Pod","apiVersion":"v1"}`, "unsupported_kind:1"},
		{"no kind", item("a"), "unsupported_kind:1"},
		{"old version", event("io/v1", "io/v1alpha1"), "unsupported_kind:1"},
		{"wrong type of a kept field", event(`"get"`, `{"a":[1]}`), "wrong_type:1"},
		{"wrong type of a nested field", event(`"verb"`, `"user":{"groups":["a",1]},"verb"`), "wrong_type:1"},
		{"wrong type of a skipped field", event(`"verb"`, `"level":{"a":[1]},"verb"`), "1"},
		{"wrong code", event(`"verb"`, `"responseStatus":{"code":"200"},"verb"`), "wrong_type:1"},
		{"code out of range", event(`"verb"`, `"responseStatus":{"code":1000},"verb"`), "wrong_type:1"},
		{"code with a fraction", event(`"verb"`, `"responseStatus":{"code":2e2},"verb"`), "wrong_type:1"},
		{"nulls", event(`"verb"`, `"user":null,"objectRef":null,"sourceIPs":null,"annotations":null,"responseStatus":null,"verb"`), "1"},
		{"the last of repeated keys", event(`"auditID":"1"`, `"auditID":"1","auditID":null,"auditID":"2"`), "2"},
		{"escaped key", event(`"auditID"`, `"audit\u0049D"`), "1"},
		{"no stage", event(`"stage"`, `"phase"`), "missing_field:1"},
		{"unknown stage", event("ResponseComplete", "Done"), "unknown_stage:1"},
		{"no verb", event(`"verb"`, `"verve"`), "missing_field:1"},
		{"no path and no object", event("requestURI", "uri"), "missing_field:1"},
		{"no time", event("stageTimestamp", "time"), "missing_field:1"},
		{"only the request's time", event("stageTimestamp", "requestReceivedTimestamp"), "1"},
		{"bad time", event("14:07:31", "25:07:31"), "bad_timestamp:1"},
		{"received", event("ResponseComplete", "RequestReceived"), "request_received:1"},
		{"started", event("ResponseComplete", "ResponseStarted"), "response_started:1"},
		{"panic", event("ResponseComplete", "Panic"), "1"},
		{"watch started", event("ResponseComplete", "ResponseStarted", `"get"`, `"watch"`), "1"},
		{"watch ended", event(`"get"`, `"watch"`), "long_running_ended:1"},
		{"watch panicked", event("ResponseComplete", "Panic", `"get"`, `"watch"`), "long_running_ended:1"},
		{"exec started", event("ResponseComplete", "ResponseStarted", `"verb"`, `"objectRef":{"resource":"pods","subresource":"exec"},"verb"`), "1"},
		{"profile ended", event("/x", "/debug/pprof/heap"), "long_running_ended:1"},
		{"deep", event(`"verb"`, `"level":`+deep+`,"verb"`), "too_deep:1"},
		{"brackets in strings are not deep", event(`"1"`, `"`+strings.Repeat(`[{\"`, 300)+`"`), strings.Repeat(`[{"`, 300)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkShape(t, NewDecoder(DefaultConfig()), test.record, test.want)
		})
	}
}

func checkShape(t *testing.T, d *Decoder, record, want string) {
	t.Helper()
	events, result, err := decodeAll(d, []byte(record))
	var got []string
	for _, e := range events {
		got = append(got, e.ID)
	}
	for _, r := range Reasons() {
		if n := result.Rejected[r]; n > 0 {
			got = append(got, fmt.Sprintf("%v:%d", r, n))
		}
	}
	for _, r := range Rules() {
		if n := result.Filtered[r]; n > 0 {
			got = append(got, fmt.Sprintf("%v:%d", r, n))
		}
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %q, want %q (error %v)", s, want, err)
	}
	var reject *RejectError
	if (err != nil) != (result.TotalRejected() > 0) || err != nil && !errors.As(err, &reject) {
		t.Errorf("error %v with %d rejected", err, result.TotalRejected())
	}
	if result.Consumed() != result.Emitted+result.TotalRejected()+result.TotalFiltered() || result.Emitted != len(events) {
		t.Errorf("the identity does not hold: %+v", result)
	}
}

func TestLongRunningAtEnd(t *testing.T) {
	cfg := DefaultConfig()
	cfg.LongRunningAtEnd = true
	d := NewDecoder(cfg)
	checkShape(t, d, event("ResponseComplete", "ResponseStarted", `"get"`, `"watch"`), "response_started:1")
	checkShape(t, d, event(`"get"`, `"watch"`), "1")
	checkShape(t, d, event("ResponseComplete", "Panic", `"get"`, `"watch"`), "1")
}

func TestLimits(t *testing.T) {
	d := NewDecoder(Config{MaxRecordBytes: 1000, MaxDepth: 6, MaxFieldBytes: 64, MaxGroups: 2})
	checkShape(t, d, event()+strings.Repeat(" ", 1000), "too_large:1")
	long := strings.Repeat("é", 40) // the limit falls into a character
	events, result, err := decodeAll(d, []byte(event(`"verb"`,
		`"user":{"username":"`+long+`","groups":["a","b","c","d"]},"userAgent":"`+long+`","verb"`)))
	if err != nil || result.Truncated != 3 {
		t.Fatalf("%+v, error %v", result, err)
	}
	if e := events[0]; e.UserAgent != long[:64] || e.User != long[:64] || !slices.Equal(e.Groups, []string{"a", "b"}) {
		t.Errorf("%+v", e)
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	for in, want := range map[string]string{
		"a\xffb": "a\ufffdb", `\ud800`: "\ufffd", `\ud83d\ude80`: "\U0001f680", `\ud800\ud83d\ude80`: "\ufffd\U0001f680",
		`\ud800\u0041`: "\ufffdA", `\"\\\/\b\f\n\r\t\u00e9`: "\"\\/\b\f\n\r\té", "\xe2\x82": "\ufffd\ufffd",
	} {
		events, _, err := decodeAll(NewDecoder(DefaultConfig()), []byte(event(`"1"`, `"`+in+`"`)))
		if err != nil || events[0].ID != want {
			t.Errorf("%q: error %v, got %+q, want %+q", in, err, events[0].ID, want)
		}
	}
}

func TestBodiesAreNotKept(t *testing.T) {
	events, _, err := decodeAll(NewDecoder(DefaultConfig()), fixture(t, "event_bodies.json"))
	if err != nil || strings.Contains(fmt.Sprintf("%+v", events), "hunter2") {
		t.Errorf("error %v, events %+v", err, events)
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	attributes := DefaultConfig()
	attributes.Attributes = everyAttribute()
	for _, cfg := range []Config{DefaultConfig(), attributes} {
		d := NewDecoder(cfg)
		for _, name := range fixtures {
			record := fixture(t, name)
			if n := testing.AllocsPerRun(100, func() {
				if _, err := d.Decode(record, func(*fingerprint.Event) {}); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s, %d attributes: %v allocations", name, len(cfg.Attributes), n)
			}
		}
	}
}

// reporter is what testing.T and rapid.T have in common here.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// rewritten returns a JSON object as the oracle writes one.
func rewritten(t reporter, object []byte) []byte {
	if object == nil {
		return nil
	}
	var v map[string]any
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil || object[0] != '{' || object[len(object)-1] != '}' {
		t.Errorf("object %q: error %v", object, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Errorf("object %q: %v", object, err)
	}
	return b
}

// agreesWithOracle compares one record's outcome with the slow and obvious one.
func agreesWithOracle(t reporter, cfg Config, record []byte) {
	t.Helper()
	original := bytes.Clone(record)
	events, result, _ := decodeAll(NewDecoder(cfg), record)
	if !bytes.Equal(original, record) {
		t.Errorf("the record was modified: %q", original)
	}
	o := oracle{cfg: cfg}
	if !o.decode(record) {
		return
	}
	for i := range min(len(events), len(o.events)) {
		events[i].Object = rewritten(t, events[i].Object)
		if !reflect.DeepEqual(events[i], o.events[i]) {
			t.Errorf("record %q:\ngot  %#v\nwant %#v", record, events[i], o.events[i])
		}
	}
	if result != o.result {
		t.Errorf("record %q:\ngot  %+v\nwant %+v", record, result, o.result)
	}
}

func TestAgreesWithOracleOnRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := generator{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
		agreesWithOracle(t, g.config(), g.record())
	})
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		record, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(record)
		f.Add(record[:len(record)/2])
	}
	f.Add([]byte(`0"000"`)) // encoding/json takes it for two values
	g := generator{rng: rand.New(rand.NewPCG(1, 2))}
	for range 20 {
		f.Add(g.record())
	}
	cfg := Config{MaxRecordBytes: 1 << 20, MaxDepth: 20, MaxFieldBytes: 64, MaxGroups: 2}
	cfg.Attributes = everyAttribute()
	f.Fuzz(func(t *testing.T, record []byte) {
		agreesWithOracle(t, cfg, record)
		// Any prefix is dealt with as well: emitted, filtered or rejected.
		if n := len(record); n > 0 && n < 4096 {
			prefix := record[:n*2/3]
			_, result, err := decodeAll(NewDecoder(cfg), prefix)
			if (err != nil) != (result.TotalRejected() > 0) {
				t.Errorf("prefix %q: %+v, error %v", prefix, result, err)
			}
		}
	})
}
