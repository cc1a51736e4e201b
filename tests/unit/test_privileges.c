/* SPDX-License-Identifier: BSD-2-Clause */
/* As root: who becomes whom, and what is given away; the dropping itself in a process of its own. As anybody else: nothing
 * happens. */
#define _GNU_SOURCE
#include "daemon/privileges.h"
#include "support/runner.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER "nobody"

static char *directory;
static char path[512];
static struct privileges privileges;
static struct kv_error err;

static void set_up(void)
{
	directory = runner_new_dir();
	snprintf(path, sizeof(path), "%s/thing", directory);
	memset(&privileges, 0, sizeof(privileges));
}

static void tear_down(void)
{
	runner_remove_dir(directory);
}

static uid_t owner_of(const char *name, mode_t *ret_mode)
{
	struct stat st;

	ck_assert_int_eq(lstat(name, &st), 0);
	*ret_mode = st.st_mode & 07777;
	return st.st_uid;
}

START_TEST(nothing_is_dropped_without_a_user)
{
	ck_assert_int_eq(privileges_resolve("", "", &privileges, &err), KV_OK);
	ck_assert(!privileges.drop);
	ck_assert_int_eq(privileges_make_dir(&privileges, path, &err), KV_OK);
	ck_assert_int_eq(privileges_make_file(&privileges, path, &err), KV_OK);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(privileges_enter_group(&privileges, &err), KV_OK);
	ck_assert_int_eq(privileges_leave_group(&privileges, &err), KV_OK);
	ck_assert_int_eq(privileges_drop(&privileges, &err), KV_OK);
}
END_TEST

START_TEST(nothing_is_dropped_by_who_is_not_root)
{
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(privileges_resolve("no-such-user", "", &privileges, &err), KV_OK);
	ck_assert(!privileges.drop);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(root_needs_a_user_and_group_that_exist)
{
	ck_assert_int_eq(privileges_resolve("no-such-user", "", &privileges, &err), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "no-such-user"));
	ck_assert_int_eq(privileges_resolve(USER, "no-such-group", &privileges, &err), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "no-such-group"));
	ck_assert_int_eq(privileges_resolve(USER, "", &privileges, &err), KV_OK);
	ck_assert(privileges.drop);
	ck_assert_uint_eq(privileges.uid, getpwnam(USER)->pw_uid);
	ck_assert_uint_eq(privileges.gid, getpwnam(USER)->pw_gid);
	ck_assert_int_eq(privileges_resolve(USER, "daemon", &privileges, &err), KV_OK);
	ck_assert_uint_ne(privileges.gid, getpwnam(USER)->pw_gid);
	ck_assert_int_eq(privileges_resolve("root", "", &privileges, &err), KV_OK);
	ck_assert(!privileges.drop);
}
END_TEST

START_TEST(what_is_made_belongs_to_the_user)
{
	char file[600];
	mode_t mode;

	ck_assert_int_eq(privileges_resolve(USER, "", &privileges, &err), KV_OK);
	ck_assert_int_eq(privileges_make_dir(&privileges, path, &err), KV_OK);
	ck_assert_uint_eq(owner_of(path, &mode), privileges.uid);
	ck_assert_uint_eq(mode, 0700);
	ck_assert_int_eq(privileges_make_dir(&privileges, path, &err), KV_OK);
	snprintf(file, sizeof(file), "%s/log", directory);
	ck_assert_int_eq(privileges_make_file(&privileges, file, &err), KV_OK);
	ck_assert_uint_eq(owner_of(file, &mode), privileges.uid);
	ck_assert_uint_eq(mode, 0640);
}
END_TEST

START_TEST(what_is_there_is_not_given_away)
{
	mode_t mode;

	ck_assert_int_eq(privileges_resolve(USER, "", &privileges, &err), KV_OK);
	ck_assert_int_eq(mkdir(path, 0750), 0);
	ck_assert_int_eq(privileges_make_dir(&privileges, path, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EACCES);
	ck_assert_uint_eq(owner_of(path, &mode), 0);
	ck_assert_uint_eq(mode, 0750);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(privileges_make_file(&privileges, path, &err), KV_OK);
	ck_assert_int_ne(privileges_make_dir(&privileges, path, &err), KV_OK);
	ck_assert_uint_eq(owner_of("/etc/passwd", &mode), 0);
	ck_assert_uint_eq(owner_of(path, &mode), 0);
}
END_TEST

START_TEST(sockets_get_the_users_group)
{
	struct stat st;

	ck_assert_int_eq(privileges_resolve(USER, "", &privileges, &err), KV_OK);
	ck_assert_int_eq(privileges_enter_group(&privileges, &err), KV_OK);
	ck_assert_int_eq(mkfifo(path, 0660), 0);
	ck_assert_int_eq(privileges_leave_group(&privileges, &err), KV_OK);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_gid, privileges.gid);
	ck_assert_uint_eq(getegid(), getgid());
}
END_TEST

static int drop_and_look(void)
{
	if (privileges_drop(&privileges, &err) != KV_OK)
		return 1;
	if (getuid() != privileges.uid || geteuid() != privileges.uid || getegid() != privileges.gid)
		return 2;
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return 3;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1)
		return 4;
	return 0;
}

START_TEST(dropping_is_for_good)
{
	pid_t pid;
	int how;

	ck_assert_int_eq(privileges_resolve(USER, "", &privileges, &err), KV_OK);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(drop_and_look());
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert_int_eq(how, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tests = tcase_create("privileges");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, nothing_is_dropped_without_a_user);
	tcase_add_test(tests, nothing_is_dropped_by_who_is_not_root);
	if (geteuid() == 0) {
		tcase_add_test(tests, root_needs_a_user_and_group_that_exist);
		tcase_add_test(tests, what_is_made_belongs_to_the_user);
		tcase_add_test(tests, what_is_there_is_not_given_away);
		tcase_add_test(tests, sockets_get_the_users_group);
		tcase_add_test(tests, dropping_is_for_good);
	}
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
