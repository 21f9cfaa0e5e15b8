# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with stack.sh
#
# What differs between the servers of the stack: how each is built, configured,
# started and asked whether it is ready. stack.sh holds what they share, and
# sets the variables that are used here:
#
#   here   the folder of these scripts
#   cache  where everything is put that git must not see

readonly default_servers="kafka loki alertmanager prometheus"
readonly kube_servers="etcd kube-apiserver kube-controller-manager"
readonly all_servers="$default_servers alertmanager2 $kube_servers"

# What builds leave out: the service discoveries of some twenty clouds, which
# are most of Prometheus' dependencies. Static targets remain.
readonly prometheus_tags=remove_all_sd

# component SERVER: the folder that pins and configures it. alertmanager2 is a
# second instance of the same program; Kubernetes' servers are one module.
component() {
	case $1 in
	kube-*) echo kubernetes ;;
	*) echo "${1%2}" ;;
	esac
}

# port SERVER: the one that clients use.
port() {
	case $1 in
	kafka) echo "$STACK_KAFKA_PORT" ;;
	loki) echo "$STACK_LOKI_PORT" ;;
	alertmanager) echo "$STACK_ALERTMANAGER_PORT" ;;
	alertmanager2) echo "$STACK_ALERTMANAGER2_PORT" ;;
	prometheus) echo "$STACK_PROMETHEUS_PORT" ;;
	etcd) echo "$STACK_ETCD_PORT" ;;
	kube-apiserver) echo "$STACK_KUBE_APISERVER_PORT" ;;
	kube-controller-manager) echo "$STACK_KUBE_CONTROLLER_MANAGER_PORT" ;;
	esac
}

# ports SERVER: all that it listens on.
ports() {
	port "$1"
	case $1 in
	kafka) echo "$STACK_KAFKA_CONTROLLER_PORT" ;;
	loki) echo "$STACK_LOKI_GRPC_PORT" ;;
	etcd) echo "$STACK_ETCD_PEER_PORT" ;;
	esac
}

# address SERVER: what a client is given.
address() {
	case $1 in
	kafka) echo "127.0.0.1:$(port "$1")" ;;
	kube-*) echo "https://127.0.0.1:$(port "$1")" ;;
	*) echo "http://127.0.0.1:$(port "$1")" ;;
	esac
}

# ready SERVER: succeeds when it answers. Called only while its process lives.
ready() {
	case $1 in
	# There is no HTTP to ask. The broker logs this line when the controller
	# has let it in, later than it opens its port.
	kafka) grep -q "Kafka Server started" "$cache/log/kafka.log" && listening "$(port kafka)" ;;
	loki) curl -fsS -m 2 -o /dev/null "$(address loki)/ready" 2>/dev/null ;;
	etcd) curl -fsS -m 2 -o /dev/null "$(address etcd)/health" 2>/dev/null ;;
	# Their certificates are their own; who checks them has the kubeconfig.
	kube-apiserver) curl -fsSk -m 2 -o /dev/null "$(address "$1")/readyz" 2>/dev/null ;;
	kube-controller-manager) curl -fsSk -m 2 -o /dev/null "$(address "$1")/healthz" 2>/dev/null ;;
	*) curl -fsS -m 2 -o /dev/null "$(address "$1")/-/ready" 2>/dev/null ;;
	esac
}

# pins COMPONENT: prints all that decides what is built. It is built again when
# this changes.
pins() {
	case $1 in
	kafka) cat "$here/kafka/pom.xml" ;;
	prometheus) cat "$here/prometheus/go.mod" "$here/prometheus/go.sum" && echo "$prometheus_tags" ;;
	*) cat "$here/$1/go.mod" "$here/$1/go.sum" ;;
	esac
}

# expectation COMPONENT: what a developer who waits wants to know.
expectation() {
	case $1 in
	kafka) echo "downloads about 45 MB of jars" ;;
	loki) echo "6 minutes on 2 idle cores with an empty Go cache, more on busy ones" ;;
	alertmanager) echo "1 minute on 2 idle cores with an empty Go cache" ;;
	prometheus) echo "3 minutes on 2 idle cores with an empty Go cache" ;;
	etcd) echo "1 minute on 2 idle cores with an empty Go cache" ;;
	kubernetes) echo "5 minutes on 2 idle cores with an empty Go cache, more on busy ones" ;;
	esac
}

