/* SPDX-License-Identifier: BSD-2-Clause */
/* Large values over HTTP, through a real store: in by pieces, out by pieces, refused before they come. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "http/jobs.h"
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { VALUE_MAX = 3 << 20, LARGE = 64 << 10 };

static char value[VALUE_MAX + 1];

/* The pool of jobs, watched and held up: the linker gives the names to the functions here (http.mk). */
static struct {
	pthread_mutex_t mu;
	pthread_cond_t changed;
	unsigned added; /* jobs, and those that were refused */
	bool held;      /* whoever writes a piece waits */
} pool = { .mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

bool __real_jobs_add(struct jobs *jobs, struct job *job);
bool __wrap_jobs_add(struct jobs *jobs, struct job *job);
kv_status __real_store_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err);
kv_status __wrap_store_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err);

bool __wrap_jobs_add(struct jobs *jobs, struct job *job)
{
	bool added = __real_jobs_add(jobs, job);

	pthread_mutex_lock(&pool.mu);
	pool.added++;
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.mu);
	return added;
}

kv_status __wrap_store_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err)
{
	pthread_mutex_lock(&pool.mu);
	while (pool.held)
		pthread_cond_wait(&pool.changed, &pool.mu);
	pthread_mutex_unlock(&pool.mu);
	return __real_store_upload_append(upload, bytes, err);
}

static void set_up(void)
{
	uint64_t random = 1;

	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (char)runner_random(&random);
	fake_server_prepare();
	fake.options.max_value_bytes = VALUE_MAX;
	fake_server_start();
}

/* The files of large values that the store has, garbage included. */
static uint64_t large_values(void)
{
	struct store_stats stats;

	store_get_stats(fake.store, &stats);
	return stats.large_values;
}

static void wait_for_large_values(uint64_t count)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t until_us = clock_monotonic_us() + 120000000;

	while (large_values() != count) {
		ck_assert_msg(clock_monotonic_us() < until_us, "%u large values", (unsigned)large_values());
		nanosleep(&pause, NULL);
	}
}

