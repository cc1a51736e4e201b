/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crowds of bad clients against the real daemon: slow, idle, half gone, deaf, or too many. While they are there a normal client's SETs
 * and GETs are done, on a connection it has had for long and on new ones. Completion is what is asked for, not speed: what the daemon
 * may rightly do once a deadline of its own has passed (10 s for a header, 30 s for the next request) is no failure on a slow machine.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/daemonproc.h"
#include "support/rawhttp.h"
#include "support/runner.h"
#include "support/tlspipe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOST "Host: localhost\r\n"

enum {
	READY_TIMEOUT_MS = 120000,
	STOP_TIMEOUT_MS = 120000,
	CONNECTION_LIMIT = 6000,
	DESCRIPTORS = 8000,     /* for them and the store; and for the test's own */
	IDLE = 5000,
	CROWD = 500,
	DEAF = 100,
	FLOOD = 300,
	WATCHED_MS = 500,
	WATCHES_MIN = 4,
	HEADER_S = 9,           /* for sure before the deadline of a header */
	IDLE_S = 25,            /* ... of the next request */
	LARGE_VALUE = 900 * 1000,
	SKIPPED = 77,
};

static char *dir;
static struct daemonproc *daemon_process;
static uint16_t port, tls_port;
static struct rawhttp *crowd;
static size_t crowd_size;
static uint64_t gathered_us;       /* before its first came */
static struct rawhttp old_friend;  /* connected before the crowd */
static uint64_t friend_us;         /* when it was asked last */

static bool within(uint64_t since_us, unsigned seconds)
{
	return clock_monotonic_us() - since_us < seconds * UINT64_C(1000000);
}

static void start(void)
{
	char settings[1000], certificate[200], key[200];
	uint64_t elapsed_us;

	dir = runner_new_dir();
	snprintf(certificate, sizeof certificate, "%s/certificate", dir);
	snprintf(key, sizeof key, "%s/key", dir);
	tlspipe_make_certificate(certificate, key);
	tls_port = daemonproc_find_port();
	snprintf(settings, sizeof settings, "connection_limit = 6000\nmax_value_size = \"1M\"\ntls_listen = {\"127.0.0.1\"}\n"
		"tls_port = %u\ntls_certificate = \"%s\"\ntls_key = \"%s\"\n", tls_port, certificate, key);
	daemon_process = daemonproc_new(dir, settings);
	daemonproc_start(daemon_process);
	if (!daemonproc_wait_ready(daemon_process, READY_TIMEOUT_MS, &elapsed_us)) {
		daemonproc_print_log(daemon_process);
		ck_abort_msg("the daemon does not start");
	}
	port = daemonproc_port(daemon_process);
	old_friend = rawhttp_connect(port);
	friend_us = clock_monotonic_us();
}

static void disperse(void)
{
	for (size_t i = 0; i < crowd_size; i++)
		rawhttp_close(&crowd[i]);
	free(crowd);
	crowd = NULL;
	crowd_size = 0;
}

static void stop(void)
{
	rawhttp_close(&old_friend);
	disperse();
	ck_assert_int_eq(daemonproc_stop(daemon_process, STOP_TIMEOUT_MS), 0);
	daemon_process = daemonproc_free(daemon_process);
	runner_remove_dir(dir);
}

/* So many connections, each of which has sent `text`. */
static void gather(size_t count, const char *text)
{
	crowd = calloc(count, sizeof *crowd);
	ck_assert_ptr_nonnull(crowd);
	gathered_us = clock_monotonic_us();
	for (; crowd_size < count; crowd_size++) {
		crowd[crowd_size] = rawhttp_connect(port);
		(void)rawhttp_send_text(&crowd[crowd_size], text);
	}
}

/* ---- the normal client ---- */

static void ask(struct rawhttp *http, const char *request, unsigned status, const char *body)
{
	struct rawhttp_reply reply;

	ck_assert_msg(rawhttp_send_text(http, request), "%.30s: not taken", request);
	rawhttp_read(http, false, &reply, NULL);
	ck_assert_msg(reply.status == status, "%.30s: %u", request, reply.status);
	ck_assert(!body || slice_equal(buf_slice(&reply.body), slice_of_string(body)));
	rawhttp_reply_free(&reply);
}

static void set_and_get(struct rawhttp *http, unsigned i)
{
	char request[200], value[20];

	snprintf(value, sizeof value, "%u", i);
	snprintf(request, sizeof request, "PUT /set?key=normal&value=%s HTTP/1.1\r\n" HOST "\r\n", value);
	ask(http, request, 200, "OK\n");
	ask(http, "GET /get?key=normal HTTP/1.1\r\n" HOST "\r\n", 200, value);
}

/* The old friend, or a new one when it was away for too long. */
static struct rawhttp *friendly(void)
{
	if (!within(friend_us, HEADER_S)) {
		rawhttp_close(&old_friend);
		old_friend = rawhttp_connect(port);
	}
	friend_us = clock_monotonic_us();
	return &old_friend;
}

