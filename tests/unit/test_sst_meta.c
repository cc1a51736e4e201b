/* SPDX-License-Identifier: BSD-2-Clause */
/* A table's description: copied, encoded and decoded without loss; what cannot be is refused. */
#include "engine/sst_meta.h"

#include "engine/blob_pointer.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

enum { NUMBERS = 12 };

static struct sst_meta make(void)
{
	struct sst_meta meta = { .number = 12, .file_bytes = 3456, .entries = 100, .tombstones = 7,
		.first_sequence = 5, .last_sequence = 500, .oldest_expiry_unix_ms = 1700000000000,
		.key_bytes = 1600, .value_bytes = 10000, .range_applied = 300, .blobs = 2, .blob_bytes = 5000 };

	ck_assert_int_eq(buf_append(&meta.smallest, "a\0b", 3), KV_OK);
	ck_assert_int_eq(buf_append(&meta.largest, "z", 1), KV_OK);
	return meta;
}

static struct buf encode(const struct sst_meta *meta)
{
	struct buf bytes = { 0 };

	ck_assert_int_eq(sst_meta_encode(meta, &bytes), KV_OK);
	return bytes;
}

START_TEST(what_is_encoded_is_decoded_and_nothing_more_is_read)
{
	struct sst_meta meta = make(), back = { 0 };
	struct buf bytes = encode(&meta);
	struct reader reader;

	ck_assert_uint_eq(bytes.len, NUMBERS * 8 + 1 + 3 + 1 + 1);
	ck_assert_int_eq(buf_append(&bytes, "rest", 4), KV_OK);
	reader = reader_of(buf_slice(&bytes));
	ck_assert_int_eq(sst_meta_decode(&reader, &back), KV_OK);
	ck_assert(sst_meta_equal(&meta, &back));
	ck_assert_uint_eq(reader_left(&reader), 4);
	sst_meta_free(&back);
	sst_meta_free(&back);
	sst_meta_free(&meta);
	buf_free(&bytes);
}
END_TEST

START_TEST(a_cut_description_is_corrupt_and_the_reader_stays)
{
	struct sst_meta meta = make(), back = { .number = 99 };
	struct buf bytes = encode(&meta);

	for (size_t len = 0; len < bytes.len; len++) {
		struct reader reader = reader_of(slice_of(bytes.data, len));

		ck_assert_int_eq(sst_meta_decode(&reader, &back), KV_CORRUPT);
		ck_assert_uint_eq(reader_left(&reader), len);
		ck_assert_uint_eq(back.number, 99);
	}
	sst_meta_free(&meta);
	buf_free(&bytes);
}
END_TEST

START_TEST(what_cannot_be_is_corrupt)
{
	static const struct {
		unsigned field;
		uint64_t value;
	} wrong[] = { { 0, 0 }, { 2, 0 }, { 3, 101 }, { 4, 0 }, { 4, 501 }, { 5, ENTRY_SEQUENCE_MAX + 1 },
		{ 9, ENTRY_SEQUENCE_MAX + 1 }, { 10, 94 }, { 10, 0 } };
	struct sst_meta meta = make(), back;
	struct buf bytes = encode(&meta);
	struct reader reader;

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct buf copy = { 0 };

		ck_assert_int_eq(buf_append_slice(&copy, buf_slice(&bytes)), KV_OK);
		put_fixed64(copy.data + 8 * wrong[i].field, wrong[i].value);
		reader = reader_of(buf_slice(&copy));
		ck_assert_int_eq(sst_meta_decode(&reader, &back), KV_CORRUPT);
		buf_free(&copy);
	}
	bytes.data[bytes.len - 1] = 'A'; /* largest before smallest */
	reader = reader_of(buf_slice(&bytes));
	ck_assert_int_eq(sst_meta_decode(&reader, &back), KV_CORRUPT);
	buf_free(&bytes);
	buf_clear(&meta.largest);
	bytes = encode(&meta);
	reader = reader_of(buf_slice(&bytes));
	ck_assert_int_eq(sst_meta_decode(&reader, &back), KV_CORRUPT);
	buf_clear(&meta.largest);
	ck_assert_int_eq(buf_append_zeros(&meta.largest, ENTRY_KEY_MAX + 1), KV_OK);
	meta.largest.data[0] = 'z';
	buf_free(&bytes);
	bytes = encode(&meta);
	reader = reader_of(buf_slice(&bytes));
	ck_assert_int_eq(sst_meta_decode(&reader, &back), KV_CORRUPT);
	buf_free(&bytes);
	sst_meta_free(&meta);
}
END_TEST

