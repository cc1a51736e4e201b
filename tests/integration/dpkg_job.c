/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main job on real input: the dpkg database of this machine (dpkg_lines.h) goes through HTTP into a kvstored.
 *
 *   load from 64 connections, readers check what is acknowledged     -> kill -9 in the middle
 *   start; check what is there; load the rest, readers checking      -> compare everything, page through it
 *   shut down by curl; start; compare and page again                 -> stop by SIGTERM
 *
 * The lines of one key go over one connection, which has one request under way: so the last line wins. LINES limits the
 * input (0: all). Exit status 77 (skipped) where there is no dpkg database.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "integration/dpkg_lines.h"
#include "support/daemonproc.h"
#include "support/die.h"
#include "support/httpclient.h"
#include "support/pager.h"
#include "support/runner.h"
#include "support/tempdir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	WRITERS = 64,
	READERS = 4,
	CONNECTIONS = WRITERS + READERS,
	LINES_DEFAULT = 5000,
	REQUEST_TIMEOUT_MS = 120000,
	READY_TIMEOUT_MS = 120000,
	SKIPPED = 77,
};

struct job;

struct worker {
	struct job *job;
	unsigned connection;
	struct dpkg_key *key;
	uint32_t floor;                  /* lines promised when the read was sent */
	const struct dpkg_line **queue;  /* writers: their lines, in order */
	size_t queued, next;
};

struct job {
	struct dpkg_lines input;
	struct daemonproc *daemon;
	struct httpclient *client;
	struct worker workers[CONNECTIONS];
	uint64_t random;
	size_t stop_after;     /* acknowledged lines */
	size_t acknowledged, reads, unanswered;
	unsigned writing;      /* writers with a request under way */
	bool killed, comparing;
	size_t next_key;       /* to compare */
	struct buf target;
	struct slice page_prefix;
	size_t paged;          /* index of the next key that a page must show */
	bool paging_backwards;
};

static void start_target(struct job *job, const char *path, struct slice key)
{
	buf_clear(&job->target);
	must(buf_append_slice(&job->target, slice_of_string(path)));
	httpclient_encode(&job->target, key);
}

static _Noreturn void wrong(struct job *job, const char *what, struct slice key,
	const struct httpclient_reply *reply)
{
	printf("FAILED: %s: key '%.*s'", what, (int)key.len, (const char *)key.data);
	if (reply)
		printf(" (%s, status %u: %.*s)", httpclient_outcome_name(reply->outcome), reply->status,
			(int)reply->body.len, (const char *)reply->body.data);
	printf("\n");
	daemonproc_print_log(job->daemon);
	daemonproc_free(job->daemon);
	exit(EXIT_FAILURE);
}

static uint64_t begin(const char *what)
{
	printf("%s\n", what);
	return clock_monotonic_us();
}

/* ---- loading ---- */

static struct dpkg_key *key_of(struct job *job, const struct dpkg_line *line)
{
	return &job->input.keys[line->key_index];
}

static void send_line(struct worker *worker);

static void write_done(void *arg, const struct httpclient_reply *reply)
{
	struct worker *worker = arg;
	struct job *job = worker->job;

	job->writing--;
	if (reply->outcome != HTTPCLIENT_ANSWERED) {
		if (!job->killed)
			wrong(job, "a write got no answer", worker->key->bytes, reply);
		worker->next--; /* once more after the restart */
		worker->key->sent -= reply->outcome != HTTPCLIENT_LOST;
		job->unanswered++;
		return;
	}
	if (reply->status != 200 && reply->status != 201 && reply->status != 204)
		wrong(job, "wrong answer to a write", worker->key->bytes, reply);
	job->acknowledged++;
	worker->key->promised = worker->key->sent;
	send_line(worker);
}

static void send_line(struct worker *worker)
{
	struct job *job = worker->job;
	struct httpclient_request request = { .method = "PUT", .has_body = true };
	const struct dpkg_line *line;

	if (worker->next == worker->queued || job->acknowledged >= job->stop_after || job->killed)
		return;
	job->writing++;
	line = worker->queue[worker->next++];
	worker->key = key_of(job, line);
	/* one that got no answer is sent again, and counted once */
	while (worker->key->sent == 0 || worker->key->lines[worker->key->sent - 1] < line)
		worker->key->sent++;
	request.body = line->value;
	if (worker->connection % 2 == 0) {
		start_target(job, "/v1/kv/", line->key);
	} else {
		start_target(job, "/set?key=", line->key);
		must(buf_append_slice(&job->target, slice_of_string("&value=")));
		httpclient_encode(&job->target, line->value);
		request.method = "POST";
		request.has_body = false;
	}
	request.target = buf_slice(&job->target);
	httpclient_send(job->client, worker->connection, &request, write_done, worker);
}

/* ---- reading ---- */

/* The oldest of the key's lines from `floor` (counted from 1; 0: none) on that has this value; -1: none. */
static int64_t find_line(const struct dpkg_key *key, uint32_t floor, struct slice value)
{
	uint32_t i;

	for (i = floor == 0 ? 1 : floor; i <= key->sent; i++) {
		if (slice_equal(key->lines[i - 1]->value, value))
			return i;
	}
	return -1;
}

