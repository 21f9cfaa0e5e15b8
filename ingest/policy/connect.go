package policy

import (
	"errors"
	"fmt"
	"path/filepath"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// connection is a client of an API server.
type connection struct {
	client rbacclient.RbacV1Interface
	server string // its address, for people
	close  func() // closes what lies idle
}

// connect makes a client. Nothing is sent yet.
func (c *ClusterConfig) connect() (*connection, error) {
	config, err := c.restConfig()
	if err != nil {
		return nil, fmt.Errorf("find the Kubernetes cluster: %w", err)
	}
	config.UserAgent = "logcluster"
	config.WarningHandler = rest.NoWarnings{}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	client, err := rbacclient.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	return &connection{client, config.Host, func() { utilnet.CloseIdleConnectionsFor(transport.Transport) }}, nil
}

// restConfig finds the cluster: that of the pod, or as kubectl does.
func (c *ClusterConfig) restConfig() (*rest.Config, error) {
	if c.Kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, errors.New("not in a pod: name a kubeconfig")
		}
		return config, err
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig}
	if paths := filepath.SplitList(c.Kubeconfig); len(paths) > 1 {
		rules = &clientcmd.ClientConfigLoadingRules{Precedence: paths}
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
}
