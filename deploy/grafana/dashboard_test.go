package grafana

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T) *Dashboard {
	t.Helper()
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// name is how a panel is called in a failure.
func (p *Panel) name() string { return cmp.Or(p.Title, p.Type) }

func TestPanelsExplainThemselves(t *testing.T) {
	d := read(t)
	if d.UID == "" || d.Title == "" || d.Description == "" {
		t.Errorf("the dashboard is %q, %q, %q", d.UID, d.Title, d.Description)
	}
	ids := map[int]string{}
	for _, p := range d.Panels {
		if other, taken := ids[p.ID]; taken || p.ID == 0 {
			t.Errorf("%s: id %d is that of %s", p.name(), p.ID, other)
		}
		ids[p.ID] = p.name()
		if p.Title == "" {
			t.Errorf("panel %d (%s) has no title", p.ID, p.Type)
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" {
			t.Errorf("%s has no description", p.name())
		}
		if p.Config.Defaults.Unit == "" && p.Type != "logs" {
			t.Errorf("%s has no unit", p.name())
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s has no query", p.name())
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	panels := read(t).Panels
	for i, p := range panels {
		at := p.Place
		if at.X < 0 || at.Y < 0 || at.W < 1 || at.H < 1 || at.X+at.W > 24 {
			t.Errorf("%s lies at %+v, outside of the 24 columns", p.name(), at)
		}
		for _, q := range panels[:i] {
			to := q.Place
			if at.X < to.X+to.W && to.X < at.X+at.W && at.Y < to.Y+to.H && to.Y < at.Y+at.H {
				t.Errorf("%s %+v overlaps %s %+v", p.name(), at, q.name(), to)
			}
		}
	}
}

// variables returns the kind of data source behind each variable that is one.
func variables(t *testing.T, d *Dashboard) map[string]string {
	t.Helper()
	kinds := map[string]string{}
	for _, v := range d.Templating.List {
		if v.Type != "datasource" {
			continue
		}
		var kind string
		if err := json.Unmarshal(v.Query, &kind); err != nil {
			t.Fatal(err)
		}
		kinds["${"+v.Name+"}"] = kind
	}
	return kinds
}

func TestQueriesUseTheVariables(t *testing.T) {
	d := read(t)
	kinds := variables(t, d)
	for _, p := range d.Panels {
		refs := map[string]bool{}
		for _, q := range p.Targets {
			for _, source := range []Datasource{p.Datasource, q.Datasource} {
				if kinds[source.UID] == "" || kinds[source.UID] != source.Type {
					t.Errorf("%s: data source %+v is no variable of the dashboard", p.name(), source)
				}
			}
			if refs[q.RefID] || q.RefID == "" {
				t.Errorf("%s: two queries %q", p.name(), q.RefID)
			}
			refs[q.RefID] = true
			if strings.Contains(q.Expr, "tenant=") && !strings.Contains(q.Expr, `tenant=~"$tenant"`) {
				t.Errorf("%s: the tenant is not that of the variable: %s", p.name(), q.Expr)
			}
		}
	}
}

var (
	metricName = regexp.MustCompile(`\blogcluster_[a-z0-9_]+`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matched    = regexp.MustCompile(`([a-z_]+)=~?"`)
	legendName = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

// TestMetricsExist holds every metric and label of a query against what the
// program says of itself.
func TestMetricsExist(t *testing.T) {
	d, known := read(t), metricsOf(t)
	used := 0
	exprs := map[string]string{}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			exprs[v.Definition] = ""
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			if q.Datasource.Type == "prometheus" {
				exprs[q.Expr] = q.Legend
			}
		}
	}
	for expr, legend := range exprs {
		var labels []string
		names := metricName.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("no metric in %s", expr)
		}
		for _, name := range names {
			found, ok := known[name]
			if !ok {
				t.Errorf("the program has no metric %s: %s", name, expr)
			}
			labels = append(labels, found...)
			used++
		}
		var by []string
		for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
			by = append(by, strings.Split(m[1], ", ")...)
		}
		for _, m := range matched.FindAllStringSubmatch(expr, -1) {
			by = append(by, m[1])
		}
		for _, label := range by {
			if !slices.Contains(labels, label) {
				t.Errorf("no metric of it has the label %q: %s", label, expr)
			}
		}
		for _, m := range legendName.FindAllStringSubmatch(legend, -1) {
			if !slices.Contains(by, m[1]) {
				t.Errorf("the legend %q names a label that the query drops: %s", legend, expr)
			}
		}
	}
	if used < 30 {
		t.Errorf("only %d uses of metrics found: does the test still read the queries?", used)
	}
}

func TestProvisioning(t *testing.T) {
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ UID, Type, URL string }
	}
	parse(t, "provisioning/datasources/logcluster.yaml", &sources)
	kinds := map[string]bool{}
	for _, s := range sources.Datasources {
		kinds[s.Type] = true
		if s.UID == "" || !strings.HasPrefix(s.URL, "$") {
			t.Errorf("data source %+v: its address should come from the environment", s)
		}
	}
	for name, kind := range variables(t, read(t)) {
		if !kinds[kind] {
			t.Errorf("no data source for the variable %s of kind %s", name, kind)
		}
	}
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	parse(t, "provisioning/dashboards/logcluster.yaml", &dashboards)
	if sources.APIVersion != 1 || dashboards.APIVersion != 1 || len(dashboards.Providers) != 1 {
		t.Errorf("got %+v and %+v", sources, dashboards)
	}
	for _, p := range dashboards.Providers {
		if p.Type != "file" || !filepath.IsAbs(p.Options.Path) {
			t.Errorf("got %+v", p)
		}
	}
}

func parse(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
