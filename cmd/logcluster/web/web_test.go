package web

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/dskit/services"

	"github.com/logcluster/logcluster/alert"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestPaths(t *testing.T) {
	h := NewHandler(DefaultConfig(), optionsOf(story()))
	cfg := DefaultConfig()
	cfg.Pprof = true
	profiled := NewHandler(cfg, optionsOf(story()))
	bare := optionsOf(story())
	bare.Config = nil
	tests := []struct {
		name    string
		handler http.Handler
		path    string
		code    int
		kind    string // of content
		has     string
	}{
		{"page", h, "/", 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"live part", h, "/live", 200, "text/html; charset=utf-8", "<section class=\"tiles\""},
		{"roles", h, "/roles", 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"live part of the roles", h, "/roles/live", 200, "text/html; charset=utf-8", "<section class=\"tiles\""},
		{"who may what", h, "/explain", 200, "text/html; charset=utf-8", "<form"},
		{"style of roles", h, "/assets/roles.css", 200, "text/css; charset=utf-8", ".power-admin"},
		{"style", h, "/assets/app.css", 200, "text/css; charset=utf-8", ":root"},
		{"script", h, "/assets/app.js", 200, "text/javascript; charset=utf-8", "use strict"},
		{"icon", h, "/assets/icon.svg", 200, "image/svg+xml", "<svg"},
		{"api", h, "/api/v1/anomalies", 200, "application/json", `"schema_version":1`},
		{"metrics", h, "/metrics", 200, "text/plain", "logcluster_test 0"},
		{"health", h, "/healthz", 200, "text/plain; charset=utf-8", "ok"},
		{"ready", h, "/readyz", 200, "text/plain; charset=utf-8", "ok"},
		{"config", h, "/config", 200, "text/plain; charset=utf-8", "web: {}"},
		{"no config", NewHandler(DefaultConfig(), bare), "/config", 404, "", ""},
		{"no pprof by default", h, "/debug/pprof/", 404, "", ""},
		{"pprof", profiled, "/debug/pprof/", 200, "text/html", "goroutine"},
		{"pprof command line", profiled, "/debug/pprof/cmdline", 200, "", ""},
		{"unknown", h, "/other", 404, "", ""},
		{"no listing beyond the assets", h, "/assets/../handler.go", 307, "", ""},
		{"no page text among the assets", h, "/assets/layout.html", 404, "", ""},
		{"no page text by itself", h, "/pages/layout.html", 404, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := get(t, test.handler, test.path)
			if w.Code != test.code {
				t.Errorf("status %d, want %d", w.Code, test.code)
			}
			if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, test.kind) {
				t.Errorf("content type %q, want %q", got, test.kind)
			}
			if !strings.Contains(w.Body.String(), test.has) {
				t.Errorf("no %q in\n%s", test.has, w.Body)
			}
			for name, want := range security {
				if got := w.Header().Get(name); got != want && !(name == "Cache-Control" && w.Code == 404) {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestOnlyReading(t *testing.T) {
	h := NewHandler(DefaultConfig(), optionsOf(story()))
	for _, path := range []string{"/", "/live", "/roles", "/explain", "/api/v1/anomalies", "/api/v1/explain", "/healthz", "/config", "/metrics"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("x")))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d", method, path, w.Code)
			}
		}
	}
}

