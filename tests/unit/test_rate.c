/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/rate.h"
#include "support/runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

enum { SECOND_US = 1000000, T0 = 1000 * SECOND_US };

static unsigned take_all(struct rate *rate, uint64_t client, uint64_t now_us)
{
	unsigned taken = 0;

	while (rate_take(rate, client, now_us) && taken < 100000)
		taken++;
	return taken;
}

START_TEST(a_burst_then_the_rate)
{
	struct rate *rate = rate_new(10, 25);

	ck_assert_ptr_nonnull(rate);
	ck_assert_uint_eq(take_all(rate, 1, T0), 25);
	ck_assert_uint_eq(take_all(rate, 1, T0 + SECOND_US / 10 - 1), 0);
	ck_assert_uint_eq(take_all(rate, 1, T0 + SECOND_US / 10), 1);
	ck_assert_uint_eq(take_all(rate, 1, T0 + SECOND_US), 9);
	ck_assert_uint_eq(take_all(rate, 1, T0 + 100 * (uint64_t)SECOND_US), 25);
	rate = rate_free(rate);
}
END_TEST

START_TEST(one_client_does_not_use_up_what_is_anothers)
{
	struct rate *rate = rate_new(1, 1);
	unsigned refused = 0;

	for (uint64_t client = 0; client < 1000; client++)
		refused += !rate_take(rate, client, T0);
	/* 1000 clients in 16384 buckets, twice: some four of them find both of theirs taken */
	ck_assert_uint_lt(refused, 30);
	rate = rate_free(rate);
}
END_TEST

START_TEST(the_largest_numbers_do_not_overflow)
{
	struct rate *fast = rate_new(1000000, 1000000);
	struct rate *slow = rate_new(1, 1000000);

	ck_assert_uint_eq(take_all(fast, 1, T0), 100000);
	ck_assert_uint_eq(take_all(slow, 1, UINT64_C(1) << 50), 100000);
	fast = rate_free(fast);
	slow = rate_free(slow);
}
END_TEST

static uint64_t client_of(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return rate_client((struct sockaddr *)&in);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return rate_client((struct sockaddr *)&in6);
}

START_TEST(an_ipv6_network_is_one_client)
{
	ck_assert_uint_eq(client_of("2001:db8:1:2::1"), client_of("2001:db8:1:2:ffff::1"));
	ck_assert_uint_ne(client_of("2001:db8:1:2::1"), client_of("2001:db8:1:3::1"));
	ck_assert_uint_ne(client_of("192.0.2.1"), client_of("192.0.2.2"));
	ck_assert_uint_eq(client_of("192.0.2.1"), client_of("::ffff:192.0.2.1"));
}
END_TEST

static struct rate *shared;
static atomic_uint taken_by_all;

static void *take_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++)
		if (rate_take(shared, 7, T0))
			atomic_fetch_add(&taken_by_all, 1);
	return NULL;
}

START_TEST(threads_together_take_no_more_than_there_is)
{
	pthread_t threads[4];

	shared = rate_new(1, 30000);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_some, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	/* (a client whose two buckets are filled in different order by two threads may get one more from each) */
	ck_assert_uint_ge(atomic_load(&taken_by_all), 30000);
	ck_assert_uint_le(atomic_load(&taken_by_all), 60000);
	shared = rate_free(shared);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tc = tcase_create("rate");

	tcase_add_test(tc, a_burst_then_the_rate);
	tcase_add_test(tc, one_client_does_not_use_up_what_is_anothers);
	tcase_add_test(tc, the_largest_numbers_do_not_overflow);
	tcase_add_test(tc, an_ipv6_network_is_one_client);
	tcase_add_test(tc, threads_together_take_no_more_than_there_is);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
