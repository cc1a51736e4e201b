/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The power cut, as many times as wanted: random histories of a store on a simulated disk, each of which is then cut, at random points or at
 * every one, in several ways each; the store that is left is opened and judged. Then the history goes on with one of these disks, so
 * that what is cut next is a recovery, too, and what was written after it.
 *
 * KV_TEST_SEED repeats the histories, as far as the timing of the store's threads lets it. KV_CUT_STATES: states to judge (4000; with KV_LONG
 * 100000).
 */
#include "model/judge.h"
#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	STATES_DEFAULT = 4000,
	STATES_LONG = 100000,
	LIVES = 4, /* of a history, with a cut between each two */
	PLACES = 25, /* where a life is cut that is not cut everywhere */
	KINDS = 4,
};

/* They take turns. */
static const struct kind {
	enum history_kind kind;
	bool everywhere; /* cut after each operation of the disk */
	unsigned operations;
} kinds[KINDS] = { { .kind = HISTORY_LAZY, .operations = 300 }, { .operations = 100 }, { .everywhere = true, .operations = 10 },
	{ .kind = HISTORY_UNSYNCED, .operations = 300 } };

static struct totals {
	uint64_t states, of_recovery, histories, torn, unsynced, flushes, compactions, large_values, windows, checkpoints;
} totals;

/* Each with a seed of its own. */
static unsigned parts(void)
{
	return getenv("KV_LONG") ? RUNNER_LONG_PARTS / 4 : 1;
}

/* Of each part. */
static uint64_t states_wanted(void)
{
	const char *wanted = getenv("KV_CUT_STATES");

	if (wanted)
		return strtoull(wanted, NULL, 10) / parts();
	return (getenv("KV_LONG") ? STATES_LONG : STATES_DEFAULT) / RUNNER_STEP / parts();
}

static void fail_with(const struct sim_walk *walk, enum sim_loss loss, const char *what)
{
	static const char *const losses[] = { "all", "none", "latest", "writes", "any" };
	char step[300];

	ck_abort_msg("history %" PRIu64 ", cut after %s; lost: %s; %s", totals.histories,
		sim_walk_describe(walk, step, sizeof step), losses[loss], what);
}

/* One state. When the caller wants it he gets the same disk once more, unused. */
static void cut(struct history *h, const struct sim_walk *walk, enum sim_loss loss, const struct judge_bounds *bounds,
	struct sim_disk **ret_again, uint64_t *ret_version)
{
	uint64_t random = runner_random(&h->random), again = random, version;
	struct sim_disk *disk = sim_walk_cut(walk, loss, &random);
	const char *wrong = judge_disk(h, disk, bounds, &version);

	if (wrong)
		fail_with(walk, loss, wrong);
	totals.states++;
	totals.of_recovery += bounds->begun == h->first_version;
	totals.torn += version < bounds->begun;
	sim_disk_free(disk);
	if (ret_again) {
		*ret_again = sim_walk_cut(walk, loss, &again);
		*ret_version = version;
	}
}

/* Cuts along the whole journal; with `chance` out of 1000 at each step. Returns one of the disks, to go on with. */
static struct sim_disk *cut_all_along(struct history *h, uint64_t chance, uint64_t *ret_version)
{
	struct judge_bounds bounds = { .promised = h->first_version, .begun = h->first_version };
	struct sim_walk *walk = sim_walk_new(h->disk);
	size_t go_on = history_below(h, sim_walk_length(walk)), at = 0;
	struct sim_disk *ret = NULL;
	struct sim_step step;

	while (sim_walk_next(walk, &step)) {
		bool last = ++at == sim_walk_length(walk);

		if (step.is_mark)
			judge_mark(h, &step, &bounds);
		if (!ret && (at > go_on || last))
			cut(h, walk, (enum sim_loss)history_below(h, SIM_LOSS_COUNT), &bounds, &ret, ret_version);
		/* a promise is a reason to look again, though nothing has happened to the disk */
		if ((step.is_mark && step.kind != HISTORY_PROMISED) || history_below(h, 1000) >= chance)
			continue;
		for (int loss = 0; loss < SIM_LOSS_COUNT; loss++)
			cut(h, walk, (enum sim_loss)loss, &bounds, NULL, NULL);
	}
	sim_walk_free(walk);
	return ret;
}

static uint64_t chance_of(struct history *h, const struct kind *kind)
{
	struct sim_walk *walk = sim_walk_new(h->disk);
	uint64_t ret = kind->everywhere ? 1000 : PLACES * 1000 / sim_walk_length(walk) + 1;

	sim_walk_free(walk);
	return ret;
}

static void one_history(uint64_t seed, const struct kind *kind)
{
	struct history *h = history_new(seed, kind->kind);

	for (unsigned life = 0; life < LIVES; life++) {
		/* sometimes nothing but a recovery */
		bool only_recovers = life > 0 && history_below(h, 3) == 0;
		struct sim_disk *next;
		uint64_t version = 0;

		history_live(h, only_recovers ? 0 : kind->operations / 2 + (unsigned)history_below(h, kind->operations));
		totals.checkpoints += h->checkpoint_count;
		next = cut_all_along(h, chance_of(h, kind), &version);
		history_go_on(h, next, version);
	}
	totals.histories++;
	totals.flushes += h->flushes;
	totals.compactions += h->compactions;
	totals.large_values += h->large_values;
	totals.windows += h->windows;
	totals.unsynced += h->lost_segments;
	history_free(h);
}

START_TEST(a_power_cut_takes_back_nothing_that_was_promised)
{
	uint64_t random = runner_seed(), wanted = states_wanted();

	while (totals.states < wanted)
		one_history(runner_random(&random), &kinds[totals.histories % KINDS]);
	printf("states %" PRIu64 ", of these %" PRIu64 " cuts of a recovery alone and %" PRIu64
	       " that lost something unpromised, %" PRIu64 " of them whole segments; histories %" PRIu64 ", flushes %" PRIu64 ", compactions %" PRIu64
	       ", large values %" PRIu64 ", windows %" PRIu64 ", checkpoints %" PRIu64 "\n",
		totals.states, totals.of_recovery, totals.torn, totals.unsynced, totals.histories, totals.flushes, totals.compactions,
		totals.large_values, totals.windows, totals.checkpoints);
	if (wanted >= STATES_DEFAULT) {
		ck_assert_uint_gt(totals.of_recovery, 0);
		ck_assert_uint_gt(totals.torn, 0);
		ck_assert_uint_gt(totals.unsynced, 0);
		ck_assert_uint_gt(totals.flushes, 0);
		ck_assert_uint_gt(totals.compactions, 0);
		ck_assert_uint_gt(totals.large_values, 0);
		ck_assert_uint_gt(totals.windows, 0);
		ck_assert_uint_gt(totals.checkpoints, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("power_cut");
	TCase *tc = tcase_create("power_cut");

	tcase_set_timeout(tc, 900 + (double)states_wanted() / 10);
	tcase_add_loop_test(tc, a_power_cut_takes_back_nothing_that_was_promised, 0, (int)parts());
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
