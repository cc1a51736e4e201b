/* SPDX-License-Identifier: BSD-2-Clause */
/* /v1/snapshots and the parameter `snapshot` of reads, over sockets. */
#include "base/clock.h"
#include "support/fake_server.h"
#include "support/runner.h"

#include <jansson.h>
#include <stdio.h>

static const struct rawhttp_reply *call(const char *method, const char *format, const char *id)
{
	char target[256];

	snprintf(target, sizeof target, format, id);
	return fake_server_call(method, target, NULL, strcmp(method, "PUT") == 0 ? "new" : NULL);
}

/* Makes one; its id. */
static const char *make(const char *query)
{
	static char id[64];
	const struct rawhttp_reply *reply = call("POST", "/v1/snapshots%s", query);
	json_t *json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);

	ck_assert_msg(reply->status == 201, "%u %s", reply->status, fake_server_text(reply));
	snprintf(id, sizeof id, "%s", json_string_value(json_object_get(json, "id")));
	json_decref(json);
	return id;
}

static uint64_t open_pictures(void)
{
	struct store_stats stats;

	store_get_stats(fake.store, &stats);
	return stats.snapshots;
}

START_TEST(a_read_by_its_id_sees_the_old_state)
{
	const char *id;

	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/a", NULL, "old")->status, 201);
	id = make("?ttl=60s");
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/a", NULL, "new")->status, 204);
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/b", NULL, "new")->status, 201);
	ck_assert_str_eq(fake_server_text(call("GET", "/v1/kv/a?snapshot=%s", id)), "old");
	ck_assert_uint_eq(call("HEAD", "/v1/kv/a?snapshot=%s", id)->status, 200);
	ck_assert_uint_eq(call("GET", "/v1/kv/b?snapshot=%s", id)->status, 404);
	ck_assert_uint_eq(call("HEAD", "/v1/kv/b?snapshot=%s", id)->status, 404);
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/kv/a", NULL, NULL)), "new");
}
END_TEST

START_TEST(the_answer_tells_id_version_end_and_place)
{
	const struct rawhttp_reply *reply;
	json_t *json;
	const char *id;
	char location[128];
	int64_t ends;

	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/a", NULL, "1")->status, 201);
	reply = fake_server_call("POST", "/v1/snapshots?ttl=90s", NULL, NULL);
	ck_assert_uint_eq(reply->status, 201);
	json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	id = json_string_value(json_object_get(json, "id"));
	ck_assert_ptr_nonnull(id);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "version")), 1);
	ends = json_integer_value(json_object_get(json, "expires"));
	ck_assert_int_le(ends, (int64_t)clock_wall_ms() + 90000);
	ck_assert_int_gt(ends, (int64_t)clock_wall_ms() + 60000);
	snprintf(location, sizeof location, "/v1/snapshots/%s", id);
	ck_assert_str_eq(rawhttp_header(reply, "Location"), location);
	ck_assert_uint_eq(fake_server_call("DELETE", location, NULL, NULL)->status, 204);
	json_decref(json);
}
END_TEST

START_TEST(a_dropped_one_is_gone)
{
	const char *id = make("");

	ck_assert_uint_eq(call("DELETE", "/v1/snapshots/%s", id)->status, 204);
	ck_assert_uint_eq(open_pictures(), 0);
	ck_assert_uint_eq(call("DELETE", "/v1/snapshots/%s", id)->status, 410);
	ck_assert_uint_eq(call("GET", "/v1/kv/a?snapshot=%s", id)->status, 410);
	ck_assert_uint_eq(call("GET", "/v1/kv?snapshot=%s", id)->status, 410);
}
END_TEST

START_TEST(it_is_dropped_at_its_age_with_nobody_connected)
{
	uint64_t until = clock_monotonic_us() + 120 * 1000 * 1000;

	make("?ttl=1ms");
	while (open_pictures() > 0)
		ck_assert_uint_lt(clock_monotonic_us(), until);
}
END_TEST

START_TEST(what_is_no_id_and_no_ttl_is_refused)
{
	static const char *const ttls[] = { "?ttl=", "?ttl=60", "?ttl=0s", "?ttl=601s", "?ttl=1h", "?ttl=x", "?age=1s" };
	static const char *const ids[] = { "", "x", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA%3D%3D" };

	for (size_t i = 0; i < sizeof ttls / sizeof ttls[0]; i++)
		ck_assert_msg(call("POST", "/v1/snapshots%s", ttls[i])->status == 400, "%s", ttls[i]);
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		ck_assert_msg(call("GET", "/v1/kv/a?snapshot=%s", ids[i])->status == 400, "%s", ids[i]);
		ck_assert_msg(call("GET", "/v1/kv?snapshot=%s", ids[i])->status == 400, "%s", ids[i]);
		ck_assert_msg(call("DELETE", "/v1/snapshots/%s", ids[i])->status == 404, "%s", ids[i]);
	}
	ck_assert_uint_eq(call("GET", "/v1/kv/a?snapshot=%s", "AAAAAAAAAAAAAAAAAAAAAA")->status, 410);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/snapshots", NULL, NULL)->status, 405);
	ck_assert_uint_eq(open_pictures(), 0);
}
END_TEST

static void setup_small(void)
{
	fake_server_prepare();
	fake.options.snapshot_limit = 2;
	fake_server_start();
}

START_TEST(too_many_are_refused_with_a_word)
{
	const struct rawhttp_reply *reply;

	make("");
	make("");
	reply = fake_server_call("POST", "/v1/snapshots", NULL, NULL);
	ck_assert_uint_eq(reply->status, 503);
	ck_assert_str_eq(fake_server_text(reply), "there are 2 snapshots already (snapshot_limit)\n");
	ck_assert_ptr_nonnull(rawhttp_header(reply, "Retry-After"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_snapshots");
	TCase *tc = tcase_create("api_snapshots");
	TCase *small = tcase_create("small");

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_add_test(tc, a_read_by_its_id_sees_the_old_state);
	tcase_add_test(tc, the_answer_tells_id_version_end_and_place);
	tcase_add_test(tc, a_dropped_one_is_gone);
	tcase_add_test(tc, it_is_dropped_at_its_age_with_nobody_connected);
	tcase_add_test(tc, what_is_no_id_and_no_ttl_is_refused);
	tcase_add_checked_fixture(small, setup_small, fake_server_teardown);
	tcase_add_test(small, too_many_are_refused_with_a_word);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, small);
	return runner_run(suite);
}
