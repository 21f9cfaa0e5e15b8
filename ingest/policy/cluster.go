package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

const (
	// coalesceTime is the least time between two updates: what changes within is
	// handed on together. A deployment brings tens of objects, and every update
	// costs the building of a policy.
	coalesceTime = time.Second
	// pulseInterval is how often a watch without news says that it is up to date.
	pulseInterval = 10 * time.Second
	// syncPoll is how often a start looks whether everything has been read.
	syncPoll = 50 * time.Millisecond
)

// Cluster hands on the RBAC objects of a Kubernetes cluster, and their changes,
// a second at a time. It is a dskit service. Starting reads all objects, and
// fails when that takes too long or is not allowed, unless what the cluster said
// before a restart is known: then it runs, and hands on everything once it has
// read it. A running service survives the loss of the API server: it keeps what it
// knows, tries again with growing waits of up to 30 seconds, and hands on what it
// has missed.
type Cluster struct {
	services.Service

	cfg       ClusterConfig
	logger    *slog.Logger
	known     func() bool
	hand      func(Update)
	metrics   *sourceMetrics
	connected prometheus.Gauge
	connect   func() (*connection, error)

	to      *connection
	watches [numKinds]*watch
	running sync.WaitGroup
	cancel  context.CancelFunc
	// changed has a token when a watch has seen a change.
	changed chan struct{}
	handed  bool         // everything, once
	held    rbac.Objects // what was handed on

	mu sync.Mutex
	// state is how the last list and watch of each kind went, nil when well.
	state [numKinds]map[verb]error
}

// verb is a request that a watch makes, as RBAC calls it.
type verb string

const (
	verbList  verb = "list"
	verbWatch verb = "watch"
)

// errNotYet is the state of a request that has not been answered yet.
var errNotYet = errors.New("no answer yet")

// NewCluster returns the service, which connects to nothing yet. hand is called
// from the service's goroutine: once with everything, while it starts or later,
// then with every change. known tells whether what the cluster said before a
// restart is in force, so that a start needs no API server; nil for never.
func NewCluster(cfg ClusterConfig, logger *slog.Logger, reg prometheus.Registerer, known func() bool, hand func(Update)) *Cluster {
	c := &Cluster{
		cfg: cfg, logger: logger, known: known, hand: hand, metrics: newSourceMetrics(SourceCluster, reg),
		connected: promauto.With(reg).NewGauge(prometheus.GaugeOpts{
			Name: "logcluster_policy_connected",
			Help: "Whether the watches of the RBAC objects of the cluster all work (1) or the role policy may be stale (0).",
		}),
		connect: cfg.connect, changed: make(chan struct{}, 1),
	}
	for k := range numKinds {
		c.state[k] = map[verb]error{verbList: errNotYet, verbWatch: errNotYet}
	}
	c.Service = services.NewBasicService(c.starting, c.run, c.stopping).WithName("policy cluster")
	return c
}

// Health tells how the source is doing. It may be called at any time.
func (c *Cluster) Health() Health { return c.metrics.now() }

// starting reads all objects.
func (c *Cluster) starting(ctx context.Context) error {
	silenceClient()
	to, err := c.connect()
	if err != nil {
		return err
	}
	c.to = to
	ctx, c.cancel = context.WithCancel(ctx)
	for k, e := range endpointsOf(to.client) {
		w, err := newWatch(kind(k), e, c)
		if err != nil {
			return errors.Join(err, c.stopping(nil))
		}
		c.watches[k] = w
		c.running.Go(func() { w.informer.RunWithContext(ctx) })
	}
	err = c.sync(ctx)
	switch {
	case err == nil:
		c.take()
		return nil
	case ctx.Err() == nil && c.known != nil && c.known():
		c.logger.Error("RBAC objects of the cluster not read, going on with those of an earlier run; trying again", "error", err)
		c.metrics.failure(err)
		return nil
	}
	return errors.Join(err, c.stopping(nil))
}

