/* SPDX-License-Identifier: BSD-2-Clause */
/* Each case runs in a child that stands for the shell: it forks the starter, and reads its stderr and exit status. */
#define _GNU_SOURCE
#include "daemon/daemonize.h"
#include "support/runner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char seen[4096]; /* what the starter and the daemon wrote to stderr */
static int starter_code;

/* Runs `daemon` in the place of the daemon (it must not return); true for one that was ended by its own death. */
static void start(void (*daemon)(void))
{
	int fds[2];
	size_t len = 0;
	ssize_t got;
	pid_t pid;
	int how;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct kv_error err;

		close(fds[0]);
		dup2(fds[1], STDERR_FILENO);
		close(fds[1]);
		if (daemonize_start(&err) != KV_OK)
			_exit(99);
		daemon();
		_exit(98);
	}
	close(fds[1]);
	while ((got = read(fds[0], seen + len, sizeof(seen) - 1 - len)) > 0)
		len += (size_t)got;
	seen[len] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert(WIFEXITED(how));
	starter_code = WEXITSTATUS(how);
}

static int report_fd[2]; /* from the daemon to the test */

static void describe_and_serve(void)
{
	char here[64];
	struct stat null;
	struct stat fd[3];
	mode_t mask = umask(0);

	daemonize_ready();
	stat("/dev/null", &null);
	for (int i = 0; i < 3; i++)
		fstat(i, &fd[i]);
	dprintf(report_fd[1], "leads %d, in %s, umask %o, null %d%d%d, terminal %d\n", getsid(0) == getpid(),
		getcwd(here, sizeof(here)), mask, fd[0].st_rdev == null.st_rdev,
		fd[1].st_rdev == null.st_rdev, fd[2].st_rdev == null.st_rdev,
		open("/dev/tty", O_RDWR) >= 0);
	_exit(0);
}

START_TEST(a_ready_daemon_is_detached_and_its_parent_returns_0)
{
	char text[256] = "";

	ck_assert_int_eq(pipe(report_fd), 0);
	start(describe_and_serve);
	ck_assert_int_eq(starter_code, 0);
	ck_assert_str_eq(seen, "");
	ck_assert_int_gt(read(report_fd[0], text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "leads 0, in /, umask 77, null 111, terminal 0\n");
}
END_TEST

static void fail_with_text(void)
{
	_exit(daemonize_failed(75, "the store is locked") ? 1 : 2);
}

START_TEST(a_failure_is_the_parents_failure_with_text_and_code)
{
	start(fail_with_text);
	ck_assert_int_eq(starter_code, 75);
	ck_assert_str_eq(seen, "kvstored: the store is locked\n");
}
END_TEST

static void fail_with_long_text(void)
{
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	_exit(daemonize_failed(65, text) ? 1 : 2);
}

START_TEST(an_endless_text_is_cut)
{
	start(fail_with_long_text);
	ck_assert_int_eq(starter_code, 65);
	ck_assert_uint_eq(strlen(seen), strlen("kvstored: ") + 1024 + 1);
}
END_TEST

static void die(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	raise(SIGKILL);
}

START_TEST(death_by_signal_is_told)
{
	start(die);
	ck_assert_int_eq(starter_code, 128 + SIGKILL);
	ck_assert_str_eq(seen, "kvstored: ended by signal 9 (Killed) before it was ready\n");
}
END_TEST

static void leave(void)
{
	_exit(74);
}

static void leave_as_if_well(void)
{
	_exit(0);
}

START_TEST(who_leaves_without_being_ready_has_failed)
{
	start(leave);
	ck_assert_int_eq(starter_code, 74);
	start(leave_as_if_well);
	ck_assert_int_ne(starter_code, 0);
}
END_TEST

static void fail_after_ready(void)
{
	daemonize_ready();
	if (!daemonize_failed(74, "too late"))
		dprintf(report_fd[1], "y");
	_exit(1);
}

START_TEST(after_readiness_nobody_waits)
{
	char byte;

	ck_assert_int_eq(pipe(report_fd), 0);
	start(fail_after_ready);
	ck_assert_int_eq(starter_code, 0);
	ck_assert_int_eq(read(report_fd[0], &byte, 1), 1);
	ck_assert(!daemonize_failed(1, "not daemonized"));
	daemonize_ready();
}
END_TEST

/* In a child: the standard files are closed as a careless caller may leave them. */
START_TEST(closed_standard_files_become_dev_null)
{
	pid_t pid = fork();
	int how;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct kv_error err;
		struct stat null;
		struct stat st;
		int code = 0;

		close(0);
		close(1);
		close(2);
		if (daemonize_open_standard_files(&err) != KV_OK || stat("/dev/null", &null) != 0)
			_exit(1);
		for (int i = 0; i < 3; i++)
			code |= fstat(i, &st) != 0 || st.st_rdev != null.st_rdev ? 2 : 0;
		if (fcntl(3, F_GETFD) >= 0 && fcntl(3, F_GETFD) & FD_CLOEXEC)
			code |= 4; /* a descriptor was left over */
		_exit(code);
	}
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert_int_eq(how, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemonize");
	TCase *tests = tcase_create("daemonize");

	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, a_ready_daemon_is_detached_and_its_parent_returns_0);
	tcase_add_test(tests, a_failure_is_the_parents_failure_with_text_and_code);
	tcase_add_test(tests, an_endless_text_is_cut);
	tcase_add_test(tests, death_by_signal_is_told);
	tcase_add_test(tests, who_leaves_without_being_ready_has_failed);
	tcase_add_test(tests, after_readiness_nobody_waits);
	tcase_add_test(tests, closed_standard_files_become_dev_null);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
