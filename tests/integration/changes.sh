#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The change feed over HTTP: events and pages, positions that survive a restart and a kill -9, what is too old or not yet there, clients that
# read nothing, and an end that does not wait for those who listen.
. "${top_srcdir:?}/tests/integration/lib.sh"

write_config 'memtable_size = 64K' 'change_log_size = 1M' 'connection_limit = 40' 'flush_interval = 0'

# follow NAME LAST-ID [PATH]: a stream of events in the background, into $DIR/NAME; $follower is its process.
follow() {
	: >"$DIR/$1"
	curl -q -s -N -g -m 120 -H 'Accept: text/event-stream' -H "Last-Event-ID: $2" "$URL${3:-/v1/changes}" >>"$DIR/$1" &
	follower=$!
	started+=("$follower")
}

# wait_for NAME PATTERN: until a line of the stream matches.
wait_for() {
	local lines reader result
	exec {lines}< <(exec tail -s 0.05 -c +1 --pid="$follower" -f "$DIR/$1" 2>/dev/null)
	reader=$!
	timeout 60 grep -qE -m1 -- "$2" <&"$lines"
	result=$?
	exec {lines}<&-
	kill "$reader" 2>/dev/null
	wait "$reader" 2>/dev/null
	[ $result = 0 ] || fail "the stream $1 has no '$2': $(tail -c 400 "$DIR/$1")"
}

# put FROM TO: the keys kFROM to kTO, by one process.
put() {
	seq "$1" "$2" | sed "s|.*|url = \"$URL/set?key=k&\&value=v&\"\nrequest = POST\noutput = /dev/null|" |
		curl -q -s -S -g -K - || fail "cannot write"
}

ids() {
	sed -n 's/^id: //p' "$DIR/$1" | tail -n +2
}

# ---- events, with a restart and a kill in between ----

start_foreground
put 1 20
follow one 0
wait_for one '"key":"k20"'
put 21 30
wait_for one '"key":"k30"'
grep -q '^: ' "$DIR/one" || fail "the stream does not begin with a comment"
grep -q '^retry: ' "$DIR/one" || fail "there is no retry"
ids one >"$DIR/ids"
seq 1 30 | cmp -s - "$DIR/ids" || fail "the ids are $(tr '\n' ' ' <"$DIR/ids")"
expect_equal "$(grep -c '^event: put$' "$DIR/one")" 30 "the number of events"

offset=$(log_size)
stop_daemon
wait_for_log "$offset" 'kvstored stopped$' "$$" || fail "the end is not told"
wait "$follower" || fail "the stream was cut at the end of the server: $?"

start_foreground
follow two 10
wait_for two '"key":"k30"'
put 31 40
wait_for two '"key":"k40"'
seq 11 40 >"$DIR/expected"
ids two | cmp -s - "$DIR/expected" || fail "after a restart: $(ids two | tr '\n' ' ')"

kill_daemon
wait "$follower"
start_foreground
follow three 25
wait_for three '"key":"k40"'
http DELETE '/v1/kv/k7'
expect_equal "$STATUS" 204 "a delete"
wait_for three '"op":"delete","key":"k7"'
seq 26 41 >"$DIR/expected"
ids three | cmp -s - "$DIR/expected" || fail "after a kill: $(ids three | tr '\n' ' ')"
kill "$follower"

# ---- a prefix, which a heartbeat would tell, too ----

follow four 0 '/v1/changes?prefix=k3'
wait_for four '"key":"k39"'
expect_equal "$(grep -c '^event: ' "$DIR/four")" 11 "the number of events of a prefix"
kill "$follower"

# ---- pages ----

expect_http 200 GET '/v1/changes?since=0&limit=2'
grep -q '"key":"k1".*"key":"k2".*"next":"2"}$' "$BODY" || fail "a page is $(<"$BODY")"
expect_http 200 GET '/v1/changes'
expect_body '{"changes":[],"next":"41"}
'
expect_http 200 GET '/v1/changes?since=41&wait=100ms'
expect_body '{"changes":[],"next":"41"}
'
curl -q -s -g -m 60 "$URL/v1/changes?since=41&wait=60s&prefix=awaited" >"$DIR/page" &
poll=$!
put 41 41
expect_http 200 POST '/set?key=awaited&value=1'
wait "$poll" || fail "the page that waits is cut"
grep -q '"key":"awaited".*"next":"43"}$' "$DIR/page" || fail "the page that waited is $(<"$DIR/page")"

expect_http 400 GET '/v1/changes?since=44'
expect_http 400 GET '/v1/changes?since=x'
expect_http 400 GET '/v1/changes?since='
expect_http 400 GET '/v1/changes?since=-1'
expect_http 400 GET '/v1/changes?since=99999999999999999999999'
expect_http 400 GET '/v1/changes?wait=61s'
expect_http 400 GET '/v1/changes?limit=0'
expect_http 400 GET '/v1/changes?sinse=0'
expect_http 400 GET '/v1/changes' -H 'Last-Event-ID: nothing'
expect_http 405 POST '/v1/changes'
expect_http 200 HEAD '/v1/changes?since=0'