static void send_head(struct rawhttp *http, const char *target, const char *headers)
{
	char head[512];

	snprintf(head, sizeof head, "PUT %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers);
	ck_assert(rawhttp_send_text(http, head));
}

static const char *length_header(uint64_t len)
{
	static char text[64];

	snprintf(text, sizeof text, "Content-Length: %llu\r\n", (unsigned long long)len);
	return text;
}

static void send_chunks(struct rawhttp *http, size_t len)
{
	char line[32];

	for (size_t pos = 0, piece = 7; pos < len; pos += piece, piece = piece * 5 % 70001 + 1) {
		piece = piece < len - pos ? piece : len - pos;
		snprintf(line, sizeof line, "%zx\r\n", piece);
		ck_assert(rawhttp_send_text(http, line));
		ck_assert(rawhttp_send(http, value + pos, piece));
		ck_assert(rawhttp_send_text(http, "\r\n"));
	}
	ck_assert(rawhttp_send_text(http, "0\r\n\r\n"));
}

static unsigned read_status(struct rawhttp *http)
{
	struct rawhttp_reply reply;

	rawhttp_read(http, false, &reply, NULL);
	rawhttp_reply_free(&reply);
	return reply.status;
}

static unsigned put(struct rawhttp *http, const char *target, size_t len, bool chunked)
{
	send_head(http, target, chunked ? "Transfer-Encoding: chunked\r\n" : length_header(len));
	if (chunked)
		send_chunks(http, len);
	else
		ck_assert(rawhttp_send(http, value, len));
	return read_status(http);
}

/* The part of the value that `headers` ask for. */
static void check_get(const char *target, const char *headers, unsigned status, size_t first, size_t len)
{
	const struct rawhttp_reply *reply = fake_server_call("GET", target, headers, NULL);

	ck_assert_uint_eq(reply->status, status);
	ck_assert_uint_eq(reply->body.len, len);
	ck_assert_int_eq(memcmp(reply->body.data, value + first, len), 0);
}

START_TEST(values_of_all_sizes_come_back_as_they_were)
{
	static const size_t sizes[] = { LARGE - 1, LARGE, LARGE + 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1,
		(512 << 10), 1000000, VALUE_MAX };
	struct rawhttp http = rawhttp_connect(fake.port);

	for (int chunked = 0; chunked < 2; chunked++) {
		char target[64];

		snprintf(target, sizeof target, "/v1/kv/k%d", chunked);
		ck_assert_uint_eq(put(&http, target, sizes[_i], chunked), 201);
		check_get(target, NULL, 200, 0, sizes[_i]);
		ck_assert_uint_eq(put(&http, target, sizes[_i] - 1, chunked), 204);
		check_get(target, NULL, 200, 0, sizes[_i] - 1);
		ck_assert_uint_eq(put(&http, "/set?key=s&ttl=1h", sizes[_i], chunked), 200);
		check_get("/get?key=s", NULL, 200, 0, sizes[_i]);
	}
	rawhttp_close(&http); /* all over one connection */
	ck_assert(sizes[_i] < LARGE || large_values() > 0);
}
END_TEST

static void wait_for_jobs(unsigned count)
{
	pthread_mutex_lock(&pool.mu);
	while (pool.added < count)
		pthread_cond_wait(&pool.changed, &pool.mu);
	pthread_mutex_unlock(&pool.mu);
}

/* It lives so long from its commit on, however long its body takes. */
START_TEST(a_ttl_does_not_begin_before_the_body_is_there)
{
	enum { LEN = 600000, FIRST = 400000 };
	struct rawhttp http = rawhttp_connect(fake.port);
	struct store_value stored;
	uint64_t half_way_ms;

	send_head(&http, "/v1/kv/k?ttl=1h", length_header(LEN));
	ck_assert(rawhttp_send(&http, value, FIRST));
	wait_for_jobs(1); /* a piece is written, so the query was read */
	half_way_ms = clock_wall_ms() + 1;
	while (clock_wall_ms() < half_way_ms)
		ck_assert_int_eq(sched_yield(), 0);
	ck_assert(rawhttp_send(&http, value + FIRST, LEN - FIRST));
	ck_assert_uint_eq(read_status(&http), 201);
	ck_assert_int_eq(store_get(fake.store, NULL, slice_of_string("k"), &stored, NULL), KV_OK);
	ck_assert_uint_ge(stored.expires_unix_ms, half_way_ms + 3600000);
	store_value_release(&stored);
	rawhttp_close(&http);
}
END_TEST

START_TEST(ranges_conditions_and_forms_are_those_of_small_values)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	const struct rawhttp_reply *reply;
	struct rawhttp_reply head;
	char etag[128], match[192];

	ck_assert_uint_eq(put(&http, "/v1/kv/k?ttl=1h", VALUE_MAX, false), 201);
	check_get("/v1/kv/k", "Range: bytes=0-0\r\n", 206, 0, 1);
	check_get("/v1/kv/k", "Range: bytes=1000000-1999999\r\n", 206, 1000000, 1000000);
	check_get("/v1/kv/k", "Range: bytes=-70000\r\n", 206, VALUE_MAX - 70000, 70000);
	check_get("/v1/kv/k", "Range: bytes=3000000-\r\n", 206, 3000000, VALUE_MAX - 3000000);
	check_get("/v1/kv/k", "Range: bytes=1-2\r\nIf-Range: \"other\"\r\n", 200, 0, VALUE_MAX);
	reply = fake_server_call("GET", "/v1/kv/k", "Range: bytes=3145728-\r\n", NULL);
	ck_assert_uint_eq(reply->status, 416);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Range"), "bytes */3145728");
	reply = fake_server_call("GET", "/v1/kv/k", "Range: bytes=5-9\r\n", NULL);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Range"), "bytes 5-9/3145728");
	ck_assert_str_eq(rawhttp_header(reply, "Accept-Ranges"), "bytes");
	ck_assert_ptr_nonnull(rawhttp_header(reply, "X-Kv-TTL"));
	snprintf(etag, sizeof etag, "%s", rawhttp_header(reply, "ETag"));
	snprintf(match, sizeof match, "If-None-Match: %s\r\n", etag);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/k", match, NULL)->status, 304);
	ck_assert(rawhttp_send_text(&http, "HEAD /v1/kv/k HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	rawhttp_read(&http, true, &head, NULL);
	ck_assert_uint_eq(head.status, 200);
	ck_assert_str_eq(rawhttp_header(&head, "Content-Length"), "3145728");
	ck_assert_str_eq(rawhttp_header(&head, "ETag"), etag);
	reply = fake_server_call("GET", "/v1/kv/k", "Accept: application/json\r\n", NULL);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "{\"key\":\"k\",\"large\":3145728,\"etag\":"));
	rawhttp_close(&http);
}
END_TEST

