/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every put writes another number, so that a value tells which put it is from, and an ETag, which
 * stands for a state of the key, can be taken for the number that was seen with it. Time is a
 * counter: it is the order of calls and answers that matters.
 *
 * A write that was answered 5xx, or not at all, may have happened until the daemon died.
 */
#define _GNU_SOURCE
#include "linear/traffic.h"

#include "base/clock.h"
#include "linear/lincheck.h"
#include "support/die.h"
#include "support/httpclient.h"
#include "support/runner.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REGISTERS = 3,
	COUNTERS = 2,
	PAIRS = 2,
	PARTS = REGISTERS + COUNTERS + PAIRS,
	MEMORY_MAX = 20000000,
	TIMEOUT_MS = 60000,
	ETAG_MAX = 64,
	STILL_OPEN = 0,
};

enum part_kind { REGISTER, COUNTER, PAIR };

/* Keys whose operations are one history. */
struct part {
	enum part_kind kind;
	unsigned number;
	struct lincheck_op *ops;
	size_t count, capacity, epoch; /* ops from `epoch` on are of the process that runs */
	uint64_t first[LINCHECK_KEYS];
	uint64_t seen[LINCHECK_KEYS]; /* with this ETag */
	char etag[LINCHECK_KEYS][ETAG_MAX];
};

/* What is under way on a connection. */
struct client {
	struct traffic *traffic;
	unsigned number;
	struct part *part;
	struct lincheck_op op;
	unsigned key; /* the one of a single-key operation */
	void (*answered)(struct client *client, const struct httpclient_reply *reply);
	bool is_write;
	bool open;
	bool drop; /* not a word about it */
};

struct traffic {
	struct httpclient *http;
	struct traffic_counts *counts;
	struct part parts[PARTS];
	struct client clients[TRAFFIC_CLIENTS];
	uint64_t random, now, next_value;
	bool running, end_expected;
	struct buf target, body;
};

static uint64_t roll(struct traffic *traffic, uint64_t sides)
{
	return runner_random(&traffic->random) % sides;
}

static void complain(struct client *client, const char *what, const struct httpclient_reply *reply)
{
	client->traffic->counts->failures++;
	printf("FAILED: %s (%s, status %u: %.*s)\n", what, httpclient_outcome_name(reply->outcome),
		reply->status, (int)(reply->body.len < 200 ? reply->body.len : 200),
		(const char *)reply->body.data);
}

/* ---- names and values ---- */

static const char *key_of(const struct part *part, unsigned key, char name[32])
{
	static const char kinds[] = { 'r', 'c', 'p' };

	snprintf(name, 32, "%c%u/%c", kinds[part->kind], part->number, 'a' + (char)key);
	return name;
}

/* "v123," and some more bytes: so few that it stays in the tables, or so many that it gets a file
 * of its own. */
static void make_value(struct traffic *traffic, uint64_t value, bool small, struct buf *to)
{
	size_t more = roll(traffic, 8) == 0 && !small ? 6000 : (size_t)roll(traffic, 100);

	buf_clear(to);
	must(buf_printf(to, "v%" PRIu64 ",", value));
	while (more-- > 0)
		must(buf_append_byte(to, (uint8_t)('a' + value % 26)));
}

static bool parse_value(struct slice bytes, uint64_t *ret)
{
	char text[32];
	int end = 0;

	snprintf(text, sizeof text, "%.*s", (int)(bytes.len < 31 ? bytes.len : 31),
		(const char *)bytes.data);
	if (sscanf(text, "v%" SCNu64 ",%n", ret, &end) != 1 || end == 0)
		return false;
	for (size_t i = (size_t)end; i < bytes.len; i++)
		if (bytes.data[i] != 'a' + *ret % 26)
			return false;
	return true;
}

static bool parse_number(struct slice bytes, int64_t *ret)
{
	char text[32];

	snprintf(text, sizeof text, "%.*s", (int)(bytes.len < 31 ? bytes.len : 31),
		(const char *)bytes.data);
	return sscanf(text, "%" SCNd64, ret) == 1;
}

static void remember_etag(struct part *part, unsigned key, uint64_t value, struct slice etag)
{
	if (etag.len == 0 || etag.len >= ETAG_MAX)
		return;
	part->seen[key] = value;
	memcpy(part->etag[key], etag.data, etag.len);
	part->etag[key][etag.len] = '\0';
}

/* ---- histories ---- */

