#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nginx in front, as a reverse proxy that keeps connections to the Unix socket: every method, ranges, uploads without a length, values of
# any bytes, and the change feed come through.
. "${top_srcdir:?}/tests/integration/lib.sh"

PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || skip "no nginx"

write_config "listen = {\"127.0.0.1\", \"$SOCKET\"}"
start_daemon
direct=$URL

cat >"$DIR/nginx.conf" <<EOF
master_process off;
pid $DIR/nginx.pid;
error_log $DIR/nginx.log;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $DIR/body;
	proxy_temp_path $DIR/proxy;
	fastcgi_temp_path $DIR/fastcgi;
	uwsgi_temp_path $DIR/uwsgi;
	scgi_temp_path $DIR/scgi;
	client_max_body_size 0;
	upstream kvstored {
		server unix:$SOCKET;
		keepalive 4;
	}
	server {
		listen unix:$DIR/nginx.sock;
		location / {
			proxy_pass http://kvstored;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host localhost;
			proxy_request_buffering off;
			proxy_buffering off;
		}
	}
}
EOF
[ "$(id -u)" != 0 ] || sed -i '1i user root;' "$DIR/nginx.conf"
run nginx -p "$DIR" -c "$DIR/nginx.conf"
[ "$CODE" = 0 ] || fail "nginx does not start: $ERR"
started+=("$(<"$DIR/nginx.pid")")
URL=http://localhost
proxy=(--unix-socket "$DIR/nginx.sock")

# through STATUS METHOD PATH [CURL-ARG...]
through() {
	expect_http "$@" "${proxy[@]}"
}

# ---- one key ----

head -c 300000 /dev/urandom >"$DIR/value"
through 201 PUT /v1/kv/photo%2F1 --data-binary "@$DIR/value"
through 200 GET /v1/kv/photo%2F1 -D "$DIR/head"
cmp -s "$BODY" "$DIR/value" || fail "the value comes back otherwise"
etag=$(sed -n 's/^[Ee][Tt]ag: \(.*\)\r/\1/p' "$DIR/head")
[ -n "$etag" ] || fail "the ETag is lost: $(<"$DIR/head")"
through 304 GET /v1/kv/photo%2F1 -H "If-None-Match: $etag"
through 412 PUT /v1/kv/photo%2F1 -H 'If-None-Match: *' -d other
through 206 GET /v1/kv/photo%2F1 -r 1000-1999
tail -c +1001 "$DIR/value" | head -c 1000 | cmp -s - "$BODY" || fail "another range"
through 416 GET /v1/kv/photo%2F1 -r 300000-
through 200 HEAD /v1/kv/photo%2F1
grep -qi '^content-length: 300000' "$BODY" || fail "HEAD has another length: $(<"$BODY")"
through 204 PUT /v1/kv/photo%2F1 -H 'Transfer-Encoding: chunked' --data-binary "@$CONF"
through 200 GET /v1/kv/photo%2F1
cmp -s "$BODY" "$CONF" || fail "the upload in chunks comes back otherwise"
through 204 DELETE /v1/kv/photo%2F1
through 404 GET /v1/kv/photo%2F1
through 200 POST '/set?key=a+b&value=c%20d'
through 200 GET /v1/kv/a%20b
expect_body 'c d'
through 201 PUT /v1/kv/%ff%fe//x --data-binary bytes
through 200 GET '/get?key=%FF%FE//x'
expect_body bytes

# ---- many keys ----

seq 1 500 | sed 's|.*|{"op":"put","key":"n/&","value":"&"}|' >"$DIR/batch"
through 200 POST /v1/batch -H 'Content-Type: application/x-ndjson' --data-binary "@$DIR/batch"
through 200 GET '/v1/count?prefix=n/'
grep -q 500 "$BODY" || fail "the count is $(<"$BODY")"
through 200 GET '/v1/export?prefix=n/'
expect_equal "$(grep -c '"value"' "$BODY")" 500 "the lines of an export"
seq 1 300 | sed "s|.*|url = \"$URL/v1/kv/n/&\"\noutput = /dev/null|" | curl -q -s -S "${proxy[@]}" -K - || fail "cannot read"
connections=$(curl -q -s "$direct/v1/stats" | sed -n 's/.*"connections":\([0-9]*\).*/\1/p')
[ "$connections" -ge 2 ] && [ "$connections" -le 8 ] || fail "nginx keeps no connection, or too many: $connections"

# ---- the change feed ----

: >"$DIR/feed"
curl -q -s -N "${proxy[@]}" -H 'Accept: text/event-stream' "$URL/v1/changes?prefix=live/&since=0" >"$DIR/feed" &
feed=$!
started+=("$feed")
through 201 PUT /v1/kv/live/one -d 1
through 204 PUT /v1/kv/live/one -d 2
exec {lines}< <(exec tail -s 0.05 -c +1 --pid="$feed" -f "$DIR/feed")
reader=$!
timeout 60 grep -qE -m1 '"key":"live/one","value":"2"' <&"$lines" || fail "the feed does not come through: $(<"$DIR/feed")"
exec {lines}<&-
kill "$reader" "$feed"
stop_daemon