static const struct {
	const char *target, *headers;
	unsigned status;
} refusals[] = {
	{ "/v1/kv/k", "Content-Length: 3145729\r\n", 413 },
	{ "/v1/kv/", "Content-Length: 3000000\r\n", 400 },
	{ "/v1/kv/%zz", "Content-Length: 3000000\r\n", 400 },
	{ "/v1/kv/k?ttl=soon", "Content-Length: 3000000\r\n", 400 },
	{ "/v1/kv/k?durability=never", "Content-Length: 3000000\r\n", 400 },
	{ "/v1/kv/k", "Content-Length: 3000000\r\nIf-None-Match: \"a\"\r\n", 400 },
	{ "/v1/kv/k", "Content-Length: 3000000\r\nIf-None-Match: *\r\n", 412 },
	{ "/v1/kv/k", "Content-Length: 3000000\r\nIf-Match: \"999\"\r\n", 412 },
	{ "/v1/kv/none", "Content-Length: 3000000\r\nIf-Match: *\r\n", 412 },
	{ "/v1/kv/k", "Transfer-Encoding: chunked\r\nIf-None-Match: *\r\n", 412 },
	{ "/set", "Content-Length: 3000000\r\n", 400 },
	{ "/set?key=k&value=v", "Content-Length: 3000000\r\n", 400 },
	{ "/nowhere", "Content-Length: 3000000\r\n", 404 },
};

START_TEST(what_would_be_refused_is_refused_before_it_comes)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	char headers[256];
	bool continued;

	ck_assert_uint_eq(put(&http, "/v1/kv/k", 10, false), 201);
	snprintf(headers, sizeof headers, "%sExpect: 100-continue\r\n", refusals[_i].headers);
	send_head(&http, refusals[_i].target, headers);
	rawhttp_read(&http, false, &reply, &continued);
	ck_assert_uint_eq(reply.status, refusals[_i].status);
	ck_assert(!continued);
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	/* and who does not wait can send all and read the answer */
	http = rawhttp_connect(fake.port);
	send_head(&http, refusals[_i].target, refusals[_i].headers);
	if (strstr(refusals[_i].headers, "chunked"))
		send_chunks(&http, 3000000);
	else
		ck_assert(rawhttp_send(&http, value, 3000000));
	ck_assert_uint_eq(read_status(&http), refusals[_i].status);
	rawhttp_close(&http);
	check_get("/v1/kv/k", NULL, 200, 0, 10);
	wait_for_large_values(0);
}
END_TEST

