#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Sockets that the service manager passes: served in place of our own, in the foreground and as a daemon; wrong ones are refused.
TEST_TIMEOUT=${TEST_TIMEOUT:-120}
. "${top_srcdir:?}/tests/integration/lib.sh"
command -v systemd-socket-activate >/dev/null || skip "no systemd-socket-activate"
grep -q '^#define HAVE_SYSTEMD 1' "$top_builddir/config.h" || skip "built without systemd"
command -v openssl >/dev/null || skip "no openssl"
CERT=$DIR/cert.pem
KEY=$DIR/key.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$KEY" -out "$CERT" -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null || fail "openssl makes no certificate"
chmod 640 "$KEY"

# Sets FREE to a port that nobody listens on.
free_port() {
	until FREE=$((20000 + RANDOM % 12000)) && ! (exec 3<>"/dev/tcp/127.0.0.1/$FREE") 2>/dev/null; do :; done
}

# passing SOCKET-ACTIVATE-ARG... -- KVSTORED-ARG...: the manager, which starts the daemon for the first connection to $SOCKET
passing() {
	local manager=()
	while [ "$1" != -- ]; do manager+=("$1"); shift; done
	shift
	rm -f "$SOCKET"
	offset=$(log_size)
	systemd-socket-activate "${manager[@]}" "$KVSTORED" -c "$CONF" "$@" </dev/null >"$DIR/stdout" 2>"$DIR/stderr" &
	PID=$!
	started+=("$PID")
	SECONDS=0
	until [ -S "$SOCKET" ] || [ $SECONDS -gt 20 ]; do is_running "$PID" || fail "the manager does not run: $(<"$DIR/stderr")"; done
	curl -q -s -m 60 --retry 4 --retry-connrefused --unix-socket "$SOCKET" http://localhost/healthz >"$DIR/first"
}

# It answers a moment before it says that it is ready.
served() {
	passing "$@"
	wait_for_log "$offset" ' is ready: port ' || fail "the daemon does not start: $(<"$DIR/stderr")"
}

# Our own addresses of the same kinds are not bound; those of another kind are.
write_config "listen = {\"127.0.0.1\", \"$DIR/own.sock\"}" 'tls_listen = {"127.0.0.1"}' 'tls_port = 0' \
	"tls_certificate = \"$CERT\"" "tls_key = \"$KEY\""
served -l "$SOCKET" -- -f
expect_equal "$(<"$DIR/first")" OK "the answer that the first connection waits for"
expect_log '1 sockets are of the service manager'
expect_log 'serves TLS: port'
expect_no_file "$DIR/own.sock"
learn_port
expect_http 200 GET /healthz
kill -TERM "$PID"
wait "$PID" || fail "the end is not a good one"
[ -S "$SOCKET" ] || fail "the manager's socket was removed"
wait_gone

# TCP and TLS, by name.
write_config 'listen = {"127.0.0.1"}' "tls_certificate = \"$CERT\"" "tls_key = \"$KEY\""
free_port
plain=$FREE
free_port
served -l "127.0.0.1:$plain" -l "127.0.0.1:$FREE" -l "$SOCKET" --fdname=http:https:http -- -f
expect_equal "$(<"$DIR/first")" OK "the answer that the first connection waits for"
learn_port
expect_equal "$PORT" "$plain" "the port"
expect_http 200 GET /healthz
tls_port=$(sed -n 's/.* serves TLS: port \([0-9]*\);.*/\1/p' "$LOG" | tail -n 1)
run curl -q -s -m 60 --cacert "$CERT" "https://localhost:$tls_port/healthz"
expect_equal "$OUT" OK "the answer over TLS"
run curl -q -s -m 60 "http://localhost:$PORT/shutdown"
grep -q '^kvstored stopped' <<<"$OUT" || fail "no answer to /shutdown: $OUT"
wait "$PID" || fail "the end is not a good one"
wait_gone

# As a daemon: what its first process was passed is served by the last.
write_config 'listen = {"127.0.0.1"}'
passing -l "$SOCKET" --
expect_equal "$(<"$DIR/first")" OK "the answer that the first connection waits for"
wait "$PID" || fail "the daemon's first process ends with $?"
PID=$(<"$PIDFILE")
started+=("$PID")
stop_daemon

# -t looks at the configuration only, whatever is passed: descriptor 3 is not even a socket.
exec 3</dev/null
# shellcheck disable=SC2016
checked=(env LISTEN_FDS=1 bash -c 'export LISTEN_PID=$$; exec "$@"' - "$KVSTORED" -t -c "$CONF")
expect_run 0 '^listen = ' "${checked[@]}"
write_config 'tls_listen = {"127.0.0.1"}'
expect_run 78 'tls_listen needs tls_certificate and tls_key' "${checked[@]}"
exec 3<&-

# ---- refused ----

refused() { # PATTERN SOCKET-ACTIVATE-ARG...
	passing "${@:2}" -- -f
	wait "$PID"
	expect_equal "$?" 78 "the exit status with ${*:2}"
	grep -qE -- "$1" "$DIR/stderr" || fail "no '$1' but: $(<"$DIR/stderr")"
}
write_config 'logfile = ""'
refused "passes a socket for TLS, which needs tls_certificate" -l "127.0.0.1:$FREE" -l "$SOCKET" --fdname=https:http
refused "passes a socket on '0.0.0.0', which is not a loopback address" -l "0.0.0.0:$FREE" -l "$SOCKET"
write_config 'logfile = ""' "tls_certificate = \"$CERT\"" "tls_key = \"$KEY\""
refused "a Unix socket, and those have no TLS" -l "$SOCKET" --fdname=https
refused "passes a socket on '0.0.0.0'.*set tokens_file" -l "0.0.0.0:$FREE" -l "$SOCKET" --fdname=https:http
passed() { # PATTERN: descriptor 3, passed by hand; the shell becomes the daemon, so its number is the right one
	# shellcheck disable=SC2016
	expect_run 78 "descriptor 3 of the service manager $1" \
		env LISTEN_FDS=1 bash -c 'export LISTEN_PID=$$; exec "$@"' - "$KVSTORED" -f -c "$CONF"
}
exec 3</dev/null
passed "is not a socket"
exec 3<>/dev/udp/127.0.0.1/9
passed "is not for streams"
exec 3<&-
write_config
start_foreground # to have somebody to connect to
exec 3<>"/dev/tcp/127.0.0.1/$PORT"
write_config 'logfile = ""' 'pidfile = ""'
passed "does not listen"
exec 3<&-
stop_daemon
exit 0
