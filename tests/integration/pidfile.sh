#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The pidfile of the daemon: stale, live, and things that are no pidfile.
. "${top_srcdir:?}/tests/integration/lib.sh"

# Left by a daemon that was killed, and holding the pid of somebody who lives: taken over.
start_daemon
kill_daemon
expect_equal "$(<"$PIDFILE")" "$PID" "what a killed daemon leaves"
echo $$ >"$PIDFILE"
start_daemon
[ "$PID" != $$ ] || fail "the stale pid is still there"
expect_http 200 GET /healthz

# Held by a live one: named with path and pid, and not disturbed.
before=$PID
write_config "data_dir = \"$DIR/data2\""
expect_run 75 "process $before holds '$PIDFILE'" "$KVSTORED" -c "$CONF"
expect_run 75 "process $before holds '$PIDFILE'" "$KVSTORED" -f -c "$CONF"
expect_equal "$(<"$PIDFILE")" "$before" "the pidfile"
expect_http 200 GET /healthz
expect_no_file "$DIR/data2"
write_config
stop_daemon
expect_no_file "$PIDFILE"

# Something else in its place: refused by name, and left as it is.
echo precious >"$DIR/precious"
refused() {
	expect_run 77 "$PIDFILE" "$KVSTORED" -c "$CONF"
	expect_equal "$(<"$DIR/precious")" precious "the file outside"
	expect_no_file "$DATA/never"
}
ln -s "$DIR/precious" "$PIDFILE"
refused
[ -L "$PIDFILE" ] || fail "the link was replaced"
rm "$PIDFILE"
ln "$DIR/precious" "$PIDFILE"
refused
rm "$PIDFILE"
mkfifo "$PIDFILE"
refused
rm "$PIDFILE"
mkdir "$PIDFILE"
refused
rmdir "$PIDFILE"
ln -s "$DIR/nothing" "$PIDFILE"
refused
expect_no_file "$DIR/nothing"
rm "$PIDFILE"

write_config "pidfile = \"$DIR/missing/kvstored.pid\""
expect_run 78 "$DIR/missing/kvstored.pid" "$KVSTORED" -c "$CONF"
expect_no_file "$DIR/missing"
