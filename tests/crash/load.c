/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker is a writer, a reader or, after a restart, a verifier; it has one request under way and sends the next one
 * out of the callback of the last. Writer w owns the keys w, w + LOAD_WRITERS, ...: that gives the operations on a key
 * their order.
 */
#define _GNU_SOURCE
#include "crash/load.h"

#include "base/clock.h"
#include "support/die.h"
#include "support/httpclient.h"
#include "support/pager.h"
#include "support/runner.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORKERS = LOAD_WRITERS + LOAD_READERS,
	STATS_CONNECTION = WORKERS,
	REQUEST_TIMEOUT_MS = 120000,
};

struct worker {
	struct load *load;
	unsigned connection;
	unsigned key;
	uint32_t read_floor;
	bool is_delete;
	bool is_range;   /* a delete of the range that holds just the key */
	bool tells_new;  /* PUT /v1: 201 or 204 tells whether the key existed */
	int existed;     /* before the write, as in oracle_existed() */
	bool verifying;
};

struct load {
	struct oracle *oracle;
	struct load_counts *counts;
	struct httpclient *client;
	struct worker workers[WORKERS];
	uint64_t random;
	bool running;       /* workers send the next request */
	bool end_expected;
	bool stats_waiting;
	unsigned next_key;  /* to verify */
	int last_scanned;
	struct buf target, value;
};

static uint64_t roll(struct load *load, uint64_t sides)
{
	return runner_random(&load->random) % sides;
}

struct load *load_new(uint16_t port, struct oracle *oracle, uint64_t seed, struct load_counts *counts)
{
	struct load *load = calloc(1, sizeof(*load));
	unsigned i;

	if (!load)
		die("out of memory");
	load->oracle = oracle;
	load->counts = counts;
	load->random = seed;
	load->client = httpclient_new(port, WORKERS + 1, REQUEST_TIMEOUT_MS);
	for (i = 0; i < WORKERS; i++)
		load->workers[i] = (struct worker){ .load = load, .connection = i };
	return load;
}

struct load *load_free(struct load *load)
{
	if (!load)
		return NULL;
	httpclient_free(load->client);
	buf_free(&load->target);
	buf_free(&load->value);
	free(load);
	return NULL;
}

static void violation(struct load *load, const char *what, const struct httpclient_reply *reply)
{
	load->counts->violations++;
	printf("VIOLATION: %s", what);
	if (reply)
		printf(" (%s, status %u: %.*s)", httpclient_outcome_name(reply->outcome), reply->status,
			(int)(reply->body.len < 200 ? reply->body.len : 200),
			(const char *)reply->body.data);
	printf("\n");
}

static void check(struct load *load, bool right)
{
	if (!right)
		violation(load, oracle_complaint(load->oracle), NULL);
}

static uint64_t etag_of(const struct httpclient_reply *reply)
{
	struct slice etag = httpclient_header(reply, "ETag");
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	size_t i;

	if (etag.len == 0)
		return 0;
	for (i = 0; i < etag.len; i++)
		hash = (hash ^ etag.data[i]) * UINT64_C(1099511628211);
	return hash | 1;
}

static void start_target(struct load *load, const char *path, unsigned key)
{
	buf_clear(&load->target);
	must(buf_append_slice(&load->target, slice_of_string(path)));
	httpclient_encode(&load->target, oracle_key(load->oracle, key));
}

/* ---- writers ---- */

static void send_write(struct worker *worker);

/* What the status of an answered write means; -1: it is wrong. */
static int write_end(const struct worker *worker, unsigned status)
{
	bool may_be_new = worker->existed != 1, may_be_old = worker->existed != 0;

	if (status == 503)
		return ORACLE_NOT_APPLIED;
	if (worker->is_range)
		return status == 200 ? ORACLE_APPLIED : -1;
	if (worker->is_delete) {
		if (status == (worker->tells_new ? 204U : 200U) && may_be_old)
			return ORACLE_APPLIED;
		return status == 404 && may_be_new ? ORACLE_NOT_APPLIED : -1;
	}
	if (!worker->tells_new)
		return status == 200 ? ORACLE_APPLIED : -1;
	if ((status == 201 && may_be_new) || (status == 204 && may_be_old))
		return ORACLE_APPLIED;
	return -1;
}

static void count_write(struct load_counts *counts, enum oracle_end end, unsigned status)
{
	counts->acknowledged += end == ORACLE_APPLIED;
	counts->refused += end == ORACLE_NOT_APPLIED && status == 503;
	counts->unanswered += end == ORACLE_UNKNOWN;
}

