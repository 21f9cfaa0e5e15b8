package check

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/ingest/policy"
)

// policiesWork reads the RBAC objects of every tenant, as a start would.
func policiesWork(ctx context.Context, cfg *app.Config, logger *slog.Logger) []Result {
	var out []Result
	all := cfg.Roles.Policies()
	for _, tenant := range slices.Sorted(maps.Keys(all)) {
		c := all[tenant]
		target := "roles"
		if tenant != "" {
			target += " of " + tenant
		}
		if len(c.Files.Paths) > 0 {
			out = append(out, filesWork(target, c.Files.Paths))
		}
		if c.Cluster.Enabled {
			out = append(out, clusterWorks(ctx, target, c.Cluster, logger))
		}
	}
	return out
}

func filesWork(target string, paths []string) Result {
	loaded, err := policy.LoadFiles(paths...)
	detail := ""
	if err == nil {
		detail = fmt.Sprintf("%d objects in %d files", loaded.Objects.Len(), loaded.Files)
	}
	return outcome(target+" "+strings.Join(paths, " "), "load RBAC objects", detail, err)
}

// clusterWorks lists and watches the RBAC objects of a cluster once.
func clusterWorks(ctx context.Context, target string, cfg policy.ClusterConfig, logger *slog.Logger) Result {
	detail := ""
	cluster := policy.NewCluster(cfg, logger, prometheus.NewRegistry(), nil, func(u policy.Update) {
		detail = fmt.Sprintf("%d objects", u.Objects)
	})
	err := services.StartAndAwaitRunning(ctx, cluster)
	if err == nil {
		err = services.StopAndAwaitTerminated(context.WithoutCancel(ctx), cluster)
	}
	if cause := cluster.FailureCase(); cause != nil {
		err = cause
	}
	return outcome(target+" in the cluster", "watch RBAC objects", detail, err)
}

// shadowWorks reads the second configuration that is to run beside.
func shadowWorks(cfg *app.Config) []Result {
	if cfg.Shadow.Config == "" {
		return nil
	}
	_, err := app.LoadShadow(cfg)
	return []Result{outcome("shadow "+cfg.Shadow.Config, "read configuration", "", err)}
}

// limitsWork reads the limits of tenants that have their own.
func limitsWork(cfg *app.Config) []Result {
	if cfg.Tenants.Overrides == "" {
		return nil
	}
	n, err := app.CheckOverrides(cfg)
	return []Result{outcome("tenants "+cfg.Tenants.Overrides, "read limits", fmt.Sprintf("%d tenants", n), err)}
}
