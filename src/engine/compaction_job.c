/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A job: the levels of the current view are described to compact_pick (policy), what it picked is marked as busy, merged with
 * compact_run (mechanism), and made live with catalog_apply.
 *
 * A damaged input stays marked, until the scrub has read it without a fault: it is reported once, its keys fail, and the rest of the
 * store, the other inputs included, goes on being compacted around it.
 */
#include "engine/compaction_job.h"

#include "base/clock.h"
#include "engine/compact_ranges.h"
#include "engine/file_error.h"
#include "engine/iter_level.h"
#include "engine/iter_merge.h"

#include <assert.h>
#include <stdlib.h>

enum {
	LEVEL_FACTOR = 4,
	BASE_TABLES = 16,       /* smallest target of a level, in tables */
	SMALL_BYTES = 1 << 20,  /* of a level, which nobody needs to be rid of */
	BUSY_LEVEL0_FACTOR = 3, /* so many times the threshold while somebody writes */
	BAD_RESULTS_MAX = 3,    /* then it is no accident, and what was to be merged is left alone */
};

/* ---- describing ---- */

static struct pick_table describe_table(const struct table *table)
{
	const struct sst_meta *meta = table_meta(table);

	return (struct pick_table){
		.number = meta->number,
		.bytes = meta->file_bytes,
		.blob_bytes = meta->blob_bytes,
		.entries = meta->entries,
		.tombstones = meta->tombstones,
		.first_sequence = meta->first_sequence,
		.last_sequence = meta->last_sequence,
		.oldest_expiry_unix_ms = meta->oldest_expiry_unix_ms,
		.smallest = buf_slice(&meta->smallest),
		.largest = buf_slice(&meta->largest),
	};
}

static void picture_free(struct compaction_picture *picture)
{
	free(picture->tables);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++) {
		buf_free(&picture->cursors[n]);
		view_level_unref(picture->held[n]);
	}
	range_set_unref(picture->ranges);
}

static void hold_tables(struct compaction_picture *picture, struct view *view)
{
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		picture->held[n] = view_level_ref(view->levels[n]);
	picture->ranges = range_set_ref(view->ranges);
	picture->flushed_sequence = view->flushed_sequence;
}

static kv_status picture_take(struct engine *engine, struct compaction_picture *picture)
{
	struct background *background = &engine->background;
	struct view *view;
	kv_status status = KV_OK;
	size_t count = 0, at = 0;
	bool damaged = false;

	/* The view is taken under mu: a table that is not busy in it is still live, because a compaction installs its result
	 * before it unmarks its inputs. */
	pthread_mutex_lock(&background->mu);
	*picture = (struct compaction_picture){ .running = background->running };
	view = views_acquire(&engine->views);
	hold_tables(picture, view);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		count += picture->held[n]->count;
	picture->tables = calloc(count + 1, sizeof *picture->tables);
	if (!picture->tables)
		status = KV_NO_MEMORY;
	for (unsigned n = 0; status == KV_OK && n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = picture->held[n];

		picture->levels[n].tables = &picture->tables[at];
		picture->levels[n].count = level->count;
		for (size_t i = 0; i < level->count; i++, at++) {
			picture->tables[at] = describe_table(level->tables[i]);
			picture->tables[at].busy = table_get_mark(level->tables[i]) == TABLE_BUSY;
			picture->tables[at].damaged = table_get_mark(level->tables[i]) == TABLE_DAMAGED;
			damaged |= picture->tables[at].damaged;
		}
		status = buf_set(&picture->cursors[n], buf_slice(&background->cursors[n]));
		picture->levels[n].cursor = buf_slice(&picture->cursors[n]);
	}
	if (status == KV_OK) /* those that were may have been read since, or have gone */
		atomic_store_explicit(&background->damaged, damaged, memory_order_relaxed);
	pthread_mutex_unlock(&background->mu);
	view_unref(view);
	if (status != KV_OK)
		picture_free(picture);
	return status;
}

/* What the range deletes up to `max_sequence` would take from each table. */
static void judge_ranges(struct compaction_picture *picture, uint64_t max_sequence)
{
	struct pick_table *to = picture->tables;

	for (unsigned n = 0; picture->ranges && n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; i < picture->held[n]->count; i++, to++) {
			struct compact_ranges judged = compact_ranges_judge(picture->ranges,
				table_meta(picture->held[n]->tables[i]), max_sequence);

			to->covered = judged.covered;
			to->range_share = judged.share;
		}
}

