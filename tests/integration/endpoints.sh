#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every endpoint and every error of http-api(7)'s first part, asked by curl of the real daemon, as its users do.
. "${top_srcdir:?}/tests/integration/lib.sh"

# body_is TEXT METHOD PATH [CURL-ARG...]: 200 and exactly this body.
body_is() {
	local text=$1
	shift
	expect_http 200 "$@"
	expect_body "$text"
}

# header NAME METHOD PATH [CURL-ARG...]: sets HEADER to its value ("" when it is missing) and STATUS.
header() {
	local name=$1
	shift
	http "$@" -D "$DIR/head"
	HEADER=$(tr -d '\r' <"$DIR/head" | sed -n "s/^$name: //Ip" | tail -n 1)
}

# says PATTERN: the last body is one line with PATTERN.
says() {
	[ "$(grep -cE -- "$1" "$BODY") $(wc -l <"$BODY")" = '1 1' ] || fail "the answer is not a line with '$1': $(<"$BODY")"
}

# raw TEXT: sends bytes (printf format) over a connection of its own; sets ANSWER to the first line of the answer.
raw() {
	exec {tcp}<>"/dev/tcp/127.0.0.1/$PORT" || fail "cannot connect"
	# the server may close while we still send
	# shellcheck disable=SC2059
	(trap '' PIPE; printf "$1" >&"$tcp") 2>/dev/null
	IFS= read -r -t 20 ANSWER <&"$tcp" || ANSWER=
	ANSWER=${ANSWER%$'\r'}
	exec {tcp}>&-
}

# raw_is STATUS TEXT
raw_is() {
	raw "$2"
	[[ $ANSWER == "HTTP/1.1 $1 "* ]] || fail "'${2:0:80}' gives '$ANSWER', not $1"
}

the_five_lines_of_every_user() {
	body_is $'OK\n' POST "/set?key=key1&value=value1"
	body_is $'OK\n' POST "/set?key=hi&value=val%20smile"
	body_is value1 GET "/get?key=key1"
	body_is 'val smile' GET "/get?key=hi"
	body_is $'OK\n' DELETE "/del?key=key1"
	expect_http 404 GET "/get?key=key1"
	expect_http 404 DELETE "/del?key=key1"
}

set_takes_value_or_body() {
	body_is $'OK\n' PUT "/set?key=s&value=query"
	body_is query GET "/get?key=s"
	body_is $'OK\n' PUT "/set?key=s" --data-binary 'a body'
	body_is 'a body' GET "/get?key=s"
	body_is $'OK\n' POST "/set?key=s" --data-binary "@$0"
	expect_http 200 GET "/get?key=s"
	cmp -s "$0" "$BODY" || fail "a file does not come back as it was"
	body_is $'OK\n' POST "/set?key=s&value="
	body_is '' GET "/get?key=s"
	expect_http 200 HEAD "/get?key=s"
}

bad_requests_say_which_part() {
	expect_http 400 POST "/set?value=v"; says key
	expect_http 400 POST "/set?key=&value=v"; says key
	expect_http 400 POST "/set?key=bad"; says value
	expect_http 400 POST "/set?key=bad&value=%zz"
	expect_http 400 POST "/set?key=bad&value=%4"
	expect_http 400 GET "/get"; says key
	expect_http 400 GET "/get?key="; says key
	expect_http 400 DELETE "/del"; says key
	expect_http 404 GET "/get?key=bad"
	expect_http 404 GET "/nothing/here"
	expect_http 404 GET "/get?key=bad" -H 'Accept: application/json'
	jq -e '.error and .message' "$BODY" >/dev/null || fail "no JSON error: $(<"$BODY")"
}

wrong_methods_get_405_with_allow() {
	local path allowed method
	while read -r path allowed; do
		for method in GET POST PUT DELETE TRACE; do
			case ,$allowed, in *",$method,"*) continue ;; esac
			header Allow "$method" "$path"
			expect_equal "$STATUS" 405 "$method $path"
			[[ $HEADER == *"${allowed%%,*}"* ]] || fail "$method $path allows '$HEADER'"
		done
	done <<-END
		/get?key=k GET,HEAD
		/set?key=k&value=v POST,PUT
		/del?key=k DELETE
		/v1/kv/k GET,HEAD,PUT,DELETE
		/healthz GET,HEAD
		/readyz GET,HEAD
		/v1/stats GET,HEAD
		/metrics GET,HEAD
		/shutdown GET,POST
	END
	expect_http 404 GET "/get?key=k"
}

