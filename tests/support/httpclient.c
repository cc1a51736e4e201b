/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each connection has one buffer of bytes to send, one of bytes received, and a queue of the requests that wait for their
 * answer, in order. A request remembers where it ends in the stream of all bytes of its connection; that tells a
 * request that was cut from one whose answer was lost.
 *
 * A failure is only noted where it is seen (it may be inside of a callback) and handled by the next poll: callbacks are
 * called from nowhere else.
 */
#define _GNU_SOURCE
#include "support/httpclient.h"

#include "base/clock.h"
#include "support/die.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EVENTS_MAX = 64,
	READ_BYTES = 256 * 1024,
};

struct pending {
	httpclient_done done;
	void *arg;
	uint64_t end;         /* position behind its last byte in the connection's stream */
	uint64_t sent_at_us;  /* when it was queued */
	bool is_head;
};

struct connection {
	int fd;               /* -1: none */
	bool connecting;
	bool wants_write;     /* EPOLLOUT is asked for */
	bool failed;          /* to be handled by the next poll */
	enum httpclient_outcome why; /* LOST, TIMEOUT or MALFORMED, when failed */

	struct buf out;
	size_t out_sent;      /* bytes of `out` that are sent */
	uint64_t stream_sent; /* bytes sent on this connection since it was opened */
	uint64_t stream_queued;

	struct buf in;
	size_t in_used;       /* bytes of `in` that are done with */

	struct pending *pending; /* a ring */
	unsigned pending_first, pending_count, pending_capacity;
};

struct httpclient {
	struct sockaddr_in address;
	int epoll_fd;
	uint64_t timeout_us;
	unsigned connection_count;
	struct connection *connections;
	unsigned open_requests;

	struct httpclient_reply call_reply; /* of httpclient_call() */
	struct buf call_head, call_body;
	bool call_done;
};

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		die("out of memory");
	return memory;
}

const char *httpclient_outcome_name(enum httpclient_outcome outcome)
{
	static const char *const names[] = {
		[HTTPCLIENT_ANSWERED] = "answered",
		[HTTPCLIENT_REFUSED] = "not sent (no connection)",
		[HTTPCLIENT_CUT] = "not sent whole",
		[HTTPCLIENT_LOST] = "sent, connection lost",
		[HTTPCLIENT_TIMEOUT] = "no answer in time",
		[HTTPCLIENT_MALFORMED] = "malformed answer",
	};

	return names[outcome];
}

struct httpclient *httpclient_new(uint16_t port, unsigned connections, unsigned timeout_ms)
{
	struct httpclient *client = allocate(1, sizeof(*client));
	unsigned i;

	client->address.sin_family = AF_INET;
	client->address.sin_port = htons(port);
	client->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->timeout_us = (uint64_t)timeout_ms * 1000;
	client->connection_count = connections;
	client->connections = allocate(connections, sizeof(*client->connections));
	for (i = 0; i < connections; i++)
		client->connections[i].fd = -1;
	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll_fd < 0)
		die_errno("epoll_create1");
	return client;
}

struct httpclient *httpclient_free(struct httpclient *client)
{
	unsigned i;

	if (!client)
		return NULL;
	for (i = 0; i < client->connection_count; i++) {
		struct connection *c = &client->connections[i];

		if (c->fd >= 0)
			close(c->fd);
		buf_free(&c->out);
		buf_free(&c->in);
		free(c->pending);
	}
	close(client->epoll_fd);
	buf_free(&client->call_head);
	buf_free(&client->call_body);
	free(client->connections);
	free(client);
	return NULL;
}

/* ---- sending ---- */

static void fail(struct connection *c, enum httpclient_outcome why)
{
	if (c->failed)
		return;
	c->failed = true;
	c->why = why;
}

static void watch(struct httpclient *client, struct connection *c, int operation, bool write)
{
	struct epoll_event event = { .events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c };

	c->wants_write = write;
	if (epoll_ctl(client->epoll_fd, operation, c->fd, &event) != 0)
		die_errno("epoll_ctl");
}

