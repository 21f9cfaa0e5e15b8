package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ledger is a book that takes everything, or refuses everything.
type ledger struct {
	refuse   error
	verdict  *VerdictRequest
	suppress *SuppressionRequest
	removed  string
}

func (l *ledger) Judge(_ context.Context, q *VerdictRequest) (Verdict, error) {
	l.verdict = q
	return Verdict{ID: q.ID, Verdict: q.Verdict}, l.refuse
}

func (l *ledger) Suppress(_ context.Context, q *SuppressionRequest) (Suppression, error) {
	l.suppress = q
	return Suppression{ID: "s1", Matchers: q.Matchers}, l.refuse
}

func (l *ledger) Remove(_ context.Context, id string) error { l.removed = id; return l.refuse }

func (l *ledger) Verdicts() ([]Verdict, VerdictCounts) { return nil, VerdictCounts{} }
func (l *ledger) Suppressions() []Suppression          { return nil }
func (l *ledger) Maintenance() []Maintenance           { return nil }

// deciding returns a handler with a book, and a function that sends it a request.
func deciding(cfg Config, l *ledger) func(method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	o := optionsOf(&fixed{})
	o.Verdicts = l
	h := NewHandler(cfg, o)
	return func(method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:40000"
		r.Header.Set("Content-Type", "application/json")
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

func TestVerdictsAreTaken(t *testing.T) {
	l := &ledger{}
	send := deciding(DefaultConfig(), l)
	w := send("POST", "/api/v1/verdicts", `{"id":"a","verdict":"false","for":"90m","baseline":"keep-out","comment":"c","by":"b"}`, nil)
	want := VerdictRequest{ID: "a", Verdict: "false", For: 90 * time.Minute, Baseline: "keep-out", Comment: "c", By: "b"}
	if w.Code != 201 || *l.verdict != want {
		t.Errorf("%d %s: %+v", w.Code, w.Body, l.verdict)
	}
	w = send("POST", "/api/v1/suppressions", `{"matchers":["role=\"a\""],"until":"2026-12-01T00:00:00Z"}`, nil)
	if w.Code != 201 || l.suppress.Until.IsZero() || l.suppress.Matchers[0] != `role="a"` {
		t.Errorf("%d %s: %+v", w.Code, w.Body, l.suppress)
	}
	for _, list := range []string{"verdicts", "suppressions"} {
		if w := send("DELETE", "/api/v1/"+list+"/a%2Fb", "", nil); w.Code != 200 || l.removed != "a/b" {
			t.Errorf("remove from %s: %d %s, %q", list, w.Code, w.Body, l.removed)
		}
	}
	for path, want := range map[string]string{
		"verdicts": `"counts":{"true":0,"false":0,"expected":0,"precision":null},"verdicts":[]`, "suppressions": `"suppressions":[]`, "maintenance": `"windows":[]`,
	} {
		if w := send("GET", "/api/v1/"+path, "", nil); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// What can not be a decision is refused before anybody decides.
func TestVerdictsAreRefused(t *testing.T) {
	const good = `{"id":"a","verdict":"true"}`
	form := func(kind string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", kind) }
	}
	from := func(header, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(header, value) }
	}
	for name, test := range map[string]struct {
		body   string
		change func(*http.Request)
		code   int
	}{
		"good":                     {good, nil, 201},
		"JSON in UTF-8":            {good, form("application/json; charset=utf-8"), 201},
		"a form":                   {good, form("application/x-www-form-urlencoded"), 415},
		"plain text":               {good, form("text/plain"), 415},
		"no type":                  {good, func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		"an unknown field":         {`{"id":"a","verdict":"true","until_when":"x"}`, nil, 400},
		"a wrong type":             {`{"id":1}`, nil, 400},
		"a list":                   {`[]`, nil, 400},
		"two objects":              {good + good, nil, 400},
		"nothing":                  {``, nil, 400},
		"a wrong time":             {`{"id":"a","until":"tomorrow"}`, nil, 400},
		"a wrong duration":         {`{"id":"a","for":"long"}`, nil, 400},
		"a negative duration":      {`{"id":"a","for":"-1h"}`, nil, 400},
		"two ends":                 {`{"id":"a","for":"1h","until":"2026-12-01T00:00:00Z"}`, nil, 400},
		"too much":                 {`{"comment":"` + strings.Repeat("x", maxBody) + `"}`, nil, 413},
		"a page of another site":   {good, from("Sec-Fetch-Site", "cross-site"), 403},
		"a page of another origin": {good, from("Origin", "http://evil.example"), 403},
		"its own page":             {good, from("Origin", "http://127.0.0.1:8080"), 201},
		"another machine":          {good, func(r *http.Request) { r.RemoteAddr = "10.0.0.7:40000" }, 403},
		"a name that leads here":   {good, func(r *http.Request) { r.Host = "evil.example:8080" }, 403},
		"by name":                  {good, func(r *http.Request) { r.Host = "localhost:8080" }, 201},
		"by IPv6":                  {good, func(r *http.Request) { r.Host, r.RemoteAddr = "[::1]:8080", "[::1]:40000" }, 201},
	} {
		l := &ledger{}
		w := deciding(DefaultConfig(), l)("POST", "/api/v1/verdicts", test.body, test.change)
		if w.Code != test.code || (w.Code == 201) != (l.verdict != nil) {
			t.Errorf("%s: %d %s, want %d; decided %v", name, w.Code, w.Body, test.code, l.verdict)
		}
	}
}

func TestDecisionsNeedTheToken(t *testing.T) {
	cfg := DefaultConfig()
	cfg.TokenFile = filepath.Join(t.TempDir(), "token")
	l := &ledger{}
	send := deciding(cfg, l)
	remote := func(authorization string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr, r.Host = "10.0.0.7:40000", "logcluster.example"
			r.Header.Set("Authorization", authorization)
		}
	}
	try := func(authorization string) int {
		return send("DELETE", "/api/v1/verdicts/a", "", remote(authorization)).Code
	}
	if got := try("Bearer s3cret"); got != 500 {
		t.Errorf("without the file: %d", got)
	}
	write := func(text string) {
		if err := os.WriteFile(cfg.TokenFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if write("\n"); try("Bearer ") != 500 {
		t.Error("an empty token is a token")
	}
	write("s3cret\n")
	for authorization, want := range map[string]int{"Bearer s3cret": 200, "Bearer other": 401, "Bearer ": 401, "s3cret": 401, "": 401} {
		if got := try(authorization); got != want {
			t.Errorf("%q: %d, want %d", authorization, got, want)
		}
	}
	if write("renewed"); try("Bearer s3cret") != 401 || try("Bearer renewed") != 200 {
		t.Error("the token of before the renewal")
	}
}

func TestWhyNothingWasDecided(t *testing.T) {
	for code, reason := range map[int]error{
		400: fmt.Errorf("%w: until", ErrInvalid), 404: ErrUnknown, 409: ErrFull, 503: ErrBusy, 500: context.Canceled,
	} {
		w := deciding(DefaultConfig(), &ledger{refuse: reason})("POST", "/api/v1/verdicts", `{"id":"a"}`, nil)
		var answer ErrorAnswer
		if w.Code != code || code != 500 && (json.Unmarshal(w.Body.Bytes(), &answer) != nil || answer.Error != reason.Error()) {
			t.Errorf("%v: %d %s", reason, w.Code, w.Body)
		}
	}
}

func TestShadowIsShown(t *testing.T) {
	o := optionsOf(&fixed{})
	if w := get(t, NewHandler(DefaultConfig(), o), "/api/v1/shadow"); w.Code != 404 {
		t.Errorf("without one: %d", w.Code)
	}
	var now *Shadow
	o.Shadow = func() (string, *Shadow) { return "the rule", now }
	h := NewHandler(DefaultConfig(), o)
	if got := decode[ShadowAnswer](t, h, "/api/v1/shadow", 200); got.Shadow != nil || got.Rule != "the rule" {
		t.Errorf("without a configuration: %+v", got)
	}
	now = &Shadow{Config: "next.yaml", Both: 2}
	if got := decode[ShadowAnswer](t, h, "/api/v1/shadow", 200); got.Shadow == nil || got.Shadow.Both != 2 || got.Shadow.Last == nil {
		t.Errorf("with one: %+v", got)
	}
}
