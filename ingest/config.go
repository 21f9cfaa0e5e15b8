package ingest

import (
	"errors"
	"fmt"
	"slices"
)

// Config bounds what a [Decoder] accepts and keeps.
type Config struct {
	// MaxRecordBytes is the size in bytes above which a record is rejected as
	// too_large. kube-apiserver's webhook batches stay below 10 MiB when it
	// truncates, single events below 1.5 MiB; Kafka's own default limit is
	// 1 MiB.
	MaxRecordBytes int `yaml:"max_record_bytes"`
	// MaxDepth is the nesting of objects and arrays above which a record is
	// rejected as too_deep. An event needs 4, an event in a list 6; bodies
	// that are skipped (schemas of custom resources) reach about 60.
	MaxDepth int `yaml:"max_depth"`
	// MaxFieldBytes is the length in bytes to which one kept text is cut.
	// Cutting and not rejecting means that a client cannot hide a request
	// behind a long user agent; it is counted. kube-apiserver cuts user
	// agents to 1024.
	MaxFieldBytes int `yaml:"max_field_bytes"`
	// MaxGroups is the number of groups of a user that are kept, the first
	// ones; the rest is cut off and counted.
	MaxGroups int `yaml:"max_groups"`
	// LongRunningAtEnd says when a long-running request is counted. By
	// default (false) it counts when its response starts, so that an exec
	// session is seen at once and not hours later, and its end is filtered.
	// Set it when the audit policy omits the stage ResponseStarted: then a
	// long-running request counts when it ends, like any other.
	LongRunningAtEnd bool `yaml:"long_running_at_end"`
	// Attributes are the names of the further fields that
	// [fingerprint.Event.Attributes] is to have, each once:
	//
	//   - "annotations/<key>": an audit annotation;
	//   - "extra/<key>": the first value of an extra field of the subject, the
	//     impersonated user where there is one;
	//   - "user_agent" and "source": what the event has of the same name.
	//
	// One that is empty is as good as absent. The values are masked and cut
	// like all text. It is not a setting: the application asks for what the
	// mapping of roles looks at. None cost nothing.
	Attributes []string `yaml:"-"`
}

// DefaultConfig returns the limits that suit a kube-apiserver.
func DefaultConfig() Config {
	return Config{MaxRecordBytes: 8 << 20, MaxDepth: 128, MaxFieldBytes: 1024, MaxGroups: 256}
}

// Validate returns all problems of the configuration, joined.
func (c *Config) Validate() error {
	var errs []error
	within := func(name string, v, low, high int) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s: %d is not within %d and %d", name, v, low, high))
		}
	}
	within("max_record_bytes", c.MaxRecordBytes, 1<<10, 1<<30)
	within("max_depth", c.MaxDepth, 6, 5000)
	within("max_field_bytes", c.MaxFieldBytes, 64, 1<<20)
	within("max_groups", c.MaxGroups, 1, 1<<16)
	for i, name := range c.Attributes {
		if _, err := parseAttribute(name); err != nil {
			errs = append(errs, err)
		} else if slices.Contains(c.Attributes[:i], name) {
			errs = append(errs, fmt.Errorf("attributes: %q is given twice", name))
		}
	}
	return errors.Join(errs...)
}
