#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A request in work when the end begins is answered, and what it wrote is there; nobody new is let in; a client that never
# ends its request is cut off after the time for it, and the end is clean all the same.
. "${top_srcdir:?}/tests/integration/lib.sh"

# begin KEY: a PUT of 5 bytes on a connection of its own ($connection), in work but without its body.
begin() {
	local line
	exec {connection}<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'PUT /v1/kv/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n' "$1" >&"$connection"
	read -r -t 30 line <&"$connection"
	[[ $line == 'HTTP/1.1 100 '* ]] || fail "no 100 Continue but '$line'"
	read -r -t 30 line <&"$connection" # the empty line after it
}

start_foreground
begin late
offset=$(log_size)
kill -TERM "$PID"
wait_for_log "$offset" 'stopping: SIGTERM' || fail "it does not stop"
printf hello >&"$connection"
read -r -t 30 line <&"$connection"
[[ $line == 'HTTP/1.1 201 '* ]] || fail "the request in work is answered with '$line'"
exec {connection}<&-
wait "$PID"
expect_equal $? 0 "the exit status"
expect_log 'requests drained: 1$'
expect_no_file "$PIDFILE"

# While it drains (here for a client that sends nothing more), new ones are refused.
start_foreground
expect_http 200 GET "/get?key=late"
expect_body hello
begin never
offset=$(log_size)
kill -TERM "$PID"
wait_for_log "$offset" 'stopping: SIGTERM' || fail "it does not stop"
http GET "/get?key=late"
case $STATUS in 000 | 503) ;; *) fail "a new request is answered with $STATUS" ;; esac
wait "$PID"
expect_equal $? 0 "the exit status with a client that never ends"
tail -n "+$(($(grep -n 'stopping: SIGTERM' "$LOG" | tail -n 1 | cut -d: -f1) + 1))" "$LOG" >"$DIR/end"
# (the server's own deadline for a request, or ours for the drain: whichever comes first)
grep -qE 'requests (cut off|drained): 1$' "$DIR/end" || fail "the log does not tell of the request: $(<"$DIR/end")"
grep -q 'kvstored stopped$' "$DIR/end" || fail "the end is not told"
exec {connection}<&-

start_foreground
expect_http 404 GET "/get?key=never"
expect_http 200 GET "/get?key=late"
stop_daemon