static void record(struct client *client)
{
	struct part *part = client->part;

	if (part->count == part->capacity) {
		part->capacity = part->capacity ? 2 * part->capacity : 1024;
		part->ops = reallocarray(part->ops, part->capacity, sizeof *part->ops);
		if (!part->ops)
			die("out of memory");
	}
	client->op.client = client->number;
	part->ops[part->count++] = client->op;
}

static void close_unknown(struct client *client)
{
	client->traffic->counts->unknown++;
	if (!client->is_write)
		return;
	client->op.optional = true;
	client->op.end = STILL_OPEN;
	record(client);
}

static struct lincheck_part *own_part(struct client *client)
{
	return &client->op.parts[client->key];
}

static void saw(struct client *client, enum lincheck_saw what)
{
	own_part(client)->saw = what;
}

static void saw_value(struct client *client, uint64_t value)
{
	own_part(client)->saw = LINCHECK_EQUAL;
	own_part(client)->value = value;
}

static void did_nothing(struct client *client)
{
	for (unsigned i = 0; i < LINCHECK_KEYS; i++)
		client->op.parts[i].did = LINCHECK_KEEP;
}

/* ---- answers ---- */

static void put_answered(struct client *client, const struct httpclient_reply *reply)
{
	if (reply->status == 201)
		saw_value(client, LINCHECK_ABSENT);
	else if (reply->status == 204)
		saw(client, LINCHECK_EXISTS);
	else
		complain(client, "wrong answer to a put", reply);
	remember_etag(
		client->part, client->key, own_part(client)->to, httpclient_header(reply, "ETag"));
}

/* saw == LINCHECK_EQUAL already, as the condition says. */
static void conditional_answered(struct client *client, const struct httpclient_reply *reply)
{
	if (reply->status == 412) {
		did_nothing(client);
		saw(client, own_part(client)->value == LINCHECK_ABSENT ? LINCHECK_EXISTS
								       : LINCHECK_DIFFERENT);
	} else if (reply->status != 201 && reply->status != 204) {
		complain(client, "wrong answer to a conditional write", reply);
	}
}

static void delete_answered(struct client *client, const struct httpclient_reply *reply)
{
	if (reply->status == 204)
		saw(client, LINCHECK_EXISTS);
	else if (reply->status == 404)
		saw_value(client, LINCHECK_ABSENT);
	else
		complain(client, "wrong answer to a delete", reply);
}

static void get_answered(struct client *client, const struct httpclient_reply *reply)
{
	uint64_t value = LINCHECK_ABSENT;
	int64_t number;

	if (reply->status == 200 && client->part->kind == COUNTER) {
		if (!parse_number(reply->body, &number))
			complain(client, "a counter holds no number", reply);
		value = (uint64_t)number + LINCHECK_NUMBER_BIAS;
	} else if (reply->status == 200) {
		if (!parse_value(reply->body, &value))
			complain(client, "a value that nobody wrote", reply);
		remember_etag(client->part, client->key, value, httpclient_header(reply, "ETag"));
	} else if (reply->status != 404) {
		complain(client, "wrong answer to a get", reply);
	}
	saw_value(client, value);
}

static void incr_answered(struct client *client, const struct httpclient_reply *reply)
{
	own_part(client)->sum_is_known =
		reply->status == 200 && parse_number(reply->body, &own_part(client)->sum);
	if (!own_part(client)->sum_is_known)
		complain(client, "wrong answer to an increment", reply);
}

static void batch_answered(struct client *client, const struct httpclient_reply *reply)
{
	if (reply->status == 412) {
		did_nothing(client);
		client->op.parts[0].saw = LINCHECK_DIFFERENT;
	} else if (reply->status != 200) {
		complain(client, "wrong answer to a batch", reply);
	}
}

static void range_answered(struct client *client, const struct httpclient_reply *reply)
{
	if (reply->status != 200)
		complain(client, "wrong answer to the delete of a range", reply);
}

