/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's size: small when nobody writes, large before it is needed, and never for more than it pays. */
#include "engine/log_size.h"

#include "support/runner.h"

#include <stdio.h>

#define MIB (UINT64_C(1) << 20)
#define FULL (64 * MIB)
#define SECOND UINT64_C(1000000)

static struct log_size size;
static struct log_scene scene;
static uint64_t used; /* of scene.log_bytes */
static uint64_t zeros, flushed, flushes, resizes;

static void setup(void)
{
	size = log_size_begin(FULL);
	scene = (struct log_scene){ .enough = FULL, .spare_bytes = MIB, .log_bytes = MIB };
	used = zeros = flushed = flushes = resizes = 0;
}

/* Takes the advice as the flush thread would, until there is nothing more to do. */
static struct log_advice settle(void)
{
	struct log_advice advice;
	unsigned steps = 0;

	while ((advice = log_size_look(&size, &scene)).step != LOG_KEEP) {
		ck_assert_uint_lt(++steps, 10);
		if (advice.step == LOG_RESIZE) {
			resizes++;
			if (advice.segment_bytes > scene.spare_bytes)
				zeros += advice.segment_bytes - scene.spare_bytes;
			if (advice.drop_retired)
				scene.has_retired = false;
			scene.spare_bytes = advice.segment_bytes;
		} else {
			flushes++;
			flushed += scene.log_bytes + scene.table_bytes; /* at worst all is merged */
			scene.log_bytes = scene.spare_bytes; /* where the log goes on */
			used = 0;
			scene.spare_bytes = advice.segment_bytes;
		}
	}
	return advice;
}

/* The log goes on in the spare; with a full memtable that is all there is, and what it has left is made into the next. */
static void leave_segment(const struct log_advice *advice)
{
	bool is_full = used >= FULL;

	scene.log_bytes = is_full ? scene.spare_bytes : scene.log_bytes + scene.spare_bytes;
	scene.spare_bytes = advice->segment_bytes;
	if (is_full)
		used = 0;
	if (!is_full || scene.spare_bytes < FULL)
		zeros += scene.spare_bytes;
}

static void put(uint64_t bytes)
{
	scene.quiet_us = 0;
	for (uint64_t step; bytes > 0; bytes -= step) {
		struct log_advice advice;

		step = bytes < 16384 ? bytes : 16384;
		scene.written += step;
		used += step;
		advice = settle();
		if (used > scene.log_bytes || used >= FULL)
			leave_segment(&advice);
	}
}

static void pause_for(uint64_t us)
{
	uint64_t end = scene.quiet_us + us;

	for (; scene.quiet_us < end; scene.quiet_us += SECOND / 4)
		settle();
}

START_TEST(a_burst_finds_a_full_segment_before_it_needs_one)
{
	uint64_t left = MIB; /* of the active segment */

	for (unsigned i = 0; i < 2000; i++) {
		struct log_advice advice;

		scene.written += 16384;
		if (left < 16384) {
			left = scene.spare_bytes;
			scene.spare_bytes = log_size_look(&size, &scene).segment_bytes;
			zeros += scene.spare_bytes;
		}
		left -= 16384;
		advice = settle();
		/* grown while at least a quarter of what is in use is left */
		ck_assert_uint_ge(4 * left + 4 * scene.spare_bytes, size.target);
		ck_assert(!advice.settled);
	}
	ck_assert_uint_eq(size.target, FULL);
	ck_assert_uint_eq(scene.spare_bytes, FULL);
	ck_assert_uint_le(resizes, 3);
}
END_TEST

START_TEST(it_is_asked_for_a_look_when_the_next_step_is_due)
{
	struct log_advice advice;

	pause_for(2 * SECOND);
	advice = settle();
	ck_assert(advice.settled);
	ck_assert_uint_eq(advice.look_at_written, scene.written + 1);
	scene.quiet_us = 0;
	scene.written++;
	advice = settle();
	ck_assert(!advice.settled);
	while (size.target < FULL) {
		scene.written = advice.look_at_written;
		ck_assert_int_eq(log_size_look(&size, &scene).step, LOG_RESIZE);
		advice = settle();
		ck_assert_uint_gt(advice.look_at_written, scene.written);
	}
	ck_assert_uint_eq(advice.look_at_written, UINT64_MAX);
}
END_TEST

START_TEST(after_a_large_load_a_second_of_quiet_makes_the_log_small)
{
	scene.table_bytes = scene.store_bytes = 111 * MIB;
	put(300 * MIB);
	scene.log_bytes = FULL;
	scene.has_retired = true;
	scene.quiet_us = LOG_QUIET_US - 1;
	settle();
	ck_assert_uint_eq(scene.spare_bytes, FULL); /* not yet */
	scene.quiet_us = LOG_QUIET_US;
	ck_assert(settle().settled);
	ck_assert_uint_eq(scene.spare_bytes, MIB);
	ck_assert_uint_eq(scene.log_bytes, MIB);
	ck_assert(!scene.has_retired);
	ck_assert_uint_eq(flushes, 1);
}
END_TEST

START_TEST(a_log_that_is_a_small_part_of_the_store_is_not_flushed)
{
	scene.table_bytes = scene.store_bytes = 64 * FULL;
	put(1000 * MIB);
	scene.log_bytes = FULL;
	pause_for(3600 * SECOND);
	ck_assert_uint_eq(flushes, 0);
	ck_assert_uint_eq(scene.spare_bytes, MIB); /* that is cheap */
	ck_assert(settle().settled);
}
END_TEST

