/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams over sockets: a server whose routes are those below instead of route.c. Each test says what its stream makes; the server's
 * threads count what became of it.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "http/reply.h"
#include "http/stream.h"
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	STREAMS_MAX = 64,
	IMPATIENT_MS = 1000, /* what must be in time comes within this on any machine */
};

/* What the streams of a test do, set before its first request. */
static struct {
	uint64_t size;             /* as announced */
	uint64_t total;            /* bytes that are made, then `last` */
	size_t piece;              /* bytes a fill */
	size_t wait_every;         /* bytes after which it waits; 0: never */
	uint64_t alarm_us;         /* from the wait on; 0: none */
	enum stream_state last;
	bool ends_when_told;       /* when `ending`, with these bytes: "bye" */
	unsigned idle_fills;       /* fills that make nothing, before the first byte */
} plan;

static atomic_uint opened, closed, fills, waits, told;

struct made {
	struct stream stream;
	uint64_t done;
	uint64_t waited_at;
	unsigned idle_fills;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct made *live[STREAMS_MAX]; /* guarded by mu */

static void enlist(struct made *made, bool in)
{
	pthread_mutex_lock(&mu);
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (live[i] == (in ? NULL : made)) {
			live[i] = in ? made : NULL;
			break;
		}
	pthread_mutex_unlock(&mu);
}

static void wake_all(void)
{
	pthread_mutex_lock(&mu); /* it keeps them open meanwhile */
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (live[i])
			stream_wake(&live[i]->stream);
	pthread_mutex_unlock(&mu);
}

static uint8_t byte_at(uint64_t position)
{
	return (uint8_t)(position * 31 + (position >> 8));
}

static void doze(void)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	nanosleep(&pause, NULL);
}

static enum stream_state rest(struct made *made)
{
	made->stream.alarm_us = plan.alarm_us ? clock_monotonic_us() + plan.alarm_us : 0;
	made->waited_at = made->done;
	atomic_fetch_add(&waits, 1);
	return STREAM_WAIT;
}

static enum stream_state fill(struct stream *stream, struct buf *to, size_t room)
{
	struct made *made = (struct made *)stream;
	size_t piece = plan.piece < room ? plan.piece : room;

	atomic_fetch_add(&fills, 1);
	if (stream->ending && plan.ends_when_told) {
		atomic_fetch_add(&told, 1);
		return buf_append(to, "bye", 3) == KV_OK ? STREAM_END : STREAM_BROKEN;
	}
	if (made->idle_fills++ < plan.idle_fills) {
		doze();
		return STREAM_MORE;
	}
	if (made->done >= plan.total)
		return plan.last == STREAM_WAIT ? rest(made) : plan.last;
	if (plan.wait_every > 0 && made->done % plan.wait_every == 0 && made->waited_at != made->done)
		return rest(made);
	for (size_t i = 0; i < piece && made->done < plan.total; i++)
		if (buf_append_byte(to, byte_at(made->done++)) != KV_OK)
			return STREAM_BROKEN;
	return made->done == plan.total && plan.last == STREAM_END ? STREAM_END : STREAM_MORE;
}

static void close_made(struct stream *stream)
{
	enlist((struct made *)stream, false);
	free(stream);
	atomic_fetch_add(&closed, 1);
}

static void handle_stream(struct request *request)
{
	static const struct stream_ops ops = { fill, close_made };
	struct stream_head head = {
		.status = 200,
		.content_type = "application/x-test",
		.size = plan.size,
		.headers = { { "X-Test", "yes" } },
	};
	struct made *made = calloc(1, sizeof *made);

	if (!made) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	made->stream.ops = &ops;
	made->waited_at = UINT64_MAX;
	made->stream.request = request;
	enlist(made, true);
	atomic_fetch_add(&opened, 1);
	reply_stream(request, &head, &made->stream);
}

static void handle_plain(struct request *request)
{
	reply_ok(request);
}

const struct route *route_at(size_t i)
{
	static const struct route routes[] = {
		{ .path = "/stream", .methods = HTTP_GET | HTTP_HEAD, .op = METRICS_SCAN, .handle = handle_stream },
		{ .path = "/plain", .methods = HTTP_GET, .op = METRICS_GET, .handle = handle_plain },
	};

	return i < sizeof routes / sizeof routes[0] ? &routes[i] : NULL;
}

/* ---- helpers ---- */

static const char get_stream[] = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char get_plain[] = "GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void set_up(void)
{
	fake_server_prepare();
	plan.size = STREAM_SIZE_UNKNOWN;
	plan.total = 1000;
	plan.piece = 300;
	plan.last = STREAM_END;
}

