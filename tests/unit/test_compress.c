/* SPDX-License-Identifier: BSD-2-Clause */
/* The two libraries behind one face: round trips, no gain, no space, and what is not built in. */
#include "engine/compress.h"

#include "support/runner.h"

#include <pthread.h>
#include <stdlib.h>

static const enum sst_compression kinds[] = { SST_COMPRESSION_LZ4, SST_COMPRESSION_ZSTD };

static struct slice repeated(void)
{
	static uint8_t bytes[10000];
	static bool made;

	for (size_t i = 0; !made && i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i % 50);
	if (!made)
		made = true;
	return slice_of(bytes, sizeof bytes);
}

static struct slice noise(void)
{
	static uint8_t bytes[10000];
	uint64_t state = 5;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(runner_random(&state) >> 20);
	return slice_of(bytes, sizeof bytes);
}

START_TEST(a_round_trip_gives_the_same_bytes_behind_what_was_there)
{
	struct buf packed = { 0 };
	uint8_t out[10000];

	ck_assert_int_eq(buf_append(&packed, "head", 4), KV_OK);
	ck_assert_int_eq(compress_append(kinds[_i], repeated(), &packed), KV_OK);
	ck_assert_uint_lt(packed.len, 1000);
	ck_assert_mem_eq(packed.data, "head", 4);
	ck_assert_int_eq(compress_unpack(kinds[_i], slice_of(packed.data + 4, packed.len - 4), out, sizeof out),
		KV_OK);
	ck_assert_mem_eq(out, repeated().data, sizeof out);
	buf_free(&packed);
}
END_TEST

START_TEST(what_does_not_shrink_is_left_alone)
{
	struct buf packed = { 0 };

	ck_assert_int_eq(buf_append(&packed, "head", 4), KV_OK);
	ck_assert_int_eq(compress_append(kinds[_i], noise(), &packed), KV_NOT_FOUND);
	ck_assert_int_eq(compress_append(kinds[_i], slice_of("aaaaaaa", 7), &packed), KV_NOT_FOUND);
	ck_assert_uint_eq(packed.len, 4);
	buf_free(&packed);
}
END_TEST

START_TEST(another_length_or_a_cut_stream_is_corrupt)
{
	struct buf packed = { 0 };
	uint8_t *out = malloc(10001);

	ck_assert_int_eq(compress_append(kinds[_i], repeated(), &packed), KV_OK);
	ck_assert_int_eq(compress_unpack(kinds[_i], buf_slice(&packed), out, 10001), KV_CORRUPT);
	ck_assert_int_eq(compress_unpack(kinds[_i], buf_slice(&packed), out, 9999), KV_CORRUPT);
	ck_assert_int_eq(compress_unpack(kinds[_i], buf_slice(&packed), out, 0), KV_CORRUPT);
	for (size_t len = 0; len < packed.len; len++)
		ck_assert_int_eq(compress_unpack(kinds[_i], slice_of(packed.data, len), out, 10000), KV_CORRUPT);
	free(out);
	buf_free(&packed);
}
END_TEST

static void *round_trip(void *arg)
{
	enum sst_compression kind = *(const enum sst_compression *)arg;
	struct buf packed = { 0 };
	uint8_t out[10000];
	bool good = true;

	for (int i = 0; good && i < 50; i++) {
		buf_clear(&packed);
		good = compress_append(kind, repeated(), &packed) == KV_OK &&
			compress_unpack(kind, buf_slice(&packed), out, sizeof out) == KV_OK &&
			memcmp(out, repeated().data, sizeof out) == 0;
	}
	buf_free(&packed);
	return good ? arg : NULL;
}

START_TEST(threads_do_not_disturb_each_other)
{
	enum sst_compression kind = kinds[_i];
	pthread_t threads[3];
	void *good;

	(void)repeated(); /* filled before others read it */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, round_trip, &kind), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &good), 0);
		ck_assert_ptr_eq(good, &kind);
	}
}
END_TEST

START_TEST(unknown_kinds_are_not_available)
{
	uint8_t out[8];

	ck_assert(compress_available(SST_COMPRESSION_NONE));
	ck_assert(!compress_available((enum sst_compression)3));
	ck_assert(!compress_available((enum sst_compression)255));
	ck_assert_int_eq(compress_unpack((enum sst_compression)9, slice_of("abc", 3), out, 8), KV_UNSUPPORTED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compress");
	TCase *tc = tcase_create("compress");

	for (int i = 0; i < 2; i++) {
		if (!compress_available(kinds[i]))
			continue;
		tcase_add_loop_test(tc, a_round_trip_gives_the_same_bytes_behind_what_was_there, i, i + 1);
		tcase_add_loop_test(tc, what_does_not_shrink_is_left_alone, i, i + 1);
		tcase_add_loop_test(tc, threads_do_not_disturb_each_other, i, i + 1);
		tcase_add_loop_test(tc, another_length_or_a_cut_stream_is_corrupt, i, i + 1);
	}
	tcase_add_test(tc, unknown_kinds_are_not_available);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