v1_puts_gets_and_deletes() {
	local old
	header ETag PUT /v1/kv/v1 --data-binary one
	expect_equal "$STATUS" 201 "PUT of a new key"
	old=$HEADER
	[[ $old == \"*\" ]] || fail "the ETag is '$old'"
	header ETag GET /v1/kv/v1
	expect_equal "$HEADER" "$old" "the ETag of GET"
	expect_http 304 GET /v1/kv/v1 -H "If-None-Match: $old"
	header ETag PUT /v1/kv/v1 --data-binary two
	expect_equal "$STATUS" 204 "PUT of an old key"
	[ "$HEADER" != "$old" ] || fail "two versions have one ETag"
	expect_http 200 GET /v1/kv/v1 -H "If-None-Match: $old"
	expect_body two
	header Content-Length HEAD /v1/kv/v1
	expect_equal "$STATUS $HEADER" "200 3" "HEAD"
	expect_http 204 DELETE /v1/kv/v1
	expect_http 404 DELETE /v1/kv/v1
	expect_http 404 GET /v1/kv/v1
	expect_http 404 HEAD /v1/kv/v1
	expect_http 201 PUT /v1/kv/v1 --data-binary ''
	body_is '' GET /v1/kv/v1
	expect_http 411 PUT /v1/kv/v1 -H 'Content-Length:' --http1.1
}

conditions_are_kept() {
	local etag
	expect_http 201 PUT /v1/kv/cond --data-binary one -H 'If-None-Match: *'
	expect_http 412 PUT /v1/kv/cond --data-binary two -H 'If-None-Match: *'
	body_is one GET /v1/kv/cond
	header ETag GET /v1/kv/cond
	etag=$HEADER
	expect_http 204 PUT /v1/kv/cond --data-binary two -H "If-Match: $etag"
	expect_http 412 PUT /v1/kv/cond --data-binary three -H "If-Match: $etag"
	expect_http 412 DELETE /v1/kv/cond -H "If-Match: $etag"
	body_is two GET /v1/kv/cond
	expect_http 412 PUT /v1/kv/none --data-binary x -H 'If-Match: *'
	expect_http 404 GET /v1/kv/none
	header ETag GET /v1/kv/cond
	expect_http 204 DELETE /v1/kv/cond -H "If-Match: $HEADER"
}

ranges_are_parts() {
	expect_http 201 PUT /v1/kv/range --data-binary 0123456789
	expect_http 206 GET /v1/kv/range -H 'Range: bytes=2-4'
	expect_body 234
	expect_http 206 GET /v1/kv/range -H 'Range: bytes=-3'
	expect_body 789
	header Content-Range GET /v1/kv/range -H 'Range: bytes=8-'
	expect_equal "$STATUS $HEADER" "206 bytes 8-9/10" "a range to the end"
	expect_http 416 GET /v1/kv/range -H 'Range: bytes=10-'
}

keys_are_decoded_once_and_not_normalised() {
	local key
	expect_http 201 PUT '/v1/kv/a+b' --data-binary plus
	expect_http 201 PUT '/v1/kv/a%20b' --data-binary space
	body_is plus GET '/get?key=a%2Bb'
	body_is space GET '/get?key=a+b'
	body_is space GET '/get?key=a%20b'
	expect_http 201 PUT '/v1/kv/%2541' --data-binary once
	body_is once GET '/get?key=%2541'
	expect_http 404 GET '/get?key=%41'
	for key in x/../y x/./y x//y x%2Fy x/y/; do
		case $key in x%2Fy) expect_http 201 PUT '/v1/kv/x/y' --data-binary "x/y" ;; *)
			expect_http 201 PUT "/v1/kv/$key" --data-binary "$key" ;; esac
	done
	for key in x/../y x/./y x//y x/y x/y/; do
		body_is "$key" GET "/v1/kv/$key"
		body_is "$key" GET "/v1/kv/${key//\//%2F}"
	done
	expect_http 400 PUT '/v1/kv/' --data-binary x
	expect_http 400 PUT '/v1/kv/%zz' --data-binary x
	expect_http 400 PUT '/v1/kv/a%0' --data-binary x
}