/* Waits for a counter; a limit is only there so that a failure ends. */
static void wait_for(atomic_uint *counter, unsigned count)
{
	uint64_t until_us = clock_monotonic_us() + 120000000;

	while (atomic_load(counter) < count) {
		ck_assert_msg(clock_monotonic_us() < until_us, "%u instead of %u", atomic_load(counter), count);
		doze();
	}
}

static void check_bytes(const struct buf *body, uint64_t len)
{
	ck_assert_uint_eq(body->len, len);
	for (uint64_t i = 0; i < len; i++) /* an assertion each would take long */
		if (body->data[i] != byte_at(i))
			ck_abort_msg("byte %llu is wrong", (unsigned long long)i);
}

static struct rawhttp connect_and_ask(void)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	ck_assert(rawhttp_send_text(&http, get_stream));
	return http;
}

static void check_plain(void)
{
	ck_assert_uint_eq(fake_server_send(get_plain, sizeof get_plain - 1)->status, 200);
}

/* ---- bytes ---- */

START_TEST(a_stream_of_known_size_arrives_whole)
{
	static const uint64_t sizes[] = { 0, 1, 4095, 65536, 65537, 3000000 };
	struct rawhttp http;
	struct rawhttp_reply reply;
	char length[32];

	plan.total = plan.size = sizes[_i];
	plan.piece = 50000;
	fake_server_start();
	http = rawhttp_connect(fake.port);
	for (int i = 0; i < 2; i++) { /* the connection is kept */
		ck_assert(rawhttp_send_text(&http, get_stream));
		rawhttp_read(&http, false, &reply, NULL);
		ck_assert_uint_eq(reply.status, 200);
		snprintf(length, sizeof length, "%llu", (unsigned long long)plan.size);
		ck_assert_str_eq(rawhttp_header(&reply, "Content-Length"), length);
		ck_assert_str_eq(rawhttp_header(&reply, "Content-Type"), "application/x-test");
		ck_assert_str_eq(rawhttp_header(&reply, "X-Test"), "yes");
		check_bytes(&reply.body, plan.total);
		rawhttp_reply_free(&reply);
	}
	rawhttp_close(&http);
	wait_for(&closed, 2);
}
END_TEST

START_TEST(a_stream_of_unknown_size_arrives_in_chunks)
{
	struct rawhttp http;
	struct rawhttp_reply reply;

	plan.total = _i ? 3000000 : 0;
	plan.piece = 100000;
	fake_server_start();
	http = connect_and_ask();
	ck_assert(rawhttp_send_text(&http, get_plain));
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert_ptr_null(rawhttp_header(&reply, "Content-Length"));
	ck_assert(!reply.cut);
	check_bytes(&reply.body, plan.total);
	rawhttp_reply_free(&reply);
	rawhttp_read(&http, false, &reply, NULL); /* the connection is kept */
	ck_assert_uint_eq(reply.status, 200);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	ck_assert_uint_eq(atomic_load(&closed), 1);
}
END_TEST

START_TEST(http_1_0_gets_it_until_the_end_of_the_connection)
{
	struct rawhttp http;

	plan.total = 200000;
	plan.piece = 7000;
	fake_server_start();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, "GET /stream HTTP/1.0\r\n\r\n"));
	ck_assert(rawhttp_is_closed(&http));
	ck_assert_uint_gt(rawhttp_left(&http), plan.total);
	for (uint64_t i = 0; i < plan.total; i++)
		ck_assert(http.input.data[http.input.len - plan.total + i] == byte_at(i));
	ck_assert_ptr_null(memmem(http.input.data, 300, "chunked", 7));
	rawhttp_close(&http);
	wait_for(&closed, 1);
}
END_TEST

START_TEST(head_fills_nothing)
{
	struct rawhttp http;
	struct rawhttp_reply reply;

	plan.size = plan.total = 5000;
	fake_server_start();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, "HEAD /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	rawhttp_read(&http, true, &reply, NULL);
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_str_eq(rawhttp_header(&reply, "Content-Length"), "5000");
	ck_assert(rawhttp_send_text(&http, get_plain));
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert_str_eq(fake_server_text(&reply), "OK\n");
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	ck_assert_uint_eq(atomic_load(&fills), 0);
	ck_assert_uint_eq(atomic_load(&closed), 1);
}
END_TEST