/* "items" of a page, and of /v1/mget, where null stands for none. */
static void pair_answered(struct client *client, const struct httpclient_reply *reply)
{
	json_t *root = reply->status == 200 ? json_loadb((const char *)reply->body.data,
						      reply->body.len, 0, NULL)
					    : NULL;
	json_t *items = json_object_get(root, "items"), *item;
	size_t i;

	if (!json_is_array(items))
		complain(client, "wrong answer to a read of two keys", reply);
	for (unsigned key = 0; key < LINCHECK_KEYS; key++)
		client->op.parts[key] =
			(struct lincheck_part){ .saw = LINCHECK_EQUAL, .value = LINCHECK_ABSENT };
	json_array_foreach(items, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "key"));
		const char *text = json_string_value(json_object_get(item, "value"));
		const char *etag = json_string_value(json_object_get(item, "etag"));
		unsigned key;

		if (json_is_null(item))
			continue;
		key = name && strlen(name) == 4 ? (unsigned)(name[3] - 'a') : LINCHECK_KEYS;
		if (key >= LINCHECK_KEYS || !text || !etag ||
			!parse_value(slice_of_string(text), &client->op.parts[key].value))
			complain(client, "an item that nobody wrote", reply);
		else
			remember_etag(client->part, key, client->op.parts[key].value,
				slice_of_string(etag));
	}
	json_decref(root);
}

/* ---- requests ---- */

static void send_next(struct client *client);

static void done(void *arg, const struct httpclient_reply *reply)
{
	struct client *client = arg;
	struct traffic *traffic = client->traffic;

	client->open = false;
	client->op.end = ++traffic->now;
	if (reply->outcome != HTTPCLIENT_ANSWERED && !traffic->end_expected)
		complain(client, "a request got no answer", reply);
	if (reply->outcome == HTTPCLIENT_ANSWERED && reply->status < 500) {
		client->answered(client, reply);
		traffic->counts->operations++;
		record(client);
	} else if (reply->outcome == HTTPCLIENT_ANSWERED || reply->outcome == HTTPCLIENT_LOST ||
		   reply->outcome == HTTPCLIENT_TIMEOUT) {
		close_unknown(client);
	}
	if (traffic->running)
		send_next(client);
}

static void send(struct client *client, const char *method, const char *headers, bool has_body)
{
	struct traffic *traffic = client->traffic;
	struct httpclient_request request = { .method = method,
		.target = buf_slice(&traffic->target),
		.headers = headers,
		.has_body = has_body,
		.body = buf_slice(&traffic->body) };

	client->op.call = ++traffic->now;
	client->open = true;
	httpclient_send(traffic->http, client->number, &request, done, client);
}

static void set_target(struct client *client, const char *before, const char *after)
{
	struct buf *target = &client->traffic->target;
	char name[32];

	buf_clear(target);
	must(buf_printf(target, "%s%s%s", before, key_of(client->part, client->key, name), after));
}

static void begin(struct client *client, bool is_write,
	void (*answered)(struct client *client, const struct httpclient_reply *reply))
{
	client->op = (struct lincheck_op){ 0 };
	client->is_write = is_write;
	client->answered = answered;
}

static void will_set(struct client *client, unsigned key, uint64_t to)
{
	client->op.parts[key].did = LINCHECK_SET;
	client->op.parts[key].to = to;
}

static uint64_t new_value(struct client *client, bool small)
{
	uint64_t value = ++client->traffic->next_value;

	make_value(client->traffic, value, small, &client->traffic->body);
	return value;
}

static void send_put(struct client *client)
{
	begin(client, true, put_answered);
	will_set(client, client->key, new_value(client, client->part->kind == PAIR));
	set_target(client, "/v1/kv/", "");
	send(client, "PUT", NULL, true);
}

static void send_get(struct client *client)
{
	begin(client, false, get_answered);
	set_target(client, "/v1/kv/", "");
	send(client, "GET", NULL, false);
}

static void send_delete(struct client *client)
{
	begin(client, true, delete_answered);
	will_set(client, client->key, LINCHECK_ABSENT);
	set_target(client, "/v1/kv/", "");
	send(client, "DELETE", NULL, false);
}

/* A put or a delete, if the key is as somebody saw it, or if there is none. A small one: the server may refuse a large body before it
 * is sent, and then closes the connection. */
static void send_conditional(struct client *client)
{
	struct traffic *traffic = client->traffic;
	const struct part *part = client->part;
	bool is_new = part->etag[client->key][0] == '\0' || roll(traffic, 4) == 0;
	bool is_delete = !is_new && roll(traffic, 4) == 0;
	char header[ETAG_MAX + 32];

	begin(client, true, conditional_answered);
	saw_value(client, is_new ? LINCHECK_ABSENT : part->seen[client->key]);
	snprintf(header, sizeof header, is_new ? "If-None-Match: *%s\r\n" : "If-Match: %s\r\n",
		is_new ? "" : part->etag[client->key]);
	will_set(client, client->key,
		is_delete ? LINCHECK_ABSENT : new_value(client, true));
	set_target(client, "/v1/kv/", "");
	send(client, is_delete ? "DELETE" : "PUT", header, !is_delete);
}

