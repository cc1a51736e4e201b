/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that wait for jobs and commits, at their end or in the middle of a body, and bodies that are handed on as they come. The
 * server has the routes below instead of route.c.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "http/api.h"
#include "http/reply.h"
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/fault_epoll.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- routes ---- */

static atomic_uint owned, freed, begun_jobs, ended_jobs, handled, takes;
static atomic_bool gate_closed; /* jobs wait for it */
static kv_status job_status;
static atomic_bool job_on_worker;

struct own {
	uint64_t received;
	uint64_t sum;
	uint64_t uncommitted;
	unsigned commits;
	pthread_t worker;
	struct buf kept;
};

/* What /take does, set before the first request. */
static struct {
	uint64_t batch;      /* bytes after which it commits; 0: never */
	uint64_t fail_after; /* bytes after which it answers 422; 0: never */
	bool uses_jobs;      /* instead of commits */
} plan;

static void doze(void)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	nanosleep(&pause, NULL);
}

static void free_own(void *arg)
{
	struct own *own = arg;

	buf_free(&own->kept);
	free(own);
	atomic_fetch_add(&freed, 1);
}

static struct own *new_own(struct request *request)
{
	struct own *own = calloc(1, sizeof *own);

	if (!own) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return NULL;
	}
	own->worker = pthread_self();
	request->own = own;
	request->own_free = free_own;
	atomic_fetch_add(&owned, 1);
	return own;
}

static kv_status work(struct request *request)
{
	struct own *own = request->own;

	atomic_fetch_add(&begun_jobs, 1);
	while (atomic_load(&gate_closed))
		doze();
	if (pthread_equal(own->worker, pthread_self()))
		atomic_store(&job_on_worker, true);
	own->sum += 1000;
	atomic_fetch_add(&ended_jobs, 1);
	return job_status;
}

static void answer_job(struct request *request, kv_status status)
{
	struct own *own = request->own;
	char text[64];

	if (status == KV_BUSY) {
		reply_store_error(request, status, NULL);
		return;
	}
	snprintf(text, sizeof text, "%d %llu", (int)status, (unsigned long long)own->sum);
	reply_text(request, 200, slice_of_string(text));
}

static void handle_job(struct request *request)
{
	if (new_own(request))
		request_job(request, work, answer_job);
}

/* The job has the body. */
static void handle_keep(struct request *request)
{
	struct own *own = new_own(request);

	if (!own)
		return;
	own->kept = request->body;
	request->body = (struct buf){ 0 };
	request_job(request, work, answer_job);
}

static void handle_plain(struct request *request)
{
	reply_ok(request);
}

static void handle_document(struct request *request)
{
	char text[64];

	snprintf(text, sizeof text, "%zu", request->body.len);
	reply_text(request, 200, slice_of_string(text));
}

static bool begin_take(struct request *request)
{
	if (head_has(&request->head, HEAD_IF_MATCH)) {
		reply_error(request, 412, "refused");
		return false;
	}
	return new_own(request) != NULL;
}

/* Reading goes on, or the end is answered. */
static void committed(struct request *request, kv_status status)
{
	struct own *own = request->own;

	request->batch = store_batch_free(request->batch);
	own->commits++;
	if (status != KV_OK)
		reply_store_error(request, status, NULL);
}

static void commit(struct request *request, struct own *own)
{
	char key[32];

	own->uncommitted = 0;
	if (plan.uses_jobs) {
		request_job(request, work, committed);
		return;
	}
	snprintf(key, sizeof key, "%u", own->commits);
	request->batch = store_batch_new(request->service->store);
	if (!request->batch ||
		store_batch_put(request->batch, slice_of_string(key), slice_of_string("v"), 0, NULL) != KV_OK)
		reply_store_error(request, KV_NO_MEMORY, NULL);
	else
		request_commit(request, committed);
}

