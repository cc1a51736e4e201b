/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a server over sockets: listening, limits, deadlines, draining, /shutdown, and what it tells about itself. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/fake_server.h"
#include "support/fault_epoll.h"
#include "support/runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char get_health[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char get_shutdown[] = "GET /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char set_k[] = "POST /set?key=k&value=v HTTP/1.1\r\nHost: localhost\r\n\r\n";

static unsigned read_status(struct rawhttp *http)
{
	struct rawhttp_reply reply;
	unsigned status;

	rawhttp_read(http, false, &reply, NULL);
	status = reply.status;
	rawhttp_reply_free(&reply);
	return status;
}

static unsigned ask(struct rawhttp *http, const char *request)
{
	ck_assert(rawhttp_send_text(http, request));
	return read_status(http);
}

/* ---- health and numbers ---- */

START_TEST(health_and_readiness_follow_the_state)
{
	const struct rawhttp_reply *reply;

	ck_assert_uint_eq(fake_server_call("GET", "/healthz", NULL, NULL)->status, 200);
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/readyz", NULL, NULL)), "healthy\n");
	fake_store_set_state(fake.store, STORE_STALLED, "12 tables in level 0");
	reply = fake_server_call("GET", "/readyz", NULL, NULL);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(fake_server_text(reply), "stalled: 12 tables in level 0\n");
	fake_store_set_state(fake.store, STORE_FAILED, "000001.wal: sync failed");
	reply = fake_server_call("GET", "/readyz", NULL, NULL);
	ck_assert_uint_eq(reply->status, 503);
	ck_assert_str_eq(fake_server_text(reply), "failed: 000001.wal: sync failed\n");
	fake_store_set_state(fake.store, STORE_DISK_FULL, "");
	ck_assert_uint_eq(fake_server_call("GET", "/readyz", NULL, NULL)->status, 503);
	ck_assert_uint_eq(fake_server_call("GET", "/healthz", NULL, NULL)->status, 200);
}
END_TEST

START_TEST(stats_are_json)
{
	const struct rawhttp_reply *reply;

	fake_server_call("POST", "/set?key=k&value=v", NULL, NULL);
	reply = fake_server_call("GET", "/v1/stats", NULL, NULL);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/json");
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "\"memtable_entries\":1,"));
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "{\"tables\":3,\"bytes\":0"));
}
END_TEST