static void open_connection(struct httpclient *client, struct connection *c)
{
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		die_errno("socket");
	c->stream_sent = 0;
	c->stream_queued = 0;
	c->connecting = true;
	watch(client, c, EPOLL_CTL_ADD, true);
	if (connect(c->fd, (struct sockaddr *)&client->address, sizeof(client->address)) != 0 &&
		errno != EINPROGRESS)
		fail(c, HTTPCLIENT_LOST);
}

static void write_out(struct httpclient *client, struct connection *c)
{
	while (!c->connecting && !c->failed && c->out_sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->out_sent, c->out.len - c->out_sent, MSG_NOSIGNAL);

		if (n > 0) {
			c->out_sent += (size_t)n;
			c->stream_sent += (uint64_t)n;
		} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			break;
		} else {
			/* what has been answered before the end may still be read: the reader notices the end */
			c->out_sent = c->out.len;
		}
	}
	if (c->failed || c->connecting)
		return;
	if (c->out_sent == c->out.len) {
		buf_clear(&c->out);
		c->out_sent = 0;
	}
	if (c->wants_write != (c->out.len > 0))
		watch(client, c, EPOLL_CTL_MOD, c->out.len > 0);
}

static struct pending *push_pending(struct connection *c)
{
	if (c->pending_count == c->pending_capacity) {
		unsigned capacity = c->pending_capacity == 0 ? 4 : c->pending_capacity * 2;
		struct pending *ring = allocate(capacity, sizeof(*ring));
		unsigned i;

		for (i = 0; i < c->pending_count; i++)
			ring[i] = c->pending[(c->pending_first + i) % c->pending_capacity];
		free(c->pending);
		c->pending = ring;
		c->pending_first = 0;
		c->pending_capacity = capacity;
	}
	return &c->pending[(c->pending_first + c->pending_count++) % c->pending_capacity];
}

static struct pending pop_pending(struct httpclient *client, struct connection *c)
{
	struct pending first = c->pending[c->pending_first];

	c->pending_first = (c->pending_first + 1) % c->pending_capacity;
	c->pending_count--;
	client->open_requests--;
	return first;
}

static void append_request(struct buf *out, const struct httpclient_request *request, uint16_t port)
{
	must(buf_printf(out, "%s ", request->method));
	must(buf_append_slice(out, request->target));
	must(buf_printf(out, " HTTP/1.1\r\nHost: localhost:%u\r\n", port));
	if (request->headers)
		must(buf_append_slice(out, slice_of_string(request->headers)));
	if (request->has_body)
		must(buf_printf(out, "Content-Length: %zu\r\n", request->body.len));
	must(buf_append(out, "\r\n", 2));
	if (request->has_body)
		must(buf_append_slice(out, request->body));
}

void httpclient_send(struct httpclient *client, unsigned connection,
	const struct httpclient_request *request, httpclient_done done, void *arg)
{
	struct connection *c = &client->connections[connection];
	size_t before = c->out.len;
	struct pending *pending;

	if (c->fd < 0)
		open_connection(client, c);
	append_request(&c->out, request, ntohs(client->address.sin_port));
	c->stream_queued += c->out.len - before;
	pending = push_pending(c);
	*pending = (struct pending){
		.done = done,
		.arg = arg,
		.end = c->stream_queued,
		.sent_at_us = clock_monotonic_us(),
		.is_head = strcmp(request->method, "HEAD") == 0,
	};
	client->open_requests++;
	write_out(client, c);
}

/* ---- receiving ---- */

struct slice httpclient_header(const struct httpclient_reply *reply, const char *name)
{
	const char *at = (const char *)reply->head.data;
	const char *end = at + reply->head.len;
	size_t len = strlen(name);

	while (at < end) {
		const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);

		if (!eol)
			break;
		if ((size_t)(eol - at) > len && at[len] == ':' && strncasecmp(at, name, len) == 0) {
			at += len + 1;
			while (at < eol && (*at == ' ' || *at == '\t'))
				at++;
			return slice_of(at, (size_t)(eol - at));
		}
		at = eol + 2;
	}
	return slice_of(NULL, 0);
}

