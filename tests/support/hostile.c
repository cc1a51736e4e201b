/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/hostile.h"
#include "support/runner.h"

#include <microhttpd.h>
#include <string.h>

#define HOST "Host: localhost\r\n"
#define TEXT(bytes) bytes, sizeof(bytes) - 1

static const struct hostile table[] = {
	{ "two Hosts", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST HOST "\r\n"), .status = 400 },
	{ "an empty Host", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost:\r\n\r\n"), .status = 400 },
	{ "no Host", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n\r\n"), .status = 400 },
	{ "equal Content-Lengths",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nv"), .status = 400 },
	{ "differing Content-Lengths",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nvv"), .status = 400 },
	{ "a list of Content-Lengths",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\nv"), .status = 400 },
	{ "Content-Length with Transfer-Encoding",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "Transfer-Encoding in 1.0",
		TEXT("POST /set?key=k HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "another transfer coding",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\nv"), .status = 501 },
	{ "chunked twice",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), .status = 501 },
	{ "a negative Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\nv"), .status = 400 },
	{ "a Content-Length in hexadecimal",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\nv"), .status = 400 },
	{ "the largest Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\nv"), .status = 413 },
	{ "a larger Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\nv"), .status = 413 },
	{ "a name of a header with a blank",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\nv"), .status = 400 },
	{ "a header without a colon", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "nothing\r\n\r\n"), .status = 400 },
	{ "a control byte in a header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n"), .status = 400 },
	{ "a bare CR in a header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"), .status = 400 },
	{ "a folded header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), .status = 400 },
	{ "a folded Transfer-Encoding",
		TEXT("PUT /set?key=k&value=v HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), .status = 400 },
	{ "a folded Origin", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\tx\r\n\r\n"), .status = 400 },
	{ "a fold after an empty header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Content-:\r\n Length\r\n\r\n"), .status = 400 },
	{ "many folds", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n a\r\n b\r\nY: 1\r\n\r\n"), .status = 400 },
	{ "a blank after chunked",
		TEXT("PUT /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked \r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a wrong escape", TEXT("POST /set?key=%zz&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a cut escape", TEXT("POST /set?value=v&key=%4 HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a cut escape in a path",
		TEXT("PUT /v1/kv/a% HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nv"), .status = 400 },
	{ "a cut escape where no key is",
		TEXT("POST /v1/admin/flush%4 HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "an absolute target", TEXT("POST http://localhost/set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a target without slash", TEXT("POST set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "two Authorizations",
		TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: a\r\n\r\n"), .status = 400 },
	{ "a NUL in the target", TEXT("POST /set?value=v&key=k\0x HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a NUL in the method", TEXT("POST\0 /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a control byte in the target", TEXT("POST /set?value=v&key=k\x01 HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a bare CR in the target", TEXT("POST /set?value=v&key=k\r HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a DEL in the target", TEXT("POST /set?value=v&key=k\x7f HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a tab in the target", TEXT("POST /set?value=v&key=k\tx HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "a space in the target", TEXT("POST /set?value=v&key=k x HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "two spaces before the target", TEXT("POST  /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "two spaces after the target", TEXT("POST /set?value=v&key=k  HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "no version", TEXT("POST /set?value=v&key=k\r\n" HOST "\r\n"), .status = 400 },
	{ "a version that is none", TEXT("POST /set?value=v&key=k HTTP/x.1\r\n" HOST "\r\n"), .status = 400 },
	{ "HTTP/2", TEXT("POST /set?value=v&key=k HTTP/2.0\r\n" HOST "\r\n"), .status = 505 },
	{ "HTTP/0.9", TEXT("POST /set?value=v&key=k HTTP/0.9\r\n" HOST "\r\n"), .status = 505 },
	{ "an unknown method", TEXT("SET /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), .status = 501 },
	{ "a method in small letters", TEXT("post /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), .status = 501 },
	{ "TRACE", TEXT("TRACE /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), .status = 405 },
	{ "CONNECT to a host", TEXT("CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "CONNECT to a path", TEXT("CONNECT /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), .status = 405 },
	{ "another expectation",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: everything\r\n\r\nv"), .status = 417 },
	{ "a foreign Host", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost: evil.example\r\n\r\n"), .status = 403, .tcp_only = true },
	{ "a foreign Origin",
		TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n"), .status = 403 },
	{ "the Origin null", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n"), .status = 403 },
	{ "a cross-site fetch",
		TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n"), .status = 403 },
	{ "a chunk size that is none",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a chunk longer than its size",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nvvv\r\n0\r\n\r\n"), .status = 400 },
	{ "an enormous chunk",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nv\r\n"), .status = 413 },
	{ "garbage", TEXT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), .status = 0 },
	{ "an extra request in a body by Content-Length, then by chunks",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\nPOST /set?key=smuggled&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "an extra request in a chunked body with a short Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
		"35\r\nPOST /set?key=smuggled&value=v HTTP/1.1\r\n" HOST "\r\n0\r\n\r\n"), .status = 400 },
	{ "Transfer-Encoding and Content-Length in other letters",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "tRANSFER-eNCODING: Chunked\r\ncONTENT-lENGTH: 4\r\n\r\n"
		"1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "two Transfer-Encodings",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"
		"1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "Transfer-Encoding: xchunked",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 501 },
	{ "Transfer-Encoding: identity",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\nv"), .status = 501 },
	{ "Transfer-Encoding: identity, chunked",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: identity, chunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 501 },
	{ "an empty Transfer-Encoding",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 501 },
	{ "a blank in the name of Transfer-Encoding",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a vertical tab before chunked",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "an empty Content-Length", TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nv"), .status = 400 },
	{ "a Content-Length with a plus", TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\nv"), .status = 400 },
	{ "a Content-Length with a blank inside", TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\nv"), .status = 400 },
	{ "a Content-Length with letters behind", TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\nv"), .status = 400 },
	{ "a header without a name", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST ": x\r\n\r\n"), .status = 400 },
	{ "a header that is a colon", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST ":\r\nContent-Length: 9\r\n\r\n"), .status = 400 },
	{ "a header without a name before all others", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n: x\r\n" HOST "\r\n"), .status = 400 },
	{ "a NUL in the name of a header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X\0Y: z\r\n\r\n"), .status = 400 },
	{ "a byte above 127 in the name of a header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X\xff: z\r\n\r\n"), .status = 400 },
	{ "a folded header before all others", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n " HOST "\r\n"), .status = 400 },
	{ "two Origins", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://localhost\r\nOrigin: http://localhost\r\n\r\n"), .status = 400 },
	{ "a chunk of negative size",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a chunk size with 0x",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a chunk size with a plus",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a chunk size with a blank before it",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n 1\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "an empty chunk size",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\nv\r\n0\r\n\r\n"), .status = 400 },
	{ "a chunk without its end of line",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nv0\r\n\r\n\r\n"), .status = 400 },
	{ "a Host with a blank", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost: localhost evil\r\n\r\n"), .status = 403, .tcp_only = true },
	{ "a Host with a user", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n"), .status = 403, .tcp_only = true },
	{ "a Host that begins like ours", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n"), .status = 403,
		.tcp_only = true },
	{ "a Host that is rebound", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost: 127.0.0.1.nip.io:80\r\n\r\n"), .status = 403, .tcp_only = true },
	{ "a parameter twice", TEXT("POST /set?key=k&key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 400, .stays_open = true },
	{ "an unknown parameter", TEXT("POST /set?key=k&value=v&vaule=w HTTP/1.1\r\n" HOST "\r\n"), .status = 400, .stays_open = true },
	{ "an asterisk as target", TEXT("POST * HTTP/1.1\r\n" HOST "\r\n"), .status = 400 },
	{ "OPTIONS", TEXT("OPTIONS /set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 405 },
	{ "a wrong method", TEXT("GET /set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 405 },
	{ "an escaped path", TEXT("POST /%73et?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 404 },
	{ "a path through folders", TEXT("POST /v1/../set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), .status = 404 },
	{ "no key in the path", TEXT("PUT /v1/kv/ HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nv"), .status = 400, .stays_open = true },
	{ "no length", TEXT("PUT /v1/kv/k HTTP/1.1\r\n" HOST "\r\n"), .status = 411 },
};

size_t hostile_count(void)
{
	return sizeof table / sizeof table[0];
}

const struct hostile *hostile_at(size_t i)
{
	ck_assert_uint_lt(i, hostile_count());
	return &table[i];
}

bool hostile_is_expected(const struct hostile *hostile, unsigned status)
{
	return status == hostile->status || (MHD_VERSION >= 0x01000000 && (status == 400 || status == 0));
}

bool hostile_closes(const struct hostile *hostile)
{
	return !hostile->stays_open && (hostile->status == 400 || hostile->status == 413 || hostile->status == 417);
}

/* libmicrohttpd 0.9.75 writes the header of its own 400 to a malformed Content-Length twice. */
static bool answers_with_200(const struct rawhttp *http)
{
	return rawhttp_left(http) > 0 &&
		memmem(http->input.data + http->taken, rawhttp_left(http), "HTTP/1.1 2", 10);
}

void hostile_must_end_the_connection(const struct hostile *hostile, struct rawhttp *http)
{
	struct rawhttp_reply reply;

	if (!hostile_closes(hostile))
		return;
	ck_assert(rawhttp_send(http, hostile->bytes, hostile->len));
	(void)rawhttp_send_text(http, "POST /set?key=smuggled&value=v HTTP/1.1\r\n" HOST "\r\n");
	rawhttp_read(http, false, &reply, NULL);
	ck_assert_msg(rawhttp_is_closed(http), "%s: the connection stays open", hostile->what);
	ck_assert_msg(!answers_with_200(http), "%s: a second answer", hostile->what);
	rawhttp_reply_free(&reply);
}
