/* SPDX-License-Identifier: BSD-2-Clause */
/* Which client gets what: over a server with and without tokens. */
#define _GNU_SOURCE
#include "support/fake_server.h"
#include "support/runner.h"

#include "http/route.h"
#include "http/token.h"

#include <stdio.h>
#include <sys/socket.h>

/* The text of a file with tokens whose text is "kv_" and their name. */
static void set_tokens(const char *const lines[][2], size_t count)
{
	struct buf text = { 0 };
	struct kv_error err;

	for (size_t i = 0; i < count; i++) {
		uint8_t digest[TOKEN_DIGEST_BYTES];
		char token[64];

		snprintf(token, sizeof token, "kv_%s", lines[i][0]);
		ck_assert_int_eq(token_digest(slice_of_string(token), digest), KV_OK);
		ck_assert_int_eq(buf_printf(&text, "%s %s ", lines[i][0], lines[i][1]), KV_OK);
		for (int k = 0; k < TOKEN_DIGEST_BYTES; k++)
			ck_assert_int_eq(buf_printf(&text, "%02x", digest[k]), KV_OK);
		ck_assert_int_eq(buf_append_byte(&text, '\n'), KV_OK);
	}
	ck_assert_int_eq(server_set_tokens(fake.server, "tokens", buf_slice(&text), &err), KV_OK);
	buf_free(&text);
}

/* "dXNlci8" is "user/". */
static const char *const all[][2] = {
	{ "reader", "read -" }, { "writer", "write -" }, { "admin", "admin -" }, { "user", "write dXNlci8" },
};

static void setup(void)
{
	struct kv_error err;

	fake_server_prepare();
	ck_assert_int_eq(server_bind(&fake.options, &fake.server, &err), KV_OK);
	set_tokens(all, 4);
	ck_assert_int_eq(server_start(fake.server, fake.store, &err), KV_OK);
	fake.port = server_port(fake.server);
}

static unsigned ask(const char *token, const char *method, const char *target, const char *body)
{
	char header[128] = "";

	if (token)
		snprintf(header, sizeof header, "Authorization: Bearer kv_%s\r\n", token);
	return fake_server_call(method, target, header, body)->status;
}

START_TEST(what_asks_for_no_role_is_free)
{
	ck_assert_uint_eq(ask(NULL, "GET", "/healthz", NULL), 200);
	ck_assert_uint_eq(ask(NULL, "GET", "/readyz", NULL), 200);
	ck_assert_uint_eq(ask("wrong", "GET", "/healthz", NULL), 200);
	ck_assert_uint_eq(ask(NULL, "GET", "/nowhere", NULL), 404);
}
END_TEST

START_TEST(without_a_good_token_it_is_401_with_a_challenge)
{
	static const char *const headers[] = { "", "Authorization: Bearer kv_wrong\r\n", "Authorization: Basic YTpi\r\n",
		"Authorization:\r\n", "Authorization: Bearer\r\n", "Authorization: kv_reader\r\n" };

	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		const struct rawhttp_reply *reply = fake_server_call("GET", "/get?key=k", headers[i], NULL);

		ck_assert_msg(reply->status == 401, "%s: %u", headers[i], reply->status);
		ck_assert_str_eq(rawhttp_header(reply, "WWW-Authenticate"), "Bearer realm=\"kvstored\"");
	}
	ck_assert_uint_eq(ask(NULL, "PUT", "/v1/kv/k", "v"), 401);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv/k", NULL), 404);
}
END_TEST

START_TEST(a_role_may_what_it_may_and_no_more)
{
	ck_assert_uint_eq(ask("reader", "PUT", "/v1/kv/k", "v"), 403);
	ck_assert_uint_eq(ask("reader", "POST", "/set?key=k&value=v", NULL), 403);
	ck_assert_uint_eq(ask("reader", "DELETE", "/del?key=k", NULL), 403);
	ck_assert_uint_eq(ask("writer", "PUT", "/v1/kv/k", "v"), 201);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv/k", NULL), 200);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv", NULL), 200);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/stats", NULL), 200);
	ck_assert_uint_eq(ask("admin", "DELETE", "/v1/kv/k", NULL), 204);
}
END_TEST

START_TEST(shutdown_needs_the_role_admin_from_this_machine_too)
{
	ck_assert_uint_eq(ask(NULL, "GET", "/shutdown", NULL), 401);
	ck_assert_uint_eq(ask("wrong", "GET", "/shutdown", NULL), 401);
	ck_assert_uint_eq(ask("reader", "GET", "/shutdown", NULL), 403);
	ck_assert_uint_eq(ask("writer", "POST", "/shutdown", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/shutdown", NULL), 403);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv/k", NULL), 404); /* not even begun */
}
END_TEST

