#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The exit codes of failed starts, each in the foreground and through the daemon's parent (64 and 78: config_errors.sh).
. "${top_srcdir:?}/tests/integration/lib.sh"

# fails CODE PATTERN
fails() {
	expect_run "$1" "$2" "$KVSTORED" -f -c "$CONF"
	expect_run "$1" "$2" "$KVSTORED" -c "$CONF"
	wait_gone
	expect_no_file "$PIDFILE"
}

start_daemon
expect_http 200 POST "/set?key=a&value=1"

# 69: the address is taken.
write_config "port = $PORT" "data_dir = \"$DIR/data2\"" "pidfile = \"$DIR/2.pid\"" "logfile = \"$DIR/2.log\""
expect_run 69 "[Aa]ddress.*in use" "$KVSTORED" -f -c "$CONF"
expect_run 69 "[Aa]ddress.*in use" "$KVSTORED" -c "$CONF"
expect_no_file "$DIR/2.pid"

# 75: the data is another's.
write_config "pidfile = \"$DIR/2.pid\"" "logfile = \"$DIR/2.log\""
expect_run 75 "$DATA" "$KVSTORED" -f -c "$CONF"
expect_run 75 "$DATA" "$KVSTORED" -c "$CONF"
expect_no_file "$DIR/2.pid"
expect_http 200 GET "/get?key=a"
write_config
stop_daemon

# 65: damaged data. Nothing is changed.
cp -a "$DATA" "$DIR/good"
printf 'XXXXXXXX' | dd of="$DATA/MANIFEST" conv=notrunc bs=1 seek=4 2>/dev/null
cp -a "$DATA" "$DIR/damaged"
fails 65 "MANIFEST.*kvfsck --repair $DATA'"
diff -r "$DIR/damaged" "$DATA" || fail "the refused start changed the data"
rm -r "$DATA"
cp -a "$DIR/good" "$DATA"
sed -i '1s/[0-9][0-9]*/999/' "$DATA/FORMAT"
fails 65 FORMAT

# 74: the disk does not take it.
rm -r "$DATA"
cp -a "$DIR/good" "$DATA"
run bash -c 'trap "" XFSZ; ulimit -f 0; exec "$1" -f -c "$2" 3>&2' - "$KVSTORED" "$CONF"
expect_equal "$CODE" 74 "the exit status when no file may grow"
rm -f "$PIDFILE"

# 74 also at the end, when memory cannot be written out: told to the client of /shutdown; the write stays in the WAL.
start_foreground
expect_http 200 POST "/set?key=b&value=2"
prlimit --pid "$PID" --fsize=0
expect_http 200 GET /shutdown
grep -q '^memory not flushed: ' "$BODY" || fail "the answer does not tell of the failure: $(<"$BODY")"
expect_equal "$(tail -n 1 "$BODY")" "kvstored stopped" "the last line"
wait "$PID"
expect_equal $? 74 "the exit status when memory cannot be flushed"
expect_no_file "$PIDFILE"

# And all is well again.
start_daemon
expect_http 200 GET "/get?key=a"
expect_body 1
expect_http 200 GET "/get?key=b"
expect_body 2
stop_daemon
