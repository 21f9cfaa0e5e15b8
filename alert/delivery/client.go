// Package delivery is what the sinks have in common: an HTTP client that says
// of every answer whether to go on, to try again or to give up, secrets that
// are never printed, and the metrics of a queue.
package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/logcluster/logcluster/alert"
)

// Verdict is what to do after a request.
type Verdict uint8

// The verdicts.
const (
	Accepted Verdict = iota // stored: go on
	Retry                   // not now: send the same again, later
	Refused                 // never: (part of) this content is not acceptable
	TooLarge                // not in one piece: send less at once
)

// Reason is why a request was not accepted, as a bounded metric label.
type Reason string

// The reasons. None is the one of an accepted request.
const (
	None         Reason = ""
	Network      Reason = "network"      // no connection, or it broke
	Timeout      Reason = "timeout"      // no answer in time
	RateLimited  Reason = "rate_limited" // 429
	ServerError  Reason = "server_error" // 5xx
	BadRequest   Reason = "bad_request"  // 400 and 422
	TooBig       Reason = "too_large"    // 413
	Unauthorized Reason = "unauthorized" // 401, 403, 407
	Credentials  Reason = "credentials"  // a secret that could not be read
	Unexpected   Reason = "unexpected"   // any other answer
)

// Reasons lists all reasons of a request that was not accepted.
func Reasons() []Reason {
	return []Reason{Network, Timeout, RateLimited, ServerError, BadRequest, TooBig, Unauthorized, Credentials, Unexpected}
}

// Answer is how a request went.
type Answer struct {
	Verdict Verdict
	Reason  Reason
	// Status is the HTTP status, zero when there was no answer.
	Status int
	// After is how long the server asked to be left alone; zero when it did
	// not say. At most [MaxRetryAfter].
	After time.Duration
	// Body is the start of the answer's body.
	Body []byte
	// Err says what went wrong, for a log; nil when accepted. Text of the
	// server in it is cleaned and capped.
	Err error
}

// MaxRetryAfter caps what a server may ask for, so that a wrong header can't
// silence a sink for a day.
const MaxRetryAfter = 5 * time.Minute

// maxBody is how much of an answer is read: enough for its message, and for
// the little that Check asks for.
const maxBody = 64 << 10

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	cfg  ClientConfig
	base string
	http *http.Client
}

// NewClient returns a client for the server at the base URL. A nil transport
// means one of its own, made from the configuration; that reads the files named
// there and opens no connection.
func NewClient(base string, cfg ClientConfig, transport http.RoundTripper) (*Client, error) {
	if transport == nil {
		tlsConfig, err := cfg.TLS.tlsConfig()
		if err != nil {
			return nil, err
		}
		transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       tlsConfig,
			TLSHandshakeTimeout:   cfg.Timeout,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   2,
			IdleConnTimeout:       5 * time.Minute,
			ExpectContinueTimeout: time.Second,
		}
	}
	return &Client{cfg: cfg, base: base, http: &http.Client{
		Transport: transport,
		// A redirected POST would become a GET and look like success.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Base returns the server's URL, as configured.
func (c *Client) Base() string { return c.base }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get asks for a path.
func (c *Client) Get(ctx context.Context, path string) Answer {
	return c.do(ctx, http.MethodGet, path, nil, nil)
}

// Post sends a body, with headers beside the configured ones.
func (c *Client) Post(ctx context.Context, path string, body []byte, headers http.Header) Answer {
	return c.do(ctx, http.MethodPost, path, body, headers)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, headers http.Header) Answer {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := c.request(ctx, method, path, body, headers)
	if err != nil {
		return Answer{Verdict: Retry, Reason: Credentials, Err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return failed(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil && resp.StatusCode/100 == 2 {
		// The status is the answer: the rest of the body says nothing more.
		err = nil
	}
	if err != nil {
		return failed(err)
	}
	return judge(resp, text)
}

func (c *Client) request(ctx context.Context, method, path string, body []byte, headers http.Header) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, join(c.base, path), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("User-Agent", "logcluster")
	for name, values := range headers {
		req.Header[name] = values
	}
	for name, value := range c.cfg.Headers {
		req.Header.Set(name, string(value))
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = string(value)
		}
	}
	switch {
	case c.cfg.BasicAuth.Username != "":
		var password Secret
		if !c.cfg.BasicAuth.Password.empty() {
			if password, err = c.cfg.BasicAuth.Password.read(); err != nil {
				return nil, err
			}
		}
		req.SetBasicAuth(c.cfg.BasicAuth.Username, string(password))
	case !c.cfg.Bearer.empty():
		token, err := c.cfg.Bearer.read()
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+string(token))
	}
	return req, nil
}

// failed is the answer when there was none.
func failed(err error) Answer {
	reason := Network
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		reason = Timeout
	}
	return Answer{Verdict: Retry, Reason: reason, Err: err}
}

// judge sorts an answer by its status.
func judge(resp *http.Response, body []byte) Answer {
	a := Answer{Verdict: Retry, Status: resp.StatusCode, Body: body, After: retryAfter(resp.Header)}
	switch status := resp.StatusCode; {
	case status/100 == 2:
		return Answer{Verdict: Accepted, Status: status, Body: body}
	case status == http.StatusTooManyRequests:
		a.Reason = RateLimited
	case status/100 == 5:
		a.Reason = ServerError
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		a.Reason, a.Verdict = BadRequest, Refused
	case status == http.StatusRequestEntityTooLarge:
		a.Reason, a.Verdict = TooBig, TooLarge
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired:
		// Worth trying again: a token is renewed, a permission granted. What
		// waits is bounded by the queue.
		a.Reason = Unauthorized
	default:
		a.Reason = Unexpected
	}
	a.Err = fmt.Errorf("server answered %d: %s", resp.StatusCode, alert.Clean(strings.TrimSpace(string(body)), 512))
	return a
}

// retryAfter reads the header, given in seconds (its form as a date needs the
// two clocks to agree, and no server that we talk to uses it).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, MaxRetryAfter)
}
