#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A byte that changes on disk under a running daemon is found by the scrub, told once and counted; only keys of that table fail, before and
# after a restart; the daemon stays ready and goes on writing.
. "${top_srcdir:?}/tests/integration/lib.sh"

put_range() {
	local n
	for n in $(seq "$1" "$2"); do printf '{"key":"k%04d","value":"%s of %d"}\n' "$n" "$3" "$n"; done |
		curl -sf --data-binary @- -H 'Content-Type: application/x-ndjson' "$URL/v1/import" >/dev/null || fail "the import fails"
	expect_http 200 POST /v1/admin/flush
}

# stat GROUP NAME: a figure of /v1/stats
stat_of() {
	curl -sf "$URL/v1/stats" | grep -oE "\"$1\":\{[^}]*\}" | grep -oE "\"$2\":[0-9]+" | grep -oE '[0-9]+$'
}

# until_stat GROUP NAME MINIMUM
until_stat() {
	local now
	while :; do
		now=$(stat_of "$1" "$2") || fail "/v1/stats has no $1.$2"
		[ "$now" -lt "$3" ] || return 0
	done
}

write_config 'scrub_interval = 1' 'flush_interval = 0' 'block_cache_size = 0'
start_daemon
put_range 1 100 first
put_range 501 600 second
until_stat scrub tables 2
[ "$(stat_of damaged tables)" = 0 ] || fail "there is damage from the start"
expect_http 200 GET /readyz
expect_body $'healthy\n'

# ---- damage in the running store ----
newest=$(ls "$DATA"/*.sst | tail -n 1)
was=$(dd if="$newest" bs=1 skip=40 count=1 status=none | od -An -tu1)
printf "\\x$(printf %02x $((was ^ 1)))" | dd of="$newest" bs=1 seek=40 count=1 conv=notrunc status=none
until_stat damaged tables 1
until_stat scrub tables $(($(stat_of scrub tables) + 4)) # it is read again, and told no more

expect_damage_to_cost_its_own_keys_only() {
	local n
	expect_http 200 GET /readyz
	expect_body $'healthy: 1 damaged table\n'
	curl -sf "$URL/metrics" | grep -qx 'kvstored_damaged_tables 1' || fail "/metrics does not tell the damage"
	for n in 1 50 100; do expect_http 200 GET "/v1/kv/k$(printf %04d "$n")"; done
	expect_http 500 GET /v1/kv/k0501
	expect_http 404 GET /v1/kv/k0300
	# who needs the value is told where the damage is; who replaces or deletes it is rid of it
	expect_http 500 PUT /v1/kv/k0501 -H 'If-Match: *' -d x
	grep -q "$(basename "$newest")"' at offset ' "$BODY" || fail "the answer does not say where: $(cat "$BODY")"
	expect_http 500 POST /v1/incr/k0501
	grep -q "$(basename "$newest")"' at offset ' "$BODY" || fail "the answer does not say where: $(cat "$BODY")"
	expect_http 204 PUT "/v1/kv/k051$1" -d new
	expect_http 200 GET "/v1/kv/k051$1"
	expect_body new
	expect_http 204 DELETE "/v1/kv/k052$1"
	expect_http 404 GET "/v1/kv/k052$1"
	expect_http 200 DELETE "/del?key=k053$1"
	expect_http 404 GET "/v1/kv/k053$1"
	expect_http 201 PUT "/v1/kv/new$1" -d value
	expect_http 204 PUT /v1/kv/k0050 -d value
}

expect_damage_to_cost_its_own_keys_only 1
[ "$(grep -c "$(basename "$newest")"' at offset .*keys from "k0501" to "k0600" cannot be read' "$LOG")" = 1 ] ||
	fail "the log does not tell the damage once"
stop_daemon
start_daemon
until_stat damaged tables 1
expect_damage_to_cost_its_own_keys_only 2

# ---- turned off and on by a reload ----
write_config 'scrub_interval = 0' 'flush_interval = 0' 'block_cache_size = 0'
offset=$(log_size)
kill -HUP "$PID"
wait_for_log "$offset" 'info: configuration reloaded' || fail "the interval cannot be reloaded"
stop_daemon
