// Package app composes the stages into a process: a [Replay] over files, or an
// [App] that serves a Kafka topic.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	kitlog "github.com/go-kit/log"
	"github.com/grafana/dskit/modules"
	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/kafka"
)

// Options are what an [App] is made of besides its configuration.
type Options struct {
	Config *Config
	Logger *slog.Logger
	// Registry registers the metrics and is what /metrics shows.
	Registry *prometheus.Registry
	// Version is the program's.
	Version string
	// Recorded tells that event time is a recording's, for the page.
	Recorded bool
	// Changed is called with every change of an alert, in order, from the
	// goroutine that detects, if not nil. It must not block.
	Changed func(*alert.Alert)
}

// App is the service as a value. Nothing starts before [App.Run].
type App struct {
	o        Options
	cfg      *Config
	log      *slog.Logger
	pipeline *pipeline
	dir      *stateDir

	alertmanager *alertmanager.Sink
	loki         *loki.Sink
	letters      *kafka.DeadLetter
	topic        *topicOutlet
	session      *kafka.Session
	server       *web.Server
	// modules are the services by name; wrapped is what dskit puts around them
	// to start and stop them in order, nil before Run has built it.
	modules map[string]services.Service
	wrapped atomic.Pointer[map[string]services.Service]
}

// New checks the configuration and builds the stages. It does no I/O but to
// read the role policy and TLS files.
func New(o Options) (*App, error) {
	if len(o.Config.Kafka.Client.Brokers) == 0 || len(o.Config.Kafka.Topics) == 0 {
		return nil, errors.New("nothing to consume: name kafka.brokers and kafka.topics in the configuration")
	}
	policy, err := loadPolicy(o.Config.Roles.RBAC, o.Logger)
	if err != nil {
		return nil, err
	}
	a := &App{o: o, cfg: o.Config, log: o.Logger}
	a.buildPipeline(policy)
	if err := a.buildSinks(); err != nil {
		return nil, err
	}
	a.server = web.NewServer(o.Config.Web, a.handler(), o.Logger)
	return a, nil
}

// Addr returns the address of the web server, nil before it is bound.
func (a *App) Addr() net.Addr { return a.server.Addr() }

func (a *App) buildPipeline(policy rbac.Resolver) {
	p := &pipeline{
		group:  a.cfg.Kafka.Group,
		topics: a.cfg.Kafka.Topics,
		render: a.cfg.Alert.Render,
		board:  newBoard(a.cfg.Alert.Render, a.o.Version, a.o.Recorded, time.Now()),
		log:    a.log,
		now:    time.Now,
		decode: newDecodeStage(a.cfg, policy),
	}
	p.engine = newEngine(a.cfg, p.found)
	p.sources = newSources(&a.cfg.Sources, p.engine.windows)
	p.keeper = &keeper{
		every: a.cfg.State.Interval, take: p.snapshot,
		log: a.log, metrics: newKeeperMetrics(a.o.Registry),
	}
	a.o.Registry.MustRegister(&boardCollector{board: p.board, maxSeries: maxAnomalySeries})
	a.pipeline = p
}

// drainTimeout bounds how long a stop waits for the anomalies topic: it is
// flushed before every snapshot, so that little is left.
const drainTimeout = 3 * time.Second

// maxAnomalySeries bounds the anomalies that are exported, over all tenants.
const maxAnomalySeries = 500