# ---- only so many wait ----

listeners=()
for _ in $(seq 10); do
	follow listener 0
	listeners+=("$follower")
	wait_for listener 'awaited'
done
expect_http 503 GET '/v1/changes?since=43&wait=1s'
expect_http 200 GET '/v1/changes?since=43'
expect_http 200 GET '/healthz'
kill "${listeners[@]}"
wait "${listeners[@]}" 2>/dev/null
# (it is noticed that they are gone, by a look at all connections once in a while)
expect_http 200 GET '/v1/changes?since=43&wait=1ms' --retry 50 --retry-delay 1

# ---- a client that reads nothing, while 100 MB go by: the server keeps none of it ----

stop_daemon
write_config 'memtable_size = 4M' 'change_log_size = 1M' 'block_cache_size = 0' 'durability = "os"'
start_foreground
head -c 50000 /dev/zero | tr '\0' v >"$DIR/value"
write_100_mb() {
	for i in $(seq 2000); do
		printf 'url = "%s/v1/kv/big%s"\nupload-file = "%s"\noutput = /dev/null\n' "$URL" "$((i % 4))" "$DIR/value"
	done | curl -q -s -S -g -K - || fail "cannot write large values"
}
peak_kb() {
	sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$PID/status"
}
write_100_mb
write_100_mb
before=$(peak_kb)
expect_http 200 GET '/v1/changes'
exec {deaf}<>"/dev/tcp/127.0.0.1/$PORT" # (not earlier: a header has ten seconds)
printf 'GET /v1/changes?since=%s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n' \
	"$(sed -n 's/.*"next":"\([0-9]*\)".*/\1/p' "$BODY")" >&"$deaf"
read -r -t 120 line <&"$deaf"
[[ $line == 'HTTP/1.1 200 '* ]] || fail "the deaf client gets '$line'"
write_100_mb
grown=$(($(peak_kb) - before))
[ -n "$SANITIZED" ] || [ "$grown" -lt 20000 ] || fail "the server has taken $grown kB for a client that reads nothing"
exec {deaf}<&-

# ---- what is too old, and what is not kept at all ----

# (memory may still be on its way to a table, and the oldest position moves on with it)
for _ in $(seq 100); do
	expect_http 410 GET '/v1/changes?since=0'
	oldest=$(sed -n 's/.*kept after \([0-9]*\).*/\1/p' "$BODY")
	[ -n "$oldest" ] || fail "410 does not name the oldest position: $(<"$BODY")"
	http GET "/v1/changes?since=$oldest"
	[ "$STATUS" = 410 ] || break
done
expect_equal "$STATUS" 200 "the answer for the oldest position"
expect_http 410 GET '/v1/changes?since=0' -H 'Accept: text/event-stream'
expect_http 200 GET '/v1/stats'
grep -q "\"oldest_change\":$oldest" "$BODY" || fail "the statistics do not tell the oldest change"
expect_http 200 GET '/metrics'
grep -q "^kvstored_oldest_change $oldest" "$BODY" || fail "the metrics do not tell the oldest change"

# ---- a delete of a missing key is a change in a batch and an import, and none by itself ----

expect_http 200 GET '/v1/changes'
next=$(sed -n 's/.*"next":"\([0-9]*\)".*/\1/p' "$BODY")
expect_http 404 DELETE '/v1/kv/missing'
expect_http 404 DELETE '/del?key=missing'
expect_http 200 GET "/v1/changes?since=$next"
expect_body '{"changes":[],"next":"'"$next"'"}
'
expect_http 200 POST '/v1/batch' --data-binary '[{"op":"delete","key":"missing"}]'
expect_body '{"results":[{"status":404}]}
'
expect_http 200 POST '/v1/import' --data-binary '{"op":"delete","key":"missing"}'
expect_http 200 GET "/v1/changes?since=$next"
expect_equal "$(grep -o '"op":"delete","key":"missing"' "$BODY" | wc -l)" 2 "the number of changes"

# ---- the end does not wait for those who listen, and they see an end ----

follow last "$oldest"
wait_for last '^: changes'
curl -q -s -g -m 60 "$URL/v1/changes?wait=60s" >"$DIR/page" &
poll=$!
sed -n 1p "/proc/$poll/stat" >/dev/null
expect_http 200 GET '/shutdown'
wait "$follower" || fail "the stream was cut: $?"
wait "$poll"
wait "$PID" || fail "the daemon ended with $?"
wait_gone

write_config 'change_log_size = 0'
start_foreground
expect_http 501 GET '/v1/changes'
grep -q change_log_size "$BODY" || fail "501 does not name the option: $(<"$BODY")"
expect_http 200 GET '/get?key=awaited'
stop_daemon
