package detection

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/mathext"

	"github.com/logcluster/logcluster/alert"
)

// Report is how good a list of alerts is. Times are in UTC, durations in
// seconds, shares from 0 to 1.
type Report struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Days  float64   `json:"days"`

	Incidents int `json:"incidents"`
	// Found is how many incidents an alert found: it fired between the
	// incident's start and After its end, and names one of the actors or both
	// the role and the resource. Exact is how many of them by an alert that, or
	// a part of which, is about one of the incident's resources; an incident
	// without any is never found exactly.
	Found  int      `json:"found"`
	Exact  int      `json:"exact"`
	Recall Interval `json:"recall"`
	// InTime is how many were found within Prompt of their start, the slow ones
	// within their duration.
	InTime int `json:"in_time"`
	// Chance is the mean recall with all labels moved by a random time.
	Chance float64 `json:"recall_by_chance"`
	// MedianSeconds is the median time from an incident's start to its first
	// alert, over those found; zero when none was.
	MedianSeconds float64 `json:"median_seconds_to_detect"`

	Alerts int `json:"alerts"`
	// Right are the alerts that found something, the first three of an incident;
	// Duplicates are the later ones. Benign match a benign change only. False
	// match nothing.
	Right      int `json:"right"`
	Duplicates int `json:"duplicates"`
	Benign     int `json:"benign"`
	False      int `json:"false"`
	// BenignMost is how many alerts the benign change with the most of them
	// caused.
	BenignMost int `json:"benign_most"`
	// Precision is Right over Right, Duplicates and False.
	Precision Interval `json:"precision"`
	// AlertsPerDay are all of them; FalsePerDay False and Duplicates.
	AlertsPerDay float64  `json:"alerts_per_day"`
	FalsePerDay  Interval `json:"false_per_day"`

	// Parts are the days before the last one, and the last one; empty for a
	// recording of less than a day and a half.
	Parts []Part `json:"parts,omitempty"`

	PerIncident []Finding `json:"per_incident"`
	PerBenign   []Finding `json:"per_benign_change"`
	// FalseAlerts are the alerts that match nothing, and the duplicates.
	FalseAlerts []Sighting `json:"false_alerts"`
}

// Prompt is how soon after its start an incident has to be found to be found in
// time.
const Prompt = 10 * time.Minute

// Interval is an estimate with its exact 95 % confidence interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Finding is what found one incident.
type Finding struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Found bool   `json:"found"`
	Exact bool   `json:"exact"`
	// SecondsToDetect is from the start to the first alert.
	SecondsToDetect float64 `json:"seconds_to_detect"`
	// InTime tells that this was within [Prompt], or, for a slow one, within its
	// duration.
	InTime bool       `json:"in_time"`
	Slow   bool       `json:"slow,omitempty"`
	Alerts []Sighting `json:"alerts"`
	// Alone is how many of them match no incident; always zero for an incident.
	Alone int `json:"alone,omitempty"`
}

// Sighting is an alert, in short.
type Sighting struct {
	ID       string    `json:"id"`
	FiredAt  time.Time `json:"fired_at"`
	Role     string    `json:"role"`
	Resource string    `json:"resource"`
	Access   string    `json:"access"`
	Feature  string    `json:"feature"`
	Subject  string    `json:"subject"`
	Z        float64   `json:"z"`
	// Duplicate marks the fourth and later alerts of an incident.
	Duplicate bool `json:"duplicate,omitempty"`
}

// duplicateFrom is the number of the alert of one incident that is no longer
// news.
const duplicateFrom = 4

// shifts is how many random shifts recall by chance is the mean of; their seed
// is fixed, so that a report can be repeated.
const (
	shifts    = 200
	shiftSeed = 20261102
)

// Judge judges alerts against labels. Only alerts in state firing are looked
// at, each identity once, in the order given. The recording lasted from start
// to end; where these are zero the labels' own span is used.
func Judge(l *Labels, alerts []alert.Alert, start, end time.Time) Report {
	if start.IsZero() || end.IsZero() {
		start, end = l.Start, l.End
	}
	r := Report{Start: start.UTC(), End: end.UTC(), Days: end.Sub(start).Hours() / 24, Incidents: len(l.Incidents)}
	fired := firing(alerts)
	r.Alerts = len(fired)
	r.PerIncident, r.PerBenign = findings(l.Incidents), findings(l.BenignChanges)
	r.split(l)
	for i := range fired {
		r.place(l, &fired[i])
	}
	r.sum()
	r.Chance = chance(l.Incidents, fired, end.Sub(start))
	return r
}

// firing returns the firing alerts, each once.
func firing(alerts []alert.Alert) []alert.Alert {
	var out []alert.Alert
	seen := make(map[string]bool)
	for i := range alerts {
		if alerts[i].State == "firing" && !seen[alerts[i].ID] {
			seen[alerts[i].ID] = true
			out = append(out, alerts[i])
		}
	}
	return out
}

func findings(incidents []Incident) []Finding {
	out := make([]Finding, len(incidents))
	for i := range incidents {
		in := &incidents[i]
		out[i] = Finding{ID: in.ID, Name: in.Name, Slow: in.Slow(), Alerts: []Sighting{}}
	}
	return out
}

