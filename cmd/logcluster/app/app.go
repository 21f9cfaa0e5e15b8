// Package app composes the stages into a process: a [Replay] over files, or an
// [App] that serves a Kafka topic.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/anomaly/verdict"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
	"github.com/logcluster/logcluster/cmd/logcluster/web"
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
	// told are the services that tell of role policies, by module.
	told map[string]services.Service

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
// read TLS files and the configuration of a shadow.
func New(o Options) (*App, error) {
	if len(o.Config.Kafka.Client.Brokers) == 0 || len(o.Config.Kafka.Topics) == 0 {
		return nil, errors.New("nothing to consume: name kafka.brokers and kafka.topics in the configuration")
	}
	a := &App{o: o, cfg: o.Config, log: o.Logger}
	if err := a.buildPipeline(); err != nil {
		return nil, err
	}
	if err := a.buildSinks(); err != nil {
		return nil, err
	}
	a.server = web.NewServer(o.Config.Web, a.handler(), o.Logger)
	return a, nil
}

// Addr returns the address of the web server, nil before it is bound.
func (a *App) Addr() net.Addr { return a.server.Addr() }

func (a *App) buildPipeline() error {
	second, err := LoadShadow(a.cfg)
	if err != nil {
		return err
	}
	policies := newPolicies(a.cfg, a.log, a.o.Registry)
	a.told = policySources(&a.cfg.Roles, policies, a.log, a.o.Registry)
	p := &pipeline{
		group:    a.cfg.Kafka.Group,
		topics:   a.cfg.Kafka.Topics,
		render:   a.cfg.Alert.Render,
		board:    newBoard(a.cfg, a.o.Version, a.o.Recorded, time.Now()),
		log:      a.log,
		now:      time.Now,
		policies: policies,
		kept:     keptVersions(a.cfg),
		decode:   newDecodeStage(a.cfg, policies),
		recorded: a.o.Recorded,
	}
	p.engine = engine.New(a.cfg.engine(), policies, engine.Observer{
		Found: p.found, Learned: p.board.learned, Compared: p.board.compared, Calibrated: p.board.calibrated, Forgotten: p.board.forgotten,
	})
	p.verdicts = newVerdicts(a.cfg.Verdicts, p.engine.Book())
	if second != nil {
		p.kept = max(p.kept, keptVersions(second))
		p.renewShadow = func() {
			p.shadow = newShadow(a.cfg, second, policies, a.log)
			p.verdicts.also = []*verdict.Book{p.shadow.engine.Book()}
		}
		p.renewShadow()
	}
	policies.settled = p.settled // partitions may be far apart
	if a.cfg.Tenants.Overrides != "" {
		p.limits.overrides = newOverrides(a.cfg.Tenants, a.cfg.Cluster.Limits, a.log, a.o.Registry)
	}
	p.sources = newSources(&a.cfg.Sources, everyWindows{p})
	p.board.places = p.sources.place
	p.keeper = &keeper{
		every: a.cfg.State.Interval, take: p.snapshot,
		log: a.log, metrics: newKeeperMetrics(a.o.Registry),
	}
	a.o.Registry.MustRegister(&boardCollector{board: p.board, maxSeries: maxAnomalySeries, maxCalibration: maxCalibrationSeries})
	a.pipeline = p
	return nil
}

// drainTimeout bounds how long a stop waits for the anomalies topic: it is
// flushed before every snapshot, so that little is left.
const drainTimeout = 3 * time.Second

// maxAnomalySeries bounds the anomalies that are exported, over all tenants, and
// maxCalibrationSeries what is exported of the calibration: about 60 of a tenant.
const (
	maxAnomalySeries     = 500
	maxCalibrationSeries = 3000
)

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
		p.outlets = append(p.outlets, &alertmanagerOutlet{sink, map[string]bool{}})
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

// refused writes a dead letter about lines that Loki did not take. The changes
// among them are in the anomalies topic all the same.
func (a *App) refused(entries []loki.Entry, reason error) {
	if a.letters == nil {
		return
	}
	a.letters.Put(kafka.Letter{
		Reason: "loki_refused", Topic: a.cfg.Topics.Anomalies, Count: int64(len(entries)),
		Time: time.Now(), Detail: reason.Error(),
	})
}

// Run goes on from the snapshot in the state directory and serves until ctx is
// done or a module fails. Then it stops fetching, finishes what is in hand,
// writes its state, and drains the sinks until their deadlines.
func (a *App) Run(ctx context.Context) (err error) {
	if a.dir, err = openStateDir(a.cfg.State.Dir); err != nil {
		return err
	}
	defer func() {
		if !errors.Is(err, errAbandoned) { // else somebody may still write; the lock dies with the process
			err = errors.Join(err, a.pipeline.journal.close(), a.dir.close())
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

// restore loads the snapshot into the pipeline and the sinks, and what was
// decided before and after it, and returns the offsets to go on from, nil without
// a snapshot.
func (a *App) restore() (kafka.Offsets, error) {
	s, err := a.dir.load()
	if err != nil {
		return nil, err
	}
	if s != nil {
		if err := a.pipeline.restore(s); err != nil {
			return nil, fmt.Errorf("go on from the state in %s: %w", a.cfg.State.Dir, err)
		}
	}
	j, decided, err := openJournal(filepath.Join(a.cfg.State.Dir, decisionsFile))
	if err != nil {
		return nil, err
	}
	if err := a.pipeline.keepDecisions(j, decided); err != nil {
		return nil, errors.Join(fmt.Errorf("take over %s: %w", decisionsFile, err), j.close())
	}
	if s == nil {
		return nil, nil
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
		"watermark", time.Unix(0, a.pipeline.engine.Windows().Stats().Watermark).UTC())
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

func (a *App) handler() http.Handler {
	return web.NewHandler(a.cfg.Web, web.Options{
		Source:   a.pipeline.board,
		Verdicts: a.pipeline.verdicts,
		Shadow:   func() (string, *web.Shadow) { return a.pipeline.board.shadow().view() },
		Roles:    &roleView{a.pipeline.board, a.pipeline.policies},
		Gatherer: a.o.Registry,
		Ready:    a.ready,
		Config:   func() ([]byte, error) { return config.Marshal(a.cfg) },
		Logger:   a.log,
	})
}
