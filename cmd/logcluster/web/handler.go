package web

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are what a [Handler] asks. Source, Gatherer and Logger are required.
type Options struct {
	// Source is what the page and the API show.
	Source Source
	// Roles is what the page and the API tell of roles, the policy and budgets.
	// Without it they say that nothing is known.
	Roles Roles
	// Verdicts is where people's decisions about alerts go. Without it there is no
	// such API.
	Verdicts Verdicts
	// Shadow returns the rule by which alerts are compared with those of a second
	// configuration, and how it compares, nil without one; the value is the
	// caller's. Without it there is no such API.
	Shadow func() (rule string, now *Shadow)
	// Gatherer is what /metrics shows.
	Gatherer prometheus.Gatherer
	// Ready returns why the process cannot do its work yet or any more, nil
	// when it can: /readyz. Without it the process is always ready.
	Ready func() error
	// Healthy returns why the process should be restarted, nil when it should
	// not: /healthz. Without it the process is always healthy.
	Healthy func() error
	// Config returns the effective configuration as YAML with its secrets
	// masked: /config. Without it there is no such page.
	Config func() ([]byte, error)
	// Now is the wall clock, [time.Now] when nil.
	Now func() time.Time
	// Logger receives what goes wrong while answering.
	Logger *slog.Logger
}

// security is sent with every answer. The policy allows the page its own files
// and nothing else: no inline script or style, no other origin, no frame, no
// form that leads elsewhere. Whatever text of a record might slip through would not run.
var security = map[string]string{
	"Content-Security-Policy":      "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cache-Control":                "no-store",
}

// maxBody is the most bytes of a request's body that are read: a suppression with
// as many and as long matchers as there may be.
const maxBody = 32 << 10

// NewHandler returns the handler of everything that this package serves. It
// starts nothing and keeps no state.
func NewHandler(cfg Config, o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Roles == nil {
		o.Roles = noRoles{}
	}
	s := &site{Options: o, refresh: cfg.Refresh, tokenFile: cfg.TokenFile}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		MaxRequestsInFlight: 8,
		Timeout:             30 * time.Second,
	}))
	mux.HandleFunc("GET /healthz", probe(o.Healthy))
	mux.HandleFunc("GET /readyz", probe(o.Ready))
	mux.HandleFunc("GET /api/v1/anomalies", s.anomalies)
	mux.HandleFunc("GET /api/v1/clusters", s.clusters)
	mux.HandleFunc("GET /api/v1/families", s.families)
	mux.HandleFunc("GET /api/v1/policy", s.policy)
	mux.HandleFunc("GET /api/v1/explain", s.explain)
	mux.HandleFunc("GET /api/v1/tenants", s.tenants)
	if o.Shadow != nil {
		mux.HandleFunc("GET /api/v1/shadow", s.compared)
	}
	if o.Verdicts != nil {
		s.routeVerdicts(mux)
	}
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /live", s.live)
	mux.HandleFunc("GET /roles", s.rolesPage)
	mux.HandleFunc("GET /roles/live", s.rolesLive)
	mux.HandleFunc("GET /explain", s.explainPage)
	mux.HandleFunc("GET /verdicts", s.verdictsPage)
	mux.HandleFunc("GET /verdicts/live", s.verdictsLive)
	mux.Handle("GET /assets/", http.FileServerFS(assets))
	if o.Config != nil {
		mux.HandleFunc("GET /config", s.config)
	}
	if cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return http.MaxBytesHandler(secured(mux), maxBody)
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range security {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// probe answers 200 when check has no objection, else 503 with the reason.
func probe(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if check != nil {
			if err := check(); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(err.Error() + "\n"))
				return
			}
		}
		_, _ = w.Write([]byte("ok\n"))
	}
}

// site answers from the source. It is safe for concurrent use.
type site struct {
	Options
	refresh   time.Duration
	tokenFile string
}

func (s *site) page(w http.ResponseWriter, _ *http.Request) { s.draw(w, "anomalies", s.list()) }

// live is the changing part of the page, for the script to put in place.
func (s *site) live(w http.ResponseWriter, _ *http.Request) { s.draw(w, "live", s.list()) }

func (s *site) list() view {
	now, policies := s.Now().UTC(), s.Roles.Policies("")
	v := newView(s.Source.Status(), s.Source.Anomalies(), now, s.refresh, len(policies) > 0)
	v.Notices = newNotices(policies, s.Roles.Budgets(""), now, maxNotices)
	return v
}

func (s *site) rolesPage(w http.ResponseWriter, _ *http.Request) { s.draw(w, "roles", s.roles()) }

func (s *site) rolesLive(w http.ResponseWriter, _ *http.Request) { s.draw(w, "roles-live", s.roles()) }

func (s *site) roles() rolesView {
	now, status := s.Now().UTC(), s.Source.Status()
	return newRolesView(newLayout("/roles", status.Version, s.refresh, now), status,
		s.Roles.Families(""), s.Roles.Policies(""), s.Roles.Budgets(""), now)
}

func (s *site) draw(w http.ResponseWriter, name string, v any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, v); err != nil {
		s.fail(w, "render page", err)
		return
	}
	s.send(w, http.StatusOK, "text/html; charset=utf-8", b.Bytes())
}

func (s *site) config(w http.ResponseWriter, _ *http.Request) {
	b, err := s.Config()
	if err != nil {
		s.fail(w, "print configuration", err)
		return
	}
	s.send(w, http.StatusOK, "text/plain; charset=utf-8", b)
}

func (s *site) send(w http.ResponseWriter, code int, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	if _, err := w.Write(b); err != nil && !errors.Is(err, http.ErrHandlerTimeout) {
		s.Logger.Debug("answer not taken", "error", err)
	}
}

func (s *site) fail(w http.ResponseWriter, what string, err error) {
	s.Logger.Error("cannot answer", "doing", what, "error", err)
	http.Error(w, "internal error: see the log", http.StatusInternalServerError)
}
