/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bad input to the real daemon, over all that it listens on: each request gets the status it must, and the store is as it was
 * before: its last version, and all keys and values. One daemon for all tests.
 */
#define _GNU_SOURCE
#include "support/daemonproc.h"
#include "support/hostile.h"
#include "support/runner.h"
#include "support/tlspipe.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "Host: localhost\r\n"

enum { READY_TIMEOUT_MS = 120000, STOP_TIMEOUT_MS = 120000 };

static char *dir;
static struct daemonproc *daemon_process;
static char socket_path[200];
static uint16_t tls_port;

/* ---- the ways to the daemon ---- */

static struct rawhttp connect_tcp(void)
{
	return rawhttp_connect(daemonproc_port(daemon_process));
}

static struct rawhttp connect_unix(void)
{
	return rawhttp_connect_unix(socket_path);
}

static struct rawhttp connect_tls(void)
{
	return (struct rawhttp){ .fd = tlspipe_connect(tls_port) };
}

static const struct way {
	const char *name;
	struct rawhttp (*connect)(void);
	bool is_tcp, is_tls;
} ways[] = {
	{ "TCP", connect_tcp, true, false },
	{ "TLS", connect_tls, true, true },
	{ "a Unix socket", connect_unix, false, false },
};
enum { WAYS = sizeof ways / sizeof ways[0] };

/* ---- what is in the store ---- */

static struct buf contents;
static json_int_t version;

static void call(const char *request, struct rawhttp_reply *ret)
{
	struct rawhttp http = connect_tcp();

	ck_assert(rawhttp_send_text(&http, request));
	rawhttp_read(&http, false, ret, NULL);
	rawhttp_close(&http);
}

static json_int_t read_version(void)
{
	struct rawhttp_reply reply;
	json_t *stats;
	json_int_t value;

	call("GET /v1/stats HTTP/1.1\r\n" HOST "\r\n", &reply);
	ck_assert_uint_eq(reply.status, 200);
	stats = json_loadb((char *)reply.body.data, reply.body.len, 0, NULL);
	value = json_integer_value(json_object_get(json_object_get(stats, "commit"), "last_version"));
	ck_assert_int_gt(value, 0);
	json_decref(stats);
	rawhttp_reply_free(&reply);
	return value;
}

static void read_contents(struct rawhttp_reply *ret)
{
	call("GET /v1/kv?limit=10000 HTTP/1.1\r\n" HOST "\r\n", ret);
	ck_assert_uint_eq(ret->status, 200);
	ck_assert_ptr_nonnull(memmem(ret->body.data, ret->body.len, "\"complete\":true", 15));
}

static void assert_untouched(const char *by)
{
	struct rawhttp_reply reply;

	ck_assert_msg(read_version() == version, "%s: something was written", by);
	read_contents(&reply);
	ck_assert_msg(slice_equal(buf_slice(&reply.body), buf_slice(&contents)), "%s: another store", by);
	rawhttp_reply_free(&reply);
}

static void set(const char *key, const char *value)
{
	struct rawhttp_reply reply;
	char request[500];

	snprintf(request, sizeof request, "PUT /v1/kv/%s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s", key,
		strlen(value), value);
	call(request, &reply);
	ck_assert_uint_eq(reply.status, 201);
	rawhttp_reply_free(&reply);
}

/* On all ways; TLS gets a port of the test's as daemonproc has no second one. */
static void configure(char *settings, size_t size)
{
	char certificate[200], key[200];

	snprintf(socket_path, sizeof socket_path, "%s/socket", dir);
	snprintf(certificate, sizeof certificate, "%s/certificate", dir);
	snprintf(key, sizeof key, "%s/key", dir);
	tlspipe_make_certificate(certificate, key);
	tls_port = daemonproc_find_port();
	snprintf(settings, size, "listen = {\"127.0.0.1\", \"%s\"}\nmax_value_size = \"1M\"\ntls_listen = {\"127.0.0.1\"}\n"
		"tls_port = %u\ntls_certificate = \"%s\"\ntls_key = \"%s\"\n", socket_path, tls_port, certificate, key);
}