keys_of_all_bytes_round_trip() {
	local i hex config=$DIR/curl.config
	for ((i = 0; i < 256; i++)); do
		printf -v hex '%%%02x' "$i"
		printf 'next\nrequest = PUT\nurl = "%s/v1/kv/all%s"\ndata-binary = "byte %d"\noutput = /dev/null\nfail\n' "$URL" "$hex" "$i"
	done | sed 1d >"$config"
	curl -q -s -g --path-as-is -K "$config" || fail "cannot put the 256 keys"
	for ((i = 0; i < 256; i++)); do
		printf -v hex '%%%02X' "$i"
		printf 'next\nurl = "%s/get?key=all%s"\nwrite-out = "\\n"\nfail\n' "$URL" "$hex"
	done | sed 1d >"$config"
	curl -q -s -g --path-as-is -K "$config" >"$DIR/found" || fail "cannot get the 256 keys"
	cmp -s "$DIR/found" <(printf 'byte %d\n' {0..255}) || fail "the 256 keys do not come back"
	expect_http 200 GET '/v1/kv?prefix=all&keys=1'
	expect_equal "$(jq '.items | length' "$BODY")" 256 "the number of keys with the prefix"
	expect_equal "$(jq -r '.items[] | if has("key") then "text" else "b64" end' "$BODY" | sort | uniq -c | tr -s ' \n' ' ')" \
		" 128 b64 128 text " "how the keys are shown"
}

limits_are_named() {
	local key
	key=$(printf 'k%.0s' {1..4096})
	expect_http 201 PUT "/v1/kv/$key" --data-binary long
	body_is long GET "/get?key=$key"
	http PUT "/v1/kv/k$key" --data-binary long
	[[ $STATUS == 4* ]] || fail "a key of 4097 bytes gives $STATUS"
	head -c 100000 /dev/zero >"$DIR/max"
	head -c 100001 /dev/zero >"$DIR/more"
	expect_http 201 PUT /v1/kv/size --data-binary "@$DIR/max"
	expect_http 413 PUT /v1/kv/size --data-binary "@$DIR/more"; says max_value_size
	expect_http 413 POST '/set?key=size' --data-binary "@$DIR/more"; says max_value_size
	expect_http 413 POST '/set?key=size' -H 'Transfer-Encoding: chunked' --data-binary "@$DIR/more"
	expect_http 200 GET /v1/kv/size
	cmp -s "$DIR/max" "$BODY" || fail "the value of the greatest size is not what it was"
	expect_http 204 PUT /v1/kv/size -H 'Transfer-Encoding: chunked' --data-binary chunks
	body_is chunks GET /v1/kv/size
}

# page QUERY FILTER: the page's JSON through jq, on one line.
page() {
	expect_http 200 GET "/v1/kv?$1"
	jq -c "$2" "$BODY"
}

pages_are_ordered() {
	local i all cursor seen=
	for i in 07 03 05 01 09 02 08 04 06 00; do
		expect_http 201 PUT "/v1/kv/page/$i" --data-binary "v$i"
	done
	all=$(page 'prefix=page/' '[.items[].key]')
	expect_equal "$all" "$(printf '"page/%02d",' {0..9} | sed 's/^/[/; s/,$/]/')" "the page"
	expect_equal "$(page 'prefix=page/' '[.complete, .items[3].value]')" '[true,"v03"]' "a whole page"
	expect_equal "$(page 'prefix=page/&reverse=1&limit=2' '[.items[].key]')" '["page/09","page/08"]' "backwards"
	expect_equal "$(page 'start=page/03&end=page/05' '[.items[].key]')" '["page/03","page/04"]' "start and end"
	expect_equal "$(page 'prefix=page/&keys=1&limit=1' '.items[0] | has("value")')" false "only keys"
	cursor=
	for i in 1 2 3 4 5 6; do
		expect_http 200 GET "/v1/kv?prefix=page/&limit=3${cursor:+&cursor=$cursor}"
		seen+=$(jq -r '.items[].key' "$BODY" | tr '\n' ' ')
		[ "$(jq .complete "$BODY")" = false ] || break
		cursor=$(jq -r '.cursor | @uri' "$BODY")
	done
	expect_equal "$seen" "$(printf 'page/%02d ' {0..9})" "what the cursor leads through"
	expect_equal "$(page 'prefix=no-such/' '[.complete, (.items | length)]')" '[true,0]' "an empty page"
	expect_http 400 GET '/v1/kv?limit=x'
	expect_http 400 GET '/v1/kv?cursor=not-ours'
}

health_and_figures() {
	expect_http 200 GET /healthz
	expect_http 200 GET /readyz
	expect_http 200 GET /v1/stats
	jq -e 'type == "object"' "$BODY" >/dev/null || fail "the statistics are not an object"
	expect_http 200 GET /metrics
	grep -q '^# TYPE kvstored_' "$BODY" || fail "no metrics: $(head -n 3 "$BODY")"
	if command -v promtool >/dev/null; then
		promtool check metrics <"$BODY" >"$DIR/promtool" 2>&1 || fail "promtool: $(<"$DIR/promtool")"
	fi
}

