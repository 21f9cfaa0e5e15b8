package detection

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/alert"
)

var day = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(clock string) time.Time {
	d, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	return day.Add(time.Duration(d.Hour())*time.Hour + time.Duration(d.Minute())*time.Minute)
}

func labels() *Labels {
	return &Labels{
		Start: day, End: day.Add(24 * time.Hour),
		Incidents: []Incident{
			{
				ID: "i1", Name: "dump", Start: at("02:00"), End: at("02:20"), Actors: []string{"mallory"},
				Roles: []string{"ClusterRole/scanner", "Role/editor"}, Resources: []string{"secrets"},
			},
			{ID: "i2", Name: "silence", Start: at("12:00"), End: at("13:00"), Actors: []string{"controller"}},
		},
		BenignChanges: []Incident{
			{ID: "b1", Name: "release", Start: at("02:00"), End: at("04:00"), Actors: []string{"ci"}},
		},
	}
}

// fired makes an alert that fires at a time of the day.
func fired(id, clock, role, resource string, subjects ...string) alert.Alert {
	f := at(clock)
	a := alert.Alert{ID: id, State: "firing", Role: role, Resource: resource, FiredAt: &f}
	for _, s := range subjects {
		a.Subjects = append(a.Subjects, alert.Subject{Name: s})
	}
	return a
}

func judge(alerts ...alert.Alert) Report {
	return Judge(labels(), alerts, day, day.Add(24*time.Hour))
}

func TestMatching(t *testing.T) {
	for name, c := range map[string]struct {
		alert                       alert.Alert
		found, exact, benign, wrong int
	}{
		"actor":                       {fired("a", "02:05", "r", "pods", "x", "mallory"), 1, 0, 0, 0},
		"actor and resource":          {fired("a", "02:05", "r", "secrets", "mallory"), 1, 1, 0, 0},
		"role and resource":           {fired("a", "02:05", "ClusterRole/scanner", "secrets"), 1, 1, 0, 0},
		"member of a role key":        {fired("a", "02:05", "ClusterRole/view,Role/team-a/editor", "secrets"), 1, 1, 0, 0},
		"another kind of role":        {fired("a", "02:05", "ClusterRole/editor", "secrets"), 0, 0, 0, 1},
		"role without resource":       {fired("a", "02:05", "ClusterRole/scanner", "pods"), 0, 0, 0, 1},
		"fourth subject":              {fired("a", "02:05", "r", "secrets", "a", "b", "c", "mallory"), 0, 0, 0, 1},
		"ten minutes after":           {fired("a", "02:30", "r", "pods", "mallory"), 1, 0, 0, 0},
		"eleven minutes after":        {fired("a", "02:31", "r", "pods", "mallory"), 0, 0, 0, 1},
		"before":                      {fired("a", "01:59", "r", "pods", "mallory"), 0, 0, 0, 1},
		"benign only":                 {fired("a", "03:00", "r", "pods", "ci"), 0, 0, 1, 0},
		"incident before benign":      {fired("a", "02:10", "r", "pods", "ci", "mallory"), 1, 0, 0, 0},
		"incident without a resource": {fired("a", "12:30", "r", "leases", "controller"), 1, 0, 0, 0},
	} {
		r := judge(c.alert)
		if r.Found != c.found || r.Exact != c.exact || r.Benign != c.benign || r.False != c.wrong {
			t.Errorf("%s: found %d, exact %d, benign %d, false %d", name, r.Found, r.Exact, r.Benign, r.False)
		}
	}
}

func TestExactlyFoundByAPart(t *testing.T) {
	a := fired("a", "02:05", "r", "pods", "mallory")
	a.Parts = []alert.Part{{Resource: "secrets"}}
	if r := judge(a); r.Exact != 1 {
		t.Errorf("exactly found %d", r.Exact)
	}
}

func TestOnlyFiringAlertsAndEachOnce(t *testing.T) {
	resolved := fired("a", "02:05", "r", "pods", "mallory")
	resolved.State = "resolved"
	again := fired("b", "02:06", "r", "pods", "mallory")
	if r := judge(resolved, again, again); r.Alerts != 1 || r.Right != 1 {
		t.Errorf("%d alerts, %d right", r.Alerts, r.Right)
	}
}

