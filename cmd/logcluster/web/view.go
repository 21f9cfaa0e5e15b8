package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// maxRows is how many anomalies the page draws. A person reads ten; the API
// gives them all.
const maxRows = 100

// view is the page of the list as text: the template decides nothing.
type view struct {
	layout
	Tiles    []tile
	Learning string // until when, empty when nothing is learning
	Notices  []notice
	Headline string // what a screen reader is told when it changes
	Empty    *empty // instead of rows
	Counts   string // how many rows are in which state
	Rows     []row
	More     int
}

// tile is one figure of the status header.
type tile struct {
	Name, Value, Note string
	// Alarm marks a figure that should be looked at.
	Alarm bool
}

// empty explains a list without rows.
type empty struct{ Title, Text string }

// newView draws the list. With explainable, subjects link to what the policy
// says about them.
func newView(s Status, anomalies []Anomaly, now time.Time, refresh time.Duration, explainable bool) view {
	v := view{layout: newLayout("/", s.Version, refresh, now), Tiles: tiles(s, now)}
	if s.Learning && !s.LearningUntil.IsZero() {
		v.Learning = clock(s.LearningUntil, s.Watermark)
	} else if s.Learning {
		v.Learning = "enough of the past is known"
	}
	if len(anomalies) == 0 {
		v.Empty = explain(s, v.Learning)
		v.Headline = v.Empty.Title
		return v
	}
	v.Headline = headline(anomalies)
	v.Counts = counts(anomalies)
	shown := anomalies[:min(len(anomalies), maxRows)]
	v.More = len(anomalies) - len(shown)
	linked := make(map[string]bool, len(shown))
	for i := range shown {
		r := newRow(&shown[i], s.Watermark)
		if c := shown[i].Cluster; !linked[c] {
			linked[c], r.Anchor = true, c
		}
		for j := range r.Subjects {
			if explainable {
				r.Subjects[j].Explain = explainLink(r.Tenant, r.Subjects[j].Name)
			}
		}
		v.Rows = append(v.Rows, r)
	}
	return v
}

// counts says how many anomalies there are of each state.
func counts(anomalies []Anomaly) string {
	var firing, pending, resolved int
	for i := range anomalies {
		switch anomalies[i].State {
		case "pending":
			pending++
		case "resolved":
			resolved++
		default:
			firing++
		}
	}
	s := fmt.Sprintf("%d firing", firing)
	if pending > 0 {
		s += fmt.Sprintf(", %d pending: seen, but not often enough to tell anybody", pending)
	}
	if resolved > 0 {
		s += fmt.Sprintf(", %d resolved", resolved)
	}
	return s
}

// headline changes when another anomaly leads or their number changes, not
// with every figure: it is read aloud.
func headline(anomalies []Anomaly) string {
	a := &anomalies[0]
	return fmt.Sprintf("%s. First: %s %s.",
		plural(len(anomalies), "anomaly", "anomalies"), alert.Who(&a.Alert), alert.What(&a.Alert))
}

// explain says why there is nothing to see.
func explain(s Status, learning string) *empty {
	watched := fmt.Sprintf("%s in %s watched", plural(s.Clusters, "cluster", "clusters"), plural(s.Tenants, "tenant", "tenants"))
	switch {
	case s.Consumed == 0:
		return &empty{
			"Waiting for the first event",
			"Nothing has been read yet. Are audit events being written to the topics of the configuration? The command logcluster check tries everything that it names.",
		}
	case learning != "":
		return &empty{
			"Learning what is usual",
			fmt.Sprintf("%s, nothing anomalous so far. Until %s the past is too short to call anything new; what stands out before then is shown, marked learning.", watched, learning),
		}
	default:
		return &empty{
			"Nothing anomalous",
			fmt.Sprintf("%s, and each behaves as it usually does at this time.", watched),
		}
	}
}

func tiles(s Status, now time.Time) []tile {
	event := tile{Name: "Event time", Value: "none yet"}
	if !s.Watermark.IsZero() {
		event.Value = s.Watermark.UTC().Format("15:04:05")
		event.Note = s.Watermark.UTC().Format("2 Jan 2006 UTC")
		if behind := now.Sub(s.Watermark); !s.Recorded {
			event.Note = span(behind) + " behind now"
			event.Alarm = behind > 5*time.Minute
		} else {
			event.Note += ", recorded"
		}
	}
	lag := tile{Name: "Lag", Value: "unknown"}
	if s.Lag >= 0 {
		lag.Value, lag.Note = thousands(float64(s.Lag)), "records wait"
	}
	return []tile{
		event,
		{Name: "Events per second", Value: number(s.EventsPerSecond), Note: thousands(float64(s.Consumed)) + " so far"},
		lag,
		{Name: "Clusters", Value: thousands(float64(s.Clusters)), Note: "in " + plural(s.Tenants, "tenant", "tenants")},
		{Name: "Late", Value: thousands(float64(s.Late)), Note: "events dropped", Alarm: s.Late*100 > s.Consumed},
		{Name: "Rejected", Value: thousands(float64(s.Rejected)), Note: "events unusable", Alarm: s.Rejected*100 > s.Consumed},
	}
}

// signed shows a z-score, with a real minus.
func signed(z float64) string { return strings.Replace(fmt.Sprintf("%+.1f", z), "-", "−", 1) }

func percent(share float64) string { return number(100*share) + " %" }

// number shows one decimal below 10 where there is one, else none, with the
// thousands apart.
func number(x float64) string {
	if math.Abs(x) < 10 {
		return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
	}
	return thousands(x)
}

func thousands(x float64) string {
	if math.Abs(x) >= 1e15 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	s := strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// clock shows a time of day, with its date when it is another day's than the
// reference's.
func clock(t, reference time.Time) string {
	t, reference = t.UTC(), reference.UTC()
	if t.Format(time.DateOnly) == reference.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2 Jan 15:04")
}

// span shows a length of time in its largest unit that is at least one.
func span(d time.Duration) string {
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= u.length {
			n := float64(d) / float64(u.length)
			if n < 10 && u.name != "min" {
				return strconv.FormatFloat(math.Floor(n*10)/10, 'f', -1, 64) + " " + u.name
			}
			return strconv.Itoa(int(n)) + " " + u.name
		}
	}
	return strconv.Itoa(max(0, int(d.Seconds()))) + " s"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(float64(n)) + " " + many
}
