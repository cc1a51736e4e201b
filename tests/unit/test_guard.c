/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/guard.h"

#include "support/runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const char *const names[] = { "kv.example.org" };
static const char *const addresses[] = { "192.0.2.1", "::1", "/run/kvstored.sock" };
static struct guard_rules rules = {
	.allowed_hosts = names, .allowed_hosts_count = 1,
	.listen = addresses, .listen_count = 3,
};
static struct head head;
static struct problem problem;
static struct guard_memory memory;

static void begin(const char *host)
{
	head_clear(&head);
	head_add(&head, slice_of_string("Host"), slice_of_string(host));
}

static void add(const char *name, const char *value)
{
	head_add(&head, slice_of_string(name), slice_of_string(value));
}

START_TEST(our_names_are_allowed_with_and_without_port)
{
	static const char *const good[] = { "localhost", "LocalHost:8080", "127.0.0.1", "127.9.8.7:1", "[::1]",
		"[::1]:8080", "kv.example.org", "KV.example.ORG:80", "192.0.2.1:8080", "localhost:" };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(guard_host_allowed(&rules, slice_of_string(good[i])), "%s", good[i]);
}
END_TEST

START_TEST(foreign_and_odd_names_are_not)
{
	static const char *const bad[] = { "", ":8080", "evil.example", "localhost.evil.example", "localhost.",
		"xlocalhost", "127.0.0.1.evil.example", "127.1", "128.0.0.1", "[::2]", "[::1", "[::1]x", "localhost:80x",
		"localhost:80:80", "user@localhost", "evil.example:80", "::1", "[]", "192.0.2.2", "localhost/" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!guard_host_allowed(&rules, slice_of_string(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(only_a_host_that_was_allowed_is_remembered)
{
	static const char *const hosts[] = { "localhost", "evil.example", "localhosu", "localhos", "localhost:8080", "", "[::1]" };
	char longest[sizeof memory.host + 64];

	memset(&memory, 0, sizeof memory);
	for (size_t i = 0; i < 4 * sizeof hosts / sizeof hosts[0]; i++) {
		const char *host = hosts[i * 5 % (sizeof hosts / sizeof hosts[0])];

		begin(host);
		ck_assert_msg(guard_request(&rules, GUARD_PEER_LOOPBACK, &memory, &head, &problem) ==
			guard_host_allowed(&rules, slice_of_string(host)), "%s", host);
	}
	/* longer than what is remembered */
	snprintf(longest, sizeof longest, "localhost:%0*d", (int)sizeof memory.host, 1);
	for (int i = 0; i < 2; i++) {
		begin(longest);
		ck_assert(guard_request(&rules, GUARD_PEER_LOOPBACK, &memory, &head, &problem));
		longest[0] = 'L'; /* the same to us, another to a memory of bytes */
	}
}
END_TEST

START_TEST(a_foreign_host_is_refused_on_tcp_only)
{
	begin("evil.example");
	ck_assert(!guard_request(&rules, GUARD_PEER_LOOPBACK, &memory, &head, &problem));
	ck_assert_uint_eq(problem.status, 403);
	ck_assert(!guard_request(&rules, GUARD_PEER_REMOTE, &memory, &head, &problem));
	ck_assert(guard_request(&rules, GUARD_PEER_UNIX, &memory, &head, &problem));
}
END_TEST

START_TEST(only_our_own_pages_may_ask)
{
	static const struct {
		const char *origin;
		bool good;
	} cases[] = {
		{ "http://localhost:8080", true }, { "HTTP://LOCALHOST:8080", true },
		{ "https://localhost:8080", true }, { "null", false }, { "", false },
		{ "http://localhost:3000", false }, { "http://localhost", false },
		{ "http://evil.example", false }, { "http://localhost:8080.evil.example", false },
		{ "ftp://localhost:8080", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin("localhost:8080");
		add("Origin", cases[i].origin);
		ck_assert_msg(guard_request(&rules, GUARD_PEER_LOOPBACK, &memory, &head, &problem) == cases[i].good, "%s",
			cases[i].origin);
	}
	head_clear(&head);
	add("Origin", "http://");
	ck_assert(!guard_request(&rules, GUARD_PEER_UNIX, &memory, &head, &problem));
}
END_TEST

START_TEST(cross_site_fetches_are_refused)
{
	begin("localhost");
	add("Sec-Fetch-Site", "Cross-Site");
	ck_assert(!guard_request(&rules, GUARD_PEER_LOOPBACK, &memory, &head, &problem));
	ck_assert_uint_eq(problem.status, 403);
	begin("localhost");
	add("Sec-Fetch-Site", "same-origin");
	ck_assert(guard_request(&rules, GUARD_PEER_LOOPBACK, &memory, &head, &problem));
}
END_TEST

static const struct access admin = { .role = ACCESS_ADMIN };
static const struct access admin_token = { .role = ACCESS_ADMIN, .by_token = true };

/* 0: allowed. */
static unsigned shutdown_status(enum guard_shutdown_rule rule, enum guard_peer peer, const struct access *access)
{
	rules.shutdown = rule;
	return guard_shutdown(&rules, peer, access, &head, &problem) ? 0 : problem.status;
}

START_TEST(shutdown_is_for_plain_admins)
{
	begin("localhost");
	add("User-Agent", "curl/8.0");
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_LOOPBACK, GUARD_PEER_LOOPBACK, &admin), 0);
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_LOOPBACK, GUARD_PEER_UNIX, &admin), 0);
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_LOOPBACK, GUARD_PEER_REMOTE, &admin_token), 0);
}
END_TEST

