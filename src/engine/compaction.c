/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compaction threads. One round: describe the levels of the current view to compact_pick (policy), mark what it
 * picked as busy, merge it with compact_run (mechanism), make the result live with catalog_apply.
 *
 * A damaged input stays marked for the rest of the process: it is reported once, its keys fail, and the rest
 * of the store goes on being compacted.
 */
#include "engine/compaction.h"

#include "base/clock.h"
#include "engine/compact_pick.h"
#include "engine/compact_run.h"
#include "engine/engine_internal.h"
#include "engine/iter_level.h"
#include "engine/iter_merge.h"

#include <assert.h>
#include <stdlib.h>

enum {
	LOOK_US = 30 * 1000 * 1000, /* look for expired data this often, also when nobody writes */
	RETRY_US = 1000 * 1000,
	LEVEL_FACTOR = 10,
	BASE_TABLES = 4, /* smallest target of a level, in tables */
};

/* ---- describing ---- */

/* A view as compact_pick sees it. */
struct picture {
	struct view *view;
	struct pick_table *tables; /* of all levels, one after the other */
	struct pick_level levels[MANIFEST_LEVELS];
	struct buf cursors[MANIFEST_LEVELS];
	unsigned running; /* compactions, when it was taken */
};

static struct pick_table describe_table(const struct table *table)
{
	const struct sst_meta *meta = table_meta(table);

	return (struct pick_table){
		.number = meta->number,
		.bytes = meta->file_bytes,
		.entries = meta->entries,
		.tombstones = meta->tombstones,
		.first_sequence = meta->first_sequence,
		.last_sequence = meta->last_sequence,
		.oldest_expiry_unix_ms = meta->oldest_expiry_unix_ms,
		.smallest = buf_slice(&meta->smallest),
		.largest = buf_slice(&meta->largest),
	};
}

static void picture_free(struct picture *picture)
{
	free(picture->tables);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		buf_free(&picture->cursors[n]);
	view_unref(picture->view);
}

static kv_status picture_take(struct engine *engine, struct picture *picture)
{
	struct background *background = &engine->background;
	kv_status status = KV_OK;
	size_t count = 0, at = 0;

	/* The view is taken under mu: a table that is not busy in it is still live, because a compaction installs its result
	 * before it unmarks its inputs. */
	pthread_mutex_lock(&background->mu);
	*picture = (struct picture){ .view = views_acquire(&engine->views),
		.running = background->running };
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		count += picture->view->levels[n]->count;
	picture->tables = calloc(count + 1, sizeof *picture->tables);
	if (!picture->tables)
		status = KV_NO_MEMORY;
	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = picture->view->levels[n];

		picture->levels[n].tables = &picture->tables[at];
		picture->levels[n].count = level->count;
		for (size_t i = 0; i < level->count; i++, at++) {
			picture->tables[at] = describe_table(level->tables[i]);
			picture->tables[at].busy = table_get_mark(level->tables[i]) == TABLE_BUSY;
			picture->tables[at].damaged = table_get_mark(level->tables[i]) == TABLE_DAMAGED;
		}
		status = buf_set(&picture->cursors[n], buf_slice(&background->cursors[n]));
		picture->levels[n].cursor = buf_slice(&picture->cursors[n]);
	}
	pthread_mutex_unlock(&background->mu);
	if (status != KV_OK)
		picture_free(picture);
	return status;
}

static uint64_t oldest_snapshot(struct engine *engine)
{
	uint64_t oldest = UINT64_MAX;

	pthread_mutex_lock(&engine->snapshot_mu);
	if (engine->snapshots.next != &engine->snapshots)
		oldest = engine->snapshots.next->sequence;
	pthread_mutex_unlock(&engine->snapshot_mu);
	return oldest;
}

static struct pick_options pick_options(struct engine *engine, bool manual)
{
	struct background *background = &engine->background;
	struct pick_options options = {
		.level0_threshold = atomic_load(&engine->compaction_threshold),
		.base_bytes = BASE_TABLES * engine->options.table_bytes,
		.table_bytes = engine->options.table_bytes,
		.level_factor = LEVEL_FACTOR,
		.now_unix_ms = clock_wall_ms(),
		.oldest_snapshot = oldest_snapshot(engine),
		.manual_sequence = UINT64_MAX,
	};

	if (manual) {
		pthread_mutex_lock(&background->mu);
		options.manual_sequence = background->manual_sequence;
		options.now_unix_ms = background->manual_unix_ms;
		pthread_mutex_unlock(&background->mu);
	}
	return options;
}

/* ---- one compaction ---- */