START_TEST(no_route_is_open_by_oversight)
{
	const struct route *route;

	for (size_t i = 0; (route = route_at(i)) != NULL; i++) {
		bool is_free = strncmp(route->path, "/healthz", 8) == 0 || strncmp(route->path, "/readyz", 7) == 0 ||
			strncmp(route->path, "/ui", 3) == 0 || strcmp(route->path, "/openapi.json") == 0;
		bool is_write = (route->methods & (HTTP_PUT | HTTP_DELETE)) != 0;

		ck_assert_msg(is_free == (route->role == ACCESS_NONE), "%s", route->path);
		/* (a snapshot belongs to who reads) */
		ck_assert_msg(!is_write || route->role >= ACCESS_WRITE || strncmp(route->path, "/v1/snapshots", 13) == 0,
			"%s", route->path);
		ck_assert_msg((strncmp(route->path, "/v1/admin/", 10) != 0 && strcmp(route->path, "/shutdown") != 0) ||
			route->role == ACCESS_ADMIN, "%s", route->path);
	}
	ck_assert_ptr_nonnull(route_at(10));
}
END_TEST

START_TEST(a_prefix_confines_keys_and_ranges)
{
	ck_assert_uint_eq(ask("user", "PUT", "/v1/kv/user/1", "v"), 201);
	ck_assert_uint_eq(ask("user", "GET", "/get?key=user/1", NULL), 200);
	ck_assert_uint_eq(ask("user", "PUT", "/v1/kv/use", "v"), 403);
	ck_assert_uint_eq(ask("user", "PUT", "/v1/kv/other", "v"), 403);
	ck_assert_uint_eq(ask("user", "POST", "/set?key=other&value=v", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/get?key=other", NULL), 403);
	ck_assert_uint_eq(ask("user", "DELETE", "/del?key=other", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/kv", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/kv?prefix=use", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/kv?prefix=user/", NULL), 200);
	ck_assert_uint_eq(ask("user", "GET", "/v1/kv?start=user/&end=user0", NULL), 200);
	ck_assert_uint_eq(ask("user", "GET", "/v1/kv?start=user/&end=user1", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/count", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/count?prefix=user/1", NULL), 200);
	ck_assert_uint_eq(ask("user", "GET", "/v1/count?estimate=1", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/export", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/export?prefix=user/", NULL), 200);
	ck_assert_uint_eq(ask("user", "DELETE", "/v1/kv?all=1", NULL), 403);
	ck_assert_uint_eq(ask("user", "DELETE", "/v1/kv?start=user/", NULL), 403);
	ck_assert_uint_eq(ask("user", "POST", "/v1/import", "{\"key\":\"user/2\",\"value\":\"v\"}\n"), 200);
	ck_assert_uint_eq(ask("user", "POST", "/v1/import", "{\"key\":\"user/3\",\"value\":\"v\"}\n{\"key\":\"other\",\"value\":\"v\"}\n"), 403);
	ck_assert_uint_eq(ask("reader", "POST", "/v1/import", "{\"key\":\"user/4\",\"value\":\"v\"}\n"), 403);
	ck_assert_uint_eq(ask("reader", "DELETE", "/v1/kv?prefix=user/", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/v1/kv/user/3", NULL), 200);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv/other", NULL), 404);
	ck_assert_uint_eq(ask("user", "GET", "/v1/stats", NULL), 403);
	ck_assert_uint_eq(ask("user", "GET", "/metrics", NULL), 403);
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv/other", NULL), 404);
}
END_TEST

/* One connection; its replies one by one. */
static struct rawhttp kept;

static unsigned ask_again(const char *token)
{
	struct rawhttp_reply reply = { 0 };
	char request[256];
	unsigned status;

	snprintf(request, sizeof request, "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\n%s%s%s\r\n",
		token ? "Authorization: Bearer kv_" : "", token ? token : "", token ? "\r\n" : "");
	ck_assert(rawhttp_send_text(&kept, request));
	rawhttp_read(&kept, false, &reply, NULL);
	status = reply.status;
	rawhttp_reply_free(&reply);
	return status;
}

START_TEST(a_removed_token_ends_at_once_on_open_connections)
{
	struct kv_error err;

	kept = rawhttp_connect(fake.port);
	ck_assert_uint_eq(ask_again("reader"), 404);
	ck_assert_uint_eq(ask_again("reader"), 404);
	ck_assert_uint_eq(ask_again(NULL), 401); /* the one before is not lent to the next */
	ck_assert_uint_eq(ask_again("writer"), 404);
	set_tokens(all + 1, 3);
	ck_assert_uint_eq(ask_again("reader"), 401);
	ck_assert_uint_eq(ask_again("writer"), 404);
	ck_assert_int_eq(server_set_tokens(fake.server, "tokens", slice_of_string("broken\n"), &err), KV_INVALID);
	ck_assert_str_eq(err.text, "tokens:1: the role must be read, write or admin");
	ck_assert_uint_eq(ask_again("writer"), 404);
	ck_assert_int_eq(server_set_tokens(fake.server, "tokens", slice_of_string(""), &err), KV_OK);
	ck_assert_uint_eq(ask_again("writer"), 401);
	rawhttp_close(&kept);
}
END_TEST

/* More than what an import gathers before it takes lines. */
static struct buf many_lines(void)
{
	struct buf lines = { 0 };

	for (int i = 0; i < 800; i++)
		ck_assert_int_eq(buf_printf(&lines, "{\"key\":\"%04d\",\"value\":\"%01000d\"}\n", i, i), KV_OK);
	return lines;
}

START_TEST(an_import_ends_with_its_token_and_says_how_far_it_came)
{
	struct buf lines = many_lines();
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	char text[128];
	uint64_t before;

	snprintf(text, sizeof text, "POST /v1/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer kv_writer\r\n"
		"Content-Length: %zu\r\n\r\n", (1 + (size_t)_i) * lines.len);
	ck_assert(rawhttp_send_text(&http, text));
	ck_assert(rawhttp_send(&http, lines.data, lines.len - 1));
	while ((before = fake_store_changes(fake.store)) == 0)
		;
	set_tokens(all + 2, 2);
	ck_assert(rawhttp_send(&http, "\n", 1));
	if (_i)
		(void)rawhttp_send(&http, lines.data, lines.len);
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 401);
	ck_assert_str_eq(rawhttp_header(&reply, "WWW-Authenticate"), "Bearer realm=\"kvstored\"");
	snprintf(text, sizeof text, "\"line\":%d,\"imported\":%d}", (int)before + 1, (int)before);
	ck_assert_msg(strstr(fake_server_text(&reply), text), "%s, not %s", fake_server_text(&reply), text);
	ck_assert_uint_eq(fake_store_changes(fake.store), before);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	buf_free(&lines);
}
END_TEST

/* Its body may take hours, so at its end the token is looked at once more. */
START_TEST(a_write_whose_token_goes_during_its_body_is_not_done)
{
	static const struct {
		const char *head, *body;
	} cases[] = {
		{ "PUT /v1/kv/k", "value" },
		{ "POST /set?key=k", "value" },
		{ "PUT /v1/kv/k", NULL }, /* so many that they are written in pieces */
		{ "POST /v1/batch", "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}]" },
		{ "POST /v1/mget", "[\"k\"]" },
	};
	static char many[200000];
	const char *body = cases[_i].body ? cases[_i].body : many;
	size_t len = cases[_i].body ? strlen(body) : sizeof many;
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	char text[160];

	snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer kv_writer\r\nExpect: 100-continue\r\n"
		"Content-Length: %zu\r\n\r\n", cases[_i].head, len);
	ck_assert(rawhttp_send_text(&http, text));
	ck_assert_int_eq(recv(http.fd, text, strlen("HTTP/1.1 100 Continue\r\n\r\n"), MSG_WAITALL), 25); /* it was let in */
	ck_assert(rawhttp_send(&http, body, len - 1));
	set_tokens(all + 2, 2);
	ck_assert(rawhttp_send(&http, body + len - 1, 1));
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 401);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_refusal_with_a_body_ends_the_connection_and_stores_nothing)
{
	const struct rawhttp_reply *reply = fake_server_call("PUT", "/v1/kv/k", NULL, "value");

	ck_assert_uint_eq(reply->status, 401);
	ck_assert_str_eq(rawhttp_header(reply, "Connection"), "close");
	ck_assert_uint_eq(ask("reader", "GET", "/v1/kv/k", NULL), 404);
}
END_TEST

START_TEST(without_tokens_this_machine_needs_none)
{
	ck_assert_uint_eq(ask(NULL, "PUT", "/v1/kv/k", "v"), 201);
	ck_assert_uint_eq(ask("any", "GET", "/v1/kv/k", NULL), 200);
	ck_assert_uint_eq(ask(NULL, "GET", "/v1/stats", NULL), 200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("authorize");
	TCase *with = tcase_create("with tokens");
	TCase *without = tcase_create("without tokens");

	tcase_add_checked_fixture(with, setup, fake_server_teardown);
	tcase_add_test(with, what_asks_for_no_role_is_free);
	tcase_add_test(with, without_a_good_token_it_is_401_with_a_challenge);
	tcase_add_test(with, a_role_may_what_it_may_and_no_more);
	tcase_add_test(with, shutdown_needs_the_role_admin_from_this_machine_too);
	tcase_add_test(with, no_route_is_open_by_oversight);
	tcase_add_test(with, a_prefix_confines_keys_and_ranges);
	tcase_add_test(with, a_removed_token_ends_at_once_on_open_connections);
	tcase_add_loop_test(with, an_import_ends_with_its_token_and_says_how_far_it_came, 0, 2);
	tcase_add_loop_test(with, a_write_whose_token_goes_during_its_body_is_not_done, 0, 5);
	tcase_add_test(with, a_refusal_with_a_body_ends_the_connection_and_stores_nothing);
	suite_add_tcase(suite, with);
	tcase_add_checked_fixture(without, fake_server_setup, fake_server_teardown);
	tcase_add_test(without, without_tokens_this_machine_needs_none);
	suite_add_tcase(suite, without);
	return runner_run(suite);
}