/* The next byte of each; who is past its deadline may be closed. */
static void trickle(void)
{
	for (size_t i = 0; i < crowd_size; i++) {
		bool taken = rawhttp_send_text(&crowd[i], "x");

		ck_assert(taken || !within(gathered_us, HEADER_S));
	}
}

/* One of the crowd that has said nothing yet. */
static void is_good(size_t i)
{
	struct rawhttp_reply reply;
	bool taken = rawhttp_send_text(&crowd[i], "GET /healthz HTTP/1.1\r\n" HOST "\r\n");

	rawhttp_read(&crowd[i], true, &reply, NULL);
	ck_assert_msg((taken && reply.status == 200) || !within(gathered_us, HEADER_S), "%u", reply.status);
	rawhttp_reply_free(&reply);
}

static void is_served(void)
{
	for (unsigned i = 0; i < 20; i++) {
		struct rawhttp http = rawhttp_connect(port);

		set_and_get(&http, i);
		rawhttp_close(&http);
		set_and_get(friendly(), 100 + i);
	}
}

/* ---- the crowds ---- */

START_TEST(slow_headers_hold_nobody_up)
{
	gather(CROWD, "GET /get?key=normal HTTP/1.1\r\nHost: loc");
	is_served();
	for (unsigned byte = 0; byte < 5; byte++) { /* they trickle */
		trickle();
		is_served();
	}
}
END_TEST

