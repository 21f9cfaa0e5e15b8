package policy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// endpoint is where the objects of a kind are read.
type endpoint struct {
	object runtime.Object
	list   func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch  func(context.Context, metav1.ListOptions) (apiwatch.Interface, error)
}

func endpointsOf(client rbacclient.RbacV1Interface) [numKinds]endpoint {
	return [numKinds]endpoint{
		kindRole:               {&rbacv1.Role{}, listing(client.Roles("").List), client.Roles("").Watch},
		kindClusterRole:        {&rbacv1.ClusterRole{}, listing(client.ClusterRoles().List), client.ClusterRoles().Watch},
		kindRoleBinding:        {&rbacv1.RoleBinding{}, listing(client.RoleBindings("").List), client.RoleBindings("").Watch},
		kindClusterRoleBinding: {&rbacv1.ClusterRoleBinding{}, listing(client.ClusterRoleBindings().List), client.ClusterRoleBindings().Watch},
	}
}

func listing[L runtime.Object](list func(context.Context, metav1.ListOptions) (L, error)) func(context.Context, metav1.ListOptions) (runtime.Object, error) {
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return list(ctx, o) }
}

// watch keeps the objects of a kind.
type watch struct {
	kind         kind
	informer     cache.SharedIndexInformer
	registration cache.ResourceEventHandlerRegistration
}

// newWatch returns a watch that tells the cluster how it fares. It does not run
// yet.
func newWatch(k kind, e endpoint, c *Cluster) (*watch, error) {
	requests := &plainListWatch{cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l, err := e.list(ctx, o)
			if ctx.Err() == nil && !isExpiry(err) {
				c.heard(k, verbList, err)
			}
			return l, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			w, err := e.watch(ctx, o)
			if ctx.Err() == nil && !isExpiry(err) {
				c.heard(k, verbWatch, err)
			}
			return w, err
		},
	}}
	w := &watch{kind: k, informer: cache.NewSharedIndexInformer(requests, e.object, 0, nil)}
	err := w.informer.SetTransform(func(o any) (any, error) {
		if m, err := meta.Accessor(o); err == nil {
			strip(m)
		}
		return o, nil
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", k.resource(), err)
	}
	// What fails has been told by the requests themselves.
	if err := w.informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {}); err != nil {
		return nil, fmt.Errorf("watch %s: %w", k.resource(), err)
	}
	w.registration, err = w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.saw() },
		UpdateFunc: func(any, any) { c.saw() },
		DeleteFunc: func(any) { c.saw() },
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", k.resource(), err)
	}
	return w, nil
}

// plainListWatch lists first and then watches. The newer way, to be sent the list
// by the watch, would save the API server memory, but waits for up to 30 s
// without regard to its context where the server is away, and so would a stop.
type plainListWatch struct{ cache.ListWatch }

// IsWatchListSemanticsUnSupported is how client-go asks.
func (*plainListWatch) IsWatchListSemanticsUnSupported() bool { return true }

// isExpiry reports whether the server has forgotten the version to go on from:
// the informer then reads all again.
func isExpiry(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// objectsOf returns the objects that the watches hold, which share their parts
// with the watches' stores.
func objectsOf(watches *[numKinds]*watch) rbac.Objects {
	return rbac.Objects{
		Roles:               stored[rbacv1.Role](watches[kindRole]),
		ClusterRoles:        stored[rbacv1.ClusterRole](watches[kindClusterRole]),
		RoleBindings:        stored[rbacv1.RoleBinding](watches[kindRoleBinding]),
		ClusterRoleBindings: stored[rbacv1.ClusterRoleBinding](watches[kindClusterRoleBinding]),
	}
}

func stored[T any](w *watch) []T {
	all := w.informer.GetStore().List()
	out := make([]T, 0, len(all))
	for _, o := range all {
		if o, ok := o.(*T); ok {
			out = append(out, *o)
		}
	}
	return out
}

// silenceClient keeps client-go from writing to the standard error by itself: it
// has one logger for the whole process. What matters of it comes back as errors.
var silenceClient = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })
