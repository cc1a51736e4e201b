/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: form of a line, levels, what may not be a log file, and no lost line while it is rotated. */
#define _GNU_SOURCE
#include "base/log.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static char *path; /* a directory for the test */
static char *file; /* path/log */
static char *moved;
static struct kv_error err;

static char last_syslog[20000]; /* the last message that went to syslog */
static int last_priority;

/* With _FORTIFY_SOURCE, as Debian builds, syslog() is a call of __syslog_chk(). */
void __wrap_syslog(int priority, const char *format, ...);
void __wrap___syslog_chk(int priority, int flag, const char *format, ...);

static void keep(int priority, const char *format, va_list args)
{
	last_priority = priority;
	vsnprintf(last_syslog, sizeof last_syslog, format, args);
}

void __wrap_syslog(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	keep(priority, format, args);
	va_end(args);
}

void __wrap___syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	(void)flag;
	va_start(args, format);
	keep(priority, format, args);
	va_end(args);
}

static time_t fake_seconds; /* 0: the clock's own */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result = __real_clock_gettime(clock, ret);

	if (fake_seconds != 0)
		*ret = (struct timespec){ .tv_sec = fake_seconds, .tv_nsec = 7000000 };
	return result;
}

/* Check reads the clock, too, so it is ours only during the call. */
static void log_at(time_t seconds, const char *text)
{
	fake_seconds = seconds;
	log_error("%s", text);
	fake_seconds = 0;
}

static void set_up(void)
{
	path = runner_new_dir();
	ck_assert_int_gt(asprintf(&file, "%s/log", path), 0);
	ck_assert_int_gt(asprintf(&moved, "%s/log.1", path), 0);
}

static void tear_down(void)
{
	log_close();
	free(file);
	free(moved);
	runner_remove_dir(path);
}

/* The content of a file, with a NUL at the end, to be freed. */
static char *content(const char *name)
{
	FILE *stream = fopen(name, "r");
	char *ret = NULL;
	size_t size = 0;

	ck_assert_ptr_nonnull(stream);
	if (getdelim(&ret, &size, '\0', stream) < 0) {
		free(ret);
		ret = strdup("");
	}
	fclose(stream);
	return ret;
}

static void assert_ends(const char *name, const char *end)
{
	char *text = content(name);

	ck_assert_msg(strlen(text) >= strlen(end), "'%s' does not end with '%s'", text, end);
	ck_assert_str_eq(text + strlen(text) - strlen(end), end);
	free(text);
}

START_TEST(level_words_are_parsed_and_named)
{
	enum log_level level = LOG_LEVEL_WARNING;

	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		ck_assert_int_eq(log_level_parse(log_level_name((enum log_level)i), &level), KV_OK);
		ck_assert_int_eq((int)level, i);
	}
	ck_assert_int_eq(log_level_parse("Error", &level), KV_INVALID);
	ck_assert_int_eq(log_level_parse("", &level), KV_INVALID);
	ck_assert_int_eq(log_level_parse("warn", &level), KV_INVALID);
	ck_assert_int_eq((int)level, LOG_LEVEL_DEBUG);
}
END_TEST

START_TEST(a_line_has_time_program_level_and_text)
{
	regex_t form;
	char *text;

	ck_assert_int_eq(regcomp(&form, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
		"test_log\\[[0-9]+\\] error: cannot open 'x': 5\n$", REG_EXTENDED), 0);
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_error("cannot open '%s': %d", "x", 5);
	text = content(file);
	ck_assert_msg(regexec(&form, text, 0, NULL, 0) == 0, "%s", text);
	free(text);
	regfree(&form);
}
END_TEST

START_TEST(a_clock_that_was_set_back_is_told_as_it_is)
{
	char *text;

	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_at(1800000000, "a year ahead");
	log_at(1768464000, "set right");
	text = content(file);
	ck_assert_ptr_eq(strstr(text, "2027-01-15T08:00:00.007Z test_log["), text);
	ck_assert_ptr_nonnull(strstr(text, "\n2026-01-15T08:00:00.007Z test_log["));
	free(text);
}
END_TEST

