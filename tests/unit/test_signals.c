/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals as events: none is missed for good, none is handled in between, storms melt into one. */
#define _GNU_SOURCE
#include "daemon/signals.h"
#include "support/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct signals *signals;
static char from[80];

static void set_up(void)
{
	struct kv_error err;

	signals = NULL;
	ck_assert_int_eq(signals_open(&signals, &err), KV_OK);
}

static void tear_down(void)
{
	ck_assert_ptr_null(signals_close(signals));
	ck_assert_ptr_null(signals_close(NULL));
}

static enum signals_event next(void)
{
	from[0] = '\0';
	return signals_wait(signals, from, sizeof(from));
}

START_TEST(each_signal_is_the_event_that_it_should_be)
{
	char text[80];

	kill(getpid(), SIGHUP);
	ck_assert_int_eq(next(), SIGNALS_RELOAD);
	snprintf(text, sizeof(text), "SIGHUP from process %ld", (long)getpid());
	ck_assert_str_eq(from, text);
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(next(), SIGNALS_STOP);
	kill(getpid(), SIGINT);
	ck_assert_int_eq(next(), SIGNALS_STOP);
	signals_request_stop(signals);
	ck_assert_int_eq(next(), SIGNALS_STOP_REQUEST);
	ck_assert_str_eq(from, "request of a client");
}
END_TEST

START_TEST(signals_without_a_meaning_are_skipped)
{
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGPIPE);
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(next(), SIGNALS_STOP);
}
END_TEST

START_TEST(a_storm_is_one_event)
{
	for (int i = 0; i < 1000; i++)
		kill(getpid(), SIGHUP);
	ck_assert_int_eq(next(), SIGNALS_RELOAD);
	signals_request_stop(signals);
	signals_request_stop(signals);
	ck_assert_int_eq(next(), SIGNALS_STOP_REQUEST);
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(next(), SIGNALS_STOP);
}
END_TEST

static void *request(void *arg)
{
	signals_request_stop(arg);
	return NULL;
}

START_TEST(another_thread_can_ask_for_the_end)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, request, signals), 0);
	ck_assert_int_eq(next(), SIGNALS_STOP_REQUEST);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(a_late_signal_after_closing_does_not_kill)
{
	signals = signals_close(signals);
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGHUP);
	ck_assert_int_ne(getpid(), 0);
}
END_TEST

START_TEST(a_write_beyond_the_size_limit_fails_instead_of_killing)
{
	struct rlimit limit = { 0, 0 };
	char *directory = runner_new_dir();
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/file", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 1;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(write(fd, "ab", 2), 1);
	ck_assert_int_eq(write(fd, "c", 1), -1);
	ck_assert_int_eq(errno, EFBIG);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	close(fd);
	runner_remove_dir(directory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("signals");
	TCase *tests = tcase_create("signals");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, each_signal_is_the_event_that_it_should_be);
	tcase_add_test(tests, signals_without_a_meaning_are_skipped);
	tcase_add_test(tests, a_storm_is_one_event);
	tcase_add_test(tests, another_thread_can_ask_for_the_end);
	tcase_add_test(tests, a_late_signal_after_closing_does_not_kill);
	tcase_add_test(tests, a_write_beyond_the_size_limit_fails_instead_of_killing);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
