/* SPDX-License-Identifier: BSD-2-Clause */
/* The growable buffer: growth, content kept on failure, sizes that overflow. */
#include "base/buf.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

START_TEST(a_zeroed_buffer_is_empty_and_may_be_freed_twice)
{
	struct buf buf = { 0 };

	ck_assert_uint_eq(buf_slice(&buf).len, 0);
	buf_free(&buf);
	ck_assert_int_eq(buf_append(&buf, "x", 1), KV_OK);
	buf_free(&buf);
	buf_free(&buf);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.capacity, 0);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

START_TEST(appended_bytes_stay_in_order_through_growth)
{
	struct buf buf = { 0 };

	for (unsigned i = 0; i < 70000; i++)
		ck_assert_int_eq(buf_append_byte(&buf, (uint8_t)(i * 7)), KV_OK);
	ck_assert_uint_eq(buf.len, 70000);
	for (unsigned i = 0; i < 70000; i++)
		ck_assert_uint_eq(buf.data[i], (uint8_t)(i * 7));
	buf_free(&buf);
}
END_TEST

START_TEST(appending_nothing_needs_no_memory)
{
	struct buf buf = { 0 };

	ck_assert_int_eq(buf_append(&buf, NULL, 0), KV_OK);
	ck_assert_int_eq(buf_append_zeros(&buf, 0), KV_OK);
	ck_assert_int_eq(buf_append_slice(&buf, slice_of(NULL, 0)), KV_OK);
	ck_assert_int_eq(buf_set(&buf, slice_of(NULL, 0)), KV_OK);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(reserved_room_is_used_without_moving)
{
	struct buf buf = { 0 };
	const uint8_t *data;

	ck_assert_int_eq(buf_reserve(&buf, 1000), KV_OK);
	ck_assert_uint_ge(buf.capacity, 1000);
	ck_assert_uint_eq(buf.len, 0);
	data = buf.data;
	ck_assert_int_eq(buf_append_zeros(&buf, 1000), KV_OK);
	ck_assert_ptr_eq(buf.data, data);
	buf_clear(&buf);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_uint_ge(buf.capacity, 1000);
	buf_free(&buf);
}
END_TEST

START_TEST(a_size_that_cannot_be_keeps_the_content)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2 + 1, PTRDIFF_MAX - 2 };
	struct buf buf = { 0 };

	ck_assert_int_eq(buf_append(&buf, "abc", 3), KV_OK);
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		ck_assert_int_eq(buf_reserve(&buf, sizes[i]), KV_NO_MEMORY);
		ck_assert_int_eq(buf_append_zeros(&buf, sizes[i]), KV_NO_MEMORY);
		ck_assert(slice_equal(buf_slice(&buf), slice_of("abc", 3)));
	}
	buf_free(&buf);
}
END_TEST

START_TEST(set_replaces_by_longer_and_shorter)
{
	struct buf buf = { 0 };

	ck_assert_int_eq(buf_set(&buf, slice_of("hello", 5)), KV_OK);
	ck_assert_int_eq(buf_set(&buf, slice_of("a\0b", 3)), KV_OK);
	ck_assert(slice_equal(buf_slice(&buf), slice_of("a\0b", 3)));
	ck_assert_int_eq(buf_set(&buf, slice_of("0123456789012345678901234567890123456789", 40)), KV_OK);
	ck_assert_uint_eq(buf.len, 40);
	ck_assert_int_eq(buf_set(&buf, slice_of(NULL, 0)), KV_OK);
	ck_assert_uint_eq(buf.len, 0);
	buf_free(&buf);
}
END_TEST

START_TEST(formatted_text_is_appended_without_its_nul)
{
	struct buf buf = { 0 };

	ck_assert_int_eq(buf_printf(&buf, "%s", ""), KV_OK);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_int_eq(buf_printf(&buf, "%d-%s", 42, "x"), KV_OK);
	ck_assert_int_eq(buf_printf(&buf, "%100d", 1), KV_OK);
	ck_assert_uint_eq(buf.len, 104);
	ck_assert(slice_starts_with(buf_slice(&buf), slice_of("42-x  ", 6)));
	ck_assert_uint_eq(buf.data[103], '1');
	buf_free(&buf);
}
END_TEST

static kv_status append_in_way(struct buf *buf, int way)
{
	static const uint8_t bytes[100];

	switch (way) {
	case 0:
		return buf_append(buf, bytes, sizeof bytes);
	case 1:
		return buf_append_slice(buf, slice_of(bytes, sizeof bytes));
	case 2:
		return buf_append_zeros(buf, sizeof bytes);
	case 3:
		return buf_printf(buf, "%100d", 1);
	case 4:
		return buf_set(buf, slice_of(bytes, sizeof bytes));
	case 5:
		return buf_reserve(buf, sizeof bytes);
	default:
		return buf_append_byte(buf, 7);
	}
}

START_TEST(every_growth_that_fails_keeps_the_content)
{
	kv_status status;

	for (int way = 0; way < 7; way++) {
		struct buf buf = { 0 };
		size_t len;

		while (way == 6 && buf.len < 32)
			ck_assert_int_eq(buf_append_byte(&buf, 'x'), KV_OK);
		if (way != 6)
			ck_assert_int_eq(buf_append(&buf, "abc", 3), KV_OK);
		len = buf.len;
		fault_alloc_fail(1, true);
		status = append_in_way(&buf, way);
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, KV_NO_MEMORY);
		ck_assert_uint_eq(buf.len, len);
		ck_assert_mem_eq(buf.data, way == 6 ? "xxx" : "abc", 3);
		ck_assert_int_eq(append_in_way(&buf, way), KV_OK);
		buf_free(&buf);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = tcase_create("buf");

	tcase_add_test(tc, a_zeroed_buffer_is_empty_and_may_be_freed_twice);
	tcase_add_test(tc, appended_bytes_stay_in_order_through_growth);
	tcase_add_test(tc, appending_nothing_needs_no_memory);
	tcase_add_test(tc, reserved_room_is_used_without_moving);
	tcase_add_test(tc, a_size_that_cannot_be_keeps_the_content);
	tcase_add_test(tc, set_replaces_by_longer_and_shorter);
	tcase_add_test(tc, formatted_text_is_appended_without_its_nul);
	tcase_add_test(tc, every_growth_that_fails_keeps_the_content);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
