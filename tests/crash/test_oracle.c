/* SPDX-License-Identifier: BSD-2-Clause */
/* The judge is judged: each promise broken must be noticed, and nothing that may happen is. */
#define _GNU_SOURCE
#include "crash/oracle.h"
#include "support/runner.h"

#include <stdlib.h>

static struct oracle *oracle;
static struct buf old_value, new_value;

static const struct oracle_found nothing = { .exists = false };

static struct oracle_found found(const struct buf *value, uint64_t etag)
{
	return (struct oracle_found){ .exists = true, .value = buf_slice(value), .etag = etag };
}

/* Key 0 with two puts of at least 16 bytes, the first acknowledged, the second open. */
static void setup(void)
{
	oracle = oracle_new(1, 10);
	do {
		oracle_begin_put(oracle, 0, &old_value);
		ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 0));
	} while (old_value.len < 16);
	oracle_begin_put(oracle, 0, &new_value);
	while (new_value.len < 16) {
		ck_assert(oracle_end(oracle, 0, ORACLE_NOT_APPLIED, 0));
		oracle_begin_put(oracle, 0, &new_value);
	}
}

static void teardown(void)
{
	oracle = oracle_free(oracle);
	buf_free(&old_value);
	buf_free(&new_value);
}

static bool settles(struct oracle_found f)
{
	return oracle_settle(oracle, 0, &f);
}

START_TEST(unanswered_write_may_be_there_or_not)
{
	ck_assert(oracle_end(oracle, 0, ORACLE_UNKNOWN, 0));
	ck_assert(settles(_i == 0 ? found(&old_value, 0) : found(&new_value, 0)));
	ck_assert(oracle_exists(oracle, 0));
	/* and then it stays so */
	ck_assert(!settles(_i == 0 ? found(&new_value, 0) : found(&old_value, 0)));
}
END_TEST

START_TEST(lost_acknowledged_write_is_noticed)
{
	ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 0));
	ck_assert(!settles(found(&old_value, 0)));
	ck_assert(!settles(nothing));
	ck_assert(settles(found(&new_value, 0)));
}
END_TEST

START_TEST(refused_write_must_not_appear)
{
	ck_assert(oracle_end(oracle, 0, ORACLE_NOT_APPLIED, 0));
	ck_assert(!settles(found(&new_value, 0)));
	ck_assert(settles(found(&old_value, 0)));
}
END_TEST

START_TEST(resurrected_key_is_noticed)
{
	ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 0));
	oracle_begin_delete(oracle, 0);
	ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 0));
	ck_assert(!settles(found(&new_value, 0)));
	ck_assert(settles(nothing));
	ck_assert(!oracle_exists(oracle, 0));
}
END_TEST

START_TEST(lost_read_is_noticed)
{
	struct oracle_found f = found(&new_value, 0);

	ck_assert(oracle_read_end(oracle, 0, oracle_read_begin(oracle, 0), &f));
	ck_assert(oracle_end(oracle, 0, ORACLE_UNKNOWN, 0));
	ck_assert(!settles(found(&old_value, 0)));
	ck_assert(settles(found(&new_value, 0)));
}
END_TEST

START_TEST(read_of_an_old_state_is_noticed)
{
	struct oracle_found f = found(&old_value, 0);
	uint32_t before = oracle_read_begin(oracle, 0);

	ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 0));
	ck_assert(oracle_read_end(oracle, 0, before, &f)); /* it may have been read before the write */
	ck_assert(!oracle_read_end(oracle, 0, oracle_read_begin(oracle, 0), &f));
}
END_TEST

START_TEST(damaged_value_is_noticed)
{
	ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 0));
	new_value.data[new_value.len - 1] ^= 1;
	ck_assert(!settles(found(&new_value, 0)));
}
END_TEST

START_TEST(changed_etag_is_noticed)
{
	ck_assert(oracle_end(oracle, 0, ORACLE_APPLIED, 7));
	ck_assert(!settles(found(&new_value, 9)));
	ck_assert(settles(found(&new_value, 7)));
	oracle_begin_put(oracle, 0, &old_value);
	ck_assert(!oracle_end(oracle, 0, ORACLE_APPLIED, 7)); /* used twice */
}
END_TEST

START_TEST(keys_are_found_and_ordered)
{
	for (unsigned i = 0; i < oracle_key_count(oracle); i++) {
		ck_assert_int_eq(oracle_find_key(oracle, oracle_key(oracle, i)), (int)i);
		if (i > 0)
			ck_assert_int_lt(slice_compare(oracle_key(oracle, i - 1), oracle_key(oracle, i)), 0);
	}
	ck_assert_int_eq(oracle_find_key(oracle, slice_of_string("00001/none of ours")), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("oracle");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, unanswered_write_may_be_there_or_not, 0, 2);
	tcase_add_test(tcase, lost_acknowledged_write_is_noticed);
	tcase_add_test(tcase, refused_write_must_not_appear);
	tcase_add_test(tcase, resurrected_key_is_noticed);
	tcase_add_test(tcase, lost_read_is_noticed);
	tcase_add_test(tcase, read_of_an_old_state_is_noticed);
	tcase_add_test(tcase, damaged_value_is_noticed);
	tcase_add_test(tcase, changed_etag_is_noticed);
	tcase_add_test(tcase, keys_are_found_and_ordered);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
