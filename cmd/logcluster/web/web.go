// Package web serves what people and their tools ask a running logcluster for
// over HTTP: metrics, health, the effective configuration, the ranked list as
// JSON, and the same list as one page that needs nothing but this binary.
//
// Everything on the page that came from records is attackers' text. It reaches
// the browser only through html/template, as text, and the page's content
// security policy allows no script but its own file.
package web

import (
	"time"

	"github.com/logcluster/logcluster/alert"
)

// Source is what the pages show. Its methods are called for every request and
// must be fast, safe for concurrent use, and hand out values that nobody
// changes afterwards.
type Source interface {
	// Status returns how the stream is doing.
	Status() Status
	// Anomalies returns the current ranked list, most anomalous first.
	Anomalies() []Anomaly
}

// Anomaly is an alert as it stands now, with its recent past.
type Anomaly struct {
	alert.Alert
	// Trend is the driving feature's observed value in the last windows,
	// oldest first. Empty means that there is none to draw.
	Trend []float64 `json:"trend"`
	// Power is the class of what the role may do: unknown, none, read, write,
	// elevated, escalate or admin. Empty counts as unknown.
	Power string `json:"power"`
	// Family is the role family of the role; null when none was learned.
	Family *FamilyRef `json:"family"`
}

// Status is how the stream is doing. Times are UTC; a zero time is unknown.
type Status struct {
	// Version is the program's.
	Version string `json:"version"`
	// StartedAt is when the process started, by the wall clock.
	StartedAt time.Time `json:"started_at"`
	// Watermark is the event time that every partition has passed; zero
	// before the first event.
	Watermark time.Time `json:"watermark"`
	// Recorded says that event time is a recording's: its distance from the
	// wall clock says nothing.
	Recorded bool `json:"recorded"`
	// EventsPerSecond is the rate over the last seconds of the wall clock.
	EventsPerSecond float64 `json:"events_per_second"`
	// Consumed, Late and Rejected count events since the start: all, those
	// dropped because they were behind the grace, and those that could not be
	// used.
	Consumed uint64 `json:"consumed"`
	Late     uint64 `json:"late"`
	Rejected uint64 `json:"rejected"`
	// Lag is how many records wait in Kafka, -1 when unknown.
	Lag int64 `json:"lag"`
	// Clusters and Tenants are how many are watched.
	Clusters int `json:"clusters"`
	Tenants  int `json:"tenants"`
	// Learning says that a tenant's learning period has not ended;
	// LearningUntil is the event time when the last one's will.
	Learning      bool      `json:"learning"`
	LearningUntil time.Time `json:"learning_until"`
}
