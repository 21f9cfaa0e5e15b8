#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR
#
# The end-to-end stack: real servers, started natively. See --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${LOGCLUSTER_CACHE:-$root/.cache/stack}
if [[ $cache != /* ]]; then cache=$PWD/$cache; fi

# shellcheck source=ports.sh
source "$here/ports.sh"
# shellcheck source=servers.sh
source "$here/servers.sh"

usage() {
	cat <<EOF
Usage: deploy/stack/stack.sh COMMAND [ARGUMENT...]

Runs the real servers that logcluster talks to, for end-to-end tests and for
trying things out: no containers, loopback only, every port set in ports.sh.

  up [SERVER...]           build what is missing, start, wait until ready.
                           Running it again changes nothing, except that a
                           server whose version or configuration has changed
                           is started anew.
  down [--wipe]            stop everything; --wipe also deletes the data
  status [SERVER...]       what runs where; exits 1 if one is not ready
  env                      print the addresses as shell exports
  logs [-f] [SERVER...]    the end of each log; -f follows
  start SERVER...          the same as up, for the end of an outage
  stop [--kill] SERVER...  take one away; --kill gives it no time to tidy up
  build [SERVER...]        only build, for instance to fill a CI cache

Servers: $default_servers
         and, when named, alertmanager2, a second instance that knows
         nothing of the first, and a Kubernetes API server with what it
         needs: $kube_servers

Try it:
  deploy/stack/stack.sh up                    # the first time takes a while
  eval "\$(deploy/stack/stack.sh env)"         # KAFKA_BROKERS, LOKI_URL, ...
  curl -fsS "\$LOKI_URL/ready"
  deploy/stack/stack.sh stop --kill kafka     # an outage
  deploy/stack/stack.sh start kafka           # and its end
  deploy/stack/stack.sh down --wipe

Environment:
  LOGCLUSTER_CACHE   where binaries, data and logs go; now
                     $cache
  LOGCLUSTER_PORT    where Prometheus finds logcluster; now $LOGCLUSTER_PORT
  STACK_*_PORT       see ports.sh
  STACK_KAFKA_HEAP   the broker's Java heap, by default 512m
  STACK_READY_LIMIT  seconds a server may take to become ready, by default 120
  STACK_NICE         niceness of the builds, by default 10

README.md beside this script has versions, sizes, times and the traps found.
EOF
}

say() { printf 'stack: %s\n' "$*"; }

die() {
	printf 'stack: %s\n' "$*" >&2
	exit 1
}

# misuse MESSAGE: the caller's fault, which has an exit code of its own.
misuse() {
	printf 'stack: %s; --help explains\n' "$*" >&2
	exit 2
}

# fail_with_log NAME MESSAGE: dies and shows why.
fail_with_log() {
	local log="$cache/log/$1.log"
	{
		printf 'stack: %s %s; the end of %s:\n' "$1" "$2" "$log"
		tail -n 40 "$log" 2>/dev/null | sed 's/^/  | /'
	} >&2
	exit 1
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || die "$tool is needed and not installed"
	done
}

# servers_from DEFAULTS NAME...: sets the array "servers".
servers_from() {
	local name
	read -r -a servers <<<"$1"
	shift
	if (($# > 0)); then servers=("$@"); fi
	for name in "${servers[@]}"; do
		[[ " $all_servers " == *" $name "* ]] || misuse "unknown server \"$name\", known are: $all_servers"
	done
}

# listening PORT: whether anybody accepts connections there.
listening() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Building ------------------------------------------------------------------

busy= # process id of the build that is running

# run_logged NAME COMMAND...: runs it with low priority, its output in a log,
# and a sign of life every half minute, because CI kills what is silent.
run_logged() {
	local name=$1 started=$SECONDS told=$SECONDS
	shift
	nice -n "${STACK_NICE:-10}" "$@" </dev/null >"$cache/log/build-$name.log" 2>&1 &
	busy=$!
	while kill -0 "$busy" 2>/dev/null; do
		sleep 0.5
		if ((SECONDS - told >= 30)); then
			told=$SECONDS
			say "  still building $name, $((SECONDS - started)) s"
		fi
	done
	local code=0
	wait "$busy" || code=$?
	busy=
	((code == 0)) || fail_with_log "build-$name" "ended with code $code"
	say "  built $name in $((SECONDS - started)) s"
}

# digest: one hash of what it reads. It takes git for that, because every
# developer has it, and sha256sum has another name on other systems.
digest() { git hash-object --stdin; }

# ensure_built SERVER: builds unless what is there came from the same pins.
ensure_built() {
	local name stamp want
	name=$(component "$1")
	stamp="$cache/stamp/$name"
	want=$(pins "$name" | digest)
	if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then return; fi
	case $name in
	kafka) need java mvn ;;
	*) need go ;;
	esac
	say "building $name $(version "$name"): $(expectation "$name")"
	build "$name"
	printf '%s\n' "$want" >"$stamp"
}

# Running -------------------------------------------------------------------

# process_of SERVER: prints the id of its process if that is alive and ours.
process_of() {
	local pid
	pid=$(cat "$cache/run/$1/pid" 2>/dev/null) || return 1
	[[ $(ps -ww -o args= -p "$pid" 2>/dev/null) == *"$cache/run/$1/"* ]] || return 1
	echo "$pid"
}

running() { process_of "$1" >/dev/null; }

# render SERVER: writes its configuration, with @NAMES@ replaced.
render() {
	local run="$cache/run/$1" file name script="" DATA="$cache/data/$1"
	for name in DATA LOGCLUSTER_PORT ${!STACK_@}; do
		# shellcheck disable=SC2001 # a set of characters, not one
		script+="s|@$name@|$(sed 's/[&|\\]/\\&/g' <<<"${!name}")|g;"
	done
	mkdir -p "$run" "$DATA"
	for file in $(configs "$1"); do
		sed "$script" "$here/$(component "$1")/$file" >"$run/$file"
	done
}

# launch_digest SERVER: changes when the server would be started differently.
launch_digest() {
	local file
	{
		printf '%s\n' "${command[@]}" "$(<"$cache/stamp/$(component "$1")")"
		for file in $(configs "$1"); do cat "$cache/run/$1/$file"; done
	} | digest
}

# start SERVER: starts it unless it already runs as it should.
start() {
	local run="$cache/run/$1" log="$cache/log/$1.log" number launch
	local -a command detach
	render "$1"
	set_command "$1"
	launch=$(launch_digest "$1")
	if running "$1"; then
		if [[ $(cat "$run/launch" 2>/dev/null) == "$launch" ]]; then return; fi
		say "$1 runs with another version or configuration, starting it anew"
		stop TERM "$1"
	fi
	for number in $(ports "$1"); do
		if listening "$number"; then
			die "port $number, which $1 needs, is in use by something that this script did not start; free it or choose another (ports.sh)"
		fi
	done
	prepare "$1"
	if [[ -f $log ]]; then mv "$log" "$log.1"; fi
	# A session of its own, so that the server outlives the shell, the make and
	# the CI step that started it, and holds none of their pipes open.
	detach=(nohup)
	if command -v setsid >/dev/null; then detach=(setsid); fi
	"${detach[@]}" "${command[@]}" </dev/null >"$log" 2>&1 9>&- &
	printf '%s\n' "$!" >"$run/pid"
	printf '%s\n' "$launch" >"$run/launch"
	disown
}

# wait_ready SERVER: returns when it is ready, dies when it never will be.
wait_ready() {
	local limit=${STACK_READY_LIMIT:-120} started=$SECONDS
	until ready "$1"; do
		running "$1" || fail_with_log "$1" "has died"
		((SECONDS - started < limit)) || fail_with_log "$1" "was not ready within $limit s"
		sleep 0.2
	done
	# Something else could have answered on the port.
	running "$1" || fail_with_log "$1" "has died"
	say "$1 $(version "$(component "$1")") is ready at $(address "$1") (process $(process_of "$1"))"
}

# stop SIGNAL SERVER...: signals all of them, then waits for each.
stop() {
	local signal=$1 name pid signalled=""
	shift
	for name; do
		if pid=$(process_of "$name"); then
			kill "-$signal" "$pid" 2>/dev/null || true
			signalled+=" $name:$pid"
		fi
	done
	for name in $signalled; do
		await_end "${name%:*}" "${name#*:}"
		rm -f "$cache/run/${name%:*}/pid"
		say "${name%:*} stopped"
	done
}

# await_end SERVER PID: returns when the signalled process has gone. A process
# that is being killed loses its command line, by which process_of knows it,
# before it gives back its ports; so this looks at the process itself. Z is one
# that has ended and that nobody has reaped, unless an l follows: of a JVM the
# first thread may have ended while others still hold the ports.
await_end() {
	local started=$SECONDS state
	while state=$(ps -o stat= -p "$2") && [[ $state != Z* || $state == *l* ]]; do
		if ((SECONDS - started >= 30)); then
			say "$1 ignores the signal, killing it"
			kill -KILL "$2" 2>/dev/null || true
		fi
		sleep 0.1
	done
}

# Commands ------------------------------------------------------------------

cmd_build() {
	local name
	servers_from "$default_servers" "$@"
	for name in "${servers[@]}"; do ensure_built "$name"; done
}

cmd_up() {
	local name begin=$SECONDS
	cmd_build "$@"
	need curl ps
	for name in "${servers[@]}"; do start "$name"; done
	for name in "${servers[@]}"; do wait_ready "$name"; done
	say "up after $((SECONDS - begin)) s; for the addresses: eval \"\$(deploy/stack/stack.sh env)\""
}

cmd_down() {
	local name wipe=
	if (($# > 0)); then
		[[ $# == 1 && $1 == --wipe ]] || misuse "down takes only --wipe"
		wipe=yes
	fi
	servers_from "$all_servers"
	stop TERM "${servers[@]}"
	if [[ $wipe ]]; then
		for name in "${servers[@]}"; do rm -rf "$cache/data/$name" "$cache/run/$name"; done
		say "data deleted"
	fi
	say "down"
}

cmd_stop() {
	local signal=TERM
	if [[ ${1-} == --kill ]]; then
		signal=KILL
		shift
	fi
	(($# > 0)) || misuse "stop needs the name of a server"
	servers_from "" "$@"
	stop "$signal" "${servers[@]}"
}

cmd_start() {
	(($# > 0)) || misuse "start needs the name of a server"
	cmd_up "$@"
}

cmd_status() {
	local name state pid code=0
	servers_from "$default_servers" "$@"
	if (($# == 0)); then
		for name in $all_servers; do
			if [[ " $default_servers " != *" $name "* ]] && running "$name"; then servers+=("$name"); fi
		done
	fi
	for name in "${servers[@]}"; do
		state=stopped pid=-
		if running "$name"; then
			pid=$(process_of "$name") state="not ready"
			if ready "$name"; then state=ready; fi
		fi
		[[ $state == ready ]] || code=1
		printf '%-24s %-10s %-8s %-8s %s\n' "$name" "$state" "$(version "$(component "$name")")" "$pid" "$(address "$name")"
	done
	return "$code"
}

cmd_env() {
	printf 'export %s=%s\n' \
		KAFKA_BROKERS "$(address kafka)" \
		LOKI_URL "$(address loki)" \
		ALERTMANAGER_URL "$(address alertmanager)" \
		ALERTMANAGER2_URL "$(address alertmanager2)" \
		PROMETHEUS_URL "$(address prometheus)" \
		LOGCLUSTER_PORT "$LOGCLUSTER_PORT"
	printf 'export %s=%q\n' \
		STACK_BIN "$cache/bin" \
		STACK_KUBECONFIG "$cache/run/kube-apiserver/kubeconfig" \
		STACK_AUDIT_LOG "$cache/data/kube-apiserver/audit.log"
}

cmd_logs() {
	local name
	local -a files=()
	if [[ ${1-} == -f ]]; then
		files=(-F)
		shift
	fi
	servers_from "$default_servers" "$@"
	for name in "${servers[@]}"; do
		if [[ -f $cache/log/$name.log ]]; then files+=("$cache/log/$name.log"); fi
	done
	((${#files[@]} > 0)) || die "no logs yet"
	tail -n 40 "${files[@]}"
}

main() {
	local name=${1-}
	case $name in
	-h | --help | help)
		usage
		return
		;;
	"") misuse "a command is needed" ;;
	env | status | logs) ;;
	up | down | start | stop | build)
		mkdir -p "$cache"/{bin,data,log,run,stamp}
		# Two at once would build everything twice, and fight over the ports.
		if command -v flock >/dev/null; then
			exec 9>"$cache/lock"
			flock -n 9 || {
				say "another stack.sh is at work, waiting for it"
				flock 9
			}
		fi
		trap 'if [[ $busy ]]; then kill "$busy" 2>/dev/null || true; fi' EXIT
		trap 'exit 130' INT TERM
		;;
	*) misuse "unknown command \"$name\"" ;;
	esac
	shift
	"cmd_$name" "$@"
}

main "$@"
