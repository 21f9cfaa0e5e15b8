package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// guarded lets through only who may decide: who knows the token, or without one
// whoever is on this machine. A page of another origin may not, whatever it knows.
func (s *site) guarded(next http.HandlerFunc) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.tokenFile == "" {
			if !local(r) {
				s.refuse(w, http.StatusForbidden, "decisions are taken from this machine only (127.0.0.1), unless web.token_file is set")
				return
			}
			next(w, r)
			return
		}
		token, err := readToken(s.tokenFile)
		if err != nil {
			s.fail(w, "read web.token_file", err)
			return
		}
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !same(given, token) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refuse(w, http.StatusUnauthorized, "decisions need the token of web.token_file (Authorization: Bearer)")
			return
		}
		next(w, r)
	}))
}

// local reports whether a request comes from this machine and asks for it by a
// name that only this machine has: a strange page can make a browser here ask for
// a name of its own that leads here.
func local(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(host) {
		return false
	}
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	return name == "localhost" || isLoopback(strings.Trim(name, "[]"))
}

func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}

// maxToken bounds a token, in bytes.
const maxToken = 4096

// readToken reads a token, as of now: it may be replaced while the service runs.
func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("the file of the token is empty")
	}
	return token, nil
}

// same compares in a time that tells nothing about either.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
