/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a clean end, as /shutdown and the log show it. */
#define _GNU_SOURCE
#include "daemon/report.h"
#include "support/runner.h"

#include <string.h>

static char text[REPORT_MAX];

START_TEST(a_clean_end_tells_all_that_was_done)
{
	struct report_facts facts = {
		.drained = 3,
		.store = { .entries_flushed = 12, .bytes_flushed = 3456, .table = "000007.sst",
			.log_files_removed = 2, .tables = 5, .bytes_on_disk = 98765 },
		.elapsed_us = 1234567,
	};

	ck_assert_str_eq(report_format(&facts, text, sizeof(text)),
		"requests drained: 3\n"
		"entries flushed: 12 (3456 bytes) into 000007.sst\n"
		"WAL segments removed: 2\n"
		"on disk: 5 tables, 98765 bytes\n"
		"time taken: 1.234 s\n"
		"kvstored stopped\n");
}
END_TEST

START_TEST(empty_memory_needs_no_table)
{
	struct report_facts facts = { .elapsed_us = 999 };

	report_format(&facts, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\nentries flushed: 0, memory was empty\n"));
	ck_assert_ptr_nonnull(strstr(text, "\ntime taken: 0.000 s\n"));
	ck_assert_ptr_null(strstr(text, "cut off"));
}
END_TEST

START_TEST(requests_that_did_not_end_are_not_called_drained)
{
	struct report_facts facts = { .drained = 5, .left = 2 };

	report_format(&facts, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "requests drained: 3\nrequests cut off: 2\n"));
}
END_TEST

START_TEST(a_failure_says_where_the_data_is)
{
	struct report_facts facts = { .failure = "000007.sst: cannot write (No space left on device)" };

	report_format(&facts, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "memory not flushed: 000007.sst: cannot write"));
	ck_assert_ptr_nonnull(strstr(text, "stay in the WAL"));
	ck_assert_ptr_null(strstr(text, "entries flushed"));
}
END_TEST

START_TEST(what_does_not_fit_is_cut)
{
	struct report_facts facts = { .drained = 1 };
	char small[] = "................................";

	report_format(&facts, small, 25);
	ck_assert_str_eq(small, "requests drained: 1\nentr");
	ck_assert_str_eq(small + 25, ".......");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *tests = tcase_create("report");

	tcase_add_test(tests, a_clean_end_tells_all_that_was_done);
	tcase_add_test(tests, empty_memory_needs_no_table);
	tcase_add_test(tests, requests_that_did_not_end_are_not_called_drained);
	tcase_add_test(tests, a_failure_says_where_the_data_is);
	tcase_add_test(tests, what_does_not_fit_is_cut);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