START_TEST(two_are_equal_only_in_every_field)
{
	struct sst_meta a = make(), b = make();
	uint64_t *const fields[NUMBERS] = { &b.number, &b.file_bytes, &b.entries, &b.tombstones,
		&b.first_sequence, &b.last_sequence, &b.oldest_expiry_unix_ms, &b.key_bytes, &b.value_bytes,
		&b.range_applied, &b.blobs, &b.blob_bytes };

	ck_assert(sst_meta_equal(&a, &b));
	for (unsigned i = 0; i < NUMBERS; i++) {
		++*fields[i];
		ck_assert(!sst_meta_equal(&a, &b));
		--*fields[i];
	}
	b.smallest.data[1] ^= 1;
	ck_assert(!sst_meta_equal(&a, &b));
	b.smallest.data[1] ^= 1;
	b.largest.data[0] ^= 1;
	ck_assert(!sst_meta_equal(&a, &b));
	sst_meta_free(&a);
	sst_meta_free(&b);
}
END_TEST

START_TEST(entries_are_counted)
{
	struct sst_meta meta = { 0 };
	struct entry entry = { .key = slice_of("abc", 3), .value = slice_of("12", 2), .sequence = 9,
		.kind = ENTRY_PUT };

	sst_meta_count(&meta, &entry);
	entry.sequence = 4;
	entry.expires_unix_ms = 100;
	sst_meta_count(&meta, &entry);
	entry.sequence = 6;
	entry.expires_unix_ms = 200;
	entry.kind = ENTRY_DELETE;
	entry.value.len = 0;
	sst_meta_count(&meta, &entry);
	ck_assert_uint_eq(meta.entries, 3);
	ck_assert_uint_eq(meta.tombstones, 1);
	ck_assert_uint_eq(meta.first_sequence, 4);
	ck_assert_uint_eq(meta.last_sequence, 9);
	ck_assert_uint_eq(meta.oldest_expiry_unix_ms, 100);
	ck_assert_uint_eq(meta.key_bytes, 9);
	ck_assert_uint_eq(meta.value_bytes, 4);
	ck_assert_uint_eq(meta.blobs, 0);
}
END_TEST

START_TEST(a_blob_counts_with_the_size_of_its_value_and_not_of_its_pointer)
{
	struct sst_meta meta = { 0 };
	struct blob_pointer pointer = { .number = 7, .size = 100000 };
	uint8_t bytes[BLOB_POINTER_BYTES];
	struct entry entry = { .key = slice_of("abc", 3), .sequence = 9, .kind = ENTRY_BLOB };

	blob_pointer_encode(&pointer, bytes);
	entry.value = slice_of(bytes, sizeof bytes);
	sst_meta_count(&meta, &entry);
	pointer.size = 11;
	blob_pointer_encode(&pointer, bytes);
	sst_meta_count(&meta, &entry);
	ck_assert_uint_eq(meta.entries, 2);
	ck_assert_uint_eq(meta.tombstones, 0);
	ck_assert_uint_eq(meta.blobs, 2);
	ck_assert_uint_eq(meta.blob_bytes, 100011);
	ck_assert_uint_eq(meta.value_bytes, 0);
	pointer.size = UINT64_MAX; /* no pointer: nothing is known of its value */
	blob_pointer_encode(&pointer, bytes);
	sst_meta_count(&meta, &entry);
	ck_assert_uint_eq(meta.blobs, 3);
	ck_assert_uint_eq(meta.blob_bytes, 100011);
	pointer.size = 11;
	blob_pointer_encode(&pointer, bytes);
	meta.blob_bytes = UINT64_MAX - 10;
	sst_meta_count(&meta, &entry);
	ck_assert_uint_eq(meta.blob_bytes, UINT64_MAX);
}
END_TEST

START_TEST(failed_allocations_leave_the_result_untouched)
{
	struct sst_meta meta = make(), back = { .number = 99 };
	struct buf bytes = encode(&meta);

	for (uint64_t n = 1; n <= 2; n++) {
		struct reader reader = reader_of(buf_slice(&bytes));
		kv_status copied, decoded;

		fault_alloc_fail(n, false);
		copied = sst_meta_copy(&meta, &back);
		fault_alloc_fail(n, false);
		decoded = sst_meta_decode(&reader, &back);
		fault_alloc_fail(0, false);
		ck_assert_int_eq(copied, KV_NO_MEMORY);
		ck_assert_int_eq(decoded, KV_NO_MEMORY);
		ck_assert_uint_eq(reader_left(&reader), bytes.len);
		ck_assert_uint_eq(back.number, 99);
	}
	buf_free(&bytes);
	sst_meta_free(&meta);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_meta");
	TCase *tc = tcase_create("sst_meta");

	tcase_add_test(tc, what_is_encoded_is_decoded_and_nothing_more_is_read);
	tcase_add_test(tc, a_cut_description_is_corrupt_and_the_reader_stays);
	tcase_add_test(tc, what_cannot_be_is_corrupt);
	tcase_add_test(tc, two_are_equal_only_in_every_field);
	tcase_add_test(tc, entries_are_counted);
	tcase_add_test(tc, a_blob_counts_with_the_size_of_its_value_and_not_of_its_pointer);
	tcase_add_test(tc, failed_allocations_leave_the_result_untouched);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
