#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the machine may do to the daemon: take its memory, stop it for a while, set its clock, move its log away under load. Answers or closed
# connections, no data lost, no spinning. (Descriptors: descriptors.sh; slow and many clients: crowds; odd files: odd_places.sh, pidfile.sh;
# storms of signals: signals.sh.) With KV_LONG=1 it is stopped for a minute, and the log is moved 1000 times.
. "${top_srcdir:?}/tests/integration/lib.sh"

status_of() {
	sed -n "s/^$1:[[:space:]]*\([0-9]*\).*/\1/p" "/proc/$PID/status"
}

# Processor time so far, in ticks.
ticks() {
	local fields
	fields=$(sed 's/.*) //' "/proc/$PID/stat")
	# shellcheck disable=SC2086
	set -- $fields
	echo $((${12} + ${13}))
}

memory_runs_out() {
	local n client clients=() before
	[ -z "$SANITIZED" ] || return 0 # a sanitizer's own memory counts as well
	write_config 'memtable_size = 64K' 'max_value_size = 64M' 'blob_threshold = 128M' 'max_batch_size = 64M'
	start_foreground
	expect_http 201 PUT /v1/kv/first -d 1
	head -c 12000000 /dev/zero >"$DIR/large"
	prlimit --pid "$PID" --as=$((($(status_of VmSize) + 40000) * 1024)): || fail "cannot set the limit"
	for n in {1..12}; do
		(
			code=$(curl -q -s -m 60 -o /dev/null -w '%{http_code}' -X PUT -T "$DIR/large" "$URL/v1/kv/large$n")
			[ $? != 28 ] || code=late
			echo "$code" >"$DIR/code.$n"
		) &
		clients+=($!)
	done
	for client in "${clients[@]}"; do wait "$client"; done
	sort "$DIR"/code.* | uniq -c
	grep -qvE '^(201|503|507|000)$' "$DIR"/code.* && fail "an answer that tells nothing"
	grep -qE '^(503|000)$' "$DIR"/code.* || fail "memory was enough for all: this is no test"
	# nothing spins on what cannot be had: two hundred answers cost less than the time of a busy loop
	before=$(ticks)
	for n in {1..200}; do expect_http 200 GET /readyz; done
	[ $(($(ticks) - before)) -lt 200 ] || fail "it spins"
	expect_http 200 GET /v1/kv/first
	prlimit --pid "$PID" --as=unlimited:
	expect_http 201 PUT /v1/kv/second -d 2
	for n in {1..12}; do
		[ "$(<"$DIR/code.$n")" = 201 ] && expect_http 200 GET "/v1/kv/large$n" && { cmp -s "$BODY" "$DIR/large" || fail "large$n has changed"; }
	done
	kill_daemon
	start_foreground
	expect_http 200 GET /v1/kv/second
	for n in {1..12}; do
		[ "$(<"$DIR/code.$n")" = 201 ] && expect_http 200 GET "/v1/kv/large$n" && { cmp -s "$BODY" "$DIR/large" || fail "large$n is lost"; }
	done
	stop_daemon
}

wait_for_state() {
	until [ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$PID/status")" = "$1" ]; do :; done
}

it_is_stopped_for_a_while() {
	local client n
	write_config 'flush_interval = 1'
	start_foreground
	expect_http 201 PUT /v1/kv/a -d 1
	exec {client}<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'PUT /v1/kv/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n2' >&"$client"
	kill -STOP "$PID"
	wait_for_state T
	printf '2' >&"$client"
	for n in {1..5}; do curl -q -s -m 100 -o "$DIR/stopped.$n" -w '%{http_code}' "$URL/v1/kv/a" >"$DIR/stopped.code.$n" & done
	[ -z "${KV_LONG:-}" ] || sleep 60
	kill -CONT "$PID"
	for n in {1..5}; do wait -n; done
	expect_equal "$(cat "$DIR"/stopped.code.*)" 200200200200200 "the answers after the stop"
	IFS= read -r -t 60 line <&"$client"
	# after a minute a client that has not finished its request may have been closed, but never answered wrongly
	case $line in
	*' 201 '*) expect_http 200 GET /v1/kv/b && expect_body 22 ;;
	*' 408 '* | '') [ -n "${KV_LONG:-}" ] || fail "the request that was under way got '$line'" ;;
	*) fail "the request that was under way got '$line'" ;;
	esac
	exec {client}<&-
	kill -STOP "$PID"
	wait_for_state T
	kill -TERM "$PID"
	kill -CONT "$PID"
	wait "$PID"
	expect_equal $? 0 "the exit status after SIGTERM while it was stopped"
	wait_gone
	start_foreground
	expect_http 200 GET /v1/kv/a
	stop_daemon
}

