#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# SIGHUP: what may change changes, the rest is named, a bad file changes nothing, and the log file is opened anew.
. "${top_srcdir:?}/tests/integration/lib.sh"

# reload PATTERN: sends SIGHUP, waits for the line.
reload() {
	local offset
	offset=$(log_size)
	kill -HUP "$PID"
	wait_for_log "$offset" "$1" || fail "no line like '$1'"
}

start_daemon
reload "configuration reloaded from '$CONF'"
! grep -q 'only after a restart' "$LOG" || fail "an unchanged file is told to need a restart"

write_config 'flush_interval = 5' 'compaction_threshold = 8' 'port = 1' 'memtable_size = 1M' 'durability = os'
reload "warning: changed in '$CONF', but in effect only after a restart: port, memtable_size, durability"
expect_http 200 GET /healthz

# A bad file: told with its line, and the old settings stay: port 1 would still need a restart after it.
echo 'port = x' >"$CONF"
reload "error: configuration not reloaded, the old settings stay: $CONF:1: port must be a number"
expect_http 200 GET /healthz
rm "$CONF"
reload "error: configuration not reloaded, the old settings stay: .*$CONF"
expect_http 200 GET /healthz

# The level: from here on there are only warnings, until it is changed back.
write_config 'log_level = "warning"' 'port = 1'
reload 'warning: changed in .* only after a restart: port'
offset=$(log_size)
reload 'warning: changed in .* only after a restart: port'
expect_equal "$(tail -c "+$((offset + 1))" "$LOG" | grep -vc ' warning: ')" 0 "the number of lines below the level"
write_config
reload "info: configuration reloaded"

# logrotate: the old file is moved, the new one is made on SIGHUP.
mv "$LOG" "$LOG.1"
kill -HUP "$PID"
wait_for_log 0 'info: configuration reloaded' || fail "no new log file"
lines=$(wc -l <"$LOG.1")
reload 'info: configuration reloaded'
expect_equal "$(wc -l <"$LOG.1")" "$lines" "the length of the rotated file"

# A file that cannot be opened: the old one stays in use.
mv "$LOG" "$LOG.2"
mkdir "$LOG"
kill -HUP "$PID"
LOG=$LOG.2 wait_for_log 0 "error: cannot reopen the log file, the old one stays in use: .*$LOG" || fail "the log is lost"
rmdir "$LOG"
kill -HUP "$PID"
wait_for_log 0 'info: configuration reloaded' || fail "the log does not come back"
expect_http 200 GET /healthz

# The new file has the mode of the first one: its group may read it. (Of two signals the lower one is taken first.)
mode=$(stat -c %a "$LOG.1")
mv "$LOG" "$LOG.3"
kill -HUP "$PID"
stop_daemon
expect_equal "$(stat -c %a "$LOG")" "$mode" "the mode of the new log file"
tail -n 1 "$LOG" | grep -q 'kvstored stopped$' || fail "the last line is not in the new file"
