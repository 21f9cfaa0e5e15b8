package detection

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes the report as tables for people.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	r.summary(&b)
	fmt.Fprintln(&b)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	r.partsTable(tw)
	incidentTable(tw, r.PerIncident)
	benignTable(tw, r.PerBenign)
	r.falseTable(tw)
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (r *Report) summary(w io.Writer) {
	fmt.Fprintf(w, "incidents found    %d of %d, %d exactly; recall %s, by chance %.2f of %d\n",
		r.Found, r.Incidents, r.Exact, percent(r.Recall), r.Chance*float64(r.Incidents), r.Incidents)
	fmt.Fprintf(w, "alerts             %d in %.2f days, %.1f a day: %d right, %d benign, %d false, %d duplicates\n",
		r.Alerts, r.Days, r.AlertsPerDay, r.Right, r.Benign, r.False, r.Duplicates)
	fmt.Fprintf(w, "precision          %s\n", percent(r.Precision))
	fmt.Fprintf(w, "false alerts a day %.2f (%.2f to %.2f), duplicates included\n",
		r.FalsePerDay.Value, r.FalsePerDay.Low, r.FalsePerDay.High)
	fmt.Fprintf(w, "time to detect     %s (median); %d of %d within %s of their start (slow and low ones within their duration)\n",
		seconds(r.MedianSeconds), r.InTime, r.Incidents, seconds(Prompt.Seconds()))
	if len(r.PerBenign) > 0 {
		fmt.Fprintf(w, "benign changes     %d alerts about %d of them, at most %d about one\n", r.Benign, len(r.PerBenign), r.BenignMost)
	}
}

func percent(i Interval) string {
	return fmt.Sprintf("%.0f %% (%.0f to %.0f %%)", 100*i.Value, 100*i.Low, 100*i.High)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

func incidentTable(w io.Writer, findings []Finding) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintln(w, "INCIDENT\tFOUND\tAFTER\tIN TIME\tALERTS\tFIRST ALERT")
	for i := range findings {
		f := &findings[i]
		found, after, first := f.texts()
		inTime := "-"
		if f.InTime {
			inTime = "yes"
		}
		if f.Slow {
			inTime += " (slow)"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%d\t%s\n", f.ID, printable(f.Name), found, after, inTime, len(f.Alerts), first)
	}
	fmt.Fprintln(w)
}

func benignTable(w io.Writer, findings []Finding) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintln(w, "BENIGN CHANGE\tTOLD\tAFTER\tALERTS\tOF NOTHING ELSE\tFIRST ALERT")
	for i := range findings {
		f := &findings[i]
		found, after, first := f.texts()
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%d\t%d\t%s\n", f.ID, printable(f.Name), found, after, len(f.Alerts), f.Alone, first)
	}
	fmt.Fprintln(w)
}

// texts says whether something was found, how long after its start, and by what.
func (f *Finding) texts() (found, after, first string) {
	if !f.Found {
		return "-", "", ""
	}
	found = "yes"
	if f.Exact {
		found = "exactly"
	}
	return found, seconds(f.SecondsToDetect), f.Alerts[0].text()
}

func (r *Report) falseTable(w io.Writer) {
	if len(r.FalseAlerts) == 0 {
		return
	}
	fmt.Fprintln(w, "FALSE ALERT\tWHAT")
	for i := range r.FalseAlerts {
		s := &r.FalseAlerts[i]
		what := s.text()
		if s.Duplicate {
			what += " (duplicate)"
		}
		fmt.Fprintf(w, "%s\t%s\n", s.FiredAt.Format(time.DateTime), what)
	}
}

// text is the sighting in a few words.
func (s *Sighting) text() string {
	return printable(fmt.Sprintf("%s %s as %s, z %.1f in %s, by %s", s.Access, s.Resource, s.Role, s.Z, s.Feature, s.Subject))
}

// printable replaces control characters and tabs: the text is from records.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