START_TEST(metrics_count_what_was_answered)
{
	const char *text;

	fake_server_call("POST", "/set?key=k&value=v", NULL, NULL);
	fake_server_call("GET", "/get?key=k", NULL, NULL);
	fake_server_call("GET", "/get?key=none", NULL, NULL);
	fake_server_call("GET", "/nowhere", NULL, NULL);
	/* a request is counted when its connection goes on: after these, the ones above are */
	text = fake_server_text(fake_server_call("GET", "/metrics", NULL, NULL));
	for (int i = 0; i < 100 && !strstr(text, "{op=\"other\",code=\"404\"} 1\n"); i++)
		text = fake_server_text(fake_server_call("GET", "/metrics", NULL, NULL));
	ck_assert_ptr_nonnull(strstr(text, "kvstored_http_requests_total{op=\"set\",code=\"200\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "kvstored_http_requests_total{op=\"get\",code=\"200\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "kvstored_http_requests_total{op=\"get\",code=\"404\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "kvstored_http_request_duration_seconds_count{op=\"get\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "kvstored_http_request_duration_seconds_bucket{op=\"get\",le=\"+Inf\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "kvstored_state{state=\"healthy\"} 1\n"));
}
END_TEST

/* ---- connections ---- */

START_TEST(a_connection_is_kept_and_pipelines)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	for (int i = 0; i < 50; i++)
		ck_assert(rawhttp_send_text(&http, i % 2 ? get_health : set_k));
	for (int i = 0; i < 50; i++)
		ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&http);
}
END_TEST

/* Its answers share memory: of one size and of many, one after the other or all asked for at once, with and without an expiry. */
static const struct {
	const char *key;
	unsigned status;
	const char *text;
	bool expires;
} mixed[] = {
	{ "a", 200, "first", false }, { "b", 200, "other", false }, { "a", 200, "first", false }, { "c", 200, "longer than these", false },
	{ "empty", 200, "", false }, { "b", 200, "other", false }, { "t", 200, "fifth", true }, { "a", 200, "first", false },
	{ "large", 200, NULL, false }, { "b", 200, "other", false }, { "empty", 200, "", false },
	{ "none", 404, "no such key\n", false }, { "b", 200, "other", false },
};
enum { MIXED = sizeof mixed / sizeof mixed[0] };

static void send_get(struct rawhttp *http, const char *key)
{
	char line[128];

	snprintf(line, sizeof line, "GET /get?key=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", key);
	ck_assert(rawhttp_send_text(http, line));
}

static void check_mixed(struct rawhttp *http, size_t i, const char *large)
{
	struct rawhttp_reply reply;

	rawhttp_read(http, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, mixed[i].status);
	ck_assert_str_eq(fake_server_text(&reply), mixed[i].text ? mixed[i].text : large);
	ck_assert_int_eq(rawhttp_header(&reply, "X-Kv-TTL") != NULL, mixed[i].expires);
	rawhttp_reply_free(&reply);
}

START_TEST(a_connection_is_answered_with_each_value_as_it_is)
{
	static char large[5000];
	struct rawhttp http = rawhttp_connect(fake.port);

	memset(large, 'L', sizeof large - 1);
	fake_server_call("POST", "/set?key=a&value=first", NULL, NULL);
	fake_server_call("POST", "/set?key=b&value=other", NULL, NULL);
	fake_server_call("POST", "/set?key=c&value=longer+than+these", NULL, NULL);
	fake_server_call("POST", "/set?key=t&value=fifth&ttl=1h", NULL, NULL);
	fake_server_call("POST", "/set?key=empty&value=", NULL, NULL);
	fake_server_call("PUT", "/set?key=large", NULL, large);
	for (size_t i = 0; i < 3 * MIXED; i++) {
		send_get(&http, mixed[i % MIXED].key);
		check_mixed(&http, i % MIXED, large);
	}
	for (size_t i = 0; i < 2 * MIXED; i++)
		send_get(&http, mixed[i % MIXED].key);
	for (size_t i = 0; i < 2 * MIXED; i++)
		check_mixed(&http, i % MIXED, large);
	rawhttp_close(&http);
}
END_TEST

/* The pool sees others go in its own time. */
static void ask_until_served(const char *request)
{
	for (unsigned status = 503; status == 503;) {
		struct rawhttp http = rawhttp_connect(fake.port);

		status = ask(&http, request);
		rawhttp_close(&http);
		ck_assert(status == 200 || status == 503);
	}
}

START_TEST(connections_above_the_limit_are_told)
{
	struct rawhttp open[4], more;

	fake_server_prepare();
	fake.options.connection_limit = 4;
	fake_server_start();
	for (int i = 0; i < 4; i++) {
		open[i] = rawhttp_connect(fake.port);
		ck_assert_uint_eq(ask(&open[i], get_health), 200);
	}
	more = rawhttp_connect(fake.port);
	ck_assert_uint_eq(read_status(&more), 503);
	ck_assert(rawhttp_is_closed(&more));
	rawhttp_close(&more);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(ask(&open[i], get_health), 200);
		rawhttp_close(&open[i]);
	}
	ask_until_served(get_health);
	ck_assert_ptr_nonnull(strstr(fake_server_text(fake_server_call("GET", "/metrics", NULL, NULL)),
		"kvstored_http_requests_total{op=\"other\",code=\"503\"} "));
}
END_TEST

/* One that counts down twice makes the number of open ones larger than any limit, for ever. */
START_TEST(a_connection_that_epoll_does_not_take_counts_down_once)
{
	for (int i = 0; i < 3; i++) {
		struct rawhttp http;

		fault_epoll_refuse(1);
		http = rawhttp_connect(fake.port);
		ck_assert(rawhttp_is_closed(&http));
		rawhttp_close(&http);
		ck_assert_uint_eq(fault_epoll_left(), 0);
	}
	ck_assert_ptr_nonnull(strstr(fake_server_text(fake_server_call("GET", "/v1/stats", NULL, NULL)), "\"connections\":1,"));
}
END_TEST

static struct {
	pthread_mutex_t mu;
	pthread_cond_t failed;
	int errnum;     /* of every accept4(); 0: as it should */
	unsigned fails;
} accepting = { .mu = PTHREAD_MUTEX_INITIALIZER, .failed = PTHREAD_COND_INITIALIZER };

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	int errnum;

	pthread_mutex_lock(&accepting.mu);
	errnum = accepting.errnum;
	accepting.fails += errnum != 0;
	pthread_cond_signal(&accepting.failed);
	pthread_mutex_unlock(&accepting.mu);
	if (errnum == 0)
		return __real_accept4(fd, address, len, flags);
	errno = errnum;
	return -1;
}

static void fail_accepts(int errnum)
{
	pthread_mutex_lock(&accepting.mu);
	accepting.errnum = errnum;
	pthread_mutex_unlock(&accepting.mu);
}

static void wait_for_failed_accepts(unsigned count)
{
	pthread_mutex_lock(&accepting.mu);
	while (accepting.fails < count)
		pthread_cond_wait(&accepting.failed, &accepting.mu);
	pthread_mutex_unlock(&accepting.mu);
}

/* No open file more on the whole machine: the spare descriptor is of no use, so each try is two calls. */
START_TEST(an_accept_that_cannot_be_helped_is_not_tried_all_the_time)
{
	uint64_t begun_us;
	struct rawhttp http;

	fake_server_setup();
	begun_us = clock_monotonic_us();
	fail_accepts(ENFILE);
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, get_health));
	wait_for_failed_accepts(10);
	ck_assert_uint_ge(clock_monotonic_us() - begun_us, 500000); /* four ticks are between the five */
	fail_accepts(0);
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&http);
}
END_TEST

