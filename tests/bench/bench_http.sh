#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bench_http.sh: requests a second over HTTP, as ratios of one run on one machine (make bench-http). Measured in turn, ROUNDS
# times, by wrk with one thread and 64 connections and prepared requests:
#
#   bare    a libmicrohttpd handler that answers a constant: what HTTP alone can do with these requests
#   kvstored  durable SET of random keys, GET of random keys
#   webdis  over redis-server with appendfsync always (left out where they are not installed)
#
# Environment: KEYS (1000000), ROUNDS (3), SECONDS_EACH (5), FORM (query: value in the query; body), BENCH_DIR (where all data
# lies; one file system for all), KV_SETTINGS (more lines of kvstored.conf). Answers that are not 2xx end it with 1.
set -u
LC_ALL=C
export LC_ALL KEYS=${KEYS:-1000000}
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-5} form=${FORM:-query}
here=${top_srcdir:?}/tests/bench built=${top_builddir:?}/tests/bench
base=$(mktemp -d "${BENCH_DIR:-$top_builddir}/bench-http.XXXXXX") || exit 1
connections=64
started=()

cleanup() {
	local code=$?
	trap - EXIT INT TERM
	[ ${#started[@]} = 0 ] || kill -KILL "${started[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$base"
	exit $code
}
trap cleanup EXIT
trap 'exit 1' INT TERM

die() {
	echo "bench_http: $*" >&2
	exit 1
}

free_port() {
	local port
	for port in $(shuf -n 20 -i 20000-32000); do
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	die "no free port"
}

# wait_for URL: until it is answered.
wait_for() {
	curl -q -s -o /dev/null --retry 300 --retry-delay 0 --retry-connrefused --retry-max-time 60 -m 60 "$1" ||
		die "no answer from $1"
}

# ---- the parties ----

start_bare() {
	bare_port=$(free_port)
	"$built/bare_mhd" "$bare_port" >"$base/bare.log" 2>&1 &
	bare_pid=$!
	started+=($!)
	wait_for "http://127.0.0.1:$bare_port/get?key=k"
}

start_kvstored() {
	kv_port=$(free_port)
	cat >"$base/kvstored.conf" <<-END
		listen = {"127.0.0.1"}
		port = $kv_port
		data_dir = "$base/kvstored"
		logfile = ""
		pidfile = ""
		user = ""
		durability = "commit"
		${KV_SETTINGS:-}
	END
	"${KVSTORED:?}" -f -c "$base/kvstored.conf" >"$base/kvstored.log" 2>&1 &
	kv_pid=$!
	started+=($!)
	wait_for "http://127.0.0.1:$kv_port/readyz"
	echo "---- kvstored.conf"
	cat "$base/kvstored.conf"
	"$built/preload" "$kv_port" "$KEYS" || die "cannot fill kvstored"
}

start_webdis() {
	local redis_port
	webdis_port=
	if ! command -v redis-server >/dev/null || ! command -v webdis >/dev/null; then
		echo "left out: webdis over redis (redis-server or webdis is not installed)"
		return
	fi
	redis_port=$(free_port)
	webdis_port=$(free_port)
	mkdir "$base/redis"
	cat >"$base/redis.conf" <<-END
		bind 127.0.0.1
		port $redis_port
		dir $base/redis
		daemonize no
		save ""
		appendonly yes
		appendfsync everysec
		auto-aof-rewrite-percentage 0
	END
	cat >"$base/webdis.json" <<-END
		{ "redis_host": "127.0.0.1", "redis_port": $redis_port, "http_host": "127.0.0.1", "http_port": $webdis_port,
		  "threads": 2, "daemonize": false, "database": 0, "verbosity": 1, "logfile": "$base/webdis.log" }
	END
	redis-server "$base/redis.conf" >"$base/redis.log" 2>&1 &
	webdis_pids=($!)
	started+=($!)
	local tries=0
	until redis-cli -p "$redis_port" ping >/dev/null 2>&1; do
		[ $((tries += 1)) -lt 200 ] || die "redis-server does not start: $(tail -n 3 "$base/redis.log")"
	done
	awk -v n="$KEYS" 'BEGIN { for (i = 0; i < 100; i++) v = v sprintf("%c", 97 + i * 7 % 26)
		for (i = 0; i < n; i++) printf "SET k%015d %s\r\n", i, v }' |
		redis-cli -p "$redis_port" --pipe >/dev/null || die "cannot fill redis"
	redis-cli -p "$redis_port" config set appendfsync always >/dev/null || die "no appendfsync always"
	webdis "$base/webdis.json" >/dev/null 2>&1 &
	webdis_pids+=($!)
	started+=($!)
	wait_for "http://127.0.0.1:$webdis_port/PING"
	echo "---- redis.conf (appendfsync is set to always once the keys are there)"
	cat "$base/redis.conf"
	echo "---- webdis.json"
	cat "$base/webdis.json"
}

# ---- measuring ----

# cpu_ticks PID...: processor time that they have used, in hundredths of a second.
cpu_ticks() {
	local pid
	for pid; do sed 's/.*) //' "/proc/$pid/stat"; done | awk '{ n += $12 + $13 } END { print n }'
}

# measure NAME REQUEST PORT PID...: one run of wrk; adds the requests a second to $base/NAME. The processor time a request
# of the processes shows what the noise of a busy machine hides.
measure() {
	local out rate before after
	before=$(cpu_ticks "${@:4}")
	out=$(REQUEST=$2 SEED=$((round * 1000 + $3)) wrk -t1 -c$connections -d"${seconds}s" --latency \
		-s "$here/requests.lua" "http://127.0.0.1:$3/") || die "wrk failed: $out"
	after=$(cpu_ticks "${@:4}")
	rate=$(awk '/^Requests\/sec:/ { print $2 }' <<<"$out")
	if grep -E 'Non-2xx|Socket errors' <<<"$out"; then die "$1: wrong answers"; fi
	echo "$rate" >>"$base/$1"
	printf '  round %d  %-13s %10.0f requests/s  median %s, 99%% %s, %s us of processor a request\n' "$round" "$1" "$rate" \
		"$(awk '$1 == "50%" { print $2 }' <<<"$out")" "$(awk '$1 == "99%" { print $2 }' <<<"$out")" \
		"$(awk -v t=$((after - before)) '/ requests in / { printf("%.1f", t * 10000 / $1) }' <<<"$out")"
}

# median: of the numbers on standard input.
median() {
	sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# ratio NAME NAME TARGET TEXT: the median over the rounds of the ratio within a round, so that a load that comes and goes weighs
# on both alike.
ratio() {
	[ -s "$base/$1" ] && [ -s "$base/$2" ] || return
	paste "$base/$1" "$base/$2" | awk '{ print $1 / $2 }' | sort -g >"$base/ratios"
	awk -v r="$(median <"$base/ratios")" -v least="$(head -n 1 "$base/ratios")" -v most="$(tail -n 1 "$base/ratios")" \
		-v t="$3" -v text="$4" 'BEGIN {
		printf("%-45s %.2f  (%.2f to %.2f; to reach: %s %s)  %s\n", text, r, least, most,
			t == 1 ? "above" : "at least", t, (r >= t ? "reached" : "MISSED")) }'
}

describe() {
	echo "commit $(git -C "$top_srcdir" describe --always --dirty 2>/dev/null || echo unknown), $(uname -srm), $(nproc) processors"
	echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); data on $(df --output=fstype "$base" | tail -n 1)"
	echo "$("$KVSTORED" --version | head -n 1); $(wrk --version 2>&1 | head -n 1)"
	dpkg-query -W -f '${Package} ${Version}\n' libmicrohttpd12 redis-server webdis 2>/dev/null
	echo "wrk -t1 -c$connections -d${seconds}s, $rounds rounds, $KEYS keys of 16 bytes, values of 100 bytes, SET with the value in the $form"
}

