/* SPDX-License-Identifier: BSD-2-Clause */
/* Candidates are tried in the order of their urgency; one that needs a busy table is no candidate. */
#include "engine/compact_pick.h"

#include "engine/pick_blobs.h"
#include "engine/pick_plan.h"

enum {
	CANDIDATES_MAX = 64, /* tables of a level that are compared before one is taken */
	EXPIRED_DELAY_MS = 60 * 60 * 1000,  /* a table whose entries expire one after another is rewritten once in this time */
};

/* ---- candidates ---- */

/* Each of these gives the plan with the highest score that is higher than ret->score: false when there is none. */

/* How much applying range deletes would give back, against what the rewriting costs, 0 to 1: pointers to large values are cheap to rewrite. */
static double range_gain(const struct pick_table *table)
{
	double bytes = (double)(table->bytes > 0 ? table->bytes : 1);
	double gain = table->range_share * (bytes + (double)table->blob_bytes) / bytes;

	return gain < 1 ? gain : 1;
}

/* How much it would help to be rid of the range deletes over level 0; less than 1: they may stay. */
static double ranges_score(const struct pick_level *level)
{
	double most = 0;

	for (size_t i = 0; i < level->count; i++)
		if (range_gain(&level->tables[i]) > most)
			most = range_gain(&level->tables[i]);
	return 0.5 + most;
}

/* How full level 0 is; 1 and more: it is due. */
static double level0_fullness(const struct pick_scene *scene)
{
	const struct pick_level *level = &scene->levels[0];
	uint32_t threshold = scene->options->level0_threshold;
	double full = (double)level->count / (threshold > 0 ? threshold : 1);

	if (full < 1 && pick_plan_bytes(level) > scene->small_bytes)
		full = 1;
	return full;
}

