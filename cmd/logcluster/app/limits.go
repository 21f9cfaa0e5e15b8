package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.yaml.in/yaml/v3"

	"github.com/logcluster/logcluster/cluster"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
)

// tenantLimits are the limits of the tenants that have their own.
type tenantLimits map[string]cluster.Limits

// overrides is the service that reads the limits of tenants and looks whether
// they have changed. It is a timer of its own rather than dskit's
// runtimeconfig, which links three tracing systems for it.
type overrides struct {
	services.Service
	cfg      TenantsConfig
	defaults cluster.Limits
	log      *slog.Logger
	healthy  prometheus.Gauge
	// read is the content of the file when it was read last.
	read []byte
	// valid is what it said when it was valid last.
	valid atomic.Pointer[tenantLimits]
}

func newOverrides(cfg TenantsConfig, defaults cluster.Limits, log *slog.Logger, reg prometheus.Registerer) *overrides {
	o := &overrides{cfg: cfg, defaults: defaults, log: log}
	o.healthy = promauto.With(reg).NewGauge(prometheus.GaugeOpts{
		Name: "logcluster_limits_last_reload_successful",
		Help: "1 while the file of the tenants' limits is valid; else the limits that it gave last are in force.",
	})
	o.Service = services.NewTimerService(cfg.Reload, o.starting, o.look, nil)
	return o
}

// starting reads the file; one that is not valid ends the start.
func (o *overrides) starting(context.Context) error { return o.load() }

// look reads the file again. What is wrong is told once.
func (o *overrides) look(context.Context) error {
	before := o.read
	if err := o.load(); err != nil && !bytes.Equal(before, o.read) {
		o.log.Error("limits of tenants not read, those before stay in force", "error", err)
	}
	return nil
}

// CheckOverrides reads the limits of tenants that a configuration names, and
// returns how many have their own.
func CheckOverrides(cfg *Config) (tenants int, err error) {
	text, err := readOverrides(cfg.Tenants.Overrides)
	if err != nil {
		return 0, err
	}
	limits, err := readLimits(cfg.Tenants.Overrides, text, cfg.Cluster.Limits)
	return len(limits), err
}

func readOverrides(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, config.MaxFileBytes+1))
}

func (o *overrides) load() (err error) {
	defer func() {
		o.healthy.Set(1)
		if err != nil {
			o.healthy.Set(0)
		}
	}()
	text, err := readOverrides(o.cfg.Overrides)
	if err != nil {
		return err
	}
	o.read = text
	limits, err := readLimits(o.cfg.Overrides, text, o.defaults)
	if err != nil {
		return err
	}
	if now := o.valid.Load(); now == nil || !maps.Equal(*now, limits) {
		o.valid.Store(&limits)
	}
	return nil
}

// maxOverrides bounds the tenants with limits of their own.
const maxOverrides = 10_000

// readLimits reads a file of overrides.
func readLimits(name string, text []byte, defaults cluster.Limits) (tenantLimits, error) {
	if len(text) > config.MaxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, config.MaxFileBytes)
	}
	var file struct {
		Overrides map[string]yaml.Node `yaml:"overrides"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(file.Overrides) > maxOverrides {
		return nil, fmt.Errorf("%s: more than %d tenants", name, maxOverrides)
	}
	out := make(tenantLimits, len(file.Overrides))
	var problems []error
	for _, tenant := range slices.Sorted(maps.Keys(file.Overrides)) {
		limits := defaults
		node := file.Overrides[tenant]
		text, err := yaml.Marshal(&node)
		if err == nil {
			err = config.Load(config.Source{YAML: text}, &limits)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: overrides.%s: %w", name, tenant, err))
		}
		out[tenant] = limits
	}
	return out, errors.Join(problems...)
}

// limits brings overrides into force as decisions.
type limits struct {
	overrides *overrides   // nil when there are none
	last      tenantLimits // as last decided
}

// changed returns limits that are not decided upon yet.
func (l *limits) changed() (tenantLimits, bool) {
	if l.overrides == nil { // those of an earlier run may still hold
		return tenantLimits{}, len(l.last) > 0
	}
	now := l.overrides.valid.Load()
	if now == nil || maps.Equal(*now, l.last) {
		return nil, false
	}
	return *now, true
}

// limitKeeper is who keeps to limits: the windows.
type limitKeeper interface {
	SetLimits(from int64, limits map[string]cluster.Limits)
}

// settle brings changed limits into force from the event time on.
func (l *limits) settle(from int64, j *journal, w limitKeeper) error {
	now, changed := l.changed()
	if !changed {
		return nil
	}
	d := &decision{From: time.Unix(0, from).UTC(), Source: "limits", Limits: now}
	if j != nil {
		if err := j.append(d); err != nil {
			return err
		}
	}
	l.enact(d, w)
	return nil
}

// enact takes a decision over, of this run or of one before it.
func (l *limits) enact(d *decision, w limitKeeper) {
	if d.Limits == nil {
		return
	}
	l.last = d.Limits
	from := int64(0)
	if !d.From.IsZero() {
		from = d.From.UnixNano()
	}
	w.SetLimits(from, d.Limits)
}
