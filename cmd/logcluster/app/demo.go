package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/cmd/logcluster/produce"
	"github.com/logcluster/logcluster/deploy/demo"
	"github.com/logcluster/logcluster/ingest/recording"
)

// DemoOptions say how the demo runs.
type DemoOptions struct {
	Config   *Config
	Output   io.Writer
	Style    alert.LineStyle
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Version  string
	// Speed is how much faster than recorded the recording is played.
	Speed produce.Speed
	// LiveSinks allows the demo to write to the Loki and Alertmanagers of the
	// configuration: what it tells there is recorded, not real.
	LiveSinks bool
	// Once ends the demo when the recording has been played and read; without
	// it the page stays up until ctx is done.
	Once bool
}

const (
	demoTopic      = "kubernetes-audit"
	demoPartitions = 3
)

// Demo is the service with everything that it needs in one process: an embedded
// Kafka broker, into which the bundled recording is played in compressed time.
// It keeps nothing.
func Demo(ctx context.Context, o DemoOptions) (err error) {
	dir, err := os.MkdirTemp("", "logcluster-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(demoPartitions, demoTopic))
	if err != nil {
		return fmt.Errorf("start embedded broker: %w", err)
	}
	defer broker.Close()
	if err := o.checkSinks(); err != nil {
		return err
	}
	cfg, err := demoConfig(*o.Config, dir, broker.ListenAddrs(), time.Now())
	if err != nil {
		return err
	}
	d := &demonstration{o: &o, out: o.Output}
	if d.app, err = New(Options{
		Config: cfg, Logger: o.Logger, Registry: o.Registry, Version: o.Version, Recorded: true, Changed: d.changed,
	}); err != nil {
		return err
	}
	return d.run(ctx, cfg)
}

// checkSinks refuses to write what is recorded to where people look for what is
// real, unless told to.
func (o *DemoOptions) checkSinks() error {
	if o.LiveSinks || o.Config.Alert.Loki.URL == "" && len(o.Config.Alert.Alertmanager.URLs) == 0 {
		return nil
	}
	return errors.New("the demo's alerts are recorded, not real: writing them to Loki or Alertmanager needs --live-sinks")
}

// demoConfig points a configuration at the embedded broker and the bundled
// roles. now names the run.
func demoConfig(cfg Config, dir string, brokers []string, now time.Time) (*Config, error) {
	roles := filepath.Join(dir, "rbac.yaml")
	if err := os.WriteFile(roles, demo.RBAC, 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's roles: %w", err)
	}
	cfg.Kafka.Client.Brokers = brokers
	cfg.Kafka.Topics = []string{demoTopic}
	cfg.Kafka.CreateTopics = true
	cfg.Roles.Policy.Files.Paths = []string{roles}
	cfg.State.Dir = filepath.Join(dir, "state")
	if cfg.Web.Listen == DefaultConfig().Web.Listen && taken(cfg.Web.Listen) {
		cfg.Web.Listen = "127.0.0.1:0"
	}
	// The recording is older than any limit.
	cfg.Alert.Alertmanager.MaxAge = 0
	// Each run has a stream of its own in Loki, where a second one would be
	// refused for beginning an hour before the end of the first.
	labels := map[string]string{"run": now.UTC().Format("2006-01-02T15:04:05.000Z")}
	maps.Copy(labels, cfg.Alert.Loki.Labels)
	cfg.Alert.Loki.Labels = labels
	// A minute of the clock is more than a day of the recording.
	cfg.Sources.IdleAfter = time.Hour
	return &cfg, nil
}

// taken reports whether somebody else listens on the address: a newcomer's
// machine often has something on the default port.
func taken(address string) bool {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return true
	}
	return l.Close() != nil
}

// demonstration is a demo that runs.
type demonstration struct {
	o   *DemoOptions
	app *App

	mu    sync.Mutex
	out   io.Writer
	fired int
}

func (d *demonstration) run(ctx context.Context, cfg *Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.app.Run(ctx) })
	group.Go(func() error {
		err := d.play(ctx, cfg)
		if d.o.Once {
			defer cancel()
		}
		if errors.Is(err, context.Canceled) {
			return nil // by Ctrl-C, or because the service has ended and says why
		}
		return err
	})
	return group.Wait()
}

// play waits until the service is ready, plays the recording, and waits until
// all of it has been read.
func (d *demonstration) play(ctx context.Context, cfg *Config) error {
	if err := d.until(ctx, func() bool { return d.app.ready() == nil }); err != nil {
		return err
	}
	d.printf("Web page    http://%s/\nMetrics     http://%s/metrics\nBroker      %s, topic %s\nRecording   23 hours of a Kubernetes audit log at %s; the first 12 hours are for learning\nCtrl-C ends it.\n\n",
		d.app.Addr(), d.app.Addr(), cfg.Kafka.Client.Brokers[0], demoTopic, d.o.Speed)
	if err := alert.WriteHeader(d.out, d.o.Style); err != nil {
		return err
	}
	sum, err := produce.Run(ctx, produce.Options{
		Client: cfg.Kafka.Client, Topic: demoTopic, Files: []string{"recording.jsonl.zst"}, Speed: d.o.Speed,
		Open: func(name string) (*recording.Source, error) {
			return recording.New(name, bytes.NewReader(demo.Recording), int64(len(demo.Recording)), recording.Options{})
		},
		Logger: d.o.Logger,
	})
	if err != nil {
		return fmt.Errorf("play the recording: %w", err)
	}
	if err := d.until(ctx, func() bool {
		s := d.app.pipeline.board.Status()
		return s.Consumed >= uint64(sum.Records) && s.Lag == 0
	}); err != nil {
		return err
	}
	d.printf("\nThe recording is over: %d events, %d alerts. %s\n", sum.Records, d.alerts(), d.farewell())
	return nil
}

func (d *demonstration) farewell() string {
	if d.o.Once {
		return ""
	}
	return fmt.Sprintf("The page stays up at http://%s/ until Ctrl-C.", d.app.Addr())
}

// demoPoll is how often the demo looks whether what it waits for has come.
const demoPoll = 50 * time.Millisecond

func (d *demonstration) until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// changed prints an alert.
func (d *demonstration) changed(a *alert.Alert) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.FiredAt != nil && a.ResolvedAt == nil {
		d.fired++
	}
	if err := alert.WriteLine(d.out, a, d.o.Style); err != nil {
		d.o.Logger.Debug("terminal not written", "error", err)
	}
}

func (d *demonstration) alerts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fired
}

func (d *demonstration) printf(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, format, args...)
}
