#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Large values against the real daemon: in memory that does not grow with them, whole or not at all.
. "${top_srcdir:?}/tests/integration/lib.sh"

SIZE=$((96 << 20))
VALUE=$DIR/value
GROWTH_MAX_KIB=8192 # of the peak of its memory, for the value of 96 MiB
[ -z "$SANITIZED" ] || GROWTH_MAX_KIB=$((1 << 20))

peak_kib() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$PID/status"
}

blob_count() {
	find "$DATA" -name '*.blob' | wc -l
}

# Until there are N files of large values; the store removes them in its own time.
wait_for_blobs() {
	for _ in {1..600}; do
		[ "$(blob_count)" != "$1" ] || return 0
		read -r -t 0.05 <> <(:)
	done
	fail "there are $(blob_count) files of large values, not $1"
}

# begin_upload BYTES: sends the head and so many bytes of a value of 64 MiB; $UPLOAD is its connection.
begin_upload() {
	exec {UPLOAD}<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'PUT /v1/kv/cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n' $((64 << 20)) >&"$UPLOAD"
	head -c "$1" "$VALUE" >&"$UPLOAD"
}

head -c "$SIZE" /dev/urandom >"$VALUE"
write_config 'max_value_size = 128M'
start_daemon

values_come_and_go_in_bounded_memory() {
	local before
	expect_http 201 PUT /v1/kv/small -d warm
	expect_http 200 GET /v1/kv/small
	before=$(peak_kib)
	expect_http 201 PUT /v1/kv/big -T "$VALUE"
	expect_http 200 GET /v1/kv/big
	cmp -s "$VALUE" "$BODY" || fail "the value is not what was put"
	expect_http 204 PUT /v1/kv/big -T - -H 'Transfer-Encoding: chunked' <"$VALUE"
	expect_http 200 GET '/get?key=big'
	cmp -s "$VALUE" "$BODY" || fail "the chunked value is not what was put"
	[ $(($(peak_kib) - before)) -le $GROWTH_MAX_KIB ] || fail "memory grew from $before to $(peak_kib) KiB"
}

a_part_is_exactly_that_part() {
	expect_http 206 GET /v1/kv/big -r 70000000-70000999
	tail -c +70000001 "$VALUE" | head -c 1000 | cmp -s - "$BODY" || fail "wrong bytes of the middle"
	expect_http 206 GET /v1/kv/big -r -1000
	tail -c 1000 "$VALUE" | cmp -s - "$BODY" || fail "wrong bytes of the end"
	expect_http 416 GET /v1/kv/big -r $SIZE-
}

many_at_once_arrive_whole() {
	local i pids=() before
	before=$(peak_kib)
	head -c 3000000 "$VALUE" >"$DIR/part"
	for i in {1..20}; do
		curl -q -s -f -m 60 -o /dev/null -T "$DIR/part" "$URL/v1/kv/many$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || fail "an upload of twenty failed"; done
	for i in {1..20}; do
		expect_http 200 GET "/v1/kv/many$i"
		cmp -s "$DIR/part" "$BODY" || fail "value $i of twenty is not what was put"
	done
	[ $(($(peak_kib) - before)) -le $((20 * 1024 + GROWTH_MAX_KIB)) ] || fail "memory grew from $before to $(peak_kib) KiB"
}

a_lost_client_leaves_no_file() {
	local before
	before=$(blob_count)
	begin_upload 3000000
	wait_for_blobs $((before + 1))
	exec {UPLOAD}>&-
	wait_for_blobs "$before"
	expect_http 404 GET /v1/kv/cut
}

# A file that no commit refers to goes at the next start; what was acknowledged is there.
a_kill_leaves_what_was_acknowledged_and_no_more() {
	local before
	before=$(blob_count)
	begin_upload 3000000
	wait_for_blobs $((before + 1))
	kill_daemon
	exec {UPLOAD}>&-
	start_daemon
	wait_for_blobs "$before"
	expect_http 404 GET /v1/kv/cut
	expect_http 200 GET /v1/kv/big
	cmp -s "$VALUE" "$BODY" || fail "the value is not what was put before the kill"
}

# Turns a byte at OFFSET of FILE around.
damage() {
	local byte
	byte=$(tail -c +$(($2 + 1)) "$1" | head -c 1 | od -An -tu1)
	printf "%b" "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

damage_is_told_or_cuts_the_answer() {
	local file code
	file=$(find "$DATA" -name '*.blob' -size +90M | sort | tail -n 1) # the others are garbage
	damage "$file" $((60 << 20))
	code=$(curl -q -s -m 60 -o "$DIR/cut" -w '%{http_code}' "$URL/v1/kv/big")
	expect_equal "$? $code" "18 200" "curl's view of damage in the middle"
	head -c "$(stat -c %s "$DIR/cut")" "$VALUE" | cmp -s - "$DIR/cut" || fail "damaged bytes were sent"
	expect_log 'a large value is cut while it is sent: .*\.blob'
	damage "$file" 5000
	expect_http 500 GET /v1/kv/big
	grep -q "$(basename "$file")" "$BODY" || fail "the answer does not name the file: $(<"$BODY")"
	expect_http 206 GET /v1/kv/big -r 30000000-30000999 # what is not damaged is served
	tail -c +30000001 "$VALUE" | head -c 1000 | cmp -s - "$BODY" || fail "wrong bytes beside the damage"
}

values_come_and_go_in_bounded_memory
a_part_is_exactly_that_part
many_at_once_arrive_whole
a_lost_client_leaves_no_file
a_kill_leaves_what_was_acknowledged_and_no_more
damage_is_told_or_cuts_the_answer
stop_daemon
