/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/peer.h"
#include "support/runner.h"

#include <sys/socket.h>
#include <unistd.h>

static const uid_t uids[] = { 1000, 1001 };
static const gid_t gids[] = { 50 };
static const struct peer_rules rules = {
	.own_uid = 42, .admin_uids = uids, .admin_uid_count = 2, .admin_gids = gids, .admin_gid_count = 1,
	.others = ACCESS_READ,
};

START_TEST(root_the_daemon_and_the_named_are_admins)
{
	static const gid_t groups[] = { 7, 50 };

	ck_assert_int_eq(peer_judge(&rules, 0, 0, NULL, 0), ACCESS_ADMIN);
	ck_assert_int_eq(peer_judge(&rules, 42, 42, NULL, 0), ACCESS_ADMIN);
	ck_assert_int_eq(peer_judge(&rules, 1001, 1, NULL, 0), ACCESS_ADMIN);
	ck_assert_int_eq(peer_judge(&rules, 5, 50, NULL, 0), ACCESS_ADMIN);
	ck_assert_int_eq(peer_judge(&rules, 5, 1, groups, 2), ACCESS_ADMIN);
}
END_TEST

START_TEST(the_others_have_the_role_of_the_others)
{
	static const gid_t groups[] = { 0, 42, 1000 };

	ck_assert_int_eq(peer_judge(&rules, 5, 0, groups, 3), ACCESS_READ); /* a user's number is no group's */
	ck_assert_int_eq(peer_judge(&rules, 50, 42, groups, 3), ACCESS_READ);
	ck_assert_int_eq(peer_judge(&(struct peer_rules){ .own_uid = 1 }, 5, 5, groups, 3), ACCESS_NONE);
}
END_TEST

START_TEST(a_connected_socket_tells_who_it_is)
{
	struct peer_rules mine = { .own_uid = geteuid() == 0 ? 1 : 0, .others = ACCESS_WRITE };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(peer_role(&mine, pair[0]), geteuid() == 0 ? ACCESS_ADMIN : ACCESS_WRITE);
	mine.own_uid = geteuid();
	ck_assert_int_eq(peer_role(&mine, pair[0]), ACCESS_ADMIN);
	close(pair[0]);
	close(pair[1]);
	ck_assert_int_eq(peer_role(&mine, pair[0]), ACCESS_NONE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peer");
	TCase *tc = tcase_create("peer");

	tcase_add_test(tc, root_the_daemon_and_the_named_are_admins);
	tcase_add_test(tc, the_others_have_the_role_of_the_others);
	tcase_add_test(tc, a_connected_socket_tells_who_it_is);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
