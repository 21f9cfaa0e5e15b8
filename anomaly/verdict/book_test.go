package verdict

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/fingerprint"
)

const window = 5 * time.Minute

var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a Monday

func minute(n int) int64 { return begin.Add(time.Duration(n) * time.Minute).UnixNano() }

// ledger notes what is done to the baseline.
type ledger struct{ lines []string }

func (l *ledger) Exclude(tenant string, id fingerprint.ID, from, to int64) {
	l.lines = append(l.lines, fmt.Sprintf("exclude %s %d %d-%d", tenant, id, minutes(from), minutes(to)))
}

func (l *ledger) Accept(tenant string, id fingerprint.ID, since int64) {
	l.lines = append(l.lines, fmt.Sprintf("accept %s %d %d", tenant, id, minutes(since)))
}

func minutes(at int64) int64 { return (at - begin.UnixNano()) / int64(time.Minute) }

// taken returns what was done since the last time.
func (l *ledger) taken() string {
	out := strings.Join(l.lines, "; ")
	l.lines = nil
	return out
}

func keyOf(id int) *fingerprint.ClusterKey {
	return &fingerprint.ClusterKey{
		ID: fingerprint.ID(id), Tenant: "t", Role: fmt.Sprint("Role/ns/r", id), Resource: "pods", Access: fingerprint.AccessWrite,
	}
}

// alertOf is an alert of a cluster that began at minute start.
func alertOf(id string, cluster int, state anomaly.State, start, now int) anomaly.Anomaly {
	a := anomaly.Anomaly{
		ID: id, State: state, Cluster: keyOf(cluster), Z: 8, StartedAt: time.Unix(0, minute(start)).UTC(),
		Features: []anomaly.Feature{{Name: "events"}},
	}
	if state == anomaly.Resolved {
		a.ResolvedAt = time.Unix(0, minute(now)).UTC()
	}
	return a
}

// play is a book with the minutes it lives through.
type play struct {
	t interface{ Fatal(...any) }
	*Book
	ledger
}

func newPlay(t interface{ Fatal(...any) }) *play { return &play{t: t, Book: New(window)} }

func (p *play) at(now int, changes ...anomaly.Anomaly) {
	p.Advance(minute(now), p, false)
	p.Observe(&anomaly.Result{Changes: changes}, p)
}

func (p *play) decide(from int, d Decision) error {
	d.Number, _ = p.Next()
	d.From = Instant(minute(from))
	if d.Suppression != nil {
		d.Suppression.ID = SuppressionID(d.Number)
	}
	if err := p.Accepts(&d); err != nil {
		return err
	}
	return p.Apply(d)
}

