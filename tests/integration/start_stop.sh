#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the foreground: SIGTERM and SIGINT end it well, the data stays, and nothing is left lying about.
. "${top_srcdir:?}/tests/integration/lib.sh"

# A port of 0 is chosen by the kernel and told in the log.
start_foreground
[ "$PORT" -gt 0 ] || fail "port $PORT"
expect_equal "$(<"$PIDFILE")" "$PID" "the pidfile's content"
expect_equal "$(stat -c %a "$DATA")" 700 "the mode of data_dir"
expect_http 200 GET /healthz
expect_http 200 POST "/set?key=a&value=1"
for name in blob-sync commit compaction flush http-accept http-job http-worker scrub; do
	until grep -qx "$name" "/proc/$PID/task/"*/comm; do is_running "$PID" || fail "it ended"; done
done
stop_daemon
expect_log 'stopping: SIGTERM from process '
expect_log 'info: requests drained: [0-9]+$'
expect_log 'info: entries flushed: 1 \([0-9]+ bytes\) into [0-9]+\.sst$'
expect_log 'info: WAL segments removed: [0-9]+$'
expect_log 'info: on disk: 1 tables, [0-9]+ bytes$'
expect_log 'info: time taken: [0-9]+\.[0-9]{3} s$'
tail -n 1 "$LOG" | grep -q 'info: kvstored stopped$' || fail "the last line is not 'kvstored stopped'"
expect_no_file "$PIDFILE"
expect_equal "$(<"$DIR/stderr")" "" "stderr of a daemon that logs to a file"

# SIGINT, as Ctrl-C sends it (bash has it ignored in what it starts in the background, which must not matter).
start_foreground
expect_http 200 GET "/get?key=a"
expect_body 1
kill -INT "$PID"
wait "$PID"
expect_equal $? 0 "the exit status after SIGINT"
expect_log 'stopping: SIGINT from process '
expect_no_file "$PIDFILE"

# Without a log file it logs to stderr.
write_config 'logfile = ""' 'pidfile = ""'
LOG=$DIR/stderr.log
"$KVSTORED" -f -c "$CONF" </dev/null >"$DIR/stdout" 2>"$LOG" &
PID=$!
started+=("$PID")
wait_for_log 0 ' is ready: port ' || fail "it does not log to stderr"
learn_port
expect_http 200 GET "/get?key=a"
stop_daemon
expect_log 'kvstored stopped'
expect_no_file "$PIDFILE"
expect_equal "$(<"$DIR/stdout")" "" "stdout"

# Standard files that are closed are no descriptors for data.
LOG=$DIR/kvstored.log
write_config
run bash -c '"$1" -c "$2" <&- >&- 2>&-' - "$KVSTORED" "$CONF"
expect_equal "$CODE" 0 "the exit status of a start with closed files"
PID=$(<"$PIDFILE")
started+=("$PID")
learn_port
expect_http 200 GET "/get?key=a"
stop_daemon
