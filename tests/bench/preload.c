/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * preload PORT KEYS [VALUE-BYTES]: writes the keys of the benchmarks, k%015u for 0..KEYS-1, each with a value of letters,
 * through PUT /v1/kv: 64 connections, 16 requests under way on each, in an order that mixes the key space. Any answer but
 * 2xx ends it with 1.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/die.h"
#include "support/httpclient.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTIONS = 64,
	DEPTH = 16,
	TIMEOUT_MS = 60000,
	VALUE_BYTES_MAX = 1 << 20,
	/* prime: steps through any number of keys that is no multiple of it, meeting each once */
	STEP = 7368787,
};

struct preload {
	struct httpclient *client;
	uint64_t keys, sent, answered;
	struct slice value;
};

struct slot {
	struct preload *preload;
	unsigned connection;
};

static void send_next(struct slot *slot);

static void done(void *arg, const struct httpclient_reply *reply)
{
	struct slot *slot = arg;

	if (reply->outcome != HTTPCLIENT_ANSWERED || reply->status / 100 != 2)
		die("a write failed: %s, status %u: %.*s", httpclient_outcome_name(reply->outcome),
			reply->status, (int)reply->body.len, (const char *)reply->body.data);
	slot->preload->answered++;
	send_next(slot);
}

static void send_next(struct slot *slot)
{
	struct preload *p = slot->preload;
	struct httpclient_request request = { .method = "PUT", .has_body = true, .body = p->value };
	char target[40];

	if (p->sent == p->keys)
		return;
	snprintf(target, sizeof(target), "/v1/kv/k%015" PRIu64, p->sent++ * STEP % p->keys);
	request.target = slice_of_string(target);
	httpclient_send(p->client, slot->connection, &request, done, slot);
}

static char *make_value(size_t bytes)
{
	char *value = malloc(bytes + 1);
	size_t i;

	if (!value)
		die("out of memory");
	for (i = 0; i < bytes; i++)
		value[i] = (char)('a' + i * 7 % 26);
	value[bytes] = '\0';
	return value;
}

int main(int argc, char **argv)
{
	static struct slot slots[CONNECTIONS * DEPTH];
	struct preload p = { 0 };
	size_t value_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
	uint64_t start = clock_monotonic_us();
	char *value;
	unsigned i;

	if (argc < 3 || value_bytes > VALUE_BYTES_MAX)
		die("usage: preload PORT KEYS [VALUE-BYTES]");
	p.keys = strtoull(argv[2], NULL, 10);
	if (p.keys == 0 || p.keys % STEP == 0)
		die("a wrong number of keys");
	value = make_value(value_bytes);
	p.value = slice_of_string(value);
	p.client = httpclient_new((uint16_t)strtoul(argv[1], NULL, 10), CONNECTIONS, TIMEOUT_MS);
	for (i = 0; i < CONNECTIONS * DEPTH; i++) {
		slots[i] = (struct slot){ .preload = &p, .connection = i % CONNECTIONS };
		send_next(&slots[i]);
	}
	while (httpclient_open_requests(p.client) > 0)
		httpclient_poll(p.client, -1);
	printf("%" PRIu64 " keys of 16 bytes with values of %zu bytes: %.0f writes/s\n", p.answered,
		value_bytes, (double)p.answered * 1e6 / (double)(clock_monotonic_us() - start));
	httpclient_free(p.client);
	free(value);
	return EXIT_SUCCESS;
}
