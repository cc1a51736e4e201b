/* SPDX-License-Identifier: BSD-2-Clause */
/* Histories of which a person can tell whether they are linearizable: a checker that cannot fail
 * would show nothing. */
#include "linear/lincheck.h"

#include "support/runner.h"

#include <string.h>

enum { OPS_MAX = 4000, MEMORY_MAX = 1000000, NEVER = 1000000 };

static struct lincheck_op ops[OPS_MAX];
static size_t count;
static uint64_t first[LINCHECK_KEYS];

static void set_up(void)
{
	count = 0;
	memset(first, 0, sizeof first);
}

static struct lincheck_part *add(uint64_t call, uint64_t end)
{
	ops[count] = (struct lincheck_op){ .call = call, .end = end };
	return ops[count++].parts;
}

static void put(uint64_t call, uint64_t end, uint64_t value)
{
	*add(call, end) = (struct lincheck_part){ .did = LINCHECK_SET, .to = value };
}

static void lost_put(uint64_t call, uint64_t end, uint64_t value)
{
	put(call, end, value);
	ops[count - 1].optional = true;
}

/* 0: it found none. */
static void get(uint64_t call, uint64_t end, uint64_t value)
{
	*add(call, end) = (struct lincheck_part){ .saw = LINCHECK_EQUAL, .value = value };
}

static void delete (uint64_t call, uint64_t end)
{
	*add(call, end) = (struct lincheck_part){
		.saw = LINCHECK_EXISTS, .did = LINCHECK_SET, .to = LINCHECK_ABSENT
	};
}

static void cas(uint64_t call, uint64_t end, uint64_t from, uint64_t to)
{
	*add(call, end) = (struct lincheck_part){
		.saw = LINCHECK_EQUAL, .value = from, .did = LINCHECK_SET, .to = to
	};
}

static void failed_cas(uint64_t call, uint64_t end, uint64_t from)
{
	*add(call, end) = (struct lincheck_part){ .saw = LINCHECK_DIFFERENT, .value = from };
}

static void incr(uint64_t call, uint64_t end, int64_t by, int64_t sum)
{
	*add(call, end) = (struct lincheck_part){
		.did = LINCHECK_ADD, .by = by, .sum = sum, .sum_is_known = true
	};
}

static void put_both(uint64_t call, uint64_t end, uint64_t a, uint64_t b)
{
	struct lincheck_part *parts = add(call, end);

	parts[0] = (struct lincheck_part){ .did = LINCHECK_SET, .to = a };
	parts[1] = (struct lincheck_part){ .did = LINCHECK_SET, .to = b };
}

static void get_both(uint64_t call, uint64_t end, uint64_t a, uint64_t b)
{
	struct lincheck_part *parts = add(call, end);

	parts[0] = (struct lincheck_part){ .saw = LINCHECK_EQUAL, .value = a };
	parts[1] = (struct lincheck_part){ .saw = LINCHECK_EQUAL, .value = b };
}

static enum lincheck_verdict verdict(void)
{
	size_t stuck = OPS_MAX;
	enum lincheck_verdict ret = lincheck_run(ops, count, first, MEMORY_MAX, &stuck);

	ck_assert(ret != LINCHECK_NO || stuck < count);
	return ret;
}

#define EXPECT(what) ck_assert_int_eq(verdict(), LINCHECK_##what)

START_TEST(one_after_the_other)
{
	EXPECT(YES);
	get(1, 2, 0);
	put(3, 4, 1);
	get(5, 6, 1);
	cas(7, 8, 1, 2);
	failed_cas(9, 10, 1);
	delete (11, 12);
	get(13, 14, 0);
	EXPECT(YES);
}
END_TEST

START_TEST(a_stale_read_is_found)
{
	put(1, 2, 1);
	put(3, 4, 2);
	get(5, 6, 1);
	EXPECT(NO);
}
END_TEST

START_TEST(a_read_beside_a_write_may_see_either)
{
	put(1, 2, 1);
	put(3, 10, 2);
	get(4, 5, 1);
	get(6, 7, 2);
	EXPECT(YES);
	get(8, 9, 1); /* but not go back */
	EXPECT(NO);
}
END_TEST

START_TEST(a_value_that_nobody_wrote_is_found)
{
	put(1, 2, 1);
	get(3, 4, 7);
	EXPECT(NO);
}
END_TEST

START_TEST(a_lost_update_is_found)
{
	put(1, 2, 1);
	cas(3, 8, 1, 2);
	cas(4, 7, 1, 3); /* both succeeded from the same state */
	EXPECT(NO);
}
END_TEST

START_TEST(of_two_that_compare_one_may_fail)
{
	put(1, 2, 1);
	cas(3, 8, 1, 2);
	failed_cas(4, 7, 1);
	EXPECT(YES);
}
END_TEST