struct job {
	struct engine *engine;
	struct picture picture;
	struct pick pick;
	struct table **inputs[2]; /* borrowed from the view */
	size_t input_count[2];
};

static unsigned job_level(const struct job *job, unsigned side)
{
	return side == 0 ? job->pick.level : job->pick.output_level;
}

static kv_status find_inputs(struct job *job)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct view_level *level = job->picture.view->levels[job_level(job, side)];
		size_t *count = &job->input_count[side];

		job->inputs[side] = calloc(job->pick.input_count[side] + 1,
			sizeof(struct table *));
		if (!job->inputs[side])
			return KV_NO_MEMORY;
		/* a pick names them in the order of the level, as iter_level wants it */
		for (size_t i = 0; i < level->count && *count < job->pick.input_count[side]; i++)
			if (table_meta(level->tables[i])->number == job->pick.inputs[side][*count])
				job->inputs[side][(*count)++] = level->tables[i];
		assert(*count == job->pick.input_count[side]);
	}
	return KV_OK;
}

static uint64_t new_file_number(void *arg)
{
	const struct job *job = arg;

	return catalog_new_file_number(&job->engine->catalog);
}

/* Only levels below the output can hold older versions: the pick has taken all that overlaps in its two levels. */
static bool may_be_below(void *arg, struct slice key)
{
	const struct job *job = arg;

	for (unsigned n = job->pick.output_level + 1; n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = job->picture.view->levels[n];
		size_t i = view_level_find(level, key);

		if (i < level->count && slice_compare(
				buf_slice(&table_meta(level->tables[i])->smallest), key) <= 0)
			return true;
	}
	return false;
}

static kv_status pace(void *arg, uint64_t bytes)
{
	const struct job *job = arg;
	struct background *background = &job->engine->background;
	bool stop;

	(void)bytes;
	pthread_mutex_lock(&background->mu);
	stop = background->stop;
	pthread_mutex_unlock(&background->mu);
	return stop ? KV_BUSY : KV_OK;
}

static struct iter *open_inputs(struct job *job)
{
	size_t most = job->input_count[0] + 1, count = 0;
	struct iter **children = calloc(most + 1, sizeof *children);
	struct iter *merge = NULL;
	bool ok = children != NULL;

	if (job->pick.level == 0) {
		for (size_t i = 0; ok && i < job->input_count[0]; i++)
			ok = (children[count] = table_iter(job->inputs[0][i], false)) && ++count;
	} else if (ok && job->input_count[0] > 0) {
		ok = (children[count] = iter_level_new(job->inputs[0], job->input_count[0],
			false)) && ++count;
	}
	if (ok && job->input_count[1] > 0)
		ok = (children[count] = iter_level_new(job->inputs[1], job->input_count[1],
			false)) && ++count;
	if (ok)
		merge = iter_merge_new(children, count);
	else
		while (children && count > 0)
			iter_close(children[--count]);
	free(children);
	return merge;
}

static kv_status merge_inputs(struct job *job, struct compact_result *ret, struct kv_error *err)
{
	struct engine *engine = job->engine;
	struct compact_run run = {
		.dir = &engine->dir,
		.id = &engine->id,
		.table = engine->options.table,
		.table_bytes_max = engine->options.table_bytes,
		.now_unix_ms = clock_wall_ms(),
		.may_be_below = may_be_below,
		.new_file_number = new_file_number,
		.pace = pace,
		.arg = job,
	};
	struct iter *input = open_inputs(job);
	uint64_t *snapshots = NULL;
	kv_status status = KV_NO_MEMORY;

	if (input)
		status = engine_list_snapshots(engine, &snapshots, &run.snapshot_count);
	run.snapshots = snapshots;
	if (status == KV_OK)
		status = compact_run(&run, input, ret, err);
	else
		kv_error_set(err, status, "out of memory for a compaction");
	/* what cannot be read is as good as damaged; only what cannot be written stops the store */
	if (status == KV_IO && iter_status(input, NULL) == KV_IO)
		status = err->status = KV_CORRUPT;
	free(snapshots);
	iter_close(input);
	return status;
}

static size_t removed_numbers(const struct job *job, uint64_t *to)
{
	size_t count = 0;

	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			to[count++] = table_meta(job->inputs[side][i])->number;
	return count;
}

/* Makes `tables` live in the place of the inputs. */
static kv_status replace_inputs(struct job *job, struct table *const *tables, size_t count,
	struct kv_error *err)
{
	uint64_t *removed = calloc(job->input_count[0] + job->input_count[1] + 1, sizeof *removed);
	struct catalog_edit edit = {
		.added = tables,
		.added_count = count,
		.added_level = job->pick.output_level,
		.removed = removed,
	};
	kv_status status;

