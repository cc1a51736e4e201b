#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Tokens from kvctl to the request: made, listed, removed, reloaded, also under load; what is wrong with their file is told.
. "${top_srcdir:?}/tests/integration/lib.sh"
KVCTL=${KVCTL:?names the tool to test}
TOKENS=$DIR/tokens

kvctl() { run "$KVCTL" token "$@" --file="$TOKENS"; }
add() { # VARIABLE NAME ARG...: the token's text goes into VARIABLE
	kvctl add "${@:2}"
	[ "$CODE" = 0 ] || fail "kvctl token add ${*:2}: $CODE: $ERR"
	grep -qE '^kv_[A-Za-z0-9_-]{43}$' <<<"$OUT" || fail "this is no token: $OUT"
	printf -v "$1" %s "$OUT"
}
as() { # TOKEN: a header for expect_http
	printf 'Authorization: Bearer %s' "$1"
}
reload() { # PATTERN: tells the daemon, and waits for that line
	local offset
	offset=$(log_size)
	kill -HUP "$PID"
	wait_for_log "$offset" "$1" || fail "no '$1' after a reload"
}

# ---- kvctl ----

expect_run 66 "does not exist|cannot open|no such" "$KVCTL" token list --file="$TOKENS"
add reader one-reader --role=read
add writer writer --role=write
add shop shop@example --role=write --prefix='shop/ 1'
add admin admin --role=admin
expect_equal "$(stat -c %a "$TOKENS")" 600 "the mode of a new file"
grep -q "$reader" "$TOKENS" && fail "the file has a token in the clear"
digest=$(printf %s "$reader" | sha256sum | cut -d' ' -f1)
grep -qx "one-reader read - $digest" "$TOKENS" || fail "no line with the hash of the token"
kvctl list
expect_equal "$OUT" "one-reader read -
writer write -
shop@example write shop/%201
admin admin -" "the list"

for bad in "add" "add x" "add x --role=none" "add a/b --role=read" "add x --role=admin --prefix=p" "remove" "list x" \
	"add x --role=read --prefix=" "add x --role=admin --prefix=" "add x --role=read --prefix=$(printf '%1025s' '' | tr ' ' p)" \
	"add $(printf '%65s' '' | tr ' ' n) --role=read" "remove x --role=read" "add x --role=read y" "add x --nonsense"; do
	# shellcheck disable=SC2086 # words
	kvctl $bad
	expect_equal "$CODE" 64 "the exit status of 'kvctl token $bad'"
done
kvctl add empty --role=read --prefix=
grep -q "prefix is empty" <<<"$ERR" || fail "an empty prefix is not told: $ERR"
kvctl add writer --role=read
expect_equal "$CODE" 65 "the exit status for a name that is taken"
longest=$(printf '%64s' '' | tr ' ' n)
kvctl add "$longest" --role=read --prefix="$(printf '%1024s' '' | tr ' ' p)"
expect_equal "$CODE" 0 "the exit status for the longest name and prefix"
kvctl remove "$longest"
expect_equal "$CODE" 0 "removing the longest name"
kvctl remove nobody
expect_equal "$CODE" 66 "the exit status for a name that is not there"
expect_run 64 "unknown command" "$KVCTL" toke add
expect_run 0 "Usage: kvctl" "$KVCTL" --help
expect_run 0 "^kvctl .*[0-9]+\.[0-9]+" "$KVCTL" --version
expect_run 74 "." bash -c '"$1" token add full --role=read --file="$2" >/dev/full' - "$KVCTL" "$TOKENS"
kvctl remove full
expect_equal "$CODE" 0 "removing"

# Comments, the order, the mode stay; several at once lose nothing.
printf '# ours\n%s\n\n' "$(<"$TOKENS")" >"$TOKENS.2" && mv "$TOKENS.2" "$TOKENS"
chmod 640 "$TOKENS"
pids=()
for i in 1 2 3 4 5 6 7 8; do
	"$KVCTL" token add "many$i" --role=read --file="$TOKENS" >/dev/null 2>&1 &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "one of several additions failed"; done
for i in 1 2 3 4 5 6 7 8; do
	kvctl remove "many$i"
	expect_equal "$CODE" 0 "removing many$i"
done
expect_equal "$(head -n 1 "$TOKENS")" "# ours" "the comment"
expect_equal "$(stat -c %a "$TOKENS")" 640 "the mode after a change"
expect_equal "$(wc -l <"$TOKENS")" 6 "the lines after a change"
expect_equal "$(find "$DIR" -name '.tokens*')" "" "what is left of temporary files"

