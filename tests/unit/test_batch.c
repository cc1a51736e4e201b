/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches: the exact bytes, round trips, limits, and everything that is no operation. */
#include "engine/batch.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>

static struct slice text(const char *s)
{
	return slice_of_string(s);
}

START_TEST(an_operation_has_exactly_these_bytes)
{
	const struct blob_pointer pointer = { .number = 9, .size = 65536, .checksum = UINT64_C(0x3837363534333231) };
	struct batch batch = { 0 };

	ck_assert_int_eq(batch_put(&batch, text("key"), text("value"), 0), KV_OK);
	ck_assert_int_eq(batch_put(&batch, text("k"), text(""), 300), KV_OK);
	ck_assert_int_eq(batch_delete(&batch, text("gone")), KV_OK);
	ck_assert_int_eq(batch_delete_range(&batch, text("a"), text("bc")), KV_OK);
	ck_assert_int_eq(batch_delete_range(&batch, text("z"), text("")), KV_OK);
	ck_assert_int_eq(batch_put_blob(&batch, text("big"), &pointer, 0), KV_OK);
	ck_assert_uint_eq(batch.operations.len, 11 + 6 + 7 + 6 + 4 + 30);
	ck_assert_mem_eq(batch.operations.data, "\x01\x03\x05keyvalue\x81\x01\x00\xac\x02k\x00\x04\x00gone"
		"\x02\x01\x02" "abc" "\x02\x01\x00z"
		"\x03\x03\x18" "big" "\x09\0\0\0\0\0\0\0" "\x00\x00\x01\0\0\0\0\0" "12345678",
		batch.operations.len);
	ck_assert_uint_eq(batch.count, 6);
	ck_assert_uint_eq(batch.range_deletes, 2);
	ck_assert_uint_eq(batch.key_bytes, 8 + 2 + 3);
	ck_assert_uint_eq(batch.value_bytes, 5 + 2 + 24);
	batch_free(&batch);
	ck_assert_ptr_null(batch.operations.data);
	ck_assert_uint_eq(batch.count, 0);
}
END_TEST

static struct slice part(const uint8_t *bytes, uint64_t *rnd, size_t min, size_t max)
{
	return slice_of(bytes + runner_random(rnd) % 256, min + runner_random(rnd) % (max - min + 1));
}

static void add_random(struct batch *batch, const uint8_t *bytes, uint64_t *rnd, struct entry *ret)
{
	*ret = (struct entry){ .kind = ENTRY_DELETE, .key = part(bytes, rnd, 1, ENTRY_KEY_MAX) };
	if (runner_random(rnd) % 4 == 0) {
		ck_assert_int_eq(batch_delete(batch, ret->key), KV_OK);
		return;
	}
	if (runner_random(rnd) % 8 == 0) {
		ret->kind = ENTRY_RANGE_DELETE;
		ret->value = part(bytes, rnd, 0, ENTRY_KEY_MAX);
		if (ret->value.len > 0 && slice_compare(ret->key, ret->value) >= 0)
			ret->value.len = 0;
		ck_assert_int_eq(batch_delete_range(batch, ret->key, ret->value), KV_OK);
		return;
	}
	ret->kind = ENTRY_PUT;
	ret->value = part(bytes, rnd, 0, 2000);
	ret->expires_unix_ms = runner_random(rnd) % 2 ? runner_random(rnd) >> runner_random(rnd) % 60 : 0;
	ck_assert_int_eq(batch_put(batch, ret->key, ret->value, ret->expires_unix_ms), KV_OK);
}