static bool take(struct request *request, const char *data, size_t *size)
{
	struct own *own = request->own;
	uint64_t room = plan.batch > 0 ? plan.batch - own->uncommitted : *size;
	size_t taken = *size < room ? *size : (size_t)room;

	atomic_fetch_add(&takes, 1);
	for (size_t i = 0; i < taken; i++)
		own->sum = own->sum * 31 + (uint8_t)data[i];
	(void)request_hold_bytes(request, taken); /* for figure() */
	own->received += taken;
	own->uncommitted += taken;
	*size -= taken;
	if (plan.fail_after > 0 && own->received >= plan.fail_after) {
		reply_error(request, 422, "enough after %llu", (unsigned long long)own->received);
		return false;
	}
	if (plan.batch > 0 && own->uncommitted == plan.batch)
		commit(request, own);
	return true;
}

static void handle_take(struct request *request)
{
	struct own *own = request->own;
	char text[96];

	atomic_fetch_add(&handled, 1);
	snprintf(text, sizeof text, "%llu %llu %u", (unsigned long long)own->received, (unsigned long long)own->sum,
		own->commits);
	reply_text(request, 200, slice_of_string(text));
}

const struct route *route_at(size_t i)
{
	static const struct route routes[] = {
		{ .path = "/job", .methods = HTTP_POST, .op = METRICS_ADMIN, .handle = handle_job },
		{ .path = "/v1/stats", .methods = HTTP_GET, .op = METRICS_ADMIN, .handle = api_stats },
		{ .path = "/plain", .methods = HTTP_GET, .op = METRICS_GET, .handle = handle_plain },
		{ .path = "/document", .methods = HTTP_POST, .op = METRICS_SET, .body = ROUTE_BODY_DOCUMENT,
			.handle = handle_document },
		{ .path = "/keep", .methods = HTTP_POST, .op = METRICS_SET, .body = ROUTE_BODY_DOCUMENT,
			.handle = handle_keep },
		{ .path = "/take", .methods = HTTP_POST, .op = METRICS_SET, .body = ROUTE_BODY_STREAM,
			.handle = handle_take, .begin = begin_take, .take = take, .conditional = true,
			.role = ACCESS_WRITE }, /* one that request_limit counts */
		{ .path = "/import", .methods = HTTP_POST, .op = METRICS_SET, .body = ROUTE_BODY_STREAM,
			.handle = api_import, .begin = api_import_begin, .take = api_import_take },
	};

	return i < sizeof routes / sizeof routes[0] ? &routes[i] : NULL;
}

/* ---- helpers ---- */

static const char post_job[] = "POST /job HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char get_plain[] = "GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n";

enum { BODY = 1000000 };
static char body[BODY];
static uint64_t body_sum;

static void set_up(void)
{
	fake_server_prepare();
	body_sum = 0;
	for (size_t i = 0; i < BODY; i++) {
		body[i] = (char)(i * 7 + (i >> 8));
		body_sum = body_sum * 31 + (uint8_t)body[i];
	}
}

static void wait_for(atomic_uint *counter, unsigned count)
{
	uint64_t until_us = clock_monotonic_us() + 120000000;

	while (atomic_load(counter) < count) {
		ck_assert_msg(clock_monotonic_us() < until_us, "%u instead of %u", atomic_load(counter), count);
		doze();
	}
}

static const char connections[] = "\"connections\":", inflight_bytes[] = "\"inflight_bytes\":";

/* One of /v1/stats. */
static uint64_t figure(const char *name)
{
	const char *found = strstr(fake_server_text(fake_server_call("GET", "/v1/stats", NULL, NULL)), name);

	ck_assert_ptr_nonnull(found);
	return strtoull(found + strlen(name), NULL, 10);
}

static void wait_for_figure(const char *name, uint64_t value)
{
	uint64_t until_us = clock_monotonic_us() + 120000000;

	while (figure(name) != value)
		ck_assert_msg(clock_monotonic_us() < until_us, "no %s%llu", name, (unsigned long long)value);
}

static struct rawhttp connect_and_send(const char *text)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	ck_assert(rawhttp_send_text(&http, text));
	return http;
}

