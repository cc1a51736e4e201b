#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Clients of the Unix socket have the role of their user; a token that they show decides instead.
. "${top_srcdir:?}/tests/integration/lib.sh"
need_root
command -v setpriv >/dev/null || skip "no setpriv"
getent passwd nobody >/dev/null && getent passwd daemon >/dev/null && getent group tty >/dev/null ||
	skip "no users nobody and daemon, or no group tty"
KVCTL=${KVCTL:?names the tool to test}
TOKENS=$DIR/tokens

as() { # USER STATUS METHOD PATH [CURL-ARG...]
	local user=$1 groups=--clear-groups got
	[ "${1#*+}" = "$1" ] || groups=--groups=${1#*+}
	got=$(setpriv --reuid="${user%+*}" --regid="$(id -g "${user%+*}")" "$groups" \
		curl -q -s -m 60 -o /dev/null -w '%{http_code}' --unix-socket "$SOCKET" -X "$3" "${@:5}" "http://localhost$4")
	[ "$got" = "$2" ] || fail "$3 $4 by $1 gives $got, not $2"
}
start() { # LINE...: a daemon whose socket everybody can reach
	write_config "listen = {\"127.0.0.1\", \"$SOCKET\"}" "$@"
	start_foreground
	chmod 666 "$SOCKET"
}

# Without configuration, whoever can connect reads and writes; root may all.
start
as nobody 201 PUT /v1/kv/k -d v
as nobody 200 GET /v1/kv/k
as root 200 GET /v1/stats
as nobody 403 POST /v1/admin/flush
as nobody 403 GET /shutdown
as root 200 GET /shutdown
wait "$PID" || fail "the end by root's request is not a good one"

# A token that is not good does not stop the daemon, whoever passes it on.
printf 'x admin - %064d\n' 0 >"$TOKENS"
chmod 600 "$TOKENS"
start "tokens_file = \"$TOKENS\""
as root 401 GET /shutdown -H 'Authorization: Bearer kv_wrong'
as root 200 GET /shutdown
wait "$PID" || fail "the end by root's request is not a good one"
rm "$TOKENS"

start 'socket_role = "read"' 'socket_admins = {"daemon", "@tty"}' 'shutdown = "token"'
as nobody 200 GET /v1/kv/k
as nobody 403 PUT /v1/kv/k -d w
as nobody 403 GET /shutdown
as daemon 204 PUT /v1/kv/k -d w
as nobody+tty 204 PUT /v1/kv/k -d w
expect_http 401 GET /shutdown
as nobody+tty 200 GET /shutdown
wait "$PID" || fail "the end by an admin of the socket is not a good one"

writer=$("$KVCTL" token add writer --role=write --file="$TOKENS" 2>/dev/null)
reader=$("$KVCTL" token add reader --role=read --file="$TOKENS" 2>/dev/null)
start 'socket_role = "none"' "tokens_file = \"$TOKENS\""
as nobody 403 GET /v1/kv/k
as nobody 403 GET /shutdown
as nobody 200 GET /healthz
as nobody 401 GET /v1/kv/k -H 'Authorization: Bearer kv_wrong'
as nobody 204 PUT /v1/kv/k -d x -H "Authorization: Bearer $writer"
as root 200 GET /v1/kv/k
as root 403 PUT /v1/kv/k -d x -H "Authorization: Bearer $reader"
stop_daemon

write_config 'socket_admins = {"no-such-user"}'
expect_run 78 "user 'no-such-user' of socket_admins does not exist" "$KVSTORED" -f -c "$CONF"
write_config 'socket_admins = {"@no-such-group"}'
expect_run 78 "group 'no-such-group' of socket_admins does not exist" "$KVSTORED" -f -c "$CONF"
write_config 'socket_admins = {"nobody"}'
expect_run 78 "user .nobody. of socket_admins is who all unknown users look like" "$KVSTORED" -f -c "$CONF"
write_config 'socket_admins = {"@"}'
expect_run 78 "socket_admins must be a list of user names" "$KVSTORED" -f -c "$CONF"
exit 0