START_TEST(operations_are_read_back_in_order)
{
	enum { COUNT = 500 };
	static uint8_t bytes[256 + ENTRY_KEY_MAX];
	static struct entry want[COUNT];
	struct batch batch = { 0 };
	struct entry got = { .sequence = 77 };
	struct reader r;
	uint64_t rnd = runner_seed();

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)runner_random(&rnd);
	for (int i = 0; i < COUNT; i++)
		add_random(&batch, bytes, &rnd, &want[i]);
	r = reader_of(buf_slice(&batch.operations));
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(batch_next(&r, &got), KV_OK);
		ck_assert_int_eq(got.kind, want[i].kind);
		ck_assert(slice_equal(got.key, want[i].key));
		ck_assert(slice_equal(got.value, want[i].value));
		ck_assert_uint_eq(got.expires_unix_ms, want[i].expires_unix_ms);
		ck_assert_uint_eq(got.sequence, 77);
	}
	ck_assert_int_eq(batch_next(&r, &got), KV_NOT_FOUND);
	batch_free(&batch);
}
END_TEST

START_TEST(what_is_out_of_range_changes_nothing)
{
	static const uint8_t long_end[ENTRY_KEY_MAX + 1] = { 'z' };
	static const struct blob_pointer impossible[] = { { .size = 5 }, { .number = 5 },
		{ .number = 5, .size = ENTRY_VALUE_MAX + 1 }, { .number = 5, .size = UINT64_MAX } };
	static const uint8_t key[ENTRY_KEY_MAX + 1];
	struct batch batch = { 0 };

	ck_assert_int_eq(batch_put(&batch, text(""), text("v"), 0), KV_INVALID);
	ck_assert_int_eq(batch_delete(&batch, text("")), KV_INVALID);
	ck_assert_int_eq(batch_put(&batch, slice_of(key, ENTRY_KEY_MAX + 1), text("v"), 0), KV_INVALID);
	ck_assert_int_eq(batch_delete(&batch, slice_of(key, ENTRY_KEY_MAX + 1)), KV_INVALID);
	ck_assert_int_eq(batch_put(&batch, text("k"), slice_of(key, ENTRY_VALUE_MAX + 1), 0), KV_INVALID);
	ck_assert_int_eq(batch_put(&batch, text("k"), slice_of(key, SIZE_MAX), 0), KV_INVALID);
	ck_assert_uint_eq(batch.count, 0);
	ck_assert_uint_eq(batch.operations.len, 0);
	ck_assert_int_eq(batch_put(&batch, slice_of(key, ENTRY_KEY_MAX), text(""), UINT64_MAX), KV_OK);
	ck_assert_int_eq(batch_delete_range(&batch, text("b"), text("b")), KV_INVALID);
	ck_assert_int_eq(batch_delete_range(&batch, text("b"), text("a")), KV_INVALID);
	ck_assert_int_eq(batch_delete_range(&batch, text(""), text("a")), KV_INVALID);
	ck_assert_int_eq(batch_delete_range(&batch, text("\1"), slice_of(long_end, sizeof long_end)), KV_INVALID);
	for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
		ck_assert_int_eq(batch_put_blob(&batch, text("b"), &impossible[i], 0), KV_INVALID);
	ck_assert_uint_eq(batch.count, 1);
	ck_assert_uint_eq(batch.range_deletes, 0);
	/* as if it were full: the bytes are never touched */
	batch.operations.len = BATCH_BYTES_MAX - 20;
	ck_assert_int_eq(batch_put(&batch, text("k"), text("v"), 0), KV_INVALID);
	ck_assert_uint_eq(batch.operations.len, BATCH_BYTES_MAX - 20);
	ck_assert_uint_eq(batch.count, 1);
	batch.operations.len = 0;
	batch_free(&batch);
}
END_TEST

START_TEST(so_many_range_deletes_and_no_more)
{
	struct batch batch = { 0 };
	size_t bytes;

	for (unsigned i = 0; i < BATCH_RANGES_MAX; i++)
		ck_assert_int_eq(batch_delete_range(&batch, text("a"), text("b")), KV_OK);
	bytes = batch.operations.len;
	ck_assert_int_eq(batch_delete_range(&batch, text("a"), text("b")), KV_INVALID);
	ck_assert_uint_eq(batch.range_deletes, BATCH_RANGES_MAX);
	ck_assert_uint_eq(batch.count, BATCH_RANGES_MAX);
	ck_assert_uint_eq(batch.operations.len, bytes);
	ck_assert_int_eq(batch_delete(&batch, text("a")), KV_OK);
	batch_clear(&batch);
	ck_assert_int_eq(batch_delete_range(&batch, text("a"), text("b")), KV_OK);
	batch_free(&batch);
}
END_TEST