START_TEST(shutdown_by_token_is_not_for_an_address)
{
	begin("localhost");
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_TOKEN, GUARD_PEER_LOOPBACK, &admin), 401);
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_TOKEN, GUARD_PEER_REMOTE, &admin_token), 0);
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_TOKEN, GUARD_PEER_UNIX, &admin), 0);
}
END_TEST

START_TEST(shutdown_off_is_for_nobody)
{
	begin("localhost");
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_OFF, GUARD_PEER_UNIX, &admin), 403);
	ck_assert_uint_eq(shutdown_status(GUARD_SHUTDOWN_OFF, GUARD_PEER_LOOPBACK, &admin_token), 403);
}
END_TEST

START_TEST(shutdown_is_not_for_browsers)
{
	static const char *const marks[][2] = { { "Origin", "http://localhost" }, { "Referer", "http://localhost/" },
		{ "Cookie", "a=b" }, { "Sec-Fetch-Site", "none" }, { "Sec-Fetch-User", "?1" },
		{ "User-Agent", "Mozilla/5.0 (X11)" } };

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		begin("localhost");
		add(marks[i][0], marks[i][1]);
		ck_assert_msg(shutdown_status(GUARD_SHUTDOWN_LOOPBACK, GUARD_PEER_LOOPBACK, &admin_token) == 403, "%s", marks[i][0]);
	}
}
END_TEST

START_TEST(peers_are_told_apart)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr un = { .sa_family = AF_UNIX };

	inet_pton(AF_INET, "127.3.2.1", &in.sin_addr);
	ck_assert_int_eq(guard_peer_of((struct sockaddr *)&in), GUARD_PEER_LOOPBACK);
	inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
	ck_assert_int_eq(guard_peer_of((struct sockaddr *)&in), GUARD_PEER_REMOTE);
	inet_pton(AF_INET6, "::1", &in6.sin6_addr);
	ck_assert_int_eq(guard_peer_of((struct sockaddr *)&in6), GUARD_PEER_LOOPBACK);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
	ck_assert_int_eq(guard_peer_of((struct sockaddr *)&in6), GUARD_PEER_LOOPBACK);
	inet_pton(AF_INET6, "::ffff:128.0.0.1", &in6.sin6_addr);
	ck_assert_int_eq(guard_peer_of((struct sockaddr *)&in6), GUARD_PEER_REMOTE);
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	ck_assert_int_eq(guard_peer_of((struct sockaddr *)&in6), GUARD_PEER_REMOTE);
	ck_assert_int_eq(guard_peer_of(&un), GUARD_PEER_UNIX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_add_test(tc, our_names_are_allowed_with_and_without_port);
	tcase_add_test(tc, foreign_and_odd_names_are_not);
	tcase_add_test(tc, only_a_host_that_was_allowed_is_remembered);
	tcase_add_test(tc, a_foreign_host_is_refused_on_tcp_only);
	tcase_add_test(tc, only_our_own_pages_may_ask);
	tcase_add_test(tc, cross_site_fetches_are_refused);
	tcase_add_test(tc, shutdown_is_for_plain_admins);
	tcase_add_test(tc, shutdown_by_token_is_not_for_an_address);
	tcase_add_test(tc, shutdown_off_is_for_nobody);
	tcase_add_test(tc, shutdown_is_not_for_browsers);
	tcase_add_test(tc, peers_are_told_apart);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
