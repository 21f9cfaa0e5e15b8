// Package policy brings RBAC objects from where they are to where roles are
// resolved (fingerprint/rbac). There are three sources:
//
//   - [Files]: manifests on disk, and what `kubectl get roles,rolebindings,… -A
//     -o yaml` prints. They are looked at while running. [LoadFiles] reads them
//     once.
//   - [Cluster]: a Kubernetes cluster, watched.
//   - [FromEvent]: the audit log itself, where it carries the objects written.
//
// # Who wins
//
// A source tells what has changed in its own view, object by object, and does
// not know of the others; they are merged by applying all changes to one
// [rbac.Set]. So of two sources that know an object (by kind, namespace and name)
// the one that spoke last is believed, with one exception: an object whose
// resourceVersion is lower than that of the one held is an older version of it
// and is ignored. A source that deletes an object deletes it for all: it was told
// that it is gone. Where files describe the cluster that is watched, the cluster
// corrects them at once; an object that only the files have stays.
//
// A deletion has no version. The audit log comes later than a watch, and a
// deletion in it may be of an object that has been made anew since: whoever
// watches a cluster does not use [FromEvent] for it.
//
// # What a cluster must allow
//
// [Cluster] acts with the identity of its pod or kubeconfig, which needs
//
//	apiVersion: rbac.authorization.k8s.io/v1
//	kind: ClusterRole
//	metadata: {name: logcluster}
//	rules:
//	- apiGroups: [rbac.authorization.k8s.io]
//	  resources: [roles, clusterroles, rolebindings, clusterrolebindings]
//	  verbs: [get, list, watch]
//
// bound by a ClusterRoleBinding. It reads nothing else and writes nothing.
package policy