	if (!removed)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a compaction");
	edit.removed_count = removed_numbers(job, removed);
	status = catalog_apply(&job->engine->catalog, &edit, err);
	free(removed);
	return status;
}

static kv_status install_result(struct job *job, const struct compact_result *result,
	struct kv_error *err)
{
	struct table **tables = calloc(result->table_count + 1, sizeof(struct table *));
	kv_status status = tables ? KV_OK : KV_NO_MEMORY;
	size_t made = 0;

	for (; status == KV_OK && made < result->table_count; made++) {
		tables[made] = table_new(job->engine->tables, &result->tables[made]);
		if (!tables[made])
			status = KV_NO_MEMORY;
	}
	if (status == KV_OK)
		status = replace_inputs(job, tables, made, err);
	else
		kv_error_set(err, status, "out of memory for a compaction");
	if (status == KV_NO_SPACE || status == KV_NO_MEMORY)
		compact_result_remove(result, &job->engine->dir);
	for (size_t i = 0; i < made; i++)
		table_unref(tables[i]);
	free(tables);
	return status;
}

static uint64_t input_bytes(const struct job *job)
{
	uint64_t bytes = 0;

	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			bytes += table_meta(job->inputs[side][i])->file_bytes;
	return bytes;
}

static kv_status job_run(struct job *job, struct kv_error *err)
{
	struct engine_counters *counters = &job->engine->counters;
	struct compact_result result = { 0 };
	kv_status status;

	if (job->pick.move)
		return replace_inputs(job, job->inputs[0], job->input_count[0], err);
	status = merge_inputs(job, &result, err);
	if (status == KV_OK)
		status = install_result(job, &result, err);
	if (status == KV_OK) {
		count_up(&counters->compactions, 1);
		count_up(&counters->compaction_bytes_read, input_bytes(job));
		count_up(&counters->compaction_bytes_written, result.bytes_written);
	}
	compact_result_free(&result);
	return status;
}

/* ---- picking and marking ---- */

static void mark_locked(struct job *job, enum table_mark mark)
{
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			table_set_mark(job->inputs[side][i], mark);
}

/* Where the next compaction of this level goes on. */
static void move_cursor_locked(struct background *background, const struct job *job)
{
	const struct sst_meta *last;

	if (job->pick.level == 0 || job->input_count[0] == 0)
		return;
	last = table_meta(job->inputs[0][job->input_count[0] - 1]);
	/* out of memory: the cursor stays, and the same place is looked at again */
	(void)buf_set(&background->cursors[job->pick.level], buf_slice(&last->largest));
}

/* One more is under way; there may be work for another thread beside it. */
static void job_begin(struct job *job)
{
	struct background *background = &job->engine->background;

	pthread_mutex_lock(&background->mu);
	mark_locked(job, TABLE_BUSY);
	background->running++;
	background->compact_kicked = true;
	pthread_cond_signal(&background->compact_wake);
	pthread_mutex_unlock(&background->mu);
}

static void job_free(struct job *job)
{
	free(job->inputs[0]);
	free(job->inputs[1]);
	pick_free(&job->pick);
	picture_free(&job->picture);
}

static kv_status job_take(struct engine *engine, bool manual, struct job *job)
{
	struct background *background = &engine->background;
	struct pick_options options = pick_options(engine, manual);
	kv_status status;

	*job = (struct job){ .engine = engine };
	pthread_mutex_lock(&background->pick_mu);
	status = picture_take(engine, &job->picture);
	if (status == KV_OK) {
		status = (manual ? compact_pick_all : compact_pick)(job->picture.levels, &options,
			&job->pick);
		/* nothing is under way that will unmark what is in the way */
		if (status == KV_BUSY && job->picture.running == 0)
			status = KV_CORRUPT;
		if (status == KV_OK)
			status = find_inputs(job);
		if (status == KV_OK)
			job_begin(job);
		else
			job_free(job);
	}
	pthread_mutex_unlock(&background->pick_mu);
	return status;
}

static void job_end(struct job *job, kv_status status)
{
	struct background *background = &job->engine->background;

	pthread_mutex_lock(&background->mu);
	mark_locked(job, status == KV_CORRUPT ? TABLE_DAMAGED : TABLE_FREE);
	if (status == KV_CORRUPT)
		atomic_store_explicit(&background->damaged, true, memory_order_relaxed);
	if (status == KV_OK)
		move_cursor_locked(background, job);
	background->running--;
	if (status == KV_OK) { /* what was in its way may go on */
		background->compact_kicked = true;
		pthread_cond_broadcast(&background->compact_wake);
	}
	pthread_mutex_unlock(&background->mu);
	job_free(job);
}