START_TEST(who_waits_for_100_gets_it)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	bool continued;

	send_head(&http, "/v1/kv/k", "Content-Length: 1000000\r\nExpect: 100-continue\r\nIf-None-Match: *\r\n");
	ck_assert(rawhttp_send(&http, value, 1000000));
	rawhttp_read(&http, false, &reply, &continued);
	ck_assert_uint_eq(reply.status, 201);
	ck_assert(continued);
	rawhttp_reply_free(&reply);
	check_get("/v1/kv/k", NULL, 200, 0, 1000000);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_chunked_value_that_grows_too_large_is_told_and_leaves_nothing)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	ck_assert_uint_eq(put(&http, "/v1/kv/k", sizeof value, true), 413);
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_close(&http);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/k", NULL, NULL)->status, 404);
	wait_for_large_values(0);
}
END_TEST

START_TEST(a_value_cut_short_leaves_nothing)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	send_head(&http, "/v1/kv/k", length_header(VALUE_MAX));
	ck_assert(rawhttp_send(&http, value, 1000000));
	wait_for_large_values(1);
	rawhttp_close(&http);
	wait_for_large_values(0);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/k", NULL, NULL)->status, 404);
}
END_TEST

START_TEST(twenty_at_once_arrive_whole_beside_small_ones)
{
	enum { COUNT = 20, LEN = 700000, STEP = 35000 };
	struct rawhttp http[COUNT], small = rawhttp_connect(fake.port);
	char target[32];

	for (int i = 0; i < COUNT; i++) {
		http[i] = rawhttp_connect(fake.port);
		snprintf(target, sizeof target, "/v1/kv/k%d", i);
		send_head(&http[i], target, length_header(LEN));
	}
	for (size_t pos = 0; pos < LEN; pos += STEP) {
		for (int i = 0; i < COUNT; i++)
			ck_assert(rawhttp_send(&http[i], value + pos, STEP));
		ck_assert_uint_eq(put(&small, "/v1/kv/small", 100, false), pos == 0 ? 201 : 204);
	}
	for (int i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(read_status(&http[i]), 201);
		rawhttp_close(&http[i]);
		snprintf(target, sizeof target, "/v1/kv/k%d", i);
		check_get(target, NULL, 200, 0, LEN);
	}
	rawhttp_close(&small);
}
END_TEST

START_TEST(too_many_at_once_are_told)
{
	enum { COUNT = 128 }; /* UPLOADS_MAX */
	static struct rawhttp http[COUNT];
	struct rawhttp more = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;

	for (int i = 0; i < COUNT; i++) {
		http[i] = rawhttp_connect(fake.port);
		send_head(&http[i], "/v1/kv/k", "Content-Length: 300000\r\nExpect: 100-continue\r\n");
		ck_assert(rawhttp_send(&http[i], value, 1));
	}
	for (int i = 0; i < COUNT; i++) { /* its 100 shows that it has its place */
		char text[25];

		ck_assert_int_gt(recv(http[i].fd, text, sizeof text, MSG_WAITALL), 12);
		ck_assert_int_eq(memcmp(text, "HTTP/1.1 100", 12), 0);
	}
	send_head(&more, "/v1/kv/k", "Content-Length: 300000\r\nExpect: 100-continue\r\n");
	rawhttp_read(&more, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 503);
	ck_assert_str_eq(rawhttp_header(&reply, "Retry-After"), "1");
	rawhttp_reply_free(&reply);
	rawhttp_close(&more);
	for (int i = 0; i < COUNT; i++)
		rawhttp_close(&http[i]);
}
END_TEST

static void hold_pieces(bool hold)
{
	pthread_mutex_lock(&pool.mu);
	pool.held = hold;
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.mu);
}

