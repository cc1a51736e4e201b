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
#include "engine/pick_plan.h"

#include <stdlib.h>

enum {
	TABLES_AT_ONCE = 25, /* in bytes of full tables: the size of one compaction */
	SMALL_PART = 32,     /* of the last level, may be hidden by a level above it when it is quiet */
};

void pick_free(struct pick *pick)
{
	free(pick->inputs[0]);
	free(pick->inputs[1]);
	*pick = (struct pick){ 0 };
}

/* ---- the scene ---- */

uint64_t pick_plan_run_bytes(const struct pick_level *level, struct pick_run run)
{
	uint64_t bytes = 0;

	for (size_t i = run.first; i < run.first + run.count; i++)
		bytes += level->tables[i].bytes;
	return bytes;
}

struct pick_run pick_plan_whole(const struct pick_level *level)
{
	return (struct pick_run){ .first = 0, .count = level->count };
}

uint64_t pick_plan_bytes(const struct pick_level *level)
{
	return pick_plan_run_bytes(level, pick_plan_whole(level));
}

unsigned pick_plan_next_filled(const struct pick_level *levels, unsigned from)
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

/* Nobody writes: what stays above the last level, which holds `bytes`, hides little of it. */
static void set_quiet(struct pick_scene *scene, uint64_t bytes)
{
	scene->small_bytes = bytes / SMALL_PART;
	if (scene->small_bytes < scene->options->small_bytes)
		scene->small_bytes = scene->options->small_bytes;
	for (unsigned level = 1; level < scene->last; level++)
		if ((double)scene->target[level] * scene->options->overwritten > (double)scene->small_bytes)
			scene->target[level] = (uint64_t)((double)scene->small_bytes / scene->options->overwritten);
}

struct pick_scene pick_plan_scene(const struct pick_level *levels, const struct pick_options *options)
{
	struct pick_scene scene = { .levels = levels, .options = options, .table_bytes = options->table_bytes };
	unsigned filled = pick_plan_next_filled(levels, 1);
	uint64_t bottom, share;

	scene.small_bytes = UINT64_MAX;
	if (scene.table_bytes == 0)
		scene.table_bytes = options->base_bytes / 4;
	scene.last = deepest_filled(levels);
	scene.first = scene.last;
	share = bottom = pick_plan_bytes(&levels[scene.last]);
	for (unsigned level = scene.last - 1; level > 0; level--) {
		share /= options->level_factor > 1 ? options->level_factor : 2;
		scene.target[level] = share > options->base_bytes ? share : options->base_bytes;
		if (share >= options->base_bytes && share > 0)
			scene.first = level;
	}
	if (filled < scene.first)
		scene.first = filled;
	if (options->quiet)
		set_quiet(&scene, bottom);
	return scene;
}

/* ---- runs ---- */

