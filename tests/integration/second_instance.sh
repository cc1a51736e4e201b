#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A second daemon over the same data, pidfile, port or socket is refused, and the first never notices.
. "${top_srcdir:?}/tests/integration/lib.sh"

write_config "listen = {\"127.0.0.1\", \"$SOCKET\"}"
start_daemon
first=$PID
expect_http 200 POST "/set?key=a&value=1"

unharmed() {
	expect_equal "$(<"$PIDFILE")" "$first" "the pidfile"
	expect_http 200 GET "/get?key=a"
	expect_body 1
	expect_http 200 GET "/get?key=a" --unix-socket "$SOCKET"
	expect_http 200 POST "/set?key=b&value=2"
}
unharmed

# everything the same
expect_run 75 "process $first holds '$PIDFILE'" "$KVSTORED" -c "$CONF"
unharmed
# the same data
write_config "pidfile = \"$DIR/2.pid\"" "logfile = \"$DIR/2.log\""
expect_run 75 "$DATA" "$KVSTORED" -c "$CONF"
unharmed
# the same socket
write_config "pidfile = \"$DIR/2.pid\"" "logfile = \"$DIR/2.log\"" "data_dir = \"$DIR/2.data\"" "listen = {\"$SOCKET\"}"
expect_run 69 "$SOCKET" "$KVSTORED" -c "$CONF"
unharmed
# the same port
write_config "pidfile = \"$DIR/2.pid\"" "logfile = \"$DIR/2.log\"" "data_dir = \"$DIR/2.data\"" "port = $PORT"
expect_run 69 "127.0.0.1" "$KVSTORED" -c "$CONF"
unharmed

# Ten at once over nothing: one wins, nine are told that they are not alone.
write_config
stop_daemon
expect_no_file "$SOCKET"
for i in 0 1 2 3 4 5 6 7 8 9; do
	"$KVSTORED" -c "$CONF" </dev/null 2>"$DIR/err.$i" &
	pids[i]=$!
done
won=0
for i in 0 1 2 3 4 5 6 7 8 9; do
	wait "${pids[i]}"
	case $? in
	0) won=$((won + 1)) ;;
	75) grep -q "$DIR" "$DIR/err.$i" || fail "no path in: $(<"$DIR/err.$i")" ;;
	*) fail "unexpected: $(<"$DIR/err.$i")" ;;
	esac
done
PID=$(<"$PIDFILE")
started+=("$PID")
expect_equal $won 1 "the number of winners"
learn_port
expect_http 200 GET "/get?key=b"
stop_daemon