static struct pick_options pick_options(struct engine *engine, bool manual, bool may_be_quiet)
{
	struct background *background = &engine->background;
	struct pick_options options = {
		.level0_threshold = atomic_load(&engine->compaction_threshold) * BUSY_LEVEL0_FACTOR,
		.base_bytes = BASE_TABLES * engine->options.table_bytes,
		.table_bytes = engine->options.table_bytes,
		.level_factor = LEVEL_FACTOR,
		.small_bytes = SMALL_BYTES,
		.now_unix_ms = clock_wall_ms(),
		.oldest_snapshot = engine_oldest_snapshot(engine),
		.manual_sequence = UINT64_MAX,
	};

	pthread_mutex_lock(&background->mu);
	options.quiet = may_be_quiet && background->quiet;
	options.overwritten = background->overwritten;
	if (options.quiet)
		options.level0_threshold /= BUSY_LEVEL0_FACTOR;
	if (health_get(&engine->health) == HEALTH_DISK_FULL) { /* whatever hides something goes down, and gives the space back */
		options.quiet = true;
		options.level0_threshold = 1;
		options.small_bytes = 0;
		options.overwritten = 1;
	}
	if (manual) {
		options.manual_sequence = background->manual_sequence;
		options.now_unix_ms = background->manual_unix_ms;
	}
	pthread_mutex_unlock(&background->mu);
	return options;
}

/* ---- one compaction ---- */

static unsigned job_level(const struct compaction_job *job, unsigned side)
{
	return side == 0 ? job->pick.level : job->pick.output_level;
}

static kv_status find_inputs(struct compaction_job *job)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct view_level *level = job->picture.held[job_level(job, side)];
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
	return catalog_new_file_number(arg);
}

/* Only levels below the output can hold older versions: the pick has taken all that overlaps in its two levels. */
static bool may_be_below(void *arg, struct slice key)
{
	const struct compaction_job *job = arg;

	for (unsigned n = job->pick.output_level + 1; n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = job->picture.held[n];
		size_t i = view_level_find(level, key);

		if (i < level->count && slice_compare(
				buf_slice(&table_meta(level->tables[i])->smallest), key) <= 0)
			return true;
	}
	return false;
}

static kv_status pace(void *arg, uint64_t bytes)
{
	const struct compaction_job *job = arg;
	struct background *background = &job->engine->background;
	bool stop;

	(void)bytes;
	pthread_mutex_lock(&background->mu);
	stop = background->stop;
	pthread_mutex_unlock(&background->mu);
	return stop ? KV_BUSY : KV_OK;
}

static struct iter *open_inputs(struct compaction_job *job)
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
			NULL, false)) && ++count;
	}
	if (ok && job->input_count[1] > 0)
		ok = (children[count] = iter_level_new(job->inputs[1], job->input_count[1],
			NULL, false)) && ++count;
	if (ok)
		merge = iter_merge_new(children, count);
	else
		while (children && count > 0)
			iter_close(children[--count]);
	free(children);
	return merge;
}

kv_status compaction_write_tables(struct engine *engine, struct compact_run *run, struct iter *input,
	struct compact_result *ret, struct kv_error *err)
{
	uint64_t *snapshots = NULL;
	kv_status status = KV_NO_MEMORY;

	run->dir = &engine->dir;
	run->id = &engine->id;
	run->table = engine->options.table;
	run->now_unix_ms = clock_wall_ms();
	run->new_file_number = new_file_number;
	run->file_numbers = &engine->catalog;
	if (input)
		status = engine_list_snapshots(engine, &snapshots, &run->snapshot_count);
	run->snapshots = snapshots;
	if (status == KV_OK)
		status = compact_run(run, input, ret, err);
	else
		kv_error_set(err, status, "out of memory for writing tables");
	free(snapshots);
	return status;
}

void compaction_discard(struct engine *engine, const struct compact_result *result, kv_status status)
{
	/* what catalog_apply() fails with otherwise may leave a MANIFEST that names them */
	if (status == KV_NO_SPACE || status == KV_NO_MEMORY || status == KV_CORRUPT)
		compact_result_remove(result, &engine->dir);
}

