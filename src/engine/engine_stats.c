/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathering figures: each is right by itself; together they are of about the same moment. */
#include "engine/damage_report.h"

static uint64_t load(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_levels(const struct view *view, struct engine_stats *ret)
{
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = view->levels[n];

		ret->levels[n].tables = level->count;
		ret->levels[n].bytes = level->bytes;
		for (size_t i = 0; i < level->count; i++) {
			ret->levels[n].entries += table_meta(level->tables[i])->entries;
			ret->levels[n].tombstones += table_meta(level->tables[i])->tombstones;
		}
	}
}

static uint64_t range_deletes(const struct memtable *memtable)
{
	const struct range_runs *ranges = memtable_ranges(memtable);

	return ranges ? ranges->ranges : 0;
}

static void add_memory(struct engine *engine, struct engine_stats *ret)
{
	struct view *view = views_acquire(&engine->views);

	ret->memtable_bytes = memtable_bytes(view->active);
	ret->memtable_entries = memtable_entries(view->active);
	ret->range_deletes = range_set_count(view->ranges) + range_deletes(view->active);
	ret->frozen_memtables = view->frozen_count;
	for (size_t i = 0; i < view->frozen_count; i++) {
		ret->memtable_bytes += memtable_bytes(view->frozen[i]);
		ret->memtable_entries += memtable_entries(view->frozen[i]);
		ret->range_deletes += range_deletes(view->frozen[i]);
	}
	add_levels(view, ret);
	view_unref(view);
}

static void add_caches(struct engine *engine, struct engine_stats *ret)
{
	struct block_cache_stats blocks;
	struct table_cache_stats tables;

	block_cache_get_stats(engine->blocks, &blocks);
	table_cache_get_stats(engine->tables, &tables);
	ret->cache_bytes = blocks.bytes;
	ret->cache_capacity_bytes = blocks.capacity;
	ret->cache_hits = blocks.hits;
	ret->cache_misses = blocks.misses;
	ret->table_memory_bytes = tables.memory_bytes;
	ret->filter_negatives = tables.filter_negatives;
	ret->damaged_tables = tables.damaged;
}

static void add_blobs(struct engine *engine, struct engine_stats *ret)
{
	struct blob_set_stats blobs;

	blob_set_get_stats(engine->blobs, &blobs);
	ret->blob_files = blobs.files;
	ret->blob_bytes = blobs.bytes;
	ret->damaged_large_values = blobs.damaged;
	ret->large_bytes_written = load(&engine->counters.large_bytes_written);
}

static void add_scrub(struct engine *engine, struct engine_stats *ret)
{
	ret->scrub_tables = load(&engine->scrub.tables);
	ret->scrub_large_values = load(&engine->scrub.large_values);
	ret->scrub_bytes = load(&engine->scrub.bytes);
	ret->scrub_files = load(&engine->scrub.files);
	ret->scrub_due = load(&engine->scrub.due);
	ret->damaged_basics = damage_report_basics(engine);
}

static void add_counters(struct engine *engine, struct engine_stats *ret)
{
	struct engine_counters *counters = &engine->counters;

	ret->commits = load(&counters->commits);
	ret->commit_groups = load(&counters->commit_groups);
	ret->commit_syncs = load(&counters->commit_syncs);
	ret->user_bytes_written = load(&counters->user_bytes_written);
	ret->wal_bytes_written = load(&counters->wal_bytes_written);
	ret->flushes = load(&counters->flushes);
	ret->flush_bytes_written = load(&counters->flush_bytes_written);
	ret->compactions = load(&counters->compactions);
	ret->compaction_bytes_read = load(&counters->compaction_bytes_read);
	ret->compaction_bytes_written = load(&counters->compaction_bytes_written);
	ret->stall_us = load(&counters->stall_us);
	ret->iterators = load(&counters->iterators);
	for (unsigned i = 0; i < THREAD_COUNTER_LINES; i++) {
		ret->gets += load(&engine->reads[i].gets);
		ret->gets_found += load(&engine->reads[i].found);
	}
}

void engine_get_stats(struct engine *engine, struct engine_stats *ret)
{
	*ret = (struct engine_stats){ .last_sequence = engine_visible(engine) };
	add_memory(engine, ret);
	add_caches(engine, ret);
	add_counters(engine, ret);
	add_blobs(engine, ret);
	add_scrub(engine, ret);
	pthread_mutex_lock(&engine->views.mu);
	ret->wal_segments = engine->catalog.wal_count;
	pthread_mutex_unlock(&engine->views.mu);
	ret->wal_bytes = catalog_log_bytes(&engine->catalog) + catalog_spare_bytes(&engine->catalog);
	ret->change_log_bytes = history_bytes(&engine->catalog.history);
	ret->oldest_change = engine_changes_oldest(engine);
	pthread_mutex_lock(&engine->snapshot_mu);
	ret->snapshots = engine->snapshot_count;
	pthread_mutex_unlock(&engine->snapshot_mu);
}