START_TEST(bodies_above_the_memory_limit_are_told)
{
	const struct rawhttp_reply *reply;

	fake_server_prepare();
	fake.options.inflight_bytes_max = 10;
	fake_server_start();
	reply = fake_server_call("POST", "/set?key=k", NULL, "more than ten");
	ck_assert_uint_eq(reply->status, 503);
	ck_assert_str_eq(rawhttp_header(reply, "Retry-After"), "1");
	for (int i = 0; i < 2; i++)
		for (unsigned status = 503; status == 503;) { /* a body counts until the pool is done with its request */
			status = fake_server_call("POST", "/set?key=k", NULL, "ten bytes!")->status;
			ck_assert(status == 200 || status == 503);
		}
}
END_TEST

/* Clients that do not read keep the answers in memory; but none from writing, and when they go, others get theirs. */
START_TEST(answers_above_the_memory_limit_are_told)
{
	enum { TIMES = 200, VALUE = 60000, CLIENTS = 3 }; /* more than a socket takes */
	struct rawhttp slow[CLIENTS];
	char *value = calloc(1, VALUE + 1), begin[13], ask_for[100 + 4 * TIMES + 2];
	int len = snprintf(ask_for, sizeof ask_for, "POST /v1/mget HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n[", 4 * TIMES + 1);
	unsigned told = 0;

	ck_assert_ptr_nonnull(value);
	memset(value, 'v', VALUE);
	fake_server_prepare();
	for (int i = 0; i < TIMES; i++)
		len += snprintf(ask_for + len, sizeof ask_for - (size_t)len, "\"k\"%c", i < TIMES - 1 ? ',' : ']');
	fake.options.inflight_bytes_max = (CLIENTS - 1) * TIMES * (VALUE + 200);
	fake_server_start();
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/k", NULL, value)->status, 201);
	for (int i = 0; i < CLIENTS; i++) { /* with a small buffer, and never taken out of it */
		slow[i] = rawhttp_connect(fake.port);
		ck_assert_int_eq(setsockopt(slow[i].fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int)), 0);
		ck_assert(rawhttp_send_text(&slow[i], ask_for));
		ck_assert_int_eq(recv(slow[i].fd, begin, sizeof begin, MSG_WAITALL), sizeof begin); /* it has been decided */
		told += memcmp(begin, "HTTP/1.1 503 ", sizeof begin) == 0;
	}
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/k", NULL, value)->status, 204);
	for (int i = 0; i < CLIENTS; i++)
		rawhttp_close(&slow[i]);
	ask_until_served(ask_for);
	free(value);
}
END_TEST

/* Many clients send the whole body before they read. */
START_TEST(who_is_refused_can_send_all_and_read_the_answer)
{
	enum { BODY = 8 << 20 };
	static const char *const heads[] = {
		"PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n", /* too much */
		"PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n800000\r\n",
		"PUT /v1/kv/k HTTP/1.1\r\nHost: elsewhere\r\nContent-Length: 8388608\r\n\r\n",
		"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n",
	};
	static const unsigned statuses[] = { 413, 413, 403, 404 };
	char *body = calloc(1, BODY);

	ck_assert_ptr_nonnull(body);
	fake_server_prepare();
	fake.options.max_value_bytes = 1000;
	fake_server_start();
	for (int i = 0; i < 40; i++) {
		struct rawhttp http = rawhttp_connect(fake.port);

		ck_assert(rawhttp_send_text(&http, heads[i % 4]));
		ck_assert_msg(rawhttp_send(&http, body, BODY), "reset after %d refusals", i);
		ck_assert_uint_eq(read_status(&http), statuses[i % 4]);
		ck_assert(rawhttp_is_closed(&http));
		rawhttp_close(&http);
	}
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	free(body);
}
END_TEST