static void reset(struct rawhttp *http)
{
	struct linger at_once = { .l_onoff = 1 };

	ck_assert_int_eq(setsockopt(http->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	rawhttp_close(http);
}

static unsigned read_status(struct rawhttp *http)
{
	struct rawhttp_reply reply;

	rawhttp_read(http, false, &reply, NULL);
	rawhttp_reply_free(&reply);
	return reply.status;
}

static void check_text(struct rawhttp *http, unsigned status, const char *text)
{
	struct rawhttp_reply reply;

	rawhttp_read(http, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, status);
	ck_assert_str_eq(fake_server_text(&reply), text);
	rawhttp_reply_free(&reply);
}

static void check_others_are_served(void)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	for (int i = 0; i < 50; i++) {
		ck_assert(rawhttp_send_text(&http, get_plain));
		ck_assert_uint_eq(read_status(&http), 200);
	}
	rawhttp_close(&http);
}

/* ---- jobs ---- */

START_TEST(a_job_runs_elsewhere_and_its_status_comes_back)
{
	struct rawhttp http;
	char text[32];

	job_status = _i ? KV_CORRUPT : KV_OK;
	snprintf(text, sizeof text, "%d 1000", (int)job_status);
	fake_server_start();
	http = connect_and_send(post_job);
	check_text(&http, 200, text);
	ck_assert(rawhttp_send_text(&http, post_job)); /* the connection is kept */
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&http);
	ck_assert(!atomic_load(&job_on_worker));
	wait_for(&freed, 2);
}
END_TEST

enum { THREADS = 2, QUEUE = 64 };

/* No job more is taken until end_jobs(). */
static void fill_jobs(struct rawhttp http[THREADS + QUEUE])
{
	atomic_store(&gate_closed, true);
	for (int i = 0; i < THREADS; i++)
		http[i] = connect_and_send(post_job);
	wait_for(&begun_jobs, THREADS);
	for (int i = THREADS; i < THREADS + QUEUE; i++)
		http[i] = connect_and_send(post_job);
	wait_for(&owned, THREADS + QUEUE);
	check_others_are_served();
}

static void end_jobs(struct rawhttp http[THREADS + QUEUE])
{
	atomic_store(&gate_closed, false);
	for (int i = 0; i < THREADS + QUEUE; i++) {
		check_text(&http[i], 200, "0 1000");
		rawhttp_close(&http[i]);
	}
}

START_TEST(others_are_served_while_jobs_wait_and_too_many_are_told)
{
	struct rawhttp http[THREADS + QUEUE], more;
	struct rawhttp_reply reply;

	fake_server_start();
	fill_jobs(http);
	more = connect_and_send(post_job);
	rawhttp_read(&more, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 503);
	ck_assert_str_eq(rawhttp_header(&reply, "Retry-After"), "1");
	rawhttp_reply_free(&reply);
	rawhttp_close(&more);
	end_jobs(http);
	wait_for(&freed, THREADS + QUEUE + 1);
}
END_TEST

/* Ten keys, and a value in parts, of which the first is taken with them. */
static struct buf import_lines(size_t *ret_first)
{
	enum { PART = 300000 };
	struct buf lines = { 0 };

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(buf_printf(&lines, "{\"key\":\"k%d\",\"value\":\"v\"}\n", i), KV_OK);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(buf_printf(&lines, "{\"key\":\"parts\",\"size\":%d,\"offset\":%d,\"value\":\"", 3 * PART, i * PART), KV_OK);
		for (int k = 0; k < PART; k++)
			ck_assert_int_eq(buf_append_byte(&lines, 'v'), KV_OK);
		ck_assert_int_eq(buf_printf(&lines, "\"}\n"), KV_OK);
	}
	*ret_first = PART + 250000;
	return lines;
}

START_TEST(an_import_without_a_place_for_its_job_says_how_far_it_came)
{
	struct rawhttp http[THREADS + QUEUE], import;
	struct rawhttp_reply reply;
	uint64_t until_us = clock_monotonic_us() + 120000000;
	size_t first, more = _i ? 0 : 250000; /* the rest is too little for a job in the middle of the body */
	struct buf lines = import_lines(&first);
	char head[128];

	fake_server_start();
	snprintf(head, sizeof head, "POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
		lines.len - more);
	import = connect_and_send(head);
	ck_assert(rawhttp_send(&import, lines.data, first));
	while (fake_store_changes(fake.store) < 10) {
		ck_assert_uint_lt(clock_monotonic_us(), until_us);
		doze();
	}
	fill_jobs(http);
	ck_assert(rawhttp_send(&import, lines.data + first, lines.len - more - first));
	rawhttp_read(&import, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 503);
	ck_assert_str_eq(rawhttp_header(&reply, "Retry-After"), "1");
	ck_assert_msg(strstr(fake_server_text(&reply), "\"line\":11,\"imported\":10}"), "%s", fake_server_text(&reply));
	rawhttp_reply_free(&reply);
	rawhttp_close(&import);
	end_jobs(http);
	ck_assert_uint_eq(fake_store_changes(fake.store), 10);
	buf_free(&lines);
}
END_TEST