/* Whatever the rhythm: zeros and flushes stay within what was written, or within the free rate. */
START_TEST(no_rhythm_of_bursts_costs_more_than_it_pays)
{
	static const uint64_t bursts[] = { 1000, 100000, 600000, MIB, 4 * MIB, 20 * MIB, 100 * MIB };
	static const uint64_t pauses[] = { SECOND / 2, 3 * SECOND / 2, 2 * SECOND, 20 * SECOND, 70 * SECOND };
	static const uint64_t stores[] = { 0, MIB, 111 * MIB, 1000 * MIB };

	for (size_t b = 0; b < sizeof bursts / sizeof bursts[0]; b++)
		for (size_t p = 0; p < sizeof pauses / sizeof pauses[0]; p++)
			for (size_t s = 0; s < sizeof stores / sizeof stores[0]; s++) {
				uint64_t free_bytes = 60 * (pauses[p] / SECOND) * LOG_FREE_BYTES_PER_S;

				setup();
				scene.table_bytes = scene.store_bytes = stores[s];
				for (unsigned i = 0; i < 60; i++) {
					put(bursts[b]);
					pause_for(pauses[p]);
				}
				ck_assert_msg(flushed <= 4 * scene.written + free_bytes,
					"%ju bytes each %ju us into %ju: %ju flushes of %ju bytes for %ju", (uintmax_t)bursts[b],
					(uintmax_t)pauses[p], (uintmax_t)stores[s], (uintmax_t)flushes, (uintmax_t)flushed,
					(uintmax_t)scene.written);
				/* twice: a segment may be used in part when it goes; and what a start costs */
				ck_assert_msg(zeros <= 4 * scene.written + free_bytes + 2 * FULL,
					"%ju bytes each %ju us into %ju: %ju zeros for %ju bytes", (uintmax_t)bursts[b],
					(uintmax_t)pauses[p], (uintmax_t)stores[s], (uintmax_t)zeros, (uintmax_t)scene.written);
			}
}
END_TEST

START_TEST(a_little_now_and_then_changes_nothing)
{
	pause_for(2 * SECOND);
	resizes = 0;
	for (unsigned i = 0; i < 1000; i++) { /* a kilobyte each two seconds */
		put(1000);
		pause_for(2 * SECOND);
	}
	ck_assert_uint_eq(resizes, 0);
	ck_assert_uint_eq(flushes, 0);
	ck_assert_uint_eq(scene.spare_bytes, MIB);
}
END_TEST

START_TEST(no_segment_is_made_larger_than_is_known_to_be_enough)
{
	scene.enough = 4 * MIB;
	put(40 * MIB);
	ck_assert_uint_eq(log_size_look(&size, &scene).segment_bytes, 4 * MIB);
	ck_assert_uint_eq(size.target, FULL);
}
END_TEST

/* A retired one of about the size was taken: that is good enough. */
START_TEST(a_segment_of_about_the_size_is_left_as_it_is)
{
	put(40 * MIB);
	scene.spare_bytes = FULL / 2;
	ck_assert_int_eq(log_size_look(&size, &scene).step, LOG_KEEP);
	scene.spare_bytes = FULL / 2 - 1;
	ck_assert_int_eq(log_size_look(&size, &scene).step, LOG_RESIZE);
	scene.spare_bytes = 0; /* there is none */
	ck_assert_int_eq(log_size_look(&size, &scene).step, LOG_KEEP);
}
END_TEST

START_TEST(on_a_disk_with_little_space_what_is_retired_goes_too)
{
	scene = (struct log_scene){ .enough = MIB / 4, .spare_bytes = MIB / 4, .log_bytes = MIB, .has_retired = true,
		.quiet_us = 3600 * SECOND };
	ck_assert(settle().settled);
	ck_assert(!scene.has_retired);
	ck_assert_uint_eq(resizes, 1);
}
END_TEST

START_TEST(small_segments_are_never_touched)
{
	size = log_size_begin(MIB / 2);
	scene = (struct log_scene){ .enough = MIB / 2, .spare_bytes = MIB / 2, .log_bytes = 10 * MIB,
		.has_retired = true, .quiet_us = 3600 * SECOND };
	ck_assert_int_eq(log_size_look(&size, &scene).step, LOG_KEEP);
	ck_assert(log_size_look(&size, &scene).settled);
	ck_assert_uint_eq(log_size_look(&size, &scene).segment_bytes, MIB / 2);
	ck_assert_uint_eq(log_size_look(&size, &scene).look_at_written, UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_size");
	TCase *tcase = tcase_create("log_size");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, a_burst_finds_a_full_segment_before_it_needs_one);
	tcase_add_test(tcase, it_is_asked_for_a_look_when_the_next_step_is_due);
	tcase_add_test(tcase, after_a_large_load_a_second_of_quiet_makes_the_log_small);
	tcase_add_test(tcase, a_log_that_is_a_small_part_of_the_store_is_not_flushed);
	tcase_add_test(tcase, no_rhythm_of_bursts_costs_more_than_it_pays);
	tcase_add_test(tcase, a_little_now_and_then_changes_nothing);
	tcase_add_test(tcase, no_segment_is_made_larger_than_is_known_to_be_enough);
	tcase_add_test(tcase, a_segment_of_about_the_size_is_left_as_it_is);
	tcase_add_test(tcase, on_a_disk_with_little_space_what_is_retired_goes_too);
	tcase_add_test(tcase, small_segments_are_never_touched);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
