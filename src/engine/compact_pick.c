/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plan is a run of neighbouring tables of one level and the run of those of the output level that they overlap. Candidates are
 * tried in the order of their urgency; one that needs a busy table is no candidate.
 *
 * Why plans that run at the same time fit together: a plan is made only where nothing is busy in any level from its own down to the
 * output level. It is not enough that its own tables are not busy: a plan takes neighbours with a gap between them, and brings
 * tables that span the gap; what another plan would meanwhile put into the gap would overlap them. Level 0 goes whole,
 * never two times at once, and never below a level that holds data.
 */
#include "engine/compact_pick.h"

#include <stdlib.h>

enum {
	TABLES_AT_ONCE = 25,                /* in bytes of full tables: the size of one compaction */
	EXPIRED_DELAY_MS = 60 * 60 * 1000,  /* a table whose entries expire one after another is rewritten once in this time */
};

struct run {
	size_t first, count; /* tables of a level; without tables, `first` is where they would be */
};

struct plan {
	enum pick_reason reason;
	unsigned level, output;
	struct run inputs[2];
	bool move;
	double score;
};

/* What all decisions of one call share. */
struct scene {
	const struct pick_level *levels;
	const struct pick_options *options;
	uint64_t table_bytes;
	unsigned last;                     /* the deepest level that holds data, or that could */
	unsigned first;                    /* where level 0 goes */
	uint64_t target[MANIFEST_LEVELS];  /* bytes; of levels 1 to last - 1 */
};

void pick_free(struct pick *pick)
{
	free(pick->inputs[0]);
	free(pick->inputs[1]);
	*pick = (struct pick){ 0 };
}

/* ---- the scene ---- */

static uint64_t run_bytes(const struct pick_level *level, struct run run)
{
	uint64_t bytes = 0;

	for (size_t i = run.first; i < run.first + run.count; i++)
		bytes += level->tables[i].bytes;
	return bytes;
}

static struct run whole(const struct pick_level *level)
{
	return (struct run){ .first = 0, .count = level->count };
}

/* The first level from `from` on that holds data; MANIFEST_LEVELS: none. */
static unsigned next_filled(const struct pick_level *levels, unsigned from)
{
	while (from < MANIFEST_LEVELS && levels[from].count == 0)
		from++;
	return from;
}

static unsigned deepest_filled(const struct pick_level *levels)
{
	for (unsigned level = MANIFEST_LEVELS - 1; level > 0; level--) {
		if (levels[level].count > 0)
			return level;
	}
	return MANIFEST_LEVELS - 1;
}

static struct scene scene_of(const struct pick_level *levels, const struct pick_options *options)
{
	struct scene scene = { .levels = levels, .options = options, .table_bytes = options->table_bytes };
	unsigned filled = next_filled(levels, 1);
	uint64_t share;

	if (scene.table_bytes == 0)
		scene.table_bytes = options->base_bytes / 4;
	scene.last = deepest_filled(levels);
	scene.first = scene.last;
	share = run_bytes(&levels[scene.last], whole(&levels[scene.last]));
	for (unsigned level = scene.last - 1; level > 0; level--) {
		share /= options->level_factor > 1 ? options->level_factor : 2;
		scene.target[level] = share > options->base_bytes ? share : options->base_bytes;
		if (share >= options->base_bytes && share > 0)
			scene.first = level;
	}
	if (filled < scene.first)
		scene.first = filled;
	return scene;
}

/* ---- runs ---- */

/* Does the run hold a table that cannot be an input? */
static bool is_busy(const struct pick_level *level, struct run run)
{
	for (size_t i = run.first; i < run.first + run.count; i++) {
		if (level->tables[i].busy || level->tables[i].damaged)
			return true;
	}
	return false;
}

static bool overlaps(const struct pick_table *table, struct slice smallest, struct slice largest)
{
	return slice_compare(table->smallest, largest) <= 0 && slice_compare(table->largest, smallest) >= 0;
}

/* The keys that a run (at least one table) spans. */
static void span(const struct pick_level *level, struct run run, struct slice *ret_smallest,
	struct slice *ret_largest)
{
	const struct pick_table *table = &level->tables[run.first];

	*ret_smallest = table->smallest;
	*ret_largest = table->largest;
	for (; table < level->tables + run.first + run.count; table++) {
		if (slice_compare(table->smallest, *ret_smallest) < 0)
			*ret_smallest = table->smallest;
		if (slice_compare(table->largest, *ret_largest) > 0)
			*ret_largest = table->largest;
	}
}

/* Takes in neighbours that share a key with the run, in a level that is sorted. */
static struct run with_touching(const struct pick_level *level, struct run run)
{
	const struct pick_table *tables = level->tables;

