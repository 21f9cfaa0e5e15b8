package main

// Until the application lands.

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

type appConfig struct {
	Web web.Config `yaml:"web"`
}

func defaultConfig() *appConfig { return &appConfig{Web: web.DefaultConfig()} }

var errAbsent = errors.New("the application is not built in yet")

type application struct{}

func newApp(*appConfig, *slog.Logger, prometheus.Registerer) (*application, error) {
	return nil, errAbsent
}
func (*application) Run(context.Context) error { return errAbsent }

type replayOptions struct {
	Config   *appConfig
	Files    []string
	RBAC     []string
	Output   io.Writer
	Format   string
	Progress io.Writer
	Labels   string
	Logger   *slog.Logger
}

func replay(context.Context, replayOptions) error { return errAbsent }

type demoOptions struct {
	Config *appConfig
	Output io.Writer
	Logger *slog.Logger
}

func demo(context.Context, demoOptions) error { return errAbsent }