START_TEST(a_comparison_that_failed_without_reason_is_found)
{
	put(1, 2, 1);
	failed_cas(3, 4, 1);
	EXPECT(NO);
}
END_TEST

START_TEST(a_lost_increment_is_found)
{
	incr(1, 6, 1, 1);
	incr(2, 5, 1, 2);
	incr(3, 4, 5, 7);
	get(7, 8, 7 + LINCHECK_NUMBER_BIAS);
	EXPECT(YES);
	count = 2;
	ops[1].parts[0].sum = 1; /* both got the same sum */
	EXPECT(NO);
}
END_TEST

START_TEST(a_resurrected_delete_is_found)
{
	put(1, 2, 1);
	delete (3, 4);
	get(5, 6, 0);
	get(7, 8, 1);
	EXPECT(NO);
}
END_TEST

START_TEST(a_delete_of_nothing_that_told_of_something_is_found)
{
	delete (1, 2);
	EXPECT(NO);
}
END_TEST

START_TEST(one_unanswered_write_may_have_happened_and_the_next_not)
{
	put(1, 2, 1);
	lost_put(3, 10, 2);
	lost_put(4, 20, 3);
	get(21, 22, 2);
	EXPECT(YES);
}
END_TEST

/* The kill is at 10. */
START_TEST(an_unanswered_write_may_have_happened_or_not)
{
	put(1, 2, 1);
	lost_put(5, 10, 2);
	get(11, 12, 1);
	EXPECT(YES);
	count--;
	get(11, 12, 2);
	EXPECT(YES);
	get(13, 14, 1); /* not both */
	EXPECT(NO);
}
END_TEST

START_TEST(an_unanswered_write_that_happens_after_the_restart_is_found)
{
	put(1, 2, 1);
	lost_put(5, 10, 2);
	get(11, 12, 1);
	get(13, 14, 2);
	EXPECT(NO);
}
END_TEST

START_TEST(a_read_of_a_value_that_a_crash_took_back_is_found)
{
	put(1, 2, 1);
	lost_put(3, 10, 2);
	get(4, 5, 2); /* was seen, so it was promised */
	EXPECT(YES);
	get(11, 12, 1);
	EXPECT(NO);
}
END_TEST

START_TEST(an_acknowledged_write_that_a_crash_took_back_is_found)
{
	put(1, 2, 1);
	put(3, 4, 2);
	lost_put(5, 10, 3);
	get(11, 12, 1);
	EXPECT(NO);
}
END_TEST

START_TEST(half_of_a_batch_is_found)
{
	put_both(1, 2, 1, 2);
	put_both(3, 8, 3, 4);
	get_both(4, 5, 1, 2);
	get_both(6, 7, 3, 4);
	EXPECT(YES);
	count--;
	get_both(6, 7, 3, 2);
	EXPECT(NO);
}
END_TEST

START_TEST(half_of_an_unanswered_batch_is_found)
{
	put_both(1, 2, 1, 2);
	put_both(3, 10, 3, 4);
	ops[1].optional = true;
	get_both(11, 12, 1, 2);
	EXPECT(YES);
	ops[2].parts[1].value = 4;
	EXPECT(NO);
}
END_TEST

START_TEST(keys_that_are_right_apart_may_be_wrong_together)
{
	first[0] = 1;
	first[1] = 2;
	put(1, 10, 3); /* a */
	ops[count] = (struct lincheck_op){ .call = 2, .end = 9 };
	ops[count++].parts[1] = (struct lincheck_part){ .did = LINCHECK_SET, .to = 4 }; /* b */
	get_both(3, 4, 3, 2);
	get_both(5, 6, 1, 4);
	EXPECT(NO);
	ops[3].parts[0].value = 3;
	EXPECT(YES);
}
END_TEST

/* Of both keys the last is there, but the first one overwrote in the other order. */
START_TEST(unanswered_writes_may_lie_over_each_other_in_part)
{
	put_both(1, 2, 10, 20);
	put_both(3, 9, 11, 21);
	ops[count - 1].optional = true;
	lost_put(4, 9, 12);
	get_both(10, 11, 12, 21);
	ck_assert_int_eq(verdict(), LINCHECK_YES);
}
END_TEST

START_TEST(a_write_may_lie_over_a_part_of_an_unanswered_batch)
{
	put_both(1, 2, 10, 20);
	put_both(4, 9, 11, 21);
	ops[count - 1].optional = true;
	*(add(3, 8) + 1) = (struct lincheck_part){ .saw = LINCHECK_EXISTS, .did = LINCHECK_SET, .to = 22 };
	get_both(10, 11, 11, 22);
	ck_assert_int_eq(verdict(), LINCHECK_YES);
}
END_TEST

