#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Node's fetch as a client: tests/integration/node.mjs asks all that a program would.
. "${top_srcdir:?}/tests/integration/lib.sh"

command -v node >/dev/null || skip "no Node"
[ "$(node -p 'typeof fetch')" = function ] || skip "this Node has no fetch"

start_daemon
RUN_TIMEOUT=120 run node --no-warnings "$top_srcdir/tests/integration/node.mjs" "$URL"
[ "$CODE" = 0 ] || fail "by Node: $OUT $ERR"
stop_daemon