	if (run.count == 0)
		return run;
	while (run.first > 0 &&
		slice_compare(tables[run.first - 1].largest, tables[run.first].smallest) >= 0) {
		run.first--;
		run.count++;
	}
	while (run.first + run.count < level->count &&
		slice_compare(tables[run.first + run.count].smallest,
			tables[run.first + run.count - 1].largest) <= 0)
		run.count++;
	return run;
}

/* The tables of a sorted level that overlap a span of keys. */
static struct run overlapping(const struct pick_level *level, struct slice smallest, struct slice largest)
{
	size_t low = 0, high = level->count;
	struct run run = { 0 };

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_compare(level->tables[mid].largest, smallest) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	run.first = low;
	while (low + run.count < level->count &&
		slice_compare(level->tables[low + run.count].smallest, largest) <= 0)
		run.count++;
	return with_touching(level, run);
}

/* ---- plans ---- */

static uint64_t plan_bytes(const struct scene *scene, const struct plan *plan)
{
	return run_bytes(&scene->levels[plan->level], plan->inputs[0]) +
		run_bytes(&scene->levels[plan->output], plan->inputs[1]);
}

/* Can every tombstone of the table be dropped, as far as snapshots go? */
static bool is_free(const struct scene *scene, const struct pick_table *table)
{
	return table->last_sequence <= scene->options->oldest_snapshot;
}

static bool anything_below(const struct scene *scene, unsigned level, const struct pick_table *table)
{
	for (level++; level < MANIFEST_LEVELS; level++) {
		if (overlapping(&scene->levels[level], table->smallest, table->largest).count > 0)
			return true;
	}
	return false;
}

static bool has_expired(const struct pick_table *table, uint64_t now_unix_ms)
{
	return table->oldest_expiry_unix_ms != 0 && table->oldest_expiry_unix_ms <= now_unix_ms;
}

/* Would rewriting the table into `output` leave something out? */
static bool would_shrink(const struct scene *scene, const struct pick_table *table, unsigned output)
{
	if (has_expired(table, scene->options->now_unix_ms))
		return true;
	return table->tombstones > 0 && is_free(scene, table) && !anything_below(scene, output, table);
}

static bool overlaps_later_one(const struct pick_level *level, struct run run, size_t at)
{
	for (size_t other = at + 1; other < run.first + run.count; other++) {
		if (overlaps(&level->tables[other], level->tables[at].smallest, level->tables[at].largest))
			return true;
	}
	return false;
}

/* Several crumbs of level 0 are better merged into one table. */
static bool can_move(const struct scene *scene, const struct plan *plan)
{
	const struct pick_level *level = &scene->levels[plan->level];
	struct run run = plan->inputs[0];

	if (plan->inputs[1].count > 0 || plan->level == plan->output)
		return false;
	if (plan->level == 0 && run.count > 1 && run_bytes(level, run) < scene->table_bytes)
		return false;
	for (size_t i = run.first; i < run.first + run.count; i++) {
		if (would_shrink(scene, &level->tables[i], plan->output))
			return false;
		if (plan->level == 0 && overlaps_later_one(level, run, i))
			return false;
	}
	return true;
}

/* Does a compaction under way read from, or pass over, a level of the plan? */
static bool is_crossed(const struct scene *scene, const struct plan *plan)
{
	for (unsigned level = plan->level; level <= plan->output; level++) {
		for (size_t i = 0; i < scene->levels[level].count; i++) {
			if (scene->levels[level].tables[i].busy)
				return true;
		}
	}
	return false;
}

/* Finds what the inputs of plan->level overlap in the output level. False when another compaction or a damaged table is in the way. */
static bool complete(const struct scene *scene, struct plan *plan)
{
	const struct pick_level *level = &scene->levels[plan->level];
	struct slice smallest, largest;

	if (is_crossed(scene, plan))
		return false;
	if (plan->level > 0)
		plan->inputs[0] = with_touching(level, plan->inputs[0]);
	plan->inputs[1] = (struct run){ 0 };
	if (plan->level != plan->output) {
		span(level, plan->inputs[0], &smallest, &largest);
		plan->inputs[1] = overlapping(&scene->levels[plan->output], smallest, largest);
	}
	if (is_busy(level, plan->inputs[0]) ||
		is_busy(&scene->levels[plan->output], plan->inputs[1]))
		return false;
	plan->move = can_move(scene, plan);
	return true;
}

/* Takes in tables to the right while that costs little (no further table of the output level, unless `widen`), up to `want` bytes
 * of plan->level. */
