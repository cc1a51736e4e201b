/* SPDX-License-Identifier: BSD-2-Clause */
/* Each test runs in a process of its own: limits only go down. */
#include "daemon/limits.h"
#include "support/runner.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct kv_error err;
static struct limits_share share;

static struct rlimit get(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit;
}

static void set(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { soft, hard };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(a_limit_that_is_high_enough_is_left_alone)
{
	struct rlimit before;

	set(6000, 7000);
	before = get();
	ck_assert_int_eq(limits_raise_descriptors(500, 2, &share, &err), KV_OK);
	ck_assert_uint_eq(get().rlim_cur, before.rlim_cur);
	ck_assert_uint_eq(get().rlim_max, before.rlim_max);
}
END_TEST

START_TEST(the_soft_limit_is_raised_to_what_is_needed)
{
	set(100, 7000);
	ck_assert_int_eq(limits_raise_descriptors(1024, 2, &share, &err), KV_OK);
	ck_assert_uint_ge(get().rlim_cur, 1024 + 1024 + 4096); /* each may send or read a large value */
	ck_assert_uint_eq(get().rlim_max, 7000);
	ck_assert_uint_eq(share.connections, 1024);
	ck_assert_uint_eq(share.tables, 4096);
}
END_TEST

START_TEST(who_may_raise_the_hard_limit_does)
{
	struct rlimit more = { 100, 201 };

	set(100, 200);
	if (setrlimit(RLIMIT_NOFILE, &more) != 0)
		return; /* not even root may, in some containers */
	ck_assert_int_eq(limits_raise_descriptors(1024, 2, &share, &err), KV_OK);
	ck_assert_uint_ge(get().rlim_cur, 1024 + 1024 + 4096);
}
END_TEST

START_TEST(what_cannot_be_had_is_told_and_as_much_as_possible_taken)
{
	set(100, 200);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(limits_raise_descriptors(1024, 2, &share, &err), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "200 open files are allowed"));
	ck_assert_ptr_nonnull(strstr(err.text, "for 1024 connections"));
	ck_assert_uint_eq(get().rlim_cur, 200);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* The store goes on when all clients that are let in are there: its own descriptors are not theirs. */
START_TEST(what_there_is_is_divided_between_clients_and_store)
{
	static const rlim_t limits[] = { 64, 100, 256, 1000, 1024, 2000, 4000 };

	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	for (size_t i = sizeof limits / sizeof limits[0]; i-- > 0;) {
		set(limits[i], limits[i]);
		ck_assert_int_eq(limits_raise_descriptors(1024, 2, &share, &err), KV_INVALID);
		ck_assert_uint_ge(share.connections, 4);
		ck_assert_uint_ge(share.tables, 4);
		ck_assert_uint_le(share.connections, 1024);
		ck_assert_uint_le(2 * share.connections + share.tables + 40, limits[i]);
		limits_raise_descriptors(5, 2, &share, &err);
		ck_assert_uint_ge(share.connections, 4);
		ck_assert_uint_le(share.connections, 5);
	}
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(each_thread_has_what_its_loop_opens)
{
	set(100, 7000);
	ck_assert_int_eq(limits_raise_descriptors(1024, 64, &share, &err), KV_OK);
	ck_assert_uint_ge(get().rlim_cur, 1024 + 1024 + 4096 + 5 * 64);
	ck_assert_uint_eq(share.threads, 64);
	ck_assert_int_eq(limits_raise_descriptors(4, 0, &share, &err), KV_OK);
	ck_assert_uint_eq(share.threads, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
}
END_TEST

START_TEST(threads_are_fewer_where_they_would_take_all)
{
	static const rlim_t limits[] = { 64, 128, 256, 1024 };

	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	for (size_t i = sizeof limits / sizeof limits[0]; i-- > 0;) {
		set(limits[i], limits[i]);
		ck_assert_int_eq(limits_raise_descriptors(8, 64, &share, &err), KV_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "for 8 connections and 64 threads"));
		ck_assert_uint_ge(share.threads, 1);
		ck_assert_uint_le(share.threads, 64);
		ck_assert_uint_ge(share.connections, 4);
		ck_assert_uint_ge(share.tables, 4);
		ck_assert_uint_le(43 + 5 * share.threads + 2 * share.connections + share.connections / 4 + share.tables, limits[i]);
	}
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *tests = tcase_create("limits");

	tcase_add_test(tests, a_limit_that_is_high_enough_is_left_alone);
	tcase_add_test(tests, the_soft_limit_is_raised_to_what_is_needed);
	tcase_add_test(tests, who_may_raise_the_hard_limit_does);
	tcase_add_test(tests, what_cannot_be_had_is_told_and_as_much_as_possible_taken);
	tcase_add_test(tests, what_there_is_is_divided_between_clients_and_store);
	tcase_add_test(tests, each_thread_has_what_its_loop_opens);
	tcase_add_test(tests, threads_are_fewer_where_they_would_take_all);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
