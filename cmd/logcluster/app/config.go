package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// Config is the whole configuration, in the order of a record's way. Each
// package owns its own section.
type Config struct {
	// Kafka is where records come from, and where dead letters and the
	// anomalies topic go.
	Kafka kafka.Config `yaml:"kafka"`
	// Topics are the topics that are written to.
	Topics TopicsConfig `yaml:"topics"`
	// Ingest bounds what a record may be.
	Ingest ingest.Config `yaml:"ingest"`
	// Roles says where role policies come from.
	Roles RolesConfig `yaml:"roles"`
	// Fingerprint is how events are given an identity.
	Fingerprint fingerprint.Config `yaml:"fingerprint"`
	// Cluster is how events are cut into panes and windows.
	Cluster cluster.Config `yaml:"cluster"`
	// Baseline is what usual means.
	Baseline baseline.Config `yaml:"baseline"`
	// Anomaly is when a deviation becomes an alert.
	Anomaly anomaly.Config `yaml:"anomaly"`
	// Alert is how alerts are written, and where they go.
	Alert AlertConfig `yaml:"alert"`
	// Sources says which partitions the others wait for.
	Sources SourcesConfig `yaml:"sources"`
	// State is what a restart goes on from.
	State StateConfig `yaml:"state"`
	// Web is the one HTTP listener.
	Web web.Config `yaml:"web"`
}

// TopicsConfig names the topics that are written to, in the same Kafka. Missing
// ones are made when kafka.create_topics says so.
type TopicsConfig struct {
	// DeadLetter receives one record about every record that could not be
	// used: reason, topic, partition and offset, never the payload. Empty for
	// none.
	DeadLetter string `yaml:"dead_letter"`
	// Anomalies receives every change of every alert as JSON, keyed by tenant.
	// Empty for none.
	Anomalies string `yaml:"anomalies"`
}

// RolesConfig says where role policies come from.
type RolesConfig struct {
	// RBAC are files or directories of RBAC objects, as
	// "kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml"
	// prints them. Without any, roles come from the authorization reason in the
	// audit log and from conventions.
	RBAC []string `yaml:"rbac"`
}

// AlertConfig is how alerts are written, and where they go.
type AlertConfig struct {
	// Render is how alerts are written.
	Render alert.Config `yaml:",inline"`
	// Alertmanager is who notifies people.
	Alertmanager alertmanager.Config `yaml:"alertmanager"`
	// Loki is where every change of every alert is kept.
	Loki loki.Config `yaml:"loki"`
}

// StateConfig is what a restart goes on from.
type StateConfig struct {
	// Dir is the directory of the snapshot. It must survive a restart and
	// belongs to one process.
	Dir string `yaml:"dir"`
	// Interval is how often a snapshot is written. A crash costs reading again
	// what came in since: shorter costs more disk writes, about 1 KB for each
	// cluster.
	Interval time.Duration `yaml:"interval"`
}

// Validate reports everything that is wrong with the section.
func (c *StateConfig) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("dir: must name a directory"))
	}
	errs = append(errs, within("interval", c.Interval, 10*time.Millisecond, time.Hour))
	return errors.Join(errs...)
}

// SourcesConfig says which partitions the others wait for.
type SourcesConfig struct {
	// IdleAfter is how long a partition without lag must be without records
	// until it stops holding up the others. What it brings later than that is
	// late: raise it where recorded time is played back fast.
	IdleAfter time.Duration `yaml:"idle_after"`
	// StallAfter is how long a partition with lag may fail to advance until
	// windows are closed without it, marked as partial.
	StallAfter time.Duration `yaml:"stall_after"`
	// MaxSkew is how far, in event time, a partition may run ahead of the
	// slowest one before it is not fetched for a while. What is ahead waits in
	// memory, in panes that can't be closed yet.
	MaxSkew time.Duration `yaml:"max_skew"`
}

// Validate reports everything that is wrong with the section.
func (c *SourcesConfig) Validate() error {
	return errors.Join(
		within("idle_after", c.IdleAfter, 10*time.Millisecond, time.Hour),
		within("stall_after", c.StallAfter, 10*time.Millisecond, time.Hour),
		within("max_skew", c.MaxSkew, time.Minute, 7*24*time.Hour),
	)
}

func within(field string, d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("%s: %s is not between %s and %s", field, d, low, high)
	}
	return nil
}

// DefaultConfig returns the defaults. They name no broker, topic or sink.
func DefaultConfig() Config {
	return Config{
		Kafka:       kafka.DefaultConfig(),
		Topics:      TopicsConfig{DeadLetter: "logcluster.dlq", Anomalies: "logcluster.anomalies"},
		Ingest:      ingest.DefaultConfig(),
		Fingerprint: fingerprint.DefaultConfig(),
		Cluster:     cluster.DefaultConfig(),
		Baseline:    baseline.DefaultConfig(),
		Anomaly:     anomaly.DefaultConfig(),
		Alert: AlertConfig{
			Render:       alert.DefaultConfig(),
			Alertmanager: alertmanager.DefaultConfig(),
			Loki:         loki.DefaultConfig(),
		},
		Sources: SourcesConfig{
			IdleAfter:  10 * time.Second,
			StallAfter: time.Minute,
			MaxSkew:    time.Hour,
		},
		State: StateConfig{
			Dir:      "data",
			Interval: 5 * time.Second,
		},
		Web: web.DefaultConfig(),
	}
}