/* What comes within IMPATIENT_MS must be in time on any machine. */
enum { IMPATIENT_MS = 1000 };

static void start_impatient(void)
{
	fake_server_prepare();
	fake.options.header_timeout_ms = IMPATIENT_MS;
	fake.options.idle_timeout_ms = IMPATIENT_MS;
	fake_server_start();
}

static void start_very_impatient(void)
{
	fake_server_prepare();
	fake.options.header_timeout_ms = 100;
	fake_server_start();
}

/* A header of so many bytes: the status of the answer. */
static unsigned ask_with_header(size_t bytes)
{
	static char request[80 * 1024];
	int len = snprintf(request, sizeof request, "GET /get?key=k HTTP/1.1\r\nHost: localhost\r\nX: ");

	memset(request + len, 'y', bytes - (size_t)len);
	memcpy(request + bytes - 4, "\r\n\r\n", 4);
	return fake_server_send(request, bytes)->status;
}

/* The longest key, all of it escaped, and with a body and the headers of a browser. */
static unsigned put_longest_key(void)
{
	static char target[3 * STORE_KEY_MAX + 16];
	static char headers[2048];
	size_t len = (size_t)snprintf(target, sizeof target, "/v1/kv/");

	for (int i = 0; i < STORE_KEY_MAX; i++, len += 3)
		memcpy(target + len, "%ff", 4);
	len = 0;
	for (int i = 0; i < 16; i++)
		len += (size_t)snprintf(headers + len, sizeof headers - len, "X-Header-%d: %0100d\r\n", i, i);
	return fake_server_call("PUT", target, headers, "v")->status;
}

START_TEST(max_header_size_decides_how_long_a_header_may_be)
{
	static const size_t limits[] = { 16 * 1024, 32 * 1024, 64 * 1024 };
	size_t limit = limits[_i];

	fake_server_prepare();
	fake.options.max_header_bytes = limit;
	fake_server_start();
	ck_assert_uint_eq(fake_server_call("POST", "/set?key=k&value=v", NULL, NULL)->status, 200);
	ck_assert_uint_eq(ask_with_header(limit - 1024), 200);
	ck_assert_uint_eq(ask_with_header(limit + 1024), 431);
	ck_assert_uint_eq(put_longest_key(), 201);
	ck_assert_uint_eq(put_longest_key(), 204);
}
END_TEST

START_TEST(a_trickling_header_gets_408)
{
	struct rawhttp http;

	start_very_impatient();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, "GET /healthz HTTP/1.1\r\nHost: "));
	ck_assert_uint_eq(read_status(&http), 408);
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_trickling_body_gets_408_and_stores_nothing)
{
	struct rawhttp http;

	start_very_impatient();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, "PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nab"));
	ck_assert_uint_eq(read_status(&http), 408);
	(void)rawhttp_send_text(&http, "c");
	ck_assert(rawhttp_is_closed(&http));
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	rawhttp_close(&http);
	ck_assert_ptr_nonnull(strstr(fake_server_text(fake_server_call("GET", "/metrics", NULL, NULL)),
		"kvstored_http_requests_total{op=\"other\",code=\"408\"} 1\n"));
}
END_TEST

START_TEST(a_large_answer_gives_the_next_body_no_more_time)
{
	static const char put[] = "PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 409600\r\n\r\n";
	struct rawhttp http;
	char *value = calloc(1, 409600);
	struct rawhttp_reply reply;

	ck_assert_ptr_nonnull(value);
	start_impatient();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, put) && rawhttp_send(&http, value, 409600));
	ck_assert_uint_eq(read_status(&http), 201);
	ck_assert(rawhttp_send_text(&http, "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert_uint_eq(reply.body.len, 409600);
	rawhttp_reply_free(&reply);
	/* 100 s would be allowed for that answer, but this is a body of nothing so far */
	ck_assert(rawhttp_send_text(&http, put));
	ck_assert_uint_eq(read_status(&http), 408);
	rawhttp_close(&http);
	free(value);
}
END_TEST

/* A body that came at once, but for its last byte, holds memory that others want: what was fast is not credited to the silence. */
START_TEST(a_body_that_stalls_has_no_time_for_what_came_before)
{
	static const char batch[] = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n";
	char *body = calloc(1, 900000);
	struct rawhttp http;

	ck_assert_ptr_nonnull(body);
	start_impatient(); /* 900,000 bytes on their own would have 219 s */
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, batch) && rawhttp_send(&http, body, 899999));
	ck_assert_uint_eq(read_status(&http), 408);
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_close(&http);
	free(body);
}
END_TEST