bool pick_plan_is_busy(const struct pick_level *level, struct pick_run run)
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
static void span(const struct pick_level *level, struct pick_run run, struct slice *ret_smallest,
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
static struct pick_run with_touching(const struct pick_level *level, struct pick_run run)
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
static struct pick_run overlapping(const struct pick_level *level, struct slice smallest, struct slice largest)
{
	size_t low = 0, high = level->count;
	struct pick_run run = { 0 };

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

static uint64_t plan_bytes(const struct pick_scene *scene, const struct pick_plan *plan)
{
	return pick_plan_run_bytes(&scene->levels[plan->level], plan->inputs[0]) +
		pick_plan_run_bytes(&scene->levels[plan->output], plan->inputs[1]);
}

bool pick_plan_is_free(const struct pick_scene *scene, const struct pick_table *table)
{
	return table->last_sequence <= scene->options->oldest_snapshot;
}

static bool anything_below(const struct pick_scene *scene, unsigned level, const struct pick_table *table)
{
	for (level++; level < MANIFEST_LEVELS; level++) {
		if (overlapping(&scene->levels[level], table->smallest, table->largest).count > 0)
			return true;
	}
	return false;
}

bool pick_plan_has_expired(const struct pick_table *table, uint64_t now_unix_ms)
{
	return table->oldest_expiry_unix_ms != 0 && table->oldest_expiry_unix_ms <= now_unix_ms;
}

/* Would rewriting the table into `output` leave something out? */
static bool would_shrink(const struct pick_scene *scene, const struct pick_table *table, unsigned output)
{
	if (pick_plan_has_expired(table, scene->options->now_unix_ms) || table->range_share > 0)
		return true;
	return table->tombstones > 0 && pick_plan_is_free(scene, table) && !anything_below(scene, output, table);
}

static bool overlaps_later_one(const struct pick_level *level, struct pick_run run, size_t at)
{
	for (size_t other = at + 1; other < run.first + run.count; other++) {
		if (overlaps(&level->tables[other], level->tables[at].smallest, level->tables[at].largest))
			return true;
	}
	return false;
}

/* Several crumbs of level 0 are better merged into one table. */
static bool can_move(const struct pick_scene *scene, const struct pick_plan *plan)
{
	const struct pick_level *level = &scene->levels[plan->level];
	struct pick_run run = plan->inputs[0];

	if (plan->inputs[1].count > 0 || plan->level == plan->output)
		return false;
	if (plan->level == 0 && run.count > 1 && pick_plan_run_bytes(level, run) < scene->table_bytes)
		return false;
	for (size_t i = run.first; i < run.first + run.count; i++) {
		if (would_shrink(scene, &level->tables[i], plan->output))
			return false;
		if (plan->level == 0 && overlaps_later_one(level, run, i))
			return false;
	}
	return true;
}

bool pick_plan_is_crossed(const struct pick_scene *scene, const struct pick_plan *plan)
{
	for (unsigned level = plan->level; level <= plan->output; level++) {
		for (size_t i = 0; i < scene->levels[level].count; i++) {
			if (scene->levels[level].tables[i].busy)
				return true;
		}
	}
	return false;
}

bool pick_plan_complete(const struct pick_scene *scene, struct pick_plan *plan)
{
	return !pick_plan_is_crossed(scene, plan) && pick_plan_complete_uncrossed(scene, plan);
}

bool pick_plan_complete_uncrossed(const struct pick_scene *scene, struct pick_plan *plan)
{
	const struct pick_level *level = &scene->levels[plan->level];
	struct slice smallest, largest;

	if (plan->level > 0)
		plan->inputs[0] = with_touching(level, plan->inputs[0]);
	plan->inputs[1] = (struct pick_run){ 0 };
	if (plan->level != plan->output) {
		span(level, plan->inputs[0], &smallest, &largest);
		plan->inputs[1] = overlapping(&scene->levels[plan->output], smallest, largest);
	}
	if (pick_plan_is_busy(level, plan->inputs[0]) ||
		pick_plan_is_busy(&scene->levels[plan->output], plan->inputs[1]))
		return false;
	plan->move = can_move(scene, plan);
	return true;
}

void pick_plan_grow(const struct pick_scene *scene, struct pick_plan *plan, uint64_t want, bool widen)
{
	const struct pick_level *level = &scene->levels[plan->level];

	while (plan->inputs[0].first + plan->inputs[0].count < level->count &&
		pick_plan_run_bytes(level, plan->inputs[0]) < want) {
		struct pick_plan larger = *plan;

		larger.inputs[0].count++;
		if (!pick_plan_complete(scene, &larger) ||
			plan_bytes(scene, &larger) > TABLES_AT_ONCE * scene->table_bytes ||
			(!widen && larger.inputs[1].count > plan->inputs[1].count) ||
			(plan->move && !larger.move))
			break;
		*plan = larger;
	}
}

void pick_plan_join_crumbs(const struct pick_scene *scene, struct pick_plan *plan)
{
	const struct pick_level *output = &scene->levels[plan->output];
	struct pick_run *run = &plan->inputs[1];
	uint64_t crumb = scene->table_bytes / 2;
	size_t after = run->first + run->count;

	if (plan->level == plan->output || plan_bytes(scene, plan) >= crumb)
		return;
	for (unsigned level = 0; level <= plan->output; level++) {
		if (pick_plan_is_busy(&scene->levels[level], pick_plan_whole(&scene->levels[level])))
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

static kv_status copy_numbers(const struct pick_level *level, struct pick_run run, uint64_t **ret)
{
	uint64_t *numbers = malloc((run.count + 1) * sizeof *numbers);

	if (!numbers)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < run.count; i++)
		numbers[i] = level->tables[run.first + i].number;
	*ret = numbers;
	return KV_OK;
}

kv_status pick_plan_decide(const struct pick_scene *scene, const struct pick_plan *plan, struct pick *ret)
{
	struct pick pick = { .reason = plan->reason,
		.level = plan->level,
		.output_level = plan->output,
		.input_count = { plan->inputs[0].count, plan->inputs[1].count },
		.drop = plan->reason == PICK_COVERED,
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
