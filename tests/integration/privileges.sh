#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Started by root: becomes the user of the configuration, who owns what is made; started by somebody else: stays who it is.
. "${top_srcdir:?}/tests/integration/lib.sh"
need_root
user=nobody
group=$(id -gn $user)
mkdir "$DIR/run"
chown "$user:$group" "$DIR/run"
PIDFILE=$DIR/run/kvstored.pid
SOCKET=$DIR/run/kvstored.sock
listen="listen = {\"127.0.0.1\", \"$SOCKET\"}"

write_config "user = \"$user\"" "$listen"
start_daemon
expect_equal "$(stat -c %U "/proc/$PID")" $user "the user"
expect_equal "$(sed -n 's/^Gid:[[:space:]]*//p' "/proc/$PID/status" | tr '\t' '\n' | sort -u)" "$(id -g $user)" "the groups"
expect_equal "$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$PID/status")" 0000000000000000 "the capabilities"
expect_equal "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "/proc/$PID/status")" 1 "no_new_privs"
expect_equal "$(stat -c '%U %a' "$DATA")" "$user 700" "owner and mode of data_dir"
expect_equal "$(stat -c '%U %a' "$LOG")" "$user 640" "owner and mode of the log"
expect_equal "$(stat -c '%G %a' "$SOCKET")" "$group 660" "group and mode of the socket"
expect_http 200 POST "/set?key=a&value=1"
expect_http 200 GET "/get?key=a" --unix-socket "$SOCKET"
# As that user it can still open its log anew, and clean up.
offset=$(log_size)
kill -HUP "$PID"
wait_for_log "$offset" 'configuration (not )?reloaded' || fail "no reload"
stop_daemon
expect_no_file "$PIDFILE"
expect_no_file "$SOCKET"

# started_by_user: by the user himself, for whom `user` means nothing.
started_by_user() {
	expect_run 0 '' setpriv --reuid=$user --regid="$group" --clear-groups "$KVSTORED" -c "$CONF"
	PID=$(<"$PIDFILE")
	started+=("$PID")
	learn_port
}

# The pidfile of root's that a killed daemon leaves keeps the user from starting only while somebody holds it.
start_daemon
expect_equal "$(stat -c %U "$PIDFILE")" root "the owner of the pidfile"
expect_run 75 "process $PID holds '$PIDFILE'" setpriv --reuid=$user --regid="$group" --clear-groups "$KVSTORED" -c "$CONF"
kill_daemon
expect_equal "$(<"$PIDFILE")" "$PID" "what a killed daemon leaves"
started_by_user
expect_equal "$(stat -c %U "$PIDFILE")" $user "the owner of the pidfile"
stop_daemon
expect_no_file "$PIDFILE"

# A pidfile in a directory of root's cannot be removed by the user: it is left empty, and is taken over.
PIDFILE=$DIR/kvstored.pid
write_config "user = \"$user\""
start_daemon
stop_daemon
[ ! -s "$PIDFILE" ] || fail "a pid is left in the pidfile"
start_daemon
stop_daemon
expect_run 77 "$PIDFILE" setpriv --reuid=$user --regid="$group" --clear-groups "$KVSTORED" -c "$CONF"
expect_equal "$(stat -c %U "$PIDFILE")" root "the owner of the pidfile"
rm -f "$PIDFILE"

# data_dir of somebody else
chown root "$DATA"
expect_run 77 "$DATA.*must belong to" "$KVSTORED" -c "$CONF"
expect_equal "$(stat -c %U "$DATA")" root "the owner of data_dir"
chown "$user" "$DATA"

write_config 'user = "no-such-user"'
expect_run 78 "user 'no-such-user' does not exist" "$KVSTORED" -c "$CONF"
write_config "user = \"$user\"" 'group = "no-such-group"'
expect_run 78 "group 'no-such-group' does not exist" "$KVSTORED" -c "$CONF"

# Started by the user himself: `user` and `group` mean nothing, and a place where he may not write ends the start with 77.
chown -R "$user" "$DATA" "$LOG"
PIDFILE=$DIR/run/kvstored.pid
write_config 'user = "root"'
started_by_user
expect_equal "$(stat -c %U "/proc/$PID")" $user "the user"
expect_http 200 GET "/get?key=a"
expect_body 1
stop_daemon
chmod 500 "$DATA"
chown root "$DATA"
expect_run 77 "$DATA" setpriv --reuid=$user --regid="$group" --clear-groups "$KVSTORED" -c "$CONF"
