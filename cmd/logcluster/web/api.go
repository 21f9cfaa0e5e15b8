package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// Head begins every JSON answer. Fields are only ever added within a schema
// version. Lists in answers are empty, never null, when there is nothing.
type Head struct {
	SchemaVersion int       `json:"schema_version"`
	GeneratedAt   time.Time `json:"generated_at"`
}

// Answer is the JSON of /api/v1/anomalies.
type Answer struct {
	Head
	Status Status `json:"status"`
	// Anomalies are most anomalous first.
	Anomalies []Anomaly `json:"anomalies"`
}

// ClustersAnswer is the JSON of /api/v1/clusters.
type ClustersAnswer struct {
	Head
	// Total is how many clusters there are; Clusters are the first of them, as
	// many as the limit of the request allows.
	Total    int       `json:"total"`
	Clusters []Cluster `json:"clusters"`
}

// FamiliesAnswer is the JSON of /api/v1/families.
type FamiliesAnswer struct {
	Head
	Tenants []Families `json:"tenants"`
}

// PolicyAnswer is the JSON of /api/v1/policy.
type PolicyAnswer struct {
	Head
	// Policies has one, or one for each tenant that has its own; none when no
	// source of RBAC objects is configured.
	Policies []Policy `json:"policies"`
}

// ExplainAnswer is the JSON of /api/v1/explain.
type ExplainAnswer struct {
	Head
	Explanation Explanation `json:"explanation"`
}

// TenantsAnswer is the JSON of /api/v1/tenants.
type TenantsAnswer struct {
	Head
	Tenants []Budgets `json:"tenants"`
}

// ErrorAnswer is the JSON of a request that cannot be answered (400: it is
// wrong; 404: there is no policy to ask).
type ErrorAnswer struct {
	Error string `json:"error"`
}

// How many clusters are listed when the request does not say, and at most.
const (
	defaultClusters = 200
	maxClusters     = 2000
)

func (s *site) head() Head {
	return Head{SchemaVersion: alert.SchemaVersion, GeneratedAt: s.Now().UTC()}
}

func (s *site) anomalies(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, Answer{s.head(), s.Source.Status(), orEmpty(s.Source.Anomalies())})
}

func (s *site) clusters(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := defaultClusters
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxClusters {
			s.refuse(w, http.StatusBadRequest, fmt.Sprintf("limit: %q is not a number from 1 to %d", text, maxClusters))
			return
		}
		limit = n
	}
	all := s.Roles.Clusters(q.Get("tenant"))
	s.answer(w, http.StatusOK, ClustersAnswer{s.head(), len(all), orEmpty(all[:min(len(all), limit)])})
}

func (s *site) families(w http.ResponseWriter, r *http.Request) {
	all := slices.Clone(s.Roles.Families(r.URL.Query().Get("tenant")))
	for i := range all {
		all[i].Families = orEmpty(all[i].Families)
	}
	s.answer(w, http.StatusOK, FamiliesAnswer{s.head(), orEmpty(all)})
}

func (s *site) policy(w http.ResponseWriter, r *http.Request) {
	all := slices.Clone(s.Roles.Policies(r.URL.Query().Get("tenant")))
	for i := range all {
		all[i].Sources, all[i].Recent = orEmpty(all[i].Sources), orEmpty(all[i].Recent)
	}
	s.answer(w, http.StatusOK, PolicyAnswer{s.head(), orEmpty(all)})
}

func (s *site) tenants(w http.ResponseWriter, r *http.Request) {
	all := slices.Clone(s.Roles.Budgets(r.URL.Query().Get("tenant")))
	for i := range all {
		all[i].Budgets = orEmpty(all[i].Budgets)
	}
	s.answer(w, http.StatusOK, TenantsAnswer{s.head(), orEmpty(all)})
}

func (s *site) explain(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuestion(r.URL.Query())
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e, ok := s.ask(q)
	if !ok {
		s.refuse(w, http.StatusNotFound, noPolicy(q.tenant))
		return
	}
	s.answer(w, http.StatusOK, ExplainAnswer{s.head(), e})
}

// answer sends a value as JSON.
func (s *site) answer(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.fail(w, "render JSON", err)
		return
	}
	s.send(w, code, "application/json", b)
}

func (s *site) refuse(w http.ResponseWriter, code int, why string) {
	s.answer(w, code, ErrorAnswer{why})
}

// orEmpty returns a list that encodes to [] when it is nil.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
