#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bench_http.sh: requests a second, processor time of the server a request, and latency over HTTP, as ratios of one run on one
# machine (make bench-http). Measured in turn, ROUNDS times, for GET and durable SET of random keys with 100-byte values:
#
#   bare      a libmicrohttpd handler that answers a constant: what HTTP alone can do with these requests
#   kvstored  every SET is on stable storage before its answer
#   before    another kvstored: the program BEFORE, of an earlier commit, say
#   nginx     answers a constant (GET only)
#   redis     RESP by redis-benchmark, not HTTP; appendfsync always
#   webdis    HTTP over that redis
#   etcd      its HTTP gateway, /v3/kv/put and a serializable /v3/kv/range; up to 64 connections
#
# Environment: PARTIES (all; a list of the names above), CONNECTIONS ("1 16 64 256"), ROUNDS (3), SECONDS_EACH (4), KEYS
# (1000000), ETCD_KEYS (10000), FORM (query: value in the query; body), DIR (where all data lie; one file system for all),
# KV_SETTINGS (more lines of kvstored.conf), BEFORE (a program), NO_WEBDIS=1 (only bare, kvstored and before), RESULTS (where
# the results go). About ten minutes; ROUNDS=1 or CONNECTIONS=64 make it three. A wrong answer of bare, kvstored or before
# ends it with 1; a peer's leaves out that measurement.
set -u
. "${top_srcdir:?}/tests/bench/bench_lib.sh"
export KEYS=${KEYS:-1000000}
ETCD_KEYS=${ETCD_KEYS:-10000}
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-4} form=${FORM:-query} connections=${CONNECTIONS:-1 16 64 256}
parties=${PARTIES:-bare kvstored before nginx redis webdis etcd}
[ -z "${NO_WEBDIS:-}" ] || parties='bare kvstored before'
[ "$form" = query ] || [ "$form" = body ] || die "FORM is query or body"
command -v wrk >/dev/null || { echo "skipped: wrk is not installed"; exit 77; }
base=$(mktemp -d "${DIR:-${BENCH_DIR:-$top_builddir}}/bench-http.XXXXXX") || exit 1
csv=$results/http.csv
. "$here/bench_http_parties.sh"

cleanup() {
	local code=$?
	trap - EXIT INT TERM
	[ ${#started[@]} = 0 ] || kill -KILL "${started[@]}" 2>/dev/null
	# the workers of a killed nginx go by themselves; they are told, too
	# shellcheck disable=SC2086
	[ -z "${pids[nginx]:-}" ] || kill -KILL ${pids[nginx]} 2>/dev/null
	wait 2>/dev/null
	rm -rf "$base"
	exit $code
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# cpu_ticks PID...: processor time that they have used, in hundredths of a second.
cpu_ticks() {
	local pid
	for pid; do sed 's/.*) //' "/proc/$pid/stat"; done | awk '{ n += $12 + $13 } END { print n }'
}

# wrk_run PARTY REQUEST CONNECTIONS: prints requests, seconds, errors, p50 and p99 in microseconds.
wrk_run() {
	local request=$2 keys=$KEYS out
	[ "$2" = get ] || [ "$form" = query ] || request=put
	case $1 in
	webdis) request=webdis_$request ;;
	etcd) request=etcd_$2 keys=$ETCD_KEYS ;;
	esac
	out=$(KEYS=$keys REQUEST=$request SEED=$((round * 1000 + $3)) wrk -t1 -c"$3" -d"${seconds}s" --latency \
		-s "$here/requests.lua" "http://127.0.0.1:${port[$1]}/") || die "wrk failed: $out"
	awk '$1 == "RESULT" { print $2, $3 / 1e6, $4, $5, $6 }' <<<"$out"
}

# redis_run PARTY REQUEST CONNECTIONS: the same by redis-benchmark, which wants to know how many requests: a short run tells.
redis_run() {
	local count=$(($3 * 50 + 500)) command=(GET k000__rand_int__) out
	[ "$2" = get ] || command=(SET k000__rand_int__ "$(printf 'x%.0s' {1..100})")
	if [ -z "${redis_rate[$2 $3]:-}" ]; then
		out=$(redis-benchmark -p "${port[redis]}" -c "$3" -n "$count" -r "$KEYS" --csv "${command[@]}") || die "redis-benchmark failed"
		redis_rate[$2 $3]=$(awk -F '","' 'END { print int($2) + 1 }' <<<"$out")
		ticks=$(cpu_ticks ${pids[redis]})
	fi
	count=${redis_rate[$2 $3]}
	count=$((count * seconds))
	out=$(redis-benchmark -p "${port[redis]}" -c "$3" -n "$count" -r "$KEYS" --csv "${command[@]}") || die "redis-benchmark failed"
	redis_rate[$2 $3]=$(awk -F '","' 'END { print int($2) + 1 }' <<<"$out")
	awk -F '","' -v n="$count" 'END { printf("%d %.6f 0 %.0f %.0f\n", n, n / $2, $5 * 1000, $7 * 1000) }' <<<"$out"
}

# measure PARTY REQUEST CONNECTIONS: one run; a line of the CSV. The processor time a request of the server's processes shows
# what the noise of a busy machine hides.
measure() {
	local run=wrk_run result
	[ "$1" != redis ] || run=redis_run
	# shellcheck disable=SC2086
	ticks=$(cpu_ticks ${pids[$1]})
	$run "$@" >"$base/result" || exit 1
	# shellcheck disable=SC2086
	ticks=$(($(cpu_ticks ${pids[$1]}) - ticks))
	result=$(awk -v t=$ticks 'NF == 5 && $1 > 0 && $3 == 0 { printf("%.0f,%.2f,%s,%s", $1 / $2, t * 10000 / $1, $4, $5) }' "$base/result")
	if [ -z "$result" ]; then
		case $1 in
		bare | kvstored | before) die "$1 $2, $3 connections: wrong answers: $(cat "$base/result")" ;;
		esac
		echo "left out: $1 $2, $3 connections, round $round: wrong answers or timeouts: $(cat "$base/result")"
		return
	fi
	echo "$1,$2,$3,$round,$result" >>"$csv"
	awk -F , -v a="$1 $2" -v c="$3" '{ printf("  round %d  %-13s %3d connections %10d requests/s  p50 %6d us  p99 %7d us  %6.2f us of processor a request\n",
		$4, a, c, $5, $7, $8, $6) }' <<<"$1,$2,$3,$round,$result"
}

