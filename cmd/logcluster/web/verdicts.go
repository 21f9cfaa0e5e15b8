package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/logcluster/logcluster/anomaly/verdict"
)

// Verdicts is what people decide about alerts. Its methods are safe for concurrent
// use; those that decide may wait for the stream.
type Verdicts interface {
	// Judge gives a verdict about an alert. Errors wrap one of those below, or are
	// the service's own fault.
	Judge(ctx context.Context, q *VerdictRequest) (Verdict, error)
	// Suppress makes a suppression.
	Suppress(ctx context.Context, q *SuppressionRequest) (Suppression, error)
	// Remove ends a verdict or a suppression, by its identity.
	Remove(ctx context.Context, id string) error
	// Verdicts, Suppressions and Maintenance list what there is.
	Verdicts() ([]Verdict, VerdictCounts)
	Suppressions() []Suppression
	Maintenance() []Maintenance
}

// Why something can not be decided.
var (
	ErrInvalid = errors.New("it is not valid")                // 400
	ErrUnknown = errors.New("it is not known")                // 404
	ErrFull    = errors.New("there is no room")               // 409
	ErrBusy    = errors.New("it can not be decided upon now") // 503
)

// VerdictRequest is the body of POST /api/v1/verdicts. At most one of until and for
// is given; without either the configuration says how long it holds.
type VerdictRequest struct {
	// ID is the alert's.
	ID string `json:"id"`
	// Verdict is true, false or expected.
	Verdict string `json:"verdict"`
	// Until is when it ends, For how long it lasts, by event time.
	Until time.Time     `json:"until,omitzero"`
	For   time.Duration `json:"-"`
	// Baseline is keep-out, let-in or empty.
	Baseline string `json:"baseline,omitempty"`
	Comment  string `json:"comment,omitempty"`
	By       string `json:"by,omitempty"`
}

// SuppressionRequest is the body of POST /api/v1/suppressions. One of until and for
// is needed.
type SuppressionRequest struct {
	// Matchers are conditions such as role=~"ClusterRole/ci-.*", all of which must
	// hold.
	Matchers []string      `json:"matchers"`
	Until    time.Time     `json:"until,omitzero"`
	For      time.Duration `json:"-"`
	Comment  string        `json:"comment,omitempty"`
	By       string        `json:"by,omitempty"`
}

// Verdict is what a person has said about an alert. Times are event times.
type Verdict struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"`
	// What the alert is about: its lead, and how many clusters it has.
	Tenant   string `json:"tenant"`
	Cluster  string `json:"cluster"`
	Clusters int    `json:"clusters"`
	Role     string `json:"role"`
	Resource string `json:"resource"`
	Access   string `json:"access"`
	// StartedAt is when the alert began, ResolvedAt when it was over; null while it
	// is not.
	StartedAt  time.Time  `json:"started_at"`
	ResolvedAt *time.Time `json:"resolved_at"`
	// InForceFrom is from when the verdict holds, Until until when; null while
	// that is not known, and for a real incident.
	InForceFrom time.Time  `json:"in_force_from"`
	Until       *time.Time `json:"until"`
	// InForce tells that it can still change anything.
	InForce  bool   `json:"in_force"`
	Baseline string `json:"baseline,omitempty"`
	Comment  string `json:"comment,omitempty"`
	By       string `json:"by,omitempty"`
}

// VerdictCounts are the verdicts that are listed. Precision is the share of true
// among true and false, null when there are none.
type VerdictCounts struct {
	True      uint64   `json:"true"`
	False     uint64   `json:"false"`
	Expected  uint64   `json:"expected"`
	Precision *float64 `json:"precision"`
}

// Suppression says that nobody is told of what matches, until a time.
type Suppression struct {
	ID          string    `json:"id"`
	Matchers    []string  `json:"matchers"`
	InForceFrom time.Time `json:"in_force_from"`
	Until       time.Time `json:"until"`
	InForce     bool      `json:"in_force"`
	Comment     string    `json:"comment,omitempty"`
	By          string    `json:"by,omitempty"`
}

// Maintenance is a maintenance window of the configuration. Active tells that it
// lasts now, by event time.
type Maintenance struct {
	Name     string             `json:"name"`
	Matchers []string           `json:"matchers"`
	Times    []verdict.Interval `json:"times"`
	Active   bool               `json:"active"`
}

// VerdictsAnswer is the JSON of GET /api/v1/verdicts.
type VerdictsAnswer struct {
	Head
	Counts VerdictCounts `json:"counts"`
	// Verdicts are in the order in which they were given.
	Verdicts []Verdict `json:"verdicts"`
}

// VerdictAnswer is the JSON of POST /api/v1/verdicts.
type VerdictAnswer struct {
	Head
	Verdict Verdict `json:"verdict"`
}

