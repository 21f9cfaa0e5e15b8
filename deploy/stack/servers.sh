# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with stack.sh
#
# What differs between the servers of the stack: how each is built, configured,
# started and asked whether it is ready. stack.sh holds what they share, and
# sets the variables that are used here:
#
#   here   the folder of these scripts
#   cache  where everything is put that git must not see

readonly default_servers="kafka loki alertmanager prometheus"
readonly all_servers="$default_servers alertmanager2"

# What builds leave out: the service discoveries of some twenty clouds, which
# are most of Prometheus' dependencies. Static targets remain.
readonly prometheus_tags=remove_all_sd

# component SERVER: the folder that pins and configures it. alertmanager2 is a
# second instance of the same program.
component() {
	echo "${1%2}"
}

# port SERVER: the one that clients use.
port() {
	case $1 in
	kafka) echo "$STACK_KAFKA_PORT" ;;
	loki) echo "$STACK_LOKI_PORT" ;;
	alertmanager) echo "$STACK_ALERTMANAGER_PORT" ;;
	alertmanager2) echo "$STACK_ALERTMANAGER2_PORT" ;;
	prometheus) echo "$STACK_PROMETHEUS_PORT" ;;
	esac
}

# ports SERVER: all that it listens on.
ports() {
	port "$1"
	case $1 in
	kafka) echo "$STACK_KAFKA_CONTROLLER_PORT" ;;
	loki) echo "$STACK_LOKI_GRPC_PORT" ;;
	esac
}

# address SERVER: what a client is given.
address() {
	case $1 in
	kafka) echo "127.0.0.1:$(port "$1")" ;;
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
	esac
}

# go_build COMPONENT TAGS LDFLAGS: builds the tools of the component's module.
go_build() {
	run_logged "$1" env CGO_ENABLED=0 GOWORK=off GOFLAGS= \
		go build -C "$here/$1" -mod=readonly -trimpath -buildvcs=false \
		-tags "$2" -ldflags "-s -w $3" -o "$cache/bin/" tool
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
	esac
}

# required_version COMPONENT MODULE: what the component's go.mod requires.
required_version() {
	sed -n -E "s|^(require)?[[:space:]]*$2 v([0-9.]+).*|\2|p" "$here/$1/go.mod"
}

# configs COMPONENT: the templates in its folder.
configs() {
	case $1 in
	kafka) echo server.properties log4j2.xml ;;
	loki) echo loki.yaml ;;
	alertmanager) echo alertmanager.yml ;;
	prometheus) echo prometheus.yml ;;
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
	esac
}

# prepare SERVER: what must happen once before the first start.
prepare() {
	if [[ $1 == kafka && ! -f $cache/data/kafka/meta.properties ]]; then
		set_kafka_java
		"${kafka_java[@]}" kafka.tools.StorageTool format --standalone \
			--cluster-id logcluster-e2e-stack-A --config "$cache/run/kafka/server.properties" \
			>"$cache/log/kafka-format.log" 2>&1 || fail_with_log kafka-format "could not be formatted"
	fi
}
