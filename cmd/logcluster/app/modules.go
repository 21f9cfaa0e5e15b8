package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	kitlog "github.com/go-kit/log"
	"github.com/grafana/dskit/modules"
	"github.com/grafana/dskit/services"
)

// The modules, in the order of a record's way.
const (
	moduleWeb          = "web"
	moduleAlertmanager = "alertmanager"
	moduleLoki         = "loki"
	moduleLetters      = "dead-letter"
	moduleAnomalies    = "anomalies-topic"
	moduleLimits       = "limits"
	moduleSession      = "session"
)

// initModules says what there is. The session starts after everything else and
// stops before it: records flow only while there is somewhere to put them.
func (a *App) initModules() error {
	a.modules = map[string]services.Service{moduleWeb: a.server, moduleSession: a.session}
	maps.Copy(a.modules, a.told)
	if o := a.pipeline.limits.overrides; o != nil {
		a.modules[moduleLimits] = o
	}
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
	started, patience := manager.IsHealthy(), a.patience()
	if !started {
		patience = stopTimeout // nothing is in hand
	}
	a.log.Info("stopping")
	manager.StopAsync()
	select {
	case <-stopped:
	case <-time.After(patience):
		err = a.abandoned(wrapped, patience)
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
func (a *App) abandoned(wrapped map[string]services.Service, waited time.Duration) error {
	var left []string
	for _, name := range slices.Sorted(maps.Keys(wrapped)) {
		if state := a.modules[name].State(); state != services.Terminated && state != services.Failed {
			left = append(left, name)
		}
	}
	return fmt.Errorf("%w: waited %s for %s", errAbandoned, waited, strings.Join(left, ", "))
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
