/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /metrics in the text format of Prometheus (version 0.0.4), clean under `promtool check metrics`: counters end in
 * _total, units are seconds and bytes.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/reply.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

static const struct {
	const char *name;
	const char *type;
	size_t offset; /* of a uint64_t in struct store_stats */
	const char *help;
} store_metrics[] = {
#define STAT(name, type, field, help) { name, type, offsetof(struct store_stats, field), help }
	STAT("memtable_bytes", "gauge", memtable_bytes, "Memory of active and frozen memtables"),
	STAT("memtable_entries", "gauge", memtable_entries, "Entries in memory"),
	STAT("frozen_memtables", "gauge", frozen_memtables, "Memtables that wait for their flush"),
	STAT("table_memory_bytes", "gauge", table_memory_bytes, "Indexes and filters of open tables"),
	STAT("cache_bytes", "gauge", cache_bytes, "Blocks in the cache"),
	STAT("cache_capacity_bytes", "gauge", cache_capacity_bytes, "Size of the block cache"),
	STAT("cache_hits_total", "counter", cache_hits, "Blocks found in the cache"),
	STAT("cache_misses_total", "counter", cache_misses, "Blocks read from disk"),
	STAT("wal_segments", "gauge", wal_segments, "Segments of the write-ahead log"),
	STAT("wal_bytes", "gauge", wal_bytes, "Bytes of the write-ahead log on disk"),
	STAT("wal_written_bytes_total", "counter", wal_bytes_written, "Bytes appended to the log"),
	STAT("change_log_bytes", "gauge", change_log_bytes, "Bytes of the log kept for the change feed only"),
	STAT("oldest_change", "gauge", oldest_change, "The oldest position that the change feed takes"),
	STAT("commits_total", "counter", commits, "Batches committed"),
	STAT("commit_groups_total", "counter", commit_groups, "Groups of batches written at once"),
	STAT("commit_syncs_total", "counter", commit_syncs, "Syncs of the log"),
	STAT("user_written_bytes_total", "counter", user_bytes_written, "Bytes of keys and values"),
	STAT("flushes_total", "counter", flushes, "Memtables flushed"),
	STAT("flush_written_bytes_total", "counter", flush_bytes_written, "Bytes of flushed tables"),
	STAT("compactions_total", "counter", compactions, "Compactions done"),
	STAT("compaction_read_bytes_total", "counter", compaction_bytes_read, "Bytes compactions read"),
	STAT("compaction_written_bytes_total", "counter", compaction_bytes_written,
		"Bytes compactions wrote"),
	STAT("gets_total", "counter", gets, "Lookups"),
	STAT("gets_found_total", "counter", gets_found, "Lookups that found a value"),
	STAT("filter_negatives_total", "counter", filter_negatives, "Lookups a filter answered"),
	STAT("range_deletes", "gauge", range_deletes, "Range deletes that compaction has not applied yet"),
	STAT("large_values", "gauge", large_values, "Files of large values"),
	STAT("large_bytes", "gauge", large_bytes, "Bytes of files of large values"),
	STAT("large_written_bytes_total", "counter", large_bytes_written, "Bytes of large values written"),
	STAT("scrub_tables_total", "counter", scrub_tables, "Tables read and verified in the background"),
	STAT("scrub_large_values_total", "counter", scrub_large_values,
		"Large values read and verified in the background"),
	STAT("scrub_bytes_total", "counter", scrub_bytes, "Bytes read to verify them in the background"),
	STAT("scrub_files", "gauge", scrub_files, "Files that there are to verify"),
	STAT("scrub_due", "gauge", scrub_due, "Files whose time to be verified has come"),
	STAT("damaged_tables", "gauge", damaged_tables, "Tables in use that are known to be damaged"),
	STAT("damaged_large_values", "gauge", damaged_large_values, "Large values that are known to be damaged"),
	STAT("damaged_basics", "gauge", damaged_basics, "Of FORMAT and MANIFEST, those that are damaged"),
	STAT("snapshots", "gauge", snapshots, "Open snapshots"),
	STAT("iterators", "gauge", iterators, "Open iterators"),
#undef STAT
};

static kv_status add_heading(struct buf *to, const char *name, const char *type, const char *help)
{
	return buf_printf(to, "# HELP kvstored_%s %s.\n# TYPE kvstored_%s %s\n", name, help, name, type);
}

static kv_status add_number(struct buf *to, const char *name, const char *type, const char *help,
	double value)
{
	kv_status status = add_heading(to, name, type, help);

	return status == KV_OK ? buf_printf(to, "kvstored_%s %.17g\n", name, value) : status;
}

static kv_status add_store(struct buf *to, const struct store_stats *stats)
{
	kv_status status = KV_OK;

	for (size_t i = 0; i < sizeof store_metrics / sizeof store_metrics[0] && status == KV_OK; i++) {
		uint64_t value;

		memcpy(&value, (const char *)stats + store_metrics[i].offset, sizeof value);
		status = add_heading(to, store_metrics[i].name, store_metrics[i].type,
			store_metrics[i].help);
		if (status == KV_OK)
			status = buf_printf(to, "kvstored_%s %" PRIu64 "\n", store_metrics[i].name, value);
	}
	if (status == KV_OK)
		status = add_number(to, "stall_seconds_total", "counter", "Time that writes were delayed",
			(double)stats->stall_us / 1e6);
	return status;
}

