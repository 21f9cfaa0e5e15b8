package delivery

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/logcluster/logcluster/alert/delivery/pipenet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client returns a client for a server with this handler.
func client(t *testing.T, h http.HandlerFunc, change func(*ClientConfig)) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return clientOf(t, server.URL, change)
}

func clientOf(t *testing.T, url string, change func(*ClientConfig)) *Client {
	t.Helper()
	cfg := DefaultClientConfig()
	if change != nil {
		change(&cfg)
	}
	c, err := NewClient(url, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestVerdicts(t *testing.T) {
	for status, want := range map[int]Answer{
		200: {Verdict: Accepted},
		204: {Verdict: Accepted},
		301: {Verdict: Retry, Reason: Unexpected},
		400: {Verdict: Refused, Reason: BadRequest},
		401: {Verdict: Retry, Reason: Unauthorized},
		403: {Verdict: Retry, Reason: Unauthorized},
		404: {Verdict: Retry, Reason: Unexpected},
		413: {Verdict: TooLarge, Reason: TooBig},
		422: {Verdict: Refused, Reason: BadRequest},
		429: {Verdict: Retry, Reason: RateLimited},
		500: {Verdict: Retry, Reason: ServerError},
		503: {Verdict: Retry, Reason: ServerError},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				if status != 204 {
					fmt.Fprint(w, "no \x1b[31mway\n")
				}
			}, nil)
			got := c.Post(context.Background(), "/push", []byte("x"), nil)
			if got.Verdict != want.Verdict || got.Reason != want.Reason || got.Status != status {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if want.Verdict != Accepted && !strings.Contains(got.Err.Error(), `no \x1b[31mway`) {
				t.Errorf("error %q does not have the server's words, cleaned", got.Err)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Network
		defer network.Serve("slow", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}))()
		defer network.Serve("rude", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		}))()
		for host, want := range map[string]Reason{"slow": Timeout, "rude": Network, "absent": Network} {
			c, err := NewClient("http://"+host, DefaultClientConfig(), network.Transport())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if a := c.Get(t.Context(), "/"); a.Verdict != Retry || a.Reason != want || a.Err == nil {
				t.Errorf("%s: got %+v, want %s", host, a, want)
			}
			if took := time.Since(start); want == Timeout && took != 10*time.Second {
				t.Errorf("%s: gave up after %v", host, took)
			}
			c.Close()
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "-1": 0, "x": 0, "Wed, 21 Oct 2015 07:28:00 GMT": 0,
		"3600": MaxRetryAfter, "99999999999": MaxRetryAfter, "9223372036": MaxRetryAfter,
	} {
		if got := retryAfter(http.Header{"Retry-After": {header}}); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	t.Setenv("LOGCLUSTER_TEST_TOKEN", "tok-en")
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, " pass-word\n")
	seen := make(chan http.Header, 1)
	handler := func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }

	basic := client(t, handler, func(c *ClientConfig) {
		c.BasicAuth = BasicAuth{Username: "user", Password: SecretSource{File: password}}
		c.Headers = map[string]Secret{"X-Key": "k"}
	})
	basic.Post(t.Context(), "/", nil, http.Header{"X-Scope-OrgID": {"one"}})
	got := <-seen
	r := http.Request{Header: got}
	if user, pass, _ := r.BasicAuth(); user != "user" || pass != "pass-word" {
		t.Errorf("basic auth %q, %q", user, pass)
	}
	if got.Get("X-Key") != "k" || got.Get("X-Scope-OrgID") != "one" {
		t.Errorf("headers %v", got)
	}
	write(t, password, "rotated")
	basic.Get(t.Context(), "/")
	r.Header = <-seen
	if _, pass, _ := r.BasicAuth(); pass != "rotated" {
		t.Errorf("after rotation: %q", pass)
	}

	bearer := client(t, handler, func(c *ClientConfig) { c.Bearer = SecretSource{Env: "LOGCLUSTER_TEST_TOKEN"} })
	bearer.Get(t.Context(), "/")
	if got := (<-seen).Get("Authorization"); got != "Bearer tok-en" {
		t.Errorf("authorization %q", got)
	}
}

