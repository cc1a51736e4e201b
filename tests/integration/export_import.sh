#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One daemon's export is another one's import: keys of any bytes, empty, ending and large values, all compared. An import that is cut, or has
# a line at fault, says how far it came.
. "${top_srcdir:?}/tests/integration/lib.sh"


# use NAME: the daemon of this name is meant from here on; its files are in a directory of its own.
use() {
	DATA=$DIR/$1/data LOG=$DIR/$1/log PIDFILE=$DIR/$1/pid CONF=$DIR/$1/conf SOCKET=$DIR/$1/sock
	[ -d "$DIR/$1" ] || { mkdir "$DIR/$1" && write_config 'durability = "os"'; }
}

# items FILE: an export without its first and last line, which have the version.
items() {
	sed '1d;$d' "$1"
}

last_line_is_whole() {
	tail -n 1 "$1" | grep -q '^{"complete":true,"count":[0-9]*,"version":[0-9]*}$' || fail "the last line of $1 is $(tail -n 1 "$1")"
}

use first
start_daemon
FIRST_PORT=$PORT
for i in $(seq 0 255); do
	printf '{"op":"put","key_b64":"%s","value":"%s"}\n' "$(printf "%b" "\\x$(printf %02x "$i")k" | base64)" "value of $i"
done >"$DIR/bytes.ndjson"
expect_http 200 POST /v1/import --data-binary "@$DIR/bytes.ndjson"
expect_body '{"imported":256,"lines":256}
'
expect_http 201 PUT /v1/kv/empty --data-binary ''
expect_http 201 PUT "/v1/kv/ends?ttl=1h" --data-binary 'for an hour'
head -c 3000000 /dev/urandom >"$DIR/large"
expect_http 201 PUT /v1/kv/large --data-binary "@$DIR/large"
expect_http 200 GET /v1/export
cp "$BODY" "$DIR/export"
last_line_is_whole "$DIR/export"
expect_equal "$(head -n 1 "$DIR/export" | grep -c '^{"kvstored_export":1,')" 1 "the first line"
expect_equal "$(awk 'length > m { m = length } END { print (m < 400000) }' "$DIR/export")" 1 "lines are short"

# straight from one into the other
use second
start_daemon
expect_http 200 POST "/v1/import?durability=os" -H 'Expect:' -T <(curl -q -s "http://127.0.0.1:$FIRST_PORT/v1/export")
expect_equal "$(sed 's/.*"imported":\([0-9]*\).*/\1/' "$BODY")" 259 "the number of keys"
expect_http 200 GET /v1/export
cp "$BODY" "$DIR/export2"
last_line_is_whole "$DIR/export2"
cmp <(items "$DIR/export") <(items "$DIR/export2") || fail "the stores differ"
expect_http 200 GET /v1/kv/large
cmp "$BODY" "$DIR/large" || fail "the large value differs"

# what is cut is not taken for the whole
size=$(stat -c %s "$DIR/export")
for cut in $((size - 1)) $((size / 2)) 100; do
	head -c "$cut" "$DIR/export" >"$DIR/cut"
	[ "$cut" != $((size - 1)) ] || truncate -s "-$(tail -n 1 "$DIR/export" | wc -c)" "$DIR/cut"
	expect_http 400 POST /v1/import --data-binary "@$DIR/cut"
	grep -q '"line":[1-9][0-9]*,"imported":[0-9]' "$BODY" || fail "it does not say how far it came: $(<"$BODY")"
done

# a line at fault in the middle: those before it are in, none behind
{
	seq -f '{"key":"line%05g","value":"x"}' 1 3000
	echo '{"key":'
	seq -f '{"key":"line%05g","value":"x"}' 3001 6000
} >"$DIR/fault"
expect_http 400 POST /v1/import --data-binary "@$DIR/fault"
grep -q '"error":"bad_request",.*"line":3001,"imported":3000}$' "$BODY" || fail "it says $(<"$BODY")"
expect_http 200 GET "/v1/count?prefix=line"
expect_body '3000
'

# everything of one prefix goes at once, and nothing else
expect_http 200 DELETE "/v1/kv?prefix=line"
expect_http 200 GET "/v1/count?prefix=line"
expect_body '0
'
expect_http 200 GET "/v1/count"
expect_body '259
'
stop_daemon
use first
PID=$(<"$PIDFILE")
stop_daemon

# Damage that is found on the way: what was sent until then is right, the connection is cut, and the log says why.
use damaged
start_daemon
head -c 3000000 /dev/urandom | base64 -w 1000 | awk '{ printf "{\"key\":\"key%05d\",\"value\":\"%s\"}\n", NR, $0 }' >"$DIR/many.ndjson"
expect_http 200 POST /v1/import --data-binary "@$DIR/many.ndjson"
expect_http 200 POST /v1/admin/flush
expect_http 200 POST /v1/admin/compact
for path in export kv; do
	curl -q -s -m 60 -H 'Accept: application/x-ndjson' "$URL/v1/$path" >"$DIR/whole.$path" || fail "/v1/$path is cut without damage"
done
stop_daemon
table=$(find "$DATA" -name '*.sst' -printf '%s %p\n' | sort -rn | head -n 1 | cut -d ' ' -f 2-)
[ -n "$table" ] || fail "there is no table"
printf 'XXXXXXXX' | dd of="$table" bs=1 seek=$(($(stat -c %s "$table") / 2)) conv=notrunc status=none
start_daemon
for path in export kv; do
	curl -q -s -m 60 -H 'Accept: application/x-ndjson' "$URL/v1/$path" >"$DIR/cut.$path"
	expect_equal $? 18 "curl's exit code for /v1/$path"
	[ -s "$DIR/cut.$path" ] || fail "/v1/$path sends nothing of what is good"
	grep -q '"complete"' "$DIR/cut.$path" && fail "/v1/$path ends as if it were whole"
	head -n -1 "$DIR/cut.$path" | sed '/kvstored_export/d' >"$DIR/sent"
	sed '/kvstored_export/d' "$DIR/whole.$path" | head -c "$(stat -c %s "$DIR/sent")" | cmp -s - "$DIR/sent" || fail "/v1/$path sends what is not right"
	expect_log "/v1/$path: a stream is cut: .*sst"
done
stop_daemon
