#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# With few descriptors, more clients than can be served: some are turned away, but the store goes on, through new logs and
# tables. More threads than can be served with: there are fewer. And no descriptor of the caller's stays open in the daemon.
. "${top_srcdir:?}/tests/integration/lib.sh"

start_with_few() { # DESCRIPTORS
	local alone=()
	[ "$(id -u)" != 0 ] || alone=(setpriv --bounding-set=-sys_resource) # else it raises the limit
	(ulimit -n "$1"; exec "${alone[@]}" "$KVSTORED" -c "$CONF") </dev/null || fail "the daemon does not start"
	PID=$(<"$PIDFILE")
	started+=("$PID")
	learn_port
}

# Opens 100 connections at most, each with a request, and keeps them; sets SERVED to one that is answered with 200.
crowd() {
	local client line status
	SERVED=
	for _ in {1..100}; do
		exec {client}<>"/dev/tcp/127.0.0.1/$PORT" || continue
		(trap '' PIPE; printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"$client") 2>/dev/null
		IFS= read -r -t 20 line <&"$client"
		status=$?
		[ $status -le 128 ] || fail "a client is neither answered nor closed"
		case $line in
		*' 200 '*) SERVED=$client ;;
		*' 503 '* | '') refused=1 ;;
		*) fail "a client gets '$line'" ;;
		esac
	done
	[ -n "$SERVED" ] || fail "none of the clients is served"
	[ -n "$refused" ] || fail "all clients are served: this is no test"
}

# put N: a value of 5000 bytes over the connection that is served.
put() {
	local line
	printf 'PUT /v1/kv/k%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n%05000d' "$1" "$1" >&"$SERVED"
	while IFS= read -r -t 20 line <&"$SERVED"; do
		[[ $line != HTTP/* || $line == *' 201 '* ]] || fail "value $1 is answered with '$line'"
		[[ $line != $'\r' ]] || return 0
		[[ $line != HTTP/* ]] || answered=1
	done
	fail "no answer to value $1"
}

clients_do_not_take_the_descriptors_of_the_store() {
	local refused='' answered='' line
	write_config 'memtable_size = 64K' 'flush_interval = 1'
	start_with_few 64
	crowd
	# the rest of the answer to /healthz: three header lines, the empty one and OK
	while IFS= read -r -t 20 line <&"$SERVED"; do [ "$line" = OK ] && break; done
	for n in {1..200}; do put "$n"; done
	[ -n "$answered" ] || fail "nothing was written"
	kill_daemon
	start_daemon
	for n in 1 77 200; do
		expect_http 200 GET "/v1/kv/k$n"
		expect_body "$(printf %05000d "$n")"
	done
	stop_daemon
}

there_are_fewer_threads_than_wanted() {
	write_config 'http_threads = 64'
	start_with_few 128
	expect_log 'for 1024 connections and 64 threads: there will be at most'
	expect_http 201 PUT /v1/kv/threads -d 1
	expect_http 200 GET /v1/kv/threads
	stop_daemon
}

no_descriptor_of_the_caller_stays_open() {
	exec {mine}<"$0"
	write_config
	start_daemon
	find "/proc/$PID/fd" -lname "*/$(basename "$0")" | grep -q . && fail "the daemon has kept a descriptor of its caller"
	exec {mine}<&-
	stop_daemon
}

clients_do_not_take_the_descriptors_of_the_store
there_are_fewer_threads_than_wanted
no_descriptor_of_the_caller_stays_open