START_TEST(unanswered_writes_of_different_keys_may_both_have_happened)
{
	for (unsigned order = 0; order < 2; order++) {
		set_up();
		for (unsigned i = 0; i < 2; i++) {
			*(add(1 + i, 9) + (i ^ order)) = (struct lincheck_part){ .did = LINCHECK_SET, .to = 10 + (i ^ order) };
			ops[count - 1].optional = true;
		}
		get_both(10, 11, 10, 11);
		ck_assert_int_eq(verdict(), LINCHECK_YES);
	}
}
END_TEST

START_TEST(many_unanswered_writes_do_not_make_it_give_up)
{
	for (uint64_t i = 0; i < 60; i++)
		lost_put(1 + i, NEVER, 100 + i);
	for (uint64_t i = 0; i < 60; i++)
		get(100 + 2 * i, 101 + 2 * i, 100 + (i * 7) % 60);
	EXPECT(YES);
	get(900, 901, 5);
	EXPECT(NO);
}
END_TEST

START_TEST(it_gives_up_rather_than_to_guess)
{
	size_t stuck;

	for (uint64_t i = 0; i < 30; i++)
		put(1 + i, NEVER - i, 100 + i);
	get(NEVER + 1, NEVER + 2, 7); /* which nobody wrote */
	ck_assert_int_eq(lincheck_run(ops, count, first, 1000, &stuck), LINCHECK_GAVE_UP);
}
END_TEST

/* A real register under random interleavings is linearizable; the same history with one read made
 * stale is not. */
START_TEST(long_random_histories_are_judged_right)
{
	uint64_t random = runner_seed(), now = 1;

	for (unsigned round = 0; round < 50; round++) {
		struct {
			uint64_t call, moment, end;
		} spans[4] = { 0 };
		uint64_t value = 0, changes = 0;

		set_up();
		for (unsigned n = 0; n < 500; n++) {
			unsigned client = (unsigned)(runner_random(&random) % 4);

			/* its call may reach back to the end of this client's last, its moment is
			 * now */
			spans[client].call = spans[client].end + 1 +
					     runner_random(&random) % (now - spans[client].end);
			if (runner_random(&random) % 2) {
				value = ++changes;
				put(spans[client].call * 8 + client,
					(now + 1 + runner_random(&random) % 3) * 8 + client + 4,
					value);
			} else {
				get(spans[client].call * 8 + client,
					(now + 1 + runner_random(&random) % 3) * 8 + client + 4,
					value);
			}
			spans[client].end = ops[count - 1].end / 8;
			now += 5;
		}
		EXPECT(YES);
		get(now * 8 + 100, now * 8 + 101, value);
		EXPECT(YES);
		ops[count - 1].parts[0].value = changes / 2; /* long overwritten */
		EXPECT(NO);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lincheck");
	TCase *tests = tcase_create("lincheck");

	tcase_add_checked_fixture(tests, set_up, NULL);
	tcase_add_test(tests, one_after_the_other);
	tcase_add_test(tests, a_stale_read_is_found);
	tcase_add_test(tests, a_read_beside_a_write_may_see_either);
	tcase_add_test(tests, a_value_that_nobody_wrote_is_found);
	tcase_add_test(tests, a_lost_update_is_found);
	tcase_add_test(tests, of_two_that_compare_one_may_fail);
	tcase_add_test(tests, a_comparison_that_failed_without_reason_is_found);
	tcase_add_test(tests, a_lost_increment_is_found);
	tcase_add_test(tests, a_resurrected_delete_is_found);
	tcase_add_test(tests, a_delete_of_nothing_that_told_of_something_is_found);
	tcase_add_test(tests, one_unanswered_write_may_have_happened_and_the_next_not);
	tcase_add_test(tests, an_unanswered_write_may_have_happened_or_not);
	tcase_add_test(tests, an_unanswered_write_that_happens_after_the_restart_is_found);
	tcase_add_test(tests, a_read_of_a_value_that_a_crash_took_back_is_found);
	tcase_add_test(tests, an_acknowledged_write_that_a_crash_took_back_is_found);
	tcase_add_test(tests, half_of_a_batch_is_found);
	tcase_add_test(tests, half_of_an_unanswered_batch_is_found);
	tcase_add_test(tests, keys_that_are_right_apart_may_be_wrong_together);
	tcase_add_test(tests, unanswered_writes_may_lie_over_each_other_in_part);
	tcase_add_test(tests, a_write_may_lie_over_a_part_of_an_unanswered_batch);
	tcase_add_test(tests, unanswered_writes_of_different_keys_may_both_have_happened);
	tcase_add_test(tests, many_unanswered_writes_do_not_make_it_give_up);
	tcase_add_test(tests, it_gives_up_rather_than_to_guess);
	tcase_add_test(tests, long_random_histories_are_judged_right);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