/* One compaction. KV_NOT_FOUND: nothing to do. KV_BUSY: others are in the way. KV_CORRUPT: damage, or it is in the way. */
static kv_status compact_once(struct engine *engine, bool manual, struct kv_error *err)
{
	struct job job;
	kv_status status = job_take(engine, manual, &job);

	if (status == KV_NOT_FOUND || status == KV_BUSY)
		return status;
	if (status != KV_OK)
		return kv_error_set(err, status, "%s", status == KV_CORRUPT ?
			"a damaged table cannot be compacted" : "out of memory for a compaction");
	status = job_run(&job, err);
	job_end(&job, status);
	if (status != KV_OK)
		health_report(&engine->health, "cannot compact", err);
	views_reclaim(&engine->views);
	background_kick_flush(engine); /* removes the files of replaced tables */
	background_progress(engine);
	return status;
}

/* ---- the threads ---- */

static bool manual_waits_locked(const struct background *background)
{
	return background->manual_wanted > background->manual_done;
}

/* One step of engine_compact(); true when another should follow at once. */
static bool manual_step(struct engine *engine)
{
	struct background *background = &engine->background;
	struct kv_error err = { 0 };
	uint64_t serving;
	kv_status status;
	bool done;

	pthread_mutex_lock(&background->mu);
	serving = background->manual_wanted;
	pthread_mutex_unlock(&background->mu);
	if (health_get(&engine->health) == HEALTH_FAILED)
		status = kv_error_set(&err, KV_IO, "the store has failed");
	else
		status = compact_once(engine, true, &err);

	pthread_mutex_lock(&background->mu);
	/* busy: another compaction is in the way, and kicks when it is done */
	done = status != KV_OK && (status != KV_BUSY || background->stop);
	if (done) {
		background->manual_done = serving;
		background->manual_status = status == KV_NOT_FOUND ? KV_OK : status;
		background->manual_error = err;
	}
	pthread_mutex_unlock(&background->mu);
	if (done)
		background_progress(engine);
	return status == KV_OK;
}

/* One round; returns when the next is due, 0: at once. *ret_failed: not sooner than that, however much is asked for. */
static uint64_t work(struct engine *engine, bool manual, bool *ret_failed)
{
	struct kv_error err = { 0 };
	kv_status status = KV_OK;

	*ret_failed = false;
	if (health_get(&engine->health) == HEALTH_FAILED && !manual)
		return clock_monotonic_us() + LOOK_US;
	if (manual)
		return manual_step(engine) ? 0 : clock_monotonic_us() + RETRY_US;
	status = compact_once(engine, false, &err);
	if (status == KV_OK)
		return 0;
	*ret_failed = status != KV_NOT_FOUND && status != KV_BUSY;
	return clock_monotonic_us() + (*ret_failed ? RETRY_US : LOOK_US);
}

void *compaction_thread(void *arg)
{
	struct engine *engine = arg;
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	while (!background->stop) {
		bool manual = manual_waits_locked(background);
		bool failed;
		uint64_t next;

		background->compact_kicked = false;
		pthread_mutex_unlock(&background->mu);
		next = work(engine, manual, &failed);
		pthread_mutex_lock(&background->mu);
		while (next != 0 && !background->stop && (failed || !background->compact_kicked) &&
			background_wait_locked(engine, &background->compact_wake, next))
			;
	}
	pthread_mutex_unlock(&background->mu);
	return NULL;
}

kv_status compaction_run_all(struct engine *engine, struct kv_error *err)
{
	struct background *background = &engine->background;
	kv_status status = KV_BUSY;
	uint64_t mine;

	pthread_mutex_lock(&background->mu);
	mine = ++background->manual_wanted;
	background->manual_sequence = engine_visible(engine);
	background->manual_unix_ms = clock_wall_ms();
	background->compact_kicked = true;
	pthread_cond_broadcast(&background->compact_wake);
	while (!background->stop && background->manual_done < mine)
		background_wait_locked(engine, &background->progress,
			clock_monotonic_us() + RETRY_US);
	if (background->manual_done >= mine) {
		status = background->manual_status;
		if (status != KV_OK && err)
			*err = background->manual_error;
	} else {
		kv_error_set(err, KV_BUSY, "the store is closing");
	}
	pthread_mutex_unlock(&background->mu);
	return status;
}
