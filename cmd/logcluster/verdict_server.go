package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// serverEnv names the service that commands talk to.
const serverEnv = "LOGCLUSTER_SERVER"

// askTimeout bounds how long the service may take for an answer.
const askTimeout = 30 * time.Second

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

// server is the running service that a command talks to.
type server struct {
	settings  *settings
	url       string
	tokenFile string
}

// addServer adds the flags that say where the service is.
func addServer(cmd *cobra.Command) *server {
	s := &server{settings: addSettings(cmd, true)}
	cmd.Flags().StringVar(&s.url, "server", "", "`URL` of the service, such as http://127.0.0.1:8080 (or $"+serverEnv+", or web.listen)")
	cmd.Flags().StringVar(&s.tokenFile, "token-file", "", "`file` of the token of the service (web.token_file)")
	return s
}

// base returns the service's address: of the flag, the environment, or the
// configuration.
func (s *server) base() (*url.URL, error) {
	address := cmp.Or(s.url, os.Getenv(serverEnv))
	if address == "" || s.tokenFile == "" && s.settings.file != "" {
		cfg, err := s.settings.load("kafka", "topics")
		if err != nil {
			return nil, err
		}
		s.tokenFile = cmp.Or(s.tokenFile, cfg.Web.TokenFile)
		if address == "" {
			address = "http://" + reachable(cfg.Web.Listen)
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: --server %q is no URL such as http://127.0.0.1:8080", errUsage, address)
	}
	return u, nil
}

// reachable is an address to reach what listens on another: on all of them means
// on this machine's own too.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (s *server) get(ctx context.Context, path string, into any) error {
	return s.do(ctx, http.MethodGet, path, nil, into)
}

func (s *server) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return s.do(ctx, http.MethodPost, path, text, into)
}

// remove ends a decision and says so.
func (s *server) remove(ctx context.Context, w io.Writer, path, id string) error {
	var got web.RemovedAnswer
	if err := s.do(ctx, http.MethodDelete, path+url.PathEscape(id), nil, &got); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s is removed\n", got.Removed)
	return err
}

// do sends a request and reads its JSON answer.
func (s *server) do(ctx context.Context, method, path string, body []byte, into any) error {
	base, err := s.base()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", base.Host, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.tokenFile != "" {
		token, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return fmt.Errorf("read token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the service (is it running, and is --server right?): %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", base.Host, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refused(base.Host, resp.Status, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", base.Host, err)
	}
	return nil
}

// refused is the error of an answer that is none.
func refused(host, status string, text []byte) error {
	var answer web.ErrorAnswer
	if json.Unmarshal(text, &answer) == nil && answer.Error != "" {
		return errors.New(answer.Error)
	}
	return fmt.Errorf("%s answers %s", host, status)
}
