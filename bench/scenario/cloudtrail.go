package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/fingerprint"
)

// trailRecord is what is used of a CloudTrail record.
type trailRecord struct {
	EventTime                                                   time.Time
	EventSource, EventName, ErrorCode, SourceIPAddress, EventID string
	ReadOnly                                                    bool
	RequestParameters                                           map[string]any
}

// trailVerbs are the beginnings of event names, the longest first where one begins
// another, with the request verb that they come to.
var trailVerbs = []struct{ prefix, verb string }{
	{"BatchGet", "get"},
	{"Get", "get"},
	{"Head", "get"},
	{"Lookup", "get"},
	{"Download", "get"},
	{"Decrypt", "get"},
	{"List", "list"},
	{"Describe", "list"},
	{"Search", "list"},
	{"Delete", "delete"},
	{"Terminate", "delete"},
	{"Remove", "delete"},
	{"Detach", "delete"},
	{"Disassociate", "delete"},
	{"AssumeRole", "impersonate"},
	{"Update", "update"},
	{"Modify", "update"},
	{"Put", "update"},
	{"Set", "update"},
}

// event is the record as the stages see one: the service is the API group, what the
// event's name says is done is the verb, and to what is the resource.
func (t *trailRecord) event() fingerprint.Event {
	e := fingerprint.Event{
		Tenant: stream.Tenant, Time: t.EventTime.UnixNano(), ID: t.EventID, Verb: "create", Source: t.SourceIPAddress,
		Decision: fingerprint.DecisionAllow, Code: 200, Latency: -1,
		Resource: fingerprint.Resource{Group: t.EventSource, Name: strings.ToLower(t.EventName)},
	}
	if t.ReadOnly {
		e.Verb = "get"
	}
	for _, v := range trailVerbs {
		if noun, ok := strings.CutPrefix(t.EventName, v.prefix); ok {
			e.Verb = v.verb
			if noun != "" {
				e.Resource.Name = strings.ToLower(noun)
			}
			break
		}
	}
	for _, key := range sortedKeys(t.RequestParameters) {
		if text, ok := t.RequestParameters[key].(string); ok {
			e.Resource.Object = text
			break
		}
	}
	switch {
	case strings.Contains(t.ErrorCode, "AccessDenied"), strings.Contains(t.ErrorCode, "Unauthorized"):
		e.Decision, e.Code = fingerprint.DecisionForbid, 403
	case t.ErrorCode != "":
		e.Code = 400
	}
	return e
}

// readTrail reads the records of all JSON files below a folder, each file by
// itself, in order of time. The map is by file name without its ending.
func readTrail(dir string) (map[string][]fingerprint.Event, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read CloudTrail: %s: %w", dir, os.ErrNotExist)
	}
	out := make(map[string][]fingerprint.Event)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var records []trailRecord
		if err := json.Unmarshal(text, &records); err != nil {
			var delivered struct{ Records []trailRecord }
			if err := json.Unmarshal(text, &delivered); err != nil {
				return nil, fmt.Errorf("read CloudTrail: %s: %w", name, err)
			}
			records = delivered.Records
		}
		var events []fingerprint.Event
		for i := range records {
			events = append(events, records[i].event())
		}
		out[strings.TrimSuffix(filepath.Base(name), ".json")] = inOrder(events)
	}
	return out, nil
}

func inOrder(events []fingerprint.Event) []fingerprint.Event {
	slices.SortStableFunc(events, func(a, b fingerprint.Event) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.ID, b.ID))
	})
	return events
}