START_TEST(slow_bodies_hold_nobody_up_and_store_nothing)
{
	gather(CROWD, "PUT /v1/kv/slow HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n0");
	is_served();
	for (unsigned byte = 0; byte < 5; byte++) {
		trickle();
		is_served();
	}
	disperse();
	ask(friendly(), "GET /get?key=slow HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
}
END_TEST

START_TEST(idle_connections_hold_nobody_up)
{
	gather(IDLE, "");
	is_served();
	for (size_t i = 0; i < crowd_size; i += 100) /* they are all still good */
		is_good(i);
	is_served();
}
END_TEST

START_TEST(idle_connections_after_a_request_hold_nobody_up)
{
	gather(IDLE, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
	is_served();
	for (size_t i = 0; i < crowd_size; i++) {
		struct rawhttp_reply reply;

		rawhttp_read(&crowd[i], false, &reply, NULL);
		ck_assert_uint_eq(reply.status, 200);
		rawhttp_reply_free(&reply);
	}
	is_served();
}
END_TEST

START_TEST(half_closed_connections_hold_nobody_up)
{
	gather(CROWD, "GET /get?key=normal HTTP/1.1\r\nHost: loc");
	for (size_t i = 0; i < crowd_size; i++)
		rawhttp_end_sending(&crowd[i]);
	is_served();
	for (size_t i = 0; i < crowd_size; i++)
		ck_assert_msg(rawhttp_is_closed(&crowd[i]), "still open");
}
END_TEST

START_TEST(half_closed_connections_get_the_answer_to_their_request)
{
	set_and_get(friendly(), 1);
	gather(CROWD, "GET /get?key=normal HTTP/1.1\r\n" HOST "\r\n");
	for (size_t i = 0; i < crowd_size; i++) {
		struct rawhttp_reply reply;

		rawhttp_end_sending(&crowd[i]);
		rawhttp_read(&crowd[i], false, &reply, NULL);
		ck_assert_uint_eq(reply.status, 200);
		rawhttp_reply_free(&reply);
		ck_assert(rawhttp_is_closed(&crowd[i]));
	}
	is_served();
}
END_TEST

static void put_large_value(void)
{
	static char value[LARGE_VALUE + 1];
	struct buf request = { 0 };

	memset(value, 'v', LARGE_VALUE);
	ck_assert_int_eq(buf_printf(&request, "PUT /set?key=large HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", LARGE_VALUE), KV_OK);
	ck_assert_int_eq(buf_append(&request, value, LARGE_VALUE + 1), KV_OK);
	ask(friendly(), (char *)request.data, 200, "OK\n");
	buf_free(&request);
}

START_TEST(deaf_clients_hold_nobody_up)
{
	static const char request[] = "GET /get?key=large HTTP/1.1\r\n" HOST "\r\n";

	put_large_value();
	gather(DEAF, request);
	for (unsigned more = 0; more < 5; more++)
		for (size_t i = 0; i < crowd_size; i++)
			(void)rawhttp_send_text(&crowd[i], request);
	is_served();
}
END_TEST

START_TEST(deaf_readers_of_streams_hold_nobody_up)
{
	put_large_value();
	gather(DEAF, "GET /v1/export HTTP/1.1\r\n" HOST "\r\n");
	is_served();
	disperse();
	gather(DEAF, "GET /v1/changes?since=0 HTTP/1.1\r\n" HOST "Accept: text/event-stream\r\n\r\n");
	is_served();
	put_large_value();
	is_served();
}
END_TEST

START_TEST(clients_that_vanish_hold_nobody_up)
{
	static const char *const begun[] = { "", "GET", "GET /get?key=normal HTTP/1.1\r\n" HOST "\r\n",
		"PUT /set?key=vanished&value=v HTTP/1.1\r\n" HOST "\r\n", "PUT /v1/kv/k HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n1" };
	struct linger reset = { .l_onoff = 1 };

	for (unsigned i = 0; i < 5 * CROWD; i++) {
		struct rawhttp http = rawhttp_connect(port);

		(void)rawhttp_send_text(&http, begun[i % 5]);
		if (i % 2 == 0)
			setsockopt(http.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		rawhttp_close(&http);
		if (i % 500 == 0)
			is_served();
	}
	is_served();
}
END_TEST

/* Reads what the server has to say; true: 503, or no answer at all. */
static bool is_refused(struct rawhttp *http)
{
	struct rawhttp_reply reply;
	bool refused;

	rawhttp_read(http, false, &reply, NULL);
	refused = reply.status == 503 || reply.status == 0;
	rawhttp_reply_free(&reply);
	return refused;
}

START_TEST(a_flood_beyond_the_limit_is_refused_and_goes_by)
{
	struct rawhttp late;

	set_and_get(friendly(), 1);
	gather(CONNECTION_LIMIT + FLOOD, "");
	for (size_t i = 0; i < CONNECTION_LIMIT - FLOOD; i += 1000)
		is_good(i);
	for (size_t i = CONNECTION_LIMIT; i < crowd_size; i++)
		ck_assert(is_refused(&crowd[i]) || !within(gathered_us, HEADER_S));
	if (within(friend_us, IDLE_S))
		set_and_get(&old_friend, 2);
	disperse();
	do { /* until the server has seen that they are gone */
		late = rawhttp_connect(port);
		(void)rawhttp_send_text(&late, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
	} while (is_refused(&late) && (rawhttp_close(&late), true));
	rawhttp_close(&late);
	is_served();
}
END_TEST

/* This sanitizer makes each look at a handshake many times as dear: then the time tells nothing. */
#ifdef __SANITIZE_THREAD__
enum { TIME_TELLS = false };
#else
enum { TIME_TELLS = true };
#endif

static uint64_t processor_time_us(void)
{
	struct timespec time;
	clockid_t clock;

	ck_assert_int_eq(clock_getcpuclockid(daemonproc_pid(daemon_process), &clock), 0);
	ck_assert_int_eq(clock_gettime(clock, &time), 0);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* (libmicrohttpd calls for another look at a handshake at once, as long as it lasts) */
START_TEST(handshakes_that_stop_hold_nobody_up_and_cost_no_time)
{
	static const char *const begun[] = { "", "\x16", "\x16\x03\x01", "\x16\x03\x01\x02" };
	struct pollfd first;
	bool is_quiet = false;
	unsigned watches = 0;

	crowd = calloc(CROWD, sizeof *crowd);
	for (; crowd_size < CROWD; crowd_size++) {
		crowd[crowd_size] = rawhttp_connect(tls_port);
		(void)rawhttp_send_text(&crowd[crowd_size], begun[crowd_size % 4]);
	}
	is_served();
	first = (struct pollfd){ .fd = crowd[0].fd, .events = POLLIN };
	/* who spins does it until the connections are closed; taking them in may take a while */
	while (!is_quiet) {
		uint64_t before = processor_time_us();

		if (poll(&first, 1, WATCHED_MS) != 0) { /* closed, by the deadline */
			ck_assert_msg(watches < WATCHES_MIN, "it spins until it closes them");
			break;
		}
		watches++;
		is_quiet = !TIME_TELLS || processor_time_us() - before < WATCHED_MS * 1000 / 10;
	}
	is_served();
}
END_TEST

static bool raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	if (limit.rlim_cur >= DESCRIPTORS)
		return true;
	limit.rlim_cur = DESCRIPTORS;
	if (limit.rlim_max < DESCRIPTORS)
		limit.rlim_max = DESCRIPTORS;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int main(void)
{
	Suite *suite = suite_create("crowds");
	TCase *tc = tcase_create("crowds");

	if (!raise_limit()) {
		printf("skipped: needs %d descriptors: %s\n", DESCRIPTORS, strerror(errno));
		return SKIPPED;
	}
	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, slow_headers_hold_nobody_up);
	tcase_add_test(tc, slow_bodies_hold_nobody_up_and_store_nothing);
	tcase_add_test(tc, idle_connections_hold_nobody_up);
	tcase_add_test(tc, idle_connections_after_a_request_hold_nobody_up);
	tcase_add_test(tc, half_closed_connections_hold_nobody_up);
	tcase_add_test(tc, half_closed_connections_get_the_answer_to_their_request);
	tcase_add_test(tc, deaf_clients_hold_nobody_up);
	tcase_add_test(tc, deaf_readers_of_streams_hold_nobody_up);
	tcase_add_test(tc, clients_that_vanish_hold_nobody_up);
	tcase_add_test(tc, a_flood_beyond_the_limit_is_refused_and_goes_by);
	suite_add_tcase(suite, tc);
	tc = tcase_create("handshakes");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, handshakes_that_stop_hold_nobody_up_and_cost_no_time);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
