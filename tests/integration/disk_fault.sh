#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The log's fdatasync fails once under the real daemon: the write is told that its outcome is unknown, later ones that nothing was written,
# reads go on, /readyz and the log say which file, where and why, the file is not synced again, and the next start has what was acknowledged.
. "${top_srcdir:?}/tests/integration/lib.sh"

[ -z "$SANITIZED" ] || skip "a sanitizer must be loaded first"
export DISKFAULT=$DIR/orders
printf n0 >"$DISKFAULT"
write_config
LD_PRELOAD=${top_builddir:?}/tests/integration/diskfault.so start_foreground
expect_http 201 PUT /v1/kv/kept -d before
expect_http 201 PUT /v1/kv/gone -d before
expect_http 204 DELETE /v1/kv/gone
expect_http 200 GET /readyz

printf s0 | dd of="$DISKFAULT" conv=notrunc status=none
expect_http 500 PUT /v1/kv/unknown -d value
expect_http 503 PUT /v1/kv/kept -d after
expect_http 503 DELETE /v1/kv/kept
expect_http 503 POST "/set?key=kept&value=after"
expect_http 503 POST /v1/incr/number
expect_http 503 POST /v1/batch -d '[{"op":"put","key":"kept","value":"after"}]'
expect_http 200 GET /v1/kv/kept
expect_body before
expect_http 404 GET /v1/kv/unknown # not shown before it is durable
expect_http 404 GET /v1/kv/gone
expect_http 200 GET /v1/kv
expect_http 503 GET /readyz
grep -q '\.wal at offset [0-9]*: cannot sync (Input/output error)' "$BODY" || fail "/readyz does not say why: $(<"$BODY")"
expect_http 200 GET /healthz
expect_log 'error: store is failed: .*\.wal at offset [0-9]*: cannot sync \(Input/output error\)'
expect_equal "$(<"$DISKFAULT")" f0 "what became of the syncs"
kill -TERM "$PID"
wait "$PID"
expect_equal $? 74 "the exit status of a daemon whose store has failed"
wait_gone
expect_equal "$(<"$DISKFAULT")" f0 "what became of the syncs at the end"

start_foreground
expect_http 200 GET /readyz
expect_http 200 GET /v1/kv/kept
expect_body before
expect_http 404 GET /v1/kv/gone
expect_http 404 GET /v1/kv/number
http GET /v1/kv/unknown
[ "$STATUS" = 200 ] || [ "$STATUS" = 404 ] || fail "the write of unknown outcome gives $STATUS"
expect_http 204 PUT /v1/kv/kept -d after
stop_daemon