START_TEST(a_broken_stream_is_cut)
{
	struct rawhttp http;
	struct rawhttp_reply reply;

	plan.last = _i == 2 ? STREAM_END : STREAM_BROKEN; /* an early end is as bad */
	plan.size = _i ? 5000 : STREAM_SIZE_UNKNOWN;
	fake_server_start();
	http = connect_and_ask();
	rawhttp_read_head(&http, &reply, NULL);
	ck_assert_uint_eq(reply.status, 200);
	if (_i == 0) {
		while (rawhttp_read_chunk(&http, &reply.body, &reply.cut))
			continue;
		ck_assert(reply.cut);
		check_bytes(&reply.body, plan.total);
	} else {
		ck_assert(rawhttp_is_closed(&http));
		ck_assert_uint_eq(rawhttp_left(&http), plan.total);
	}
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	wait_for(&closed, 1);
	check_plain();
}
END_TEST

START_TEST(fills_without_bytes_do_not_end_it)
{
	struct rawhttp http;
	struct rawhttp_reply reply;

	plan.idle_fills = 2 * IMPATIENT_MS; /* milliseconds at least */
	fake.options.idle_timeout_ms = IMPATIENT_MS; /* making nothing is our fault, not the client's */
	fake_server_start();
	http = connect_and_ask();
	rawhttp_read(&http, false, &reply, NULL);
	check_bytes(&reply.body, plan.total);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
}
END_TEST

/* ---- waiting ---- */

START_TEST(a_waiting_stream_is_filled_again_when_woken)
{
	struct rawhttp http;
	struct rawhttp_reply reply;

	plan.wait_every = 100;
	plan.piece = 100;
	plan.total = 1000;
	plan.size = _i ? plan.total : STREAM_SIZE_UNKNOWN;
	fake_server_start();
	http = connect_and_ask();
	for (unsigned i = 1; i <= 10; i++) {
		wait_for(&waits, i);
		wake_all();
	}
	rawhttp_read(&http, false, &reply, NULL);
	check_bytes(&reply.body, plan.total);
	ck_assert(!reply.cut);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_waiting_stream_is_left_alone_while_others_are_served)
{
	struct rawhttp waiting[20], http;
	struct rawhttp_reply reply;

	plan.last = STREAM_WAIT;
	plan.total = 0;
	fake_server_start();
	for (int i = 0; i < 20; i++)
		waiting[i] = connect_and_ask();
	wait_for(&waits, 20);
	http = rawhttp_connect(fake.port);
	for (int i = 0; i < 500; i++) {
		ck_assert(rawhttp_send_text(&http, get_plain));
		rawhttp_read(&http, false, &reply, NULL);
		ck_assert_uint_eq(reply.status, 200);
		rawhttp_reply_free(&reply);
	}
	ck_assert_uint_eq(atomic_load(&fills), 20);
	rawhttp_close(&http);
	for (int i = 0; i < 20; i++)
		rawhttp_close(&waiting[i]);
	wait_for(&closed, 20);
}
END_TEST

START_TEST(an_alarm_ends_the_wait)
{
	struct rawhttp http;
	struct rawhttp_reply reply;
	uint64_t begun_us;

	plan.wait_every = 250;
	plan.piece = 250;
	plan.alarm_us = 20000;
	fake_server_start();
	begun_us = clock_monotonic_us();
	http = connect_and_ask();
	rawhttp_read(&http, false, &reply, NULL);
	check_bytes(&reply.body, plan.total);
	ck_assert_uint_ge(clock_monotonic_us() - begun_us, 4 * plan.alarm_us);
	ck_assert_uint_le(atomic_load(&fills), 20);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
}
END_TEST

START_TEST(the_client_of_a_waiting_stream_is_missed)
{
	struct rawhttp http;

	plan.last = STREAM_WAIT;
	plan.total = _i ? 1000 : 0;
	fake_server_start();
	http = connect_and_ask();
	wait_for(&waits, 1);
	if (_i == 2) /* what it sent in vain does not hide its end */
		ck_assert(rawhttp_send_text(&http, get_plain));
	rawhttp_close(&http);
	wait_for(&closed, 1);
	check_plain();
}
END_TEST

static void *keep_waking(void *arg)
{
	(void)arg;
	while (atomic_load(&closed) < STREAMS_MAX / 4)
		wake_all();
	return NULL;
}

