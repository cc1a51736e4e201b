#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Too much: 429 for an address, 503 for requests in work, both with Retry-After; and who is not concerned by it.
. "${top_srcdir:?}/tests/integration/lib.sh"

statuses() { # CURL-ARG...: of 30 requests, each with its number
	curl -q -s -m 60 -o /dev/null -w '%{http_code}\n' "$@" | sort | uniq -c | tr -s ' '
}

write_config 'rate_limit = 1' 'rate_burst = 10' "listen = {\"127.0.0.1\", \"127.0.0.2\", \"$SOCKET\"}"
start_foreground
expect_equal "$(statuses "$URL/v1/kv/k[1-30]")" " 10 404
 20 429" "the answers over the limit"
http GET /healthz -D "$DIR/head"
expect_equal "$STATUS" 429 "the answer to another request"
grep -qi '^Retry-After: 1' "$DIR/head" || fail "429 without Retry-After"
expect_http 429 PUT /v1/kv/k -d value
expect_http 200 GET /healthz --interface 127.0.0.3
expect_equal "$(statuses --unix-socket "$SOCKET" 'http://localhost/v1/kv/k[1-30]')" " 30 404" "the answers on the Unix socket"
# by and by there is more
SECONDS=0
until http GET /healthz; [ "$STATUS" = 200 ]; do
	[ $SECONDS -lt 10 ] || fail "the limit lasts"
done
stop_daemon
[ "$(stat -c %s "$DIR/stderr")" = 0 ] || fail "something on stderr: $(<"$DIR/stderr")"

# Requests in work: one is kept there by a body that does not end.
write_config 'request_limit = 1'
start_foreground
exec {slow}<>"/dev/tcp/127.0.0.1/$PORT"
printf 'PUT /v1/kv/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nv' >&"$slow"
SECONDS=0
until http GET /v1/kv/k -D "$DIR/head"; [ "$STATUS" = 503 ]; do
	[ $SECONDS -lt 10 ] || fail "a second request in work is let in"
done
grep -qi '^Retry-After: 1' "$DIR/head" || fail "503 without Retry-After"
expect_http 200 GET /healthz
printf 'v' >&"$slow"
read -r -t 20 line <&"$slow" || fail "no answer to the request that was in work"
expect_equal "${line%$'\r'}" "HTTP/1.1 201 Created" "the answer to the request that was in work"
exec {slow}<&-
expect_http 200 GET /v1/kv/slow
# a lost connection counts no longer
exec {slow}<>"/dev/tcp/127.0.0.1/$PORT"
printf 'PUT /v1/kv/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nv' >&"$slow"
until http GET /v1/kv/slow; [ "$STATUS" = 503 ]; do
	[ $SECONDS -lt 30 ] || fail "a second request in work is let in"
done
exec {slow}<&-
until http GET /v1/kv/slow; [ "$STATUS" = 200 ]; do
	[ $SECONDS -lt 60 ] || fail "a lost connection is in work for ever"
done
# the end can be asked for all the same
exec {slow}<>"/dev/tcp/127.0.0.1/$PORT"
printf 'PUT /v1/kv/last HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nv' >&"$slow"
until http GET /v1/kv/slow; [ "$STATUS" = 503 ]; do
	[ $SECONDS -lt 90 ] || fail "a second request in work is let in"
done
expect_http 200 GET /shutdown
exec {slow}<&-
wait "$PID" || fail "the end is not a good one"
exit 0
