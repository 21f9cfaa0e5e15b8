package web

import (
	"net/http"
	"time"
)

// ShadowAlert is an alert of one of two configurations that are compared, in short.
// Times are event times.
type ShadowAlert struct {
	ID        string    `json:"id"`
	Tenant    string    `json:"tenant"`
	Cluster   string    `json:"cluster"`
	Role      string    `json:"role"`
	Resource  string    `json:"resource"`
	Access    string    `json:"access"`
	Feature   string    `json:"feature"`
	Subject   string    `json:"subject"`
	Z         float64   `json:"z"`
	Severity  string    `json:"severity"`
	StartedAt time.Time `json:"started_at"`
	FiredAt   time.Time `json:"fired_at"`
}

// Difference is an alert of the service or of its shadow.
type Difference struct {
	// Only is main or shadow for an alert that the other has not raised, both for
	// one of the service's that the shadow has raised too.
	Only  string      `json:"only"`
	Alert ShadowAlert `json:"alert"`
}

// Shadow is how the second configuration that runs beside the service compares.
type Shadow struct {
	// Config is its file.
	Config string `json:"config"`
	// Problem says why it has ended; empty while it runs.
	Problem string `json:"problem"`
	// Since is the event time from which it has been judging, zero before.
	Since time.Time `json:"since"`
	// Main, Shadow and Both count alerts since then: those that only the one or
	// only the other has raised, and the service's that both have.
	Main   uint64 `json:"main"`
	Shadow uint64 `json:"shadow"`
	Both   uint64 `json:"both"`
	// Firing are the shadow's alerts now, and Last the last differences, the newest
	// first.
	Firing []ShadowAlert `json:"firing"`
	Last   []Difference  `json:"last"`
}

// ShadowAnswer is the JSON of /api/v1/shadow. Shadow is null without a shadow.
type ShadowAnswer struct {
	Head
	Rule   string  `json:"rule"`
	Shadow *Shadow `json:"shadow"`
}

func (s *site) compared(w http.ResponseWriter, _ *http.Request) {
	rule, now := s.Shadow()
	if now != nil {
		now.Firing, now.Last = orEmpty(now.Firing), orEmpty(now.Last)
	}
	s.answer(w, http.StatusOK, ShadowAnswer{s.head(), rule, now})
}