START_TEST(no_wake_is_lost_or_comes_too_late)
{
	struct rawhttp http[STREAMS_MAX / 4];
	struct rawhttp_reply reply;
	pthread_t thread;

	plan.wait_every = 10;
	plan.piece = 10;
	fake_server_start();
	ck_assert_int_eq(pthread_create(&thread, NULL, keep_waking, NULL), 0);
	for (int i = 0; i < STREAMS_MAX / 4; i++)
		http[i] = connect_and_ask();
	for (int i = 0; i < STREAMS_MAX / 4; i++) {
		if (i % 4 == 0) {
			rawhttp_close(&http[i]);
			continue;
		}
		rawhttp_read(&http[i], false, &reply, NULL);
		check_bytes(&reply.body, plan.total);
		rawhttp_reply_free(&reply);
		rawhttp_close(&http[i]);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(atomic_load(&closed), atomic_load(&opened));
}
END_TEST

/* ---- deadlines and the end ---- */

START_TEST(who_does_not_read_is_cut)
{
	struct rawhttp http;
	uint64_t begun_us;

	plan.total = UINT64_MAX;
	plan.piece = 1024;
	fake.options.idle_timeout_ms = 100;
	fake_server_start();
	begun_us = clock_monotonic_us();
	http = connect_and_ask();
	wait_for(&closed, 1);
	ck_assert_uint_ge(clock_monotonic_us() - begun_us, 100000);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_wait_has_no_deadline)
{
	struct rawhttp http;
	struct rawhttp_reply reply;

	plan.wait_every = 500;
	plan.piece = 500;
	plan.alarm_us = (IMPATIENT_MS + 500) * 1000; /* the reaper has been there meanwhile */
	fake.options.idle_timeout_ms = IMPATIENT_MS;
	fake.options.header_timeout_ms = IMPATIENT_MS;
	fake_server_start();
	http = connect_and_ask();
	rawhttp_read(&http, false, &reply, NULL);
	check_bytes(&reply.body, plan.total);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
}
END_TEST

START_TEST(draining_ends_waiting_streams)
{
	struct rawhttp http;
	struct rawhttp_reply reply;
	unsigned left;

	plan.last = STREAM_WAIT;
	plan.total = 0;
	plan.ends_when_told = _i;
	fake_server_start();
	http = connect_and_ask();
	wait_for(&waits, 1);
	server_drain(fake.server, 60000, &left);
	ck_assert_uint_eq(left, 0);
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_int_eq(reply.cut, !_i);
	ck_assert_str_eq(fake_server_text(&reply), _i ? "bye" : "");
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	wait_for(&closed, 1);
}
END_TEST

START_TEST(stopping_closes_all_streams)
{
	struct rawhttp http[8];

	plan.last = STREAM_WAIT;
	plan.total = 8000000; /* some are still sending */
	plan.piece = 60000;
	fake_server_start();
	for (int i = 0; i < 8; i++)
		http[i] = connect_and_ask();
	wait_for(&opened, 8);
	fake.server = server_stop(fake.server);
	ck_assert_uint_eq(atomic_load(&closed), 8);
	for (int i = 0; i < 8; i++)
		rawhttp_close(&http[i]);
}
END_TEST

START_TEST(every_failed_allocation_leaves_it_closed_once)
{
	uint64_t failed = 1;

	plan.size = _i ? plan.total : STREAM_SIZE_UNKNOWN;
	fake_server_start();
	for (uint64_t nth = 1; failed > 0; nth++) {
		struct rawhttp http = rawhttp_connect(fake.port);
		static char answer[65536];

		fault_alloc_fail(nth, false);
		(void)rawhttp_send_text(&http, get_stream);
		shutdown(http.fd, SHUT_WR);
		while (recv(http.fd, answer, sizeof answer, 0) > 0)
			continue;
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		rawhttp_close(&http);
		ck_assert_uint_lt(nth, 1000);
		check_plain();
		wait_for(&closed, atomic_load(&opened));
	}
	ck_assert_uint_eq(atomic_load(&closed), atomic_load(&opened));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tests = tcase_create("stream");

	tcase_add_checked_fixture(tests, set_up, fake_server_teardown);
	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, a_stream_of_known_size_arrives_whole, 0, 6);
	tcase_add_loop_test(tests, a_stream_of_unknown_size_arrives_in_chunks, 0, 2);
	tcase_add_test(tests, http_1_0_gets_it_until_the_end_of_the_connection);
	tcase_add_test(tests, head_fills_nothing);
	tcase_add_loop_test(tests, a_broken_stream_is_cut, 0, 3);
	tcase_add_test(tests, fills_without_bytes_do_not_end_it);
	tcase_add_loop_test(tests, a_waiting_stream_is_filled_again_when_woken, 0, 2);
	tcase_add_test(tests, a_waiting_stream_is_left_alone_while_others_are_served);
	tcase_add_test(tests, an_alarm_ends_the_wait);
	tcase_add_loop_test(tests, the_client_of_a_waiting_stream_is_missed, 0, 3);
	tcase_add_test(tests, no_wake_is_lost_or_comes_too_late);
	tcase_add_test(tests, who_does_not_read_is_cut);
	tcase_add_test(tests, a_wait_has_no_deadline);
	tcase_add_loop_test(tests, draining_ends_waiting_streams, 0, 2);
	tcase_add_test(tests, stopping_closes_all_streams);
	tcase_add_loop_test(tests, every_failed_allocation_leaves_it_closed_once, 0, 2);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
