/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/filename.h"

#include "support/runner.h"

#include <string.h>

static const enum filename_kind kinds[] = { FILENAME_WAL, FILENAME_TABLE, FILENAME_BLOB };

START_TEST(every_name_that_is_made_is_parsed_back)
{
	char name[FILENAME_MAX_BYTES];
	uint64_t got;

	for (unsigned k = 0; k < 3; k++)
		for (uint64_t number = 1; number <= FILENAME_NUMBER_MAX; number *= 3) {
			ck_assert_int_eq(filename_parse(filename_make(name, kinds[k], number), &got),
				kinds[k]);
			ck_assert_uint_eq(got, number);
		}
	ck_assert_str_eq(filename_make(name, FILENAME_WAL, 7), "000007.wal");
	ck_assert_str_eq(filename_make(name, FILENAME_TABLE, 999999), "999999.sst");
	ck_assert_str_eq(filename_make(name, FILENAME_TABLE, 1000000), "1000000.sst");
	ck_assert_str_eq(filename_make(name, FILENAME_BLOB, FILENAME_NUMBER_MAX), "4611686018427387904.blob");
	ck_assert_int_eq(filename_parse(name, &got), FILENAME_BLOB);
	ck_assert_uint_eq(got, FILENAME_NUMBER_MAX);
}
END_TEST

START_TEST(names_without_a_number_are_known)
{
	static const struct {
		const char *name;
		enum filename_kind kind;
	} cases[] = {
		{ "FORMAT", FILENAME_FORMAT },
		{ "LOCK", FILENAME_LOCK },
		{ "MANIFEST", FILENAME_MANIFEST },
		{ "FORMAT.new", FILENAME_TEMP },
		{ "MANIFEST.new", FILENAME_TEMP },
		{ "SCRUB", FILENAME_SCRUB },
		{ "SCRUB.new", FILENAME_TEMP },
		{ "lost+found", FILENAME_LOST_FOUND },
		{ "lost+found.kvstored", FILENAME_LOST_FOUND },
		{ "RESERVE", FILENAME_RESERVE },
	};
	uint64_t number;

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		number = 5;
		ck_assert_int_eq(filename_parse(cases[i].name, &number), cases[i].kind);
		ck_assert_uint_eq(number, 0);
	}
}
END_TEST

START_TEST(any_other_spelling_is_foreign)
{
	static const char *const names[] = { "", ".", "..", "12.sst", "0000012.sst", "000000.wal",
		"000012", "000012.", "000012.SST", "000012.sst.old", "x000012.sst", "000012x.sst",
		"+00012.sst", "-00012.sst", " 00012.sst", "000012.sst ", "0x0012.sst", ".sst",
		"4611686018427387905.sst", "18446744073709551610.sst", "18446744073709551615.wal", "18446744073709551616.sst", "18446744073709551628.sst", "99999999999999999999999.sst",
		"LOCK.new", "lock", "MANIFEST.old", "FORMAT2", "lost+found2", "000012.wal\n",
		"00001\xb2.sst" };
	uint64_t number;

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		number = 5;
		ck_assert_msg(filename_parse(names[i], &number) == FILENAME_FOREIGN, "'%s'", names[i]);
		ck_assert_uint_eq(number, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filename");
	TCase *tc = tcase_create("filename");

	tcase_add_test(tc, every_name_that_is_made_is_parsed_back);
	tcase_add_test(tc, names_without_a_number_are_known);
	tcase_add_test(tc, any_other_spelling_is_foreign);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
