/* SPDX-License-Identifier: BSD-2-Clause */
/* The filter never denies a key that is there, and passes few that are not. Its bits are on disk: an example pins them. */
#include "engine/filter.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/format.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

enum { KEYS = 1000000 };

static uint64_t hash_number(uint64_t number)
{
	uint8_t key[9];

	put_fixed64(key, number);
	key[8] = (uint8_t)(number % 3 == 0 ? 0x00 : number % 3 == 1 ? 0x80 : 0xff);
	return key_hash(slice_of(key, sizeof key));
}

static struct filter make(uint64_t keys, unsigned bits)
{
	struct filter filter;
	unsigned probes;
	size_t bytes;

	ck_assert_int_eq(filter_plan(keys, bits, &bytes, &probes), KV_OK);
	ck_assert_int_eq(filter_init(&filter, bytes, probes), KV_OK);
	for (uint64_t i = 0; i < keys; i++)
		filter_add(&filter, hash_number(i));
	return filter;
}

static double passing(const struct filter *filter, uint64_t from)
{
	uint64_t passed = 0;

	for (uint64_t i = 0; i < KEYS; i++)
		passed += filter_may_have(filter, hash_number(from + i));
	return (double)passed / KEYS;
}

START_TEST(no_key_of_a_million_is_denied)
{
	struct filter filter = make(KEYS, 10);

	ck_assert_uint_lt(filter.bytes, KEYS * 10 / 8 + 2 * FILTER_LINE_BYTES);
	ck_assert_double_eq(passing(&filter, 0), 1.0);
	filter_free(&filter);
	filter_free(&filter);
}
END_TEST

START_TEST(keys_added_together_set_the_same_bits)
{
	enum { COUNT = 1000 };
	uint64_t hashes[COUNT];

	for (unsigned bits = 5; bits <= 20; bits += 5) {
		struct filter one_by_one = make(COUNT, bits), together;

		ck_assert_int_eq(filter_init(&together, one_by_one.bytes, one_by_one.probes), KV_OK);
		for (uint64_t i = 0; i < COUNT; i++)
			hashes[i] = hash_number(i);
		filter_add_all(&together, hashes, COUNT);
		ck_assert_mem_eq(together.lines, one_by_one.lines, together.bytes);
		filter_free(&one_by_one);
		filter_free(&together);
	}
}
END_TEST

START_TEST(few_missing_keys_pass)
{
	static const struct {
		unsigned bits;
		double at_most;
	} cases[] = { { 1, 0.70 }, { 5, 0.12 }, { 10, 0.0125 }, { 16, 0.002 } };

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct filter filter = make(KEYS / 4, cases[i].bits);
		double rate = passing(&filter, KEYS);

		ck_assert_msg(rate <= cases[i].at_most, "%u bits: %f pass", cases[i].bits, rate);
		filter_free(&filter);
	}
}
END_TEST

START_TEST(one_key_and_many_bits_work)
{
	struct filter filter = make(1, 64);

	ck_assert_uint_eq(filter.bytes, FILTER_LINE_BYTES);
	ck_assert_uint_eq(filter.probes, FILTER_PROBES_MAX);
	ck_assert(filter_may_have(&filter, hash_number(0)));
	ck_assert_double_le(passing(&filter, 1), 0.001);
	filter_free(&filter);
}
END_TEST

START_TEST(no_filter_passes_every_key)
{
	struct filter filter = { 0 };

	ck_assert(filter_may_have(&filter, 0));
	ck_assert(filter_may_have(&filter, UINT64_MAX));
}
END_TEST

/* A hash of 1: line 0; 0x9e3779b97f4a7c15 in pieces of nine bits from the top: 316, 221, 461, ... */
START_TEST(the_bits_of_a_key_are_those_of_the_format)
{
	struct filter filter;

	ck_assert_int_eq(filter_init(&filter, 2 * FILTER_LINE_BYTES, 3), KV_OK);
	filter_add(&filter, 1);
	for (unsigned bit = 0; bit < 512; bit++)
		ck_assert_int_eq(filter.lines[bit / 8] >> bit % 8 & 1, bit == 316 || bit == 221 || bit == 461);
	filter_add(&filter, UINT64_MAX);
	ck_assert_uint_ne(filter.lines[64 + (((UINT64_MAX * UINT64_C(0x9e3779b97f4a7c15)) >> 55) / 8)], 0);
	filter_free(&filter);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
	struct filter filter = { 0 };
	unsigned probes = 99;
	size_t bytes = 99;

	ck_assert_int_eq(filter_plan(UINT64_MAX, 10, &bytes, &probes), KV_NO_MEMORY);
	ck_assert_uint_eq(bytes, 99);
	ck_assert_uint_eq(probes, 99);
	fault_alloc_fail(1, false);
	ck_assert_int_eq(filter_init(&filter, 64, 6), KV_NO_MEMORY);
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(filter.lines);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filter");
	TCase *tc = tcase_create("filter");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, no_key_of_a_million_is_denied);
	tcase_add_test(tc, keys_added_together_set_the_same_bits);
	tcase_add_test(tc, few_missing_keys_pass);
	tcase_add_test(tc, one_key_and_many_bits_work);
	tcase_add_test(tc, no_filter_passes_every_key);
	tcase_add_test(tc, the_bits_of_a_key_are_those_of_the_format);
	tcase_add_test(tc, what_cannot_be_is_refused);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
