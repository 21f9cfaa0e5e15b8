package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/grafana/dskit/services"
)

// Limits of the server. A client that is slower than these, or sends more, is
// cut off; it can't hold a connection and its memory for long.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	// writeTimeout leaves room for a profile of 30 s, pprof's default.
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	// maxConnections is how many are served at once; others wait in the
	// kernel's queue. 256 of them cost about 10 MB.
	maxConnections = 256
	// drainTimeout is how long requests in hand may take at the end.
	drainTimeout = 5 * time.Second
)

// Server serves a handler on the configured address. It is a dskit service:
// Running means that the address is bound and answers.
type Server struct {
	services.Service

	cfg    Config
	logger *slog.Logger
	http   *http.Server

	mu       sync.Mutex
	listener net.Listener
}

// NewServer returns the server. It binds nothing yet.
func NewServer(cfg Config, handler http.Handler, logger *slog.Logger) *Server {
	s := &Server{cfg: cfg, logger: logger, http: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}}
	s.Service = services.NewBasicService(s.start, s.run, s.stop).WithName("web")
	return s
}

// Addr returns the address that is bound, with the real port when the
// configured one was 0. It is nil before the service runs.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

func (s *Server) start(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	s.mu.Lock()
	s.listener = &bounded{Listener: l, slots: make(chan struct{}, maxConnections), closed: make(chan struct{})}
	s.mu.Unlock()
	s.logger.Info("web page and metrics are served", "address", "http://"+l.Addr().String())
	return nil
}

func (s *Server) run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	}
}

func (s *Server) stop(error) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.logger.Warn("requests were cut off at the end", "after", drainTimeout)
		err = s.http.Close()
	}
	if l := s.Addr(); l != nil {
		_ = s.listener.Close() // Shutdown closes it only if Serve ran
	}
	return err
}

// bounded is a listener with at most cap(slots) connections open at once.
type bounded struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a free slot and for the next connection.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.slots <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		return nil, err
	}
	return &boundedConn{Conn: c, release: sync.OnceFunc(func() { <-b.slots })}, nil
}

// Close ends waiting Accepts.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	release func()
}

// Close frees the connection's slot.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