START_TEST(an_idle_connection_is_closed_in_silence)
{
	struct rawhttp http;

	start_impatient();
	http = rawhttp_connect(fake.port);
	ck_assert_uint_eq(ask(&http, get_health), 200);
	ck_assert(rawhttp_is_closed(&http));
	ck_assert_uint_eq(rawhttp_left(&http), 0);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_commit_may_take_longer_than_any_deadline)
{
	struct rawhttp http;
	struct rawhttp other;

	start_impatient();
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, set_k));
	fake_store_wait_held(fake.store, 1);
	other = rawhttp_connect(fake.port); /* its end by the idle deadline is our clock */
	ck_assert_uint_eq(ask(&other, get_health), 200);
	ck_assert(rawhttp_is_closed(&other));
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&other);
	rawhttp_close(&http);
}
END_TEST

START_TEST(reads_go_on_while_commits_wait)
{
	struct rawhttp writers[8];

	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	for (int i = 0; i < 8; i++) {
		writers[i] = rawhttp_connect(fake.port);
		ck_assert(rawhttp_send_text(&writers[i], set_k));
	}
	fake_store_wait_held(fake.store, 8);
	ck_assert_uint_eq(fake_server_call("GET", "/get?key=k", NULL, NULL)->status, 404);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	for (int i = 0; i < 8; i++) {
		ck_assert_uint_eq(read_status(&writers[i]), 200);
		rawhttp_close(&writers[i]);
	}
}
END_TEST

/* ---- addresses ---- */

START_TEST(unix_sockets_are_served_and_removed)
{
	char *dir = runner_new_dir();
	const char *listen[2];
	struct rawhttp http;
	struct stat st;
	char path[256];

	snprintf(path, sizeof path, "%s/kv.sock", dir);
	listen[0] = path;
	listen[1] = "127.0.0.1";
	fake_server_prepare();
	fake.options.listen = listen;
	fake.options.listen_count = 2;
	fake_server_start();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	http = rawhttp_connect_unix(path);
	ck_assert_uint_eq(ask(&http, "POST /set?key=k&value=v HTTP/1.1\r\nHost: any.name\r\n\r\n"), 200);
	rawhttp_close(&http);
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/get?key=k", NULL, NULL)), "v");
	fake.server = server_stop(fake.server);
	ck_assert_int_eq(stat(path, &st), -1);
	runner_remove_dir(dir);
}
END_TEST

START_TEST(a_dead_socket_is_replaced_and_a_live_one_is_not)
{
	char *dir = runner_new_dir();
	const char *listen[1];
	struct server *second;
	struct kv_error err;
	struct rawhttp http;
	char path[256];

	snprintf(path, sizeof path, "%s/kv.sock", dir);
	listen[0] = path;
	fake_server_prepare();
	fake.options.listen = listen;
	fake_server_start();
	ck_assert_uint_eq(fake.port, 0);
	ck_assert_int_eq(server_bind(&fake.options, &second, &err), KV_BUSY);
	ck_assert_int_eq(err.errnum, EADDRINUSE);
	http = rawhttp_connect_unix(path);
	ck_assert_uint_eq(ask(&http, get_health), 200);
	rawhttp_close(&http);
	fake.server = server_stop(fake.server);
	ck_assert_int_eq(close(rawhttp_connect_unix((fake_server_start(), path)).fd), 0);
	{ /* the file of a server that was killed */
		char kept[300];

		snprintf(kept, sizeof kept, "%s.kept", path);
		ck_assert_int_eq(link(path, kept), 0);
		fake.server = server_stop(fake.server);
		ck_assert_int_eq(rename(kept, path), 0);
	}
	fake_server_start();
	http = rawhttp_connect_unix(path);
	ck_assert_uint_eq(ask(&http, get_health), 200);
	rawhttp_close(&http);
	fake.server = server_stop(fake.server);
	runner_remove_dir(dir);
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
	char *dir = runner_new_dir();
	const char *listen[1] = { dir };
	struct server *server;
	struct kv_error err;
	struct stat st;

	fake_server_prepare();
	fake.options.listen = listen;
	ck_assert_int_eq(server_bind(&fake.options, &server, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EPERM);
	ck_assert_int_eq(stat(dir, &st), 0);
	runner_remove_dir(dir);
}
END_TEST

START_TEST(addresses_that_are_none_or_taken_are_told)
{
	static const char *const bad[] = { "localhorst", "127.0.0.256", "relative/path", "" };
	struct server *server;
	struct kv_error err;

	fake_server_setup();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct server_options options = fake.options;

		options.listen = &bad[i];
		ck_assert_msg(server_bind(&options, &server, &err) == KV_INVALID, "%s", bad[i]);
	}
	fake.options.port = fake.port;
	ck_assert_int_eq(server_bind(&fake.options, &server, &err), KV_BUSY);
	ck_assert_int_eq(err.errnum, EADDRINUSE);
}
END_TEST