// SuppressionsAnswer is the JSON of GET /api/v1/suppressions.
type SuppressionsAnswer struct {
	Head
	Suppressions []Suppression `json:"suppressions"`
}

// SuppressionAnswer is the JSON of POST /api/v1/suppressions.
type SuppressionAnswer struct {
	Head
	Suppression Suppression `json:"suppression"`
}

// MaintenanceAnswer is the JSON of GET /api/v1/maintenance.
type MaintenanceAnswer struct {
	Head
	Windows []Maintenance `json:"windows"`
}

// RemovedAnswer is the JSON of a DELETE that was done.
type RemovedAnswer struct {
	Head
	Removed string `json:"removed"`
}

// lasting reads how long something lasts, beside the fields of a request.
type lasting struct {
	For string `json:"for"`
}

// parse returns the duration; an end and a duration are one too many.
func (l lasting) parse(until time.Time) (time.Duration, error) {
	if l.For == "" {
		return 0, nil
	}
	if !until.IsZero() {
		return 0, errors.New("until, for: give one of them")
	}
	d, err := time.ParseDuration(l.For)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("for: %q is not a duration such as 90s, 10m or 1h30m", l.For)
	}
	return d, nil
}

// routeVerdicts adds what is decided and listed here to a mux.
func (s *site) routeVerdicts(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/verdicts", s.verdicts)
	mux.HandleFunc("GET /api/v1/suppressions", s.suppressions)
	mux.HandleFunc("GET /api/v1/maintenance", s.maintenance)
	mux.Handle("POST /api/v1/verdicts", s.guarded(s.judge))
	mux.Handle("POST /api/v1/suppressions", s.guarded(s.suppress))
	mux.Handle("DELETE /api/v1/verdicts/{id}", s.guarded(s.remove))
	mux.Handle("DELETE /api/v1/suppressions/{id}", s.guarded(s.remove))
}

func (s *site) verdicts(w http.ResponseWriter, _ *http.Request) {
	list, counts := s.Verdicts.Verdicts()
	s.answer(w, http.StatusOK, VerdictsAnswer{s.head(), counts, orEmpty(list)})
}

func (s *site) suppressions(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, SuppressionsAnswer{s.head(), orEmpty(s.Verdicts.Suppressions())})
}

func (s *site) maintenance(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, MaintenanceAnswer{s.head(), orEmpty(s.Verdicts.Maintenance())})
}

func (s *site) judge(w http.ResponseWriter, r *http.Request) {
	var body struct {
		VerdictRequest
		lasting
	}
	err := readBody(w, r, &body)
	if err == nil {
		body.VerdictRequest.For, err = body.parse(body.Until)
	}
	if err != nil {
		s.refuseBody(w, err)
		return
	}
	v, err := s.Verdicts.Judge(r.Context(), &body.VerdictRequest)
	if err != nil {
		s.undecided(w, err)
		return
	}
	s.answer(w, http.StatusCreated, VerdictAnswer{s.head(), v})
}

func (s *site) suppress(w http.ResponseWriter, r *http.Request) {
	var body struct {
		SuppressionRequest
		lasting
	}
	err := readBody(w, r, &body)
	if err == nil {
		body.SuppressionRequest.For, err = body.parse(body.Until)
	}
	if err != nil {
		s.refuseBody(w, err)
		return
	}
	v, err := s.Verdicts.Suppress(r.Context(), &body.SuppressionRequest)
	if err != nil {
		s.undecided(w, err)
		return
	}
	s.answer(w, http.StatusCreated, SuppressionAnswer{s.head(), v})
}

func (s *site) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := s.Verdicts.Remove(r.Context(), id); err != nil {
		s.undecided(w, err)
		return
	}
	s.answer(w, http.StatusOK, RemovedAnswer{s.head(), id})
}

// errType is the error of a body that is not said to be JSON. A form of a strange
// page can send text, but not JSON, without asking first.
var errType = errors.New("the body must be application/json")

// readBody reads a body that is one JSON object without unknown fields.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return errType
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the body can not be read: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body is more than one JSON object")
	}
	return nil
}

// refuseBody answers a request whose body can't be used.
func (s *site) refuseBody(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errType):
		s.refuse(w, http.StatusUnsupportedMediaType, err.Error())
	case errors.As(err, &tooLarge):
		s.refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	default:
		s.refuse(w, http.StatusBadRequest, err.Error())
	}
}

// undecided answers a request that could not be decided upon.
func (s *site) undecided(w http.ResponseWriter, err error) {
	for code, reason := range map[int]error{
		http.StatusBadRequest: ErrInvalid, http.StatusNotFound: ErrUnknown,
		http.StatusConflict: ErrFull, http.StatusServiceUnavailable: ErrBusy,
	} {
		if errors.Is(err, reason) {
			s.refuse(w, code, err.Error())
			return
		}
	}
	s.fail(w, "decide", err)
}