# wanted PARTY REQUEST CONNECTIONS
wanted() {
	[ -n "${port[$1]:-}" ] || return 1
	case $1,$2,$3 in
	nginx,set,* | etcd,*,256) return 1 ;;
	esac
}

describe() {
	describe_machine "$base"
	fact kvstored "$("$KVSTORED" --version | head -n 1)"
	package_facts libmicrohttpd12 libmicrohttpd12t64 nginx nginx-light redis-server webdis etcd-server
	fact wrk "$(wrk --version 2>&1 | awk 'NR == 1 { print $2 }'), one thread, ${seconds} s each, $rounds rounds"
	fact requests "$KEYS keys of 16 bytes, values of 100 bytes, keys at random, the value of a SET in the $form"
	fact 'bare: how' "epoll, a pool of $(nproc) threads, answers a constant; SET: the same request, nothing is stored"
	fact 'kvstored: how' "defaults, durability = commit: fdatasync of the log before the answer, one for all that wait${KV_SETTINGS:+; $KV_SETTINGS}"
	[ -z "${BEFORE:-}" ] || fact 'before: how' "$("$BEFORE" --version | head -n 1), with the same options"
	[ -z "${port[nginx]:-}" ] || fact 'nginx: how' 'a constant of 100 bytes by return, access_log off, worker_processes auto; GET only'
	[ -z "${port[redis]:-}" ] || fact 'redis: how' 'RESP by redis-benchmark (one thread, no pipelining), not HTTP; appendonly yes, appendfsync always: fdatasync before the answer, one for each round of its event loop'
	[ -z "${port[webdis]:-}" ] || fact 'webdis: how' 'HTTP over the same redis, 2 threads; processor time of both'
	[ -z "${port[etcd]:-}" ] || fact 'etcd: how' "one member, $ETCD_KEYS keys, HTTP gateway: put (fdatasync of its log before the answer), serializable range; to 64 connections"
}

report() {
	local request
	awk -v prefix=http -v by=party,request,connections -f "$here/figures/csv_long.awk" "$csv" >"$base/long"
	for request in get set; do
		printf '\n%s, median (least to most) of %s rounds\n\n' "$([ $request = get ] && echo GET || echo 'Durable SET')" "$rounds"
		awk -v request=$request -f "$here/figures/stats.awk" -f "$here/figures/http_table.awk" "$base/long" |
			awk -f "$here/figures/align.awk"
	done
	bash "$here/figures/goals.sh" http
}

for party in $parties; do
	type "start_$party" >/dev/null 2>&1 || die "no such party: $party"
done
case " $parties " in *' webdis '*) case " $parties " in *' redis '*) ;; *) parties="redis $parties" ;; esac ;; esac
refuse_memory_disk "$base"
declare -A redis_rate=()
for party in $parties; do "start_$party"; done
describe >"$results/http.facts"
show_facts "$results/http.facts"
echo party,request,connections,round,requests_per_s,cpu_us,p50_us,p99_us >"$csv"
for ((round = 1; round <= rounds; round++)); do
	for count in $connections; do
		for request in set get; do
			for party in $parties; do
				if wanted "$party" $request "$count"; then measure "$party" $request "$count"; fi
			done
		done
	done
done
report | tee "$results/http.txt"
bash "$here/plot_http.sh"
exit 0
