package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// NewClient connects to nothing yet: it returns a Kafka client with the
// options of the configuration and the given ones. Files that are named in the
// configuration are read.
func NewClient(cfg *ClientConfig, logger *slog.Logger, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID(cfg.ClientID),
		kgo.WithLogger(newClientLogger(logger)),
	}
	dial := &net.Dialer{Timeout: cfg.DialTimeout}
	if cfg.TLS.Enabled {
		tlsConfig, err := cfg.TLS.load()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.Dialer((&tls.Dialer{NetDialer: dial, Config: tlsConfig}).DialContext))
	} else {
		opts = append(opts, kgo.Dialer(dial.DialContext))
	}
	if cfg.SASL.Mechanism != "" {
		mechanism, err := cfg.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make kafka client: %w", err)
	}
	return client, nil
}

// fetchOptions are how records are fetched: of transactions what was committed,
// within the limits of the configuration.
func fetchOptions(cfg *Config) []kgo.Opt {
	return []kgo.Opt{
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Control records move the position past the end of a transaction, so
		// that a partition that ends with one can reach a lag of zero.
		kgo.KeepControlRecords(),
		// The broker answers at once when there is something. How long it waits
		// otherwise is also how long it may take to hear that a topic is gone.
		kgo.FetchMaxWait(time.Second),
		kgo.FetchMaxBytes(cfg.FetchMaxBytes),
		kgo.FetchMaxPartitionBytes(cfg.FetchMaxPartitionBytes),
		kgo.BrokerMaxReadBytes(max(100<<20, 2*cfg.FetchMaxBytes)),
		kgo.MaxConcurrentFetches(cfg.MaxConcurrentFetches),
		kgo.MaxDecompressBatchBytes(cfg.MaxDecompressBatchBytes),
	}
}

func (c *TLSConfig) load() (*tls.Config, error) {
	cfg := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls.ca_file: no certificate in %s", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file and tls.key_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (c *SASLConfig) mechanism() (sasl.Mechanism, error) {
	if _, err := c.password(); err != nil {
		return nil, err // better now than at the first login
	}
	switch c.Mechanism {
	case SASLPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := c.password()
			return plain.Auth{User: c.Username, Pass: password}, err
		}), nil
	case SASLScramSHA256:
		return scram.Sha256(c.scramAuth), nil
	case SASLScramSHA512:
		return scram.Sha512(c.scramAuth), nil
	default:
		return nil, fmt.Errorf("sasl.mechanism: unknown %q", c.Mechanism)
	}
}

func (c *SASLConfig) scramAuth(context.Context) (scram.Auth, error) {
	password, err := c.password()
	return scram.Auth{User: c.Username, Pass: password}, err
}

func (c *SASLConfig) password() (string, error) {
	switch {
	case c.PasswordFile != "":
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("read sasl.password_file: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	case c.PasswordEnv != "":
		password, ok := os.LookupEnv(c.PasswordEnv)
		if !ok {
			return "", fmt.Errorf("read sasl.password_env: %s is not set", c.PasswordEnv)
		}
		return password, nil
	case c.Password.Reveal() == "":
		return "", errors.New("read sasl.password: none given")
	default:
		return c.Password.Reveal(), nil
	}
}

// clientLogger gives the client's messages to slog, one level lower: what is
// news to the client is detail to us. While brokers are away the client says so
// several times a second: the same message is passed on every ten seconds.
type clientLogger struct {
	*slog.Logger
	mu sync.Mutex
	// said is when each message was last passed on. The client's messages are
	// constants, so there are few.
	said map[string]time.Time
}

const repeatAfter = 10 * time.Second

func newClientLogger(l *slog.Logger) *clientLogger {
	return &clientLogger{Logger: l, said: make(map[string]time.Time)}
}

// Level implements [kgo.Logger].
func (l *clientLogger) Level() kgo.LogLevel {
	switch ctx := context.Background(); {
	case l.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	default:
		return kgo.LogLevelWarn
	}
}

// Log implements [kgo.Logger].
func (l *clientLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	switch level {
	case kgo.LogLevelError:
		to = slog.LevelWarn
	case kgo.LogLevelWarn:
		to = slog.LevelInfo
	}
	if to > slog.LevelDebug && l.saidLately(msg) {
		return
	}
	l.Logger.Log(context.Background(), to, "kafka client", append([]any{"event", msg}, keyvals...)...)
}

func (l *clientLogger) saidLately(msg string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, ok := l.said[msg]; ok && now.Sub(last) < repeatAfter {
		return true
	}
	l.said[msg] = now
	return false
}
