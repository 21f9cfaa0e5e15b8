package alertmanager

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/logcluster/logcluster/alert/delivery"
)

// Config is where alerts are sent and how they are kept alive there.
type Config struct {
	// URLs are the base URLs of every Alertmanager of the (HA) set, such as
	// http://alertmanager-0:9093. Each is sent everything, as Prometheus does;
	// they agree among themselves who notifies. Empty for no Alertmanager.
	URLs []string `yaml:"urls"`
	// ExternalLabels are added to every alert (say, region: eu). They
	// can't replace a label of the alert itself.
	ExternalLabels map[string]string `yaml:"external_labels,omitempty"`
	// PageURL is where people reach logcluster's own web page: an alert links
	// to its cluster there. Empty for no link.
	PageURL string `yaml:"page_url,omitempty"`
	// ResendInterval is how often a firing alert is sent again. It expires in
	// Alertmanager after four of them without news, so that a shorter one
	// notices the end of logcluster sooner and costs more requests.
	ResendInterval time.Duration `yaml:"resend_interval"`
	// ResolvedRetention is for how long a resolved alert is still sent, so that
	// an Alertmanager that was away learns of it.
	ResolvedRetention time.Duration `yaml:"resolved_retention"`
	// MaxAge is how far the end of an anomaly's window may lie in the past when
	// it is to be sent for the first time. An older one is listed in one
	// LogclusterMissedWhileDown alert of its tenant instead: nobody is woken
	// for what was over before. 0 means no limit.
	MaxAge time.Duration `yaml:"max_age"`
	// MaxActive bounds the alerts that are kept (about 8 KB each). At the bound
	// a new one is dropped, and counted.
	MaxActive int `yaml:"max_active"`
	// DrainTimeout bounds how long a stop waits for changes to be delivered.
	// Firing alerts are not resolved by a stop.
	DrainTimeout time.Duration `yaml:"drain_timeout"`

	// Backoff is the wait between attempts.
	Backoff delivery.Backoff `yaml:",inline"`
	// Client is how each Alertmanager is talked to.
	Client delivery.ClientConfig `yaml:",inline"`
}

// DefaultConfig returns the defaults, without any URL.
func DefaultConfig() Config {
	return Config{
		ResendInterval:    time.Minute,
		ResolvedRetention: 15 * time.Minute,
		MaxAge:            time.Hour,
		MaxActive:         1000,
		DrainTimeout:      5 * time.Second,
		Backoff:           delivery.DefaultBackoff(),
		Client:            delivery.DefaultClientConfig(),
	}
}

// labelName is what Prometheus and Alertmanager take without quoting.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Validate checks the configuration without any I/O and returns all problems
// joined. A configuration without URLs is valid: it delivers nowhere.
func (c Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for i, u := range c.URLs {
		if err := delivery.ValidateURL(u); err != nil {
			errs = append(errs, fmt.Errorf("urls[%d]: %w", i, err))
		}
		if seen[u] {
			errs = append(errs, fmt.Errorf("urls[%d]: %q is there twice", i, u))
		}
		seen[u] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.ExternalLabels)) {
		switch value := c.ExternalLabels[name]; {
		case !labelName.MatchString(name):
			errs = append(errs, fmt.Errorf("external_labels: %q is not a label name", name))
		case ownLabel(name):
			errs = append(errs, fmt.Errorf("external_labels: %q is a label of the alert itself", name))
		case !utf8.ValidString(value) || value == "":
			errs = append(errs, fmt.Errorf("external_labels.%s: is empty or not UTF-8", name))
		}
	}
	if c.PageURL != "" {
		if err := delivery.ValidateURL(c.PageURL); err != nil {
			errs = append(errs, fmt.Errorf("page_url: %w", err))
		}
	}
	if c.MaxActive < 1 {
		errs = append(errs, fmt.Errorf("max_active: %d is not positive", c.MaxActive))
	}
	errs = append(errs,
		positive("resend_interval", c.ResendInterval), positive("resolved_retention", c.ResolvedRetention),
		notNegative("max_age", c.MaxAge), notNegative("drain_timeout", c.DrainTimeout),
		c.Backoff.Validate(), c.Client.Validate())
	return errors.Join(errs...)
}

func positive(field string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: %v is not positive", field, d)
	}
	return nil
}

func notNegative(field string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s: %v is negative", field, d)
	}
	return nil
}
