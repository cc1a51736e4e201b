#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Storms: 1000 SIGHUP with the log rotated under them, then 1000 SIGTERM, with writes going on in both. It answers, loses no line, no
# write, and exits with 0.
. "${top_srcdir:?}/tests/integration/lib.sh"

start_foreground
expect_http 200 POST "/set?key=a&value=1"

# SIGUSR1, SIGUSR2 and SIGPIPE mean nothing.
kill -USR1 "$PID"
kill -USR2 "$PID"
kill -PIPE "$PID"
expect_http 200 GET "/get?key=a"

# A writer for the time of a storm: of keys that begin with $1. It tells how many writes were acknowledged; after the first.
writer() {
	local n=0
	while [ ! -e "$DIR/enough" ]; do
		[ "$(curl -q -s -m 30 -o /dev/null -w '%{http_code}' -X POST "$URL/set?key=$1$n&value=$n")" = 200 ] || break
		n=$((n + 1))
		: >"$DIR/$1.begun"
	done
	echo $n >"$DIR/$1.acknowledged"
}
start_writer() {
	rm -f "$DIR/enough"
	writer "$1" &
	writer=$!
	until [ -e "$DIR/$1.begun" ]; do kill -0 $writer 2>/dev/null || fail "no write is acknowledged"; done
}
start_writer w
for ((i = 0; i < 1000; i++)); do
	kill -HUP "$PID" || fail "it is gone after $i SIGHUP"
	[ $((i % 100)) != 50 ] || mv "$LOG" "$LOG.$i" 2>/dev/null
done
: >"$DIR/enough"
wait $writer
n=$(<"$DIR/w.acknowledged")
[ "$n" -gt 0 ] || fail "no write went through the storm"
expect_http 200 GET "/get?key=w$((n - 1))"
expect_body $((n - 1))

# Every line in every log file is whole.
kill -HUP "$PID"
wait_for_log 0 'configuration reloaded' || fail "no log after the storm"
! cat "$LOG" "$LOG".* | grep -vE '^[0-9-]{10}T[0-9:.]{12}Z [^ ]+\[[0-9]+\] (error|warning|info|debug): ' ||
	fail "a torn line in the log"

# A client sends the first half of a body, and the second when the storm has begun: its request was in work, so it is done.
exec {slow}<>"/dev/tcp/127.0.0.1/$PORT"
printf 'PUT /v1/kv/slow HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n' >&"$slow"
IFS= read -r -t 60 line <&"$slow"
[[ $line == *' 100 '* ]] || fail "no 100 but '$line'"
printf 12345 >&"$slow"
start_writer t
(for ((i = 0; i < 1000; i++)); do kill -TERM "$PID" 2>/dev/null || break; done; echo $i >"$DIR/delivered") &
storm=$!
wait_for_log 0 'stopping: ' || fail "it does not stop"
printf 67890 >&"$slow"
while IFS= read -r -t 60 line <&"$slow"; do [[ $line != HTTP*' 20'* ]] || break; done
[[ $line == *' 201 '* ]] || fail "the request in work is answered with '$line'"
exec {slow}>&-
wait "$PID"
code=$?
wait $storm
wait $writer
[ "$(<"$DIR/delivered")" -gt 1 ] || fail "there was no storm"
expect_equal $code 0 "the exit status"
expect_equal "$(cat "$LOG" "$LOG".* | grep -c 'kvstored stopped$')" 1 "the number of ends"
expect_no_file "$PIDFILE"

# SIGHUP and SIGTERM mixed, after a start that had nothing to recover.
start_foreground
expect_http 200 GET "/get?key=w$((n - 1))"
expect_http 200 GET /get?key=slow
expect_body 1234567890
t=$(<"$DIR/t.acknowledged")
for ((i = 0; i < t; i++)); do expect_http 200 GET "/get?key=t$i"; done
(for ((i = 0; i < 500; i++)); do kill -HUP "$PID" && kill -TERM "$PID" || break; done) 2>/dev/null &
storm=$!
wait "$PID"
code=$?
wait $storm
expect_equal $code 0 "the exit status of the mixed storm"