// sync waits until everything has been read.
func (c *Cluster) sync(ctx context.Context) error {
	tick := time.NewTicker(syncPoll)
	defer tick.Stop()
	timeout := time.NewTimer(c.cfg.SyncTimeout)
	defer timeout.Stop()
	for {
		if c.synced() {
			return nil
		}
		select {
		case <-tick.C:
		case <-timeout.C:
			return c.notSynced()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// synced reports whether everything has been read and all watches work.
func (c *Cluster) synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.works() && !slices.ContainsFunc(c.watches[:], func(w *watch) bool { return !w.registration.HasSynced() })
}

// notSynced tells what could not be read, and why.
func (c *Cluster) notSynced() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var refused []string
	var errs []error
	for k := range numKinds {
		for _, v := range []verb{verbList, verbWatch} {
			err := c.state[k][v]
			if err == nil {
				continue
			}
			if apierrors.IsForbidden(err) {
				refused = append(refused, string(v)+" "+k.resource())
			}
			errs = append(errs, fmt.Errorf("%s %s: %w", v, k.resource(), err))
			break // without a list there is no watch
		}
	}
	err := errors.Join(errs...)
	if len(refused) > 0 {
		err = fmt.Errorf("not allowed to %s (%s): %w", strings.Join(refused, ", "), rbacv1.GroupName, err)
	}
	return fmt.Errorf("read RBAC objects of %s within %s: %w", c.to.server, c.cfg.SyncTimeout, err)
}

func (c *Cluster) run(ctx context.Context) error {
	pulse := time.NewTicker(pulseInterval)
	defer pulse.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pulse.C:
			if !c.handed && c.synced() {
				c.take()
			}
			c.alive()
		case <-c.changed:
			if !c.handed && !c.synced() {
				continue // a part of the objects would look as if the others were gone
			}
			c.take()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(coalesceTime):
			}
		}
	}
}

func (c *Cluster) stopping(error) error {
	if c.cancel != nil {
		c.cancel()
	}
	c.running.Wait()
	if c.to != nil {
		c.to.close()
	}
	return nil
}

// alive says that nothing has been missed, if so.
func (c *Cluster) alive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handed && c.works() {
		c.metrics.fresh()
	}
}

// works reports whether all watches work. It wants the lock.
func (c *Cluster) works() bool {
	for _, state := range c.state {
		if state[verbList] != nil || state[verbWatch] != nil {
			return false
		}
	}
	return true
}

// take hands on what has changed. The informers' stores are the truth: their
// events, which may be lost or merged while the connection is, only say when to
// look.
func (c *Cluster) take() {
	initial := !c.handed
	if initial {
		c.logger.Info("RBAC objects of the cluster are watched", "server", c.to.server)
	}
	now := objectsOf(&c.watches)
	u := Update{Source: SourceCluster, Initial: initial, Changes: rbac.Diff(c.held, now), Objects: now.Len()}
	c.handed, c.held = true, now
	c.metrics.count(&now)
	c.alive()
	if !initial && len(u.Changes) == 0 {
		return
	}
	c.metrics.succeeded.Inc()
	c.logger.Info("RBAC objects of the cluster read", "objects", u.Objects, "changes", len(u.Changes))
	c.hand(u)
}

// saw notes that a watch has seen a change. It never blocks.
func (c *Cluster) saw() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// heard notes how a request of a watch went, and tells when that has changed.
func (c *Cluster) heard(k kind, v verb, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.state[k][v]
	c.state[k][v] = err
	log := c.logger.With("server", c.to.server, "resource", k.resource(), "verb", string(v))
	switch {
	case err == nil && before != nil && !errors.Is(before, errNotYet):
		log.Info("RBAC objects of the cluster are read again")
	case err != nil && (before == nil || before.Error() != err.Error()):
		log.Warn("RBAC objects of the cluster not read, the role policy may become stale; trying again", "error", err)
	}
	if err != nil {
		c.metrics.failure(err)
	}
	if c.works() {
		c.connected.Set(1)
	} else {
		c.connected.Set(0)
	}
}
