/* SPDX-License-Identifier: BSD-2-Clause */
/* The pidfile: taken, taken over, refused, removed; and never a word written where something else lies. */
#define _GNU_SOURCE
#include "daemon/exit_code.h"
#include "daemon/pidfile.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *directory;
static char path[512];
static char other[512];
static struct pidfile *pidfile;
static struct kv_error err;

static void set_up(void)
{
	directory = runner_new_dir();
	snprintf(path, sizeof(path), "%s/kvstored.pid", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	pidfile = NULL;
}

static void tear_down(void)
{
	pidfile = pidfile_remove(pidfile);
	runner_remove_dir(directory);
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void expect_content(const char *name, const char *text)
{
	char found[128] = "";
	FILE *file = fopen(name, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_le(fread(found, 1, sizeof(found) - 1, file), sizeof(found));
	fclose(file);
	ck_assert_str_eq(found, text);
}

static void expect_own_pid(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	expect_content(path, text);
}

START_TEST(it_holds_the_pid_while_it_lives_and_is_gone_afterwards)
{
	struct stat st;

	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
	expect_own_pid();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	ck_assert_ptr_null(pidfile_remove(pidfile));
	pidfile = NULL;
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_stale_file_is_taken_over_whatever_it_holds)
{
	char live[64];

	snprintf(live, sizeof(live), "%ld and a longer text that must not stay\n", (long)getppid());
	write_file(path, live); /* the pid of a live process that is not kvstored */
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
	expect_own_pid();
}
END_TEST

START_TEST(a_live_daemon_is_named_with_path_and_pid)
{
	struct pidfile *second = NULL;
	char text[32];

	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
	ck_assert_int_eq(pidfile_create(path, &second, &err), KV_BUSY);
	ck_assert_ptr_null(second);
	snprintf(text, sizeof(text), "process %ld ", (long)getpid());
	ck_assert_ptr_nonnull(strstr(err.text, text));
	ck_assert_ptr_nonnull(strstr(err.text, path));
	expect_own_pid();
}
END_TEST

/* Everybody may read the file, and so lock it: that keeps no daemon from starting. */
START_TEST(a_lock_of_who_is_no_daemon_is_none)
{
	static const char *const texts[] = { "", "nonsense\n", "0\n", "-1\n" };
	char dead[32];
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	snprintf(dead, sizeof(dead), "%ld\n", (long)child);
	for (size_t i = 0; i <= sizeof(texts) / sizeof(texts[0]); i++) {
		int fd;

		write_file(path, i == 0 ? dead : texts[i - 1]);
		fd = open(path, O_RDONLY);
		ck_assert_int_eq(flock(fd, i % 2 ? LOCK_EX : LOCK_SH), 0);
		ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
		expect_own_pid();
		close(fd);
		pidfile = pidfile_remove(pidfile);
		ck_assert_int_ne(access(path, F_OK), 0);
	}
}
END_TEST

START_TEST(a_lock_of_a_living_process_is_respected)
{
	char text[32];
	int fd;

	snprintf(text, sizeof(text), "%ld\n", (long)getppid());
	write_file(path, text);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_BUSY);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	expect_content(path, text);
	close(fd);
}
END_TEST

enum { NOBODY = 65534 };

/* As a start by a user finds it after one by root that was killed. */
START_TEST(a_file_that_is_not_ours_to_write_is_made_anew_in_a_directory_of_ours)
{
	struct stat st;
	int fd;

	write_file(path, "1\n"); /* lives, and has no lock */
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(chown(directory, NOBODY, NOBODY), 0);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_BUSY);
	ck_assert_ptr_nonnull(strstr(err.text, "process 1 "));
	expect_content(path, "1\n");
	close(fd);
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
	expect_own_pid();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_uid, NOBODY);
	pidfile = pidfile_remove(pidfile);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(a_file_that_is_none_of_a_daemon_stays_though_we_could_remove_it)
{
	write_file(path, "a file of mine\n"); /* named by mistake */
	ck_assert_int_eq(chmod(path, 0444), 0);
	ck_assert_int_eq(chown(directory, NOBODY, NOBODY), 0);
	for (unsigned i = 0; i < 3; i++) {
		int fd = open(path, O_RDONLY);

		if (i == 1) /* whoever holds it */
			ck_assert_int_eq(flock(fd, LOCK_EX), 0);
		ck_assert_int_eq(seteuid(NOBODY), 0);
		ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_IO);
		ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_PERMISSION);
		ck_assert_int_eq(seteuid(0), 0);
		close(fd);
		expect_content(path, i < 2 ? "a file of mine\n" : "1\n");
		if (i == 1) { /* nor one that is not root's */
			write_file(path, "1\n");
			ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
		}
	}
}
END_TEST

START_TEST(a_file_that_is_not_ours_to_write_stays_in_a_directory_that_is_not_either)
{
	write_file(path, "1\n");
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(chmod(directory, 0755), 0);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_IO);
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_PERMISSION);
	ck_assert_ptr_nonnull(strstr(err.file, "kvstored.pid"));
	ck_assert_int_eq(seteuid(0), 0);
	expect_content(path, "1\n");
}
END_TEST