START_TEST(a_lost_client_leaves_the_job_its_state)
{
	struct rawhttp http;

	atomic_store(&gate_closed, true);
	fake_server_start();
	http = connect_and_send(post_job);
	wait_for(&begun_jobs, 1);
	reset(&http);
	check_others_are_served();
	ck_assert_uint_eq(atomic_load(&freed), 0);
	atomic_store(&gate_closed, false);
	wait_for(&freed, 1);
	ck_assert_uint_eq(atomic_load(&ended_jobs), 1);
}
END_TEST

START_TEST(what_a_job_has_of_a_lost_client_counts_until_its_end)
{
	struct rawhttp http;

	atomic_store(&gate_closed, true);
	fake_server_start();
	http = connect_and_send("POST /keep HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, BODY));
	wait_for(&begun_jobs, 1);
	reset(&http);
	wait_for_figure(connections, 1); /* who asks */
	ck_assert_uint_eq(atomic_load(&freed), 0);
	ck_assert_uint_eq(figure(inflight_bytes), BODY);
	atomic_store(&gate_closed, false);
	wait_for(&freed, 1);
	wait_for_figure(inflight_bytes, 0);
}
END_TEST

static void *open_gate(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		doze();
	atomic_store(&gate_closed, false);
	return NULL;
}

START_TEST(draining_waits_for_jobs)
{
	struct rawhttp http;
	pthread_t thread;
	unsigned left;

	atomic_store(&gate_closed, true);
	fake_server_start();
	http = connect_and_send(post_job);
	wait_for(&begun_jobs, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_gate, NULL), 0);
	ck_assert_uint_eq(server_drain(fake.server, 60000, &left), 1);
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_eq(atomic_load(&ended_jobs), 1);
	check_text(&http, 200, "0 1000");
	rawhttp_close(&http);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(stopping_waits_for_jobs_under_way_only)
{
	struct rawhttp http[5];
	pthread_t thread;

	atomic_store(&gate_closed, true);
	fake_server_start();
	for (int i = 0; i < 5; i++)
		http[i] = connect_and_send(post_job);
	wait_for(&begun_jobs, 2);
	wait_for(&owned, 5);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_gate, NULL), 0);
	fake.server = server_stop(fake.server);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(atomic_load(&freed), 5);
	for (int i = 0; i < 5; i++)
		rawhttp_close(&http[i]);
}
END_TEST

/* ---- bodies ---- */

START_TEST(a_document_is_bounded_by_max_batch_size)
{
	const struct rawhttp_reply *reply;

	fake.options.max_batch_bytes = 10;
	fake_server_start();
	reply = fake_server_call("POST", "/document", NULL, "ten bytes!");
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(fake_server_text(reply), "10");
	reply = fake_server_call("POST", "/document", NULL, "eleven byte");
	ck_assert_uint_eq(reply->status, 413);
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "max_batch_size, which is 10 bytes"));
	reply = fake_server_call("POST", "/document", "Transfer-Encoding: chunked\r\n\r\nb\r\neleven byte\r\n0\r\n", NULL);
	ck_assert_uint_eq(reply->status, 413);
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "max_batch_size"));
}
END_TEST