# build COMPONENT: leaves programs in $cache/bin, Kafka's jars in $cache/kafka.
build() {
	local common="-X github.com/prometheus/common/version.Version"
	case $1 in
	kafka)
		# Into a new folder first: an interrupted download leaves no half set.
		rm -rf "$cache/kafka.new"
		run_logged kafka mvn -B -ntp -f "$here/kafka/pom.xml" dependency:copy-dependencies \
			-DincludeScope=runtime "-DoutputDirectory=$cache/kafka.new"
		rm -rf "$cache/kafka"
		mv "$cache/kafka.new" "$cache/kafka"
		;;
	loki) go_build loki "" "-X github.com/grafana/loki/v3/pkg/util/build.Version=$(version loki)" ;;
	alertmanager) go_build alertmanager "" "$common=$(version alertmanager)" ;;
	prometheus) go_build prometheus "$prometheus_tags" "$common=$(version prometheus)" ;;
	# By its module's name it would be called "server".
	etcd) go_build etcd "" "" etcd ;;
	kubernetes) go_build kubernetes "" "-X k8s.io/component-base/version.gitVersion=v$(version kubernetes)" ;;
	esac
}

# go_build COMPONENT TAGS LDFLAGS [NAME]: builds the tools of the component's
# module, the only one of them under another name.
go_build() {
	run_logged "$1" env CGO_ENABLED=0 GOWORK=off GOFLAGS= \
		go build -C "$here/$1" -mod=readonly -trimpath -buildvcs=false \
		-tags "$2" -ldflags "-s -w $3" -o "$cache/bin/${4-}" tool
}

# version COMPONENT: the pinned version as its server would say it. Prometheus
# numbers its module differently from its releases: v0.313.5 is 3.13.5.
version() {
	case $1 in
	kafka) sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/kafka/pom.xml" ;;
	loki) required_version loki github.com/grafana/loki/v3 ;;
	alertmanager) required_version alertmanager github.com/prometheus/alertmanager ;;
	prometheus)
		required_version prometheus github.com/prometheus/prometheus |
			sed -E 's|^0\.3([0-9]{2})\.|3.\1.|; s|^3\.0([0-9])\.|3.\1.|'
		;;
	etcd) required_version etcd go.etcd.io/etcd/server/v3 ;;
	kubernetes) required_version kubernetes k8s.io/kubernetes ;;
	esac
}

# required_version COMPONENT MODULE: what the component's go.mod requires.
required_version() {
	sed -n -E "s|^(require)?[[:space:]]*$2 v([0-9.]+).*|\2|p" "$here/$1/go.mod"
}

# configs SERVER: its templates in the folder of its component.
configs() {
	case $1 in
	kafka) echo server.properties log4j2.xml ;;
	loki) echo loki.yaml ;;
	alertmanager*) echo alertmanager.yml ;;
	prometheus) echo prometheus.yml ;;
	etcd) echo etcd.yaml ;;
	kube-apiserver) echo audit-policy.yaml users.csv ;;
	esac
}

# set_kafka_java: sets the array "kafka_java", the broker's JVM, to which a main
# class is added.
set_kafka_java() {
	kafka_java=(
		java -Xms256m "-Xmx${STACK_KAFKA_HEAP:-512m}" -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError
		-Djava.awt.headless=true "-Dlog4j2.configurationFile=file:$cache/run/kafka/log4j2.xml"
		-cp "$cache/kafka/*"
	)
}

# set_command SERVER: sets the array "command". Every one names a file in the
# server's run folder, by which process_of tells it from a stranger that was
# given the same process id.
set_command() {
	local run="$cache/run/$1" data="$cache/data/$1"
	case $1 in
	kafka)
		set_kafka_java
		command=("${kafka_java[@]}" kafka.Kafka "$run/server.properties")
		;;
	loki)
		command=("$cache/bin/loki" "-config.file=$run/loki.yaml")
		;;
	alertmanager | alertmanager2)
		# No cluster: two instances know nothing of each other, so that a
		# test sees what was sent to each of them.
		command=(
			"$cache/bin/alertmanager" "--config.file=$run/alertmanager.yml"
			"--storage.path=$data" "--web.listen-address=127.0.0.1:$(port "$1")"
			--cluster.listen-address=
		)
		;;
	prometheus)
		command=(
			"$cache/bin/prometheus" "--config.file=$run/prometheus.yml"
			"--storage.tsdb.path=$data" "--web.listen-address=127.0.0.1:$(port "$1")"
			--storage.tsdb.retention.time=1d --web.enable-lifecycle
		)
		;;
	etcd)
		command=("$cache/bin/etcd" "--config-file=$run/etcd.yaml")
		;;
	kube-apiserver) set_kube_apiserver "$run" "$data" ;;
	kube-controller-manager)
		# The one controller that has to do with RBAC: it writes the rules of
		# aggregated ClusterRoles.
		command=(
			"$cache/bin/kube-controller-manager" "--kubeconfig=$run/kubeconfig"
			--controllers=clusterrole-aggregation-controller --leader-elect=false
			--bind-address=127.0.0.1 "--secure-port=$(port "$1")" "--cert-dir=$data"
		)
		;;
	esac
}