static void start(void)
{
	struct rawhttp_reply reply;
	char settings[1000];
	uint64_t elapsed_us;

	dir = runner_new_dir();
	configure(settings, sizeof settings);
	daemon_process = daemonproc_new(dir, settings);
	daemonproc_start(daemon_process);
	if (!daemonproc_wait_ready(daemon_process, READY_TIMEOUT_MS, &elapsed_us)) {
		daemonproc_print_log(daemon_process);
		ck_abort_msg("the daemon does not start");
	}
	set("word", "not a number");
	set("most", "9223372036854775807");
	set("a%00b", "a key with a NUL");
	set("%ff", "a key that is no text");
	read_contents(&reply);
	contents = reply.body;
	version = read_version();
}

static void stop(void)
{
	ck_assert_int_eq(daemonproc_stop(daemon_process, STOP_TIMEOUT_MS), 0);
	daemon_process = daemonproc_free(daemon_process);
	buf_free(&contents);
	runner_remove_dir(dir);
}

/* ---- malformed HTTP ---- */

/* `try` on a connection for each; afterwards all must be as before. (In one test: a process for each would take most of the time.) */
static void try_all_hostile(const struct way *way,
	void (*try)(const struct hostile *hostile, struct rawhttp *http, const struct way *way))
{
	for (size_t i = 0; i < hostile_count(); i++) {
		const struct hostile *hostile = hostile_at(i);
		struct rawhttp http;

		if (hostile->tcp_only && !way->is_tcp)
			continue;
		http = way->connect();
		try(hostile, &http, way);
		rawhttp_close(&http);
		assert_untouched(hostile->what);
	}
}

static void is_refused(const struct hostile *hostile, struct rawhttp *http, const struct way *way)
{
	struct rawhttp_reply reply;

	ck_assert(rawhttp_send(http, hostile->bytes, hostile->len));
	rawhttp_read(http, false, &reply, NULL);
	ck_assert_msg(hostile_is_expected(hostile, reply.status), "%s over %s: %u", hostile->what, way->name,
		reply.status);
	rawhttp_reply_free(&reply);
}

START_TEST(hostile_requests_change_nothing)
{
	try_all_hostile(&ways[_i], is_refused);
}
END_TEST

static void ends_the_connection(const struct hostile *hostile, struct rawhttp *http, const struct way *way)
{
	(void)way;
	hostile_must_end_the_connection(hostile, http);
}

START_TEST(what_follows_a_malformed_request_is_no_request)
{
	try_all_hostile(&ways[_i], ends_the_connection);
}
END_TEST

/* ---- well-formed HTTP that asks for nonsense ---- */

