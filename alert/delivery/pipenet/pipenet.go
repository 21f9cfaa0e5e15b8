// Package pipenet is a network in memory for tests: HTTP servers and a
// transport that talk through pipes, with no socket. So all of it can live in a
// testing/synctest bubble, where an hour of retries takes no time.
package pipenet

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// errRefused is what dialling a host without a server gives.
var errRefused = errors.New("connection refused")

// Network holds servers by host. The zero value is a network without any.
type Network struct {
	mu    sync.Mutex
	hosts map[string]*listener
}

// Serve starts a server for http://host. It returns what stops it and breaks
// its connections.
func (n *Network) Serve(host string, h http.Handler) (stop func()) {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	if n.hosts == nil {
		n.hosts = map[string]*listener{}
	}
	n.hosts[host] = l
	n.mu.Unlock()
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return func() {
		n.mu.Lock()
		if n.hosts[host] == l {
			delete(n.hosts, host)
		}
		n.mu.Unlock()
		_ = server.Close()
		<-done
	}
}

// Transport returns a transport over the network.
func (n *Network) Transport() *http.Transport {
	return &http.Transport{DialContext: n.dial}
}

func (n *Network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.hosts[host]
	n.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: errRefused}
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: errRefused}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
