/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that race on keys, against the real daemon: 64 connections count one counter up to exactly INCREMENTS (100000); of those
 * who compare and swap exactly one wins each round; and of batches and increments that kill -9 interrupts, each is there as a whole or not at
 * all, and none that was acknowledged is lost.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/daemonproc.h"
#include "support/die.h"
#include "support/httpclient.h"
#include "support/runner.h"
#include "support/tempdir.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CONNECTIONS = 64,
	INCREMENTS_DEFAULT = 100000,
	SWAPPERS = 16,
	ROUNDS = 500,
	WRITERS = 8,       /* connections that send batches; one more counts */
	CYCLES = 12,
	CYCLE_MS = 60,
	READY_TIMEOUT_MS = 120000,
	REQUEST_TIMEOUT_MS = 120000,
};

static struct daemonproc *daemon_proc;
static struct httpclient *client;

static _Noreturn void wrong(const char *what, const struct httpclient_reply *reply)
{
	printf("FAILED: %s", what);
	if (reply)
		printf(" (%s, status %u: %.*s)", httpclient_outcome_name(reply->outcome), reply->status,
			(int)reply->body.len, (const char *)reply->body.data);
	printf("\n");
	daemonproc_print_log(daemon_proc);
	daemonproc_free(daemon_proc);
	exit(EXIT_FAILURE);
}

static void start_daemon(void)
{
	uint64_t elapsed_us;

	daemonproc_start(daemon_proc);
	if (!daemonproc_wait_ready(daemon_proc, READY_TIMEOUT_MS, &elapsed_us))
		wrong("the daemon did not become ready", NULL);
	httpclient_free(client);
	client = httpclient_new(daemonproc_port(daemon_proc), CONNECTIONS, REQUEST_TIMEOUT_MS);
}

static const struct httpclient_reply *get(const char *target)
{
	const struct httpclient_reply *reply = httpclient_simple(client, "GET", target, NULL);

	if (reply->outcome != HTTPCLIENT_ANSWERED)
		wrong(target, reply);
	return reply;
}

static uint64_t number_of(struct slice text)
{
	char copy[24] = "";

	if (text.len < sizeof copy)
		memcpy(copy, text.data, text.len);
	return strtoull(copy, NULL, 10);
}

/* ---- one counter, many connections ---- */

static struct {
	uint64_t wanted, sent, answered;
	bool *seen; /* which sums have been answered */
} count;

static void send_increment(unsigned connection);

static void increment_done(void *arg, const struct httpclient_reply *reply)
{
	unsigned connection = (unsigned)(uintptr_t)arg;
	uint64_t sum = reply->status == 200 ? number_of(reply->body) : 0;

	if (reply->outcome != HTTPCLIENT_ANSWERED || sum < 1 || sum > count.wanted || count.seen[sum])
		wrong("wrong answer to an increment", reply);
	count.seen[sum] = true;
	count.answered++;
	send_increment(connection);
}

static void send_increment(unsigned connection)
{
	struct httpclient_request request = { .method = "POST", .target = slice_of_string("/v1/incr/counter") };

	if (count.sent == count.wanted)
		return;
	count.sent++;
	httpclient_send(client, connection, &request, increment_done, (void *)(uintptr_t)connection);
}

static void count_together(void)
{
	const char *wanted = getenv("INCREMENTS");
	uint64_t begin = clock_monotonic_us(), elapsed_us;

	count.wanted = wanted ? strtoull(wanted, NULL, 10) : INCREMENTS_DEFAULT;
	count.seen = calloc(count.wanted + 1, sizeof *count.seen);
	if (!count.seen)
		die("out of memory");
	for (unsigned i = 0; i < CONNECTIONS; i++)
		send_increment(i);
	while (count.answered < count.wanted)
		httpclient_poll(client, -1);
	elapsed_us = clock_monotonic_us() - begin;
	if (number_of(get("/v1/kv/counter")->body) != count.wanted)
		wrong("the counter is not what was counted", get("/v1/kv/counter"));
	printf("%" PRIu64 " increments by %d connections in %.1f s\n", count.wanted, CONNECTIONS, (double)elapsed_us / 1e6);
	free(count.seen);
}

/* ---- compare and swap ---- */

static struct {
	char etag[64];
	unsigned winners, losers;
} swap;