static void send_incr(struct client *client)
{
	int by = (int)roll(client->traffic, 21) - 10;
	char after[16];

	begin(client, true, incr_answered);
	own_part(client)->did = LINCHECK_ADD;
	own_part(client)->by = by;
	snprintf(after, sizeof after, "?by=%d", by);
	set_target(client, "/v1/incr/", after);
	send(client, "POST", NULL, false);
}

static void add_operation(
	struct client *client, struct buf *body, unsigned key, bool is_delete, const char *more)
{
	char name[32];

	must(buf_printf(body, "%s{\"op\":\"%s\",\"key\":\"%s\"%s", body->len > 1 ? "," : "",
		is_delete ? "delete" : "put", key_of(client->part, key, name), more));
	will_set(client, key, is_delete ? LINCHECK_ABSENT : ++client->traffic->next_value);
	if (!is_delete)
		must(buf_printf(body, ",\"value\":\"v%" PRIu64 ",\"", client->traffic->next_value));
	must(buf_printf(body, "}"));
}

/* Both keys; sometimes if the first is as somebody saw it. */
static void send_batch(struct client *client)
{
	struct traffic *traffic = client->traffic;
	const struct part *part = client->part;
	char condition[2 * ETAG_MAX] = "";
	size_t len = strlen(part->etag[0]);

	begin(client, true, batch_answered);
	if (len > 2 && roll(traffic, 3) == 0) {
		snprintf(condition, sizeof condition, ",\"if_match\":\"\\\"%.*s\\\"\"",
			(int)len - 2, part->etag[0] + 1);
		client->op.parts[0].saw = LINCHECK_EQUAL;
		client->op.parts[0].value = part->seen[0];
	}
	buf_clear(&traffic->body);
	must(buf_append_byte(&traffic->body, '['));
	add_operation(client, &traffic->body, 0, roll(traffic, 5) == 0, condition);
	add_operation(client, &traffic->body, 1, roll(traffic, 5) == 0, "");
	must(buf_append_byte(&traffic->body, ']'));
	must(buf_set(&traffic->target, slice_of_string("/v1/batch")));
	send(client, "POST", NULL, true);
}

static void send_mget(struct client *client)
{
	struct traffic *traffic = client->traffic;
	char a[32], b[32];

	begin(client, false, pair_answered);
	buf_clear(&traffic->body);
	must(buf_printf(&traffic->body, "[\"%s\",\"%s\"]", key_of(client->part, 0, a),
		key_of(client->part, 1, b)));
	must(buf_set(&traffic->target, slice_of_string("/v1/mget")));
	send(client, "POST", NULL, true);
}

static void send_scan(struct client *client)
{
	struct traffic *traffic = client->traffic;

	begin(client, false, pair_answered);
	buf_clear(&traffic->target);
	must(buf_printf(&traffic->target, "/v1/kv?prefix=p%u/%s", client->part->number,
		roll(traffic, 2) ? "&reverse=1" : ""));
	send(client, "GET", NULL, false);
}

static void send_delete_range(struct client *client)
{
	struct traffic *traffic = client->traffic;

	begin(client, true, range_answered);
	will_set(client, 0, LINCHECK_ABSENT);
	will_set(client, 1, LINCHECK_ABSENT);
	buf_clear(&traffic->target);
	must(buf_printf(&traffic->target, "/v1/kv?start=p%u/&end=p%u0", client->part->number,
		client->part->number));
	send(client, "DELETE", NULL, false);
}

static void send_next(struct client *client)
{
	typedef void (*sender)(struct client * client);
	static const sender senders[3][8] = {
		[REGISTER] = { send_put, send_put, send_get, send_get, send_get, send_delete,
			send_conditional, send_conditional },
		[COUNTER] = { send_incr, send_incr, send_incr, send_incr, send_get, send_get,
			send_get, send_delete },
		[PAIR] = { send_batch, send_batch, send_mget, send_mget, send_scan, send_put,
			send_delete, send_delete_range },
	};
	struct traffic *traffic = client->traffic;

	client->part = &traffic->parts[roll(traffic, PARTS)];
	client->key = client->part->kind == PAIR ? (unsigned)roll(traffic, 2) : 0;
	senders[client->part->kind][roll(traffic, 8)](client);
}

/* ---- the course of things ---- */

struct traffic *traffic_new(uint16_t port, uint64_t seed, struct traffic_counts *counts)
{
	struct traffic *traffic = calloc(1, sizeof *traffic);

