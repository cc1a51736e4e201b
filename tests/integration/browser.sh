#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The dashboard in a real browser: tests/integration/browser.mjs drives it.
. "${top_srcdir:?}/tests/integration/lib.sh"

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip "no Chromium"
command -v node >/dev/null || skip "no Node"

browse() { # [TOKEN]
	RUN_TIMEOUT=120 run node "$top_srcdir/tests/integration/browser.mjs" "$chromium" "$PORT" "$DIR" "$@"
	[ "$CODE" = 0 ] || fail "in the browser, with ${1:-no token}: $ERR"
}

start_daemon
browse
stop_daemon

# The same with tokens: the page asks for one.
run "${KVCTL:?names the tool}" token add browser --role=admin --file="$DIR/tokens"
[ "$CODE" = 0 ] || fail "kvctl token add: $ERR"
token=$OUT
write_config "tokens_file = \"$DIR/tokens\"" "data_dir = \"$DIR/data2\""
DATA=$DIR/data2
start_daemon
browse "$token"
stop_daemon
