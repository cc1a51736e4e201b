# SPDX-License-Identifier: BSD-2-Clause
# lib.sh: what every test against the real daemon shares. A test begins with
#
#     . "${top_srcdir:?}/tests/integration/lib.sh"
#
# and then has a directory of its own, $DIR, and a configuration, $CONF, with data, pidfile and log in it and port 0 (the
# kernel chooses; start_* sets $PORT and $URL). So tests run in parallel. At the end, however it comes, all that was started
# is ended and $DIR is removed. A failed test shows the end of the log; KEEP=1 keeps $DIR. After TEST_TIMEOUT seconds (900) a
# test is ended as failed. Nothing sleeps: readiness is the parent's exit or a line in the log, an end is a lock let go.
#
# Variables:  KVSTORED  the daemon's binary     DIR CONF DATA LOG PIDFILE SOCKET  places of this test
#             PID PORT URL  of the daemon that was started last
#             STATUS  of the last http          OUT ERR CODE  of the last run

if [ -z "${KV_TEST_GUARDED:-}" ]; then
	export KV_TEST_GUARDED=1
	exec timeout -k 20 "${TEST_TIMEOUT:-900}" bash "$0" "$@"
fi
set -u
LC_ALL=C
export LC_ALL
umask 022
unset NOTIFY_SOCKET http_proxy https_proxy all_proxy

KVSTORED=${KVSTORED:?names the daemon to test}
# A sanitizer keeps what was freed for a while, so memory tells nothing.
SANITIZED=$(grep -a -q -E '__(a|t)san_init' "$KVSTORED" && echo yes)
DIR=$(mktemp -d "${TMPDIR:-/tmp}/kvtest.XXXXXX") || exit 99
chmod 755 "$DIR"
CONF=$DIR/kvstored.conf
DATA=$DIR/data
LOG=$DIR/kvstored.log
PIDFILE=$DIR/kvstored.pid
SOCKET=$DIR/kvstored.sock
PID=
PORT=
URL=
started=()
failed=

# ---- the end ----

cleanup() {
	local code=$? pid
	trap - EXIT INT TERM
	for pid in "${started[@]}"; do
		is_running "$pid" && kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null # where bash would tell that it was killed
	done
	if [ "$code" != 0 ] && [ "$code" != 77 ] && [ -s "$LOG" ]; then
		echo "---- the end of $LOG:"
		tail -n 20 "$LOG"
	fi
	wait
	if [ -n "${KEEP:-}" ]; then echo "kept: $DIR"; else rm -rf "$DIR"; fi
	exit "$code"
}
trap cleanup EXIT
trap 'exit 98' INT TERM

fail() {
	printf 'FAILED %s:%s: %s\n' "$(basename "$0")" "${BASH_LINENO[${#BASH_LINENO[@]}-2]}" "$*"
	exit 1
}