// place counts one alert where it belongs.
func (r *Report) place(l *Labels, a *alert.Alert) {
	s := sighting(a)
	matched, news := false, false
	for i := range l.Incidents {
		if !r.PerIncident[i].take(&l.Incidents[i], a, s) {
			continue
		}
		matched = true
		if len(r.PerIncident[i].Alerts) < duplicateFrom {
			news = true
		}
	}
	benign := false
	for i := range l.BenignChanges {
		if r.PerBenign[i].take(&l.BenignChanges[i], a, s) {
			benign = true
			if !matched {
				r.PerBenign[i].Alone++
			}
		}
	}
	part := r.partOf(s.FiredAt)
	switch {
	case news:
		r.Right++
	case matched:
		s.Duplicate = true
		r.Duplicates++
		part.Duplicates++
		r.FalseAlerts = append(r.FalseAlerts, s)
	case benign:
		r.Benign++
		part.Benign++
	default:
		r.False++
		part.False++
		r.FalseAlerts = append(r.FalseAlerts, s)
	}
}

// take notes an alert that matches, and reports whether it does.
func (f *Finding) take(in *Incident, a *alert.Alert, s Sighting) bool {
	if !in.covers(firedAt(a), 0, 0) || !in.names(a) {
		return false
	}
	if wait := s.FiredAt.Sub(in.Start).Seconds(); !f.Found || wait < f.SecondsToDetect {
		f.SecondsToDetect = wait
	}
	f.Found = true
	f.InTime = f.InTime || s.FiredAt.Sub(in.Start) <= in.limit()
	f.Exact = f.Exact || in.touches(a)
	f.Alerts = append(f.Alerts, s)
	return true
}

func sighting(a *alert.Alert) Sighting {
	s := Sighting{
		ID: a.ID, FiredAt: firedAt(a).UTC(), Role: a.Role, Resource: a.Resource, Access: a.Access, Z: a.Z,
	}
	if len(a.Features) > 0 {
		s.Feature = a.Features[0].Name
	}
	if len(a.Subjects) > 0 {
		s.Subject = a.Subjects[0].Name
	}
	return s
}

// sum makes the totals.
func (r *Report) sum() {
	var waits []float64
	for i := range r.PerIncident {
		if f := &r.PerIncident[i]; f.Found {
			r.Found++
			waits = append(waits, f.SecondsToDetect)
			if f.Exact {
				r.Exact++
			}
			if f.InTime {
				r.InTime++
			}
		}
	}
	for i := range r.PerBenign {
		r.BenignMost = max(r.BenignMost, r.PerBenign[i].Alone)
	}
	r.sumParts()
	r.MedianSeconds = median(waits)
	r.Recall = share(r.Found, r.Incidents)
	r.Precision = share(r.Right, r.Right+r.Duplicates+r.False)
	if r.Days > 0 {
		r.AlertsPerDay = float64(r.Alerts) / r.Days
		r.FalsePerDay = rate(r.False+r.Duplicates, r.Days)
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return (v[m-1] + v[m]) / 2
}

// chance is the mean recall when the labels are moved on a circle of the
// recording's length by random shifts.
func chance(incidents []Incident, fired []alert.Alert, span time.Duration) float64 {
	if len(incidents) == 0 || span <= 0 {
		return 0
	}
	about := make([][]time.Time, len(incidents)) // when the alerts fired that name it
	for i := range incidents {
		for j := range fired {
			if incidents[i].names(&fired[j]) {
				about[i] = append(about[i], firedAt(&fired[j]))
			}
		}
	}
	rng := rand.New(rand.NewPCG(shiftSeed, 0))
	found := 0
	for range shifts {
		shift := time.Duration(rng.Int64N(int64(span)))
		for i := range incidents {
			if slices.ContainsFunc(about[i], func(at time.Time) bool { return incidents[i].covers(at, shift, span) }) {
				found++
			}
		}
	}
	return float64(found) / float64(shifts*len(incidents))
}

// share is k of n with its exact interval (Clopper and Pearson 1934): the
// quantiles of beta distributions. Without any it is unknown: 0, from 0 to 1.
func share(k, n int) Interval {
	if n == 0 {
		return Interval{High: 1}
	}
	i := Interval{Value: float64(k) / float64(n), High: 1}
	if k > 0 {
		i.Low = mathext.InvRegIncBeta(float64(k), float64(n-k+1), 0.025)
	}
	if k < n {
		i.High = mathext.InvRegIncBeta(float64(k+1), float64(n-k), 0.975)
	}
	return i
}

// rate is k in so many days with its exact interval (Garwood 1936): the
// quantiles of gamma distributions.
func rate(k int, days float64) Interval {
	i := Interval{Value: float64(k) / days}
	if k > 0 {
		i.Low = mathext.GammaIncRegInv(float64(k), 0.025) / days
	}
	i.High = mathext.GammaIncRegInv(math.Max(float64(k+1), 1), 0.975) / days
	return i
}