func (p *play) judge(from int, id string, w Word, v Verdict) {
	v.ID, v.Word = id, w
	var ok bool
	if v.About, ok = p.Told(id); !ok {
		p.t.Fatal("unknown alert", id)
	}
	if err := p.decide(from, Decision{Verdict: &v}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *play) silent(cluster, now int, subjects ...anomaly.Share) string {
	why, _ := p.Suppressed(keyOf(cluster), subjects, minute(now))
	return why
}

func TestARealIncidentIsKeptOut(t *testing.T) {
	p := newPlay(t)
	p.at(10, alertOf("a", 1, anomaly.Firing, 8, 10))
	p.judge(12, "a", True, Verdict{})
	if p.at(11); p.taken() != "" {
		t.Error("in force before its time")
	}
	p.at(12)
	if got := p.taken(); got != "exclude t 1 3-12" {
		t.Errorf("at first: %q", got)
	}
	p.Advance(minute(20), p, true)
	if got := p.taken(); got != "exclude t 1 3-20" {
		t.Errorf("before a retrain: %q", got)
	}
	joined := alertOf("a", 1, anomaly.Resolved, 8, 31)
	joined.Parts = []anomaly.Part{{Cluster: keyOf(2), Z: 4}}
	p.at(31, joined)
	if got := p.taken(); got != "exclude t 1 3-31; exclude t 2 3-31" {
		t.Errorf("in the end: %q", got)
	}
	if p.Advance(minute(40), p, true); p.taken() != "" {
		t.Error("it goes on after its end")
	}
	if p.silent(1, 12) != "" {
		t.Error("a real incident is suppressed")
	}
}

func TestNothingToSeeMustBeClearlyMoreNextTime(t *testing.T) {
	p := newPlay(t)
	p.at(10, alertOf("a", 1, anomaly.Firing, 8, 10))
	p.judge(12, "a", False, Verdict{Until: Instant(minute(100))})
	p.at(12)
	for _, test := range []struct {
		name    string
		cluster int
		feature string
		z       float64
		at      int
		want    bool
	}{
		{"the same", 1, "events", 8, 13, true},
		{"a little more", 1, "events", 11, 13, true},
		{"clearly more", 1, "events", 11.4, 13, false},
		{"the other way", 1, "events", -8, 13, false},
		{"another feature", 1, "failed", 8, 13, false},
		{"another cluster", 2, "events", 8, 13, false},
		{"afterwards", 1, "events", 8, 100, false},
	} {
		if got := p.Dismissed(keyOf(test.cluster), test.feature, test.z, minute(test.at)); got != test.want {
			t.Errorf("%s: dismissed %v, want %v", test.name, got, test.want)
		}
	}
	// Whoever changes his mind counts once.
	p.judge(20, "a", True, Verdict{})
	p.at(20)
	if p.Dismissed(keyOf(1), "events", 8, minute(20)) || len(p.Verdicts()) != 1 || p.counts.Given != [3]uint64{1, 1, 0} {
		t.Errorf("after another verdict: %+v", p.counts)
	}
}

func TestExpectedLastsAsLongAsTheAlert(t *testing.T) {
	p := newPlay(t)
	p.at(10, alertOf("a", 1, anomaly.Firing, 8, 10))
	p.judge(12, "a", Expected, Verdict{For: 30 * time.Minute, Comment: "restore", By: "alice", Baseline: LetIn})
	p.at(12)
	if got := p.taken(); got != "accept t 1 3" {
		t.Errorf("the baseline: %q", got)
	}
	if got := p.silent(1, 500); got != "expected (a): restore, by alice" {
		t.Errorf("while it lasts: %q", got)
	}
	if p.silent(2, 500) != "" {
		t.Error("another cluster is suppressed")
	}
	again := alertOf("b", 1, anomaly.Firing, 18, 20)
	again.Suppressed = p.silent(1, 20)
	p.at(20, again)
	if p.counts.Suppressed != [NumKinds]uint64{1, 0, 0} || p.InForce() != 1 {
		t.Errorf("counted %+v, %d in force", p.counts.Suppressed, p.InForce())
	}
	p.at(40, alertOf("a", 1, anomaly.Resolved, 8, 40))
	if p.silent(1, 74) == "" || p.silent(1, 75) != "" {
		t.Error("half an hour, and a window's length, after its end")
	}
	p.at(80)
	if p.InForce() != 0 {
		t.Error("still in force")
	}
}

func TestSuppressionsMatch(t *testing.T) {
	p := newPlay(t)
	s := &Suppression{Matchers: []string{`role=~"Role/ns/r[12]"`, `subject="alice"`}, Until: Instant(minute(60))}
	if err := p.decide(10, Decision{Suppression: s}); err != nil {
		t.Fatal(err)
	}
	p.at(10)
	alice, bob := anomaly.Share{Name: "alice", Share: 0.6}, anomaly.Share{Name: "bob", Share: 0.7}
	for _, test := range []struct {
		name     string
		cluster  int
		subjects []anomaly.Share
		at       int
		want     string
	}{
		{"driven by her", 1, []anomaly.Share{alice}, 20, "suppression (s1)"},
		{"driven by another", 1, []anomaly.Share{bob, {Name: "alice", Share: 0.3}}, 20, ""},
		{"by nobody known", 1, nil, 20, ""},
		{"another role", 12, []anomaly.Share{alice}, 20, ""},
		{"its window began before the end", 2, []anomaly.Share{alice}, 64, "suppression (s1)"},
		{"afterwards", 2, []anomaly.Share{alice}, 65, ""},
	} {
		if got := p.silent(test.cluster, test.at, test.subjects...); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if err := p.decide(30, Decision{Remove: "s1"}); err != nil {
		t.Fatal(err)
	}
	p.at(29)
	if p.silent(1, 29, alice) == "" {
		t.Error("removed before its time")
	}
	p.at(30)
	if p.silent(1, 30, alice) != "" || len(p.Suppressions()) != 0 {
		t.Error("still there")
	}
	if err := p.decide(40, Decision{Remove: "s1"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestMaintenanceComesBack(t *testing.T) {
	night := Maintenance{
		Name: "patches", Matchers: []string{`tenant="t"`},
		Times: []Interval{{Times: []string{"10:00-11:00"}, Weekdays: []string{"monday:tuesday"}, Location: "UTC"}},
	}
	p := newPlay(t)
	if err := p.decide(0, Decision{Maintenance: []Maintenance{night}}); err != nil {
		t.Fatal(err)
	}
	day := 24 * 60
	for _, test := range []struct {
		at   int
		want bool
	}{{59, false}, {60, true}, {119, true}, {124, true}, {125, false}, {day + 60, true}, {2*day + 60, false}, {7*day + 60, true}} {
		p.at(test.at)
		if got := p.silent(1, test.at) == "maintenance (patches)"; got != test.want {
			t.Errorf("at minute %d: %v, want %v", test.at, got, test.want)
		}
	}
	if w := p.Maintenance(); len(w) != 1 || !w[0].Active {
		t.Errorf("windows: %+v", w)
	}
	if err := p.decide(7*day+70, Decision{Maintenance: []Maintenance{}}); err != nil {
		t.Fatal(err)
	}
	if len(p.Decided()) != 0 {
		t.Error("what was decided last is not known")
	}
	p.at(7*day + 70)
	if p.silent(1, 7*day+70) != "" {
		t.Error("maintenance goes on")
	}
}

func TestAFullBookRefuses(t *testing.T) {
	p := newPlay(t)
	for i := range Max {
		until := Instant(minute(100))
		if i == 7 {
			until = Instant(minute(50))
		}
		if err := p.decide(1, Decision{Suppression: &Suppression{Matchers: []string{`tenant="x"`}, Until: until}}); err != nil {
			t.Fatal(err)
		}
	}
	one := func(from int) error {
		return p.decide(from, Decision{Suppression: &Suppression{Matchers: []string{`tenant="x"`}, Until: Instant(minute(200))}})
	}
	if err := one(2); !errors.Is(err, ErrFull) {
		t.Errorf("more than the maximum: %v", err)
	}
	p.at(56)
	if err := one(57); err != nil {
		t.Errorf("one has ended: %v", err)
	}
	p.at(57)
	left := p.Suppressions()
	if len(left) != Max || slices.ContainsFunc(left, func(s Standing) bool { return s.Suppression.ID == "s8" }) {
		t.Errorf("%d are left", len(left))
	}
}

func TestDecisionsAreValidated(t *testing.T) {
	about := Told{Members: []Member{{Cluster: "0000000000000001"}}}
	later := Instant(minute(10))
	for want, d := range map[string]Decision{
		"decides 0 things":             {},
		"decides 2 things":             {Remove: "a", Maintenance: []Maintenance{}},
		"id: no alert":                 {Verdict: &Verdict{Word: True, About: about}},
		`"maybe" is none of`:           {Verdict: &Verdict{ID: "a", Word: "maybe", About: about}},
		"never let in":                 {Verdict: &Verdict{ID: "a", Word: True, Baseline: LetIn, About: about}},
		"until: none is given":         {Verdict: &Verdict{ID: "a", Word: False, About: about}},
		"a real incident stays one":    {Verdict: &Verdict{ID: "a", Word: True, Until: later, About: about}},
		"is not after":                 {Verdict: &Verdict{ID: "a", Word: False, Until: 5, About: about}, From: 6},
		"baseline: \"out\" is none of": {Verdict: &Verdict{ID: "a", Word: Expected, Baseline: "out", About: about}},
		"0 clusters":                   {Verdict: &Verdict{ID: "a", Word: Expected}},
		"16 hexadecimal digits":        {Verdict: &Verdict{ID: "a", Word: Expected, About: Told{Members: []Member{{Cluster: "1"}}}}},
		"no matcher":                   {Suppression: &Suppression{Until: later}},
		"subjects is none of":          {Suppression: &Suppression{Matchers: []string{`subjects="a"`}, Until: later}},
		"missing closing ]":            {Suppression: &Suppression{Matchers: []string{`role=~"["`}, Until: later}},
		"comment: longer":              {Suppression: &Suppression{Matchers: []string{`role="a"`}, Until: later, Comment: strings.Repeat("x", 1001)}},
		"too long":                     {Suppression: &Suppression{Matchers: []string{`role="a"`}, Until: Instant(minute(0)).plus(MaxFor + 1)}, From: Instant(minute(0))},
		"02:00-04:00":                  {Maintenance: []Maintenance{{Name: "n", Matchers: []string{`role="a"`}, Times: []Interval{{Times: []string{"2-4"}}}}}},
		"not a valid weekday":          {Maintenance: []Maintenance{{Name: "n", Matchers: []string{`role="a"`}, Times: []Interval{{Weekdays: []string{"caturday"}}}}}},
		"no time is given":             {Maintenance: []Maintenance{{Name: "n", Matchers: []string{`role="a"`}, Times: []Interval{{Location: ""}}}}},
		"unknown time zone":            {Maintenance: []Maintenance{{Name: "n", Matchers: []string{`role="a"`}, Times: []Interval{{Months: []string{"1"}, Location: "Mars"}}}}},
	} {
		d.Number = 1
		if err := New(window).Apply(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func (t Instant) plus(d time.Duration) Instant { return t + Instant(d) }

// anyChanges are alerts that fire or are resolved in a minute.
func anyChanges(t *rapid.T, p *play, now int) []anomaly.Anomaly {
	alert := rapid.IntRange(0, 5).Draw(t, "alert")
	id := fmt.Sprint("a", alert)
	switch told, known := p.Told(id); {
	case rapid.IntRange(0, 2).Draw(t, "nothing") == 0:
		return nil
	case !known:
		return []anomaly.Anomaly{alertOf(id, alert, anomaly.Firing, now-2, now)}
	case told.End == 0:
		return []anomaly.Anomaly{alertOf(id, alert, anomaly.Resolved, now-2, now)}
	}
	return nil
}

// anyDecision is what somebody decides in a minute.
func anyDecision(t *rapid.T, p *play, now int) {
	alert := rapid.IntRange(0, 5).Draw(t, "about")
	id := fmt.Sprint("a", alert)
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0, 1:
		if _, known := p.Told(id); !known {
			return
		}
		w := rapid.SampledFrom(Words[:]).Draw(t, "word")
		v := Verdict{For: time.Duration(rapid.IntRange(0, 9).Draw(t, "for")) * time.Minute}
		if w == False {
			v.Until = Instant(minute(now + 20))
		}
		if w != True {
			v.Baseline = rapid.SampledFrom([]Learning{AsAlways, KeepOut, LetIn}).Draw(t, "baseline")
		}
		p.judge(now+2, id, w, v)
	case 2:
		until := Instant(minute(now + rapid.IntRange(3, 20).Draw(t, "until")))
		_ = p.decide(now+2, Decision{Suppression: &Suppression{Matchers: []string{fmt.Sprintf(`role="Role/ns/r%d"`, alert)}, Until: until}})
	case 3:
		_ = p.decide(now+2, Decision{Remove: rapid.SampledFrom([]string{id, fmt.Sprint("s", alert+1)}).Draw(t, "remove")})
	case 4:
		_ = p.decide(now+2, Decision{Maintenance: []Maintenance{{
			Name: "m", Matchers: []string{`tenant="t"`}, Times: []Interval{{Times: []string{"09:10-09:20"}}},
		}}})
	}
}

// said is all that a book can be asked.
func said(p *play, now int) string {
	var out strings.Builder
	for i := range 6 {
		fmt.Fprintln(&out, p.silent(i, now), p.Dismissed(keyOf(i), "events", 9, minute(now)))
	}
	fmt.Fprintln(&out, p.Counts(), p.InForce(), len(p.entries), len(p.Maintenance()), p.taken())
	return out.String()
}

// The same decisions, once taken as they come and once all known from the
// beginning, come to the same, with a restart in between or without: a repeated run
// gives what the first one gave.
func TestARepeatedRunComesToTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t)
		var decided []Decision
		var first []string
		var happened [][]anomaly.Anomaly
		n := rapid.IntRange(1, 40).Draw(t, "minutes")
		cut := rapid.IntRange(0, n).Draw(t, "restart")
		for now := range n {
			if now == cut {
				next := newPlay(t)
				restore(t, p, next)
				p = next
			}
			changes := anyChanges(t, p, now)
			happened = append(happened, changes)
			p.at(now, changes...)
			p.Advance(minute(now), p, now%10 == 0)
			first = append(first, said(p, now))
			before := len(p.coming)
			anyDecision(t, p, now)
			for _, d := range p.coming[before:] {
				if d.Verdict != nil {
					d.Verdict = d.Verdict.clone()
				}
				decided = append(decided, d)
			}
		}
		repeated := newPlay(t)
		for i, d := range decided {
			if err := repeated.Apply(d); err != nil {
				t.Fatalf("decision %d: %v", i, err)
			}
		}
		for now, changes := range happened {
			repeated.at(now, changes...)
			repeated.Advance(minute(now), repeated, now%10 == 0)
			if got := said(repeated, now); got != first[now] {
				t.Fatalf("at minute %d:\n%s\nwant\n%s", now, got, first[now])
			}
		}
		if got, want := repeated.Snapshot(), p.Snapshot(); !reflect.DeepEqual(got, want) {
			t.Fatalf("state\n%+v\nwant\n%+v", got, want)
		}
	})
}

func restore(t *rapid.T, from, to *play) {
	data, err := cbor.Marshal(from.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var s State
	if err := cbor.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	if err := to.Restore(s); err != nil {
		t.Fatal(err)
	}
	if got, want := to.Snapshot(), from.Snapshot(); !reflect.DeepEqual(got, want) {
		t.Fatalf("restored\n%+v\nwant\n%+v", got, want)
	}
}