# skip REASON: this machine cannot run the test.
skip() {
	echo "skipped: $*"
	exit 77
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# ---- configuration ----

# write_config [LINE...]: the basic configuration, then the lines; the last of two settings counts.
write_config() {
	cat >"$CONF" <<-EOF
		listen = {"127.0.0.1"}
		port = 0
		data_dir = "$DATA"
		pidfile = "$PIDFILE"
		logfile = "$LOG"
		log_level = "debug"
		user = ""
	EOF
	[ $# = 0 ] || printf '%s\n' "$@" >>"$CONF"
}
write_config

# ---- starting and stopping ----

is_running() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
	[ -n "$state" ] && [ "$state" != Z ]
}

log_size() {
	if [ -e "$LOG" ]; then stat -c %s "$LOG"; else echo 0; fi
}

# wait_for_log OFFSET PATTERN [PID]: until a line after byte OFFSET of the log matches (grep -E). Fails when PID (default: $PID)
# ends before that.
wait_for_log() {
	local offset=$1 pattern=$2 pid=${3:-$PID} reader result lines
	[ -e "$LOG" ] || : >>"$LOG"
	exec {lines}< <(exec tail -s 0.05 -c "+$((offset + 1))" --pid="$pid" -f "$LOG" 2>/dev/null)
	reader=$!
	grep -qE -m1 -- "$pattern" <&"$lines"
	result=$?
	exec {lines}<&-
	kill "$reader" 2>/dev/null
	wait "$reader" 2>/dev/null
	return $result
}

# Sets PORT and URL from the newest line that tells the port.
learn_port() {
	PORT=$(sed -n 's/.* is ready: port \([0-9]*\);.*/\1/p' "$LOG" | tail -n 1)
	URL=http://127.0.0.1:$PORT
	[ -n "$PORT" ] || fail "the log does not tell the port"
}

# start_daemon [ARG...]: as a daemon; ready when it returns.
start_daemon() {
	run "$KVSTORED" -c "$CONF" "$@"
	[ "$CODE" = 0 ] || fail "the daemon does not start: exit $CODE: $ERR"
	PID=$(<"$PIDFILE")
	started+=("$PID")
	learn_port
}

# start_foreground [ARG...]: as a child of the test, whose exit status `wait $PID` tells; ready when it returns. Its stderr goes
# to $DIR/stderr.
start_foreground() {
	local offset
	offset=$(log_size)
	"$KVSTORED" -f -c "$CONF" "$@" </dev/null >"$DIR/stdout" 2>"$DIR/stderr" &
	PID=$!
	started+=("$PID")
	wait_for_log "$offset" ' is ready: port ' || fail "the daemon does not start: $(<"$DIR/stderr")"
	learn_port
}

# Until no process holds the lock on FILE (or it is gone): closed by the kernel, at the latest, when the process ends.
wait_unlocked() {
	local fd
	[ -f "$1" ] || return 0
	{ exec {fd}<"$1"; } 2>/dev/null || return 0
	flock -w 60 "$fd" || fail "$1 is still locked"
	exec {fd}<&-
}

# wait_gone: until the daemon that was started last has let go of pidfile and data. (Its pid is no measure: where nobody
# reaps orphans it stays as a zombie.)
wait_gone() {
	wait_unlocked "$PIDFILE"
	wait_unlocked "$DATA/LOCK"
}

# stop_daemon: SIGTERM, and waits for the end. A child's exit status must be 0.
stop_daemon() {
	kill -TERM "$PID" || fail "no process $PID to stop"
	if jobs -p | grep -qx "$PID"; then
		wait "$PID"
		local code=$?
		[ $code = 0 ] || fail "the daemon ended with $code: $(<"$DIR/stderr")"
	fi
	wait_gone
}

# kill_daemon: SIGKILL, and waits until everything it held is free again.
kill_daemon() {
	kill -KILL "$PID" || fail "no process $PID to kill"
	{ jobs -p | grep -qx "$PID" && wait "$PID"; } 2>/dev/null
	wait_gone
}

# ---- running and asking ----

# run COMMAND [ARG...]: sets OUT, ERR, CODE (124: not ended after RUN_TIMEOUT, 60 seconds); stdin is empty.
run() {
	timeout -k 5 "${RUN_TIMEOUT:-60}" "$@" </dev/null >"$DIR/run.out" 2>"$DIR/run.err"
	CODE=$?
	OUT=$(<"$DIR/run.out")
	ERR=$(<"$DIR/run.err")
}

# http METHOD PATH [CURL-ARG...]: asks the daemon; sets STATUS (000: no answer) and BODY, the name of the file with the body.
http() {
	local method=$1 path=$2
	shift 2
	BODY=$DIR/http.body
	: >"$BODY"
	local form=(-X "$method")
	[ "$method" != HEAD ] || form=(-I)
	STATUS=$(curl -q -s -g --path-as-is -m 60 "${form[@]}" -o "$BODY" -w '%{http_code}' "$@" "$URL$path")
}

# ---- assertions ----

# expect_run CODE PATTERN COMMAND [ARG...]: the command ends with CODE, and PATTERN (grep -E) is in its stderr or stdout.
expect_run() {
	local code=$1 pattern=$2
	shift 2
	run "$@"
	[ "$CODE" = "$code" ] || fail "'$*' ends with $CODE, not $code: $ERR"
	grep -qE -- "$pattern" <<<"$ERR"$'\n'"$OUT" || fail "'$*' does not say '$pattern' but: $ERR $OUT"
}

# expect_http STATUS METHOD PATH [CURL-ARG...]
expect_http() {
	local status=$1
	shift
	http "$@"
	[ "$STATUS" = "$status" ] || fail "$1 $2 gives $STATUS, not $status: $(head -c 300 "$BODY")"
}

# expect_body TEXT: the last body is exactly TEXT (which cannot hold a NUL; a newline at its end counts).
expect_body() {
	printf %s "$1" | cmp -s - "$BODY" || fail "the body is '$(head -c 300 "$BODY")', not '$1'"
}

# expect_equal ACTUAL EXPECTED WHAT
expect_equal() {
	[ "$1" = "$2" ] || fail "$3 is '$1', not '$2'"
}

# expect_log PATTERN: a line of the log matches (grep -E).
expect_log() {
	grep -qE -- "$1" "$LOG" || fail "the log has no line like '$1'"
}

expect_no_file() {
	[ ! -e "$1" ] && [ ! -L "$1" ] || fail "$1 is there"
}