START_TEST(a_cleared_batch_is_empty_and_usable)
{
	struct batch batch = { 0 };
	struct reader r;
	struct entry got;

	ck_assert_int_eq(batch_put(&batch, text("a"), text("1"), 5), KV_OK);
	ck_assert_int_eq(batch_delete_range(&batch, text("a"), text("")), KV_OK);
	batch_clear(&batch);
	ck_assert_uint_eq(batch.range_deletes + batch.count + batch.key_bytes + batch.value_bytes + batch.operations.len, 0);
	ck_assert_int_eq(batch_delete(&batch, text("b")), KV_OK);
	r = reader_of(buf_slice(&batch.operations));
	ck_assert_int_eq(batch_next(&r, &got), KV_OK);
	ck_assert_int_eq(got.kind, ENTRY_DELETE);
	ck_assert_int_eq(batch_next(&r, &got), KV_NOT_FOUND);
	batch_free(&batch);
}
END_TEST

static kv_status read_one(const char *bytes, size_t len)
{
	/* on the heap and of exactly this length, so that the sanitizer sees a read beyond it */
	uint8_t *copy = malloc(len ? len : 1);
	struct entry got = { .sequence = 3, .expires_unix_ms = 4 };
	struct reader r;
	kv_status ret;

	memcpy(copy, bytes, len);
	r = reader_of(slice_of(copy, len));
	ret = batch_next(&r, &got);
	if (ret != KV_OK) {
		ck_assert_ptr_eq(r.pos, copy);
		ck_assert_uint_eq(got.expires_unix_ms, 4);
	}
	free(copy);
	return ret;
}

START_TEST(bytes_that_are_no_operation_are_refused)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\x04\x01\x01" "ab", 5 },           /* kinds of later versions */
		{ "\x0f\x01\x01" "ab", 5 },
		{ "\x11\x01\x01" "ab", 5 },           /* unknown bits */
		{ "\x21\x01\x01" "ab", 5 },
		{ "\x41\x01\x01" "ab", 5 },
		{ "\x01\x00\x01" "b", 4 },            /* no key */
		{ "\x00\x01\x01" "ab", 5 },           /* a delete with a value */
		{ "\x80\x01\x00\x05" "a", 5 },        /* a delete that expires */
		{ "\x82\x01\x01\x05" "ab", 6 },       /* a range delete that expires */
		{ "\x02\x01\x01" "aa", 5 },           /* and ranges without a key */
		{ "\x02\x01\x01" "ba", 5 },
		{ "\x02\x02\x01" "aba", 6 },
		{ "\x03\x01\x01" "ab", 5 },           /* no pointers to a blob */
		{ "\x03\x01\x18" "k\0\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0" "12345678", 28 },
		{ "\x03\x01\x19" "k\1\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0" "123456781", 29 },
		{ "\x03\x01\x18" "k\1\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "12345678", 28 }, /* of a value of no bytes */
		{ "\x03\x01\x18" "k\1\0\0\0\0\0\0\0" "\1\0\0\100\0\0\0\0" "12345678", 28 }, /* of 1 GiB + 1 */
		{ "\x03\x01\x18" "k\1\0\0\0\0\0\0\0" "\377\377\377\377\377\377\377\377" "12345678", 28 },
		{ "\x81\x01\x00\x00" "a", 5 },        /* expires never, but says so */
		{ "\x01\x81\x00\x01" "ab", 6 },       /* not the shortest varint */
		{ "\x01\x81\x20\x00" "ab", 6 },       /* key of 4097 bytes */
		{ "\x01\x01\x81\x80\x80\x80\x04" "a", 8 }, /* value of 1 GiB + 1 */
		{ "\x01\x01\x80\x80\x80\x80\x10" "a", 8 }, /* value of 4 GiB */
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_msg(read_one(cases[i].bytes, cases[i].len) == KV_CORRUPT, "case %u", i);
}
END_TEST

