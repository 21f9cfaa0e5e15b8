//go:build kube

package e2e

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// kube is a real API server, and where it writes its audit log.
type kube struct {
	kubeconfig string
	auditLog   string
	admin      kubernetes.Interface
	// run marks, as a label, all that the test has made.
	run string
}

// theKube returns the API server of the environment, and skips the test when
// there is none. What the test makes there is deleted when it ends.
func theKube(t *testing.T) *kube {
	t.Helper()
	k := &kube{kubeconfig: os.Getenv("STACK_KUBECONFIG"), auditLog: os.Getenv("STACK_AUDIT_LOG"), run: unique("kube")}
	if k.kubeconfig == "" || k.auditLog == "" {
		t.Skip("STACK_KUBECONFIG and STACK_AUDIT_LOG are not both set: no API server to talk to")
	}
	k.admin = k.client(t, "admin")
	t.Cleanup(func() { k.clean(t) })
	return k
}

// clean deletes the RBAC objects and the namespaces of the test. Nobody empties
// a namespace here, so it stays, terminating, until the data is wiped; every
// run has its own.
func (k *kube) clean(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mine := metav1.ListOptions{LabelSelector: runLabel + "=" + k.run}
	r := k.admin.RbacV1()
	err := r.ClusterRoleBindings().DeleteCollection(ctx, metav1.DeleteOptions{}, mine)
	if err == nil {
		err = r.ClusterRoles().DeleteCollection(ctx, metav1.DeleteOptions{}, mine)
	}
	namespaces, listErr := k.admin.CoreV1().Namespaces().List(ctx, mine)
	if err != nil || listErr != nil {
		t.Logf("clean up: %v, %v", err, listErr)
		return
	}
	for _, ns := range namespaces.Items {
		for _, err := range []error{
			r.RoleBindings(ns.Name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
			r.Roles(ns.Name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
			k.admin.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}),
		} {
			if err != nil {
				t.Logf("clean up namespace %s: %v", ns.Name, err)
			}
		}
	}
}

// runLabel is the label by which a test knows what it has made.
const runLabel = "logcluster-e2e"

// object is the metadata of something that the test makes.
func (k *kube) object(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{runLabel: k.run}}
}

// config is how a user of the stack, or one of its service accounts, comes to
// the API server. Nobody waits for a client's own rate limit.
func (k *kube) config(t *testing.T, user string) *rest.Config {
	t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: k.kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: user}).ClientConfig()
	if err != nil {
		t.Fatalf("read the kubeconfig of %s: %v", user, err)
	}
	config.QPS = -1
	config.Timeout = 30 * time.Second
	config.UserAgent = k.run
	return config
}

func (k *kube) client(t *testing.T, user string) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(k.config(t, user))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// namespace makes a namespace and returns its name.
func (k *kube) namespace(t *testing.T, name string) string {
	t.Helper()
	name = k.run + "-" + name
	_, err := k.admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: k.object("", name)}, metav1.CreateOptions{})
	must(t, err)
	return name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// objects are all RBAC objects that the API server has now.
func (k *kube) objects(t *testing.T) rbac.Objects {
	t.Helper()
	r, ctx, all := k.admin.RbacV1(), t.Context(), metav1.ListOptions{}
	roles, err := r.Roles("").List(ctx, all)
	must(t, err)
	clusterRoles, err := r.ClusterRoles().List(ctx, all)
	must(t, err)
	bindings, err := r.RoleBindings("").List(ctx, all)
	must(t, err)
	clusterBindings, err := r.ClusterRoleBindings().List(ctx, all)
	must(t, err)
	return rbac.Objects{
		Roles: roles.Items, ClusterRoles: clusterRoles.Items,
		RoleBindings: bindings.Items, ClusterRoleBindings: clusterBindings.Items,
	}
}

// settle returns when the authorizer knows of all that was written before. It
// watches each kind of object by itself and in order: so it does when it knows
// of something of each kind that was written last.
func (k *kube) settle(t *testing.T, namespace string) {
	t.Helper()
	ctx, r, name := t.Context(), k.admin.RbacV1(), unique("settle")
	rules := []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{"settle.invalid"}, Resources: []string{"things"}}}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}
	_, err := r.Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: k.object(namespace, name), Rules: rules}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: k.object(namespace, name), Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	}, metav1.CreateOptions{})
	must(t, err)
	k.awaitAllowed(t, &rbac.Request{User: name, Verb: "get", APIGroup: "settle.invalid", Resource: "things", Namespace: namespace})

	_, err = r.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: k.object("", name), Rules: rules}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: k.object("", name), Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
	}, metav1.CreateOptions{})
	must(t, err)
	k.awaitAllowed(t, &rbac.Request{User: name, Verb: "get", APIGroup: "settle.invalid", Resource: "things"})
}

// awaitAllowed waits until the authorizer allows a request.
func (k *kube) awaitAllowed(t *testing.T, r *rbac.Request) {
	t.Helper()
	until(t, 20*time.Second, func() (bool, string) {
		status, err := k.review(t.Context(), r)
		must(t, err)
		return status.Allowed, "the authorizer does not know of the last binding yet"
	})
}

// review asks the authorizer about a request of anybody.
func (k *kube) review(ctx context.Context, r *rbac.Request) (authorizationv1.SubjectAccessReviewStatus, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: r.User, Groups: r.Groups}}
	review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes = attributes(r)
	review, err := k.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return authorizationv1.SubjectAccessReviewStatus{}, err
	}
	return review.Status, nil
}

// attributes are a request in the words of a review: one of the two is nil.
func attributes(r *rbac.Request) (*authorizationv1.ResourceAttributes, *authorizationv1.NonResourceAttributes) {
	if r.Resource == "" {
		return nil, &authorizationv1.NonResourceAttributes{Path: r.Path, Verb: r.Verb}
	}
	return &authorizationv1.ResourceAttributes{
		Namespace: r.Namespace, Verb: r.Verb, Group: r.APIGroup, Resource: r.Resource,
		Subresource: r.Subresource, Name: r.Object,
	}, nil
}

// auditOffset is where the audit log ends now.
func (k *kube) auditOffset(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(k.auditLog)
	must(t, err)
	return info.Size()
}

// auditSince returns what the API server has written since the offset.
func (k *kube) auditSince(t *testing.T, offset int64) []byte {
	t.Helper()
	f, err := os.Open(k.auditLog)
	must(t, err)
	defer f.Close()
	_, err = f.Seek(offset, io.SeekStart)
	must(t, err)
	content, err := io.ReadAll(f)
	must(t, err)
	return content
}

// seeded is a source of randomness whose seed is printed, so that what it made
// can be made again with LOGCLUSTER_E2E_SEED.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LOGCLUSTER_E2E_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("LOGCLUSTER_E2E_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
