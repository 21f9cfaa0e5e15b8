package app

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/logcluster/logcluster/fingerprint/rbac"
	"github.com/logcluster/logcluster/ingest/policy"
)

// policySource is a service that tells of a role policy.
type policySource interface {
	services.Service
	Health() policy.Health
}

// policySources makes the services that tell of role policies, by the name of
// their module, and has the policies know them.
func policySources(cfg *RolesConfig, into *policies, log *slog.Logger, reg prometheus.Registerer) map[string]services.Service {
	out := map[string]services.Service{}
	add := func(tenant, source, module string, s policySource) {
		out[module] = s
		into.know(tenant, source, s.Health)
	}
	for tenant, c := range cfg.Policies() {
		name := func(source string) string {
			if tenant == "" {
				return "policy-" + source
			}
			return "policy-" + source + "/" + tenant
		}
		hand := func(u policy.Update) { into.told(tenant, u) }
		known := func() bool { return into.knows(tenant, policy.SourceCluster) }
		reg := prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, reg)
		log := log.With("tenant", tenant)
		if len(c.Files.Paths) > 0 {
			add(tenant, policy.SourceFiles, name(policy.SourceFiles), policy.NewFiles(c.Files, log, reg, hand))
		}
		if c.Cluster.Enabled {
			add(tenant, policy.SourceCluster, name(policy.SourceCluster), policy.NewCluster(c.Cluster, log, reg, known, hand))
		}
	}
	return out
}

// loadPolicies reads the manifests of every tenant once, for a replay: what they
// say is in force from the beginning.
func loadPolicies(cfg *RolesConfig, into *policies) error {
	all := cfg.Policies()
	for _, tenant := range slices.Sorted(maps.Keys(all)) {
		paths := all[tenant].Files.Paths
		if len(paths) == 0 {
			continue
		}
		loaded, err := policy.LoadFiles(paths...)
		if err != nil {
			return fmt.Errorf("load role policy: %w", err)
		}
		into.log.Info("role policy loaded", "tenant", tenant, "files", loaded.Files, "documents", loaded.Documents, "skipped", loaded.Skipped)
		into.told(tenant, policy.Update{
			Source: policy.SourceFiles, Initial: true,
			Changes: rbac.Diff(rbac.Objects{}, loaded.Objects), Objects: loaded.Objects.Len(),
		})
	}
	return into.settle(0)
}