static const struct nonsense {
	const char *method, *target;
	const char *headers; /* NULL: none */
	const char *body;    /* NULL: none */
	unsigned status;
} nonsense[] = {
	{ "PUT", "/v1/kv/k?ttl=", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=0s", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=-1s", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=1y", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=1.5s", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=18446744073709551616ms", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=18446744073709551615d", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?expires=soon", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?expires=-1", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?expires=99999999999999999999", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?ttl=1s&expires=99999999999999", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?durability=none", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?durability=", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k?nothing=1", NULL, "v", 400 },
	{ "PUT", "/v1/kv/k", "If-Match: 1\r\n", "v", 412 },
	{ "PUT", "/v1/kv/k", "If-Match: \"1\"\r\n", "v", 412 },
	{ "PUT", "/v1/kv/word", "If-None-Match: *\r\n", "v", 412 },
	{ "DELETE", "/v1/kv/word", "If-Match: \"ffffffffffffffff\"\r\n", NULL, 412 },
	{ "DELETE", "/v1/kv/none", NULL, NULL, 404 },
	{ "DELETE", "/v1/kv/", NULL, NULL, 400 },
	{ "DELETE", "/del?key=none", NULL, NULL, 404 },
	{ "POST", "/set?key=k", NULL, NULL, 400 },
	{ "POST", "/set?key=k&value=v", NULL, "w", 400 },
	{ "POST", "/v1/incr/word?by=1", NULL, NULL, 409 },
	{ "POST", "/v1/incr/most?by=1", NULL, NULL, 422 },
	{ "POST", "/v1/incr/k?by=", NULL, NULL, 400 },
	{ "POST", "/v1/incr/k?by=1x", NULL, NULL, 400 },
	{ "POST", "/v1/incr/k?by=9223372036854775808", NULL, NULL, 400 },
	{ "POST", "/v1/incr/k?by=1&by=1", NULL, NULL, 400 },
	{ "POST", "/v1/touch/none?ttl=1s", NULL, NULL, 404 },
	{ "POST", "/v1/touch/word?ttl=x", NULL, NULL, 400 },
	{ "GET", "/v1/kv?limit=0", NULL, NULL, 400 },
	{ "GET", "/v1/kv?limit=-1", NULL, NULL, 400 },
	{ "GET", "/v1/kv?limit=1e3", NULL, NULL, 400 },
	{ "GET", "/v1/kv?reverse=2", NULL, NULL, 400 },
	{ "GET", "/v1/kv?cursor=", NULL, NULL, 400 },
	{ "GET", "/v1/kv?cursor=%ff%00", NULL, NULL, 400 },
	{ "GET", "/v1/kv?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL, 400 },
	{ "GET", "/v1/kv?cursor=!!!!", NULL, NULL, 400 },
	{ "GET", "/v1/kv?prefx=a", NULL, NULL, 400 },
	{ "GET", "/v1/kv?snapshot=none", NULL, NULL, 400 },
	{ "POST", "/v1/snapshots?ttl=forever", NULL, NULL, 400 },
	{ "DELETE", "/v1/snapshots/none", NULL, NULL, 404 },
	{ "POST", "/v1/batch", NULL, "{", 400 },
	{ "POST", "/v1/batch", NULL, "[", 400 },
	{ "POST", "/v1/batch", NULL, "[]x", 400 },
	{ "POST", "/v1/batch", NULL, "null", 400 },
	{ "POST", "/v1/batch", NULL, "\"x\"", 400 },
	{ "POST", "/v1/batch", NULL, "1", 400 },
	{ "POST", "/v1/batch", NULL, "{}", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"},]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}]]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}] []", 400 },
	{ "POST", "/v1/batch", NULL, "[1]", 400 },
	{ "POST", "/v1/batch", NULL, "[null]", 400 },
	{ "POST", "/v1/batch", NULL, "[{}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"drop\",\"key\":\"k\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":1,\"key\":\"k\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":1,\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":1}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":null}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"key\":\"l\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"key_b64\":\"aw==\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",\"value_b64\":\"dg==\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"a\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"aw\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"aw=\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"a w==\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"ax==\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"aw==aw==\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key_b64\":\"!!!!\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",\"ttl\":\"x\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",\"ttl\":-1}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\",\"nothing\":1}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"\\ud800\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\xff\",\"value\":\"v\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"},{\"op\":\"put\"}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"check\",\"key\":\"word\",\"if_match\":1}]", 400 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"},{\"op\":\"check\",\"key\":\"word\",\"if_absent\":true}]", 412 },
	{ "POST", "/v1/batch", NULL, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"},{\"op\":\"check\",\"key\":\"none\",\"if_match\":\"*\"}]", 412 },
	{ "POST", "/v1/batch", "Content-Type: application/x-ndjson\r\n", "{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}\n{\"op\":\"put\"}\n", 400 },
	{ "POST", "/v1/batch", "Content-Type: application/x-ndjson\r\n", "{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}\n{", 400 },
	{ "POST", "/v1/batch", "Content-Type: application/x-ndjson\r\n", "{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}", 400 },
	{ "POST", "/v1/batch", NULL, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}", 400 },
	{ "GET", "/v1/batch", NULL, NULL, 405 },
	{ "POST", "/v1/mget", NULL, "{", 400 },
	{ "POST", "/v1/mget", NULL, "{}", 400 },
	{ "POST", "/v1/mget", NULL, "[1]", 400 },
	{ "POST", "/v1/mget", NULL, "[\"a\",]", 400 },
	{ "POST", "/v1/mget", NULL, "[\"\"]", 400 },
	{ "POST", "/v1/mget", NULL, "[\"a\"", 400 },
	{ "POST", "/v1/mget", NULL, "[{\"key_b64\":\"a\"}]", 400 },
	{ "POST", "/v1/mget", NULL, "[{\"key\":\"a\",\"x\":1}]", 400 },
	{ "POST", "/v1/mget", NULL, "\"a\"", 400 },
	{ "POST", "/v1/mget", NULL, "[null]", 400 },
	{ "POST", "/v1/mget", NULL, "[[\"a\"]]", 400 },
	{ "POST", "/v1/mget?snapshot=none", NULL, "[\"a\"]", 400 },
	{ "POST", "/v1/import", NULL, "{", 400 },
	{ "POST", "/v1/import", NULL, "x\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"key\":\"k\"}\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"value\":\"v\"}\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"key\":\"k\",\"value\":1}\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"key\":\"\",\"value\":\"v\"}\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"key_b64\":\"a\",\"value\":\"v\"}\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"key\":\"k\",\"value\":\"v\",\"ttl\":\"1x\"}\n", 400 },
	{ "POST", "/v1/import", NULL, "[]\n", 400 },
	{ "POST", "/v1/import", NULL, "null\n", 400 },
	{ "POST", "/v1/import", NULL, "{\"key\":\"k\",\"value\":\"v\"} x\n", 400 },
	{ "GET", "/v1/changes?since=x", NULL, NULL, 400 },
	{ "GET", "/v1/changes?since=-1", NULL, NULL, 400 },
	{ "GET", "/v1/changes?since=99999999999999999999", NULL, NULL, 400 },
	{ "GET", "/v1/changes?since=999999999", NULL, NULL, 400 },
	{ "GET", "/v1/changes?since=", NULL, NULL, 400 },
	{ "GET", "/v1/changes?wait=30", NULL, NULL, 400 },
	{ "GET", "/v1/changes?wait=1y", NULL, NULL, 400 },
	{ "GET", "/v1/changes?wait=-1s", NULL, NULL, 400 },
	{ "GET", "/v1/changes?limit=0", NULL, NULL, 400 },
	{ "GET", "/v1/changes?limit=x", NULL, NULL, 400 },
	{ "GET", "/v1/changes?prefix=a&prefix=b", NULL, NULL, 400 },
	{ "GET", "/v1/changes?what=1", NULL, NULL, 400 },
	{ "GET", "/v1/changes", "Accept: text/event-stream\r\nLast-Event-ID: x\r\n", NULL, 400 },
	{ "GET", "/v1/count?estimate=2", NULL, NULL, 400 },
	{ "GET", "/v1/count?prefx=a", NULL, NULL, 400 },
	{ "GET", "/v1/count?limit=1", NULL, NULL, 400 },
	{ "GET", "/v1/count?snapshot=none", NULL, NULL, 400 },
	{ "GET", "/v1/export?limit=0", NULL, NULL, 400 },
	{ "GET", "/v1/export?snapshot=none", NULL, NULL, 400 },
	{ "DELETE", "/v1/kv", NULL, NULL, 400 },
	{ "DELETE", "/v1/kv?prefix=", NULL, NULL, 400 },
	{ "DELETE", "/v1/kv?start=b&end=a&nothing=1", NULL, NULL, 400 },
	{ "DELETE", "/v1/kv?limit=1", NULL, NULL, 400 },
	{ "DELETE", "/v1/kv?start=", NULL, NULL, 400 },
	{ "GET", "/get", NULL, NULL, 400 },
	{ "GET", "/get?key=", NULL, NULL, 400 },
	{ "GET", "/shutdown", "Origin: http://evil.example\r\n", NULL, 403 },
	{ "GET", "/shutdown", "User-Agent: Mozilla/5.0\r\n", NULL, 403 },
	{ "GET", "/shutdown", "Sec-Fetch-Mode: navigate\r\n", NULL, 403 },
	{ "GET", "/shutdown", "Cookie: a=b\r\n", NULL, 403 },
	{ "DELETE", "/shutdown", NULL, NULL, 405 },
};

static void send_nonsense(struct rawhttp *http, const struct nonsense *what)
{
	struct buf request = { 0 };
	kv_status status = buf_printf(&request, "%s %s HTTP/1.1\r\n" HOST "%s", what->method, what->target,
		what->headers ? what->headers : "");

	if (status == KV_OK && what->body)
		status = buf_printf(&request, "Content-Length: %zu\r\n", strlen(what->body));
	if (status == KV_OK)
		status = buf_printf(&request, "\r\n%s", what->body ? what->body : "");
	ck_assert_int_eq(status, KV_OK);
	ck_assert(rawhttp_send(http, request.data, request.len));
	buf_free(&request);
}

static void refuses(const struct nonsense *wrong, const struct way *way)
{
	struct rawhttp http = way->connect();
	struct rawhttp_reply reply;

	for (int i = 0; i < 2; i++) { /* the second one on the connection of the first */
		send_nonsense(&http, wrong);
		rawhttp_read(&http, false, &reply, NULL);
		ck_assert_msg(reply.status == wrong->status, "%s %s over %s: %u %.*s", wrong->method, wrong->target,
			way->name, reply.status, (int)reply.body.len, (char *)reply.body.data);
		ck_assert_msg(reply.body.len > 0, "%s %s: no reason is told", wrong->method, wrong->target);
		rawhttp_reply_free(&reply);
	}
	rawhttp_close(&http);
	assert_untouched(wrong->target);
}

START_TEST(nonsense_is_refused_and_the_connection_goes_on)
{
	for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++)
		refuses(&nonsense[i], &ways[_i]);
}
END_TEST

