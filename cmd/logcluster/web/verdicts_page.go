package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxDecisions is how many rows of each kind of decision the page draws.
const maxDecisions = 200

// verdictsView is the page of what people decided, as text.
type verdictsView struct {
	layout
	Tiles        []tile
	Verdicts     []decisionRow
	Suppressions []decisionRow
	Maintenance  []decisionRow
	More         int
	Shadow       *shadowView // nil without one
}

// decisions is one list of them as a table.
type decisions struct {
	Name    string
	Verdict bool // shows what was said
	Rows    []decisionRow
}

// Table returns the table whose first column has a name.
func (v verdictsView) Table(name string) decisions {
	rows := map[string][]decisionRow{"Alert": v.Verdicts, "Suppression": v.Suppressions, "Window": v.Maintenance}
	return decisions{Name: name, Verdict: name == "Alert", Rows: rows[name]}
}

// decisionRow is one decision.
type decisionRow struct {
	ID, What, About string
	Until, By, Why  string
	// Mark is the class of What: true, false, expected or empty.
	Mark string
	Over bool
}

// shadowView is how the second configuration compares.
type shadowView struct {
	Facts, Rule, Problem string
	Rows                 []shadowRow
}

type shadowRow struct{ Only, At, Z, What, Role, Subject string }

func (s *site) verdictsPage(w http.ResponseWriter, _ *http.Request) {
	s.draw(w, "verdicts", s.decided())
}

func (s *site) verdictsLive(w http.ResponseWriter, _ *http.Request) {
	s.draw(w, "verdicts-live", s.decided())
}

func (s *site) decided() verdictsView {
	now, status := s.Now().UTC(), s.Source.Status()
	v := verdictsView{layout: newLayout("/verdicts", status.Version, s.refresh, now)}
	if s.Verdicts != nil {
		v.list(s.Verdicts, status.Watermark)
	}
	if s.Shadow != nil {
		v.Shadow = newShadowView(s.Shadow, status.Watermark)
	}
	return v
}

// list fills in the decisions, the newest first.
func (v *verdictsView) list(from Verdicts, watermark time.Time) {
	verdicts, counts := from.Verdicts()
	v.Tiles = verdictTiles(&counts)
	for i := range slices.Backward(verdicts) {
		d := &verdicts[i]
		r := decisionRow{
			ID: d.ID, What: d.Verdict, Mark: d.Verdict, By: d.By, Why: d.Comment, Over: !d.InForce,
			About: fmt.Sprintf("%s %s as %s", d.Access, d.Resource, spaced(d.Role)),
		}
		if d.Clusters > 1 {
			r.About += fmt.Sprintf(" and %s", plural(d.Clusters-1, "other cluster", "other clusters"))
		}
		if d.Until != nil {
			r.Until = clock(*d.Until, watermark)
		}
		if d.Baseline != "" {
			r.What += ", " + strings.ReplaceAll(d.Baseline, "-", " ")
		}
		v.Verdicts = append(v.Verdicts, r)
	}
	suppressions := from.Suppressions()
	for i := range slices.Backward(suppressions) {
		d := &suppressions[i]
		v.Suppressions = append(v.Suppressions, decisionRow{
			ID: d.ID, About: strings.Join(d.Matchers, " "), Until: clock(d.Until, watermark), By: d.By, Why: d.Comment, Over: !d.InForce,
		})
	}
	for _, d := range from.Maintenance() {
		v.Maintenance = append(v.Maintenance, decisionRow{ID: d.Name, About: strings.Join(d.Matchers, " "), Over: !d.Active})
	}
	for _, rows := range []*[]decisionRow{&v.Verdicts, &v.Suppressions, &v.Maintenance} {
		if more := len(*rows) - maxDecisions; more > 0 {
			v.More += more
			*rows = (*rows)[:maxDecisions]
		}
	}
}

func verdictTiles(c *VerdictCounts) []tile {
	precision := tile{Name: "Precision", Value: "unknown", Note: "nobody has judged an alert"}
	if c.Precision != nil {
		precision.Value, precision.Note = percent(*c.Precision), "true of true and false"
	}
	return []tile{
		precision,
		{Name: "True", Value: thousands(float64(c.True)), Note: "real incidents"},
		{Name: "False", Value: thousands(float64(c.False)), Note: "nothing to see"},
		{Name: "Expected", Value: thousands(float64(c.Expected)), Note: "known and meant"},
	}
}

func newShadowView(ask func() (string, *Shadow), watermark time.Time) *shadowView {
	rule, now := ask()
	if now == nil {
		return nil
	}
	v := &shadowView{Rule: rule, Problem: now.Problem, Facts: fmt.Sprintf(
		"%s: %s only here, %s only by the shadow, %s by both", now.Config,
		plural(int(now.Main), "alert", "alerts"), thousands(float64(now.Shadow)), thousands(float64(now.Both)),
	)}
	if !now.Since.IsZero() {
		v.Facts += ", since " + clock(now.Since, watermark)
	}
	for i := range now.Last[:min(len(now.Last), maxDecisions)] {
		d := &now.Last[i]
		v.Rows = append(v.Rows, shadowRow{
			Only: d.Only, At: clock(d.Alert.FiredAt, watermark), Z: signed(d.Alert.Z),
			What: d.Alert.Access + " " + d.Alert.Resource, Role: spaced(d.Alert.Role), Subject: d.Alert.Subject,
		})
	}
	return v
}