// buildSinks makes what is configured of Alertmanager, Loki and the two topics.
func (a *App) buildSinks() error {
	p, cfg := a.pipeline, a.cfg
	if a.o.Changed != nil {
		p.outlets = append(p.outlets, changedOutlet(a.o.Changed))
	}
	if len(cfg.Alert.Alertmanager.URLs) > 0 {
		sink, err := alertmanager.New(cfg.Alert.Alertmanager, a.log, a.o.Registry, nil)
		if err != nil {
			return fmt.Errorf("set up Alertmanager: %w", err)
		}
		a.alertmanager, p.keeper.alertmanager = sink, sink
		p.outlets = append(p.outlets, alertmanagerOutlet{sink})
	}
	if cfg.Alert.Loki.URL != "" {
		sink, err := loki.New(cfg.Alert.Loki, a.log, a.o.Registry, nil, a.refused)
		if err != nil {
			return fmt.Errorf("set up Loki: %w", err)
		}
		a.loki, p.keeper.loki = sink, sink
		p.outlets = append(p.outlets, lokiOutlet{sink})
	}
	if cfg.Topics.DeadLetter != "" {
		letters := kafka.DefaultDeadLetterConfig()
		letters.Client, letters.Topic, letters.CreateTopics = cfg.Kafka.Client, cfg.Topics.DeadLetter, cfg.Kafka.CreateTopics
		a.letters = kafka.NewDeadLetter(letters, a.log, a.o.Registry)
		p.letters = a.letters
	}
	if cfg.Topics.Anomalies != "" {
		writer := kafka.DefaultWriterConfig()
		writer.Client, writer.Topic, writer.CreateTopics = cfg.Kafka.Client, cfg.Topics.Anomalies, cfg.Kafka.CreateTopics
		writer.DrainTimeout = drainTimeout
		a.topic = newTopicOutlet(kafka.NewWriter(writer, a.log), a.log, a.o.Registry)
		p.keeper.flush = a.topic.flush
		p.outlets = append(p.outlets, a.topic)
	}
	return nil
}

// refused notes lines that Loki did not take. They are in the anomalies topic
// all the same.
func (a *App) refused(entries []loki.Entry, reason error) {
	if a.letters == nil {
		return
	}
	for range entries {
		a.letters.Put(kafka.Letter{Reason: "loki_refused", Topic: a.cfg.Topics.Anomalies, Time: time.Now(), Detail: reason.Error()})
	}
}

// The modules, in the order of a record's way.
const (
	moduleWeb          = "web"
	moduleAlertmanager = "alertmanager"
	moduleLoki         = "loki"
	moduleLetters      = "dead-letter"
	moduleAnomalies    = "anomalies-topic"
	moduleSession      = "session"
)

// Run goes on from the snapshot in the state directory and serves until ctx is
// done or a module fails. Then it stops fetching, finishes what is in hand,
// writes its state, and drains the sinks until their deadlines.
func (a *App) Run(ctx context.Context) (err error) {
	if a.dir, err = openStateDir(a.cfg.State.Dir); err != nil {
		return err
	}
	defer func() {
		if !errors.Is(err, errAbandoned) { // else somebody may still write; the lock dies with the process
			err = errors.Join(err, a.dir.close())
		}
	}()
	resume, err := a.restore()
	if err != nil {
		return err
	}
	a.buildSession(resume)
	if err := a.initModules(); err != nil {
		return err
	}
	return a.serve(ctx)
}

// restore loads the snapshot into the pipeline and the sinks and returns the
// offsets to go on from, nil without a snapshot.
func (a *App) restore() (kafka.Offsets, error) {
	s, err := a.dir.load()
	if err != nil || s == nil {
		return nil, err
	}
	if err := a.pipeline.restore(s); err != nil {
		return nil, fmt.Errorf("go on from the state in %s: %w", a.cfg.State.Dir, err)
	}
	if a.alertmanager != nil {
		if err := a.alertmanager.Restore(s.Alertmanager); err != nil {
			a.log.Warn("some alerts not restored", "error", err)
		}
	}
	if a.loki != nil {
		a.loki.Restore(s.Loki)
	}
	a.log.Info("state restored", "saved_at", s.SavedAt, "events", s.Totals.Consumed,
		"watermark", time.Unix(0, a.pipeline.engine.windows.Stats().Watermark).UTC())
	return s.Offsets, nil
}

func (a *App) buildSession(resume kafka.Offsets) {
	a.session = kafka.NewSession(a.cfg.Kafka, a.pipeline, kafka.Options{
		Resume:     resume,
		Letters:    a.pipeline.letters,
		OnStop:     a.pipeline.keeper.stop,
		Logger:     a.log,
		Registerer: a.o.Registry,
	})
	a.pipeline.sources.fetching = a.session
	a.pipeline.keeper.dir = a.dir
	a.pipeline.keeper.commit = a.session.Commit
}