/* ---- bodies cut short ---- */

static const struct body_route {
	const char *method, *target, *body;
} body_routes[] = {
	{ "PUT", "/v1/kv/k", "0123456789" },
	{ "PUT", "/v1/kv/k?ttl=60s", "0123456789" },
	{ "POST", "/set?key=k", "0123456789" },
	{ "PUT", "/set?key=k", "0123456789" },
	{ "POST", "/v1/batch", "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}]" },
	{ "POST", "/v1/mget", "[\"word\"]" },
	{ "POST", "/v1/import", "{\"key\":\"k\",\"value\":\"v\"}" },
};
enum { BODY_ROUTES = sizeof body_routes / sizeof body_routes[0] };

/* Leaves after half of the body: closes its side, or all. */
static void leave_in_body(const struct way *way, const struct body_route *route, bool chunked, bool half_close)
{
	struct rawhttp http = way->connect();
	char request[1000];
	size_t len = strlen(route->body);

	snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n" HOST, route->method, route->target);
	if (chunked)
		snprintf(request + strlen(request), sizeof request - strlen(request),
			"Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n", len, route->body);
	else
		snprintf(request + strlen(request), sizeof request - strlen(request),
			"Content-Length: %zu\r\n\r\n%s", len + 1, route->body);
	ck_assert(rawhttp_send_text(&http, request));
	if (half_close) {
		rawhttp_end_sending(&http);
		ck_assert_msg(rawhttp_is_closed(&http), "%s %s: still open", route->method, route->target);
	}
	rawhttp_close(&http);
}

