/* SPDX-License-Identifier: BSD-2-Clause */
/* A server over a fake store on a free port of 127.0.0.1, for tests of the HTTP layer; one a test. */
#ifndef KV_SUPPORT_FAKE_SERVER_H
#define KV_SUPPORT_FAKE_SERVER_H

#include "http/server.h"
#include "support/fake_store.h"
#include "support/rawhttp.h"

struct fake_server {
	struct store *store;
	struct server *server;
	struct server_options options; /* change it between _prepare and _start */
	uint16_t port;
};

extern struct fake_server fake;

/* Default options but for a free port, two threads, and max_value_bytes of 1 MiB. */
void fake_server_prepare(void);
void fake_server_start(void);
void fake_server_setup(void);    /* both; a checked fixture */
void fake_server_teardown(void); /* stops what is left */

/* One request on a connection of its own; the reply is good until the next call. */
const struct rawhttp_reply *fake_server_send(const void *data, size_t len);
/* "METHOD target HTTP/1.1", Host, `headers` (lines with CRLF, NULL: none), Content-Length when `body` is not NULL. */
const struct rawhttp_reply *fake_server_call(const char *method, const char *target, const char *headers,
	const char *body);

/* A body as a string, for comparisons. */
const char *fake_server_text(const struct rawhttp_reply *reply);

#endif