static void grow(const struct scene *scene, struct plan *plan, uint64_t want, bool widen)
{
	const struct pick_level *level = &scene->levels[plan->level];

	while (plan->inputs[0].first + plan->inputs[0].count < level->count &&
		run_bytes(level, plan->inputs[0]) < want) {
		struct plan larger = *plan;

		larger.inputs[0].count++;
		if (!complete(scene, &larger) ||
			plan_bytes(scene, &larger) > TABLES_AT_ONCE * scene->table_bytes ||
			(!widen && larger.inputs[1].count > plan->inputs[1].count) ||
			(plan->move && !larger.move))
			break;
		*plan = larger;
	}
}

/* A small output joins a small table beside it, so that crumbs do not pile up. */
static void join_crumbs(const struct scene *scene, struct plan *plan)
{
	const struct pick_level *output = &scene->levels[plan->output];
	struct run *run = &plan->inputs[1];
	uint64_t crumb = scene->table_bytes / 2;
	size_t after = run->first + run->count;

	if (plan->level == plan->output || plan_bytes(scene, plan) >= crumb)
		return;
	for (unsigned level = 0; level <= plan->output; level++) {
		if (is_busy(&scene->levels[level], whole(&scene->levels[level])))
			return;
	}
	if (after < output->count && output->tables[after].bytes < crumb)
		run->count++;
	if (run->first > 0 && output->tables[run->first - 1].bytes < crumb) {
		run->first--;
		run->count++;
	}
	*run = with_touching(output, *run);
	plan->move = plan->move && run->count == 0;
}

static kv_status copy_numbers(const struct pick_level *level, struct run run, uint64_t **ret)
{
	uint64_t *numbers = malloc((run.count + 1) * sizeof *numbers);

	if (!numbers)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < run.count; i++)
		numbers[i] = level->tables[run.first + i].number;
	*ret = numbers;
	return KV_OK;
}

static kv_status decide(const struct scene *scene, const struct plan *plan, struct pick *ret)
{
	struct pick pick = { .reason = plan->reason,
		.level = plan->level,
		.output_level = plan->output,
		.input_count = { plan->inputs[0].count, plan->inputs[1].count },
		.move = plan->move,
		.score = plan->score };
	kv_status status;

	status = copy_numbers(&scene->levels[plan->level], plan->inputs[0], &pick.inputs[0]);
	if (status == KV_OK)
		status = copy_numbers(&scene->levels[plan->output], plan->inputs[1], &pick.inputs[1]);
	if (status == KV_OK)
		*ret = pick;
	else
		pick_free(&pick);
	return status;
}

/* ---- candidates ---- */

/* Each of these gives the plan with the highest score that is higher than ret->score: false when there is none. */

static bool plan_level0(const struct scene *scene, struct plan *ret)
{
	const struct pick_level *level = &scene->levels[0];
	uint32_t threshold = scene->options->level0_threshold;
	double full = (double)level->count / (threshold > 0 ? threshold : 1);
	/* squared: every read pays for these tables, and writers will have to wait for them */
	struct plan plan = { .reason = PICK_LEVEL0, .output = scene->first, .score = full * full };

	plan.inputs[0] = whole(level);
	if (level->count == 0 || full < 1 || !complete(scene, &plan))
		return false;
	join_crumbs(scene, &plan);
	*ret = plan;
	return true;
}

/* Index of the first table behind the cursor. */
static size_t cursor_index(const struct pick_level *level)
{
	size_t at = 0;

	while (level->cursor.len > 0 && at < level->count &&
		slice_compare(level->tables[at].smallest, level->cursor) <= 0)
		at++;
	return at;
}

static bool plan_size(const struct scene *scene, unsigned level_number, struct plan *ret)
{
	const struct pick_level *level = &scene->levels[level_number];
	uint64_t target = scene->target[level_number], bytes = 0;
	struct plan plan = { .reason = PICK_SIZE, .level = level_number, .output = level_number + 1 };
	size_t start = cursor_index(level);

	for (size_t i = 0; i < level->count; i++)
		bytes += level->tables[i].busy ? 0 : level->tables[i].bytes;
	plan.score = (double)bytes / (double)(target > 0 ? target : 1);
	if (bytes <= target || plan.score <= ret->score)
		return false;
	for (size_t i = 0; i < level->count; i++) {
		plan.inputs[0] = (struct run){ .first = (start + i) % level->count, .count = 1 };
		if (!complete(scene, &plan))
			continue;
		grow(scene, &plan, bytes - target, false);
		join_crumbs(scene, &plan);
		*ret = plan;
		return true;
	}
	return false;
}

/* How much it would help to rewrite a table for what is dead in it; less than 1: it may stay. */
static double garbage_score(const struct scene *scene, const struct pick_table *table,
	enum pick_reason *ret_reason)
{
	uint64_t now = scene->options->now_unix_ms;

