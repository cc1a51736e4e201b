#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# TLS: versions, large bodies, 100-continue, refusals, a replaced certificate, slow handshakes; what is wrong with the files is told.
. "${top_srcdir:?}/tests/integration/lib.sh"
command -v openssl >/dev/null || skip "no openssl"
curl -V | grep -q '^Protocols:.* https' || skip "this curl has no TLS"
CERT=$DIR/cert.pem
KEY=$DIR/key.pem

make_certificate() { # NAME: a new key, too
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$KEY" -out "$CERT" -days 2 \
		-subj "/CN=$1" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" 2>/dev/null || fail "openssl makes no certificate"
	chmod 640 "$KEY"
}
tls_config() {
	write_config 'tls_listen = {"127.0.0.1"}' 'tls_port = 0' "tls_certificate = \"$CERT\"" "tls_key = \"$KEY\"" "$@"
}
start_tls() {
	start_foreground
	PLAIN=$URL
	TLS_PORT=$(sed -n 's/.* serves TLS: port \([0-9]*\);.*/\1/p' "$LOG" | tail -n 1)
	URL=https://localhost:$TLS_PORT
}
subject() { # of the certificate that a handshake shows
	openssl s_client -connect "localhost:$TLS_PORT" </dev/null 2>/dev/null | sed -n 's/^subject=//p'
}
reload() { # PATTERN
	local offset
	offset=$(log_size)
	kill -HUP "$PID"
	wait_for_log "$offset" "$1" || fail "no '$1' after a reload"
}
export CURL_CA_BUNDLE=$CERT
make_certificate first

# ---- refused at the start ----

refused() { # PATTERN LINE...
	write_config "${@:2}"
	expect_run 78 "$1" "$KVSTORED" -f -c "$CONF"
}
refused "tls_listen needs tls_certificate and tls_key" 'tls_listen = {"127.0.0.1"}'
refused "tls_listen needs tls_certificate and tls_key" 'tls_listen = {"127.0.0.1"}' "tls_certificate = \"$CERT\""
refused "tls_listen address '/run/x' is a path" 'tls_listen = {"/run/x"}' "tls_certificate = \"$CERT\"" "tls_key = \"$KEY\""
refused "tls_listen address '0.0.0.0' is not a loopback.*tokens_file" 'tls_listen = {"0.0.0.0"}' \
	"tls_certificate = \"$CERT\"" "tls_key = \"$KEY\""
refused "listen address '0.0.0.0' is not a loopback.*tls_listen" 'listen = {"0.0.0.0"}' "tokens_file = \"$DIR/tokens\""
bad_files() { # PATTERN
	tls_config
	expect_run 78 "$1" "$KVSTORED" -f -c "$CONF"
}
chmod 644 "$KEY"
bad_files "TLS key file '$KEY' has the mode 644"
chmod 640 "$KEY"
cp "$CERT" "$DIR/cert" && : >"$CERT"
bad_files "the certificate cannot be read"
mv "$DIR/cert" "$CERT"
cp -p "$KEY" "$DIR/key" && echo nothing >"$KEY"
bad_files "the private key cannot be read"
openssl ecparam -name prime256v1 -genkey -noout -out "$KEY" 2>/dev/null
bad_files "the private key is not that of the certificate"
rm "$KEY"
bad_files "TLS key file '$KEY' does not exist"
mv "$DIR/key" "$KEY"

# ---- served ----

tls_config 'max_value_size = 32M' "listen = {\"127.0.0.1\", \"$SOCKET\"}"
start_tls
expect_http 200 POST '/set?key=k&value=v'
expect_http 200 GET '/get?key=k'
expect_body v
for version in tls1_2 tls1_3; do
	openssl s_client -connect "localhost:$TLS_PORT" -$version -alpn h2,http/1.1 </dev/null >"$DIR/out" 2>&1 || fail "no $version"
	grep -q 'ALPN protocol: http/1.1' "$DIR/out" || fail "$version does not agree on http/1.1"
done
for version in tls1 tls1_1; do
	openssl s_client -connect "localhost:$TLS_PORT" -$version -cipher 'DEFAULT:@SECLEVEL=0' </dev/null >/dev/null 2>&1 &&
		fail "$version is served"
