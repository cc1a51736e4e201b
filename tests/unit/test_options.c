/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: every option in both forms, and what is refused. */
#define _GNU_SOURCE
#include "daemon/options.h"
#include "support/runner.h"

#include <stdlib.h>
#include <string.h>

static struct options parsed;
static struct kv_error err;

/* argv ends with NULL. */
static kv_status parse(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(&parsed, 0, sizeof(parsed));
	return options_parse(argc, argv, &parsed, &err);
}

#define PARSE(...) parse((char *[]){ "kvstored", __VA_ARGS__ __VA_OPT__(,) NULL })

START_TEST(without_arguments_it_is_a_daemon_with_the_default_file)
{
	ck_assert_int_eq(PARSE(), KV_OK);
	ck_assert_str_eq(parsed.config_path, OPTIONS_CONFIG_FILE);
	ck_assert(!parsed.config_given && !parsed.foreground && !parsed.check_config);
	ck_assert(!parsed.version && !parsed.help);
}
END_TEST

START_TEST(letters_and_words_mean_the_same)
{
	ck_assert_int_eq(PARSE("-f", "-t", "-V", "-h", "-c", "a"), KV_OK);
	ck_assert(parsed.foreground && parsed.check_config && parsed.version && parsed.help);
	ck_assert_str_eq(parsed.config_path, "a");
	ck_assert(parsed.config_given);
	ck_assert_int_eq(PARSE("--foreground", "--check-config", "--version", "--help", "--config=b"), KV_OK);
	ck_assert(parsed.foreground && parsed.check_config && parsed.version && parsed.help);
	ck_assert_str_eq(parsed.config_path, "b");
	ck_assert_int_eq(PARSE("--config", "c"), KV_OK);
	ck_assert_str_eq(parsed.config_path, "c");
	ck_assert_int_eq(PARSE("-ftc", "d"), KV_OK);
	ck_assert(parsed.foreground && parsed.check_config);
	ck_assert_str_eq(parsed.config_path, "d");
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	struct {
		char *argv[4];
		const char *text;
	} cases[] = {
		{ { "kvstored", "-x" }, "unknown option '-x'" },
		{ { "kvstored", "-fx" }, "unknown option '-x'" },
		{ { "kvstored", "--nonsense" }, "unknown option '--nonsense'" },
		{ { "kvstored", "-c" }, "option --config needs an argument" },
		{ { "kvstored", "--config" }, "option --config needs an argument" },
		{ { "kvstored", "--foreground=yes" }, "option --foreground takes no argument" },
		{ { "kvstored", "-f", "start" }, "unexpected argument 'start'" },
		{ { "", "-x" }, "unknown option '-x'" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(parse(cases[i].argv), KV_INVALID);
		ck_assert_str_eq(err.text, cases[i].text);
		ck_assert_ptr_null(parsed.config_path);
	}
}
END_TEST

START_TEST(the_help_has_a_line_for_every_option)
{
	static const char *const forms[] = { "-f, --foreground ", "-c, --config FILE ",
		"-t, --check-config ", "-V, --version ", "-h, --help " };
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(to);
	options_print_help(to);
	ck_assert_int_eq(fclose(to), 0);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		ck_assert_msg(strstr(text, forms[i]) != NULL, "no line for %s", forms[i]);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tests = tcase_create("options");

	tcase_add_test(tests, without_arguments_it_is_a_daemon_with_the_default_file);
	tcase_add_test(tests, letters_and_words_mean_the_same);
	tcase_add_test(tests, what_is_wrong_is_named);
	tcase_add_test(tests, the_help_has_a_line_for_every_option);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