// Trail makes a world of recorded CloudTrail logs below a folder. There is less
// than an hour of them, most of it simulated attacks; so the background is made of
// it: blocks of consecutive records, as they came, are the habits of invented
// people and services, who repeat them at seeded times for so many days: services
// every few minutes, people in the hours of work of five days a week. What the
// folder of recorded techniques has is done as attacks, by those people.
func Trail(dir string, seed uint64, days int) (*World, error) {
	recorded, err := readTrail(filepath.Join(dir, "invictus", "CloudTrail"))
	if err != nil {
		return nil, err
	}
	techniques, err := readTrail(filepath.Join(dir, "stratus", "docs", "detonation-logs"))
	if err != nil {
		return nil, err
	}
	var all []fingerprint.Event
	for _, name := range sortedKeys(recorded) {
		all = append(all, recorded[name]...)
	}
	for name, events := range techniques {
		techniques[name] = sinceFirst(events, 5*time.Minute)
	}
	w := &World{
		Name: "CloudTrail", Groups: make(map[string][]string), Recorded: techniques,
		Prints: func() *fingerprint.Fingerprinter {
			return fingerprint.New(fingerprint.DefaultConfig(), fingerprint.Roles{})
		},
		Words: Words{
			Secrets: fingerprint.Resource{Group: "secretsmanager.amazonaws.com", Name: "secretvalue"},
			Exec:    fingerprint.Resource{Group: "ssm.amazonaws.com", Name: "sendcommand"},
			Binding: fingerprint.Resource{Group: "iam.amazonaws.com", Name: "userpolicy"},
			Token:   fingerprint.Resource{Group: "sts.amazonaws.com", Name: "role"},
			Hook:    fingerprint.Resource{Group: "lambda.amazonaws.com", Name: "layerversion"},
			Mint:    "impersonate",
		},
	}
	c := &crowd{World: w, rng: rand.New(rand.NewPCG(seed, 0x7a11)), recorded: inOrder(all), prints: w.Prints(), begin: TrailBegin, days: days}
	for i := range 6 {
		c.service(i)
	}
	for i := range 24 {
		c.person(i)
	}
	slices.SortStableFunc(w.Items, func(a, b stream.Item) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	return w, nil
}

// TrailBegin is when the background of [Trail] begins: a Monday.
var TrailBegin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// sinceFirst moves events to begin at zero, without pauses longer than a limit.
func sinceFirst(events []fingerprint.Event, pause time.Duration) []fingerprint.Event {
	out := slices.Clone(events)
	at := int64(0)
	for i := range out {
		if i > 0 {
			at += min(events[i].Time-events[i-1].Time, int64(pause))
		}
		out[i].Time = at
	}
	return out
}

// crowd makes the background of a world.
type crowd struct {
	*World
	rng      *rand.Rand
	recorded []fingerprint.Event
	prints   *fingerprint.Fingerprinter
	begin    time.Time
	days     int
}

// block is some consecutive records.
func (c *crowd) block(lo, hi int) []fingerprint.Event {
	n := between(c.rng, lo, hi)
	at := c.rng.IntN(len(c.recorded) - n)
	return sinceFirst(c.recorded[at:at+n], time.Minute)
}

// service does one of two things every few minutes, day and night.
func (c *crowd) service(i int) {
	name := fmt.Sprintf("role/service-%d", i)
	c.Groups[name] = []string{"services"}
	does := [][]fingerprint.Event{c.block(3, 12), c.block(3, 12)}
	address := fmt.Sprintf("10.0.%d.%d", i, c.rng.IntN(256))
	every := c.rng.ExpFloat64()*2 + 2
	for m := 0.0; m < float64(c.days)*24*60; m += every * (0.8 + 0.4*c.rng.Float64()) {
		c.session(name, address, m, pick(c.rng, does))
	}
}

// person does one of a dozen things now and then in the hours of work.
func (c *crowd) person(i int) {
	team := i % 5
	name := fmt.Sprintf("user/person-%d", i)
	c.Groups[name] = []string{fmt.Sprintf("team-%d", team)}
	var does [][]fingerprint.Event
	for range 12 {
		does = append(does, c.block(5, 40))
	}
	address := fmt.Sprintf("10.1.%d.%d", team, c.rng.IntN(256))
	perHour := 0.5 + 2*c.rng.Float64()
	for m := 0.0; m < float64(c.days)*24*60; m += c.rng.ExpFloat64() * 60 / (perHour + 0.5) {
		at := c.begin.Add(time.Duration(m * float64(time.Minute)))
		working := math.Exp(-math.Pow((float64(at.Hour())+float64(at.Minute())/60-13)/3, 2))
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			working *= 0.05
		}
		if c.rng.Float64() < working {
			c.session(name, address, m, pick(c.rng, does))
		}
	}
}

// session has somebody do a block, beginning a number of minutes after the start.
func (c *crowd) session(who, address string, minute float64, block []fingerprint.Event) {
	start := c.begin.UnixNano() + int64(minute*float64(time.Minute))
	for _, e := range block {
		e.Time += start
		e.User, e.Groups, e.Source = who, c.Groups[who], address
		c.Items = append(c.Items, stream.Item{
			Time: e.Time, Latency: e.Latency, User: e.User, Object: e.Resource.Object, Source: e.Source, Line: line(&e),
			Code: int32(e.Code), Decision: e.Decision, Print: c.prints.Of(&e),
		})
	}
}