static void send_read(struct worker *worker);

static void read_done(void *arg, const struct httpclient_reply *reply)
{
	struct worker *worker = arg;
	struct job *job = worker->job;
	struct dpkg_key *key = worker->key;
	int64_t line;

	if (reply->outcome != HTTPCLIENT_ANSWERED) {
		if (!job->killed)
			wrong(job, "a read got no answer", key->bytes, reply);
		return;
	}
	if (reply->status == 404 && worker->floor == 0) {
		send_read(worker);
		return;
	}
	line = reply->status == 200 ? find_line(key, worker->floor, reply->body) : -1;
	if (line < 0)
		wrong(job, "a read shows what it may not show", key->bytes, reply);
	if (key->promised < line)
		key->promised = (uint32_t)line;
	job->reads++;
	send_read(worker);
}

/* Any key of which a line was sent; NULL: not yet one of the writer that the dice chose. */
static struct dpkg_key *choose_key(struct job *job)
{
	const struct worker *writer = &job->workers[runner_random(&job->random) % WRITERS];

	if (writer->next == 0)
		return NULL;
	return key_of(job, writer->queue[runner_random(&job->random) % writer->next]);
}

static struct dpkg_key *next_to_read(struct job *job)
{
	struct dpkg_key *key = NULL;

	if (job->comparing)
		return job->next_key == job->input.key_count ? NULL : &job->input.keys[job->next_key++];
	while (!key && job->writing > 0 && !job->killed)
		key = choose_key(job);
	return key;
}

static void send_read(struct worker *worker)
{
	struct job *job = worker->job;
	struct httpclient_request request = { .method = "GET" };

	worker->key = next_to_read(job);
	if (!worker->key)
		return;
	worker->floor = worker->key->promised;
	start_target(job, worker->connection % 2 == 0 ? "/v1/kv/" : "/get?key=", worker->key->bytes);
	request.target = buf_slice(&job->target);
	httpclient_send(job->client, worker->connection, &request, read_done, worker);
}

/* Loads until `stop_after` lines are acknowledged. */
static void load_until(struct job *job, size_t stop_after, bool then_kill)
{
	size_t before = job->acknowledged, reads = job->reads;
	uint64_t start = begin(then_kill ? "load, up to kill -9" : "load the rest");
	unsigned i;

	job->stop_after = stop_after;
	for (i = 0; i < CONNECTIONS; i++) {
		if (i < WRITERS)
			send_line(&job->workers[i]);
		else
			send_read(&job->workers[i]);
	}
	while (httpclient_open_requests(job->client) > 0) {
		if (then_kill && !job->killed && job->acknowledged + WRITERS >= stop_after) {
			job->killed = true;
			daemonproc_kill(job->daemon);
		}
		httpclient_poll(job->client, -1);
	}
	printf("  %zu writes acknowledged, %zu unanswered, %zu reads checked; %.0f writes/s\n",
		job->acknowledged - before, job->unanswered, job->reads - reads,
		(double)(job->acknowledged - before) * 1e6 / (double)(clock_monotonic_us() - start));
}

/* Reads every key: it must show its last promised line or a later one that was sent. */
static void compare(struct job *job, const char *what)
{
	uint64_t start = begin(what);
	unsigned i;

	job->comparing = true;
	job->next_key = 0;
	for (i = 0; i < CONNECTIONS; i++)
		send_read(&job->workers[i]);
	while (httpclient_open_requests(job->client) > 0)
		httpclient_poll(job->client, -1);
	job->comparing = false;
	printf("  %zu keys, %.0f reads/s\n", job->input.key_count,
		(double)job->input.key_count * 1e6 / (double)(clock_monotonic_us() - start));
}

static void require_all_written(struct job *job)
{
	size_t i;

	for (i = 0; i < job->input.key_count; i++) {
		if (job->input.keys[i].promised != job->input.keys[i].line_count)
			wrong(job, "not all lines were written", job->input.keys[i].bytes, NULL);
	}
}

/* ---- paging ---- */

static bool page_item(void *arg, struct slice bytes, struct slice value)
{
	struct job *job = arg;
	const struct dpkg_key *key;

	if (job->paged == (job->paging_backwards ? 0 : job->input.key_count))
		wrong(job, "a page shows more than there is", bytes, NULL);
	key = &job->input.keys[job->paging_backwards ? --job->paged : job->paged++];
	if (!slice_equal(bytes, key->bytes))
		wrong(job, "a page does not show this key where it belongs", key->bytes, NULL);
	if (!slice_equal(value, key->lines[key->line_count - 1]->value))
		wrong(job, "a page shows a wrong value", key->bytes, NULL);
	return true;
}

static size_t find_first(const struct job *job, struct slice bytes)
{
	size_t i = 0;

	while (i < job->input.key_count && slice_compare(job->input.keys[i].bytes, bytes) < 0)
		i++;
	return i;
}

