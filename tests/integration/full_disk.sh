#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A disk that is full, of bytes and then of inodes, under the real daemon: 507 for what needs space, reads and deletes go on, /readyz says so,
# and all of it passes by itself once there is space; what was acknowledged is there after a kill.
. "${top_srcdir:?}/tests/integration/own_mounts.sh"

mount -t tmpfs -o size=24m,nr_inodes=100 tmpfs "$DISK" || skip "no tmpfs can be mounted"
mkdir "$DISK/other"
head -c 50000 /dev/urandom >"$DIR/value"

# put_until_full PREFIX: sets COUNT, how many were acknowledged
put_until_full() {
	local n
	for ((n = 0; ; n++)); do
		http PUT "/v1/kv/$1$n" --data-binary "@$DIR/value"
		[ "$STATUS" = 201 ] || break
	done
	[ "$STATUS" = 507 ] || fail "a full disk gives $STATUS: $(<"$BODY")"
	COUNT=$n
}

# until_put KEY: somebody who tries again until there is space
until_put() {
	until http PUT "/v1/kv/$1" -d small && [ "$STATUS" != 507 ]; do :; done
	[ "$STATUS" = 201 ] || fail "PUT gives $STATUS when there is space again"
}

expect_value() {
	expect_http 200 GET "/v1/kv/$1"
	cmp -s "$DIR/value" "$BODY" || fail "$1 has another value"
}

write_config 'flush_interval = 1'
start_daemon

# ---- bytes ----
put_until_full a
[ "$COUNT" -gt 50 ] || fail "full after $COUNT values"
expect_http 503 GET /readyz
grep -q 'disk_full' "$BODY" || fail "/readyz does not tell of a full disk: $(<"$BODY")"
expect_http 200 GET /healthz
expect_value a0
expect_value "a$((COUNT - 1))"
expect_http 204 DELETE /v1/kv/a0
expect_http 404 GET /v1/kv/a0
kill_daemon
start_daemon
expect_http 404 GET /v1/kv/a0
expect_value a1
expect_value "a$((COUNT - 1))"
expect_http 200 DELETE "/v1/kv?prefix=a"
until_put after
expect_http 200 GET /readyz
expect_http 404 GET /v1/kv/a1

# ---- inodes ----
expect_http 201 PUT /v1/kv/kept -d small
n=0
while { : >"$DISK/other/$n"; } 2>/dev/null; do n=$((n + 1)); done
put_until_full b
expect_http 200 GET /v1/kv/kept
expect_http 204 DELETE /v1/kv/after
expect_http 404 GET /v1/kv/after
kill_daemon
start_daemon
expect_http 404 GET /v1/kv/after
expect_http 200 GET /v1/kv/kept
[ "$COUNT" = 0 ] || expect_value "b$((COUNT - 1))"
rm -r "$DISK/other"
until_put again
expect_http 200 GET /readyz
kill_daemon
start_daemon
expect_http 404 GET /v1/kv/after
expect_http 200 GET /v1/kv/again
[ "$COUNT" = 0 ] || expect_value "b$((COUNT - 1))"
stop_daemon
