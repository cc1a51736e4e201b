#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# As a daemon: ready when the parent returns, detached from all that it came from, and its failure is the parent's.
. "${top_srcdir:?}/tests/integration/lib.sh"

cd "$DIR" || exit 1
run "$KVSTORED" --config=kvstored.conf
expect_equal "$CODE" 0 "the parent's exit status"
expect_equal "$OUT$ERR" "" "what the parent says"
PID=$(<"$PIDFILE")
started+=("$PID")
learn_port
expect_http 200 GET /readyz

# pid (comm) state ppid pgrp session tty
read -r _ _ _ ppid _ session tty _ </proc/"$PID"/stat
[ "$session" != "$PID" ] || fail "it leads its session, so it could get a terminal"
read -r _ _ _ _ _ ours _ </proc/$$/stat
[ "$session" != "$ours" ] || fail "it is in our session"
[ "$ppid" != $$ ] || fail "it is still our child"
expect_equal "$tty" 0 "the terminal"
expect_equal "$(readlink "/proc/$PID/cwd")" / "the working directory"
expect_equal "$(sed -n 's/^Umask:[[:space:]]*//p' "/proc/$PID/status")" 0077 "the umask"
for fd in 0 1 2; do
	expect_equal "$(readlink "/proc/$PID/fd/$fd")" /dev/null "descriptor $fd"
done
# A relative path of the configuration holds after the change to /.
offset=$(log_size)
kill -HUP "$PID"
wait_for_log "$offset" "configuration reloaded from '$DIR/kvstored.conf'" || fail "no reload"
stop_daemon
expect_no_file "$PIDFILE"

# The child's failure: on the parent's stderr, and its exit status.
write_config "data_dir = \"$DIR/kvstored.conf\""
expect_run 77 "^kvstored: .*$DIR/kvstored.conf" "$KVSTORED" -c "$CONF"
expect_no_file "$PIDFILE"
expect_log 'error: cannot start: '

# Without a log file the daemon uses syslog, and stderr still has the error.
write_config 'logfile = ""' "data_dir = \"$DIR/missing/data\""
expect_run 78 "^kvstored: .*$DIR/missing/data" "$KVSTORED" -c "$CONF"
expect_no_file "$PIDFILE"
