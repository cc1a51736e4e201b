#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# /shutdown by curl: answers with what it did, the same lines are in the log, the process ends with 0, the data is in a table.
. "${top_srcdir:?}/tests/integration/lib.sh"

start_foreground
for i in 1 2 3; do expect_http 200 POST "/set?key=k$i&value=v$i"; done
expect_http 200 GET /shutdown
wait "$PID"
expect_equal $? 0 "the exit status"
for pattern in 'requests drained: [0-9]+' 'entries flushed: 3 \([0-9]+ bytes\) into [0-9]+\.sst' \
	'WAL segments removed: [1-9][0-9]*' 'on disk: 1 tables, [0-9]+ bytes' 'time taken: [0-9]+\.[0-9]{3} s' \
	'kvstored stopped'; do
	grep -qxE "$pattern" "$BODY" || fail "no line '$pattern' in the answer: $(<"$BODY")"
done
expect_equal "$(tail -n 1 "$BODY")" "kvstored stopped" "the last line"
while IFS= read -r line; do
	grep -qF " info: $line" "$LOG" || fail "the log lacks '$line'"
done <"$BODY"
expect_no_file "$PIDFILE"
table=$(sed -n 's/.* into //p' "$BODY")
[ -s "$DATA/$table" ] || fail "there is no table $table"

# Nothing new: memory was empty. POST does as well, and as a daemon.
start_daemon
for i in 1 2 3; do
	expect_http 200 GET "/get?key=k$i"
	expect_body "v$i"
done
expect_http 200 POST /shutdown
grep -qx 'entries flushed: 0, memory was empty' "$BODY" || fail "the second end says: $(<"$BODY")"
wait_gone
expect_no_file "$PIDFILE"

# Ten who ask at once all get the answer.
start_foreground
asking=()
for i in 0 1 2 3 4 5 6 7 8 9; do
	curl -q -s -m 60 -o "$DIR/answer.$i" -w '%{http_code}' "$URL/shutdown" >"$DIR/status.$i" &
	asking+=($!)
done
wait "${asking[@]}"
wait "$PID"
expect_equal $? 0 "the exit status"
answered=0
for i in 0 1 2 3 4 5 6 7 8 9; do
	case $(<"$DIR/status.$i") in
	200) answered=$((answered + 1)) && expect_equal "$(tail -n 1 "$DIR/answer.$i")" "kvstored stopped" "answer $i" ;;
	503 | 000) ;; # it came when the end had begun
	*) fail "answer $i has status $(<"$DIR/status.$i")" ;;
	esac
done
[ $answered -ge 1 ] || fail "nobody was answered"

# Not for everybody.
write_config 'shutdown = "off"'
start_foreground
http GET /shutdown
case $STATUS in 403 | 404) ;; *) fail "shutdown = off gives $STATUS" ;; esac
expect_http 200 GET /healthz
stop_daemon
