# shellcheck shell=bash
#
# Every port of the end-to-end stack. They keep away from the defaults of the
# servers, which a developer may be running, and each can be set in the
# environment. Sourced by stack.sh; all of them listen on 127.0.0.1 only.

: "${LOGCLUSTER_PORT:=18080}" # logcluster itself, which Prometheus scrapes

: "${STACK_KAFKA_PORT:=19092}"
: "${STACK_KAFKA_CONTROLLER_PORT:=19094}" # internal
: "${STACK_LOKI_PORT:=13100}"
: "${STACK_LOKI_GRPC_PORT:=19095}" # internal
: "${STACK_ALERTMANAGER_PORT:=19093}"
: "${STACK_ALERTMANAGER2_PORT:=19193}"
: "${STACK_PROMETHEUS_PORT:=19090}"

: "${STACK_ETCD_PORT:=12379}"
: "${STACK_ETCD_PEER_PORT:=12380}" # internal
: "${STACK_KUBE_APISERVER_PORT:=16443}"
: "${STACK_KUBE_CONTROLLER_MANAGER_PORT:=20257}"
