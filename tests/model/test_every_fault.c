/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One scenario that goes through all of the engine, as often as it has file operations, syncs and allocations; each time another one of them
 * fails: once, or from then on. Whatever happens, what is acknowledged must be there afterwards, no batch by half, nothing wrong is ever read
 * meanwhile, and no descriptor, window or (under ASan) memory is left. Then the power is cut, too.
 *
 * KV_FAULT=0..6: this kind only (the order of enum fault). KV_FAULT_STEP=n: each n-th only, from one on that the seed chooses (1 with KV_LONG; else such that it takes some seconds).
 */
#include "model/judge.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZES = 105, SAMPLE = 35 }; /* runs for each kind of fault, about */

enum fault {
	FAULT_ONCE,     /* an operation fails with EIO */
	FAULT_NO_SPACE, /* with ENOSPC, a write after some bytes */
	FAULT_OFF,      /* that one and all later ones: nothing is reached any more */
	FAULT_SYNC,     /* a sync fails once, what it was for is lost, and later ones "succeed" */
	FAULT_ALLOC,
	FAULT_ALLOC_OFF, /* and many later ones: see history.h */
	FAULT_SHORT, /* no read or write moves more than some bytes */
	FAULT_NONE,
};

static const char *const fault_names[] = { "operation", "ENOSPC at operation", "all from operation", "sync", "allocation",
	"many from allocation", "reads and writes cut short, size", "nothing of" };

/* With a change feed, and with a log that is left without syncs, which needs that there is none. */
static const enum history_kind kinds[] = { HISTORY_MIXED, HISTORY_UNSYNCED };
enum { KINDS = sizeof kinds / sizeof kinds[0] };
static enum history_kind kind; /* of the test that runs */

static struct history *begin(uint64_t seed)
{
	struct history *h = history_new(seed, kind);

	h->faulty = true;
	h->change_log_bytes = kind == HISTORY_MIXED ? 100 << 10 : 0;
	return h;
}

static void set_fault(struct history *h, enum fault fault, uint64_t nth)
{
	struct fault_rule rule = { .op = FAULT_ANY, .nth = nth, .errnum = EIO };

	switch (fault) {
	case FAULT_NO_SPACE:
		rule.errnum = ENOSPC;
		rule.torn_bytes = 100;
		break;
	case FAULT_OFF:
		rule.from_then_on = true;
		break;
	case FAULT_SYNC:
		sim_disk_fail_sync(h->disk, nth, "", EIO);
		return;
	case FAULT_ALLOC:
	case FAULT_ALLOC_OFF:
		fault_alloc_fail(nth, fault == FAULT_ALLOC_OFF);
		return;
	case FAULT_SHORT:
		fault_fs_shorten(h->fault, 7 + 61 * nth);
		return;
	case FAULT_NONE:
		return;
	case FAULT_ONCE:
		break;
	}
	fault_fs_add(h->fault, rule);
}

static void fail_with(enum fault fault, uint64_t nth, const char *when, const char *wrong)
{
	ck_abort_msg("%s %" PRIu64 "; %s: %s", fault_names[fault], nth, when, wrong);
}

/* What is on the disk now: as the next process finds it, and after power cuts. */
static void judge_all(struct history *h, enum fault fault, uint64_t nth)
{
	struct judge_bounds bounds = { .promised = h->first_version, .begun = h->first_version };
	struct sim_walk *walk = sim_walk_new(h->disk);
	struct sim_step step;

	while (sim_walk_next(walk, &step))
		if (step.is_mark)
			judge_mark(h, &step, &bounds);
	for (int loss = 0; loss < SIM_LOSS_COUNT; loss++) {
		struct sim_disk *disk = sim_walk_cut(walk, (enum sim_loss)loss, &h->random);
		struct judge_bounds now = bounds;
		const char *wrong;
		uint64_t version;

		if (loss == SIM_LOSE_NONE) /* with durability `os`, too */
			now.promised = h->last_version;
		wrong = judge_disk(h, disk, &now, &version);
		if (wrong)
			fail_with(fault, nth, loss == SIM_LOSE_NONE ? "after it" : "after a power cut", wrong);
		sim_disk_free(disk);
	}
	sim_walk_free(walk);
}

static void run(enum fault fault, uint64_t nth, uint64_t seed)
{
	struct history *h = begin(seed);

	set_fault(h, fault, nth);
	h->relieved = fault == FAULT_ALLOC_OFF;
	history_script(h);
	fault_alloc_fail(0, false);
	judge_all(h, fault, nth);
	history_free(h);
}

/* How many operations, syncs or allocations the scenario has; the threads in the background make it differ a little. */
static uint64_t count(enum fault fault, uint64_t seed)
{
	struct history *h = begin(seed);
	uint64_t ret;

	fault_alloc_fail(0, false);
	history_script(h);
	if (fault == FAULT_SHORT)
		ret = SIZES;
	else if (fault == FAULT_ALLOC || fault == FAULT_ALLOC_OFF)
		ret = fault_alloc_count();
	else if (fault == FAULT_SYNC)
		ret = fault_fs_count(h->fault, FAULT_FDATASYNC) + fault_fs_count(h->fault, FAULT_FSYNC);
	else
		ret = fault_fs_count(h->fault, FAULT_ANY);
	ck_assert_uint_ge(h->flushes, 3); /* those of the script */
	ck_assert_uint_gt(h->compactions, 0);
	ck_assert_uint_gt(h->large_values, 0);
	ck_assert_uint_gt(h->checkpoint_count, 0);
	history_free(h);
	return ret;
}

static uint64_t step_for(uint64_t all)
{
	const char *text = getenv("KV_FAULT_STEP");
	uint64_t ret = text ? strtoull(text, NULL, 10) : getenv("KV_LONG") ? 1 : all / SAMPLE * RUNNER_STEP;

	return ret > 0 ? ret : 1;
}

START_TEST(no_fault_takes_back_what_was_acknowledged)
{
	enum fault fault = (enum fault)(_i / KINDS);
	uint64_t random = runner_seed(), seed = runner_random(&random);
	uint64_t all, step, runs = 0;

	kind = kinds[_i % KINDS];
	all = count(fault, seed);
	step = step_for(all);
	run(FAULT_NONE, 0, seed);
	for (uint64_t nth = 1 + runner_random(&random) % step; nth <= all; nth += step, runs++)
		run(fault, nth, seed);
	printf("%s%s: %" PRIu64 " of %" PRIu64 " tried in turn\n", fault_names[fault],
		kind == HISTORY_UNSYNCED ? ", log left without syncs" : "", runs, all);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("every_fault");
	TCase *tc = tcase_create("every_fault");
	const char *only = getenv("KV_FAULT");

	tcase_set_timeout(tc, 3600);
	tcase_add_loop_test(tc, no_fault_takes_back_what_was_acknowledged, KINDS * (only ? atoi(only) : 0),
		KINDS * (only ? atoi(only) + 1 : FAULT_NONE));
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