static bool header_is(const struct httpclient_reply *reply, const char *name, const char *value)
{
	struct slice found = httpclient_header(reply, name);

	return found.len == strlen(value) &&
		strncasecmp((const char *)found.data, value, found.len) == 0;
}

/* 0..n: the length of the body; -1: none was given or it is not a number. */
static int64_t body_length(const struct httpclient_reply *reply, bool is_head)
{
	struct slice found = httpclient_header(reply, "Content-Length");
	int64_t length = 0;
	size_t i;

	if (is_head || reply->status == 204 || reply->status == 304)
		return 0;
	if (found.len == 0 || found.len > 18)
		return -1;
	for (i = 0; i < found.len; i++) {
		if (found.data[i] < '0' || found.data[i] > '9')
			return -1;
		length = length * 10 + (found.data[i] - '0');
	}
	return length;
}

enum parse { PARSE_MORE, PARSE_REPLY, PARSE_BAD };

/* One whole answer from the start of `in`. */
static enum parse parse_reply(struct slice in, bool is_head, struct httpclient_reply *ret,
	size_t *ret_used)
{
	struct httpclient_reply reply = { .outcome = HTTPCLIENT_ANSWERED };
	const uint8_t *end = in.len == 0 ? NULL : memmem(in.data, in.len, "\r\n\r\n", 4);
	int64_t length;
	size_t head;

	if (!end)
		return PARSE_MORE;
	head = (size_t)(end - in.data) + 4;
	if (head < 17 || memcmp(in.data, "HTTP/1.1 ", 9) != 0)
		return PARSE_BAD;
	reply.head = slice_of(in.data, head - 2);
	reply.status = (unsigned)(in.data[9] - '0') * 100 + (unsigned)(in.data[10] - '0') * 10 +
		(unsigned)(in.data[11] - '0');
	length = body_length(&reply, is_head);
	if (reply.status < 200 || reply.status > 599 || length < 0)
		return PARSE_BAD;
	if ((uint64_t)length > in.len - head)
		return PARSE_MORE;
	reply.body = slice_of(in.data + head, (size_t)length);
	*ret = reply;
	*ret_used = head + (size_t)length;
	return PARSE_REPLY;
}

/* Hands out every whole answer that is there. */
static void deliver(struct httpclient *client, struct connection *c)
{
	while (c->pending_count > 0 && c->in_used < c->in.len) {
		struct slice in = slice_of(c->in.data + c->in_used, c->in.len - c->in_used);
		struct httpclient_reply reply;
		struct pending first;
		size_t used;
		enum parse parse = parse_reply(in, c->pending[c->pending_first].is_head, &reply, &used);

		if (parse == PARSE_BAD)
			fail(c, HTTPCLIENT_MALFORMED);
		if (parse != PARSE_REPLY)
			break;
		first = pop_pending(client, c);
		reply.elapsed_us = clock_monotonic_us() - first.sent_at_us;
		if (header_is(&reply, "Connection", "close"))
			fail(c, HTTPCLIENT_LOST);
		c->in_used += used;
		first.done(first.arg, &reply);
	}
	if (c->in_used == c->in.len) {
		buf_clear(&c->in);
		c->in_used = 0;
	}
}

static void read_in(struct httpclient *client, struct connection *c)
{
	bool ended = false;

	while (!ended && !c->failed) {
		ssize_t n;

		must(buf_reserve(&c->in, READ_BYTES));
		n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		ended = n <= 0;
		if (n > 0)
			c->in.len += (size_t)n;
		if (n > 0 && n < READ_BYTES)
			break;
	}
	deliver(client, c);
	if (ended)
		fail(c, HTTPCLIENT_LOST);
}