func TestMissingSecretIsRetried(t *testing.T) {
	for name, source := range map[string]SecretSource{
		"no file":     {File: filepath.Join(t.TempDir(), "none")},
		"no variable": {Env: "LOGCLUSTER_TEST_UNSET"},
	} {
		t.Run(name, func(t *testing.T) {
			c := clientOf(t, "http://127.0.0.1:1", func(c *ClientConfig) { c.Bearer = source })
			if a := c.Get(t.Context(), "/"); a.Verdict != Retry || a.Reason != Credentials {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for name, tc := range map[string]struct {
		tls  TLSConfig
		want Verdict
	}{
		"trusted":         {TLSConfig{CAFile: ca}, Accepted},
		"named":           {TLSConfig{CAFile: ca, ServerName: "example.com"}, Accepted},
		"another name":    {TLSConfig{CAFile: ca, ServerName: "other.invalid"}, Retry},
		"unknown":         {TLSConfig{}, Retry},
		"not asked about": {TLSConfig{InsecureSkipVerify: true}, Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			c := clientOf(t, server.URL, func(c *ClientConfig) { c.TLS = tc.tls })
			if a := c.Get(t.Context(), "/"); a.Verdict != tc.want {
				t.Errorf("got %+v, want %v", a, tc.want)
			}
		})
	}
	if _, err := NewClient(server.URL, ClientConfig{TLS: TLSConfig{CAFile: ca + ".not"}}, nil); err == nil {
		t.Error("a CA file that is not there was accepted")
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	cfg := DefaultClientConfig()
	cfg.Headers = map[string]Secret{"X-Key": "hush-hush"}
	j, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("config", "cfg", cfg, "key", cfg.Headers["X-Key"])
	for how, text := range map[string]string{
		"json": string(j), "yaml": string(y), "log": logged.String(),
		"%v": fmt.Sprintf("%v", cfg), "%+v": fmt.Sprintf("%+v", cfg), "%#v": fmt.Sprintf("%#v", cfg), "%q": fmt.Sprintf("%q", cfg.Headers["X-Key"]),
	} {
		if strings.Contains(text, "hush") || !strings.Contains(text, "secret") {
			t.Errorf("%s: %s", how, text)
		}
	}
}

func TestClientConfigValidate(t *testing.T) {
	cfg := ClientConfig{
		BasicAuth: BasicAuth{Username: "u", Password: SecretSource{File: "f", Env: "E"}},
		Bearer:    SecretSource{Env: "T"},
		Headers:   map[string]Secret{"bad name": "v", "X-Bad": "a\nb", "X-Good": "v"},
		TLS:       TLSConfig{CertFile: "c"},
	}
	const want = `timeout: 0s is not positive
basic_auth.password: set file or env, not both
bearer_token: set this or basic_auth, not both
headers: "X-Bad" is not a valid header
headers: "bad name" is not a valid header
tls: cert_file and key_file go together`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := DefaultClientConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
}

func TestValidateURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://loki:3100": true, "https://loki/prefix/": true,
		"": false, "loki:3100": false, "ftp://loki": false, "http://": false, "http://loki?x=1": false,
		"http://loki#x": false, "http://user:hush@loki": false, "http://user:hush@loki:port": false, "/path": false,
	} {
		err := ValidateURL(url)
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}

func TestOutageLogsItsBeginningAndItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		o := NewOutage(DefaultBackoff(), slog.New(slog.NewTextHandler(&logged, nil)), time.Now)
		failed := Answer{Verdict: Retry, Reason: Network, Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
		start := time.Now()
		for range 20 {
			o.Wait(t.Context(), failed)
		}
		if took := time.Since(start); took < time.Minute || took > 20*15*time.Second {
			t.Errorf("20 waits took %v", took)
		}
		o.Over()
		o.Over()
		if lines := strings.Count(logged.String(), "\n"); lines != 2 {
			t.Errorf("%d lines were logged, want 2:\n%s", lines, &logged)
		}
		start = time.Now()
		o.Wait(t.Context(), Answer{Verdict: Retry, Reason: RateLimited, After: 42 * time.Second})
		if took := time.Since(start); took != 42*time.Second {
			t.Errorf("asked to wait 42 s, waited %v", took)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
