package loki

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/logcluster/logcluster/alert/delivery"
)

// Config is which Loki is written to, and how much may wait for it.
type Config struct {
	// URL is the base URL, such as http://loki:3100. Empty for no Loki.
	URL string `yaml:"url"`
	// OrgID is the Loki tenant, sent as X-Scope-OrgID. Empty for none, which is
	// right for a Loki with auth_enabled: false.
	OrgID string `yaml:"org_id,omitempty"`
	// Labels are added to the labels of every stream (say, region: eu). They
	// can't replace job, kind and tenant. Loki refuses lines that are an hour
	// behind the newest of their stream: who writes a recording more than once
	// gives each run a label of its own.
	Labels map[string]string `yaml:"labels,omitempty"`
	// TenantLabel makes the tenant a label of the stream instead of structured
	// metadata: faster queries of one tenant, and one stream more for each. Not
	// for more than about a hundred tenants.
	TenantLabel bool `yaml:"tenant_label"`
	// QueueEntries and QueueBytes bound what waits while Loki is away. At a
	// bound the oldest line is dropped, and counted. A line has about 2 KB.
	QueueEntries int `yaml:"queue_entries"`
	QueueBytes   int `yaml:"queue_bytes"`
	// BatchEntries and BatchBytes (before compression) bound one request. A
	// gateway that finds one too large (413) is sent halves; Loki itself passes
	// on at most 4 MB by default, and answers 500 to more.
	BatchEntries int `yaml:"batch_entries"`
	BatchBytes   int `yaml:"batch_bytes"`
	// DrainTimeout bounds how long a stop waits for the queue to empty.
	DrainTimeout time.Duration `yaml:"drain_timeout"`

	// Backoff is the wait between attempts. There is no last attempt.
	Backoff delivery.Backoff `yaml:",inline"`
	// Client is how Loki is talked to.
	Client delivery.ClientConfig `yaml:",inline"`
}

// DefaultConfig returns the defaults, without a URL.
func DefaultConfig() Config {
	return Config{
		QueueEntries: 20_000,
		QueueBytes:   64 << 20,
		BatchEntries: 512,
		BatchBytes:   1 << 20,
		DrainTimeout: 5 * time.Second,
		Backoff:      delivery.DefaultBackoff(),
		Client:       delivery.DefaultClientConfig(),
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Validate checks the configuration without any I/O and returns all problems
// joined. A configuration without URL is valid: nothing is delivered.
func (c Config) Validate() error {
	var errs []error
	if c.URL != "" {
		if err := delivery.ValidateURL(c.URL); err != nil {
			errs = append(errs, fmt.Errorf("url: %w", err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		switch {
		case !labelName.MatchString(name):
			errs = append(errs, fmt.Errorf("labels: %q is not a label name", name))
		case name == "job" || name == "kind" || name == "tenant":
			errs = append(errs, fmt.Errorf("labels: %q is set by logcluster", name))
		case c.Labels[name] == "":
			errs = append(errs, fmt.Errorf("labels.%s: is empty", name))
		}
	}
	for _, bound := range []struct {
		field string
		value int
	}{
		{"queue_entries", c.QueueEntries},
		{"queue_bytes", c.QueueBytes},
		{"batch_entries", c.BatchEntries},
		{"batch_bytes", c.BatchBytes},
	} {
		if bound.value < 1 {
			errs = append(errs, fmt.Errorf("%s: %d is not positive", bound.field, bound.value))
		}
	}
	if c.DrainTimeout < 0 {
		errs = append(errs, fmt.Errorf("drain_timeout: %v is negative", c.DrainTimeout))
	}
	errs = append(errs, c.Backoff.Validate(), c.Client.Validate())
	return errors.Join(errs...)
}
