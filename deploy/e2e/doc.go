// Package e2e tests the whole way with real servers: the program as it is
// shipped, a real Kafka that it reads from, and the Loki, Alertmanager and
// Prometheus that people would look at, each asked through its own API.
//
// The tests have the build tag e2e and want the servers' addresses in the
// environment, as deploy/stack/stack.sh env prints them; `make e2e` does all of
// it. Every test has topics, a group, a state and a stream in Loki of its own, so
// that it can be run again on servers that have seen it before.
//
// The tests with the build tag kube need a Kubernetes API server instead of these,
// and nothing else: the broker is in the test. `make e2e-kube` does all of it.
// There the real authorizer is the oracle of the role resolver, and the source
// of its policies.
//
//	LOGCLUSTER_BIN         the program; by default ../../bin/logcluster
//	LOGCLUSTER_E2E_OUTAGE  how long the outage lasts; by default 2m
//	LOGCLUSTER_E2E_SEED    makes the random cluster of the tests kube again
package e2e