pages_from_elsewhere_are_kept_out() {
	expect_http 403 GET '/get?key=hi' -H 'Host: evil.example'
	expect_http 403 GET '/get?key=hi' -H 'Origin: http://evil.example'
	expect_http 403 GET '/get?key=hi' -H 'Origin: null'
	expect_http 403 POST '/set?key=hi&value=evil' -H 'Sec-Fetch-Site: cross-site'
	body_is 'val smile' GET '/get?key=hi' -H 'Host: localhost'
	expect_http 403 GET /shutdown -A 'Mozilla/5.0'
	expect_http 403 GET /shutdown -H 'Referer: http://localhost/'
	expect_http 403 POST /shutdown -H 'Cookie: a=b'
	expect_http 403 GET /shutdown -H 'Sec-Fetch-Mode: navigate'
	header Access-Control-Allow-Origin GET '/get?key=hi'
	expect_equal "$HEADER" '' "Access-Control-Allow-Origin"
}

malformed_requests_change_nothing() {
	local h='Host: localhost\r\n' set='PUT /set?key=raw HTTP/1.1\r\n'
	raw_is 400 'GET /get?key=hi HTTP/1.1\r\n\r\n'
	raw_is 400 'GET /get?key=hi HTTP/1.1\r\nHost:\r\n\r\n'
	raw_is 400 "GET /get?key=hi HTTP/1.1\r\n$h$h\r\n"
	raw_is 400 "GET http://localhost/get?key=hi HTTP/1.1\r\n$h\r\n"
	raw_is 400 "$set${h}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"
	raw_is 400 "$set${h}Content-Length: 1\r\nContent-Length: 1\r\n\r\na"
	raw_is 400 "$set${h}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
	raw_is 400 "$set${h}Content-Length: -1\r\n\r\n"
	raw_is 400 "PUT /set?key=raw HTTP/1.0\r\n${h}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
	raw_is 400 "PUT /set?key=raw&value=\001 HTTP/1.1\r\n$h\r\n"
	raw_is 400 "GET /get?key=hi HTTP/1.1\r\n${h}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"
	raw_is 501 "$set${h}Transfer-Encoding: gzip\r\n\r\n"
	raw_is 501 "BREW /get?key=hi HTTP/1.1\r\n$h\r\n"
	raw_is 405 "TRACE /get?key=hi HTTP/1.1\r\n$h\r\n"
	raw_is 400 "CONNECT localhost:80 HTTP/1.1\r\n$h\r\n"
	raw_is 405 "CONNECT /get?key=hi HTTP/1.1\r\n$h\r\n"
	# a body cut short: the connection ends before its last byte
	exec {tcp}<>"/dev/tcp/127.0.0.1/$PORT"
	# shellcheck disable=SC2059
	printf "$set${h}Content-Length: 10\r\n\r\n123456789" >&"$tcp"
	exec {tcp}>&-
	expect_http 404 GET '/get?key=raw'
	expect_http 200 GET '/readyz'
}

data_outlives_kill_and_stop() {
	body_is $'OK\n' POST '/set?key=before&value=kill'
	body_is $'OK\n' POST '/set?key=gone&value=x'
	body_is $'OK\n' DELETE '/del?key=gone'
	kill_daemon
	start_foreground
	body_is kill GET '/get?key=before'
	body_is 'val smile' GET '/get?key=hi'
	expect_http 404 GET '/get?key=gone'
	body_is $'OK\n' POST '/set?key=before&value=stop'
	stop_daemon
	start_foreground
	body_is stop GET '/get?key=before'
	expect_http 404 GET '/get?key=gone'
}

shutdown_tells_what_it_did() {
	expect_http 200 GET /shutdown
	local word
	for word in drained flushed removed 'kvstored stopped'; do
		grep -q "$word" "$BODY" || fail "/shutdown does not tell '$word': $(<"$BODY")"
		expect_log "$word"
	done
	cat "$BODY"
	wait "$PID" || fail "the daemon ended with $?"
	wait_gone
	start_foreground
	body_is stop GET '/get?key=before'
	expect_http 200 POST /shutdown
	wait "$PID" || fail "the daemon ended with $?"
}

write_config 'max_value_size = "100000"'
start_foreground
for promise in the_five_lines_of_every_user set_takes_value_or_body bad_requests_say_which_part \
	wrong_methods_get_405_with_allow v1_puts_gets_and_deletes conditions_are_kept ranges_are_parts \
	keys_are_decoded_once_and_not_normalised keys_of_all_bytes_round_trip limits_are_named pages_are_ordered \
	health_and_figures pages_from_elsewhere_are_kept_out malformed_requests_change_nothing \
	data_outlives_kill_and_stop shutdown_tells_what_it_did; do
	$promise
	echo "ok: $promise"
done
