package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// settleTime is for how long files must not have changed until they are read: an
// editor or a "kubectl get … > file" may not be done with them.
const settleTime = time.Second

// Files hands on the RBAC objects of manifests on disk, and their changes. It is
// a dskit service. Starting reads them and fails when something is wrong with
// them. A running service keeps what it has read while something is wrong: a
// file that can't be read or parsed, one that has become empty, or none with an
// RBAC object left.
type Files struct {
	services.Service

	cfg     FilesConfig
	logger  *slog.Logger
	hand    func(Update)
	metrics *sourceMetrics

	held    rbac.Objects // what was handed on
	loaded  *manifests   // what it was read from
	seen    *manifests   // as of the last look
	problem string       // what was logged last, empty when all is well
}

// NewFiles returns the service, which reads nothing yet. hand is called from the
// service's goroutine: once while it starts, then with every change.
func NewFiles(cfg FilesConfig, logger *slog.Logger, reg prometheus.Registerer, hand func(Update)) *Files {
	f := &Files{cfg: cfg, logger: logger, hand: hand, metrics: newSourceMetrics(SourceFiles, reg)}
	f.Service = services.NewBasicService(f.starting, f.running, nil).WithName("policy files")
	return f
}

// Health tells how the source is doing. It may be called at any time.
func (f *Files) Health() Health { return f.metrics.now() }

func (f *Files) starting(context.Context) error {
	f.loaded = findManifests(f.cfg.Paths)
	f.seen = f.loaded
	loaded, err := f.loaded.load()
	if err != nil {
		return err
	}
	f.take(loaded, true)
	if f.held.Len() == 0 {
		f.logger.Warn("no RBAC object in the role policy's files", "paths", f.cfg.Paths)
	}
	return nil
}

func (f *Files) running(ctx context.Context) error {
	timer := time.NewTimer(f.cfg.Reload)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			timer.Reset(f.look())
		}
	}
}

// look reads the files if they have changed, and returns when to look again.
func (f *Files) look() time.Duration {
	found := findManifests(f.cfg.Paths)
	settled := found.same(f.seen)
	f.seen = found
	switch {
	case !settled:
		return min(settleTime, f.cfg.Reload)
	case f.problem == "" && found.same(f.loaded):
		f.metrics.fresh()
	default:
		f.reload(found)
	}
	return f.cfg.Reload
}

func (f *Files) reload(found *manifests) {
	loaded, err := found.load()
	if err == nil {
		err = f.wiped(found, loaded)
	}
	if err != nil {
		f.metrics.failure(err)
		if f.problem != err.Error() {
			f.logger.Error("files of the role policy not read, what they said before is kept", "error", err)
		}
		f.problem = err.Error()
		return
	}
	f.problem, f.loaded = "", found
	f.take(loaded, false)
}

// wiped returns an error when files look as if they were only half written: what
// stands in them is then not what somebody means.
func (f *Files) wiped(found *manifests, loaded *Loaded) error {
	if loaded.Objects.Len() == 0 && f.held.Len() > 0 {
		return errors.New("no RBAC object is left in any file")
	}
	size := map[string]int64{}
	for _, m := range f.loaded.files {
		size[m.path] = m.info.Size()
	}
	for _, m := range found.files {
		if m.info.Size() == 0 && size[m.path] > 0 {
			return fmt.Errorf("%s: has become empty", m.path)
		}
	}
	return nil
}

// take hands on what has changed.
func (f *Files) take(loaded *Loaded, initial bool) {
	u := Update{
		Source: SourceFiles, Initial: initial,
		Changes: rbac.Diff(f.held, loaded.Objects), Objects: loaded.Objects.Len(),
	}
	f.held = loaded.Objects
	f.metrics.succeeded.Inc()
	f.metrics.fresh()
	f.metrics.count(&loaded.Objects)
	f.logger.Info("files of the role policy read", "files", loaded.Files, "documents", loaded.Documents,
		"objects", u.Objects, "changes", len(u.Changes), "skipped", loaded.Skipped)
	if initial || len(u.Changes) > 0 {
		f.hand(u)
	}
}