func TestProbes(t *testing.T) {
	o := optionsOf(story())
	o.Ready = func() error { return errors.New("partitions 3 of 8 restored") }
	o.Healthy = func() error { return errors.New("no progress for 2m") }
	h := NewHandler(DefaultConfig(), o)
	for path, want := range map[string]string{"/readyz": "partitions 3 of 8 restored\n", "/healthz": "no progress for 2m\n"} {
		if w := get(t, h, path); w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestAPI(t *testing.T) {
	src := story()
	w := get(t, NewHandler(DefaultConfig(), optionsOf(src)), "/api/v1/anomalies")
	var got Answer
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.SchemaVersion != alert.SchemaVersion || !got.GeneratedAt.Equal(wall) || got.Status != src.status {
		t.Errorf("head: %+v", got)
	}
	if len(got.Anomalies) != 5 || got.Anomalies[1].Subjects[0].Name != hostile || len(got.Anomalies[0].Trend) != 60 {
		t.Errorf("anomalies: %+v", got.Anomalies)
	}
	if got := get(t, NewHandler(DefaultConfig(), optionsOf(&fixed{})), "/api/v1/anomalies").Body.String(); !strings.Contains(got, `"anomalies":[]`) {
		t.Errorf("none are not an empty list: %s", got)
	}
}

// TestHostileText checks that text of records reaches the page as text: the
// only markup in it is the page's own.
func TestHostileText(t *testing.T) {
	src := story()
	for i := range src.anomalies {
		a := &src.anomalies[i]
		for _, s := range []*string{
			&a.ID, &a.Cluster, &a.State, &a.Severity, &a.Tenant, &a.Role, &a.RoleSource, &a.APIGroup, &a.Resource, &a.Access, &a.Summary, &a.LogQL,
		} {
			*s = hostile
		}
		a.Subjects = []alert.Subject{{Name: hostile, Share: .5}, {Name: hostile, Share: .5}}
		a.Features = []alert.Feature{{Name: hostile, Observed: 1}}
		a.Parts = []alert.Part{{Cluster: hostile, Role: hostile, Resource: hostile, Access: hostile}}
		a.Partial = []string{hostile}
	}
	src.status.Version = hostile
	page := get(t, NewHandler(DefaultConfig(), optionsOf(src)), "/").Body.String()
	for _, bad := range []string{"<script>document", "<img src=x", `onerror="`, "' onmouseover='"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d scripts in the page, want its own", n)
	}
	if !strings.Contains(page, "&lt;script&gt;document.title=&#39;owned&#39;") {
		t.Error("the name is not shown")
	}
}

func TestPageTells(t *testing.T) {
	page := html.UnescapeString(get(t, NewHandler(DefaultConfig(), optionsOf(story())), "/").Body.String())
	for _, want := range []string{
		"+14.2", "−5.1", "212 different objects in 5 min", "usually 2 (0–6)", "system:serviceaccount:payments:ci-runner and 2 more",
		"silent for 5 min", "usually 1,540 (1,380–1,702)", "role unknown", "without <bdi>audit/3, audit/7</bdi>",
		`<time datetime="2026-11-02T14:22:30Z">14:22</time>`, "9 min · ", "52 min · ", "12,345,678 so far",
		`id="00c19f0c2d6be1a45d01"`, `<span class="chip">learning</span>`, "2 Nov 2026 UTC, recorded",
		`aria-label="last 60 windows: from 0 to 1`, "0–2 %", "5 anomalies. First: ", "v0.1.0", "4 firing, 1 resolved",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestManyRows(t *testing.T) {
	page := get(t, NewHandler(DefaultConfig(), optionsOf(many(maxRows+7))), "/").Body.String()
	if n := strings.Count(page, "data-id="); n != maxRows {
		t.Errorf("%d rows", n)
	}
	if !strings.Contains(page, "7 more in the") {
		t.Error("the page hides that there are more")
	}
	if n := strings.Count(page, `id="00c1`); n != 1 {
		t.Errorf("%d rows have the same id", n)
	}
}

func TestEmptyPages(t *testing.T) {
	usual := learning()
	usual.status.Learning = false
	endless := learning()
	endless.status.LearningUntil = time.Time{}
	tests := map[string]struct {
		src  Source
		want []string
	}{
		"nothing read":      {&fixed{status: Status{Lag: -1}}, []string{"Waiting for the first event", "none yet", "unknown"}},
		"learning":          {learning(), []string{"Learning what is usual", "207 clusters in 1 tenant watched", "Until 18:30", "40 s behind now"}},
		"learning, no end":  {endless, []string{"Learning what is usual", "Until enough of the past is known"}},
		"nothing anomalous": {usual, []string{"Nothing anomalous", "207 clusters in 1 tenant watched"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			page := get(t, NewHandler(DefaultConfig(), optionsOf(test.src)), "/live").Body.String()
			for _, want := range test.want {
				if !strings.Contains(page, want) {
					t.Errorf("no %q in\n%s", want, page)
				}
			}
			if strings.Contains(page, "<table") {
				t.Error("an empty table is shown")
			}
		})
	}
}

func TestSpark(t *testing.T) {
	tests := map[string]struct {
		trend     []float64
		low, high float64
		line      string
	}{
		"nothing":         {nil, 0, 1, ""},
		"one window":      {[]float64{1}, 0, 1, ""},
		"rising":          {[]float64{0, 5, 10}, 0, 2, "3,29 60,16 117,3"},
		"all zero":        {[]float64{0, 0}, 0, 0, "3,29 117,29"},
		"below the band":  {[]float64{0, 0}, 5, 10, "3,29 117,29"},
		"negative is cut": {[]float64{-5, 10}, 0, 10, "3,29 117,3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := newSpark(test.trend, test.low, test.high).Line; got != test.line {
				t.Errorf("%q, want %q", got, test.line)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.04: "0", 0.25: "0.3", 9.96: "10", 12.4: "12", 1234: "1,234", -1234567: "-1,234,567", 1e18: "1e+18",
	} {
		if got := number(x); got != want {
			t.Errorf("number(%g) = %q, want %q", x, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 59 * time.Second: "59 s", 90 * time.Minute: "1.5 h", 61 * time.Second: "1 min", 25 * time.Hour: "1 d", 240 * time.Hour: "10 d",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string // "" for valid
	}{
		"defaults":   {func(*Config) {}, ""},
		"any host":   {func(c *Config) { c.Listen = ":0" }, ""},
		"no port":    {func(c *Config) { c.Listen = "localhost" }, `listen: "localhost" is not host:port such as 127.0.0.1:8080`},
		"odd port":   {func(c *Config) { c.Listen = "localhost:99999" }, `listen: "99999" is not a port`},
		"both wrong": {func(c *Config) { *c = Config{} }, "listen: \"\" is not host:port such as 127.0.0.1:8080\nrefresh: 0s is not between 1s and 1h"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := DefaultConfig()
			test.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestServerLife(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	s := NewServer(cfg, NewHandler(cfg, optionsOf(story())), quietLogger())
	if s.Addr() != nil {
		t.Error("it listens before it is started")
	}
	if err := services.StartAndAwaitRunning(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	url := "http://" + s.Addr().String()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()

	taken := NewServer(Config{Listen: s.Addr().String()}, http.NotFoundHandler(), quietLogger())
	if err := services.StartAndAwaitRunning(t.Context(), taken); err == nil || !strings.Contains(err.Error(), "listen for HTTP") {
		t.Errorf("a taken address: %v", err)
	}
	if err := services.StopAndAwaitTerminated(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(url + "/healthz"); err == nil {
		t.Error("it answers after it was stopped")
	}
}

// TestServerCutsOff checks the limits against clients that are slow or send
// too much, over real connections.
func TestServerCutsOff(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	s := NewServer(cfg, NewHandler(cfg, optionsOf(story())), quietLogger())
	s.http.ReadHeaderTimeout = 50 * time.Millisecond
	if err := services.StartAndAwaitRunning(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := services.StopAndAwaitTerminated(context.Background(), s); err != nil {
			t.Error(err)
		}
	}()
	for name, send := range map[string]string{
		"half a header":   "GET / HTTP/1.1\r\nHost: x\r\n",
		"a large header":  "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 64<<10),
		"not HTTP at all": "\x16\x03\x01\x02\x00",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(conn, send)
			answer, err := io.ReadAll(conn)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatal("the connection was kept open")
			}
			if strings.Contains(string(answer), "200 OK") {
				t.Errorf("answered: %s", answer)
			}
		})
	}
}

// pipeListener accepts the connections that it is handed.
type pipeListener struct{ conns chan net.Conn }

func (l *pipeListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *pipeListener) Close() error   { close(l.conns); return nil }
func (l *pipeListener) Addr() net.Addr { return nil }

func TestBoundedListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &pipeListener{conns: make(chan net.Conn, 8)}
		b := &bounded{Listener: inner, slots: make(chan struct{}, 2), closed: make(chan struct{})}
		for range 3 {
			server, client := net.Pipe()
			defer client.Close()
			inner.conns <- server
		}
		accepted := make(chan net.Conn, 8)
		done := make(chan error, 1)
		go func() {
			for {
				c, err := b.Accept()
				if err != nil {
					done <- err
					return
				}
				accepted <- c
			}
		}()
		synctest.Wait()
		if len(accepted) != 2 {
			t.Fatalf("%d connections at once, want 2", len(accepted))
		}
		first := <-accepted
		first.Close()
		first.Close() // frees its slot once
		synctest.Wait()
		if len(accepted) != 2 {
			t.Errorf("%d connections after one was closed, want 2", len(accepted))
		}
		b.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		for len(accepted) > 0 {
			(<-accepted).Close()
		}
	})
}

func TestOdds(t *testing.T) {
	for log10, want := range map[float64]string{0: "", -1.5: "1 in 32", -3.2: "1 in 1,585", -44.4: "1 in 10⁴⁴", 1: ""} {
		if got := odds(log10); got != want {
			t.Errorf("%v: %q, want %q", log10, got, want)
		}
	}
}

// What an anomaly was found by stands on the page, and what there is to look at.
func TestPageExplains(t *testing.T) {
	page := get(t, NewHandler(DefaultConfig(), optionsOf(story())), "/").Body.String()
	for _, want := range []string{
		"usually 41 %", "1 in 10⁴⁴", "in 1 h", "203.0.113.77", "Never seen before", "list secrets",
		"audit/3 at 8123456", "line 4711", "403 refused", "ClusterRole/backup-all", "and 4 more",
		"taken for usual from now on", "maintenance: node upgrade",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}