static kv_status merge_inputs(struct compaction_job *job, struct compact_result *ret, struct kv_error *err)
{
	struct compact_run run = {
		.table_bytes_max = job->engine->options.table_bytes,
		.ranges = job->picture.ranges,
		.ranges_complete = job->picture.flushed_sequence,
		.may_be_below = may_be_below,
		.pace = pace,
		.arg = job,
	};
	struct iter *input = open_inputs(job);
	kv_status status = compaction_write_tables(job->engine, &run, input, ret, err);

	/* what cannot be read is as good as damaged; only what cannot be written stops the store */
	if (status == KV_IO && iter_status(input, NULL) == KV_IO)
		status = err->status = KV_CORRUPT;
	iter_close(input);
	return status;
}

static size_t removed_numbers(const struct compaction_job *job, uint64_t *to)
{
	size_t count = 0;

	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			to[count++] = table_meta(job->inputs[side][i])->number;
	return count;
}

/* Makes `tables` live in the place of the inputs. */
static kv_status replace_inputs(struct compaction_job *job, struct table *const *tables, size_t count,
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

static kv_status install_result(struct compaction_job *job, const struct compact_result *result,
	struct kv_error *err)
{
	struct table **tables = calloc(result->table_count + 1, sizeof(struct table *));
	kv_status status = tables ? KV_OK : kv_error_set(err, KV_NO_MEMORY, "out of memory for a compaction");
	size_t made = 0;

	for (; status == KV_OK && made < result->table_count; made++) {
		tables[made] = table_new(job->engine->tables, &result->tables[made]);
		if (tables[made])
			status = table_hold_blobs(tables[made], job->engine->blobs, err);
		else
			status = kv_error_set(err, KV_NO_MEMORY, "out of memory for a compaction");
	}
	if (status == KV_OK)
		status = replace_inputs(job, tables, made, err);
	compaction_discard(job->engine, result, status);
	for (size_t i = 0; i < made; i++) {
		if (status == KV_OK)
			warm_new_table(job->engine, tables[i]);
		table_unref(tables[i]);
	}
	free(tables);
	return status;
}

static uint64_t input_bytes(const struct compaction_job *job)
{
	uint64_t bytes = 0;

	if (job->pick.drop || job->pick.move)
		return 0;
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			bytes += table_meta(job->inputs[side][i])->file_bytes;
	return bytes;
}

/* Smoothed over the last few compactions. What came to an empty level replaced nothing and tells nothing. */
static void learn_overwritten(struct compaction_job *job, const struct compact_result *result)
{
	struct background *background = &job->engine->background;
	uint64_t entries = 0;
	double share;

	for (size_t i = 0; i < job->input_count[0]; i++)
		entries += table_meta(job->inputs[0][i])->entries;
	if (job->input_count[1] == 0 || entries == 0)
		return;
	share = (double)(result->entries_read - result->entries_written) / (double)entries;
	pthread_mutex_lock(&background->mu);
	background->overwritten = (3 * background->overwritten + (share < 1 ? share : 1)) / 4;
	pthread_mutex_unlock(&background->mu);
}

kv_status compaction_job_run(struct compaction_job *job, struct kv_error *err)
{
	struct engine_counters *counters = &job->engine->counters;
	struct compact_result result = { 0 };
	kv_status status;

	if (job->pick.drop)
		return replace_inputs(job, NULL, 0, err);
	if (job->pick.move)
		return replace_inputs(job, job->inputs[0], job->input_count[0], err);
	status = merge_inputs(job, &result, err);
	if (status == KV_OK)
		status = install_result(job, &result, err);
	if (status == KV_OK) {
		learn_overwritten(job, &result);
		count_up(&counters->compactions, 1);
		count_up(&counters->compaction_bytes_read, input_bytes(job));
		count_up(&counters->compaction_bytes_written, result.bytes_written);
	}
	compact_result_free(&result);
	return status;
}

/* ---- picking and marking ---- */

static void mark_locked(struct compaction_job *job, enum table_mark mark)
{
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			table_set_mark(job->inputs[side][i], mark);
}

static struct table *input_of_number(const struct compaction_job *job, uint64_t number)
{
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < job->input_count[side]; i++)
			if (table_meta(job->inputs[side][i])->number == number)
				return job->inputs[side][i];
	return NULL;
}

/* Of the same inputs in a row, as their last one tells: in level 0 that is the oldest, and newer ones come before it. */
static unsigned count_bad_result_locked(const struct compaction_job *job)
{
	struct background *background = &job->engine->background;
	unsigned side = job->input_count[0] > 0 ? 0 : 1;
	uint64_t number = table_meta(job->inputs[side][job->input_count[side] - 1])->number;

	if (background->bad_result_of != number)
		background->bad_results = 0;
	background->bad_result_of = number;
	return ++background->bad_results;
}

