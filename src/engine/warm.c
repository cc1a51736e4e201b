/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/warm.h"

#include "base/clock.h"
#include "engine/engine_internal.h"

bool warm_is_time(struct warm *warm, uint64_t now_us, uint64_t written_bytes)
{
	double seconds = (double)(now_us - warm->seen_us) / 1e6;
	double bytes = (double)(written_bytes - warm->seen_bytes);

	*warm = (struct warm){ .seen_us = now_us, .seen_bytes = written_bytes };
	return bytes <= seconds * WARM_BUSY_BYTES_PER_S;
}

/* What it finds of damage is no failure of whoever wrote the table. */
static void read_table(struct engine *engine, struct table *table)
{
	struct kv_error err = { 0 };

	if (table_warm(table, &err) != KV_OK)
		health_event(&engine->health, LOG_LEVEL_WARNING, "a table that was just written cannot be read: %s", err.text);
}

void warm_new_table(struct engine *engine, struct table *table)
{
	uint64_t written = atomic_load_explicit(&engine->counters.user_bytes_written, memory_order_relaxed);
	bool now;

	pthread_mutex_lock(&engine->background.mu);
	now = warm_is_time(&engine->background.warm, clock_monotonic_us(), written);
	pthread_mutex_unlock(&engine->background.mu);
	if (now)
		read_table(engine, table);
	else
		table_leave_cold(table);
}

/* A table of the view that was left out, with a reference. NULL: there is none. */
static struct table *take_cold(struct engine *engine)
{
	struct view *view = views_acquire(&engine->views);
	struct table *ret = NULL;

	for (unsigned n = 0; !ret && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; !ret && i < view->levels[n]->count; i++)
			if (table_take_cold(view->levels[n]->tables[i]))
				ret = table_ref(view->levels[n]->tables[i]);
	view_unref(view);
	return ret;
}

static bool is_stopped(struct engine *engine)
{
	bool ret;

	pthread_mutex_lock(&engine->background.mu);
	ret = engine->background.stop;
	pthread_mutex_unlock(&engine->background.mu);
	return ret;
}

/* It is not filled to the last byte, since no block makes room for another one here. */
static bool cache_has_room(struct engine *engine)
{
	struct block_cache_stats stats;

	block_cache_get_stats(engine->blocks, &stats);
	return stats.bytes < stats.capacity - stats.capacity / 16;
}

void warm_left_out(struct engine *engine)
{
	struct table *table = NULL;

	while (!is_stopped(engine) && background_quiet_us(engine) >= LOG_QUIET_US && cache_has_room(engine) &&
		(table = take_cold(engine)) != NULL) {
		read_table(engine, table);
		table_unref(table);
	}
}
