/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixed ints and varints: round trips, the exact bytes, and everything a reader must refuse. */
#include "base/coding.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

START_TEST(fixed_ints_are_little_endian_at_any_alignment)
{
	uint8_t bytes[16];

	for (size_t at = 0; at < 8; at++) {
		put_fixed64(bytes + at, UINT64_C(0x0123456789abcdef));
		ck_assert_mem_eq(bytes + at, "\xef\xcd\xab\x89\x67\x45\x23\x01", 8);
		ck_assert_uint_eq(get_fixed64(bytes + at), UINT64_C(0x0123456789abcdef));
		put_fixed32(bytes + at, 0x89abcdef);
		ck_assert_mem_eq(bytes + at, "\xef\xcd\xab\x89", 4);
		ck_assert_uint_eq(get_fixed32(bytes + at), 0x89abcdef);
		put_fixed16(bytes + at, 0xcdef);
		ck_assert_mem_eq(bytes + at, "\xef\xcd", 2);
		ck_assert_uint_eq(get_fixed16(bytes + at), 0xcdef);
	}
}
END_TEST

static void round_trip(uint64_t v)
{
	uint8_t bytes[VARINT64_MAX_BYTES];
	size_t len = put_varint64(bytes, v);
	struct reader r = reader_of(slice_of(bytes, len));
	uint64_t got = ~v;
	uint32_t small = 0;

	ck_assert_uint_eq(len, varint_length(v));
	ck_assert(read_varint64(&r, &got));
	ck_assert_uint_eq(got, v);
	ck_assert_uint_eq(reader_left(&r), 0);
	r = reader_of(slice_of(bytes, len));
	ck_assert_int_eq(read_varint32(&r, &small), v <= UINT32_MAX);
	if (v <= UINT32_MAX)
		ck_assert_uint_eq(small, v);
	else
		ck_assert_uint_eq(reader_left(&r), len);
}

START_TEST(varints_of_every_length_round_trip)
{
	uint64_t rnd = runner_seed();

	for (unsigned bit = 0; bit < 64; bit++) {
		round_trip(UINT64_C(1) << bit);
		round_trip((UINT64_C(1) << bit) - 1);
		for (int i = 0; i < 100; i++)
			round_trip(runner_random(&rnd) >> bit);
	}
	round_trip(UINT64_MAX);
	ck_assert_uint_eq(varint_length(127), 1);
	ck_assert_uint_eq(varint_length(128), 2);
	ck_assert_uint_eq(varint_length(UINT32_MAX), VARINT32_MAX_BYTES);
	ck_assert_uint_eq(varint_length(UINT64_MAX), VARINT64_MAX_BYTES);
}
END_TEST

static bool accepted64(const char *bytes, size_t len)
{
	struct reader r = reader_of(slice_of(bytes, len));
	uint64_t v = 77;
	bool ret = read_varint64(&r, &v);

	if (!ret) {
		ck_assert_ptr_eq(r.pos, bytes);
		ck_assert_uint_eq(v, 77);
	}
	return ret;
}

