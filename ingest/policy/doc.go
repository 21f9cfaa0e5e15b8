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
// A source tells what has changed in its own view, object by object (by kind,
// namespace and name), and does not know of the others. A watched cluster is the
// truth about the objects it has: files say nothing against it, in whichever order
// the two speak; an object that only the files have stays. Between files and the
// audit log the one that spoke last is believed, but an object in a file whose
// resourceVersion is lower than that of the one the log told is an older version of
// it and is ignored, and so is one in the log that is older than what is held.
// Within one source the order in which it speaks counts and no version: where a
// cluster is restored from a backup they go back. A source that deletes an object
// deletes it for all: it was told that it is gone.
//
// A deletion has no version. The audit log comes later than a watch, and a
// deletion in it may be of an object that has been made anew since: whoever
// watches a cluster does not use [FromEvent] for it, and what it told before is
// gone where the cluster does not have it.
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