/* At a boot the network is often there later than the server. This address is one of documents, which no machine has. */
START_TEST(an_address_that_has_not_come_yet_is_listened_on)
{
	static const char *const listen[] = { "127.0.0.1", "192.0.2.1" };

	fake_server_prepare();
	fake.options.listen = listen;
	fake.options.listen_count = 2;
	fake_server_start();
	ck_assert_uint_eq(fake_server_call("GET", "/healthz", NULL, NULL)->status, 200);
}
END_TEST

START_TEST(localhost_and_a_single_thread_serve)
{
	static const char *const listen[] = { "localhost" };

	fake_server_prepare();
	fake.options.listen = listen;
	fake.options.threads = 1;
	fake_server_start();
	ck_assert_uint_eq(fake_server_call("GET", "/healthz", NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_server_call("POST", "/set?key=k&value=v", NULL, NULL)->status, 200);
}
END_TEST

/* ---- the end ---- */

START_TEST(draining_waits_for_requests_in_work_and_refuses_new_ones)
{
	struct rawhttp waiting = rawhttp_connect(fake.port);
	struct rawhttp idle = rawhttp_connect(fake.port);
	unsigned left;

	ck_assert_uint_eq(ask(&idle, get_health), 200);
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	ck_assert(rawhttp_send_text(&waiting, set_k));
	fake_store_wait_held(fake.store, 1);
	/* the idle one may count: the client has its answer before the server knows */
	ck_assert_uint_le(server_drain(fake.server, 50, &left) - 1, 1);
	ck_assert_uint_eq(left, 1);
	ck_assert_uint_eq(ask(&idle, get_health), 503);
	ck_assert(rawhttp_is_closed(&idle));
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	server_drain(fake.server, 5000, &left);
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_eq(read_status(&waiting), 200);
	rawhttp_close(&waiting);
	rawhttp_close(&idle);
}
END_TEST

struct stop {
	pthread_mutex_t mu;
	pthread_cond_t asked;
	int count;
};

static void request_stop(void *arg)
{
	struct stop *stop = arg;

	pthread_mutex_lock(&stop->mu);
	stop->count++;
	pthread_cond_signal(&stop->asked);
	pthread_mutex_unlock(&stop->mu);
}

static struct stop stop = { .mu = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER };

static void start_stoppable(void)
{
	fake_server_prepare();
	fake.options.request_stop = request_stop;
	fake.options.request_stop_arg = &stop;
	fake_server_start();
}

static void wait_for_stop(void)
{
	pthread_mutex_lock(&stop.mu);
	while (stop.count == 0)
		pthread_cond_wait(&stop.asked, &stop.mu);
	pthread_mutex_unlock(&stop.mu);
}

START_TEST(shutdown_is_answered_at_the_end_to_all_who_asked)
{
	struct rawhttp first, second, third;
	struct rawhttp_reply reply;
	unsigned left;

	start_stoppable();
	first = rawhttp_connect(fake.port);
	second = rawhttp_connect(fake.port);
	third = rawhttp_connect(fake.port);
	ck_assert_uint_eq(ask(&third, get_health), 200);
	ck_assert_uint_eq(ask(&second, get_health), 200);
	ck_assert(rawhttp_send_text(&first, get_shutdown));
	wait_for_stop();
	server_drain(fake.server, 5000, &left);
	ck_assert_uint_eq(left, 0);
	ck_assert(rawhttp_send_text(&second, get_shutdown));
	server_answer_shutdown(fake.server, "requests drained: 0\nkvstored stopped\n");
	rawhttp_read(&first, false, &reply, NULL);
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_str_eq(fake_server_text(&reply), "requests drained: 0\nkvstored stopped\n");
	rawhttp_reply_free(&reply);
	ck_assert_uint_eq(read_status(&second), 200);
	ck_assert_uint_eq(ask(&third, get_shutdown), 200); /* later than the answer */
	ck_assert_int_eq(stop.count, 1);
	fake.server = server_stop(fake.server);
	ck_assert(rawhttp_is_closed(&first));
	rawhttp_close(&first);
	rawhttp_close(&second);
	rawhttp_close(&third);
}
END_TEST

START_TEST(browsers_and_wrong_requests_do_not_stop_it)
{
	static const char *const headers[] = { "User-Agent: Mozilla/5.0\r\n", "Cookie: a=b\r\n",
		"Referer: http://localhost/\r\n", "Sec-Fetch-Mode: navigate\r\n", "Sec-Fetch-Site: none\r\n",
		"Origin: http://localhost\r\n" };

	start_stoppable();
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		ck_assert_uint_eq(fake_server_call("POST", "/shutdown", headers[i], NULL)->status, 403);
	ck_assert_uint_eq(fake_server_call("PUT", "/shutdown", NULL, "")->status, 405);
	ck_assert_uint_eq(fake_server_call("GET", "/shutdown?now=1", NULL, NULL)->status, 400);
	ck_assert_int_eq(stop.count, 0);
}
END_TEST

START_TEST(shutdown_can_be_switched_off)
{
	fake_server_prepare();
	fake.options.shutdown = SERVER_SHUTDOWN_OFF;
	fake.options.request_stop = request_stop;
	fake.options.request_stop_arg = &stop;
	fake_server_start();
	ck_assert_uint_eq(fake_server_call("GET", "/shutdown", NULL, NULL)->status, 403);
	ck_assert_int_eq(stop.count, 0);
}
END_TEST

START_TEST(stopping_answers_those_who_wait)
{
	struct rawhttp http;

	start_stoppable();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, get_shutdown));
	wait_for_stop();
	fake.server = server_stop(fake.server);
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_client_that_leaves_during_its_commit_does_no_harm)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	ck_assert(rawhttp_send_text(&http, set_k));
	fake_store_wait_held(fake.store, 1);
	rawhttp_close(&http);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert_uint_eq(fake_server_call("POST", "/set?key=l&value=v", NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_store_changes(fake.store), 2);
}
END_TEST

