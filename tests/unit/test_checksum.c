/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums are on disk: their values are pinned here, against the definition of XXH3. */
#include "base/checksum.h"
#include "support/runner.h"

static void fill(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 131 + 7);
}

/* The value of no bytes under seed 0 is the one that XXH3's specification gives. */
START_TEST(known_values_never_change)
{
	uint8_t bytes[1000];

	fill(bytes, sizeof bytes);
	ck_assert_uint_eq(checksum64(slice_of(NULL, 0), 0), UINT64_C(0x2d06800538d394c2));
	ck_assert_uint_eq(checksum64(slice_of(bytes, sizeof bytes), 0), UINT64_C(0x571d5cbfef44331b));
	ck_assert_uint_eq(checksum64(slice_of(bytes, 100), 42), UINT64_C(0xe58af440ea2c90e3));
	ck_assert_uint_eq(checksum_seed(1, 2, 3), UINT64_C(0x7c68b4906e7ea780));
	ck_assert_uint_eq(key_hash(slice_of("key1", 4)), UINT64_C(0x384d070cd5d829e2));
}
END_TEST

START_TEST(a_pair_is_the_whole_at_every_cut)
{
	uint8_t bytes[600];
	static const size_t lengths[] = { 0, 1, 3, 8, 16, 17, 128, 129, 240, 241, 256, 257, 512, 600 };

	fill(bytes, sizeof bytes);
	for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		uint64_t whole = checksum64(slice_of(bytes, lengths[i]), 99);

		for (size_t cut = 0; cut <= lengths[i]; cut++)
			ck_assert_uint_eq(checksum64_pair(slice_of(bytes, cut),
				slice_of(bytes + cut, lengths[i] - cut), 99), whole);
	}
	ck_assert_uint_eq(checksum64_pair(slice_of(NULL, 0), slice_of(NULL, 0), 5),
		checksum64(slice_of(NULL, 0), 5));
}
END_TEST

START_TEST(pieces_are_the_whole_whatever_their_lengths)
{
	uint8_t bytes[1000];
	struct slice pieces[50] = { { 0 } };

	fill(bytes, sizeof bytes);
	for (size_t i = 0, at = 10; i < 44; at += i++)
		pieces[i + 1] = slice_of(bytes + at, i);
	ck_assert_uint_eq(checksum64_pieces(slice_of(bytes, 10), pieces, 50, 7),
		checksum64(slice_of(bytes, 10 + 43 * 44 / 2), 7));
	ck_assert_uint_eq(checksum64_pieces(slice_of(bytes, 10), NULL, 0, 7),
		checksum64(slice_of(bytes, 10), 7));
}
END_TEST

START_TEST(a_stream_is_the_whole_at_every_cut)
{
	uint8_t bytes[1000];
	struct slice whole = slice_of(bytes, sizeof bytes);

	fill(bytes, sizeof bytes);
	for (size_t cut = 0; cut <= sizeof bytes; cut += 7) {
		struct checksum_stream *stream = checksum_stream_new(5);

		ck_assert_ptr_nonnull(stream);
		checksum_stream_add(stream, slice_of(bytes, cut));
		checksum_stream_add(stream, slice_of(bytes + cut, sizeof bytes - cut));
		ck_assert_uint_eq(checksum_stream_value(stream), checksum64(whole, 5));
		ck_assert_ptr_null(checksum_stream_free(stream));
	}
	ck_assert_ptr_null(checksum_stream_free(NULL));
}
END_TEST

START_TEST(one_changed_bit_changes_the_checksum)
{
	uint8_t bytes[64];
	uint64_t whole;

	fill(bytes, sizeof bytes);
	whole = checksum64(slice_of(bytes, sizeof bytes), 1);
	for (unsigned bit = 0; bit < sizeof bytes * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_uint_ne(checksum64(slice_of(bytes, sizeof bytes), 1), whole);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(the_place_is_part_of_the_checksum)
{
	struct slice data = slice_of("same bytes", 10);

	ck_assert_uint_ne(checksum64(data, checksum_seed(1, 0, 0)), checksum64(data, checksum_seed(2, 0, 0)));
	ck_assert_uint_ne(checksum_seed(1, 2, 0), checksum_seed(2, 1, 0));
	ck_assert_uint_ne(checksum_seed(0, 1, 2), checksum_seed(1, 2, 0));
	ck_assert_uint_ne(checksum_seed(0, 0, 0), 0);
}
END_TEST

START_TEST(a_key_hash_is_the_checksum_under_seed_zero)
{
	uint8_t bytes[4096];

	fill(bytes, sizeof bytes);
	for (size_t len = 0; len <= sizeof bytes; len += len < 300 ? 1 : 97)
		ck_assert_uint_eq(key_hash(slice_of(bytes, len)), checksum64(slice_of(bytes, len), 0));
}
END_TEST

/* Pieces always take the narrow way. */
START_TEST(wide_vectors_give_the_same_checksum)
{
	uint8_t bytes[5000];
	struct slice empty = slice_of(bytes, 0);

	fill(bytes, sizeof bytes);
	for (size_t len = 200; len <= sizeof bytes; len += len < 1400 ? 1 : 97)
		for (size_t start = 0; start < 3 && start < len; start++) {
			struct slice data = slice_of(bytes + start, len - start);

			ck_assert_uint_eq(checksum64(data, len), checksum64_pieces(data, &empty, 1, len));
		}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checksum");
	TCase *tc = tcase_create("checksum");

	tcase_add_test(tc, known_values_never_change);
	tcase_add_test(tc, a_pair_is_the_whole_at_every_cut);
	tcase_add_test(tc, pieces_are_the_whole_whatever_their_lengths);
	tcase_add_test(tc, a_stream_is_the_whole_at_every_cut);
	tcase_add_test(tc, one_changed_bit_changes_the_checksum);
	tcase_add_test(tc, the_place_is_part_of_the_checksum);
	tcase_add_test(tc, a_key_hash_is_the_checksum_under_seed_zero);
	tcase_add_test(tc, wide_vectors_give_the_same_checksum);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
