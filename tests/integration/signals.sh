#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Storms: 1000 SIGHUP with the log rotated under them and writes going on, then 1000 SIGTERM. It answers, loses no line, no
# write, and exits with 0.
. "${top_srcdir:?}/tests/integration/lib.sh"

start_foreground
expect_http 200 POST "/set?key=a&value=1"

# SIGUSR1, SIGUSR2 and SIGPIPE mean nothing.
kill -USR1 "$PID"
kill -USR2 "$PID"
kill -PIPE "$PID"
expect_http 200 GET "/get?key=a"

# A writer for the time of the storm; it tells how many writes were acknowledged.
writer() {
	local n=0
	while [ ! -e "$DIR/enough" ]; do
		[ "$(curl -q -s -m 30 -o /dev/null -w '%{http_code}' -X POST "$URL/set?key=w$n&value=$n")" = 200 ] || break
		n=$((n + 1))
	done
	echo $n >"$DIR/acknowledged"
}
writer &
writer=$!
for ((i = 0; i < 1000; i++)); do
	kill -HUP "$PID" || fail "it is gone after $i SIGHUP"
	[ $((i % 100)) != 50 ] || mv "$LOG" "$LOG.$i" 2>/dev/null
done
: >"$DIR/enough"
wait $writer
n=$(<"$DIR/acknowledged")
[ "$n" -gt 0 ] || fail "no write went through the storm"
expect_http 200 GET "/get?key=w$((n - 1))"
expect_body $((n - 1))

# Every line in every log file is whole.
kill -HUP "$PID"
wait_for_log 0 'configuration reloaded' || fail "no log after the storm"
! cat "$LOG" "$LOG".* | grep -vE '^[0-9-]{10}T[0-9:.]{12}Z [^ ]+\[[0-9]+\] (error|warning|info|debug): ' ||
	fail "a torn line in the log"

(for ((i = 0; i < 1000; i++)); do kill -TERM "$PID" 2>/dev/null || break; done) &
storm=$!
wait "$PID"
code=$?
wait $storm
expect_equal $code 0 "the exit status"
expect_equal "$(cat "$LOG" "$LOG".* | grep -c 'kvstored stopped$')" 1 "the number of ends"
expect_no_file "$PIDFILE"

# SIGHUP and SIGTERM mixed, with requests in work.
start_foreground
expect_http 200 GET "/get?key=w$((n - 1))"
(for ((i = 0; i < 500; i++)); do kill -HUP "$PID" && kill -TERM "$PID" || break; done) 2>/dev/null &
storm=$!
wait "$PID"
code=$?
wait $storm
expect_equal $code 0 "the exit status of the mixed storm"