/* Only the table that is to blame. A result that cannot be read is made again, some times. Else nobody knows which it is, and all of them
 * stay out of the next picks. */
static void mark_damaged_locked(struct compaction_job *job, const struct kv_error *err)
{
	struct background *background = &job->engine->background;
	uint64_t number;
	bool named = file_error_which(err, &number) == FILENAME_TABLE;
	struct table *culprit = named ? input_of_number(job, number) : NULL;

	if (named && !culprit && count_bad_result_locked(job) < BAD_RESULTS_MAX)
		return;
	background->bad_results = 0;
	if (culprit)
		table_set_mark(culprit, TABLE_DAMAGED);
	else
		mark_locked(job, TABLE_DAMAGED);
	atomic_store_explicit(&background->damaged, true, memory_order_relaxed);
}

/* Where the next compaction of this level goes on. */
static void move_cursor_locked(struct background *background, const struct compaction_job *job)
{
	const struct sst_meta *last;

	if (job->pick.level == 0 || job->input_count[0] == 0)
		return;
	last = table_meta(job->inputs[0][job->input_count[0] - 1]);
	/* out of memory: the cursor stays, and the same place is looked at again */
	(void)buf_set(&background->cursors[job->pick.level], buf_slice(&last->largest));
}

/* One more is under way; there may be work for another thread beside it. */
static void job_begin(struct compaction_job *job, bool manual)
{
	struct background *background = &job->engine->background;
	uint64_t bytes = input_bytes(job) + 1;

	pthread_mutex_lock(&background->mu);
	mark_locked(job, TABLE_BUSY);
	if (manual && job->for_writers)
		background->manual_behind += bytes;
	else if (manual)
		background->manual_behind -= bytes < background->manual_behind ? bytes : background->manual_behind;
	background->running++;
	background->compact_kicked = true;
	pthread_cond_signal(&background->compact_wake);
	pthread_mutex_unlock(&background->mu);
}

static void job_free(struct compaction_job *job)
{
	free(job->inputs[0]);
	free(job->inputs[1]);
	pick_free(&job->pick);
	picture_free(&job->picture);
}

/* Who writes while engine_compact() is under way must not have to wait for its end, nor it for theirs: the usual compactions take turns with its
 * steps, and each side reads as many bytes. */
static bool is_turn_of_writers(struct engine *engine)
{
	struct background *background = &engine->background;
	bool ret;

	pthread_mutex_lock(&background->mu);
	ret = background->manual_behind == 0 && engine_visible(engine) > background->manual_sequence;
	pthread_mutex_unlock(&background->mu);
	return ret;
}

/* Only what is due for those who write: who waits for level 0 looks like nobody. */
static kv_status pick_for_writers(struct compaction_job *job)
{
	struct pick_options options = pick_options(job->engine, false, false);
	kv_status status = compact_pick(job->picture.levels, &options, &job->pick);

	job->for_writers = status == KV_OK;
	return status;
}

kv_status compaction_job_take(struct engine *engine, bool manual, struct compaction_job *job)
{
	struct background *background = &engine->background;
	struct pick_options options;
	kv_status status;

	*job = (struct compaction_job){ .engine = engine };
	pthread_mutex_lock(&background->pick_mu);
	status = picture_take(engine, &job->picture);
	if (status == KV_OK) {
		/* after the view: a snapshot that comes later sees all of its range deletes */
		options = pick_options(engine, manual, true);
		judge_ranges(&job->picture, options.oldest_snapshot < options.manual_sequence ?
			options.oldest_snapshot : options.manual_sequence);
		status = manual && is_turn_of_writers(engine) ? pick_for_writers(job) : KV_NOT_FOUND;
		if (status == KV_NOT_FOUND)
			status = (manual ? compact_pick_all : compact_pick)(job->picture.levels, &options, &job->pick);
		/* nothing is under way that will unmark what is in the way */
		if (status == KV_BUSY && job->picture.running == 0)
			status = KV_CORRUPT;
		if (status == KV_OK)
			status = find_inputs(job);
		if (status == KV_OK)
			job_begin(job, manual);
		else
			job_free(job);
	}
	pthread_mutex_unlock(&background->pick_mu);
	return status;
}

void compaction_job_end(struct compaction_job *job, kv_status status, const struct kv_error *err)
{
	struct background *background = &job->engine->background;

	pthread_mutex_lock(&background->mu);
	mark_locked(job, TABLE_FREE);
	if (status == KV_CORRUPT)
		mark_damaged_locked(job, err);
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