	if (table->tombstones > 0 && table->tombstones * 2 >= table->entries && is_free(scene, table)) {
		*ret_reason = PICK_TOMBSTONES;
		return 0.5 + (double)table->tombstones / (double)(table->entries > 0 ? table->entries : 1);
	}
	*ret_reason = PICK_EXPIRED;
	return now >= EXPIRED_DELAY_MS && has_expired(table, now - EXPIRED_DELAY_MS) ? 1.0 : 0;
}

static bool plan_garbage(const struct scene *scene, unsigned level_number, struct plan *ret)
{
	const struct pick_level *level = &scene->levels[level_number];
	bool found = false;

	for (size_t i = 0; i < level->count; i++) {
		struct plan plan = { .level = level_number,
			.output = level_number < scene->last ? level_number + 1 : level_number,
			.inputs[0] = { .first = i, .count = 1 } };

		plan.score = garbage_score(scene, &level->tables[i], &plan.reason);
		if (plan.score < 1 || plan.score <= ret->score || !complete(scene, &plan))
			continue;
		join_crumbs(scene, &plan);
		*ret = plan;
		found = true;
	}
	return found;
}

kv_status compact_pick(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options, struct pick *ret)
{
	struct scene scene = scene_of(levels, options);
	struct plan best = { 0 };
	bool found = plan_level0(&scene, &best);
	unsigned held = 0;

	/* level 0 is due, but busy tables stand in its way: no more may become busy, or it would wait for ever */
	if (!found && levels[0].count > 0 && levels[0].count >= options->level0_threshold &&
		!is_busy(&levels[0], whole(&levels[0])))
		held = scene.first;
	for (unsigned level = 1; level <= scene.last; level++) {
		if (level == held)
			continue;
		if (level < scene.last)
			found |= plan_size(&scene, level, &best);
		found |= plan_garbage(&scene, level, &best);
	}
	return found ? decide(&scene, &best, ret) : KV_NOT_FOUND;
}

/* ---- everything down ---- */

static bool is_wanted(const struct scene *scene, const struct pick_table *table, unsigned level)
{
	bool old = table->first_sequence <= scene->options->manual_sequence;

	if (level < scene->last)
		return old;
	return (old && table->tombstones > 0 && is_free(scene, table)) ||
		has_expired(table, scene->options->now_unix_ms);
}

static bool manual_level0(const struct scene *scene, struct plan *ret, bool *ret_blocked)
{
	const struct pick_level *level = &scene->levels[0];
	unsigned filled = next_filled(scene->levels, 1);
	struct plan plan = { .reason = PICK_MANUAL,
		.output = filled < MANIFEST_LEVELS ? filled : scene->last,
		.score = 1 };
	size_t newest = 0;

	while (newest < level->count && !is_wanted(scene, &level->tables[newest], 0))
		newest++;
	if (newest == level->count)
		return false;
	plan.inputs[0] = (struct run){ .first = newest, .count = level->count - newest };
	if (!complete(scene, &plan)) {
		*ret_blocked = true;
		return false;
	}
	join_crumbs(scene, &plan);
	*ret = plan;
	return true;
}

static bool manual_level(const struct scene *scene, unsigned level_number, struct plan *ret,
	bool *ret_blocked)
{
	const struct pick_level *level = &scene->levels[level_number];
	struct plan plan = { .reason = PICK_MANUAL,
		.level = level_number,
		.output = level_number < scene->last ? next_filled(scene->levels, level_number + 1)
						     : level_number,
		.score = 1 };

	for (size_t i = 0; i < level->count; i++) {
		if (!is_wanted(scene, &level->tables[i], level_number))
			continue;
		plan.inputs[0] = (struct run){ .first = i, .count = 1 };
		if (!complete(scene, &plan)) {
			*ret_blocked = true;
			continue;
		}
		if (level_number < scene->last) {
			grow(scene, &plan, UINT64_MAX, true);
			join_crumbs(scene, &plan);
		}
		*ret = plan;
		return true;
	}
	return false;
}

kv_status compact_pick_all(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options, struct pick *ret)
{
	struct scene scene = scene_of(levels, options);
	struct plan plan = { 0 };
	bool blocked = false;
	bool found = manual_level0(&scene, &plan, &blocked);

	for (unsigned level = 1; level <= scene.last && !found; level++)
		found = manual_level(&scene, level, &plan, &blocked);
	if (found)
		return decide(&scene, &plan, ret);
	return blocked ? KV_BUSY : KV_NOT_FOUND;
}

uint64_t compact_pick_debt(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options)
{
	struct scene scene = scene_of(levels, options);
	uint64_t debt = 0;

	for (size_t i = options->level0_threshold; i < levels[0].count; i++)
		debt += levels[0].tables[i].bytes;
	for (unsigned level = 1; level < scene.last; level++) {
		uint64_t bytes = run_bytes(&levels[level], whole(&levels[level]));

		debt += bytes > scene.target[level] ? bytes - scene.target[level] : 0;
	}
	return debt;
}