static void send_body(struct rawhttp *http, bool chunked)
{
	char line[32];

	ck_assert(rawhttp_send_text(http, "POST /take HTTP/1.1\r\nHost: localhost\r\n"));
	if (!chunked) {
		ck_assert(rawhttp_send_text(http, "Content-Length: 1000000\r\n\r\n"));
		ck_assert(rawhttp_send(http, body, BODY));
		return;
	}
	ck_assert(rawhttp_send_text(http, "Transfer-Encoding: chunked\r\n\r\n"));
	for (size_t pos = 0, len = 1; pos < BODY; pos += len, len = len * 3 % 50000 + 1) {
		len = len < BODY - pos ? len : BODY - pos;
		snprintf(line, sizeof line, "%zx\r\n", len);
		ck_assert(rawhttp_send_text(http, line));
		ck_assert(rawhttp_send(http, body + pos, len));
		ck_assert(rawhttp_send_text(http, "\r\n"));
	}
	ck_assert(rawhttp_send_text(http, "0\r\n\r\n"));
}

static void check_taken(struct rawhttp *http, unsigned commits)
{
	char text[96];

	snprintf(text, sizeof text, "%d %llu %u", BODY, (unsigned long long)body_sum, commits);
	check_text(http, 200, text);
}

START_TEST(a_body_is_handed_on_whole_and_in_order_through_its_commits)
{
	static const uint64_t batches[] = { 0, 1000, 10000, 100000, 500001, BODY, BODY + 1 };
	struct rawhttp http;

	plan.batch = batches[_i];
	fake_store_set_commits(fake.store, FAKE_STORE_INLINE);
	fake_server_start();
	http = rawhttp_connect(fake.port);
	for (int i = 0; i < 4; i++) {
		send_body(&http, i % 2 == 1);
		check_taken(&http, plan.batch > 0 ? (unsigned)(BODY / plan.batch) : 0);
		if (i == 1)
			fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	}
	rawhttp_close(&http);
	wait_for(&freed, 4);
}
END_TEST

START_TEST(a_body_that_waits_for_a_commit_costs_nothing)
{
	struct rawhttp http;
	unsigned before;

	plan.batch = 10000;
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, 300000));
	fake_store_wait_held(fake.store, 1);
	before = atomic_load(&takes);
	check_others_are_served();
	ck_assert_uint_eq(atomic_load(&takes), before);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert(rawhttp_send(&http, body + 300000, BODY - 300000));
	check_taken(&http, 100);
	rawhttp_close(&http);
}
END_TEST

/* In the middle of reading, or while a commit is under way. */
START_TEST(a_resumed_connection_that_epoll_does_not_take_gives_all_back)
{
	struct rawhttp http;

	plan.batch = 10000;
	fake.options.threads = 1;
	fake.options.request_limit = 1;
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, _i ? 20000 : 15000));
	fake_store_wait_held(fake.store, 1);
	check_others_are_served(); /* by the same thread, which has parked it then */
	fault_epoll_refuse(1);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert(rawhttp_is_closed(&http));
	ck_assert_uint_eq(fault_epoll_left(), 0);
	rawhttp_close(&http);
	wait_for(&freed, 1);
	wait_for_figure(inflight_bytes, 0);
	ck_assert_uint_eq(atomic_load(&handled), 0);
	ck_assert_uint_eq(fake_server_call("POST", "/take", NULL, "")->status, 200);
}
END_TEST

START_TEST(jobs_in_the_middle_of_a_body)
{
	struct rawhttp http;

	plan.batch = 100000;
	plan.uses_jobs = true;
	fake_server_start();
	http = rawhttp_connect(fake.port);
	send_body(&http, _i);
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&http);
	ck_assert_uint_eq(atomic_load(&ended_jobs), 10);
	ck_assert(!atomic_load(&job_on_worker));
}
END_TEST

START_TEST(a_failure_in_the_middle_is_answered)
{
	struct rawhttp http;

	if (_i == 0) {
		plan.fail_after = 500000;
	} else {
		plan.batch = 50000;
		fake_store_fail_writes(fake.store, KV_NO_SPACE);
	}
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, BODY));
	ck_assert_uint_eq(read_status(&http), _i ? 507 : 422);
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_close(&http);
	ck_assert_uint_eq(atomic_load(&handled), 0);
	wait_for(&freed, 1);
}
END_TEST

