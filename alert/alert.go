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

	// Scale is the length of window that drives: short, medium or long.
	Scale    string    `json:"scale"`
	Features []Feature `json:"features"`
	// Subjects, Objects and Sources are the most active ones, at most 3 each.
	Subjects []Subject `json:"subjects"`
	Objects  []Subject `json:"objects,omitempty"`
	Sources  []Subject `json:"sources,omitempty"`
	// New is what was never seen before, at most 5.
	New []Novelty `json:"new,omitempty"`
	// Evidence are records of the window, at most 3.
	Evidence []Record `json:"evidence,omitempty"`
	// BeganAt is when the driving feature changed, or where that is no count the
	// count that deviates most; null when that does not show.
	BeganAt *time.Time `json:"began_at"`
	// Like is the role whose subjects behave most like this one, when that is
	// not its own.
	Like  string `json:"like,omitempty"`
	Parts []Part `json:"parts"`
	// PartsCut is how many more parts there are.
	PartsCut int `json:"parts_cut,omitempty"`

	Summary  string `json:"summary"`
	LogQL    string `json:"logql"`
	Learning bool   `json:"learning,omitempty"`
	// Extrapolated tells that z is beyond what the calibration could measure.
	Extrapolated bool `json:"extrapolated,omitempty"`
	// LevelShift tells that it ended because the new level was accepted as usual.
	LevelShift bool `json:"level_shift,omitempty"`
	// Suppressed says why nobody was told.
	Suppressed string   `json:"suppressed,omitempty"`
	Partial    []string `json:"partial,omitempty"`
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
	// P is the two-sided p-value, 0 when it is too small for a float64;
	// Log10P is its decimal logarithm.
	P      float64 `json:"p"`
	Log10P float64 `json:"log10_p"`
	// Scale is the name and Window the length in seconds of its window.
	Scale  string  `json:"scale"`
	Window float64 `json:"window_seconds"`
	// Subject is whom a peer feature is about.
	Subject string `json:"subject,omitempty"`
}

// Subject is who or what, with the share (0 to 1) of the window's events, and the
// usual one; null when that is not known.
type Subject struct {
	Name  string   `json:"name"`
	Share float64  `json:"share"`
	Usual *float64 `json:"usual"`
}

// Novelty is one thing that was never seen before.
type Novelty struct {
	Feature string `json:"feature"`
	Subject string `json:"subject,omitempty"`
	What    string `json:"what"`
}

// Record is one event of the window: the evidence.
type Record struct {
	Time      time.Time `json:"time"`
	ID        string    `json:"id,omitempty"`
	Topic     string    `json:"topic,omitempty"`
	Partition *int32    `json:"partition,omitempty"`
	Offset    *int64    `json:"offset,omitempty"`
	Subject   string    `json:"subject"`
	Verb      string    `json:"verb"`
	Namespace string    `json:"namespace,omitempty"`
	Object    string    `json:"object,omitempty"`
	Source    string    `json:"source,omitempty"`
	Code      int       `json:"code,omitempty"`
	Denied    bool      `json:"denied,omitempty"`
}

// Part is another cluster of the same story.
type Part struct {
	Cluster  string  `json:"cluster"`
	Role     string  `json:"role"`
	Resource string  `json:"resource"`
	Access   string  `json:"access"`
	Z        float64 `json:"z"`
}
