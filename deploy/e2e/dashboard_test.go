//go:build e2e

package e2e

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/deploy/grafana"
)

// dashboardHasData runs every query of the dashboard as Grafana would, while an
// anomaly is firing, and wants data from each that has some by then.
func dashboardHasData(t *testing.T, s *service) {
	d, err := grafana.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			variableHasValue(t, s, v.Definition, v.Name)
		}
	}
	asked := 0
	// The first needs more than the bundled recording's day, the second a shadow.
	later := []string{"logcluster_calibration_ratio", "logcluster_shadow_"}
	began := time.Now()
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			asked++
			expr := s.interpolated(q.Expr)
			if slices.ContainsFunc(later, func(metric string) bool { return strings.Contains(expr, metric) }) {
				if _, err := s.ask(q, expr); err != nil {
					t.Errorf("panel %q, query %s: %v", p.Title, q.RefID, err)
				}
				continue
			}
			until(t, 10*time.Second, func() (bool, string) {
				n, err := s.ask(q, expr)
				return err == nil && n > 0, fmt.Sprintf("panel %q, query %s: no data (%v): %s", p.Title, q.RefID, err, expr)
			})
		}
	}
	t.Logf("all %d queries of the %d panels have data; asked within %s", asked, len(d.Panels), time.Since(began).Round(time.Millisecond))
}

// interpolated puts values where Grafana does.
func (i *instance) interpolated(expr string) string {
	return strings.NewReplacer("$tenant", i.topic, "$__rate_interval", "30s").Replace(expr)
}

// ask runs a query for now, or for the time since the service was started, and
// returns how many numbers or lines came back.
func (s *service) ask(q grafana.Target, expr string) (int, error) {
	if q.Datasource.Type == "loki" {
		lines, err := s.stack.lines(expr, time.Now().Add(-24*time.Hour), time.Now())
		return len(lines), err
	}
	step := 2 * time.Second
	if q.Instant {
		step = 0
	}
	series, err := s.stack.query(expr, time.Since(s.began), step)
	n := 0
	for _, one := range series {
		for _, v := range one.values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				n++
			}
		}
	}
	return n, err
}

// variableHasValue asks for the values of a variable: label_values(metric,
// label) is the only kind that there is.
func variableHasValue(t *testing.T, s *service, definition, name string) {
	t.Helper()
	inner, ok := strings.CutPrefix(definition, "label_values(")
	metric, label, two := strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
	if !ok || !two {
		t.Fatalf("variable %s: cannot read %s", name, definition)
	}
	var answer struct{ Data []string }
	if err := getJSON(s.stack.prometheus, "/api/v1/label/"+label+"/values", url.Values{"match[]": {metric}}, &answer); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(answer.Data, s.topic) {
		t.Errorf("variable %s: %s has no %s: %v", name, definition, s.topic, answer.Data)
	}
}
