// Package web serves what people and their tools ask a running logcluster for
// over HTTP: metrics, health, the effective configuration, the ranked list and
// the roles behind it as JSON, and the same as pages that need nothing but this
// binary.
//
// # The API
//
// All of it is read with GET and answers JSON objects that begin with
// schema_version and generated_at (see [Head]); fields are only ever added
// within a version. Times are RFC 3339 in UTC. A list is empty, never null,
// when there is nothing. Where tenant is left out, every tenant is meant. A
// request that is wrong is answered with 400 and an [ErrorAnswer].
//
//	/api/v1/anomalies                      the ranked list: [Answer]
//	/api/v1/clusters?tenant=&limit=        the clusters of the last evaluation by
//	                                       events, 200 unless limit says
//	                                       otherwise (1 to 2000): [ClustersAnswer]
//	/api/v1/families?tenant=               the role families: [FamiliesAnswer]
//	/api/v1/policy?tenant=                 the role policy in force: [PolicyAnswer]
//	/api/v1/tenants?tenant=                budgets and their use: [TenantsAnswer]
//	/api/v1/verdicts                       what people said of alerts: [VerdictsAnswer];
//	    POST [VerdictRequest], DELETE /api/v1/verdicts/ID
//	/api/v1/suppressions                   of what nobody is told: [SuppressionsAnswer];
//	    POST [SuppressionRequest], DELETE /api/v1/suppressions/ID
//	/api/v1/shadow                         what a second configuration tells: [ShadowAnswer]
//	/api/v1/maintenance                    when nobody is told, again and again: [MaintenanceAnswer]
//	/api/v1/explain?tenant=&user=&group=&verb=&resource=&api_group=&subresource=
//	    &namespace=&name=&path=            what the policy in force says about a
//	                                       subject or a request: [ExplainAnswer]
//
// In /api/v1/explain user or group is required, group may be repeated, and the
// groups that a service account has by its name are implied. With verb it asks
// about one request, to a resource or to a path; without, about everything that
// the subject may do in the namespace and in the whole cluster, or, without a
// namespace too, anywhere (then role and power are those of cluster-wide
// requests). It answers 404 when there is no policy.
//
// What decides needs a body of application/json without unknown fields, must not
// come from a page of another origin, and is allowed to this machine only unless
// web.token_file is set. It is answered when the decision is written down: 201 or
// 200; else 400 (it is wrong), 401 and 403 (who asks may not), 404 (no such alert was told
// lately, no such decision is there), 409 (there is no room), 413 and 415 (the
// body), 503 (the stream stands still, try again).
//
// # Attackers' text
//
// Everything on the pages that came from records is attackers' text. It reaches
// the browser only through html/template, as text, and their content
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
