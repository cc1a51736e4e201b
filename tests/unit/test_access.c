/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/access.h"
#include "support/runner.h"

#include <stdio.h>

#define S(text) slice_of(text, sizeof(text) - 1)

START_TEST(roles_have_names_and_an_order)
{
	enum access_role role = ACCESS_NONE;

	for (unsigned i = ACCESS_NONE; i <= ACCESS_ADMIN; i++) {
		ck_assert(access_role_of(slice_of_string(access_role_name((enum access_role)i)), &role));
		ck_assert_uint_eq(role, i);
	}
	ck_assert(!access_role_of(S("Admin"), &role));
	ck_assert(!access_role_of(S(""), &role));
	ck_assert_uint_eq(role, ACCESS_ADMIN);
}
END_TEST

START_TEST(without_a_prefix_everything_is_covered)
{
	struct access access = { .role = ACCESS_READ };

	ck_assert(access_covers_key(&access, S("any")));
	ck_assert(access_covers_range(&access, S(""), S(""), S("")));
}
END_TEST

static const struct {
	struct slice own, prefix, start, end;
	bool covered;
} ranges[] = {
	{ { (const uint8_t *)"a/", 2 }, { (const uint8_t *)"a/", 2 }, { NULL, 0 }, { NULL, 0 }, true },
#define ROW(own, prefix, start, end, covered) { { (const uint8_t *)own, sizeof(own) - 1 }, \
	{ (const uint8_t *)prefix, sizeof(prefix) - 1 }, { (const uint8_t *)start, sizeof(start) - 1 }, \
	{ (const uint8_t *)end, sizeof(end) - 1 }, covered }
	ROW("a/", "a/b", "", "", true),
	ROW("a/", "a/b", "x", "y", true),  /* nothing, but nothing of others either */
	ROW("a/", "", "", "", false),
	ROW("a/", "a", "", "", false),
	ROW("a/", "b/", "", "", false),
	ROW("a/", "", "a/", "", false),
	ROW("a/", "", "a/", "a0", true),   /* '0' follows '/' */
	ROW("a/", "", "a/", "a0\0", false),
	ROW("a/", "", "a/", "a1", false),
	ROW("a/", "", "a/", "b", false),
	ROW("a/", "", "a/x", "a/y", true),
	ROW("a/", "", "a", "a/y", false),
	ROW("a/", "", "", "a0", false),
	ROW("a/", "", "a/x", "a", true),   /* empty */
	ROW("a/", "a", "a/x", "", false),
	ROW("a/", "a", "a/x", "a0", true),
	ROW("a\xff", "", "a\xff", "b", true),
	ROW("a\xff", "", "a\xff", "b\0", false),
	ROW("a\xff", "", "a\xff\xff", "", false),
	ROW("\xff\xff", "", "\xff\xff", "", true), /* nothing comes after them */
	ROW("\xff\xff", "", "\xff", "", false),
	ROW("\x7f", "", "\x7f", "\x80", true),
	ROW("\x7f", "", "\x7f", "\x80\x01", false),
	ROW("a", "", "a", "b", true),
	ROW("a", "", "a", "c", false),
};

START_TEST(a_range_is_covered_only_when_all_its_keys_would_be)
{
	struct access access = { .role = ACCESS_READ, .prefix = ranges[_i].own };

	ck_assert_msg(access_covers_range(&access, ranges[_i].prefix, ranges[_i].start, ranges[_i].end) ==
		ranges[_i].covered, "row %d", _i);
}
END_TEST

static bool in_range(struct slice key, struct slice prefix, struct slice start, struct slice end)
{
	return slice_starts_with(key, prefix) && slice_compare(key, start) >= 0 &&
		(end.len == 0 || slice_compare(key, end) < 0);
}

/* Words of up to two letters of an alphabet with both ends. */
static struct slice word(unsigned n, uint8_t buf[2])
{
	static const uint8_t letters[] = { 0x00, 'a', 'b', 0xff };

	if (n == 0)
		return slice_of(buf, 0);
	if (n <= 4) {
		buf[0] = letters[n - 1];
		return slice_of(buf, 1);
	}
	buf[0] = letters[(n - 5) / 4];
	buf[1] = letters[(n - 5) % 4];
	return slice_of(buf, 2);
}

START_TEST(no_covered_range_has_a_key_outside)
{
	uint8_t b[5][2];

	for (unsigned own = 1; own < 21; own++)
		for (unsigned start = 0; start < 21; start++)
			for (unsigned end = 0; end < 21; end++)
				for (unsigned prefix = 0; prefix < 5; prefix++) {
					struct access access = { .prefix = word(own, b[0]) };

					if (!access_covers_range(&access, word(prefix, b[1]), word(start, b[2]), word(end, b[3])))
						continue;
					for (unsigned key = 1; key < 21; key++)
						ck_assert(access_covers_key(&access, word(key, b[4])) ||
							!in_range(word(key, b[4]), word(prefix, b[1]), word(start, b[2]), word(end, b[3])));
				}
}
END_TEST

START_TEST(a_key_is_covered_when_it_begins_with_the_prefix)
{
	struct access access = { .role = ACCESS_READ, .prefix = S("a/") };

	ck_assert(access_covers_key(&access, S("a/")));
	ck_assert(access_covers_key(&access, S("a/b")));
	ck_assert(!access_covers_key(&access, S("a")));
	ck_assert(!access_covers_key(&access, S("b/a/")));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("access");
	TCase *tc = tcase_create("access");

	tcase_add_test(tc, roles_have_names_and_an_order);
	tcase_add_test(tc, without_a_prefix_everything_is_covered);
	tcase_add_test(tc, a_key_is_covered_when_it_begins_with_the_prefix);
	tcase_add_loop_test(tc, a_range_is_covered_only_when_all_its_keys_would_be, 0,
		(int)(sizeof ranges / sizeof ranges[0]));
	tcase_add_test(tc, no_covered_range_has_a_key_outside);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