static void swap_done(void *arg, const struct httpclient_reply *reply)
{
	struct slice etag = httpclient_header(reply, "ETag");

	(void)arg;
	if (reply->outcome == HTTPCLIENT_ANSWERED && reply->status == 412) {
		swap.losers++;
		return;
	}
	if (reply->outcome != HTTPCLIENT_ANSWERED || reply->status != 204 || etag.len >= sizeof swap.etag)
		wrong("wrong answer to a conditional PUT", reply);
	snprintf(swap.etag, sizeof swap.etag, "%.*s", (int)etag.len, (const char *)etag.data);
	swap.winners++;
}

static void swap_round(unsigned round)
{
	struct httpclient_request request = { .method = "PUT", .target = slice_of_string("/v1/kv/swap"), .has_body = true };
	char condition[100], value[32];

	snprintf(condition, sizeof condition, "If-Match: %s\r\n", swap.etag);
	request.headers = condition;
	swap.winners = swap.losers = 0;
	for (unsigned i = 0; i < SWAPPERS; i++) {
		snprintf(value, sizeof value, "%u by %u", round, i);
		request.body = slice_of_string(value);
		httpclient_send(client, i, &request, swap_done, NULL);
	}
	while (swap.winners + swap.losers < SWAPPERS)
		httpclient_poll(client, -1);
	if (swap.winners != 1)
		wrong("not exactly one of those who compared and swapped has won", NULL);
}

static void swap_in_rounds(void)
{
	const struct httpclient_reply *reply = httpclient_simple(client, "PUT", "/v1/kv/swap", "first");
	struct slice etag = httpclient_header(reply, "ETag");

	snprintf(swap.etag, sizeof swap.etag, "%.*s", (int)etag.len, (const char *)etag.data);
	for (unsigned i = 0; i < ROUNDS; i++)
		swap_round(i);
	printf("%d rounds of %d who compare and swap: one winner each\n", ROUNDS, SWAPPERS);
}

/* ---- batches that kill -9 interrupts ---- */

/*
 * The batch number n of a writer puts n under its keys a to d, deletes the key "was/n-1", puts "was/n", and checks the key a
 * for nothing but being there. So all that is there must tell the same n.
 */
struct writer {
	uint64_t sent, acknowledged;
	unsigned number;
	struct buf body;
};

static struct writer writers[WRITERS];
static struct { uint64_t sent, acknowledged; } tally;
static bool ending; /* the daemon was killed: answers may fail to come */

static void send_batch(struct writer *writer);

static void batch_done(void *arg, const struct httpclient_reply *reply)
{
	struct writer *writer = arg;

	if (reply->outcome != HTTPCLIENT_ANSWERED) {
		if (!ending)
			wrong("a batch got no answer", reply);
		return;
	}
	if (reply->status != 200)
		wrong("wrong answer to a batch", reply);
	writer->acknowledged = writer->sent;
	if (!ending)
		send_batch(writer);
}

static void send_batch(struct writer *writer)
{
	struct httpclient_request request = { .method = "POST", .target = slice_of_string("/v1/batch"), .has_body = true,
		.headers = "Content-Type: application/x-ndjson\r\n" };
	struct buf *body = &writer->body;
	uint64_t n = ++writer->sent;
	unsigned w = writer->number;

	buf_clear(body);
	for (char key = 'a'; key <= 'd'; key++)
		must(buf_printf(body, "{\"op\":\"put\",\"key\":\"%u/%c\",\"value\":\"%" PRIu64 "\"}\n", w, key, n));
	must(buf_printf(body, "{\"op\":\"delete\",\"key\":\"%u/was/%" PRIu64 "\"}\n", w, n - 1));
	must(buf_printf(body, "{\"op\":\"put\",\"key\":\"%u/was/%" PRIu64 "\",\"value\":\"%0200" PRIu64 "\"}\n", w, n, n));
	must(buf_printf(body, "{\"op\":\"check\",\"key\":\"%u/a\",\"if_match\":\"*\"}\n", w));
	request.body = buf_slice(body);
	httpclient_send(client, w, &request, batch_done, writer);
}

static void send_tally(void);

static void tally_done(void *arg, const struct httpclient_reply *reply)
{
	(void)arg;
	if (reply->outcome != HTTPCLIENT_ANSWERED) {
		if (!ending)
			wrong("an increment got no answer", reply);
		return;
	}
	if (reply->status != 200)
		wrong("wrong answer to an increment", reply);
	tally.acknowledged = number_of(reply->body);
	if (!ending)
		send_tally();
}

