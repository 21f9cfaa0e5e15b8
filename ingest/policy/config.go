package policy

import (
	"errors"
	"fmt"
	"time"
)

// Config says where RBAC objects come from. Files and a cluster may be used at
// once; see the package comment for who wins where they disagree.
type Config struct {
	// Files are manifests on disk.
	Files FilesConfig `yaml:"files"`
	// Cluster is a Kubernetes cluster that is watched.
	Cluster ClusterConfig `yaml:"cluster"`
}

// FilesConfig says which manifests are read and how often they are looked at.
type FilesConfig struct {
	// Paths are files or directories of RBAC objects, as
	// "kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml"
	// prints them. Empty for none.
	Paths []string `yaml:"paths"`
	// Reload is how often the files are looked at for changes. A change is in
	// force at most this and a second later. Looking costs one stat a file;
	// only what has changed is read.
	Reload time.Duration `yaml:"reload"`
}

// ClusterConfig says which Kubernetes cluster is watched for RBAC objects. The
// identity that is used needs the verbs list and watch on them.
type ClusterConfig struct {
	// Enabled watches the cluster.
	Enabled bool `yaml:"enabled"`
	// Kubeconfig is the path of a kubeconfig file, or several separated by ":"
	// as in kubectl's KUBECONFIG. Empty for the service account of the pod that
	// logcluster runs in.
	Kubeconfig string `yaml:"kubeconfig"`
	// Context is the context of the kubeconfig to use. Empty for its current
	// one.
	Context string `yaml:"context"`
	// SyncTimeout bounds how long a start waits until all objects have been
	// read. A start that takes longer is an error that tells what was missing,
	// unless the objects are known from an earlier run: then those are in force
	// until the cluster answers.
	SyncTimeout time.Duration `yaml:"sync_timeout"`
}

// DefaultConfig returns the defaults: no source.
func DefaultConfig() Config {
	return Config{
		Files:   FilesConfig{Reload: 10 * time.Second},
		Cluster: ClusterConfig{SyncTimeout: time.Minute},
	}
}

// Validate returns all problems of the configuration, joined.
func (c *Config) Validate() error {
	return errors.Join(prefixed("files", c.Files.Validate()), prefixed("cluster", c.Cluster.Validate()))
}

func prefixed(section string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", section, err)
}

// Validate returns all problems of the section, joined.
func (c *FilesConfig) Validate() error {
	var errs []error
	for i, p := range c.Paths {
		if p == "" {
			errs = append(errs, fmt.Errorf("paths[%d]: names no file", i))
		}
	}
	return errors.Join(append(errs, within("reload", c.Reload, 10*time.Millisecond, 24*time.Hour))...)
}

// Validate returns all problems of the section, joined.
func (c *ClusterConfig) Validate() error {
	var errs []error
	if c.Context != "" && c.Kubeconfig == "" {
		errs = append(errs, errors.New("context: needs a kubeconfig to be found in"))
	}
	return errors.Join(append(errs, within("sync_timeout", c.SyncTimeout, 100*time.Millisecond, time.Hour))...)
}

func within(field string, d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("%s: %s is not between %s and %s", field, d, low, high)
	}
	return nil
}
