package detection

import (
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/alert"
)

func TestInTime(t *testing.T) {
	in := Incident{ID: "i", Start: at("02:00"), End: at("06:00"), Actors: []string{"mallory"}}
	for name, c := range map[string]struct {
		requests Requests
		clock    string
		want     bool
	}{
		"at once":                      {0, "02:01", true},
		"ten minutes after the start":  {0, "02:10", true},
		"later":                        {0, "02:11", false},
		"later, and not slow":          {48, "02:11", false},
		"later, and slow":              {47, "05:59", true},
		"slow, after its duration":     {47, "06:01", false},
		"as many requests as it takes": {1000, "03:00", false},
	} {
		in.Requests = c.requests
		l := &Labels{Start: day, End: day.Add(24 * time.Hour), Incidents: []Incident{in}}
		r := Judge(l, []alert.Alert{fired("a", c.clock, "r", "pods", "mallory")}, day, day.Add(24*time.Hour))
		if r.Found != 1 || (r.InTime == 1) != c.want || r.PerIncident[0].InTime != c.want {
			t.Errorf("%s: found %d, in time %d, want %v", name, r.Found, r.InTime, c.want)
		}
	}
}

func TestTheLastDayStandsByItself(t *testing.T) {
	l := labels()
	l.End = day.Add(48 * time.Hour)
	l.Incidents = append(l.Incidents, Incident{ID: "i3", Name: "next", Start: at("02:00").Add(24 * time.Hour), End: at("03:00").Add(24 * time.Hour), Actors: []string{"mallory"}})
	late := func(a alert.Alert) alert.Alert {
		f := a.FiredAt.Add(24 * time.Hour)
		a.FiredAt = &f
		return a
	}
	r := Judge(l, []alert.Alert{
		fired("a", "02:05", "r", "secrets", "mallory"),
		fired("b", "02:50", "r", "pods", "ci"),
		fired("c", "02:51", "r", "pods", "ci"),
		late(fired("d", "02:05", "r", "pods", "mallory")),
		late(fired("e", "02:06", "r", "pods", "mallory")),
		late(fired("f", "02:07", "r", "pods", "mallory")),
		late(fired("g", "02:08", "r", "pods", "mallory")),
		late(fired("h", "12:00", "r", "pods", "controller")),
	}, day, day.Add(48*time.Hour))
	if len(r.Parts) != 2 {
		t.Fatalf("%d parts", len(r.Parts))
	}
	before, last := r.Parts[0], r.Parts[1]
	if before.Found != 1 || before.Incidents != 2 || before.Exact != 1 || before.Benign != 2 || before.False != 0 || before.Duplicates != 0 {
		t.Errorf("before: %+v", before)
	}
	if last.Found != 1 || last.Incidents != 1 || last.Exact != 0 || last.Benign != 0 || last.False != 1 || last.Duplicates != 1 || last.FalsePerDay.Value != 2 {
		t.Errorf("last: %+v", last)
	}
	if r.BenignMost != 2 || r.PerBenign[0].Alone != 2 {
		t.Errorf("benign: %d", r.BenignMost)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "the last day         1 of 1") {
		t.Errorf("%v in\n%s", err, text.String())
	}
	if one := judge(); len(one.Parts) != 0 {
		t.Errorf("a day has %d parts", len(one.Parts))
	}
}