# set_kube_apiserver RUN DATA: sets the array "command". The API server makes
# its own certificate, whose key also signs the tokens of service accounts.
set_kube_apiserver() {
	local run=$1 data=$2
	command=(
		"$cache/bin/kube-apiserver" "--etcd-servers=$(address etcd)"
		--bind-address=127.0.0.1 --advertise-address=127.0.0.1
		"--secure-port=$(port kube-apiserver)" "--cert-dir=$data"
		--service-cluster-ip-range=10.96.0.0/24 --endpoint-reconciler-type=none

		--authorization-mode=Node,RBAC "--token-auth-file=$data/tokens.csv"
		--service-account-issuer=https://stack.invalid
		"--service-account-key-file=$data/apiserver.key"
		"--service-account-signing-key-file=$data/apiserver.key"

		"--audit-policy-file=$run/audit-policy.yaml" "--audit-log-path=$data/audit.log"
		--audit-log-maxsize=1000 --audit-log-maxbackup=2

		# A test asks thousands of questions as fast as it can.
		--enable-priority-and-fairness=false
		# Also how long a stop waits for those who watch.
		--request-timeout=10s
	)
}

# prepare SERVER: what must be there before it starts.
prepare() {
	case $1 in
	kafka) prepare_kafka ;;
	kube-apiserver)
		running etcd || die "kube-apiserver needs etcd: deploy/stack/stack.sh up $kube_servers"
		prepare_tokens
		;;
	kube-controller-manager)
		[[ -f $cache/data/kube-apiserver/tokens.csv ]] ||
			die "$1 needs kube-apiserver: deploy/stack/stack.sh up $kube_servers"
		write_kubeconfig admin >"$cache/run/$1/kubeconfig"
		;;
	esac
}

# prepare_kafka: formats the storage, once.
prepare_kafka() {
	if [[ -f $cache/data/kafka/meta.properties ]]; then return; fi
	set_kafka_java
	"${kafka_java[@]}" kafka.tools.StorageTool format --standalone \
		--cluster-id logcluster-e2e-stack-A --config "$cache/run/kafka/server.properties" \
		>"$cache/log/kafka-format.log" 2>&1 || fail_with_log kafka-format "could not be formatted"
}

# prepare_tokens: gives every user of users.csv a random token, once, and writes
# the kubeconfig with which clients and tests come as any of them.
prepare_tokens() {
	local run="$cache/run/kube-apiserver" data="$cache/data/kube-apiserver" line
	(
		umask 077
		if [[ ! -f $data/tokens.csv ]]; then
			while read -r line; do
				printf '%s,%s\n' "$(head -c 32 /dev/urandom | digest)" "$line"
			done <"$run/users.csv" >"$data/tokens.csv"
		fi
		write_kubeconfig admin >"$run/kubeconfig"
	)
}

# write_kubeconfig USER: prints a kubeconfig in which every user of the stack has
# a context of the same name, and the user's own is the current one.
write_kubeconfig() {
	local data="$cache/data/kube-apiserver" token user rest
	printf '%s\n' "apiVersion: v1" "kind: Config" "current-context: $1" "clusters:" \
		"  - name: stack" "    cluster:" "      server: $(address kube-apiserver)" \
		"      certificate-authority: \"$data/apiserver.crt\"" "contexts:"
	while IFS=, read -r token user rest; do
		printf '  - {name: %s, context: {cluster: stack, user: %s}}\n' "$user" "$user"
	done <"$data/tokens.csv"
	printf 'users:\n'
	while IFS=, read -r token user rest; do
		printf '  - {name: %s, user: {token: %s}}\n' "$user" "$token"
	done <"$data/tokens.csv"
}
