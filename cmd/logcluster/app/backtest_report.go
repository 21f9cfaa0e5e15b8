package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// backtestReport is the JSON of a backtest. Fields are only ever added. Lists are
// in the order in which the alerts fired.
type backtestReport struct {
	SchemaVersion int `json:"schema_version"`
	// Rule is how alerts are matched.
	Rule string `json:"rule"`
	// Start and End are the first and the last event time judged by both.
	Start time.Time       `json:"start"`
	End   time.Time       `json:"end"`
	A     backtestOutcome `json:"a"`
	B     backtestOutcome `json:"b"`
	// Both are the alerts of A that B has raised too, with B's.
	Both  []alertPair       `json:"both"`
	OnlyA []web.ShadowAlert `json:"only_a"`
	OnlyB []web.ShadowAlert `json:"only_b"`
}

// backtestOutcome is what one configuration comes to.
type backtestOutcome struct {
	Config       string  `json:"config"`
	Alerts       int     `json:"alerts"`
	AlertsPerDay float64 `json:"alerts_per_day"`
	// Matched are those that the other has raised too.
	Matched int `json:"matched"`
	// Detection is how good they are by labels, null without any.
	Detection *detection.Report `json:"detection"`
}

// alertPair is an alert of A and its counterparts of B.
type alertPair struct {
	A web.ShadowAlert   `json:"a"`
	B []web.ShadowAlert `json:"b"`
}

// report sums up.
func (b *backtest) report(labels *detection.Labels) (*backtestReport, error) {
	r := &backtestReport{
		SchemaVersion: alert.SchemaVersion, Rule: matchRule,
		Start: later(b.sides[sideA].first, b.sides[sideB].first), End: b.sides[sideA].last,
		Both: []alertPair{}, OnlyA: []web.ShadowAlert{}, OnlyB: []web.ShadowAlert{},
	}
	if b.sides[sideB].last.Before(r.End) {
		r.End = b.sides[sideB].last
	}
	for side, out := range []*backtestOutcome{&r.A, &r.B} {
		s := b.sides[side]
		out.Config = b.o.Names[side]
		out.Alerts = len(b.closed[side])
		if days := s.last.Sub(s.first).Hours() / 24; days > 0 {
			out.AlertsPerDay = float64(out.Alerts) / days
		}
		if labels != nil {
			judged := detection.Judge(labels, s.alerts, s.first, s.last)
			out.Detection = &judged
		}
		slices.SortStableFunc(b.closed[side], func(x, y *compared) int {
			return cmp.Or(x.Alert.FiredAt.Compare(y.Alert.FiredAt), strings.Compare(x.Alert.Cluster, y.Alert.Cluster))
		})
	}
	for _, c := range b.closed[sideA] {
		if len(c.Matches) == 0 {
			r.OnlyA = append(r.OnlyA, c.Alert)
			continue
		}
		r.A.Matched++
		r.Both = append(r.Both, alertPair{c.Alert, c.Matches})
	}
	for _, c := range b.closed[sideB] {
		if len(c.Matches) == 0 {
			r.OnlyB = append(r.OnlyB, c.Alert)
			continue
		}
		r.B.Matched++
	}
	return r, nil
}

func (r *backtestReport) write(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.outcomes(tw)
	r.lists(tw)
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nRule: %s.\n", matchRule)
	return err
}

// outcomes writes the two side by side.
func (r *backtestReport) outcomes(w io.Writer) {
	line := func(what string, of func(*backtestOutcome) string) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", what, of(&r.A), of(&r.B))
	}
	fmt.Fprintln(w, "\tA\tB")
	line("configuration", func(o *backtestOutcome) string { return o.Config })
	line("alerts", func(o *backtestOutcome) string { return fmt.Sprint(o.Alerts) })
	line("raised by both", func(o *backtestOutcome) string { return fmt.Sprint(o.Matched) })
	line("alerts a day", func(o *backtestOutcome) string { return fmt.Sprintf("%.1f", o.AlertsPerDay) })
	if r.A.Detection == nil {
		return
	}
	judged := func(what string, of func(*detection.Report) string) {
		line(what, func(o *backtestOutcome) string { return of(o.Detection) })
	}
	judged("incidents found", func(d *detection.Report) string { return fmt.Sprintf("%d of %d", d.Found, d.Incidents) })
	judged("recall", func(d *detection.Report) string { return share(d.Recall) })
	judged("recall by chance", func(d *detection.Report) string { return fmt.Sprintf("%.2f", d.Chance) })
	judged("precision", func(d *detection.Report) string { return share(d.Precision) })
	judged("false a day", func(d *detection.Report) string {
		return fmt.Sprintf("%.1f (%.1f–%.1f)", d.FalsePerDay.Value, d.FalsePerDay.Low, d.FalsePerDay.High)
	})
	judged("median time to detect", func(d *detection.Report) string {
		if d.Found == 0 {
			return "-"
		}
		return (time.Duration(d.MedianSeconds) * time.Second).String()
	})
	for i := range r.A.Detection.PerIncident {
		judged("  "+r.A.Detection.PerIncident[i].Name, func(d *detection.Report) string {
			if i >= len(d.PerIncident) || !d.PerIncident[i].Found {
				return "missed"
			}
			return "after " + (time.Duration(d.PerIncident[i].SecondsToDetect) * time.Second).String()
		})
	}
}

func share(i detection.Interval) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", i.Value, i.Low, i.High)
}

// lists writes the alerts that only one has raised, and those of both.
func (r *backtestReport) lists(w io.Writer) {
	both := make([]web.ShadowAlert, len(r.Both))
	for i := range r.Both {
		both[i] = r.Both[i].A
	}
	for _, list := range []struct {
		title  string
		alerts []web.ShadowAlert
	}{{"Only A", r.OnlyA}, {"Only B", r.OnlyB}, {"Both", both}} {
		fmt.Fprintf(w, "\n%s: %d\n", list.title, len(list.alerts))
		if len(list.alerts) > 0 {
			fmt.Fprintln(w, "FIRED\tZ\tSEVERITY\tROLE\tACCESS\tRESOURCE\tFEATURE\tSUBJECT")
		}
		for i := range list.alerts {
			a := &list.alerts[i]
			fmt.Fprintf(w, "%s\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\n", a.FiredAt.Format("2006-01-02 15:04:05"), a.Z, a.Severity,
				a.Role, a.Access, a.Resource, a.Feature, orNone(a.Subject))
		}
	}
}

func orNone(text string) string { return cmp.Or(text, "-") }
