/* SPDX-License-Identifier: BSD-2-Clause */
/* What the client says of requests that got no answer decides what the crash test takes for lost: a scripted server shows each case. */
#define _GNU_SOURCE
#include "support/httpclient.h"
#include "support/runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* What the server does on each connection, one after the other. */
struct script {
	size_t read_bytes;  /* reads so many (or to the end), then */
	const char *answer; /* sends this, and closes; NULL: waits for the client to close */
};

struct server {
	int fd;
	const struct script *scripts;
	size_t count;
	pthread_t thread;
};

struct seen {
	unsigned calls;
	struct httpclient_reply last;
	char body[16];
};

static struct server server;
static struct httpclient *client;

static void read_exactly(int fd, size_t bytes)
{
	char chunk[4096];
	ssize_t n = 1;

	while (bytes > 0 && n > 0) {
		n = read(fd, chunk, bytes < sizeof(chunk) ? bytes : sizeof(chunk));
		bytes -= n > 0 ? (size_t)n : 0;
	}
}

static void *serve(void *arg)
{
	const struct server *s = arg;

	for (size_t i = 0; i < s->count; i++) {
		int fd = accept(s->fd, NULL, NULL);

		read_exactly(fd, s->scripts[i].read_bytes);
		if (s->scripts[i].answer)
			(void)!write(fd, s->scripts[i].answer, strlen(s->scripts[i].answer));
		else
			read_exactly(fd, SIZE_MAX);
		close(fd);
	}
	return NULL;
}

static void start(const struct script *scripts, size_t count, unsigned timeout_ms)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = (struct server){ .scripts = scripts, .count = count };
	server.fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&address, &len), 0);
	if (count > 0) {
		ck_assert_int_eq(listen(server.fd, 8), 0);
		ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
	}
	client = httpclient_new(ntohs(address.sin_port), 1, timeout_ms);
}

static void stop(void)
{
	client = httpclient_free(client);
	if (server.count > 0)
		ck_assert_int_eq(pthread_join(server.thread, NULL), 0);
	close(server.fd);
}

static void on_done(void *arg, const struct httpclient_reply *reply)
{
	struct seen *seen = arg;

	seen->calls++;
	seen->last = *reply;
	ck_assert_uint_lt(reply->body.len, sizeof(seen->body));
	if (reply->body.len > 0)
		memcpy(seen->body, reply->body.data, reply->body.len);
}

static void send_get(struct seen *seen)
{
	struct httpclient_request request = { .method = "GET", .target = slice_of_string("/") };

	httpclient_send(client, 0, &request, on_done, seen);
}

static void wait_for_all(void)
{
	while (httpclient_open_requests(client) > 0)
		httpclient_poll(client, -1);
}

START_TEST(unreachable_server_refuses)
{
	struct seen seen = { 0 };

	start(NULL, 0, 1000);
	send_get(&seen);
	wait_for_all();
	ck_assert_uint_eq(seen.calls, 1);
	ck_assert_int_eq(seen.last.outcome, HTTPCLIENT_REFUSED);
	stop();
}
END_TEST

START_TEST(closed_without_answer_is_lost)
{
	static const struct script scripts[] = { { 10, "" } };
	struct seen seen = { 0 };

	start(scripts, 1, 1000);
	send_get(&seen);
	wait_for_all();
	ck_assert_int_eq(seen.last.outcome, HTTPCLIENT_LOST);
	stop();
}
END_TEST

START_TEST(half_an_answer_is_lost)
{
	static const struct script scripts[] = { { 10, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi" } };
	struct seen seen = { 0 };

	start(scripts, 1, 1000);
	send_get(&seen);
	wait_for_all();
	ck_assert_int_eq(seen.last.outcome, HTTPCLIENT_LOST);
	stop();
}
END_TEST

START_TEST(body_that_never_left_is_cut)
{
	static const struct script scripts[] = { { 10, "" } };
	struct httpclient_request request = { .method = "PUT", .target = slice_of_string("/"), .has_body = true };
	size_t size = 64 << 20; /* more than the sockets hold */
	uint8_t *body = calloc(1, size);
	struct seen seen = { 0 };

	ck_assert_ptr_nonnull(body);
	request.body = slice_of(body, size);
	start(scripts, 1, 10000);
	httpclient_send(client, 0, &request, on_done, &seen);
	wait_for_all();
	ck_assert_int_eq(seen.last.outcome, HTTPCLIENT_CUT);
	free(body);
	stop();
}
END_TEST

START_TEST(garbage_is_malformed)
{
	static const struct script scripts[] = {
		{ 10, "SSH-2.0-OpenSSH\r\n\r\n12345678" },
		{ 10, "HTTP/1.1 200 OK\r\n\r\nno length" },
		{ 10, "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nno number" },
	};
	struct seen seen = { 0 };

	start(scripts, 3, 1000);
	for (int i = 0; i < 3; i++) {
		send_get(&seen);
		wait_for_all();
		ck_assert_int_eq(seen.last.outcome, HTTPCLIENT_MALFORMED);
	}
	stop();
}
END_TEST

START_TEST(silence_is_a_timeout)
{
	static const struct script scripts[] = { { 10, NULL } };
	struct seen seen = { 0 };

	start(scripts, 1, 50);
	send_get(&seen);
	wait_for_all();
	ck_assert_int_eq(seen.last.outcome, HTTPCLIENT_TIMEOUT);
	ck_assert_uint_ge(seen.last.elapsed_us, 50000);
	stop();
}
END_TEST

START_TEST(pipelined_requests_are_told_apart)
{
	static const struct script scripts[] = { { 3 * 41, OK_ANSWER OK_ANSWER }, { 10, OK_ANSWER } };
	struct seen seen[4] = { 0 };

	start(scripts, 2, 1000);
	for (int i = 0; i < 3; i++)
		send_get(&seen[i]);
	wait_for_all();
	ck_assert_int_eq(seen[0].last.outcome, HTTPCLIENT_ANSWERED);
	ck_assert_int_eq(seen[1].last.outcome, HTTPCLIENT_ANSWERED);
	ck_assert_uint_eq(seen[1].last.status, 200);
	ck_assert_mem_eq(seen[1].body, "hi", 2);
	ck_assert_int_eq(seen[2].last.outcome, HTTPCLIENT_LOST);
	/* and the connection is opened again */
	send_get(&seen[3]);
	wait_for_all();
	ck_assert_int_eq(seen[3].last.outcome, HTTPCLIENT_ANSWERED);
	stop();
}
END_TEST

START_TEST(every_byte_is_encoded)
{
	struct buf out = { 0 };
	uint8_t bytes[] = { 'a', '/', 0, ' ', '+', '%', 0xff, '~' };

	httpclient_encode(&out, slice_of(bytes, sizeof(bytes)));
	ck_assert(slice_equal(buf_slice(&out), slice_of_string("a/%00%20%2B%25%FF~")));
	buf_free(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("httpclient");
	TCase *tcase = tcase_create("httpclient");

	tcase_add_test(tcase, unreachable_server_refuses);
	tcase_add_test(tcase, closed_without_answer_is_lost);
	tcase_add_test(tcase, half_an_answer_is_lost);
	tcase_add_test(tcase, body_that_never_left_is_cut);
	tcase_add_test(tcase, garbage_is_malformed);
	tcase_add_test(tcase, silence_is_a_timeout);
	tcase_add_test(tcase, pipelined_requests_are_told_apart);
	tcase_add_test(tcase, every_byte_is_encoded);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