static bool plan_level0(const struct pick_scene *scene, struct pick_plan *ret)
{
	const struct pick_level *level = &scene->levels[0];
	double full = level0_fullness(scene);
	/* squared: every read pays for these tables, and writers will have to wait for them */
	struct pick_plan plan = { .reason = PICK_LEVEL0, .output = scene->first, .score = full * full };

	plan.inputs[0] = pick_plan_whole(level);
	if (full < 1) {
		plan.reason = PICK_RANGES;
		plan.score = ranges_score(level);
	}
	if (level->count == 0 || plan.score < 1 || !pick_plan_complete(scene, &plan))
		return false;
	pick_plan_join_crumbs(scene, &plan);
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

/* Bytes that must be rewritten for one that gets down. */
static double cost_of(const struct pick_scene *scene, const struct pick_plan *plan)
{
	uint64_t down = pick_plan_run_bytes(&scene->levels[plan->level], plan->inputs[0]);

	return (double)pick_plan_run_bytes(&scene->levels[plan->output], plan->inputs[1]) / (double)(down > 0 ? down : 1);
}

/* The cheapest of those that come next. No table is promised a turn: one that costs much and gets no new keys stays while others are written, until
 * the store is quiet or enough of it is garbage. */
static bool choose_cheapest(const struct pick_scene *scene, struct pick_plan *plan)
{
	const struct pick_level *level = &scene->levels[plan->level];
	size_t start = cursor_index(level);
	double cost, least = 0;
	bool found = false;

	if (pick_plan_is_crossed(scene, plan))
		return false;
	for (size_t i = 0; i < level->count && !(found && (i >= CANDIDATES_MAX || least <= 0)); i++) {
		struct pick_plan candidate = *plan;

		candidate.inputs[0] = (struct pick_run){ .first = (start + i) % level->count, .count = 1 };
		if (!pick_plan_complete_uncrossed(scene, &candidate))
			continue;
		cost = cost_of(scene, &candidate);
		if (found && cost >= least)
			continue;
		*plan = candidate;
		least = cost;
		found = true;
	}
	return found;
}

static bool plan_size(const struct pick_scene *scene, unsigned level_number, struct pick_plan *ret)
{
	const struct pick_level *level = &scene->levels[level_number];
	uint64_t target = scene->target[level_number], bytes = 0;
	struct pick_plan plan = { .reason = PICK_SIZE, .level = level_number, .output = level_number + 1 };

	for (size_t i = 0; i < level->count; i++)
		bytes += level->tables[i].busy ? 0 : level->tables[i].bytes;
	plan.score = (double)bytes / (double)(target > 0 ? target : 1);
	if (bytes <= target || plan.score <= ret->score || !choose_cheapest(scene, &plan))
		return false;
	pick_plan_grow(scene, &plan, bytes - target, false);
	pick_plan_join_crumbs(scene, &plan);
	*ret = plan;
	return true;
}

/* How much it would help to rewrite a table for what is dead in it; less than 1: it may stay. */
static double garbage_score(const struct pick_scene *scene, const struct pick_table *table,
	enum pick_reason *ret_reason)
{
	uint64_t now = scene->options->now_unix_ms;

	if (table->tombstones > 0 && table->tombstones * 2 >= table->entries && pick_plan_is_free(scene, table)) {
		*ret_reason = PICK_TOMBSTONES;
		return 0.5 + (double)table->tombstones / (double)(table->entries > 0 ? table->entries : 1);
	}
	if (range_gain(table) >= 0.5) {
		*ret_reason = PICK_RANGES;
		return 0.5 + range_gain(table);
	}
	*ret_reason = PICK_EXPIRED;
	return now >= EXPIRED_DELAY_MS && pick_plan_has_expired(table, now - EXPIRED_DELAY_MS) ? 1.0 : 0;
}

static bool plan_garbage(const struct pick_scene *scene, unsigned level_number, struct pick_plan *ret)
{
	const struct pick_level *level = &scene->levels[level_number];
	bool found = false;

	for (size_t i = 0; i < level->count; i++) {
		struct pick_plan plan = { .level = level_number,
			.output = level_number < scene->last ? level_number + 1 : level_number,
			.inputs[0] = { .first = i, .count = 1 } };

		plan.score = garbage_score(scene, &level->tables[i], &plan.reason);
		if (plan.score < 1 || plan.score <= ret->score || !pick_plan_complete(scene, &plan))
			continue;
		pick_plan_join_crumbs(scene, &plan);
		*ret = plan;
		found = true;
	}
	return found;
}

static bool can_go(const struct pick_table *table)
{
	return table->covered && !table->busy && !table->damaged;
}

/* Tables that need not be read. They are in nobody's way, and nothing takes their place, so it matters only that they are not busy. */
static bool plan_covered(const struct pick_scene *scene, struct pick_plan *ret)
{
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++) {
		const struct pick_level *level = &scene->levels[n];
		struct pick_run run = { 0 };

		while (run.first < level->count && !can_go(&level->tables[run.first]))
			run.first++;
		while (run.first + run.count < level->count && can_go(&level->tables[run.first + run.count]))
			run.count++;
		*ret = (struct pick_plan){ .reason = PICK_COVERED, .level = n, .output = n, .inputs[0] = run,
			.score = 1000 };
		if (run.count > 0)
			return true;
	}
	return false;
}

static bool plan_blobs(const struct pick_scene *scene, struct pick_plan *ret)
{
	struct pick_plan plan = { .reason = PICK_BLOBS };
	struct pick_blobs due;

	if (!pick_blobs_due(scene->levels, scene->last, scene->options, &due) || due.score <= ret->score)
		return false;
	plan.score = due.score;
	plan.level = due.level;
	plan.output = due.level == 0 ? scene->first : due.level + 1;
	plan.inputs[0] = due.level == 0 ? pick_plan_whole(&scene->levels[0]) :
		(struct pick_run){ .first = due.index, .count = 1 };
	if (!pick_plan_complete(scene, &plan))
		return false;
	pick_plan_join_crumbs(scene, &plan);
	*ret = plan;
	return true;
}