static void send_tally(void)
{
	struct httpclient_request request = { .method = "POST", .target = slice_of_string("/v1/incr/tally") };

	tally.sent++;
	httpclient_send(client, WRITERS, &request, tally_done, NULL);
}

/* The member `value` of an item; 0 where it is null. */
static uint64_t value_of(const json_t *items, size_t i)
{
	const char *text = json_string_value(json_object_get(json_array_get(items, i), "value"));

	return text ? strtoull(text, NULL, 10) : 0;
}

static json_t *mget(const char *keys)
{
	const struct httpclient_reply *reply = httpclient_simple(client, "POST", "/v1/mget", keys);
	json_t *answer = reply->outcome == HTTPCLIENT_ANSWERED && reply->status == 200 ?
		json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL) : NULL;

	if (!answer)
		wrong("wrong answer to a list of keys", reply);
	return answer;
}

/* What is there of the last batches of the writer; from here on that counts as its last one. */
static void verify_writer(struct writer *writer)
{
	unsigned w = writer->number;
	char keys[300];
	json_t *answer, *items;
	uint64_t n;

	snprintf(keys, sizeof keys, "[\"%u/a\",\"%u/b\",\"%u/c\",\"%u/d\",\"%u/was/%" PRIu64 "\",\"%u/was/%" PRIu64 "\"]",
		w, w, w, w, w, writer->sent - 1, w, writer->sent);
	answer = mget(keys);
	items = json_object_get(answer, "items");
	n = value_of(items, 0);
	if (n < writer->acknowledged || n > writer->sent)
		wrong("an acknowledged batch is lost", NULL);
	for (size_t i = 1; i < 4; i++)
		if (value_of(items, i) != n)
			wrong("a batch is there in part", NULL);
	if (value_of(items, 4) != (n == writer->sent - 1 ? n : 0) || value_of(items, 5) != (n == writer->sent ? n : 0))
		wrong("a batch is there without its deletes", NULL);
	json_decref(answer);
	writer->sent = writer->acknowledged = n;
}

static void verify_tally(void)
{
	const struct httpclient_reply *reply = get("/v1/kv/tally");
	uint64_t n = reply->status == 200 ? number_of(reply->body) : 0;

	if (n < tally.acknowledged || n > tally.sent)
		wrong("an acknowledged increment is lost, or one was done twice", reply);
	tally.sent = tally.acknowledged = n;
}

static void run_and_kill(void)
{
	uint64_t end_us = clock_monotonic_us() + CYCLE_MS * 1000;

	ending = false;
	for (unsigned i = 0; i < WRITERS; i++)
		send_batch(&writers[i]);
	send_tally();
	while (clock_monotonic_us() < end_us)
		httpclient_poll(client, 1);
	ending = true;
	daemonproc_kill(daemon_proc);
	while (httpclient_open_requests(client) > 0)
		httpclient_poll(client, 100);
}

static void interrupt_batches(void)
{
	uint64_t batches = 0;

	for (unsigned i = 0; i < WRITERS; i++)
		writers[i].number = i;
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		run_and_kill();
		start_daemon();
		for (unsigned i = 0; i < WRITERS; i++)
			verify_writer(&writers[i]);
		verify_tally();
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		batches += writers[i].acknowledged;
		buf_free(&writers[i].body);
	}
	printf("%d times kill -9 under batches: %" PRIu64 " are there, each as a whole; %" PRIu64 " increments\n", CYCLES, batches,
		tally.acknowledged);
	if (batches < CYCLES || tally.acknowledged < CYCLES)
		wrong("hardly anything was done", NULL);
}

int main(void)
{
	char *dir = tempdir_new();

	setvbuf(stdout, NULL, _IOLBF, 0);
	daemon_proc = daemonproc_new(dir, "memtable_size = \"256K\"\nflush_interval = 1\n");
	start_daemon();
	count_together();
	swap_in_rounds();
	interrupt_batches();
	if (daemonproc_stop(daemon_proc, READY_TIMEOUT_MS) != 0)
		wrong("the daemon did not end with 0 on SIGTERM", NULL);
	client = httpclient_free(client);
	daemon_proc = daemonproc_free(daemon_proc);
	tempdir_remove(dir);
	return EXIT_SUCCESS;
}
