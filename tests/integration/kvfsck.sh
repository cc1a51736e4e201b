#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kvfsck on the data of the real daemon: exit codes and texts, that a check changes nothing, a repair, and what is printed.
. "${top_srcdir:?}/tests/integration/lib.sh"
KVFSCK=${KVFSCK:?names the tool to test}

# Names, sizes, times and contents of a directory.
picture() { (cd "$1" && find . -printf '%p %y %s %m %T@\n' | sort && find . -type f -exec sha256sum {} + | sort); }

# same COMMAND...: it changes nothing in $DATA.
same() {
	local before
	before=$(picture "$DATA")
	"$@"
	[ "$before" = "$(picture "$DATA")" ] || fail "'$*' changed the data"
}

# refused CODE PATTERN COMMAND...: one line on stderr, nothing on stdout, and nothing is changed.
refused() {
	same expect_run "$@"
	expect_equal "$OUT" "" "what '${*:3}' prints"
	expect_equal "$(grep -c '' <<<"$ERR")" 1 "the number of lines that '${*:3}' tells"
}

# The offset of the N-th group of a segment.
group_at() { "$KVFSCK" --dump "$1" | sed -nE 's/^group offset=([0-9]+) .*/\1/p' | sed -n "$2p"; }
break_at() { printf 'X' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# ---- a store: a table, a large value, a log ----
start_daemon
for i in 1 2 3 4 5; do expect_http 200 POST "/set?key=key$i&value=value$i"; done
head -c 200000 /dev/zero >"$DIR/large"
expect_http 201 PUT /v1/kv/large --data-binary "@$DIR/large"
expect_http 200 POST /v1/admin/flush
expect_http 200 POST "/set?key=key1&value=newer"
expect_http 200 DELETE "/del?key=key2"
expect_http 200 POST "/set?key=key6&value=value6"
refused 75 "another process has the store" "$KVFSCK" "$DATA"
refused 75 "another process has the store" "$KVFSCK" --repair "$DATA"
kill_daemon
cp -a "$DATA" "$DIR/good"
again() { rm -rf "$DATA" && cp -a "$DIR/good" "$DATA"; }

# ---- usage, and places that are no store ----
expect_run 0 "^Usage: kvfsck" "$KVFSCK" --help
expect_run 0 "^kvfsck .*[0-9]+\.[0-9]+" "$KVFSCK" --version
refused 64 "must be named" "$KVFSCK"
refused 64 "no such option" "$KVFSCK" --mend "$DATA"
refused 64 "do not go together" "$KVFSCK" --dump --repair "$DATA"
refused 64 "accept-stale is for" "$KVFSCK" --accept-stale "$DATA"
refused 66 "nowhere" "$KVFSCK" "$DIR/nowhere"
refused 66 "Not a directory" "$KVFSCK" "$DIR/large"
refused 66 "No such file" "$KVFSCK" --dump "$DIR/nowhere"
refused 65 "no file of a store" "$KVFSCK" --dump "$DIR/large"
mkfifo "$DIR/pipe"
for place in "$DIR/pipe" "$DATA" /dev/null; do refused 65 "no file of a store|not a regular file|[Nn]o such device" "$KVFSCK" --dump "$place"; done
refused 66 "Not a directory" "$KVFSCK" --repair "$DIR/pipe"
mkdir "$DIR/empty"
refused 66 "no store" "$KVFSCK" "$DIR/empty"
refused 66 "no store" "$KVFSCK" --repair "$DIR/empty"
[ -z "$(ls -A "$DIR/empty")" ] || fail "something was made in a directory without a store"
ln -s "$DATA" "$DIR/link"
refused 66 "Not a directory" "$KVFSCK" "$DIR/link" # it is not followed
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	refused 77 "[Pp]ermission denied" "${nobody[@]}" "$KVFSCK" "$DATA"
	refused 77 "belongs to the user 0" "${nobody[@]}" "$KVFSCK" --repair "$DATA"
	refused 77 "[Pp]ermission denied" "${nobody[@]}" "$KVFSCK" --dump "$DATA/MANIFEST"
fi

# ---- clean ----
same expect_run 0 "entries: clean" "$KVFSCK" "$DATA"
expect_run 0 "nothing more to repair" "$KVFSCK" --repair "$DATA"
again

# ---- a name that would write to the terminal ----
touch "$DATA/"$'a\e[2Jb'
expect_run 0 'remark: "a\\x1b\[2Jb": no file of a store' "$KVFSCK" "$DATA"
again

# ---- a MANIFEST of another store is damage for the daemon, too ----
rm -rf "$DATA"
start_daemon
stop_daemon
cp "$DATA/MANIFEST" "$DIR/foreign"
again
cp "$DIR/foreign" "$DATA/MANIFEST"
expect_run 65 "MANIFEST.*another store.*kvfsck" "$KVSTORED" -f -c "$CONF"
expect_run 65 "MANIFEST: offset 16: the file belongs to another store" "$KVFSCK" "$DATA"
again

# ---- files of root would be closed to a daemon that is another user ----
if [ "$(id -u)" = 0 ]; then
	chown -R 65534 "$DATA"
	expect_run 77 "belongs to the user 65534" "$KVFSCK" --repair "$DATA"
	again
fi

# ---- a table: what is lost is told, and the log's newer values stay ----
table=$(cd "$DATA" && echo ./*.sst)
break_at "$DATA/$table" 20
same expect_run 65 'damage: .*\.sst: offset 0: block checksum does not match: keys "key1" to "large"' "$KVFSCK" "$DATA"
expect_run 0 'lost: .*\.sst: .*keys "key1" to "large"' "$KVFSCK" --repair "$DATA"
[ -f "$DATA/lost+found/$table" ] || fail "the damaged table is not in lost+found"
expect_run 0 "entries: clean" "$KVFSCK" "$DATA"
start_daemon
expect_http 200 GET "/get?key=key1"
expect_body newer
expect_http 404 GET "/get?key=key2"
expect_http 404 GET "/get?key=key3"
expect_http 200 GET "/get?key=key6"
expect_body value6
stop_daemon
again

# ---- the log: refused until it is accepted that nobody knows what is lost ----
log=$(cd "$DATA" && grep -l "newer" ./*.wal | tail -n 1)
at=$(group_at "$DATA/$log" 1)
[ -n "$at" ] || fail "no group is printed of $log"
break_at "$DATA/$log" $((at + 50))
expect_run 65 "$log|${log#./}" "$KVSTORED" -f -c "$CONF"
grep -qF "kvfsck --repair $DATA" <<<"$ERR$OUT$(cat "$LOG")" || fail "the daemon does not name the command that repairs"
same expect_run 65 'operations [0-9]+ to [0-9]+ are lost.*any key' "$KVFSCK" "$DATA"
same expect_run 65 "accept-stale" "$KVFSCK" --repair "$DATA"
expect_run 0 'lost: the operations' "$KVFSCK" --repair --accept-stale "$DATA"
start_daemon
expect_http 200 GET "/get?key=key1" # the older one, as was told
expect_body value1
expect_http 404 GET "/get?key=key2"
expect_http 200 GET "/get?key=key6"
expect_body value6
stop_daemon
again

# ---- without MANIFEST ----
rm "$DATA/MANIFEST"
same expect_run 65 "MANIFEST: it is missing" "$KVFSCK" "$DATA"
same expect_run 65 "accept-stale" "$KVFSCK" --repair "$DATA"
expect_run 0 "MANIFEST: written anew" "$KVFSCK" --repair --accept-stale "$DATA"
start_daemon
expect_http 200 GET "/get?key=key1"
expect_body newer
expect_http 404 GET "/get?key=key2"
expect_http 200 GET "/get?key=key5"
expect_body value5
expect_http 200 GET /v1/kv/large
cmp -s "$BODY" "$DIR/large" || fail "the large value is not what it was"
stop_daemon
again

# ---- printing ----
expect_run 0 '^put sequence=[0-9]+ key="key3" bytes=6 value="value3"$' "$KVFSCK" --dump --values "$DATA/$table"
expect_run 0 '^blob sequence=[0-9]+ key="large" bytes=200000 file=[0-9]+ checksum=' "$KVFSCK" --dump "$DATA/$table"
expect_run 0 '^delete sequence=[0-9]+ key="key2"$' "$KVFSCK" --dump "$DATA/$log"
expect_run 0 '^table level=0 number=' "$KVFSCK" --dump "$DATA/MANIFEST"
expect_run 0 '^format version=2 store=[0-9a-f]{32}$' "$KVFSCK" --dump "$DATA/FORMAT"
expect_run 0 '^end bytes=200000 checksum=[0-9a-f]{16}$' bash -c '"$1" --dump "$2"/*.blob' - "$KVFSCK" "$DATA"
(cd "$DATA" && "$KVFSCK" --dump "$table" >"$DIR/out") || fail "a file in the current directory cannot be printed"
expect_run 74 "cannot write" bash -c '"$1" --dump "$2/MANIFEST" >/dev/full' - "$KVFSCK" "$DATA"