/* A reset, which the server notices although it has nothing to send. */
START_TEST(a_connection_lost_during_its_commit_leaves_the_commit_alone)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	const struct rawhttp_reply *reply;
	struct rawhttp http = rawhttp_connect(fake.port);

	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	ck_assert(rawhttp_send_text(&http, set_k));
	fake_store_wait_held(fake.store, 1);
	ck_assert_int_eq(setsockopt(http.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
	rawhttp_close(&http);
	do
		reply = fake_server_call("GET", "/v1/stats", NULL, NULL);
	while (!strstr(fake_server_text(reply), "\"connections\":1,"));
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert_uint_eq(fake_server_call("POST", "/set?key=l&value=v", NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_store_changes(fake.store), 2);
}
END_TEST

START_TEST(large_transfers_go_on_while_commits_wait)
{
	enum { SIZE = 1 << 20 };
	struct rawhttp waiting, upload;
	struct buf request = { 0 };

	fake_server_prepare();
	fake.options.threads = 1;
	fake_server_start();
	ck_assert_int_eq(buf_printf(&request, "PUT /v1/kv/large HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
		SIZE), KV_OK);
	ck_assert_int_eq(buf_append_zeros(&request, SIZE), KV_OK);
	ck_assert_uint_eq(fake_server_send(request.data, request.len)->status, 201);
	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	waiting = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&waiting, set_k));
	fake_store_wait_held(fake.store, 1);
	upload = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send(&upload, request.data, request.len));
	fake_store_wait_held(fake.store, 2);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/large", NULL, NULL)->body.len, SIZE);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert_uint_eq(read_status(&waiting), 200);
	ck_assert_uint_eq(read_status(&upload), 204);
	rawhttp_close(&waiting);
	rawhttp_close(&upload);
	buf_free(&request);
}
END_TEST