/* All keys with `prefix`, in order or backwards: these and no others. */
static void page_through(struct job *job, const char *prefix, unsigned limit, bool backwards)
{
	struct pager_options options = {
		.prefix = slice_of_string(prefix),
		.limit = limit,
		.reverse = backwards,
	};
	size_t first = find_first(job, options.prefix), last = first;
	char error[512];

	while (last < job->input.key_count &&
		slice_starts_with(job->input.keys[last].bytes, options.prefix))
		last++;
	printf("page through '%s', %u a page%s: %zu keys\n", prefix, limit,
		backwards ? ", backwards" : "", last - first);
	job->paging_backwards = backwards;
	job->paged = backwards ? last : first;
	if (!pager_walk(job->client, &options, page_item, job, error, sizeof(error)))
		wrong(job, error, options.prefix, NULL);
	if (job->paged != (backwards ? first : last))
		wrong(job, "the pages do not show all", options.prefix, NULL);
}

static void page_through_all(struct job *job)
{
	page_through(job, "", 0, false);
	page_through(job, "/usr/share/doc/", 100, false);
	page_through(job, "/usr/lib/", 333, true);
	page_through(job, "/usr/bin/p", 7, false);
}

/* ---- the daemon ---- */

static void start_daemon(struct job *job)
{
	uint64_t elapsed_us = 0;

	daemonproc_start(job->daemon);
	if (!daemonproc_wait_ready(job->daemon, READY_TIMEOUT_MS, &elapsed_us))
		wrong(job, "the daemon did not get ready", slice_of_string(""), NULL);
	printf("kvstored started: ready after %.1f ms\n", (double)elapsed_us / 1000);
	job->killed = false;
	/* the last daemon's connections are gone */
	job->client = httpclient_free(job->client);
	job->client = httpclient_new(daemonproc_port(job->daemon), CONNECTIONS, REQUEST_TIMEOUT_MS);
}

static void shut_down_by_curl(struct job *job)
{
	char command[100];

	snprintf(command, sizeof(command), "curl -sS -f -X GET http://localhost:%u/shutdown",
		daemonproc_port(job->daemon));
	printf("%s\n", command);
	fflush(stdout);
	if (system(command) != 0)
		wrong(job, "curl failed", slice_of_string("/shutdown"), NULL);
	if (!daemonproc_has_ended(job->daemon, READY_TIMEOUT_MS) ||
		daemonproc_exit_status(job->daemon) != 0)
		wrong(job, "the daemon did not end with 0", slice_of_string("/shutdown"), NULL);
}

/* ---- the job ---- */

static uint64_t hash(struct slice bytes)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
	size_t i;

	for (i = 0; i < bytes.len; i++)
		h = (h ^ bytes.data[i]) * UINT64_C(1099511628211);
	return h;
}

static void share_out(struct job *job)
{
	size_t i;

	for (i = 0; i < CONNECTIONS; i++) {
		job->workers[i] = (struct worker){ .job = job, .connection = (unsigned)i };
		if (i < WRITERS)
			job->workers[i].queue = calloc(job->input.line_count, sizeof(void *));
		if (i < WRITERS && !job->workers[i].queue)
			die("out of memory");
	}
	for (i = 0; i < job->input.line_count; i++) {
		struct worker *worker = &job->workers[hash(job->input.lines[i].key) % WRITERS];

		worker->queue[worker->queued++] = &job->input.lines[i];
	}
}

static void run(struct job *job)
{
	size_t all = job->input.line_count;

	start_daemon(job);
	load_until(job, all * 2 / 5 + runner_random(&job->random) % (all / 5 + 1), true);
	start_daemon(job);
	compare(job, "compare after kill -9");
	load_until(job, SIZE_MAX, false);
	require_all_written(job);
	compare(job, "compare all");
	page_through_all(job);
	shut_down_by_curl(job);
	start_daemon(job);
	compare(job, "compare all after the shutdown");
	page_through_all(job);
	if (daemonproc_stop(job->daemon, READY_TIMEOUT_MS) != 0)
		wrong(job, "the daemon did not end with 0 on SIGTERM", slice_of_string(""), NULL);
}

int main(void)
{
	const char *limit = getenv("LINES_MAX");
	struct job job = { .random = runner_seed() };
	char *dir = tempdir_new();
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dpkg_lines_read(limit ? strtoull(limit, NULL, 10) : LINES_DEFAULT, &job.input);
	printf("%zu lines, %zu paths\n", job.input.line_count, job.input.key_count);
	if (job.input.line_count == 0) {
		printf("no dpkg database here\n");
		tempdir_remove(dir);
		return SKIPPED;
	}
	share_out(&job);
	job.daemon = daemonproc_new(dir, "memtable_size = \"256K\"\nflush_interval = 1\n");
	run(&job);
	for (i = 0; i < WRITERS; i++)
		free(job.workers[i].queue);
	job.client = httpclient_free(job.client);
	job.daemon = daemonproc_free(job.daemon);
	buf_free(&job.target);
	dpkg_lines_free(&job.input);
	tempdir_remove(dir);
	printf("the main job is done: nothing lost, nothing wrong\n");
	return EXIT_SUCCESS;
}
