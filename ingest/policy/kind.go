package policy

import (
	"errors"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// kind is one of the four kinds of RBAC objects.
type kind uint8

const (
	kindRole kind = iota
	kindClusterRole
	kindRoleBinding
	kindClusterRoleBinding
	numKinds
)

// kindNames and resourceNames are how objects and requests name the kinds.
var (
	kindNames     = [numKinds]string{"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
	resourceNames = [numKinds]string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"}
)

func (k kind) String() string { return kindNames[k] }

func (k kind) resource() string { return resourceNames[k] }

func (k kind) namespaced() bool { return k == kindRole || k == kindRoleBinding }

func kindNamed(names *[numKinds]string, name string) (kind, bool) {
	for k, n := range names {
		if n == name {
			return kind(k), true
		}
	}
	return 0, false
}

// decode returns the change that puts an object, which unmarshal fills. The
// object has been checked: a policy can be built with it.
func (k kind) decode(unmarshal func(into any) error) (c rbac.Change, err error) {
	switch k {
	case kindRole:
		c.Role, err = decode(k, unmarshal, checkRole)
	case kindClusterRole:
		c.ClusterRole, err = decode(k, unmarshal, checkClusterRole)
	case kindRoleBinding:
		c.RoleBinding, err = decode(k, unmarshal, checkRoleBinding)
	default:
		c.ClusterRoleBinding, err = decode(k, unmarshal, checkClusterRoleBinding)
	}
	return c, err
}

func decode[T any](k kind, unmarshal func(any) error, check func(*T) error) (*T, error) {
	o := new(T)
	if err := unmarshal(o); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k, err)
	}
	if err := check(o); err != nil {
		return nil, fmt.Errorf("%s %w", k, err)
	}
	return o, nil
}

// deleted returns the change that deletes an object.
func (k kind) deleted(namespace, name string) rbac.Change {
	c, meta := rbac.Change{Deleted: true}, metav1.ObjectMeta{Namespace: namespace, Name: name}
	switch k {
	case kindRole:
		c.Role = &rbacv1.Role{ObjectMeta: meta}
	case kindClusterRole:
		c.ClusterRole = &rbacv1.ClusterRole{ObjectMeta: meta}
	case kindRoleBinding:
		c.RoleBinding = &rbacv1.RoleBinding{ObjectMeta: meta}
	default:
		c.ClusterRoleBinding = &rbacv1.ClusterRoleBinding{ObjectMeta: meta}
	}
	return c
}

// metaOf returns the metadata of the object that changed.
func metaOf(c *rbac.Change) *metav1.ObjectMeta {
	switch {
	case c.Role != nil:
		return &c.Role.ObjectMeta
	case c.ClusterRole != nil:
		return &c.ClusterRole.ObjectMeta
	case c.RoleBinding != nil:
		return &c.RoleBinding.ObjectMeta
	default:
		return &c.ClusterRoleBinding.ObjectMeta
	}
}

// strip leaves of an object's metadata what a policy and its order of versions
// need. What goes (who manages which field, the configuration last applied) is
// often larger than the object itself.
func strip(o metav1.Object) {
	o.SetManagedFields(nil)
	o.SetAnnotations(nil)
	o.SetOwnerReferences(nil)
	o.SetFinalizers(nil)
	o.SetGenerateName("")
	o.SetSelfLink("")
	o.SetGeneration(0)
	o.SetCreationTimestamp(metav1.Time{})
	o.SetDeletionTimestamp(nil)
	o.SetDeletionGracePeriodSeconds(nil)
}

var errNoName = errors.New("has no metadata.name")

func checkRole(r *rbacv1.Role) error { return checkName(r.Name) }

// checkClusterRole refuses what would fail the building of a whole policy.
func checkClusterRole(r *rbacv1.ClusterRole) error {
	if err := checkName(r.Name); err != nil || r.AggregationRule == nil {
		return err
	}
	for i := range r.AggregationRule.ClusterRoleSelectors {
		if _, err := metav1.LabelSelectorAsSelector(&r.AggregationRule.ClusterRoleSelectors[i]); err != nil {
			return fmt.Errorf("%q: aggregationRule.clusterRoleSelectors[%d]: %w", r.Name, i, err)
		}
	}
	return nil
}

func checkName(name string) error {
	if name == "" {
		return errNoName
	}
	return nil
}

func checkRoleBinding(b *rbacv1.RoleBinding) error {
	if err := checkName(b.Name); err != nil {
		return err
	}
	if b.RoleRef.Kind != "Role" && b.RoleRef.Kind != "ClusterRole" || b.RoleRef.Name == "" {
		return fmt.Errorf("%q: roleRef must name a Role or a ClusterRole, names %s %q",
			b.Name, b.RoleRef.Kind, b.RoleRef.Name)
	}
	return nil
}

func checkClusterRoleBinding(b *rbacv1.ClusterRoleBinding) error {
	if err := checkName(b.Name); err != nil {
		return err
	}
	if b.RoleRef.Kind != "ClusterRole" || b.RoleRef.Name == "" {
		return fmt.Errorf("%q: roleRef must name a ClusterRole, names %s %q",
			b.Name, b.RoleRef.Kind, b.RoleRef.Name)
	}
	return nil
}