START_TEST(a_cut_operation_is_refused_at_every_length)
{
	static const char bytes[] = "\x81\x03\x05\xac\x02keyvalue";
	size_t len = sizeof bytes - 1;

	ck_assert_int_eq(read_one(bytes, 0), KV_NOT_FOUND);
	for (size_t cut = 1; cut < len; cut++)
		ck_assert_int_eq(read_one(bytes, cut), KV_CORRUPT);
	ck_assert_int_eq(read_one(bytes, len), KV_OK);
}
END_TEST

START_TEST(without_memory_a_batch_stays_as_it_was)
{
	struct batch batch = { 0 };
	kv_status status;

	fault_alloc_fail(1, true);
	status = batch_put(&batch, text("k"), text("v"), 0);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert_uint_eq(batch.count + batch.key_bytes + batch.value_bytes + batch.operations.len, 0);
	ck_assert_int_eq(batch_put(&batch, text("k"), text("v"), 0), KV_OK);
	ck_assert_uint_eq(batch.count, 1);
	batch_free(&batch);
}
END_TEST

START_TEST(a_head_is_an_operation_without_its_value)
{
	struct batch batch = { 0 };
	struct reader heads, operations;
	struct entry head = { 0 }, entry = { 0 };
	struct slice value;
	uint32_t value_bytes;

	ck_assert_int_eq(batch_put(&batch, slice_of_string("key"), slice_of_string("value"), 7), KV_OK);
	ck_assert_int_eq(batch_delete(&batch, slice_of_string("gone")), KV_OK);
	ck_assert_int_eq(batch_put(&batch, slice_of_string("empty"), slice_of(NULL, 0), 0), KV_OK);
	heads = operations = reader_of(buf_slice(&batch.operations));
	while (batch_next(&operations, &entry) == KV_OK) {
		ck_assert_int_eq(batch_next_head(&heads, &head, &value_bytes), KV_OK);
		ck_assert(slice_equal(head.key, entry.key));
		ck_assert_int_eq(head.kind, entry.kind);
		ck_assert_uint_eq(head.expires_unix_ms, entry.expires_unix_ms);
		ck_assert_uint_eq(value_bytes, entry.value.len);
		ck_assert(read_bytes(&heads, value_bytes, &value));
		ck_assert(slice_equal(value, entry.value));
	}
	ck_assert_int_eq(batch_next_head(&heads, &head, &value_bytes), KV_NOT_FOUND);
	/* a cut one is none, as long as its key is not whole */
	for (size_t len = 1; len < 8; len++) {
		heads = reader_of(slice_of(batch.operations.data, len));
		ck_assert_int_eq(batch_next_head(&heads, &head, &value_bytes), len < 7 ? KV_CORRUPT : KV_OK);
	}
	batch_free(&batch);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch");
	TCase *tc = tcase_create("batch");

	tcase_add_test(tc, an_operation_has_exactly_these_bytes);
	tcase_add_test(tc, operations_are_read_back_in_order);
	tcase_add_test(tc, what_is_out_of_range_changes_nothing);
	tcase_add_test(tc, so_many_range_deletes_and_no_more);
	tcase_add_test(tc, a_cleared_batch_is_empty_and_usable);
	tcase_add_test(tc, bytes_that_are_no_operation_are_refused);
	tcase_add_test(tc, a_cut_operation_is_refused_at_every_length);
	tcase_add_test(tc, without_memory_a_batch_stays_as_it_was);
	tcase_add_test(tc, a_head_is_an_operation_without_its_value);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
