/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log's files as the flush thread keeps them: a segment made ahead, as large as log_size.c has it; and in quiet times a small log. A flush for
 * the sake of space is an ordinary one: the leader of the commit freezes the memtable and begins the small segment, the old one then goes the way of
 * every other. So there is nothing here that a crash could find half done but a segment that nobody has begun, whose size matters to nobody.
 */
#include "base/clock.h"
#include "engine/engine_internal.h"
#include "engine/reserve.h"

enum {
	SPARE_BYTES_MIN = 1 << 20,
	FIRST_BYTES = 1 << 20, /* small, so that a start is quick; the next is made ahead */
};

void spare_init(struct engine *engine)
{
	engine->log_size = log_size_begin(engine->wal_segment_bytes);
	atomic_store(&engine->look_at_log, UINT64_MAX);
	atomic_store(&engine->memtable_limit, engine->options.memtable_bytes);
}

/* On a full disk there is none, whatever the file system says: what is full may be our quota. */
static uint64_t free_bytes(struct engine *engine)
{
	uint64_t ret;

	if (health_get(&engine->health) == HEALTH_DISK_FULL)
		return 0;
	return dir_space(&engine->dir, &ret, NULL) == KV_OK ? ret : UINT64_MAX; /* then the first write that fails will tell */
}

/* What of it is left when so much memory has got into tables. */
static uint64_t free_beside(struct engine *engine, uint64_t memory)
{
	uint64_t space = free_bytes(engine);

	if (space == UINT64_MAX)
		return space;
	return space > memory ? space - memory : 0;
}

static uint64_t memory_bytes(struct engine *engine, bool with_active)
{
	struct view *view = views_acquire(&engine->views);
	uint64_t ret = with_active ? memtable_bytes(view->active) : 0;

	for (size_t i = 0; i < view->frozen_count; i++)
		ret += memtable_bytes(view->frozen[i]);
	view_unref(view);
	return ret;
}

static uint64_t segment_limit(struct engine *engine, uint64_t bytes)
{
	return reserve_limit(bytes, free_beside(engine, memory_bytes(engine, true)), RESERVE_SEGMENT_LEAST);
}

void spare_look_at_disk(struct engine *engine)
{
	atomic_store(&engine->memtable_limit, reserve_limit(engine->options.memtable_bytes,
			free_beside(engine, memory_bytes(engine, false)), RESERVE_MEMTABLE_LEAST));
}

uint64_t spare_first_bytes(struct engine *engine, uint64_t replayed_bytes)
{
	uint64_t bytes = engine->wal_segment_bytes < FIRST_BYTES ? engine->wal_segment_bytes : FIRST_BYTES;
	uint64_t space = free_beside(engine, replayed_bytes);

	atomic_store(&engine->memtable_limit, reserve_limit(engine->options.memtable_bytes, space, RESERVE_MEMTABLE_LEAST));
	return reserve_limit(bytes, space, RESERVE_SEGMENT_LEAST);
}

static void resize(struct engine *engine, uint64_t bytes)
{
	struct kv_error err = { 0 };
	kv_status status = catalog_resize_spare(&engine->catalog, bytes, &err);

	if (status != KV_OK && status != KV_NOT_FOUND)
		health_report(&engine->health, "cannot resize a WAL segment", &err);
	background_progress(engine); /* somebody may have found none */
}

void spare_give_back(struct engine *engine)
{
	uint64_t bytes = reserve_limit(engine->log_size.small, 0, RESERVE_SEGMENT_LEAST);

	engine->has_reserve = false;
	reserve_release(&engine->dir);
	catalog_drop_retired(&engine->catalog);
	if (catalog_spare_bytes(&engine->catalog) > bytes)
		resize(engine, bytes);
}

void spare_keep_reserve(struct engine *engine)
{
	struct kv_error err = { 0 };

	if (engine->has_reserve || health_get(&engine->health) != HEALTH_HEALTHY)
		return;
	engine->has_reserve = reserve_make(&engine->dir, reserve_bytes(engine->wal_segment_bytes), &err) == KV_OK;
	if (!engine->has_reserve && err.status == KV_NO_SPACE)
		health_report(&engine->health, "no space for the reserve", &err);
}

/* Where little is written between two flushes, what is kept for the change feed is cut to what was used, so that there is nothing
 * to make the next segment from; then a small one does, until it does not. */
static uint64_t enough_bytes(struct engine *engine)
{
	uint64_t used = history_last_used(&engine->catalog.history);
	uint64_t bytes = 2 * used < SPARE_BYTES_MIN ? SPARE_BYTES_MIN : 2 * used;

	if (atomic_load(&engine->wal_was_short) || engine->options.change_log_bytes == 0 || used == 0 ||
		bytes > engine->wal_segment_bytes)
		return engine->wal_segment_bytes;
	return bytes;
}

kv_status spare_make(struct engine *engine)
{
	uint64_t bytes = enough_bytes(engine);
	struct kv_error err = { 0 };
	kv_status status;

	if (catalog_peek_spare(&engine->catalog) != 0)
		return KV_OK;
	atomic_store(&engine->wal_was_short, false);
	if (bytes > engine->log_size.target)
		bytes = engine->log_size.target;
	bytes = segment_limit(engine, bytes);
	status = catalog_make_spare(&engine->catalog, bytes,
		atomic_load(&engine->log_is_unsynced) ? WAL_ALLOCATED : WAL_WRITTEN, &err);
	if (status != KV_OK)
		health_report(&engine->health, "cannot make a WAL segment", &err);
	return status;
}

static void measure_store(struct engine *engine, struct log_scene *scene)
{
	struct blob_set_stats blobs;
	struct view *view = views_acquire(&engine->views);

	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		scene->table_bytes += view->levels[n]->bytes;
	view_unref(view);
	blob_set_get_stats(engine->blobs, &blobs);
	scene->store_bytes = scene->table_bytes + blobs.bytes;
	scene->log_bytes = catalog_log_bytes(&engine->catalog);
}

static void take_step(struct engine *engine, const struct log_advice *advice)
{
	if (advice->step == LOG_RESIZE) {
		resize(engine, advice->segment_bytes);
		if (advice->drop_retired)
			catalog_drop_retired(&engine->catalog);
	} else if (advice->step == LOG_FLUSH) {
		atomic_store(&engine->leave_segment, true);
		commit_want_rotation(engine);
	}
}

uint64_t spare_fit(struct engine *engine)
{
	struct log_scene scene = {
		.written = atomic_load_explicit(&engine->counters.wal_bytes_written, memory_order_relaxed),
		.quiet_us = background_quiet_us(engine),
		.enough = segment_limit(engine, enough_bytes(engine)),
		.spare_bytes = catalog_spare_bytes(&engine->catalog),
		.has_retired = catalog_has_retired(&engine->catalog),
	};
	struct log_advice advice;

	if (scene.quiet_us >= LOG_QUIET_US)
		measure_store(engine, &scene);
	advice = log_size_look(&engine->log_size, &scene);
	if (health_get(&engine->health) == HEALTH_HEALTHY)
		take_step(engine, &advice);
	atomic_store(&engine->look_at_log, advice.look_at_written);
	/* a write that came meanwhile has compared with the value before */
	if (atomic_load(&engine->counters.wal_bytes_written) >= advice.look_at_written)
		return clock_monotonic_us();
	return advice.settled ? UINT64_MAX : clock_monotonic_us() + LOG_QUIET_US;
}