static kv_status add_state(struct buf *to, struct store *store)
{
	char reason[200];
	enum store_state state = store_get_state(store, reason, sizeof reason);
	kv_status status = add_heading(to, "state", "gauge", "1 for the state the store is in");

	for (int i = STORE_HEALTHY; i <= STORE_FINISHED && status == KV_OK; i++)
		status = buf_printf(to, "kvstored_state{state=\"%s\"} %d\n",
			store_state_name((enum store_state)i), i == (int)state);
	return status;
}

static kv_status add_levels(struct buf *to, const struct store_stats *stats)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} numbers[] = {
		{ "level_tables", "Tables of a level", offsetof(struct store_level_stats, tables) },
		{ "level_bytes", "Bytes of a level", offsetof(struct store_level_stats, bytes) },
		{ "level_entries", "Entries of a level", offsetof(struct store_level_stats, entries) },
		{ "level_tombstones", "Tombstones of a level",
			offsetof(struct store_level_stats, tombstones) },
	};
	kv_status status = KV_OK;

	for (size_t n = 0; n < sizeof numbers / sizeof numbers[0] && status == KV_OK; n++) {
		status = add_heading(to, numbers[n].name, "gauge", numbers[n].help);
		for (unsigned i = 0; i < stats->level_count && status == KV_OK; i++) {
			uint64_t value;

			memcpy(&value, (const char *)&stats->levels[i] + numbers[n].offset, sizeof value);
			status = buf_printf(to, "kvstored_%s{level=\"%u\"} %" PRIu64 "\n", numbers[n].name, i,
				value);
		}
	}
	return status;
}

static kv_status add_requests(struct buf *to, const struct metrics_sum *sum)
{
	kv_status status = add_heading(to, "http_requests_total", "counter",
		"Requests answered, by operation and status");

	for (unsigned op = 0; op < METRICS_OP_COUNT; op++)
		for (unsigned code = 0; code < 600 && status == KV_OK; code++)
			if (sum->statuses[op][code] > 0)
				status = buf_printf(to,
					"kvstored_http_requests_total{op=\"%s\",code=\"%u\"} %" PRIu64 "\n",
					metrics_op_name((enum metrics_op)op), code, sum->statuses[op][code]);
	return status;
}

static kv_status add_histogram(struct buf *to, const struct metrics_sum *sum, unsigned op)
{
	const char *name = metrics_op_name((enum metrics_op)op);
	uint64_t count = 0;
	kv_status status = KV_OK;

	for (unsigned i = 0; i < METRICS_BUCKETS && status == KV_OK; i++) {
		uint64_t bound = metrics_bucket_bound_us(i);
		char le[32] = "+Inf";

		count += sum->buckets[op][i];
		if (bound != UINT64_MAX)
			snprintf(le, sizeof le, "%g", (double)bound / 1e6);
		status = buf_printf(to,
			"kvstored_http_request_duration_seconds_bucket{op=\"%s\",le=\"%s\"} %" PRIu64 "\n",
			name, le, count);
	}
	if (status != KV_OK)
		return status;
	return buf_printf(to,
		"kvstored_http_request_duration_seconds_sum{op=\"%s\"} %.6f\n"
		"kvstored_http_request_duration_seconds_count{op=\"%s\"} %" PRIu64 "\n",
		name, (double)sum->elapsed_us[op] / 1e6, name, count);
}

static kv_status add_latencies(struct buf *to, const struct metrics_sum *sum)
{
	kv_status status = add_heading(to, "http_request_duration_seconds", "histogram",
		"Time from the request line to the end of the answer");

	for (unsigned op = 0; op < METRICS_OP_COUNT && status == KV_OK; op++)
		status = add_histogram(to, sum, op);
	return status;
}

static kv_status add_server(struct buf *to, struct service *service)
{
	uint64_t uptime_s = (clock_monotonic_us() - service->started_us) / 1000000;
	kv_status status = add_number(to, "uptime_seconds", "gauge", "Time since the server started",
		(double)uptime_s);

	if (status == KV_OK)
		status = add_number(to, "http_connections", "gauge", "Open connections",
			atomic_load(&service->open_connections));
	if (status == KV_OK)
		status = add_number(to, "http_inflight_bytes", "gauge", "Request bodies in memory",
			(double)atomic_load(&service->inflight_bytes));
	if (status == KV_OK)
		status = add_number(to, "http_answer_bytes", "gauge", "Large answers in memory, but for those that are streamed",
			(double)atomic_load(&service->answer_bytes));
	if (status == KV_OK)
		status = add_number(to, "http_uploads", "gauge", "Large values on their way in",
			atomic_load(&service->uploads));
	return status;
}

static kv_status render(struct service *service, struct metrics_sum *sum, struct buf *to)
{
	struct store_stats stats = { 0 };
	kv_status status;

	metrics_collect(service->metrics, sum);
	store_get_stats(service->store, &stats);
	status = add_server(to, service);
	if (status == KV_OK)
		status = add_state(to, service->store);
	if (status == KV_OK)
		status = add_requests(to, sum);
	if (status == KV_OK)
		status = add_latencies(to, sum);
	if (status == KV_OK)
		status = add_levels(to, &stats);
	if (status == KV_OK)
		status = add_store(to, &stats);
	return status;
}

void api_metrics(struct request *request)
{
	struct metrics_sum *sum;
	struct buf body = { 0 };
	kv_status status;

	if (!request_may_touch_all(request))
		return;
	sum = malloc(sizeof *sum);
	status = sum ? render(request->service, sum, &body) : KV_NO_MEMORY;
	if (status == KV_OK)
		reply_buf(request, 200, metrics_type, &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
	free(sum);
}
