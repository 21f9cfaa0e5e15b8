package app

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/baseline"
	"github.com/logcluster/logcluster/baseline/family"
	"github.com/logcluster/logcluster/baseline/peer"
	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint"
	"github.com/logcluster/logcluster/ingest"
	"github.com/logcluster/logcluster/ingest/kafka"
	"github.com/logcluster/logcluster/ingest/policy"
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
	// Tenants are those with limits of their own.
	Tenants TenantsConfig `yaml:"tenants"`
	// Baseline is what usual means.
	Baseline baseline.Config `yaml:"baseline"`
	// Peers is how subjects are held against the others of their role family.
	Peers peer.Config `yaml:"peers"`
	// Anomaly is when a deviation becomes an alert.
	Anomaly anomaly.Config `yaml:"anomaly"`
	// Verdicts is what people decide about alerts: for how long it holds, and when
	// there is maintenance.
	Verdicts verdict.Config `yaml:"verdicts"`
	// Shadow is a second configuration that runs beside.
	Shadow ShadowConfig `yaml:"shadow"`
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

// RolesConfig says where role policies come from. Without any, roles come from
// the authorization reason in the audit log, from the mapping and from
// conventions.
type RolesConfig struct {
	// Policy is where the RBAC objects come from, for every tenant that has no
	// policy of its own.
	Policy policy.Config `yaml:",inline"`
	// Audit learns changes of RBAC objects from the audit log itself, where it
	// carries them (audit level RequestResponse for rbac.authorization.k8s.io),
	// at their event time. Only the policy of the tenant whose log it is
	// changes. Not used for a policy that is watched in a cluster.
	Audit bool `yaml:"audit"`
	// Tenants are the tenants with a policy of their own, by name: a topic that
	// is another Kubernetes cluster's. Fields that are left out are those of
	// the policy for everybody, but for the sources.
	Tenants map[string]policy.Config `yaml:"tenants"`
	// Mapping tells the roles of those about whom neither a policy nor the
	// authorizer says anything, such as agents or services outside of
	// Kubernetes. The first rule that matches counts.
	Mapping []fingerprint.MappingRule `yaml:"mapping"`
	// Families is how roles that are alike are found.
	Families family.Config `yaml:"families"`
}

// Validate reports everything that is wrong with the section.
func (c *RolesConfig) Validate() error {
	errs := []error{c.Policy.Validate(), prefixed("families", c.Families.Validate())}
	all := c.Policies()
	if _, ok := c.Tenants[""]; ok {
		errs = append(errs, errors.New("tenants: a tenant has no name"))
	}
	for _, tenant := range slices.Sorted(maps.Keys(c.Tenants)) {
		own := all[tenant]
		errs = append(errs, prefixed("tenants."+tenant, own.Validate()))
	}
	if _, err := fingerprint.NewMapping(c.Mapping); err != nil {
		errs = append(errs, inList("mapping", err))
	}
	return errors.Join(errs...)
}

// Policies returns the policy configuration of every tenant that has one, and
// under the empty name that of everybody else.
func (c *RolesConfig) Policies() map[string]policy.Config {
	all := map[string]policy.Config{"": c.Policy}
	for tenant, own := range c.Tenants {
		own.Files.Reload = cmp.Or(own.Files.Reload, c.Policy.Files.Reload)
		own.Cluster.SyncTimeout = cmp.Or(own.Cluster.SyncTimeout, c.Policy.Cluster.SyncTimeout)
		all[tenant] = own
	}
	return all
}

// learns reports whether the policy that holds for the tenant changes with its
// audit log.
func (c *RolesConfig) learns(tenant string) bool {
	p, own := c.Tenants[tenant]
	if !own {
		p = c.Policy
	}
	return c.Audit && !p.Cluster.Enabled
}

// prefixed puts a section before the objections to it.
func prefixed(section string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", section, err)
}

// inList puts the name of a list before the objections to its items, each of
// which begins with an index.
func inList(list string, err error) error {
	var errs []error
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		errs = append(errs, errors.New(list+e.Error()))
	}
	return errors.Join(errs...)
}

// TenantsConfig says which tenants have limits of their own.
type TenantsConfig struct {
	// Overrides is a YAML file of the limits of tenants that have their own,
	// such as
	//
	//	overrides:
	//	  audit-of-the-big-cluster: {max_clusters: 40000}
	//
	// with the fields of cluster that begin with max_ but max_ahead, max_gap,
	// max_tenants and max_distinct; what is left out is as for everybody. It is
	// looked at while running; a file that is not valid changes nothing, and
	// logcluster_limits_last_reload_successful says so. Empty for none.
	Overrides string `yaml:"overrides"`
	// Reload is how often the file is looked at.
	Reload time.Duration `yaml:"reload"`
}

// Validate reports everything that is wrong with the section.
func (c *TenantsConfig) Validate() error {
	return within("reload", c.Reload, 10*time.Millisecond, time.Hour)
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

// engine returns the sections that the pure stages are configured by.
func (c *Config) engine() engine.Config {
	return engine.Config{Cluster: c.Cluster, Baseline: c.Baseline, Families: c.Roles.Families, Peers: c.Peers, Anomaly: c.Anomaly}
}

// DefaultConfig returns the defaults. They name no broker, topic or sink.
func DefaultConfig() Config {
	return Config{
		Kafka:       kafka.DefaultConfig(),
		Topics:      TopicsConfig{DeadLetter: "logcluster.dlq", Anomalies: "logcluster.anomalies"},
		Ingest:      ingest.DefaultConfig(),
		Fingerprint: fingerprint.DefaultConfig(),
		Roles:       RolesConfig{Policy: policy.DefaultConfig(), Audit: true, Families: family.DefaultConfig()},
		Cluster:     cluster.DefaultConfig(),
		Tenants:     TenantsConfig{Reload: 10 * time.Second},
		Baseline:    baseline.DefaultConfig(),
		Peers:       peer.DefaultConfig(),
		Anomaly:     anomaly.DefaultConfig(),
		Verdicts:    verdict.DefaultConfig(),
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
