// Package alert tells people: it renders an anomaly into an [Alert] (the
// sentence, the query, the labels) and delivers it to Alertmanager and Loki
// through bounded queues, each sink on its own.
package alert

import "time"

// SchemaVersion is the version of the JSON form of [Alert]. Fields are only
// ever added within a version.
const SchemaVersion = 1

// Alert is what a person is told, and the JSON object that replay prints and
// Loki and the anomalies topic receive. Text that came from records is capped
// and has its control characters escaped; each sink escapes it further for its
// own syntax. Times are RFC 3339 in UTC; numbers are always finite.
type Alert struct {
	SchemaVersion int    `json:"schema_version"`
	ID            string `json:"id"`
	State         string `json:"state"` // firing or resolved; pending only when asked for
	Tenant        string `json:"tenant"`
	Cluster       string `json:"cluster"` // cluster id, 16 hexadecimal digits
	Role          string `json:"role"`
	RoleSource    string `json:"role_source"`
	// Power is the class of what the role may do: none, read, write, elevated,
	// escalate or admin; unknown without a policy.
	Power    string `json:"power"`
	APIGroup string `json:"api_group,omitempty"`
	Resource string `json:"resource"`
	Access   string `json:"access"`

	Z        float64 `json:"z"`
	Rank     int     `json:"rank"`
	Severity string  `json:"severity"`

	StartedAt   time.Time  `json:"started_at"`
	FiredAt     *time.Time `json:"fired_at"`
	ResolvedAt  *time.Time `json:"resolved_at"`
	WindowStart time.Time  `json:"window_start"`
	WindowEnd   time.Time  `json:"window_end"`

	Features []Feature `json:"features"`
	Subjects []Subject `json:"subjects"` // at most 3
	Parts    []Part    `json:"parts"`

	Summary  string   `json:"summary"`
	LogQL    string   `json:"logql"`
	Learning bool     `json:"learning,omitempty"`
	Partial  []string `json:"partial,omitempty"`
}

// Feature is one driving feature: what was seen against what was expected
// (the predictive median) and its 95 % band.
type Feature struct {
	Name     string  `json:"name"`
	Observed float64 `json:"observed"`
	Expected float64 `json:"expected"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Z        float64 `json:"z"`
}

// Subject is who, with the share (0 to 1) of the window's events.
type Subject struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
}

// Part is another cluster of the same story.
type Part struct {
	Cluster  string  `json:"cluster"`
	Role     string  `json:"role"`
	Resource string  `json:"resource"`
	Access   string  `json:"access"`
	Z        float64 `json:"z"`
}