START_TEST(only_lines_up_to_the_level_are_written)
{
	static const int count_at[LOG_LEVEL_COUNT] = { 1, 2, 3, 4 };

	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		char *text;
		int lines = 0;

		unlink(file);
		ck_assert_int_eq(log_to_file(file, &err), KV_OK);
		log_set_level((enum log_level)i);
		ck_assert_int_eq((int)log_get_level(), i);
		log_error("e");
		log_warning("w");
		log_info("i");
		log_debug("d");
		text = content(file);
		for (const char *c = text; *c; c++)
			lines += *c == '\n';
		ck_assert_int_eq(lines, count_at[i]);
		free(text);
	}
}
END_TEST

START_TEST(no_text_can_forge_a_line_or_steer_a_terminal)
{
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_error("%s", "a\nb\tc\x1b[2J\x7f\r\x01 \xc3\xa9");
	assert_ends(file, " error: a\\nb\\tc\\x1b[2J\\x7f\\x0d\\x01 \xc3\xa9\n");
	log_to_syslog("kvstored");
	log_error("%s", "a\nb");
	ck_assert_str_eq(last_syslog, "a\\nb");
}
END_TEST

START_TEST(an_overlong_text_is_cut_and_says_so)
{
	char big[10000];
	char *text;

	memset(big, '\x01', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_error("%s", big);
	assert_ends(file, "\\x01\\x01...\n");
	text = content(file);
	ck_assert_uint_gt(strlen(text), 8000);
	free(text);
}
END_TEST

START_TEST(errno_is_left_alone)
{
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	errno = EXDEV;
	log_error("x");
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(a_new_log_file_is_0640_and_an_old_one_is_appended_to)
{
	struct stat st;

	umask(0);
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_error("one");
	log_close();
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_error("two");
	assert_ends(file, "two\n");
	{
		char *text = content(file);

		ck_assert_ptr_nonnull(strstr(text, "one\n"));
		free(text);
	}
}
END_TEST

START_TEST(links_fifos_and_directories_are_refused_and_the_log_goes_on)
{
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	ck_assert_int_eq(symlink("elsewhere", moved), 0);
	ck_assert_int_eq(log_to_file(moved, &err), KV_INVALID);
	ck_assert_str_eq(err.file, moved);
	ck_assert_int_eq(unlink(moved), 0);
	ck_assert_int_eq(mkfifo(moved, 0600), 0);
	ck_assert_int_eq(log_to_file(moved, &err), KV_INVALID);
	ck_assert_int_eq(log_to_file(path, &err), KV_INVALID);
	ck_assert_int_eq(log_to_file("/nonexistent/log", &err), KV_NOT_FOUND);
	fault_alloc_fail(1, true);
	kv_status status = log_to_file(moved, &err);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	log_error("still here");
	assert_ends(file, "still here\n");
	/* and the name that is reopened is still the old one, too */
	ck_assert_int_eq(log_reopen(&err), KV_OK);
	log_error("and here");
	assert_ends(file, "and here\n");
}
END_TEST

START_TEST(a_fifo_with_a_reader_is_refused_as_well)
{
	int reader;

	ck_assert_int_eq(mkfifo(file, 0600), 0);
	reader = open(file, O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(reader, 0);
	ck_assert_int_eq(log_to_file(file, &err), KV_INVALID);
	close(reader);
}
END_TEST

START_TEST(reopening_goes_on_in_a_new_file)
{
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_error("first");
	ck_assert_int_eq(rename(file, moved), 0);
	log_error("second");
	ck_assert_int_eq(log_reopen(&err), KV_OK);
	log_error("third");
	assert_ends(moved, "second\n");
	assert_ends(file, "third\n");
}
END_TEST

START_TEST(a_failed_reopen_keeps_the_old_file)
{
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	ck_assert_int_eq(rename(file, moved), 0);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert_int_eq(log_reopen(&err), KV_INVALID);
	log_error("kept");
	assert_ends(moved, "kept\n");
}
END_TEST

START_TEST(reopening_without_a_file_does_nothing)
{
	ck_assert_int_eq(log_reopen(&err), KV_OK);
	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	log_to_syslog("kvstored");
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(log_reopen(&err), KV_OK);
	ck_assert_int_ne(access(file, F_OK), 0);
}
END_TEST

START_TEST(syslog_gets_the_priority_of_the_level)
{
	log_to_syslog("kvstored");
	log_set_level(LOG_LEVEL_DEBUG);
	log_error("a");
	ck_assert_int_eq(last_priority, LOG_ERR);
	log_warning("a");
	ck_assert_int_eq(last_priority, LOG_WARNING);
	log_info("a");
	ck_assert_int_eq(last_priority, LOG_INFO);
	log_debug("text %d", 7);
	ck_assert_int_eq(last_priority, LOG_DEBUG);
	ck_assert_str_eq(last_syslog, "text 7");
}
END_TEST

START_TEST(without_a_file_lines_go_to_stderr)
{
	int fd = open(file, O_RDWR | O_CREAT | O_APPEND, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_error("one");
	assert_ends(file, " error: one\n");
	ck_assert_int_eq(log_to_file(moved, &err), KV_OK);
	log_to_stderr();
	log_error("two");
	assert_ends(file, " error: two\n");
	ck_assert_int_eq(log_to_file(moved, &err), KV_OK);
	log_close();
	log_error("three");
	assert_ends(file, " error: three\n");
	close(fd);
}
END_TEST

enum { WRITERS = 4, LINES = 2000 };

static void *write_lines(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("writer %d line %d", *(int *)arg, i);
	return NULL;
}

/* Every line of every writer is in one of the files, whole, and in its writer's order. */
START_TEST(rotation_under_load_loses_and_mixes_no_line)
{
	pthread_t threads[WRITERS];
	int numbers[WRITERS];
	int next[WRITERS] = { 0 };
	int rotations = 0;
	char name[300];

	ck_assert_int_eq(log_to_file(file, &err), KV_OK);
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (; rotations < 50; rotations++) {
		snprintf(name, sizeof name, "%s.%d", file, rotations);
		ck_assert_int_eq(rename(file, name), 0);
		ck_assert_int_eq(log_reopen(&err), KV_OK);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (int r = 0; r <= rotations; r++) {
		char *text;
		char *rest;
		char *line;

		snprintf(name, sizeof name, r < rotations ? "%s.%d" : "%s", file, r);
		rest = text = content(name);
		while ((line = strsep(&rest, "\n")) != NULL && *line) {
			int writer;
			int number;
			int end = 0;
			char *at = strstr(line, " info: ");

			ck_assert_ptr_nonnull(at);
			ck_assert_int_eq(sscanf(at, " info: writer %d line %d%n", &writer, &number, &end), 2);
			ck_assert_int_eq(at[end], '\0');
			ck_assert_int_eq(next[writer]++, number);
		}
		free(text);
	}
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(next[i], LINES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, level_words_are_parsed_and_named);
	tcase_add_test(tc, a_line_has_time_program_level_and_text);
	tcase_add_test(tc, a_clock_that_was_set_back_is_told_as_it_is);
	tcase_add_test(tc, only_lines_up_to_the_level_are_written);
	tcase_add_test(tc, no_text_can_forge_a_line_or_steer_a_terminal);
	tcase_add_test(tc, an_overlong_text_is_cut_and_says_so);
	tcase_add_test(tc, errno_is_left_alone);
	tcase_add_test(tc, a_new_log_file_is_0640_and_an_old_one_is_appended_to);
	tcase_add_test(tc, links_fifos_and_directories_are_refused_and_the_log_goes_on);
	tcase_add_test(tc, a_fifo_with_a_reader_is_refused_as_well);
	tcase_add_test(tc, reopening_goes_on_in_a_new_file);
	tcase_add_test(tc, a_failed_reopen_keeps_the_old_file);
	tcase_add_test(tc, reopening_without_a_file_does_nothing);
	tcase_add_test(tc, syslog_gets_the_priority_of_the_level);
	tcase_add_test(tc, without_a_file_lines_go_to_stderr);
	tcase_add_test(tc, rotation_under_load_loses_and_mixes_no_line);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
