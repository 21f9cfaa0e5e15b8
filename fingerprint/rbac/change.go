package rbac

import rbacv1 "k8s.io/api/rbac/v1"

// Change is one RBAC object that was written or deleted: exactly one of the
// four is set. Of a deleted object only namespace and name count. It encodes
// to JSON and back without loss.
type Change struct {
	Deleted            bool                       `json:"deleted,omitempty"`
	Role               *rbacv1.Role               `json:"role,omitempty"`
	ClusterRole        *rbacv1.ClusterRole        `json:"cluster_role,omitempty"`
	RoleBinding        *rbacv1.RoleBinding        `json:"role_binding,omitempty"`
	ClusterRoleBinding *rbacv1.ClusterRoleBinding `json:"cluster_role_binding,omitempty"`
}
