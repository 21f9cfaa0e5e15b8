// Package grafana holds the Grafana dashboard of logcluster and reads it, for
// the tests that hold it against the program and against real servers.
package grafana

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// JSON is the dashboard as Grafana provisions it.
//
//go:embed dashboards/logcluster.json
var JSON []byte

// Dashboard is what there is in a dashboard that can be checked without
// Grafana.
type Dashboard struct {
	UID         string  `json:"uid"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Panels      []Panel `json:"panels"`
	Templating  struct {
		List []Variable `json:"list"`
	} `json:"templating"`
}

// Variable is what a person chooses at the top of the dashboard.
type Variable struct {
	Name string `json:"name"`
	// Type is datasource or query.
	Type       string          `json:"type"`
	Label      string          `json:"label"`
	Definition string          `json:"definition"` // of a query
	AllValue   string          `json:"allValue"`
	Query      json.RawMessage `json:"query"` // of a data source: its kind
}

// Panel is one panel. One of type row is a headline and has no queries.
type Panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description"`
	Datasource  Datasource   `json:"datasource"`
	Place       Place        `json:"gridPos"`
	Targets     []Target     `json:"targets"`
	Config      FieldConfigs `json:"fieldConfig"`
}

// Datasource names a data source, by a variable of the dashboard.
type Datasource struct {
	Type string `json:"type"` // prometheus or loki
	UID  string `json:"uid"`
}

// Place is where a panel lies: the dashboard is 24 wide.
type Place struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// Target is one query of a panel.
type Target struct {
	RefID      string     `json:"refId"`
	Datasource Datasource `json:"datasource"`
	Expr       string     `json:"expr"`
	Legend     string     `json:"legendFormat"`
	// Instant asks for now and not for a range of time.
	Instant bool `json:"instant"`
}

// FieldConfigs are how the values of a panel are shown.
type FieldConfigs struct {
	Defaults struct {
		Unit string `json:"unit"`
	} `json:"defaults"`
}

// Read returns the dashboard.
func Read() (*Dashboard, error) {
	var d Dashboard
	if err := json.Unmarshal(JSON, &d); err != nil {
		return nil, fmt.Errorf("read dashboard: %w", err)
	}
	return &d, nil
}