START_TEST(a_body_cut_short_stores_nothing)
{
	const struct body_route *route = &body_routes[_i / WAYS];
	const struct way *way = &ways[_i % WAYS];

	for (unsigned how = 0; how < 4; how++) {
		leave_in_body(way, route, (how & 1) != 0, (how & 2) != 0);
		assert_untouched(route->target);
	}
}
END_TEST

/* ---- too much of everything ---- */

static unsigned status_of(const struct way *way, const struct buf *request)
{
	struct rawhttp http = way->connect();
	struct rawhttp_reply reply;
	unsigned status;

	(void)rawhttp_send(&http, request->data, request->len); /* may be refused before it is sent */
	rawhttp_read(&http, true, &reply, NULL); /* of a body the end may be lost, when the server closes before it has read all */
	status = reply.status;
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	return status;
}

static void repeat(struct buf *to, const char *text, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		ck_assert_int_eq(buf_append(to, text, strlen(text)), KV_OK);
}

START_TEST(too_much_is_told_which)
{
	static const struct {
		const char *begin, *repeated, *end;
		unsigned times, status;
		bool in_body;
	} cases[] = {
		{ "PUT /v1/kv/", "k", " HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nv", 4097, 414, false },
		{ "PUT /v1/kv/", "%6b", " HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nv", 4097, 414, false },
		{ "POST /set?value=v&key=", "k", " HTTP/1.1\r\n" HOST "\r\n", 4097, 414, false },
		{ "POST /set?value=v&key=", "k", " HTTP/1.1\r\n" HOST "\r\n", 100000, 414, false },
		{ "POST /set?key=k&value=v HTTP/1.1\r\n" HOST, "X: y\r\n", "\r\n", 20000, 431, false },
		{ "POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: ", "y", "\r\n\r\n", 100000, 431, false },
		{ "POST /set?key=k&value=v HTTP/1.1\r\n" HOST, "X", ": y\r\n\r\n", 100000, 431, false },
		{ "PUT /v1/kv/k HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", "v", "", 1, 413, false },
		{ "PUT /v1/kv/k HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\n", "v", "", 1, 413, false },
		{ "PUT /v1/kv/k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n100001\r\n", "v", "\r\n0\r\n\r\n", 1048577, 413, true },
		{ "DELETE /v1/kv/word HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n", "v", "", 100000, 413, false },
	};
	const struct way *way = &ways[_i % WAYS];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf request = { 0 };
		unsigned status;

		repeat(&request, cases[i].begin, 1);
		repeat(&request, cases[i].repeated, cases[i].times);
		repeat(&request, cases[i].end, 1);
		status = status_of(way, &request);
		/* (in the middle of a body, over TLS, there is no way to answer) */
		ck_assert_msg(status == cases[i].status || (way->is_tls && cases[i].in_body && status == 0),
			"%s... over %s: %u", cases[i].begin, way->name, status);
		buf_free(&request);
		assert_untouched(cases[i].begin);
	}
}
END_TEST

/* What is long but allowed is served. */
START_TEST(the_longest_that_is_allowed_is_served)
{
	struct buf request = { 0 };

	repeat(&request, "GET /v1/kv/", 1);
	repeat(&request, "%6b", 4096);
	repeat(&request, " HTTP/1.1\r\n" HOST, 1);
	repeat(&request, "X: y\r\n", 100);
	repeat(&request, "\r\n", 1);
	ck_assert_uint_eq(status_of(&ways[_i % WAYS], &request), 404);
	buf_free(&request);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bad_input");
	TCase *tc = tcase_create("bad_input");

	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, hostile_requests_change_nothing, 0, WAYS);
	tcase_add_loop_test(tc, what_follows_a_malformed_request_is_no_request, 0, WAYS);
	tcase_add_loop_test(tc, nonsense_is_refused_and_the_connection_goes_on, 0, WAYS);
	tcase_add_loop_test(tc, a_body_cut_short_stores_nothing, 0, BODY_ROUTES * WAYS);
	tcase_add_loop_test(tc, too_much_is_told_which, 0, WAYS);
	tcase_add_loop_test(tc, the_longest_that_is_allowed_is_served, 0, WAYS);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