START_TEST(a_client_may_leave_while_it_waits_for_the_end)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct rawhttp http;
	unsigned left;

	start_stoppable();
	http = rawhttp_connect(fake.port);
	ck_assert(rawhttp_send_text(&http, get_shutdown));
	wait_for_stop();
	ck_assert_int_eq(setsockopt(http.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
	rawhttp_close(&http);
	ck_assert_uint_eq(server_drain(fake.server, 5000, &left), 0);
	server_answer_shutdown(fake.server, "kvstored stopped\n");
	fake.server = server_stop(fake.server);
}
END_TEST

START_TEST(a_half_closed_connection_gets_the_answer_to_its_write)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	fake_store_set_commits(fake.store, FAKE_STORE_HELD);
	ck_assert(rawhttp_send_text(&http, set_k));
	rawhttp_end_sending(&http);
	fake_store_wait_held(fake.store, 1);
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
	ck_assert_uint_eq(read_status(&http), 200);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_server_that_was_only_bound_can_be_stopped)
{
	struct kv_error err;

	fake_server_prepare();
	ck_assert_int_eq(server_bind(&fake.options, &fake.server, &err), KV_OK);
	ck_assert_uint_ne(server_port(fake.server), 0);
	fake.server = server_stop(fake.server);
	ck_assert_ptr_null(server_stop(NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server");
	TCase *served = tcase_create("served");
	TCase *own = tcase_create("own options");

	tcase_add_checked_fixture(served, fake_server_setup, fake_server_teardown);
	tcase_add_test(served, health_and_readiness_follow_the_state);
	tcase_add_test(served, stats_are_json);
	tcase_add_test(served, metrics_count_what_was_answered);
	tcase_add_test(served, a_connection_is_kept_and_pipelines);
	tcase_add_test(served, a_connection_is_answered_with_each_value_as_it_is);
	tcase_add_test(served, a_connection_that_epoll_does_not_take_counts_down_once);
	tcase_add_test(served, reads_go_on_while_commits_wait);
	tcase_add_test(served, draining_waits_for_requests_in_work_and_refuses_new_ones);
	tcase_add_test(served, a_client_that_leaves_during_its_commit_does_no_harm);
	tcase_add_test(served, a_connection_lost_during_its_commit_leaves_the_commit_alone);
	tcase_add_test(served, a_half_closed_connection_gets_the_answer_to_its_write);
	suite_add_tcase(suite, served);
	tcase_add_checked_fixture(own, NULL, fake_server_teardown);
	tcase_set_timeout(own, 20);
	tcase_add_test(own, connections_above_the_limit_are_told);
	tcase_add_loop_test(own, max_header_size_decides_how_long_a_header_may_be, 0, 3);
	tcase_add_test(own, an_accept_that_cannot_be_helped_is_not_tried_all_the_time);
	tcase_add_test(own, bodies_above_the_memory_limit_are_told);
	tcase_add_test(own, answers_above_the_memory_limit_are_told);
	tcase_add_test(own, who_is_refused_can_send_all_and_read_the_answer);
	tcase_add_test(own, a_trickling_header_gets_408);
	tcase_add_test(own, a_trickling_body_gets_408_and_stores_nothing);
	tcase_add_test(own, a_large_answer_gives_the_next_body_no_more_time);
	tcase_add_test(own, a_body_that_stalls_has_no_time_for_what_came_before);
	tcase_add_test(own, an_idle_connection_is_closed_in_silence);
	tcase_add_test(own, a_commit_may_take_longer_than_any_deadline);
	tcase_add_test(own, unix_sockets_are_served_and_removed);
	tcase_add_test(own, a_dead_socket_is_replaced_and_a_live_one_is_not);
	tcase_add_test(own, what_is_no_socket_is_left_alone);
	tcase_add_test(own, addresses_that_are_none_or_taken_are_told);
	tcase_add_test(own, an_address_that_has_not_come_yet_is_listened_on);
	tcase_add_test(own, localhost_and_a_single_thread_serve);
	tcase_add_test(own, shutdown_is_answered_at_the_end_to_all_who_asked);
	tcase_add_test(own, browsers_and_wrong_requests_do_not_stop_it);
	tcase_add_test(own, large_transfers_go_on_while_commits_wait);
	tcase_add_test(own, a_client_may_leave_while_it_waits_for_the_end);
	tcase_add_test(own, shutdown_can_be_switched_off);
	tcase_add_test(own, stopping_answers_those_who_wait);
	tcase_add_test(own, a_server_that_was_only_bound_can_be_stopped);
	suite_add_tcase(suite, own);
	return runner_run(suite);
}
