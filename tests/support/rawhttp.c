/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/rawhttp.h"
#include "support/runner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 }; /* only bounds a hang */

static struct rawhttp connect_to(const struct sockaddr *address, socklen_t len)
{
	struct rawhttp http = { .fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	ck_assert_int_ge(http.fd, 0);
	ck_assert_msg(connect(http.fd, address, len) == 0, "connect: %s", strerror(errno));
	return http;
}

struct rawhttp rawhttp_connect(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect_to((struct sockaddr *)&address, sizeof address);
}

struct rawhttp rawhttp_connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	ck_assert_uint_lt(strlen(path), sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect_to((struct sockaddr *)&address, sizeof address);
}

void rawhttp_close(struct rawhttp *http)
{
	close(http->fd);
	http->fd = -1;
	buf_free(&http->input);
}

bool rawhttp_send(struct rawhttp *http, const void *data, size_t len)
{
	const char *pos = data;

	while (len > 0) {
		ssize_t n = send(http->fd, pos, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			pos += n;
			len -= (size_t)n;
		}
	}
	return true;
}

bool rawhttp_send_text(struct rawhttp *http, const char *text)
{
	return rawhttp_send(http, text, strlen(text));
}

void rawhttp_end_sending(struct rawhttp *http)
{
	shutdown(http->fd, SHUT_WR);
}

size_t rawhttp_left(const struct rawhttp *http)
{
	return http->input.len - http->taken;
}

enum received { RECEIVED, ENDED, NOTHING };

static enum received receive(struct rawhttp *http)
{
	struct pollfd poll_fd = { .fd = http->fd, .events = POLLIN };
	size_t left = rawhttp_left(http);
	char bytes[65536];
	ssize_t n;

	if (poll(&poll_fd, 1, PATIENCE_MS) <= 0)
		return NOTHING;
	n = recv(http->fd, bytes, sizeof bytes, 0);
	if (n <= 0)
		return ENDED;
	if (left > 0)
		memmove(http->input.data, http->input.data + http->taken, left);
	http->input.len = left;
	http->taken = 0;
	ck_assert_int_eq(buf_append(&http->input, bytes, (size_t)n), KV_OK);
	return RECEIVED;
}

static bool need(struct rawhttp *http, size_t len)
{
	while (rawhttp_left(http) < len)
		if (receive(http) != RECEIVED)
			return false;
	return true;
}

/* The next bytes, which are there; they are good until the next receive(). */
static const uint8_t *take(struct rawhttp *http, size_t len)
{
	http->taken += len;
	return http->input.data + http->taken - len;
}

/* The length of the next head with its empty line; 0: the connection ended. */
static size_t wait_head(struct rawhttp *http)
{
	for (;;) {
		const uint8_t *begin = rawhttp_left(http) == 0 ? NULL : http->input.data + http->taken;
		const uint8_t *end = !begin ? NULL : memmem(begin, rawhttp_left(http), "\r\n\r\n", 4);

		if (end)
			return (size_t)(end - begin) + 4;
		switch (receive(http)) {
		case RECEIVED:
			break;
		case ENDED:
			return 0;
		case NOTHING:
			ck_abort_msg("no answer");
		}
	}
}

const char *rawhttp_header(const struct rawhttp_reply *reply, const char *name)
{
	static char value[512];
	size_t len = strlen(name);

	for (const char *line = strstr(reply->head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			snprintf(value, sizeof value, "%.*s", (int)strcspn(line + len + 2, "\r"), line + len + 2);
			return value;
		}
	}
	return NULL;
}

void rawhttp_read_head(struct rawhttp *http, struct rawhttp_reply *ret, bool *ret_continued)
{
	size_t head_len;

	if (ret_continued)
		*ret_continued = false;
	*ret = (struct rawhttp_reply){ 0 };
	for (;;) {
		head_len = wait_head(http);
		if (head_len == 0)
			return;
		ck_assert_uint_lt(head_len, sizeof ret->head);
		memcpy(ret->head, take(http, head_len), head_len);
		ret->head[head_len] = '\0';
		ck_assert_msg(strncmp(ret->head, "HTTP/1.1 ", 9) == 0, "not HTTP: %s", ret->head);
		ret->status = (unsigned)atoi(ret->head + 9);
		if (ret->status >= 200)
			break;
		if (ret_continued)
			*ret_continued = true;
	}
}

/* The length of the next line with its end; 0: the connection ended. */
static size_t wait_line(struct rawhttp *http)
{
	for (;;) {
		const uint8_t *begin = rawhttp_left(http) == 0 ? NULL : http->input.data + http->taken;
		const uint8_t *end = !begin ? NULL : memmem(begin, rawhttp_left(http), "\r\n", 2);

		if (end)
			return (size_t)(end - begin) + 2;
		if (receive(http) != RECEIVED)
			return 0;
	}
}

bool rawhttp_read_chunk(struct rawhttp *http, struct buf *to, bool *ret_cut)
{
	size_t line_len = wait_line(http);
	size_t len;

	*ret_cut = line_len == 0;
	if (*ret_cut)
		return false;
	len = (size_t)strtoull((const char *)take(http, line_len), NULL, 16);
	*ret_cut = !need(http, len + 2);
	if (*ret_cut)
		return false;
	if (len > 0)
		ck_assert_int_eq(buf_append(to, take(http, len), len), KV_OK);
	ck_assert_int_eq(memcmp(take(http, 2), "\r\n", 2), 0);
	return len > 0;
}

void rawhttp_read(struct rawhttp *http, bool no_body, struct rawhttp_reply *ret, bool *ret_continued)
{
	const char *length;
	size_t len;

	rawhttp_read_head(http, ret, ret_continued);
	if (!no_body && rawhttp_header(ret, "Transfer-Encoding"))
		while (rawhttp_read_chunk(http, &ret->body, &ret->cut))
			continue;
	length = rawhttp_header(ret, "Content-Length");
	if (no_body || !length)
		return;
	ck_assert_msg(need(http, (size_t)atoll(length)), "the body is cut short: %s", ret->head);
	len = (size_t)atoll(length);
	ck_assert_int_eq(buf_append(&ret->body, take(http, len), len), KV_OK);
}

void rawhttp_reply_free(struct rawhttp_reply *reply)
{
	buf_free(&reply->body);
}

bool rawhttp_is_closed(struct rawhttp *http)
{
	enum received received;

	while ((received = receive(http)) == RECEIVED)
		continue;
	return received == ENDED;
}
