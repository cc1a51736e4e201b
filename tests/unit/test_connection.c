/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines of a connection, without a server. Deadlines are time, so these wait for the clock; however late they wake up, they
 * only fail when something is wrong.
 */
#include "http/connection.h"

#include "base/clock.h"
#include "support/runner.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_MS = 200, IDLE_MS = 60000 };

static const struct connections_limits limits = {
	.header_timeout_ms = HEADER_MS,
	.idle_timeout_ms = IDLE_MS,
};
static struct connections *connections;
static struct connection connection;
static uint64_t begun_us;
static int sockets[2]; /* ours, the client's */

static void set_up(void)
{
	connections = connections_new(&limits);
	ck_assert_ptr_nonnull(connections);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	begun_us = clock_monotonic_us();
	connections_add(connections, &connection, sockets[0], GUARD_PEER_UNIX);
}

static void tear_down(void)
{
	connections_remove(connections, &connection);
	connections = connections_free(connections);
	close(sockets[0]);
	close(sockets[1]);
}

/* Until so much time has passed since the connection came. */
static void wait_until(uint64_t ms)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	while (clock_monotonic_us() < begun_us + ms * 1000)
		nanosleep(&pause, NULL);
}

START_TEST(the_first_line_gives_the_first_header_no_more_time)
{
	wait_until(HEADER_MS - 50);
	ck_assert(connection_enter(&connection, CONNECTION_HEADER));
	wait_until(HEADER_MS + 10);
	connections_reap(connections);
	ck_assert_int_eq(connection_phase(&connection), CONNECTION_REAPED);
	ck_assert(!connection_enter(&connection, CONNECTION_WORKING));
}
END_TEST

START_TEST(a_reaped_connection_is_told_once)
{
	char text[512];
	ssize_t len;

	wait_until(HEADER_MS + 10);
	connections_reap(connections);
	connections_reap(connections);
	len = recv(sockets[1], text, sizeof text - 1, MSG_WAITALL);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	ck_assert_ptr_eq(strstr(text, "HTTP/1.1 408 "), text);
	ck_assert_ptr_null(strstr(text + 1, "HTTP/1.1 408 "));
}
END_TEST

START_TEST(a_request_in_work_has_no_deadline)
{
	ck_assert(connection_enter(&connection, CONNECTION_HEADER));
	ck_assert(connection_enter(&connection, CONNECTION_WORKING));
	shutdown(sockets[1], SHUT_WR);
	wait_until(2 * HEADER_MS + 10);
	connections_reap(connections);
	ck_assert_int_eq(connection_phase(&connection), CONNECTION_WORKING);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("connection");
	TCase *tests = tcase_create("connection");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, the_first_line_gives_the_first_header_no_more_time);
	tcase_add_test(tests, a_reaped_connection_is_told_once);
	tcase_add_test(tests, a_request_in_work_has_no_deadline);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