static void write_done(void *arg, const struct httpclient_reply *reply)
{
	struct worker *worker = arg;
	struct load *load = worker->load;
	enum oracle_end end = ORACLE_UNKNOWN;

	if (reply->outcome == HTTPCLIENT_ANSWERED) {
		int told = write_end(worker, reply->status);

		if (told < 0)
			violation(load, worker->is_delete ? "wrong answer to a delete" : "wrong answer to a put",
				reply);
		else
			end = (enum oracle_end)told;
	} else {
		if (!load->end_expected)
			violation(load, "a write got no answer", reply);
		if (reply->outcome == HTTPCLIENT_REFUSED || reply->outcome == HTTPCLIENT_CUT)
			end = ORACLE_NOT_APPLIED;
	}
	count_write(load->counts, end, reply->status);
	check(load, oracle_end(load->oracle, worker->key, end,
		worker->is_delete || end != ORACLE_APPLIED ? 0 : etag_of(reply)));
	if (load->running)
		send_write(worker);
}

static void build_put(struct worker *worker, struct httpclient_request *ret)
{
	struct load *load = worker->load;
	uint64_t form = roll(load, 3);

	oracle_begin_put(load->oracle, worker->key, &load->value);
	load->counts->puts++;
	worker->tells_new = form == 0;
	ret->method = form == 2 ? "POST" : "PUT";
	start_target(load, form == 0 ? "/v1/kv/" : "/set?key=", worker->key);
	/* /set takes an empty body for a forgotten value */
	ret->has_body = form == 0 || (load->value.len > 0 && (form == 1 || load->value.len > 2000));
	ret->body = buf_slice(&load->value);
	if (!ret->has_body) {
		must(buf_append_slice(&load->target, slice_of_string("&value=")));
		httpclient_encode(&load->target, buf_slice(&load->value));
	}
}

/* From the key to the next one that there could be. */
static void target_range(struct load *load, unsigned key)
{
	start_target(load, "/v1/kv?start=", key);
	must(buf_append_slice(&load->target, slice_of_string("&end=")));
	httpclient_encode(&load->target, oracle_key(load->oracle, key));
	must(buf_append_slice(&load->target, slice_of_string("%00")));
}

static void build_delete(struct worker *worker, struct httpclient_request *ret)
{
	struct load *load = worker->load;

	oracle_begin_delete(load->oracle, worker->key);
	load->counts->deletes++;
	worker->tells_new = roll(load, 2) == 0;
	/* a third of them as range deletes: these do not tell whether it was there */
	ret->method = "DELETE";
	worker->is_range = roll(load, 3) == 0;
	if (worker->is_range)
		target_range(load, worker->key);
	else
		start_target(load, worker->tells_new ? "/v1/kv/" : "/del?key=", worker->key);
}

static void send_write(struct worker *worker)
{
	struct load *load = worker->load;
	unsigned own = oracle_key_count(load->oracle) / LOAD_WRITERS;
	struct httpclient_request request = { 0 };

	/* every other operation goes to a few hot keys: many versions of one key */
	worker->key = (unsigned)roll(load, roll(load, 2) == 0 ? own : own / 8 + 1) * LOAD_WRITERS +
		worker->connection;
	worker->is_delete = roll(load, 4) == 0;
	worker->is_range = false;
	if (worker->is_delete)
		build_delete(worker, &request);
	else
		build_put(worker, &request);
	worker->existed = oracle_existed(load->oracle, worker->key);
	request.target = buf_slice(&load->target);
	httpclient_send(load->client, worker->connection, &request, write_done, worker);
}

/* ---- readers and verifiers ---- */

static void send_read(struct worker *worker);

static void send_next_read(struct worker *worker)
{
	struct load *load = worker->load;

	if (worker->verifying && load->next_key < oracle_key_count(load->oracle)) {
		worker->key = load->next_key++;
		load->counts->checked++;
		send_read(worker);
	} else if (!worker->verifying && load->running) {
		worker->key = (unsigned)roll(load, oracle_key_count(load->oracle));
		load->counts->reads++;
		send_read(worker);
	}
}

static void read_done(void *arg, const struct httpclient_reply *reply)
{
	struct worker *worker = arg;
	struct load *load = worker->load;
	struct oracle_found found = { .exists = reply->status == 200, .value = reply->body };

	if (reply->outcome != HTTPCLIENT_ANSWERED) {
		if (!load->end_expected)
			violation(load, "a read got no answer", reply);
	} else if (reply->status == 503 && load->end_expected) {
		/* draining */
	} else if (reply->status != 200 && reply->status != 404) {
		violation(load, "wrong answer to a read", reply);
	} else {
		found.etag = found.exists ? etag_of(reply) : 0;
		check(load, worker->verifying
			? oracle_settle(load->oracle, worker->key, &found)
			: oracle_read_end(load->oracle, worker->key, worker->read_floor, &found));
	}
	send_next_read(worker);
}