# set_clock SECONDS: how far the daemon's wall clock is from the machine's.
set_clock() {
	local hex n
	hex=$(printf %016x "$1")
	for n in 14 12 10 8 6 4 2 0; do printf "\\x${hex:n:2}"; done | dd of="$DIR/shift" conv=notrunc status=none
}

the_clock_is_set() {
	local day=86400 client
	[ -z "$SANITIZED" ] || return 0 # a sanitizer must be loaded first
	printf '\001\002\003\004\005\006\007\010' | od -An -td8 | grep -q 578437695752307201 || return 0 # for set_clock: low bytes first
	head -c 8 /dev/zero >"$DIR/shift"
	write_config 'flush_interval = 1' 'scrub_interval = 1000'
	export CLOCKSHIFT=$DIR/shift LD_PRELOAD=${top_builddir:?}/tests/integration/clockshift.so
	start_foreground
	unset LD_PRELOAD
	expect_http 201 PUT /v1/kv/stays -d 1
	expect_http 201 PUT "/v1/kv/hour?ttl=1h" -d 2
	expect_http 201 PUT "/v1/kv/month?ttl=30d" -d 3
	exec {client}<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'GET /v1/kv/stays HTTP/1.1\r\nHost: localhost\r\n' >&"$client"

	set_clock $day # what ends within a day has ended; a connection has not been idle for a day
	expect_http 404 GET /v1/kv/hour
	expect_http 200 GET /v1/kv/month
	expect_http 200 GET /v1/kv/stays
	printf '\r\n' >&"$client"
	IFS= read -r -t 60 line <&"$client"
	[[ $line = *' 200 '* ]] || fail "a connection that was open got '$line'"
	exec {client}<&-
	expect_http 200 POST /v1/admin/flush
	expect_http 200 POST /v1/admin/compact
	expect_http 404 GET /v1/kv/hour

	set_clock -$day # time stands still; what has ended stays ended
	expect_http 404 GET /v1/kv/hour
	expect_http 201 PUT /v1/kv/later -d 4
	expect_http 201 PUT "/v1/kv/soon?ttl=1h" -d 5
	expect_http 200 GET /v1/kv/soon
	expect_http 200 POST /v1/admin/compact
	expect_http 200 GET /v1/kv/month
	kill_daemon

	export LD_PRELOAD=${top_builddir:?}/tests/integration/clockshift.so # a start in the past
	start_foreground
	unset LD_PRELOAD
	expect_http 200 GET /v1/kv/stays
	expect_http 200 GET /v1/kv/later
	expect_http 200 GET /v1/kv/month
	expect_http 404 GET /v1/kv/hour # it was compacted away
	stop_daemon
	unset CLOCKSHIFT
}

# Each get of a damaged key writes a line, so that the lines can be counted.
the_log_is_moved_under_load() {
	local n rounds=100 table loads=() wanted=0
	[ -z "${KV_LONG:-}" ] || rounds=1000
	write_config 'scrub_interval = 0' 'block_cache_size = 0'
	start_foreground
	expect_http 201 PUT /v1/kv/bad -d 1
	expect_http 200 POST /v1/admin/flush
	stop_daemon
	table=$(ls "$DATA"/*.sst | tail -n 1)
	printf '\xff' | dd of="$table" bs=1 seek=20 count=1 conv=notrunc status=none
	rm -f "$LOG" "$LOG".*
	start_foreground
	expect_http 500 GET /v1/kv/bad
	: >"$DIR/counted"
	for n in 1 2 3; do
		(
			answered=0
			while [ ! -e "$DIR/enough" ]; do
				[ "$(curl -q -s -m 60 -o /dev/null -w '%{http_code}' "$URL/v1/kv/bad")" != 500 ] || answered=$((answered + 1))
			done
			echo $answered >>"$DIR/counted"
		) &
		loads+=($!)
	done
	for ((n = 0; n < rounds; n++)); do
		mv "$LOG" "$LOG.$n" 2>/dev/null
		kill -HUP "$PID"
		until [ -e "$LOG" ]; do :; done
	done
	: >"$DIR/enough"
	for n in "${loads[@]}"; do wait "$n"; done
	while read -r n; do wanted=$((wanted + n)); done <"$DIR/counted"
	[ $wanted -gt 0 ] || fail "no request went through"
	expect_equal "$(cat "$LOG" "$LOG".* | grep -c ' error: /v1/kv/.* get: ')" $((wanted + 1)) "the number of lines about the damage"
	! cat "$LOG" "$LOG".* | grep -vE '^[0-9-]{10}T[0-9:.]{12}Z [^ ]+\[[0-9]+\] (error|warning|info|debug): ' || fail "a torn line in the log"
	echo "$wanted lines over $rounds moves of the log"
	stop_daemon
}

memory_runs_out
rm -rf "$DATA"
it_is_stopped_for_a_while
rm -rf "$DATA"
the_clock_is_set
rm -rf "$DATA"
the_log_is_moved_under_load
