package ingest

import (
	"errors"
	"fmt"
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
	return errors.Join(errs...)
}