[ "$form" = query ] || [ "$form" = body ] || die "FORM is query or body"
command -v wrk >/dev/null || { echo "skipped: wrk is not installed"; exit 77; }
set_request=set webdis_request=webdis_set
[ "$form" = query ] || set_request=put webdis_request=webdis_put
describe
start_bare
start_kvstored
start_webdis
for ((round = 1; round <= rounds; round++)); do
	measure bare_set $set_request "$bare_port" "$bare_pid"
	measure kvstored_set $set_request "$kv_port" "$kv_pid"
	[ -z "$webdis_port" ] || measure webdis_set $webdis_request "$webdis_port" "${webdis_pids[@]}"
	measure bare_get get "$bare_port" "$bare_pid"
	measure kvstored_get get "$kv_port" "$kv_pid"
	[ -z "$webdis_port" ] || measure webdis_get webdis_get "$webdis_port" "${webdis_pids[@]}"
done
echo "---- medians (least to most) of $rounds rounds, requests/s"
for name in bare_set kvstored_set webdis_set bare_get kvstored_get webdis_get; do
	[ -s "$base/$name" ] && printf '%-14s %10.0f  (%.0f to %.0f)\n' "$name" "$(median <"$base/$name")" \
		"$(sort -g "$base/$name" | head -n 1)" "$(sort -g "$base/$name" | tail -n 1)"
done
ratio kvstored_set bare_set 0.5 "durable SET / bare SET"
ratio kvstored_set webdis_set 1 "durable SET / webdis SET (appendfsync always)"
ratio kvstored_get bare_get 0.8 "GET / bare GET"
exit 0
