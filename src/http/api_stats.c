/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/stats: the numbers of the store and of the server as one JSON object; which number has which name is a table. */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/jsontext.h"
#include "http/reply.h"

#include <inttypes.h>
#include <stddef.h>

struct member {
	const char *name;
	size_t offset; /* of a uint64_t in struct store_stats */
};

#define MEMBER(group_name, field) { group_name, offsetof(struct store_stats, field) }

static const struct member memory[] = {
	MEMBER("memtable_bytes", memtable_bytes), MEMBER("memtable_entries", memtable_entries),
	MEMBER("frozen_memtables", frozen_memtables), MEMBER("table_memory_bytes", table_memory_bytes),
	MEMBER("cache_bytes", cache_bytes), MEMBER("cache_capacity_bytes", cache_capacity_bytes),
	{ NULL, 0 },
};
static const struct member wal[] = {
	MEMBER("segments", wal_segments), MEMBER("bytes", wal_bytes),
	MEMBER("bytes_written", wal_bytes_written), MEMBER("change_log_bytes", change_log_bytes),
	MEMBER("oldest_change", oldest_change), { NULL, 0 },
};
static const struct member commit[] = {
	MEMBER("batches", commits), MEMBER("groups", commit_groups), MEMBER("syncs", commit_syncs),
	MEMBER("user_bytes_written", user_bytes_written), MEMBER("last_version", last_version),
	MEMBER("stall_us", stall_us), MEMBER("range_deletes", range_deletes), { NULL, 0 },
};
static const struct member reads[] = {
	MEMBER("gets", gets), MEMBER("gets_found", gets_found),
	MEMBER("filter_negatives", filter_negatives), MEMBER("cache_hits", cache_hits),
	MEMBER("cache_misses", cache_misses), MEMBER("iterators", iterators),
	MEMBER("snapshots", snapshots), { NULL, 0 },
};
static const struct member background[] = {
	MEMBER("flushes", flushes), MEMBER("flush_bytes_written", flush_bytes_written),
	MEMBER("compactions", compactions), MEMBER("compaction_bytes_read", compaction_bytes_read),
	MEMBER("compaction_bytes_written", compaction_bytes_written), { NULL, 0 },
};

static const struct member large[] = {
	MEMBER("values", large_values), MEMBER("bytes", large_bytes),
	MEMBER("bytes_written", large_bytes_written), { NULL, 0 },
};

static const struct member scrub[] = {
	MEMBER("tables", scrub_tables), MEMBER("large_values", scrub_large_values), MEMBER("bytes", scrub_bytes),
	MEMBER("files", scrub_files), MEMBER("due", scrub_due), { NULL, 0 },
};
static const struct member damaged[] = {
	MEMBER("tables", damaged_tables), MEMBER("large_values", damaged_large_values),
	MEMBER("basics", damaged_basics), { NULL, 0 },
};

static const struct {
	const char *name;
	const struct member *members;
} groups[] = {
	{ "memory", memory }, { "wal", wal }, { "commit", commit }, { "reads", reads },
	{ "background", background }, { "large", large }, { "scrub", scrub }, { "damaged", damaged },
};

static kv_status add_group(struct buf *to, const char *name, const struct member *members,
	const struct store_stats *stats)
{
	kv_status status = buf_printf(to, "\"%s\":{", name);

	for (const struct member *m = members; m->name && status == KV_OK; m++) {
		uint64_t value;

		memcpy(&value, (const char *)stats + m->offset, sizeof value);
		status = buf_printf(to, "%s\"%s\":%" PRIu64, m == members ? "" : ",", m->name, value);
	}
	return status == KV_OK ? buf_printf(to, "},\n") : status;
}

static kv_status add_levels(struct buf *to, const struct store_stats *stats)
{
	kv_status status = buf_printf(to, "\"levels\":[");

	for (unsigned i = 0; i < stats->level_count && status == KV_OK; i++) {
		const struct store_level_stats *level = &stats->levels[i];

		status = buf_printf(to,
			"%s{\"tables\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"entries\":%" PRIu64
			",\"tombstones\":%" PRIu64 "}",
			i > 0 ? "," : "", level->tables, level->bytes, level->entries, level->tombstones);
	}
	return status == KV_OK ? buf_printf(to, "],\n") : status;
}

/* Bytes written to disk for each byte that a user wrote; 0 before the first. */
static double write_amplification(const struct store_stats *stats)
{
	uint64_t written = stats->wal_bytes_written + stats->flush_bytes_written +
		stats->compaction_bytes_written + stats->large_bytes_written;

	return stats->user_bytes_written == 0 ? 0 :
		(double)written / (double)stats->user_bytes_written;
}

/* Bytes of tables for each byte in the lowest level, which has no more than one version of a key; 0 without tables. */
static double space_amplification(const struct store_stats *stats)
{
	uint64_t all = 0, lowest = 0;

	for (unsigned i = 0; i < stats->level_count; i++) {
		all += stats->levels[i].bytes;
		if (stats->levels[i].bytes > 0)
			lowest = stats->levels[i].bytes;
	}
	return lowest == 0 ? 0 : (double)all / (double)lowest;
}

/* Tables that a lookup may have to ask: each of level 0, and one of each level below. */
static uint64_t read_amplification(const struct store_stats *stats)
{
	uint64_t tables = 0;

	for (unsigned i = 0; i < stats->level_count; i++)
		tables += i == 0 ? stats->levels[i].tables : stats->levels[i].tables > 0;
	return tables;
}

static kv_status add_amplification(struct buf *to, const struct store_stats *stats)
{
	return buf_printf(to,
		"\"amplification\":{\"write\":%.3f,\"space\":%.3f,\"read\":%" PRIu64 "}}\n",
		write_amplification(stats), space_amplification(stats), read_amplification(stats));
}

static kv_status add_state(struct buf *to, struct store *store)
{
	char reason[200];
	enum store_state state = store_get_state(store, reason, sizeof reason);
	kv_status status = buf_printf(to, "{\"state\":\"%s\",", store_state_name(state));

	if (status == KV_OK)
		status = jsontext_bytes(to, "reason", slice_of_string(reason));
	return status == KV_OK ? buf_printf(to, ",\n") : status;
}

static kv_status add_server(struct buf *to, struct service *service)
{
	return buf_printf(to,
		"\"server\":{\"uptime_s\":%" PRIu64 ",\"connections\":%u,\"connection_limit\":%u,"
		"\"inflight_bytes\":%" PRIu64 ",\"answer_bytes\":%" PRIu64 ",\"uploads\":%u},\n",
		(clock_monotonic_us() - service->started_us) / 1000000,
		atomic_load(&service->open_connections), service->options->connection_limit,
		(uint64_t)atomic_load(&service->inflight_bytes), (uint64_t)atomic_load(&service->answer_bytes), atomic_load(&service->uploads));
}

static kv_status render(struct service *service, struct buf *to)
{
	struct store_stats stats = { 0 };
	kv_status status;

	store_get_stats(service->store, &stats);
	status = add_state(to, service->store);
	if (status == KV_OK)
		status = add_server(to, service);
	if (status == KV_OK)
		status = add_levels(to, &stats);
	for (size_t i = 0; i < sizeof groups / sizeof groups[0] && status == KV_OK; i++)
		status = add_group(to, groups[i].name, groups[i].members, &stats);
	if (status == KV_OK)
		status = add_amplification(to, &stats);
	return status;
}

void api_stats(struct request *request)
{
	struct buf body = { 0 };
	kv_status status;

	if (!request_query(request, NULL, 0) || !request_may_touch_all(request))
		return;
	status = render(request->service, &body);
	if (status == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}
