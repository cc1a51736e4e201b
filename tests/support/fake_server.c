/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/fake_server.h"
#include "support/runner.h"

#include <stdio.h>

struct fake_server fake;

void fake_server_prepare(void)
{
	static const char *const listen[] = { "127.0.0.1" };

	fake.store = fake_store_new();
	server_options_init(&fake.options);
	fake.options.listen = listen;
	fake.options.port = 0;
	fake.options.threads = 2;
	fake.options.max_value_bytes = 1 << 20;
	fake_store_set_commits(fake.store, FAKE_STORE_THREAD);
}

void fake_server_start(void)
{
	struct kv_error err;
	char line[512];

	if (server_bind(&fake.options, &fake.server, &err) != KV_OK ||
		server_start(fake.server, fake.store, &err) != KV_OK)
		ck_abort_msg("%s", kv_error_format(&err, line, sizeof line));
	fake.port = server_port(fake.server);
}

void fake_server_setup(void)
{
	fake_server_prepare();
	fake_server_start();
}

void fake_server_teardown(void)
{
	fake.server = server_stop(fake.server);
	if (fake.store)
		fake.store = fake_store_free(fake.store);
}

const struct rawhttp_reply *fake_server_send(const void *data, size_t len)
{
	static struct rawhttp_reply reply;
	struct rawhttp http = rawhttp_connect(fake.port);
	size_t head_len = len < 5 ? len : 5;

	(void)rawhttp_send(&http, data, len);
	rawhttp_reply_free(&reply);
	rawhttp_read(&http, memcmp(data, "HEAD ", head_len) == 0, &reply, NULL);
	rawhttp_close(&http);
	return &reply;
}

const struct rawhttp_reply *fake_server_call(const char *method, const char *target, const char *headers,
	const char *body)
{
	struct buf request = { 0 };
	const struct rawhttp_reply *reply;

	ck_assert_int_eq(buf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target,
		headers ? headers : ""), KV_OK);
	if (body)
		ck_assert_int_eq(buf_printf(&request, "Content-Length: %zu\r\n\r\n%s", strlen(body), body), KV_OK);
	else
		ck_assert_int_eq(buf_printf(&request, "\r\n"), KV_OK);
	reply = fake_server_send(request.data, request.len);
	buf_free(&request);
	return reply;
}

const char *fake_server_text(const struct rawhttp_reply *reply)
{
	static struct buf text;

	buf_clear(&text);
	ck_assert_int_eq(buf_append_slice(&text, buf_slice(&reply->body)), KV_OK);
	ck_assert_int_eq(buf_append_byte(&text, 0), KV_OK);
	return (const char *)text.data;
}
