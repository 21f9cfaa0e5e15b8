package kafka

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ClientConfig says how to reach the brokers. It is shared by everything in
// this package that connects.
type ClientConfig struct {
	// Brokers are the host:port addresses to learn the cluster from. Two or
	// three are enough.
	Brokers []string `yaml:"brokers"`
	// ClientID is what the brokers log and apply quotas to.
	ClientID string `yaml:"client_id"`
	// DialTimeout bounds one attempt to connect.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// TLS encrypts the connections.
	TLS TLSConfig `yaml:"tls"`
	// SASL authenticates to the brokers.
	SASL SASLConfig `yaml:"sasl"`
}

// TLSConfig configures TLS to the brokers.
type TLSConfig struct {
	// Enabled turns TLS on. The other fields are ignored without it.
	Enabled bool `yaml:"enabled"`
	// CAFile is a PEM file of the authorities to trust; empty for those of
	// the system.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are the client's own certificate, PEM. Both or
	// neither.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name expected in the brokers' certificates; empty for
	// the host that was dialed.
	ServerName string `yaml:"server_name"`
}

// The SASL mechanisms.
const (
	SASLPlain       = "PLAIN"
	SASLScramSHA256 = "SCRAM-SHA-256"
	SASLScramSHA512 = "SCRAM-SHA-512"
)

// SASLConfig configures authentication to the brokers.
type SASLConfig struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty for none.
	Mechanism string `yaml:"mechanism"`
	// Username is the name to log in as.
	Username string `yaml:"username"`
	// Password is the password itself. Prefer one of the next two.
	Password Secret `yaml:"password"`
	// PasswordFile is a file whose contents are the password, without the
	// trailing newline. It is read at every login, so that it may be rotated.
	PasswordFile string `yaml:"password_file"`
	// PasswordEnv is the name of an environment variable that holds the
	// password.
	PasswordEnv string `yaml:"password_env"`
}

// Where a partition starts that has neither a snapshot nor a committed offset.
const (
	StartEarliest = "earliest"
	StartLatest   = "latest"
)

// Config configures a [Session].
type Config struct {
	// Client says how to reach the brokers.
	Client ClientConfig `yaml:",inline"`
	// Topics are the topics to consume, all partitions of each.
	Topics []string `yaml:"topics"`
	// Group is the consumer group. One instance owns it.
	Group string `yaml:"group"`
	// Start is where a partition starts that has neither an offset in the
	// snapshot nor a committed one: earliest or latest. It is resolved to an
	// offset once, at the start; it is never used to get out of trouble.
	Start string `yaml:"start"`
	// CreateTopics makes missing topics with the broker's defaults instead of
	// refusing to start.
	CreateTopics bool `yaml:"create_topics"`
	// SessionTimeout is how long the broker waits for a sign of life before it
	// takes a member for dead. A restart after a crash waits that long for the
	// old member; a shorter one mistakes pauses for deaths.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// PollRecords is the largest number of records in one batch.
	PollRecords int `yaml:"poll_records"`
	// PollInterval is how long a poll waits for records before the handler is
	// given a batch without any, so that it can do what is due.
	PollInterval time.Duration `yaml:"poll_interval"`
	// FetchMaxBytes is the size in bytes of one fetch response, as sent
	// (compressed). Memory for fetches is about this times the smaller of the
	// number of brokers and MaxConcurrentFetches, times the ratio of
	// compression.
	FetchMaxBytes int32 `yaml:"fetch_max_bytes"`
	// FetchMaxPartitionBytes is the share of one partition in a response. A
	// single batch that is larger is still delivered.
	FetchMaxPartitionBytes int32 `yaml:"fetch_max_partition_bytes"`
	// MaxConcurrentFetches is the number of fetches under way or buffered.
	MaxConcurrentFetches int `yaml:"max_concurrent_fetches"`
	// MaxDecompressBatchBytes is the size to which one batch may unpack. One
	// that would be larger is skipped as poison.
	MaxDecompressBatchBytes int `yaml:"max_decompress_batch_bytes"`
}

// DefaultClientConfig returns the defaults, without brokers.
func DefaultClientConfig() ClientConfig {
	return ClientConfig{ClientID: "logcluster", DialTimeout: 10 * time.Second}
}

// DefaultConfig returns the defaults, without brokers and topics.
func DefaultConfig() Config {
	return Config{
		Client:                  DefaultClientConfig(),
		Group:                   "logcluster",
		Start:                   StartEarliest,
		SessionTimeout:          10 * time.Second,
		PollRecords:             10_000,
		PollInterval:            time.Second,
		FetchMaxBytes:           16 << 20,
		FetchMaxPartitionBytes:  4 << 20,
		MaxConcurrentFetches:    2,
		MaxDecompressBatchBytes: 64 << 20,
	}
}

// Validate returns all problems of the configuration, joined. It does no I/O.
func (c *Config) Validate() error {
	errs := []error{c.Client.Validate()}
	if len(c.Topics) == 0 {
		errs = append(errs, errors.New("topics: none given"))
	}
	for i, topic := range c.Topics {
		switch {
		case topic == "":
			errs = append(errs, errors.New("topics: an empty name"))
		case slices.Contains(c.Topics[:i], topic):
			errs = append(errs, fmt.Errorf("topics: %q is given twice", topic))
		}
	}
	if c.Group == "" {
		errs = append(errs, errors.New("group: empty"))
	}
	if c.Start != StartEarliest && c.Start != StartLatest {
		errs = append(errs, fmt.Errorf("start: %q is neither %s nor %s", c.Start, StartEarliest, StartLatest))
	}
	errs = append(
		errs,
		within("session_timeout", c.SessionTimeout, time.Second, 5*time.Minute),
		within("poll_records", c.PollRecords, 1, 1_000_000),
		within("poll_interval", c.PollInterval, time.Millisecond, time.Minute),
		within("fetch_max_bytes", c.FetchMaxBytes, 1<<10, 1<<30),
		within("fetch_max_partition_bytes", c.FetchMaxPartitionBytes, 1<<10, 1<<30),
		within("max_concurrent_fetches", c.MaxConcurrentFetches, 1, 1000),
		within("max_decompress_batch_bytes", c.MaxDecompressBatchBytes, 1<<16, 1<<30),
	)
	return errors.Join(errs...)
}

// Validate returns all problems of the configuration, joined. It does no I/O.
func (c *ClientConfig) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: none given"))
	}
	if slices.Contains(c.Brokers, "") {
		errs = append(errs, errors.New("brokers: an empty address"))
	}
	errs = append(errs, within("dial_timeout", c.DialTimeout, time.Millisecond, 5*time.Minute))
	if t := &c.TLS; (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file go together"))
	}
	return errors.Join(append(errs, c.SASL.validate())...)
}

func (c *SASLConfig) validate() error {
	var errs []error
	switch c.Mechanism {
	case "":
		return nil
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
	default:
		errs = append(errs, fmt.Errorf("sasl.mechanism: %q is none of %s, %s and %s",
			c.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512))
	}
	if c.Username == "" {
		errs = append(errs, errors.New("sasl.username: empty"))
	}
	sources := 0
	for _, given := range []bool{c.Password.Reveal() != "", c.PasswordFile != "", c.PasswordEnv != ""} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		errs = append(errs, errors.New("sasl: exactly one of password, password_file and password_env is needed"))
	}
	return errors.Join(errs...)
}

func within[T int | int32 | time.Duration](name string, v, low, high T) error {
	if v < low || v > high {
		return fmt.Errorf("%s: %v is not within %v and %v", name, v, low, high)
	}
	return nil
}