kv_status compact_pick(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options, struct pick *ret)
{
	struct pick_scene scene = pick_plan_scene(levels, options);
	struct pick_plan best = { 0 };
	unsigned held = 0;
	bool found;

	if (plan_covered(&scene, &best))
		return pick_plan_decide(&scene, &best, ret);
	best = (struct pick_plan){ 0 };
	found = plan_level0(&scene, &best);
	/* level 0 is due, but busy tables stand in its way: no more may become busy, or it would wait for ever */
	if (!found && levels[0].count > 0 && level0_fullness(&scene) >= 1 &&
		!pick_plan_is_busy(&levels[0], pick_plan_whole(&levels[0])))
		held = scene.first;
	for (unsigned level = 1; level <= scene.last; level++) {
		if (level == held)
			continue;
		if (level < scene.last)
			found |= plan_size(&scene, level, &best);
		found |= plan_garbage(&scene, level, &best);
	}
	if (held == 0)
		found |= plan_blobs(&scene, &best);
	return found ? pick_plan_decide(&scene, &best, ret) : KV_NOT_FOUND;
}

/* ---- everything down ---- */

static bool is_wanted(const struct pick_scene *scene, const struct pick_table *table, unsigned level)
{
	bool old = table->first_sequence <= scene->options->manual_sequence;

	if (level < scene->last)
		return old;
	return (old && table->tombstones > 0 && pick_plan_is_free(scene, table)) || (old && table->range_share > 0) ||
		pick_plan_has_expired(table, scene->options->now_unix_ms);
}

static bool manual_level0(const struct pick_scene *scene, struct pick_plan *ret, bool *ret_blocked)
{
	const struct pick_level *level = &scene->levels[0];
	unsigned filled = pick_plan_next_filled(scene->levels, 1);
	struct pick_plan plan = { .reason = PICK_MANUAL,
		.output = filled < MANIFEST_LEVELS ? filled : scene->last,
		.score = 1 };
	size_t newest = 0;

	while (newest < level->count && !is_wanted(scene, &level->tables[newest], 0))
		newest++;
	if (newest == level->count)
		return false;
	plan.inputs[0] = (struct pick_run){ .first = newest, .count = level->count - newest };
	if (!pick_plan_complete(scene, &plan)) {
		*ret_blocked = true;
		return false;
	}
	pick_plan_join_crumbs(scene, &plan);
	*ret = plan;
	return true;
}

static bool manual_level(const struct pick_scene *scene, unsigned level_number, struct pick_plan *ret,
	bool *ret_blocked)
{
	const struct pick_level *level = &scene->levels[level_number];
	struct pick_plan plan = { .reason = PICK_MANUAL,
		.level = level_number,
		.output = level_number < scene->last ? pick_plan_next_filled(scene->levels, level_number + 1)
						     : level_number,
		.score = 1 };

	for (size_t i = 0; i < level->count; i++) {
		if (!is_wanted(scene, &level->tables[i], level_number))
			continue;
		plan.inputs[0] = (struct pick_run){ .first = i, .count = 1 };
		if (!pick_plan_complete(scene, &plan)) {
			*ret_blocked = true;
			continue;
		}
		if (level_number < scene->last) {
			pick_plan_grow(scene, &plan, UINT64_MAX, true);
			pick_plan_join_crumbs(scene, &plan);
		}
		*ret = plan;
		return true;
	}
	return false;
}

kv_status compact_pick_all(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options, struct pick *ret)
{
	struct pick_scene scene = pick_plan_scene(levels, options);
	struct pick_plan plan = { 0 };
	bool blocked = false;
	bool found = plan_covered(&scene, &plan) || manual_level0(&scene, &plan, &blocked);

	for (unsigned level = 1; level <= scene.last && !found; level++)
		found = manual_level(&scene, level, &plan, &blocked);
	if (found)
		return pick_plan_decide(&scene, &plan, ret);
	return blocked ? KV_BUSY : KV_NOT_FOUND;
}