/* Closes, and calls back for everything that waited. */
static void finish_failed(struct httpclient *client, struct connection *c)
{
	bool connected = c->stream_sent > 0 || !c->connecting;
	uint64_t sent = c->stream_sent;
	unsigned count = c->pending_count;

	close(c->fd);
	c->fd = -1;
	c->failed = false;
	c->connecting = false;
	buf_clear(&c->out);
	c->out_sent = 0;
	buf_clear(&c->in);
	c->in_used = 0;
	for (; count > 0; count--) { /* and not those that the callbacks send */
		struct pending first = pop_pending(client, c);
		struct httpclient_reply reply = { .outcome = c->why };

		if (!connected)
			reply.outcome = HTTPCLIENT_REFUSED;
		else if (first.end > sent)
			reply.outcome = HTTPCLIENT_CUT;
		reply.elapsed_us = clock_monotonic_us() - first.sent_at_us;
		first.done(first.arg, &reply);
	}
}

static void handle_event(struct httpclient *client, struct connection *c, uint32_t events)
{
	if (c->fd < 0 || c->failed)
		return;
	if (c->connecting) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			fail(c, HTTPCLIENT_LOST);
			return;
		}
		c->connecting = false;
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		read_in(client, c);
	write_out(client, c);
}

/* Failed connections and requests that are over their time. True when there was one. */
static bool handle_failures(struct httpclient *client)
{
	uint64_t now = clock_monotonic_us();
	bool any = false;
	unsigned i;

	for (i = 0; i < client->connection_count; i++) {
		struct connection *c = &client->connections[i];

		if (c->fd >= 0 && c->pending_count > 0 &&
			now - c->pending[c->pending_first].sent_at_us > client->timeout_us &&
			now > c->pending[c->pending_first].sent_at_us)
			fail(c, HTTPCLIENT_TIMEOUT);
		if (!c->failed)
			continue;
		finish_failed(client, c);
		any = true;
	}
	return any;
}

void httpclient_poll(struct httpclient *client, int wait_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int count, i;

	if (handle_failures(client))
		wait_ms = 0;
	/* the clock of the timeouts goes on even when nothing happens */
	if (client->open_requests > 0 && (wait_ms < 0 || wait_ms > 100))
		wait_ms = 100;
	count = epoll_wait(client->epoll_fd, events, EVENTS_MAX, wait_ms);
	if (count < 0 && errno != EINTR)
		die_errno("epoll_wait");
	for (i = 0; i < count; i++)
		handle_event(client, events[i].data.ptr, events[i].events);
	handle_failures(client);
}

void httpclient_abandon(struct httpclient *client)
{
	for (unsigned i = 0; i < client->connection_count; i++)
		if (client->connections[i].fd >= 0)
			fail(&client->connections[i], HTTPCLIENT_LOST);
	handle_failures(client);
}

unsigned httpclient_open_requests(const struct httpclient *client)
{
	return client->open_requests;
}

unsigned httpclient_open_on(const struct httpclient *client, unsigned connection)
{
	return client->connections[connection].pending_count;
}

/* ---- one request at a time ---- */

static void call_done(void *arg, const struct httpclient_reply *reply)
{
	struct httpclient *client = arg;

	client->call_done = true;
	must(buf_set(&client->call_head, reply->head));
	must(buf_set(&client->call_body, reply->body));
	client->call_reply = *reply;
	client->call_reply.head = buf_slice(&client->call_head);
	client->call_reply.body = buf_slice(&client->call_body);
}

const struct httpclient_reply *httpclient_call(struct httpclient *client,
	const struct httpclient_request *request)
{
	client->call_done = false;
	httpclient_send(client, 0, request, call_done, client);
	while (!client->call_done)
		httpclient_poll(client, -1);
	return &client->call_reply;
}

const struct httpclient_reply *httpclient_simple(struct httpclient *client, const char *method,
	const char *target, const char *body)
{
	struct httpclient_request request = {
		.method = method,
		.target = slice_of_string(target),
		.has_body = body != NULL,
		.body = slice_of_string(body ? body : ""),
	};

	return httpclient_call(client, &request);
}

void httpclient_encode(struct buf *out, struct slice bytes)
{
	size_t i;

	for (i = 0; i < bytes.len; i++) {
		uint8_t b = bytes.data[i];

		if ((b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
			(b != 0 && strchr("-._~/", b)))
			must(buf_append_byte(out, b));
		else
			must(buf_printf(out, "%%%02X", b));
	}
}