START_TEST(what_begin_refuses_is_refused_before_the_body)
{
	struct rawhttp http = { 0 };
	struct rawhttp_reply reply;
	bool continued;

	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
		"Expect: 100-continue\r\nIf-Match: *\r\n\r\n");
	rawhttp_read(&http, false, &reply, &continued);
	ck_assert_uint_eq(reply.status, 412);
	ck_assert(!continued);
	ck_assert_str_eq(rawhttp_header(&reply, "Connection"), "close");
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
		"Expect: 100-continue\r\n\r\nabc");
	rawhttp_read(&http, false, &reply, &continued);
	ck_assert_uint_eq(reply.status, 200);
	ck_assert(continued);
	rawhttp_reply_free(&reply);
	/* without a body the connection is kept */
	ck_assert(rawhttp_send_text(&http, "POST /take HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\n\r\n"));
	ck_assert_uint_eq(read_status(&http), 412);
	ck_assert(rawhttp_send_text(&http, "POST /take HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	check_text(&http, 200, "0 0 0");
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_body_cut_short_is_not_handled)
{
	struct rawhttp http;

	plan.batch = _i ? 1000 : 0;
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, 200000));
	wait_for(&takes, 1);
	rawhttp_close(&http);
	wait_for(&freed, 1);
	ck_assert_uint_eq(atomic_load(&handled), 0);
	check_others_are_served();
}
END_TEST

START_TEST(a_fast_beginning_gives_a_stalled_body_no_time)
{
	struct rawhttp http;

	fake.options.header_timeout_ms = 1000;
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, 900000)); /* at 4096 bytes a second: 220 s */
	ck_assert_uint_eq(read_status(&http), 408);
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_close(&http);
	wait_for(&freed, 1);
	ck_assert_uint_eq(atomic_load(&handled), 0);
}
END_TEST

START_TEST(a_waiting_body_has_no_deadline)
{
	struct rawhttp http;

	plan.batch = 100000;
	fake.options.header_timeout_ms = 1000;
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
	ck_assert(rawhttp_send(&http, body, BODY / 2));
	fake_store_wait_held(fake.store, 1);
	for (int i = 0; i < 1500; i++) /* the reaper has been there several times */
		doze();
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert(rawhttp_send(&http, body + BODY / 2, BODY / 2));
	check_taken(&http, 10);
	rawhttp_close(&http);
}
END_TEST

/* Its client may have ended its sending, and the commit may take longer than any deadline. */
START_TEST(a_whole_body_that_waits_for_its_commit_gets_its_answer)
{
	struct rawhttp http, other;

	plan.batch = 8;
	fake.options.header_timeout_ms = 1000;
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	fake_server_start();
	http = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nabcdefgh");
	if (_i == 1)
		rawhttp_end_sending(&http);
	fake_store_wait_held(fake.store, 1);
	other = connect_and_send("GET /plain HTTP/1.1\r\n"); /* its end by the deadline is our clock */
	ck_assert_uint_eq(read_status(&other), 408);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&other);
	rawhttp_close(&http);
}
END_TEST