done

# Large bodies, announced and chunked, both ways; one that is too large gets its answer.
head -c 20000000 /dev/urandom >"$DIR/large"
expect_http 201 PUT /v1/kv/large -T "$DIR/large"
http GET /v1/kv/large
cmp -s "$DIR/large" "$BODY" || fail "a large value comes back as another one"
http GET /v1/kv/large --http1.1 -H 'Range: bytes=10000000-10000099'
expect_equal "$STATUS $(stat -c %s "$BODY")" "206 100" "a part"
expect_http 204 PUT /v1/kv/large -T "$DIR/large" -H 'Transfer-Encoding: chunked'
curl -q -s -v -o /dev/null -T "$DIR/large" "$URL/v1/kv/large" 2>"$DIR/out"
grep -q '^< HTTP/1.1 100' "$DIR/out" || fail "no 100 Continue over TLS"
head -c 34000000 /dev/zero >"$DIR/more"
expect_http 413 PUT /v1/kv/more -T "$DIR/more" -H 'Transfer-Encoding: chunked' -H 'Expect:'
{ seq -f '{"key":"line%05g","value":"x"}' 1 20000 && echo '{"key":' && cat "$DIR/more"; } >"$DIR/fault"
expect_http 400 POST /v1/import -T "$DIR/fault"
grep -q '"line":20001,"imported":20000}$' "$BODY" || fail "the import says $(<"$BODY")"
expect_http 404 GET /v1/kv/more
expect_http 413 PUT /v1/kv/more -H 'Content-Length: 40000000' -d x

# Host and Origin are looked at here, too; a page of our own may.
expect_http 403 GET '/get?key=k' -H 'Host: evil.example'
expect_http 200 GET '/get?key=k' -H "Origin: https://localhost:$TLS_PORT"
expect_http 403 GET '/get?key=k' -H 'Origin: https://evil.example'
expect_http 403 GET '/get?key=k' -H 'Origin: null'

# Plain HTTP on this port gets nothing, and disturbs nobody.
run curl -q -s -m 20 "http://127.0.0.1:$TLS_PORT/healthz"
[ "$CODE" != 0 ] || fail "plain HTTP was answered on the port for TLS"
expect_http 200 GET '/get?key=k'

# ---- a new certificate ----

expect_equal "$(subject)" "CN = first" "the certificate"
cp -p "$KEY" "$DIR/key.first"
cp -p "$CERT" "$DIR/cert.first"
make_certificate second
cp -p "$DIR/key.first" "$KEY" # does not fit any more
reload "certificate and key not reloaded.*the private key is not that of the certificate"
expect_equal "$(subject)" "CN = first" "the certificate after a reload with a wrong one"

for i in 1 2 3 4; do # while clients come and go
	curl -q -s -k -m 60 -o /dev/null -w '%{http_code}\n' -H 'Connection: close' "$URL/v1/kv/none[1-200]" >"$DIR/statuses.$i" &
done
clients=$(jobs -p | grep -vx "$PID")
for i in 1 2 3 4 5 6; do
	make_certificate "round$i"
	reload "certificate and key read from"
	expect_equal "$(subject)" "CN = round$i" "the certificate after reload $i"
done
# shellcheck disable=SC2086 # numbers
wait $clients
expect_equal "$(cat "$DIR"/statuses.* | sort | uniq -c | tr -s ' ')" " 800 404" "the answers while certificates were replaced"
reload "certificate and key read from" # the same ones
expect_http 200 GET '/get?key=k'

# ---- a handshake that does not come ----

exec {idle}<>"/dev/tcp/127.0.0.1/$TLS_PORT"
printf '\026\003\001' >&"$idle"
expect_http 200 GET '/get?key=k' # (others are served meanwhile)
SECONDS=0
timeout 30 cat <&"$idle" >/dev/null || fail "a handshake without end is not ended"
[ $SECONDS -le 15 ] || fail "a handshake without end lasted $SECONDS s"
exec {idle}<&-

stop_daemon
grep -qi 'handshake' "$DIR/stderr" && fail "the library writes to stderr: $(head -n 3 "$DIR/stderr")"
exit 0