// initModules says what there is. The session starts after everything else and
// stops before it: records flow only while there is somewhere to put them.
func (a *App) initModules() error {
	a.modules = map[string]services.Service{moduleWeb: a.server, moduleSession: a.session}
	if a.alertmanager != nil {
		a.modules[moduleAlertmanager] = a.alertmanager
	}
	if a.loki != nil {
		a.modules[moduleLoki] = a.loki
	}
	if a.letters != nil {
		a.modules[moduleLetters] = a.letters
	}
	if a.topic != nil {
		a.modules[moduleAnomalies] = a.topic.writer
	}
	mm := modules.NewManager(kitlog.NewNopLogger())
	var before []string
	for name, s := range a.modules {
		mm.RegisterModule(name, func() (services.Service, error) { return s, nil })
		if name != moduleSession {
			before = append(before, name)
		}
	}
	if err := mm.AddDependency(moduleSession, before...); err != nil {
		return fmt.Errorf("order modules: %w", err)
	}
	wrapped, err := mm.InitModuleServices(moduleSession)
	if err != nil {
		return fmt.Errorf("build modules: %w", err)
	}
	a.wrapped.Store(&wrapped)
	return nil
}

// serve starts the modules and waits for the end.
func (a *App) serve(ctx context.Context) error {
	wrapped := *a.wrapped.Load()
	names := make(map[services.Service]string, len(wrapped))
	for name, s := range wrapped {
		names[s] = name
	}
	manager, err := services.NewManager(slices.Collect(maps.Keys(names))...)
	if err != nil {
		return fmt.Errorf("build modules: %w", err)
	}
	failed := make(chan error, len(names))
	manager.AddListener(services.NewManagerListener(
		func() { a.log.Info("ready") }, nil,
		func(s services.Service) {
			// What dskit wraps around a module fails too, and says less.
			cause := cmp.Or(a.modules[names[s]].FailureCase(), s.FailureCase())
			failed <- fmt.Errorf("module %s: %w", names[s], cause)
			manager.StopAsync()
		}))
	if err := manager.StartAsync(context.Background()); err != nil {
		return fmt.Errorf("start modules: %w", err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = manager.AwaitStopped(context.Background())
	}()
	select {
	case <-ctx.Done():
	case <-stopped:
		return firstError(failed)
	}
	started := manager.IsHealthy()
	a.log.Info("stopping")
	manager.StopAsync()
	select {
	case <-stopped:
	case <-time.After(a.patience()):
		err = a.abandoned(wrapped)
	}
	if !started {
		return nil // there was nothing to lose, and what failed since was told to stop
	}
	return errors.Join(err, firstError(failed))
}

// errAbandoned is the end of a stop that took too long.
var errAbandoned = errors.New("stopped before everything had ended")

// patience bounds a stop: what the session needs for its state, and then the
// slowest sink for its rest.
func (a *App) patience() time.Duration {
	const session = flushTimeout + commitTimeout + stopTimeout
	return session + max(drainTimeout, a.cfg.Alert.Alertmanager.DrainTimeout, a.cfg.Alert.Loki.DrainTimeout)
}

// abandoned tells of a stop that took too long, as when Kafka has hung. Nothing
// is lost: the last snapshot holds, and what the sinks still owe is in it.
func (a *App) abandoned(wrapped map[string]services.Service) error {
	var left []string
	for _, name := range slices.Sorted(maps.Keys(wrapped)) {
		if state := a.modules[name].State(); state != services.Terminated && state != services.Failed {
			left = append(left, name)
		}
	}
	return fmt.Errorf("%w: waited %s for %s", errAbandoned, a.patience(), strings.Join(left, ", "))
}

func firstError(failed <-chan error) error {
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// ready returns nil when every module runs.
func (a *App) ready() error {
	wrapped := a.wrapped.Load()
	if wrapped == nil {
		return errors.New("not started yet")
	}
	for name, s := range *wrapped {
		if state := s.State(); state != services.Running {
			return fmt.Errorf("%s is %s", name, state)
		}
	}
	return nil
}

func (a *App) handler() http.Handler {
	return web.NewHandler(a.cfg.Web, web.Options{
		Source:   a.pipeline.board,
		Gatherer: a.o.Registry,
		Ready:    a.ready,
		Config:   func() ([]byte, error) { return config.Marshal(a.cfg) },
		Logger:   a.log,
	})
}