START_TEST(no_accepted_value_is_refused_in_the_middle_by_a_blocked_pool)
{
	enum { COUNT = 128, LEN = 300000 }; /* UPLOADS_MAX; more than a piece */
	static struct rawhttp http[COUNT];
	struct rawhttp count = rawhttp_connect(fake.port);
	unsigned status;

	hold_pieces(true);
	for (int i = 0; i < COUNT; i++) {
		http[i] = rawhttp_connect(fake.port);
		send_head(&http[i], "/v1/kv/k", length_header(LEN));
		ck_assert(rawhttp_send(&http[i], value, LEN));
	}
	wait_for_jobs(COUNT);
	/* they have not taken the places of others: a count is a job, too */
	ck_assert(rawhttp_send_text(&count, "GET /v1/count HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	wait_for_jobs(COUNT + 1);
	hold_pieces(false);
	ck_assert_uint_eq(read_status(&count), 200);
	rawhttp_close(&count);
	for (int i = 0; i < COUNT; i++) {
		status = read_status(&http[i]);
		ck_assert_msg(status == 201 || status == 204, "%d: %u", i, status);
		rawhttp_close(&http[i]);
	}
	check_get("/v1/kv/k", NULL, 200, 0, LEN);
}
END_TEST

START_TEST(stopping_in_the_middle_leaves_nothing)
{
	struct rawhttp http[4];

	for (int i = 0; i < 4; i++) {
		http[i] = rawhttp_connect(fake.port);
		send_head(&http[i], "/v1/kv/k", length_header(VALUE_MAX));
		ck_assert(rawhttp_send(&http[i], value, 1000000));
	}
	fake.server = server_stop(fake.server);
	wait_for_large_values(0);
	for (int i = 0; i < 4; i++)
		rawhttp_close(&http[i]);
}
END_TEST

/* Whatever fails, a value is there whole or not at all, and an answer that began is whole or cut. */
START_TEST(every_failed_allocation_is_survived)
{
	static char answer[200000];
	uint64_t failed = 1;
	bool is_put = _i == 0;

	if (!is_put) {
		struct rawhttp http = rawhttp_connect(fake.port);

		ck_assert_uint_eq(put(&http, "/v1/kv/k", 100000, false), 201);
		rawhttp_close(&http);
	}
	for (uint64_t nth = 1; failed > 0; nth++) {
		struct rawhttp http = rawhttp_connect(fake.port);
		ssize_t n;
		unsigned status;

		fault_alloc_fail(nth, false);
		if (is_put) {
			(void)rawhttp_send_text(&http,
				"PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
			(void)rawhttp_send(&http, value, 100000);
		} else {
			(void)rawhttp_send_text(&http, "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
		}
		n = recv(http.fd, answer, sizeof answer, is_put ? 0 : MSG_WAITALL);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		rawhttp_close(&http);
		status = n > 12 ? (unsigned)atoi(answer + 9) : 0;
		ck_assert_msg(status == 0 || status == 503 || status / 100 == 2, "%u when allocation %u failed",
			status, (unsigned)nth);
		if (!is_put && status == 200)
			ck_assert(failed > 0 || memcmp(answer + n - 100000, value, 100000) == 0);
		ck_assert_uint_lt(nth, 1000);
	}
	check_get("/v1/kv/k", NULL, 200, 0, 100000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("value_body");
	TCase *tests = tcase_create("value_body");

	tcase_add_checked_fixture(tests, set_up, fake_server_teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, values_of_all_sizes_come_back_as_they_were, 0, 9);
	tcase_add_test(tests, ranges_conditions_and_forms_are_those_of_small_values);
	tcase_add_test(tests, a_ttl_does_not_begin_before_the_body_is_there);
	tcase_add_loop_test(tests, what_would_be_refused_is_refused_before_it_comes, 0,
		sizeof refusals / sizeof refusals[0]);
	tcase_add_test(tests, who_waits_for_100_gets_it);
	tcase_add_test(tests, a_chunked_value_that_grows_too_large_is_told_and_leaves_nothing);
	tcase_add_test(tests, a_value_cut_short_leaves_nothing);
	tcase_add_test(tests, twenty_at_once_arrive_whole_beside_small_ones);
	tcase_add_test(tests, too_many_at_once_are_told);
	tcase_add_test(tests, no_accepted_value_is_refused_in_the_middle_by_a_blocked_pool);
	tcase_add_test(tests, stopping_in_the_middle_leaves_nothing);
	tcase_add_loop_test(tests, every_failed_allocation_is_survived, 0, 2);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
