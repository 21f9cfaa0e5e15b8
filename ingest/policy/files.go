package policy

import (
	"context"
	"log/slog"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
)

// Files hands on the RBAC objects of manifests on disk. It is a dskit service:
// starting reads them, and fails where they are wrong.
type Files struct {
	services.Service

	cfg    FilesConfig
	logger *slog.Logger
	hand   func(Update)
}

// NewFiles returns the service. It reads nothing yet. hand is called from the
// service's goroutine, first while it starts.
func NewFiles(cfg FilesConfig, logger *slog.Logger, reg prometheus.Registerer, hand func(Update)) *Files {
	f := &Files{cfg: cfg, logger: logger, hand: hand}
	f.Service = services.NewIdleService(f.starting, nil).WithName("policy files")
	return f
}

func (f *Files) starting(context.Context) error {
	loaded, err := LoadFiles(f.cfg.Paths...)
	if err != nil {
		return err
	}
	f.hand(Update{Source: SourceFiles, Initial: true, Changes: puts(&loaded.Objects), Objects: loaded.Objects.Len()})
	return nil
}