static void send_read(struct worker *worker)
{
	struct load *load = worker->load;
	struct httpclient_request request = { .method = "GET" };

	start_target(load, roll(load, 2) == 0 ? "/v1/kv/" : "/get?key=", worker->key);
	request.target = buf_slice(&load->target);
	worker->read_floor = oracle_read_begin(load->oracle, worker->key);
	httpclient_send(load->client, worker->connection, &request, read_done, worker);
}

/* ---- after a restart ---- */

static bool scan_item(void *arg, struct slice bytes, struct slice value)
{
	struct load *load = arg;
	int key = oracle_find_key(load->oracle, bytes);
	int skipped = load->last_scanned + 1;

	(void)value;
	while (skipped < key && !oracle_exists(load->oracle, (unsigned)skipped))
		skipped++;
	if (key <= load->last_scanned || skipped != key || !oracle_exists(load->oracle, (unsigned)key)) {
		printf("the scan shows key %d after key %d; key %d should have come\n", key,
			load->last_scanned, skipped);
		return false;
	}
	load->last_scanned = key;
	return true;
}

static void scan(struct load *load)
{
	struct pager_options options = {
		.keys_only = roll(load, 4) != 0,
		.limit = (unsigned)roll(load, 400),
	};
	int key, count = (int)oracle_key_count(load->oracle);
	char error[512];

	load->last_scanned = -1;
	if (!pager_walk(load->client, &options, scan_item, load, error, sizeof(error))) {
		violation(load, error[0] ? error : "the scan after the restart is wrong", NULL);
		return;
	}
	for (key = load->last_scanned + 1; key < count; key++) {
		if (oracle_exists(load->oracle, (unsigned)key)) {
			violation(load, "the scan after the restart ends too early", NULL);
			break;
		}
	}
}

void load_verify(struct load *load)
{
	unsigned i;

	load->end_expected = false;
	load->next_key = 0;
	for (i = 0; i < WORKERS; i++) {
		load->workers[i].verifying = true;
		send_next_read(&load->workers[i]);
	}
	while (httpclient_open_requests(load->client) > 0)
		httpclient_poll(load->client, -1);
	for (i = 0; i < WORKERS; i++)
		load->workers[i].verifying = false;
	if (load->counts->violations == 0)
		scan(load);
}

/* ---- the load ---- */

void load_run(struct load *load, unsigned duration_ms)
{
	uint64_t start = clock_monotonic_us();
	unsigned i;

	load->running = true;
	for (i = 0; i < WORKERS; i++) {
		if (i < LOAD_WRITERS)
			send_write(&load->workers[i]);
		else
			send_next_read(&load->workers[i]);
	}
	while (clock_monotonic_us() - start < (uint64_t)duration_ms * 1000)
		httpclient_poll(load->client, 1);
}

static uint64_t number_in(const json_t *stats, const char *name)
{
	const json_t *number = json_object_get(json_object_get(stats, "background"), name);

	if (!json_is_integer(number))
		die("/v1/stats has no number 'background.%s'", name);
	return (uint64_t)json_integer_value(number);
}

static void stats_done(void *arg, const struct httpclient_reply *reply)
{
	struct load *load = arg;
	json_t *stats = NULL;

	load->stats_waiting = false;
	if (reply->outcome == HTTPCLIENT_ANSWERED && reply->status == 200)
		stats = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	if (!stats) {
		violation(load, "wrong answer to /v1/stats", reply);
		return;
	}
	load->counts->flushes += number_in(stats, "flushes");
	load->counts->compactions += number_in(stats, "compactions");
	json_decref(stats);
}

void load_fetch_stats(struct load *load)
{
	struct httpclient_request request = { .method = "GET", .target = slice_of_string("/v1/stats") };

	load->stats_waiting = true;
	httpclient_send(load->client, STATS_CONNECTION, &request, stats_done, load);
	while (load->stats_waiting)
		httpclient_poll(load->client, -1);
}

void load_continue(struct load *load)
{
	httpclient_poll(load->client, 1);
}

void load_expect_end(struct load *load)
{
	load->end_expected = true;
}

void load_abandon(struct load *load)
{
	load->running = false;
	httpclient_abandon(load->client);
}

void load_collect(struct load *load)
{
	load->running = false;
	while (httpclient_open_requests(load->client) > 0)
		httpclient_poll(load->client, -1);
	httpclient_poll(load->client, 0); /* notices the end of idle connections */
}
