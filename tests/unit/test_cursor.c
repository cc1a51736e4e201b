/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/cursor.h"

#include "http/base64.h"
#include "http/snapshots.h"
#include "support/runner.h"

static struct buf text;
static struct buf storage;
static struct cursor cursor;

static const struct cursor_range range = {
	.prefix = { (const uint8_t *)"a", 1 }, .start = { (const uint8_t *)"ab", 2 },
};

static kv_status encode(struct slice k)
{
	buf_clear(&text);
	return cursor_encode(&(struct cursor){ .key = k }, &range, &text);
}

START_TEST(every_key_comes_back)
{
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 2000; round++) {
		uint8_t bytes[40];
		size_t len = 1 + runner_random(&rnd) % 40;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(runner_random(&rnd) >> 56);
		ck_assert_int_eq(encode(slice_of(bytes, len)), KV_OK);
		for (size_t i = 0; i < text.len; i++)
			ck_assert_ptr_nonnull(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
				text.data[i]));
		ck_assert_int_eq(cursor_decode(buf_slice(&text), &range, &storage, &cursor), KV_OK);
		ck_assert(slice_equal(cursor.key, slice_of(bytes, len)));
	}
	buf_free(&text);
	buf_free(&storage);
}
END_TEST

/* No key has no byte; to an iterator it would mean another end of the store. */
START_TEST(a_cursor_without_a_key_is_refused)
{
	ck_assert_int_eq(encode(slice_of(NULL, 0)), KV_OK);
	ck_assert_int_eq(cursor_decode(buf_slice(&text), &range, &storage, &cursor), KV_INVALID);
	buf_free(&text);
	buf_free(&storage);
}
END_TEST

START_TEST(what_it_carries_beside_the_key_comes_back)
{
	static const uint8_t id[SNAPSHOT_ID_BYTES] = "0123456789abcde";

	for (int i = 0; i < 4; i++) {
		struct cursor with = { .key = slice_of_string("k"), .included = i % 2 == 1, .snapshot = i / 2 == 1 ? id : NULL };

		buf_clear(&text);
		ck_assert_int_eq(cursor_encode(&with, &range, &text), KV_OK);
		ck_assert_int_eq(cursor_decode(buf_slice(&text), &range, &storage, &cursor), KV_OK);
		ck_assert_int_eq(cursor.included, with.included);
		ck_assert_int_eq(cursor.snapshot != NULL, with.snapshot != NULL);
		if (with.snapshot)
			ck_assert_mem_eq(cursor.snapshot, id, SNAPSHOT_ID_BYTES);
	}
	buf_free(&text);
	buf_free(&storage);
}
END_TEST

START_TEST(a_cursor_is_bound_to_its_range)
{
	struct cursor_range other = range;

	ck_assert_int_eq(encode(slice_of_string("abc")), KV_OK);
	other.reverse = true;
	ck_assert_int_eq(cursor_decode(buf_slice(&text), &other, &storage, &cursor), KV_INVALID);
	other = range;
	other.prefix = slice_of_string("b");
	ck_assert_int_eq(cursor_decode(buf_slice(&text), &other, &storage, &cursor), KV_INVALID);
	other = range;
	other.snapshot = slice_of_string("b");
	ck_assert_int_eq(cursor_decode(buf_slice(&text), &other, &storage, &cursor), KV_INVALID);
	other = range;
	other.end = slice_of_string("b");
	ck_assert_int_eq(cursor_decode(buf_slice(&text), &other, &storage, &cursor), KV_INVALID);
	/* the same bytes in another place are another range */
	other = range;
	other.start = range.end;
	other.end = range.start;
	ck_assert_int_eq(cursor_decode(buf_slice(&text), &other, &storage, &cursor), KV_INVALID);
	buf_free(&text);
	buf_free(&storage);
}
END_TEST

START_TEST(a_changed_cursor_is_refused)
{
	struct buf whole = { 0 };

	ck_assert_int_eq(encode(slice_of_string("some key")), KV_OK);
	ck_assert_int_eq(buf_set(&whole, buf_slice(&text)), KV_OK);
	for (size_t len = 0; len < whole.len; len++)
		ck_assert_int_eq(cursor_decode(slice_of(whole.data, len), &range, &storage, &cursor), KV_INVALID);
	for (size_t i = 0; i < whole.len; i++) {
		uint8_t was = whole.data[i];

		whole.data[i] = was == 'A' ? 'B' : 'A';
		ck_assert_int_eq(cursor_decode(buf_slice(&whole), &range, &storage, &cursor), KV_INVALID);
		whole.data[i] = '=';
		ck_assert_int_eq(cursor_decode(buf_slice(&whole), &range, &storage, &cursor), KV_INVALID);
		whole.data[i] = was;
	}
	ck_assert_int_eq(cursor_decode(buf_slice(&whole), &range, &storage, &cursor), KV_OK);
	buf_free(&whole);
	buf_free(&text);
	buf_free(&storage);
}
END_TEST

START_TEST(base64_has_the_vectors_of_rfc_4648)
{
	static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
	static const char *const coded[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };

	for (size_t i = 0; i < 7; i++) {
		uint8_t to[8];
		size_t len = base64_encode(to, slice_of_string(plain[i]), BASE64_STANDARD);

		ck_assert_uint_le(len, base64_encoded_size(strlen(plain[i])));
		ck_assert(slice_equal(slice_of(to, len), slice_of_string(coded[i])));
		len = base64_encode(to, slice_of_string(plain[i]), BASE64_URL);
		ck_assert(slice_equal(slice_of(to, len), slice_of(coded[i], strcspn(coded[i], "="))));
	}
}
END_TEST

START_TEST(base64_has_one_text_for_each_bytes)
{
	uint8_t to[8];
	size_t len;

	ck_assert(base64_decode_url(to, slice_of_string("Zg"), &len));
	ck_assert(!base64_decode_url(to, slice_of_string("Zh"), &len)); /* spare bits */
	ck_assert(!base64_decode_url(to, slice_of_string("Z"), &len));
	ck_assert(!base64_decode_url(to, slice_of_string("Zg=="), &len));
	ck_assert(!base64_decode_url(to, slice_of_string("Z+"), &len));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cursor");
	TCase *tc = tcase_create("cursor");

	tcase_add_test(tc, every_key_comes_back);
	tcase_add_test(tc, a_cursor_without_a_key_is_refused);
	tcase_add_test(tc, what_it_carries_beside_the_key_comes_back);
	tcase_add_test(tc, a_cursor_is_bound_to_its_range);
	tcase_add_test(tc, a_changed_cursor_is_refused);
	tcase_add_test(tc, base64_has_the_vectors_of_rfc_4648);
	tcase_add_test(tc, base64_has_one_text_for_each_bytes);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
