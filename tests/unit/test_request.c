/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every allocation of ours fails in turn, at the start and while requests are served: the client gets an answer or a closed
 * connection, 503 says that nothing was written, a write that was not acknowledged may be there or not but never in part, and the server goes on.
 */
#include "base/clock.h"
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct {
	const char *request;
	unsigned status;
} requests[] = {
	{ "GET /get?key=k HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /get?key=k HTTP/1.1\r\nHost: localhost\r\n\r\nGET /get?key=one HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /get?key=none HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n", 404 },
	{ "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0\r\n\r\n", 206 },
	{ "GET /v1/kv/large HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n", 200 },
	{ "POST /set?key=new&value=v HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nv", 204 },
	{ "DELETE /del?key=none HTTP/1.1\r\nHost: localhost\r\n\r\n", 404 },
	{ "GET /v1/kv?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /v1/kv?prefix=l&reverse=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /v1/kv HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n", 200 },
	{ "GET /v1/export?prefix=k HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /v1/count?start=a HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "POST /v1/snapshots?ttl=1s HTTP/1.1\r\nHost: localhost\r\n\r\n", 201 },
	{ "POST /v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 23\r\n\r\n{\"key\":\"i\",\"value\":\"\"}\n", 200 },
	{ "POST /v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\n{\"key\":\"i\",\"value\":\"\"}\n{\n", 400 },
	{ "DELETE /v1/kv/none HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\n\r\n", 412 },
	{ "PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nContent-Length: 1\r\n\r\nv", 412 },
	{ "POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n"
	  "[\"k\",\"large\"]", 200 },
	{ "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 107\r\n\r\n"
	  "[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"},{\"op\":\"delete\",\"key\":\"b\"},{\"op\":\"check\",\"key\":\"none\",\"if_absent\":true}]", 200 },
	{ "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 78\r\n\r\n"
	  "[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"},{\"op\":\"check\",\"key\":\"k\",\"if_absent\":true}]", 412 },
	{ "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404 },
};

/* The status, 0 for a closed connection. Only the server allocates between the two calls of fault_alloc_fail. */
static unsigned ask_with_failure(const char *request, uint64_t nth, uint64_t *ret_failed)
{
	static char answer[65536];
	struct rawhttp http = rawhttp_connect(fake.port);
	struct buf input = { 0 };
	ssize_t n;
	unsigned status = 0;

	ck_assert_int_eq(buf_reserve(&input, sizeof answer), KV_OK);
	fault_alloc_fail(nth, false);
	(void)rawhttp_send_text(&http, request);
	n = recv(http.fd, answer, sizeof answer, 0);
	*ret_failed = fault_alloc_failed();
	fault_alloc_fail(0, false);
	if (n > 12)
		status = (unsigned)atoi(answer + 9);
	buf_free(&input);
	rawhttp_close(&http);
	return status;
}

START_TEST(a_request_survives_every_failed_allocation)
{
	char large[8192];
	uint64_t failed = 1;

	memset(large, 'v', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/large", NULL, large)->status, 201);
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/k", NULL, "v")->status, 201);
	for (uint64_t nth = 1; failed > 0; nth++) {
		uint64_t before = fake_store_changes(fake.store);
		unsigned status = ask_with_failure(requests[_i].request, nth, &failed);

		if (status == 503)
			ck_assert_uint_eq(fake_store_changes(fake.store), before);
		ck_assert_msg(status == 0 || status == 503 || status == requests[_i].status,
			"%u when allocation %u failed", status, (unsigned)nth);
		ck_assert_msg(failed > 0 || status == requests[_i].status, "%u without failure", status);
		ck_assert_uint_lt(nth, 1000);
	}
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/get?key=k", NULL, NULL)), "v");
}
END_TEST

static unsigned open_snapshots(void)
{
	struct store_stats stats;

	store_get_stats(fake.store, &stats);
	return (unsigned)stats.snapshots;
}

START_TEST(a_snapshot_that_was_made_is_never_told_as_not_made)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		unsigned before = open_snapshots();
		unsigned status = ask_with_failure("POST /v1/snapshots HTTP/1.1\r\nHost: localhost\r\n\r\n", nth, &failed);

		if (status != 0)
			ck_assert_msg(open_snapshots() - before == (status == 201), "%u when allocation %u failed", status, (unsigned)nth);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

START_TEST(a_client_without_memory_is_not_kept_waiting)
{
	uint64_t failed = 1;

	fake.options.header_timeout_ms = 300;
	fake_server_start();
	for (uint64_t nth = 1; failed > 0; nth++) {
		struct rawhttp http;

		fault_alloc_fail(nth, false);
		fault_alloc_pause();
		http = rawhttp_connect(fake.port);
		ck_assert_msg(rawhttp_is_closed(&http), "open after allocation %u failed", (unsigned)nth);
		rawhttp_close(&http);
		fault_alloc_resume();
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
	}
}
END_TEST

static unsigned count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* One that was joined is still listed for a moment. */
static void wait_for_threads(unsigned count)
{
	uint64_t until_us = clock_monotonic_us() + 20000000;

	while (count_threads() != count) {
		ck_assert_msg(clock_monotonic_us() < until_us, "%u threads instead of %u", count_threads(), count);
		sched_yield();
	}
}

START_TEST(a_start_without_memory_is_told)
{
	unsigned threads = count_threads();

	for (uint64_t nth = 1;; nth++) {
		struct kv_error err = { .status = KV_OK };
		struct server *server = NULL;
		uint64_t failed;
		kv_status status;

		fault_alloc_fail(nth, false);
		status = server_bind(&fake.options, &server, &err);
		if (status == KV_OK)
			status = server_start(server, fake.store, &err);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		server_stop(server);
		wait_for_threads(threads);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_MEMORY : KV_OK);
		if (failed == 0)
			break;
		ck_assert_int_eq(err.status, KV_NO_MEMORY);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("request");
	TCase *tc = tcase_create("request");
	TCase *start = tcase_create("start");

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_add_loop_test(tc, a_request_survives_every_failed_allocation, 0, sizeof requests / sizeof requests[0]);
	tcase_add_test(tc, a_snapshot_that_was_made_is_never_told_as_not_made);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(start, fake_server_prepare, fake_server_teardown);
	tcase_add_test(start, a_client_without_memory_is_not_kept_waiting);
	tcase_add_test(start, a_start_without_memory_is_told);
	tcase_set_timeout(start, 30);
	suite_add_tcase(suite, start);
	return runner_run(suite);
}