START_TEST(stopping_in_the_middle_of_bodies_frees_all)
{
	struct rawhttp http[6];

	plan.batch = 1000;
	fake_server_start();
	for (int i = 0; i < 6; i++) {
		http[i] = connect_and_send("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
		ck_assert(rawhttp_send(&http[i], body, 100000));
	}
	wait_for(&takes, 100);
	fake.server = server_stop(fake.server);
	ck_assert_uint_eq(atomic_load(&freed), atomic_load(&owned));
	for (int i = 0; i < 6; i++)
		rawhttp_close(&http[i]);
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
	uint64_t failed = 1;

	plan.batch = 3;
	plan.uses_jobs = _i == 1;
	fake_server_start();
	for (uint64_t nth = 1; failed > 0; nth++) {
		struct rawhttp http = rawhttp_connect(fake.port);
		char answer[1024];
		ssize_t n;

		fault_alloc_fail(nth, false);
		(void)rawhttp_send_text(&http, _i == 2 ? post_job :
			"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nabcdefgh");
		n = recv(http.fd, answer, sizeof answer - 1, 0);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		answer[n > 0 ? n : 0] = '\0';
		ck_assert_msg(n <= 0 || atoi(answer + 9) == 503 || atoi(answer + 9) == 200, "%s", answer);
		rawhttp_close(&http);
		ck_assert_uint_lt(nth, 1000);
	}
	wait_for(&freed, atomic_load(&owned));
	check_others_are_served();
}
END_TEST

/* A value in parts is sent again from its first, whichever was taken when the memory was gone. */
START_TEST(an_import_without_memory_can_go_on_from_where_it_says)
{
	static const char lines[] = "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"size\":400,\"offset\":0,\"value\":\"%0200d\"}\n"
		"{\"key\":\"b\",\"size\":400,\"offset\":200,\"value\":\"%0200d\"}\n{\"key\":\"c\",\"value\":\"1\"}\n";
	uint64_t failed = 1;
	unsigned told = 0;
	char text[1024], post[1200];

	snprintf(text, sizeof text, lines, 0, 0);
	snprintf(post, sizeof post, "POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
	fake_server_start();
	for (uint64_t nth = 1; failed > 0; nth++) {
		struct rawhttp http = rawhttp_connect(fake.port);
		char answer[1024];
		const char *line;
		ssize_t n;

		fault_alloc_fail(nth, false);
		(void)rawhttp_send_text(&http, post);
		n = recv(http.fd, answer, sizeof answer - 1, 0);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		answer[n > 0 ? n : 0] = '\0';
		line = strstr(answer, "\"line\":");
		if (line) {
			told++;
			ck_assert_msg(atoi(line + 7) != 3 && atoi(line + 7) <= 4, "%s", answer);
		}
		rawhttp_close(&http);
		ck_assert_uint_lt(nth, 2000);
	}
	ck_assert_uint_gt(told, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("request_wait");
	TCase *jobs = tcase_create("jobs");
	TCase *bodies = tcase_create("bodies");

	tcase_add_checked_fixture(jobs, set_up, fake_server_teardown);
	tcase_set_timeout(jobs, 30);
	tcase_add_loop_test(jobs, a_job_runs_elsewhere_and_its_status_comes_back, 0, 2);
	tcase_add_test(jobs, others_are_served_while_jobs_wait_and_too_many_are_told);
	tcase_add_loop_test(jobs, an_import_without_a_place_for_its_job_says_how_far_it_came, 0, 2);
	tcase_add_test(jobs, a_lost_client_leaves_the_job_its_state);
	tcase_add_test(jobs, what_a_job_has_of_a_lost_client_counts_until_its_end);
	tcase_add_test(jobs, draining_waits_for_jobs);
	tcase_add_test(jobs, stopping_waits_for_jobs_under_way_only);
	suite_add_tcase(suite, jobs);
	tcase_add_checked_fixture(bodies, set_up, fake_server_teardown);
	tcase_set_timeout(bodies, 30);
	tcase_add_test(bodies, a_document_is_bounded_by_max_batch_size);
	tcase_add_loop_test(bodies, a_body_is_handed_on_whole_and_in_order_through_its_commits, 0, 7);
	tcase_add_test(bodies, a_body_that_waits_for_a_commit_costs_nothing);
	tcase_add_loop_test(bodies, a_resumed_connection_that_epoll_does_not_take_gives_all_back, 0, 2);
	tcase_add_loop_test(bodies, jobs_in_the_middle_of_a_body, 0, 2);
	tcase_add_loop_test(bodies, a_failure_in_the_middle_is_answered, 0, 2);
	tcase_add_test(bodies, what_begin_refuses_is_refused_before_the_body);
	tcase_add_loop_test(bodies, a_body_cut_short_is_not_handled, 0, 2);
	tcase_add_test(bodies, a_fast_beginning_gives_a_stalled_body_no_time);
	tcase_add_test(bodies, a_waiting_body_has_no_deadline);
	tcase_add_loop_test(bodies, a_whole_body_that_waits_for_its_commit_gets_its_answer, 0, 2);
	tcase_add_test(bodies, stopping_in_the_middle_of_bodies_frees_all);
	tcase_add_test(bodies, an_import_without_memory_can_go_on_from_where_it_says);
	tcase_add_loop_test(bodies, every_failed_allocation_is_survived, 0, 3);
	suite_add_tcase(suite, bodies);
	return runner_run(suite);
}
