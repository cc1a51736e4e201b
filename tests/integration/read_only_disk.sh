#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ext4 turns read-only below the running daemon, as Linux does it after an error: no write is acknowledged any more, reads go on, /readyz
# says why, and so it stays until a restart. After a check of the file system all that was acknowledged is there.
. "${top_srcdir:?}/tests/integration/own_mounts.sh"
PATH=$PATH:/usr/sbin:/sbin

truncate -s 128M "$DIR/image"
mkfs.ext4 -q -F -e remount-ro "$DIR/image" || skip "no ext4 can be made"
mount -o loop "$DIR/image" "$DISK" 2>/dev/null || skip "no ext4 can be mounted"
trigger=/sys/fs/ext4/$(basename "$(findmnt -n -o SOURCE "$DISK")")/trigger_fs_error
[ -w "$trigger" ] || skip "this ext4 lets nobody pretend an error"

write_config 'flush_interval = 1'
start_foreground
expect_http 201 PUT /v1/kv/kept -d before
expect_http 200 POST /v1/admin/flush
expect_http 201 PUT /v1/kv/logged -d before
expect_http 201 PUT /v1/kv/gone -d before
expect_http 204 DELETE /v1/kv/gone
expect_http 200 GET /readyz

echo "a test's" >"$trigger"
! touch "$DISK/probe" 2>/dev/null || fail "the file system can still be written"
for n in 1 2 3; do
	http PUT /v1/kv/kept -d after
	case $STATUS in 500 | 503) ;; *) fail "write $n on a read-only file system gives $STATUS" ;; esac
done
expect_http 503 DELETE /v1/kv/logged
expect_http 503 POST /v1/admin/flush
expect_http 200 GET /v1/kv/kept
expect_body before
expect_http 200 GET /v1/kv/logged
expect_http 404 GET /v1/kv/gone
expect_http 200 GET /v1/kv
expect_http 503 GET /readyz
grep -q 'Read-only file system' "$BODY" || fail "/readyz does not say why: $(<"$BODY")"
expect_http 200 GET /healthz
expect_log 'error: store is failed: .*Read-only file system'
kill -TERM "$PID"
wait "$PID"
expect_equal $? 74 "the exit status of a daemon whose store has failed"
wait_gone

# still read-only: a start says so and changes nothing
run "$KVSTORED" -c "$CONF"
[ "$CODE" != 0 ] || fail "a start on a read-only file system succeeds"
[[ $ERR == *'Read-only file system'* ]] || fail "a start on a read-only file system does not say why: $ERR"

umount "$DISK"
e2fsck -fy "$DIR/image" >"$DIR/e2fsck" 2>&1
[ $? -le 1 ] || fail "the file system cannot be repaired: $(<"$DIR/e2fsck")"
mount -o loop "$DIR/image" "$DISK"
start_foreground
expect_http 200 GET /readyz
http GET /v1/kv/kept
[ "$(<"$BODY")" = before ] || [ "$(<"$BODY")" = after ] || fail "the write of unknown outcome has become $(<"$BODY")"
expect_http 200 GET /v1/kv/logged
expect_body before
expect_http 404 GET /v1/kv/gone
expect_http 204 PUT /v1/kv/kept -d again
stop_daemon