func TestDuplicatesAndSums(t *testing.T) {
	var alerts []alert.Alert
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		alerts = append(alerts, fired(id, "02:10", "r", "secrets", "mallory"))
	}
	alerts = append(alerts, fired("f", "20:00", "r", "pods", "somebody"), fired("g", "12:02", "r", "pods", "controller"))
	r := judge(alerts...)
	if r.Right != 4 || r.Duplicates != 2 || r.False != 1 || len(r.FalseAlerts) != 3 {
		t.Errorf("%d right, %d duplicates, %d false, %d listed", r.Right, r.Duplicates, r.False, len(r.FalseAlerts))
	}
	if r.AlertsPerDay != 7 || r.FalsePerDay.Value != 3 {
		t.Errorf("%v alerts and %v false a day", r.AlertsPerDay, r.FalsePerDay)
	}
	if got, want := r.Precision.Value, 4.0/7; math.Abs(got-want) > 1e-12 {
		t.Errorf("precision %v, want %v", got, want)
	}
	if r.MedianSeconds != (600+120)/2 {
		t.Errorf("median time to detect %v s", r.MedianSeconds)
	}
}

// SciPy: stats.binomtest(13, 15).proportion_ci(method="exact"), the same of
// (0, 5) and (5, 5), and stats.chi2.ppf([0.025, 0.975], [2*15, 2*16])/2/3.
func TestExactIntervals(t *testing.T) {
	for _, c := range []struct{ got, want Interval }{
		{share(13, 15), Interval{13.0 / 15, 0.5953973, 0.9834241}},
		{share(0, 5), Interval{0, 0, 0.5218238}},
		{share(5, 5), Interval{1, 0.4781762, 1}},
		{share(0, 0), Interval{0, 0, 1}},
		{rate(15, 3), Interval{5, 2.798463, 8.246740}},
		{rate(0, 3), Interval{0, 0, 1.229626}},
	} {
		if math.Abs(c.got.Value-c.want.Value) > 1e-6 || math.Abs(c.got.Low-c.want.Low) > 1e-5 || math.Abs(c.got.High-c.want.High) > 1e-5 {
			t.Errorf("got %+v, want %+v", c.got, c.want)
		}
	}
}

func TestChance(t *testing.T) {
	// An alert that names everybody, every ten minutes: any shift finds all.
	var alerts []alert.Alert
	for m := time.Duration(0); m < 24*time.Hour; m += 10 * time.Minute {
		a := fired(m.String(), "00:00", "r", "pods", "mallory", "controller")
		f := day.Add(m)
		a.FiredAt = &f
		alerts = append(alerts, a)
	}
	if r := judge(alerts...); r.Chance != 1 {
		t.Errorf("chance %v, want 1", r.Chance)
	}
	// One alert that names one actor finds that one when the shift is within
	// 30 of 1440 minutes: 1 % of the two incidents.
	r := judge(fired("a", "02:05", "r", "pods", "mallory"))
	if r.Chance < 0.001 || r.Chance > 0.03 {
		t.Errorf("chance %v, want about 0.01", r.Chance)
	}
	if again := judge(fired("a", "02:05", "r", "pods", "mallory")); again.Chance != r.Chance {
		t.Error("chance is not repeatable")
	}
}

func TestNoAlerts(t *testing.T) {
	r := judge()
	if r.Found != 0 || r.Alerts != 0 || r.Precision.High != 1 || r.MedianSeconds != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	r := judge(
		fired("a", "02:05", "r", "secrets", "mallory"),
		fired("b", "20:00", "r", "pods", "evil\x1b[2J\tname"),
	)
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"incidents found    1 of 2, 1 exactly", "i1 dump", "exactly", "5m0s", "FALSE ALERT", "b1 release"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, b.String())
		}
	}
	if strings.ContainsRune(b.String(), '\x1b') {
		t.Error("a control character reaches the terminal")
	}
}