	if (!traffic)
		die("out of memory");
	traffic->counts = counts;
	traffic->random = seed;
	traffic->http = httpclient_new(port, TRAFFIC_CLIENTS, TIMEOUT_MS);
	for (unsigned i = 0; i < PARTS; i++) {
		traffic->parts[i].kind = i < REGISTERS              ? REGISTER
					 : i < REGISTERS + COUNTERS ? COUNTER
								    : PAIR;
		traffic->parts[i].number = i;
	}
	for (unsigned i = 0; i < TRAFFIC_CLIENTS; i++)
		traffic->clients[i] = (struct client){ .traffic = traffic, .number = i };
	return traffic;
}

struct traffic *traffic_free(struct traffic *traffic)
{
	if (!traffic)
		return NULL;
	for (unsigned i = 0; i < PARTS; i++)
		free(traffic->parts[i].ops);
	httpclient_free(traffic->http);
	buf_free(&traffic->target);
	buf_free(&traffic->body);
	free(traffic);
	return NULL;
}

void traffic_run(struct traffic *traffic, unsigned duration_ms)
{
	uint64_t end = clock_monotonic_us() + duration_ms * UINT64_C(1000);

	traffic->running = true;
	traffic->end_expected = false;
	for (unsigned i = 0; i < TRAFFIC_CLIENTS; i++)
		send_next(&traffic->clients[i]);
	while (clock_monotonic_us() < end)
		httpclient_poll(traffic->http, 1);
}

void traffic_expect_end(struct traffic *traffic)
{
	traffic->end_expected = true;
}

static void collect(struct traffic *traffic)
{
	traffic->running = false;
	while (httpclient_open_requests(traffic->http) > 0)
		httpclient_poll(traffic->http, -1);
	httpclient_poll(traffic->http, 0); /* notices the end of idle connections */
}

void traffic_ended(struct traffic *traffic)
{
	collect(traffic);
	traffic->now++;
	for (unsigned i = 0; i < PARTS; i++) {
		struct part *part = &traffic->parts[i];

		for (; part->epoch < part->count; part->epoch++)
			if (part->ops[part->epoch].optional)
				part->ops[part->epoch].end = traffic->now;
	}
}

/* ---- judging ---- */

static void read_all(struct traffic *traffic)
{
	struct client *client = &traffic->clients[0];

	traffic->end_expected = false;
	for (unsigned i = 0; i < PARTS; i++) {
		client->part = &traffic->parts[i];
		for (client->key = 0; client->key < (client->part->kind == PAIR ? 2U : 1U);
			client->key++) {
			send_get(client);
			while (client->open)
				httpclient_poll(traffic->http, -1);
			client->part->first[client->key] =
				own_part(client)->value; /* for the next history */
		}
	}
}

/* The operations around the one that did not fit. */
static void print_around(const struct part *part, size_t stuck)
{
	char text[300];

	for (size_t i = 0; i < part->count; i++) {
		const struct lincheck_op *op = &part->ops[i], *at = &part->ops[stuck];

		if (op->end + 40 >= at->call && op->call <= at->end + 10)
			printf("%s %s\n", i == stuck ? "->" : "  ",
				lincheck_describe(op, text, sizeof text));
	}
}

static void judge(struct traffic *traffic, struct part *part, const uint64_t first[LINCHECK_KEYS])
{
	size_t stuck = 0;
	char name[32];
	enum lincheck_verdict verdict =
		lincheck_run(part->ops, part->count, first, MEMORY_MAX, &stuck);

	if (verdict == LINCHECK_YES) {
		traffic->counts->checked += part->count;
		return;
	}
	traffic->counts->failures++;
	printf("FAILED: the history of %s, %zu operations, %s\n", key_of(part, 0, name),
		part->count,
		verdict == LINCHECK_NO ? "is not linearizable" : "is too hard to judge");
	if (verdict == LINCHECK_NO)
		print_around(part, stuck);
}

void traffic_check(struct traffic *traffic)
{
	uint64_t first[PARTS][LINCHECK_KEYS];

	collect(traffic);
	for (unsigned i = 0; i < PARTS; i++)
		memcpy(first[i], traffic->parts[i].first, sizeof first[i]);
	read_all(traffic);
	for (unsigned i = 0; i < PARTS; i++) {
		judge(traffic, &traffic->parts[i], first[i]);
		traffic->parts[i].count = traffic->parts[i].epoch = 0;
	}
}