static void refused(void)
{
	ck_assert_int_ne(pidfile_create(path, &pidfile, &err), KV_OK);
	ck_assert_ptr_null(pidfile);
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_PERMISSION);
	ck_assert_msg(strstr(err.file, "kvstored.pid") || strstr(err.text, path), "%s: %s", err.file, err.text);
}

START_TEST(links_fifos_and_directories_are_refused_and_left_alone)
{
	struct stat st;

	write_file(other, "precious");
	ck_assert_int_eq(symlink(other, path), 0);
	refused();
	expect_content(other, "precious");
	ck_assert_int_eq(unlink(path), 0);

	ck_assert_int_eq(link(other, path), 0);
	refused();
	expect_content(other, "precious");
	ck_assert_int_eq(unlink(path), 0);

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	refused();
	ck_assert_int_eq(unlink(path), 0);

	ck_assert_int_eq(mkdir(path, 0700), 0);
	refused();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
}
END_TEST

START_TEST(a_dangling_link_makes_no_file)
{
	ck_assert_int_eq(symlink(other, path), 0);
	refused();
	ck_assert_int_ne(access(other, F_OK), 0);
}
END_TEST

START_TEST(its_directory_may_be_a_link_but_must_be_there)
{
	char link_path[512];

	snprintf(link_path, sizeof(link_path), "%s/link", directory);
	ck_assert_int_eq(symlink(directory, link_path), 0);
	snprintf(path, sizeof(path), "%s/link/a.pid", directory);
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
	expect_own_pid();
	pidfile = pidfile_remove(pidfile);
	snprintf(path, sizeof(path), "%s/missing/a.pid", directory);
	ck_assert_int_ne(pidfile_create(path, &pidfile, &err), KV_OK);
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_CONFIG);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(somebody_elses_file_under_our_name_is_not_removed)
{
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
	ck_assert_int_eq(unlink(path), 0);
	write_file(path, "4711\n");
	pidfile = pidfile_remove(pidfile);
	expect_content(path, "4711\n");
}
END_TEST

START_TEST(every_failed_allocation_is_a_clean_refusal)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		kv_status status;

		fault_alloc_fail(nth, false);
		status = pidfile_create(path, &pidfile, &err);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_MEMORY : KV_OK);
		ck_assert_int_eq(pidfile == NULL, failed > 0);
		ck_assert_uint_lt(nth, 100);
	}
	expect_own_pid();
}
END_TEST

enum { RACERS = 8, ROUNDS = 200 };

/* A child: takes the file again and again; while it has it, nobody else may. */
static int race(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct pidfile *mine = NULL;
		struct kv_error why;
		int fd;

		if (pidfile_create(path, &mine, &why) != KV_OK) {
			if (why.status != KV_BUSY)
				return 2;
			continue;
		}
		fd = open(other, O_CREAT | O_EXCL | O_RDWR, 0600);
		if (fd < 0)
			return 3; /* two held it at a time */
		close(fd);
		unlink(other);
		pidfile_remove(mine);
	}
	return 0;
}

START_TEST(of_many_that_start_and_stop_at_once_only_one_holds_it)
{
	pid_t pids[RACERS];

	for (int i = 0; i < RACERS; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0)
			_exit(race());
	}
	for (int i = 0; i < RACERS; i++) {
		int how;

		ck_assert_int_eq(waitpid(pids[i], &how, 0), pids[i]);
		ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "racer ended with %x", how);
	}
	ck_assert_int_eq(pidfile_create(path, &pidfile, &err), KV_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pidfile");
	TCase *tests = tcase_create("pidfile");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, it_holds_the_pid_while_it_lives_and_is_gone_afterwards);
	tcase_add_test(tests, a_stale_file_is_taken_over_whatever_it_holds);
	tcase_add_test(tests, a_live_daemon_is_named_with_path_and_pid);
	tcase_add_test(tests, a_lock_of_who_is_no_daemon_is_none);
	tcase_add_test(tests, a_lock_of_a_living_process_is_respected);
	if (geteuid() == 0) {
		tcase_add_test(tests, a_file_that_is_not_ours_to_write_is_made_anew_in_a_directory_of_ours);
		tcase_add_test(tests, a_file_that_is_none_of_a_daemon_stays_though_we_could_remove_it);
		tcase_add_test(tests, a_file_that_is_not_ours_to_write_stays_in_a_directory_that_is_not_either);
	}
	tcase_add_test(tests, links_fifos_and_directories_are_refused_and_left_alone);
	tcase_add_test(tests, a_dangling_link_makes_no_file);
	tcase_add_test(tests, its_directory_may_be_a_link_but_must_be_there);
	tcase_add_test(tests, somebody_elses_file_under_our_name_is_not_removed);
	tcase_add_test(tests, of_many_that_start_and_stop_at_once_only_one_holds_it);
	tcase_add_test(tests, every_failed_allocation_is_a_clean_refusal);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