# No space, or no permission: told, the file stays, and nothing is left. (EFBIG stands for what a full disk does.)
cp -p "$TOKENS" "$DIR/before"
unchanged() {
	cmp -s "$DIR/before" "$TOKENS" || fail "a failed change has changed the file"
	expect_equal "$(find "$DIR" -name '.tokens*')" "" "what is left of temporary files"
}
for change in "add late --role=read" "remove writer"; do
	# shellcheck disable=SC2086,SC2016 # words; the inner shell's
	run bash -c '(trap "" XFSZ; ulimit -f 0; exec "$@") 2>&1 | cat; exit "${PIPESTATUS[0]}"' - "$KVCTL" token $change --file="$TOKENS"
	expect_equal "$CODE" 74 "the exit status of '$change' without space"
	grep -q "File too large" <<<"$OUT$ERR" || fail "no reason but: $OUT $ERR"
	unchanged
done
mkdir "$DIR/readonly"
cp -p "$TOKENS" "$DIR/readonly/tokens"
chmod 755 "$DIR/readonly"
other=()
if [ "$(id -u)" != 0 ]; then
	chmod 555 "$DIR/readonly"
elif command -v setpriv >/dev/null && chmod 644 "$DIR/readonly/tokens"; then
	other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if [ "$(id -u)" != 0 ] || [ ${#other[@]} -gt 0 ]; then
	expect_run 77 "Permission denied" "${other[@]}" "$KVCTL" token remove writer --file="$DIR/readonly/tokens"
	cmp -s "$DIR/before" "$DIR/readonly/tokens" || fail "a change without permission has changed the file"
	expect_equal "$(find "$DIR/readonly" -name '.tokens*')" "" "what is left of temporary files"
fi
chmod 755 "$DIR/readonly"

# Somebody has the directory locked, for longer than is waited.
if command -v flock >/dev/null; then
	expect_run 75 "$DIR" flock "$DIR" "$KVCTL" token remove writer --file="$TOKENS"
	unchanged
fi

# ---- refused at the start ----

write_config "tokens_file = \"$TOKENS\""
for mode in 644 660 604 602; do
	chmod $mode "$TOKENS"
	expect_run 78 "tokens file '$TOKENS' has the mode $mode" "$KVSTORED" -f -c "$CONF"
done
chmod 640 "$TOKENS"
cp -p "$TOKENS" "$DIR/good"
echo 'x read' >>"$TOKENS"
expect_run 78 "$TOKENS:7: the prefix must be" "$KVSTORED" -f -c "$CONF"
rm "$TOKENS"
expect_run 78 "tokens file '$TOKENS' does not exist" "$KVSTORED" -f -c "$CONF"
cp -p "$DIR/good" "$TOKENS"

# ---- in force ----

start_foreground
expect_http 200 GET /healthz
expect_http 401 GET '/get?key=k'
expect_http 401 GET '/get?key=k' -H "$(as kv_wrong)"
expect_http 401 GET '/get?key=k' -u "user:$reader"
expect_http 403 POST '/set?key=k&value=v' -H "$(as "$reader")"
expect_http 200 POST '/set?key=k&value=v' -H "$(as "$writer")"
expect_http 200 GET '/get?key=k' -H "$(as "$reader")"
expect_http 200 GET '/v1/stats' -H "$(as "$reader")"
expect_http 400 GET '/get?key=k' -H "$(as "$reader")" -H "$(as "$reader")"
expect_http 403 GET '/get?key=k' -H "$(as "$shop")"
expect_http 403 GET '/v1/stats' -H "$(as "$shop")"
expect_http 201 PUT '/v1/kv/shop/%201x' -d value -H "$(as "$shop")"
expect_http 200 GET '/v1/kv?prefix=shop/+1' -H "$(as "$shop")"
expect_http 403 GET '/v1/kv?prefix=shop/' -H "$(as "$shop")"
expect_http 200 POST /v1/mget -d '["shop/ 1x"]' -H "$(as "$shop")"
expect_http 403 POST /v1/mget -d '["shop/ 1x", "k"]' -H "$(as "$shop")"
expect_http 200 POST /v1/batch -d '[{"op":"put","key":"shop/ 1n","value":"1"}]' -H "$(as "$shop")"
expect_http 403 POST /v1/batch -d '[{"op":"put","key":"shop/ 1n","value":"2"},{"op":"check","key":"k","if_match":"*"}]' -H "$(as "$shop")"
expect_http 403 POST /v1/batch -d '[{"op":"put","key":"k","value":"2"}]' -H "$(as "$reader")"
expect_http 200 POST '/v1/incr/shop/%201n' -H "$(as "$shop")"
expect_http 403 POST '/v1/incr/n' -H "$(as "$shop")"
expect_http 403 POST '/v1/touch/k?ttl=1s' -H "$(as "$shop")"
expect_http 403 POST '/v1/touch/k?ttl=1s' -H "$(as "$reader")"

# A broken file changes nothing, and the log says where it is broken.
echo 'x read - zz' >>"$TOKENS"
reload "tokens not reloaded.*$TOKENS:7: the digest"
expect_http 200 GET '/get?key=k' -H "$(as "$reader")"
cp -p "$DIR/good" "$TOKENS"

# Removed and added while clients keep asking on open connections: no answer but 200 or 401, each from its moment on.
statuses() { # TOKEN FILE: those of many requests on one connection, each once
	curl -q -s -m 60 -o /dev/null -w '%{http_code}\n' -H "$(as "$1")" "$URL/v1/kv/none[1-4000]" | sort -u >"$2"
}
statuses "$writer" "$DIR/writer.statuses" &
one=$!
statuses "$reader" "$DIR/reader.statuses" &
two=$!
for i in 1 2 3 4 5; do
	kvctl remove one-reader
	expect_equal "$CODE" 0 "removing one-reader, round $i"
	reload "tokens read from"
	cp -p "$DIR/good" "$TOKENS"
	reload "tokens read from"
done
wait $one $two
expect_equal "$(<"$DIR/writer.statuses")" 404 "the answers for a token that stayed"
[ -z "$(grep -vxE '404|401' "$DIR/reader.statuses")" ] || fail "odd answers: $(<"$DIR/reader.statuses")"

kvctl remove one-reader
reload "tokens read from"
expect_http 401 GET '/get?key=k' -H "$(as "$reader")"
expect_http 200 GET '/get?key=k' -H "$(as "$writer")"

# A stream ends with its token, also while it waits.
add feed feed --role=read
reload "tokens read from"
: >"$DIR/feed"
curl -q -s -N -m 60 -H "$(as "$feed")" -H 'Accept: text/event-stream' "$URL/v1/changes?since=0" >"$DIR/feed" &
stream=$!
SECONDS=0
until grep -q . "$DIR/feed"; do
	is_running $stream && [ $SECONDS -lt 20 ] || fail "no stream of changes"
done
kvctl remove feed
reload "tokens read from"
wait $stream
[ $SECONDS -lt 40 ] || fail "a stream goes on without its token"
expect_http 401 GET /v1/kv/k -H "$(as "$feed")"
stop_daemon

# ---- /shutdown ----

cp -p "$DIR/good" "$TOKENS"

write_config "tokens_file = \"$TOKENS\"" 'shutdown = "token"'
start_foreground
expect_http 401 GET /shutdown
expect_http 403 GET /shutdown -H "$(as "$writer")"
expect_http 200 GET /shutdown -H "$(as "$admin")"
wait "$PID" || fail "the end by an admin's request is not a good one"
write_config "tokens_file = \"$TOKENS\"" 'shutdown = "loopback"'
start_foreground
expect_http 401 GET /shutdown
expect_http 401 GET /shutdown -H "$(as kv_wrong)"
expect_http 403 GET /shutdown -H "$(as "$reader")"
expect_http 403 GET /shutdown -H "$(as "$writer")"
expect_http 200 GET /healthz
expect_http 200 GET /shutdown -H "$(as "$admin")"
wait "$PID" || fail "the end by an admin's request from this machine is not a good one"

# ---- none yet ----

# An empty file lets nobody in; the first token is good from its reload on.
: >"$TOKENS"
write_config "tokens_file = \"$TOKENS\""
start_foreground
expect_http 200 GET /healthz
expect_http 401 GET '/get?key=k'
expect_http 401 GET '/get?key=k' -H "$(as "$admin")"
expect_http 401 GET '/get?key=k' -H 'Authorization: Bearer '
expect_http 401 GET /shutdown
add first first --role=admin
reload "tokens read from"
expect_http 404 GET '/get?key=none' -H "$(as "$first")"
# and so does one that was emptied
: >"$TOKENS"
reload "tokens read from"
expect_http 401 GET '/get?key=none' -H "$(as "$first")"
stop_daemon

# ---- in the clear to other machines (insecure_listen): tokens are asked for all the same ----

address=$(ip -o -4 address show scope global 2>/dev/null | sed -n 's/.* inet \([0-9.]*\).*/\1/p' | head -n 1)
if [ -n "$address" ]; then
	cp -p "$DIR/good" "$TOKENS"
	write_config "tokens_file = \"$TOKENS\"" "listen = {\"127.0.0.1\", \"$address\"}" 'insecure_listen = true'
	start_foreground
	for URL in "http://127.0.0.1:$PORT" "http://$address:$PORT"; do
		expect_http 200 GET /healthz
		expect_http 401 GET '/get?key=none'
		expect_http 401 PUT /v1/kv/k -d v
		expect_http 404 GET '/get?key=none' -H "$(as "$reader")"
		expect_http 403 PUT /v1/kv/k -d v -H "$(as "$reader")"
		expect_http 403 POST /v1/admin/flush -H "$(as "$writer")"
		expect_http 200 POST /v1/admin/flush -H "$(as "$admin")"
	done
	stop_daemon
	# without tokens: read and write, no more
	write_config "listen = {\"127.0.0.1\", \"$address\"}" 'insecure_listen = true'
	start_foreground
	URL=http://$address:$PORT
	expect_http 201 PUT /v1/kv/remote -d v
	expect_http 403 POST /v1/admin/flush
	expect_http 403 GET /shutdown
	expect_http 200 GET /healthz
	stop_daemon
else
	echo "not tested: this machine has no address but loopback"
fi
exit 0