START_TEST(wrong_varints_are_refused_and_move_nothing)
{
	ck_assert(!accepted64("", 0));
	ck_assert(!accepted64("\x80", 1));
	ck_assert(!accepted64("\xff\xff\xff", 3));
	/* not the shortest */
	ck_assert(!accepted64("\x80\x00", 2));
	ck_assert(!accepted64("\x81\x80\x00", 3));
	ck_assert(!accepted64("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10));
	/* bits beyond 64, more than ten bytes */
	ck_assert(accepted64("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10));
	ck_assert(!accepted64("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
	ck_assert(!accepted64("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 11));
	ck_assert(!accepted64("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11));
}
END_TEST

START_TEST(a_32_bit_varint_refuses_the_33rd_bit)
{
	struct reader r = reader_of(slice_of("\xff\xff\xff\xff\x0f", 5));
	uint32_t v = 0;

	ck_assert(read_varint32(&r, &v));
	ck_assert_uint_eq(v, UINT32_MAX);
	r = reader_of(slice_of("\x80\x80\x80\x80\x10", 5));
	ck_assert(!read_varint32(&r, &v));
	ck_assert_uint_eq(reader_left(&r), 5);
	ck_assert_uint_eq(v, UINT32_MAX);
}
END_TEST

START_TEST(a_cut_end_is_refused_at_every_length)
{
	static const uint8_t bytes[8];
	struct reader r;
	struct slice s;
	uint32_t v32;
	uint64_t v64;
	uint8_t byte;

	for (size_t len = 0; len < 8; len++) {
		r = reader_of(slice_of(bytes, len));
		ck_assert(!read_fixed64(&r, &v64));
		ck_assert_int_eq(read_fixed32(&r, &v32), len >= 4);
		r = reader_of(slice_of(bytes, len));
		ck_assert(!read_bytes(&r, len + 1, &s));
		ck_assert(!read_bytes(&r, SIZE_MAX, &s));
		ck_assert(read_bytes(&r, len, &s));
		ck_assert_uint_eq(s.len, len);
		ck_assert(!read_byte(&r, &byte));
	}
}
END_TEST

START_TEST(fields_written_one_after_another_are_read_back)
{
	struct buf buf = { 0 };
	struct reader r;
	struct slice s;
	uint32_t v32;
	uint64_t v64;
	uint8_t byte;

	ck_assert_int_eq(buf_append_fixed32(&buf, 0xdeadbeef), KV_OK);
	ck_assert_int_eq(buf_append_prefixed(&buf, slice_of("a\0b", 3)), KV_OK);
	ck_assert_int_eq(buf_append_varint(&buf, 300), KV_OK);
	ck_assert_int_eq(buf_append_prefixed(&buf, slice_of(NULL, 0)), KV_OK);
	ck_assert_int_eq(buf_append_fixed64(&buf, UINT64_MAX - 1), KV_OK);
	ck_assert_int_eq(buf_append_byte(&buf, 9), KV_OK);
	ck_assert_uint_eq(buf.len, 4 + 4 + 2 + 1 + 8 + 1);

	r = reader_of(buf_slice(&buf));
	ck_assert(read_fixed32(&r, &v32) && v32 == 0xdeadbeef);
	ck_assert(read_prefixed(&r, &s) && slice_equal(s, slice_of("a\0b", 3)));
	ck_assert(read_varint64(&r, &v64) && v64 == 300);
	ck_assert(read_prefixed(&r, &s) && s.len == 0);
	ck_assert(read_fixed64(&r, &v64) && v64 == UINT64_MAX - 1);
	ck_assert(read_byte(&r, &byte) && byte == 9);
	ck_assert_uint_eq(reader_left(&r), 0);
	buf_free(&buf);
}
END_TEST

START_TEST(a_prefixed_field_longer_than_the_rest_is_refused)
{
	uint8_t bytes[VARINT64_MAX_BYTES + 2];
	struct slice s = slice_of("keep", 4);
	struct reader r;
	size_t len;

	for (uint64_t claim = 3; claim != 0; claim = claim > UINT64_MAX / 2 ? 0 : claim * 2 + 1) {
		len = put_varint64(bytes, claim);
		r = reader_of(slice_of(bytes, len + 2));
		ck_assert(!read_prefixed(&r, &s));
		ck_assert_ptr_eq(r.pos, bytes);
		ck_assert(slice_equal(s, slice_of("keep", 4)));
	}
}
END_TEST

START_TEST(a_field_too_large_for_memory_leaves_nothing_behind)
{
	struct buf buf = { 0 };

	ck_assert_int_eq(buf_append_byte(&buf, 1), KV_OK);
	ck_assert_int_eq(buf_append_prefixed(&buf, slice_of("", SIZE_MAX)), KV_NO_MEMORY);
	ck_assert_int_eq(buf_append_prefixed(&buf, slice_of("", PTRDIFF_MAX)), KV_NO_MEMORY);
	ck_assert_uint_eq(buf.len, 1);
	buf_free(&buf);
}
END_TEST

START_TEST(an_append_without_memory_leaves_nothing_of_its_field)
{
	struct buf buf = { 0 };
	kv_status status[4];
	char bytes[100] = { 0 };

	while (buf.len < buf.capacity || buf.len == 0)
		ck_assert_int_eq(buf_append_byte(&buf, 1), KV_OK);
	fault_alloc_fail(1, true);
	status[0] = buf_append_fixed32(&buf, 1);
	status[1] = buf_append_fixed64(&buf, 1);
	status[2] = buf_append_varint(&buf, 1);
	status[3] = buf_append_prefixed(&buf, slice_of(bytes, sizeof bytes));
	fault_alloc_fail(0, false);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(status[i], KV_NO_MEMORY);
	ck_assert_uint_eq(buf.len, buf.capacity);
	buf.len = buf.capacity - 5; /* room for the length, not for the bytes */
	fault_alloc_fail(1, true);
	status[0] = buf_append_prefixed(&buf, slice_of(bytes, sizeof bytes));
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status[0], KV_NO_MEMORY);
	ck_assert_uint_eq(buf.len, buf.capacity - 5);
	buf_free(&buf);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coding");
	TCase *tc = tcase_create("coding");

	tcase_add_test(tc, fixed_ints_are_little_endian_at_any_alignment);
	tcase_add_test(tc, varints_of_every_length_round_trip);
	tcase_add_test(tc, wrong_varints_are_refused_and_move_nothing);
	tcase_add_test(tc, a_32_bit_varint_refuses_the_33rd_bit);
	tcase_add_test(tc, a_cut_end_is_refused_at_every_length);
	tcase_add_test(tc, fields_written_one_after_another_are_read_back);
	tcase_add_test(tc, a_prefixed_field_longer_than_the_rest_is_refused);
	tcase_add_test(tc, a_field_too_large_for_memory_leaves_nothing_behind);
	tcase_add_test(tc, an_append_without_memory_leaves_nothing_of_its_field);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
