#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A client that reads a stream of 200 MB slowly costs the daemon one buffer, and nobody else anything.
. "${top_srcdir:?}/tests/integration/lib.sh"

write_config 'durability = "os"' 'memtable_size = 4M' 'block_cache_size = 4M' 'http_threads = 1'
start_daemon

# lines of 60 kB; what a sanitizer sees shows in fewer, too
lines=3400
[ -z "$SANITIZED" ] || lines=1300
{
	line=$(head -c 60000 /dev/zero | tr '\0' v)
	for i in $(seq -w 0001 $lines); do
		printf '{"key":"%s","value":"%s"}\n' "$i" "$line"
	done
} | curl -q -s -X POST -H 'Expect:' -T - "$URL/v1/import" >"$DIR/imported" || fail "cannot import"
grep -q "\"imported\":$lines," "$DIR/imported" || fail "imported: $(<"$DIR/imported")"

rss() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$PID/status"
}

before=$(rss)
for path in "/v1/export" "/v1/kv"; do
	# reads some, then nothing until it is told to
	mkfifo "$DIR/go"
	curl -q -s -N -H 'Accept: application/x-ndjson' "$URL$path" | { head -c 3000000 >/dev/null; read -r _ <"$DIR/go"; cat >/dev/null; } &
	reader=$!
	for i in $(seq 1001 1100); do
		expect_http 200 GET "/get?key=$i"
		expect_http 200 POST "/set?key=other$i&value=x"
	done
	grown=$(($(rss) - before))
	[ -n "$SANITIZED" ] || [ "$grown" -lt 40000 ] || fail "$path: the daemon has grown by $grown kB"
	echo go >"$DIR/go"
	wait "$reader"
	rm "$DIR/go"
done
stop_daemon
