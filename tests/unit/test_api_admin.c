/* SPDX-License-Identifier: BSD-2-Clause */
/* Flush, compaction, checkpoint, capabilities and the figures, over sockets and a real store. */
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char *backup_dir;

static void set_up(void)
{
	backup_dir = runner_new_dir();
	fake_server_prepare();
	fake.options.backup_dir = backup_dir;
	fake_server_start();
	for (int i = 0; i < 100; i++) {
		char target[32];

		snprintf(target, sizeof target, "/set?key=%d&value=v", i);
		ck_assert_uint_eq(fake_server_call("POST", target, NULL, NULL)->status, 200);
	}
}

static void tear_down(void)
{
	char command[300];

	fake_server_teardown();
	snprintf(command, sizeof command, "rm -rf '%s'/*", backup_dir); /* the copies are directories */
	ck_assert_int_eq(system(command), 0);
	runner_remove_dir(backup_dir);
}

/* The JSON of an answer with this status. */
static json_t *ask(const char *method, const char *target, unsigned status)
{
	const struct rawhttp_reply *reply = fake_server_call(method, target, NULL, NULL);
	json_error_t error;
	json_t *json;

	ck_assert_msg(reply->status == status, "%u: %s", reply->status, fake_server_text(reply));
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/json");
	json = json_loads(fake_server_text(reply), JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json != NULL, "%s", error.text);
	return json;
}

static json_int_t number(const json_t *json, const char *name)
{
	json_t *member = json_object_get(json, name);

	ck_assert_msg(json_is_integer(member), "no number '%s'", name);
	return json_integer_value(member);
}

START_TEST(a_flush_says_what_it_wrote)
{
	json_t *json = ask("POST", "/v1/admin/flush", 200);

	ck_assert_int_eq(number(json, "flushes"), 1);
	ck_assert_int_gt(number(json, "bytes_written"), 100);
	ck_assert_int_eq(number(json, "tables"), 1);
	ck_assert_int_ge(number(json, "elapsed_us"), 1);
	json_decref(json);
	json = ask("POST", "/v1/admin/flush", 200);
	ck_assert_int_eq(number(json, "flushes"), 0);
	json_decref(json);
}
END_TEST

/* Who has his answer may ask for the next: one job at a time does not mean that somebody must wait longer than that. */
START_TEST(one_after_the_other_is_never_too_soon)
{
	for (unsigned i = 0; i < 300; i++)
		ck_assert_uint_eq(fake_server_call("POST", "/v1/admin/flush", NULL, NULL)->status, 200);
}
END_TEST

START_TEST(a_compaction_leaves_one_version)
{
	json_t *json = ask("POST", "/v1/admin/flush", 200);

	json_decref(json);
	for (int i = 0; i < 100; i++) {
		char target[32];

		snprintf(target, sizeof target, "/del?key=%d", i);
		ck_assert_uint_eq(fake_server_call("DELETE", target, NULL, NULL)->status, 200);
	}
	json = ask("POST", "/v1/admin/compact", 200);
	ck_assert_int_ge(number(json, "compactions"), 1);
	ck_assert_int_eq(number(json, "tables"), 0); /* nothing is left */
	json_decref(json);
}
END_TEST

START_TEST(a_checkpoint_is_a_store)
{
	struct store_options options;
	struct store *copy;
	struct store_value value;
	struct kv_error err = { 0 };
	char path[300];
	json_t *json = ask("POST", "/v1/admin/checkpoint?name=Monday_1.5-b", 201);

	snprintf(path, sizeof path, "%s/Monday_1.5-b", backup_dir);
	ck_assert_str_eq(json_string_value(json_object_get(json, "path")), path);
	json_decref(json);
	ck_assert_uint_eq(fake_server_call("POST", "/v1/admin/checkpoint?name=Monday_1.5-b", NULL, NULL)->status, 409);
	ck_assert_uint_eq(fake_server_call("POST", "/set?key=later&value=v", NULL, NULL)->status, 200);
	store_options_init(&options);
	options.data_dir = path;
	ck_assert_int_eq(store_open(&options, &copy, &err), KV_OK);
	ck_assert_int_eq(store_get(copy, NULL, slice_of_string("99"), &value, &err), KV_OK);
	store_value_release(&value);
	ck_assert_int_eq(store_get(copy, NULL, slice_of_string("later"), &value, &err), KV_NOT_FOUND);
	store_close(copy);
}
END_TEST

START_TEST(names_of_checkpoints_are_one_plain_component)
{
	static const char *const bad[] = { "", "?name=", "?name=.", "?name=..", "?name=.a", "?name=a/b", "?name=a%2Fb",
		"?name=../a", "?name=a%00b", "?name=a+b", "?name=%C3%A4", "?name=a%0A", "?other=a" };
	char target[400], name[200];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(target, sizeof target, "/v1/admin/checkpoint%s", bad[i]);
		ck_assert_msg(fake_server_call("POST", target, NULL, NULL)->status == 400, "%s", bad[i]);
	}
	memset(name, 'a', 129);
	name[129] = '\0';
	snprintf(target, sizeof target, "/v1/admin/checkpoint?name=%s", name);
	ck_assert_uint_eq(fake_server_call("POST", target, NULL, NULL)->status, 400);
	snprintf(target, sizeof target, "/v1/admin/checkpoint?name=%s", name + 1);
	ck_assert_uint_eq(fake_server_call("POST", target, NULL, NULL)->status, 201);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/admin/checkpoint?name=a", NULL, NULL)->status, 405);
}
END_TEST

START_TEST(without_a_place_there_is_no_checkpoint)
{
	const struct rawhttp_reply *reply;

	fake.server = server_stop(fake.server);
	fake.options.backup_dir = _i ? "/proc/1/none" : "";
	fake_server_start();
	reply = fake_server_call("POST", "/v1/admin/checkpoint?name=a", NULL, NULL);
	ck_assert_uint_eq(reply->status, _i ? 503 : 501);
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "backup_dir"));
}
END_TEST

START_TEST(another_file_system_is_told_and_left_clean)
{
	char path[64] = "/dev/shm/kvtest.XXXXXX";
	const struct rawhttp_reply *reply;
	struct stat here, there;

	if (!mkdtemp(path))
		return; /* this machine has none */
	if (stat(path, &there) == 0 && stat(backup_dir, &here) == 0 && here.st_dev != there.st_dev) {
		fake.server = server_stop(fake.server);
		fake.options.backup_dir = path;
		fake_server_start();
		reply = fake_server_call("POST", "/v1/admin/checkpoint?name=a", NULL, NULL);
		ck_assert_uint_eq(reply->status, 501);
		ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "is not on the file system of the data"));
	}
	ck_assert_int_eq(rmdir(path), 0); /* it is empty */
}
END_TEST

static void *ask_compact(void *arg)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;

	ck_assert(rawhttp_send_text(&http, "POST /v1/admin/compact HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	rawhttp_read(&http, false, &reply, NULL);
	*(unsigned *)arg = reply.status;
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	return NULL;
}

START_TEST(one_at_a_time_and_the_others_are_told)
{
	enum { COUNT = 8 };
	pthread_t threads[COUNT];
	unsigned statuses[COUNT], good = 0;

	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_compact, &statuses[i]), 0);
	for (int i = 0; i < COUNT; i++) {
		pthread_join(threads[i], NULL);
		ck_assert(statuses[i] == 200 || statuses[i] == 503);
		good += statuses[i] == 200;
	}
	ck_assert_uint_ge(good, 1);
}
END_TEST

START_TEST(capabilities_name_features_and_limits)
{
	json_t *json = ask("GET", "/v1/capabilities", 200);
	json_t *features = json_object_get(json, "features"), *limits = json_object_get(json, "limits");

	ck_assert_str_eq(json_string_value(json_object_get(json, "backend")), "lsm");
	ck_assert(json_is_true(json_object_get(features, "atomic_batches")));
	ck_assert(json_is_true(json_object_get(features, "checkpoint")));
	ck_assert_int_eq(number(limits, "key_bytes"), STORE_KEY_MAX);
	ck_assert_int_eq(number(limits, "value_bytes"), 1 << 20); /* of fake_server_prepare() */
	json_decref(json);
}
END_TEST

START_TEST(stats_tell_amplification_and_large_values)
{
	json_t *json;

	json_decref(ask("POST", "/v1/admin/flush", 200));
	json = ask("GET", "/v1/stats", 200);
	ck_assert_int_eq(number(json_object_get(json, "large"), "values"), 0);
	ck_assert_int_eq(number(json_object_get(json, "amplification"), "read"), 1);
	ck_assert(json_real_value(json_object_get(json_object_get(json, "amplification"), "space")) >= 1);
	ck_assert(json_real_value(json_object_get(json_object_get(json, "amplification"), "write")) > 1);
	ck_assert_ptr_null(json_object_get(json, "write_amplification")); /* it is told once */
	json_decref(json);
}
END_TEST

/* The status, 0 for a closed connection. */
static unsigned ask_with_failure(const char *request, uint64_t nth, uint64_t *ret_failed)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	char answer[4096];
	ssize_t n;

	fault_alloc_fail(nth, false);
	(void)rawhttp_send_text(&http, request);
	n = recv(http.fd, answer, sizeof answer, 0);
	*ret_failed = fault_alloc_failed();
	fault_alloc_fail(0, false);
	rawhttp_close(&http);
	return n > 12 ? (unsigned)atoi(answer + 9) : 0;
}

START_TEST(a_checkpoint_that_was_made_is_never_told_as_not_made)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		char request[128], path[300];
		unsigned status;
		struct stat st;

		snprintf(request, sizeof request, "POST /v1/admin/checkpoint?name=n%u HTTP/1.1\r\nHost: localhost\r\n\r\n", (unsigned)nth);
		status = ask_with_failure(request, nth, &failed);
		ck_assert_msg(status == 0 || status == 201 || status == 503, "%u when allocation %u failed", status, (unsigned)nth);
		snprintf(path, sizeof path, "%s/n%u", backup_dir, (unsigned)nth);
		if (status != 0)
			ck_assert_msg((stat(path, &st) == 0) == (status == 201), "%u when allocation %u failed", status, (unsigned)nth);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
	static const char *const requests[] = {
		"POST /v1/admin/flush HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"GET /v1/capabilities HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"POST /v1/admin/checkpoint?name=n HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	};
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		unsigned status = ask_with_failure(requests[_i], nth, &failed);

		/* a checkpoint may have been made before its answer failed */
		ck_assert_msg(status == 0 || status == 503 || status == 409 || status / 100 == 2, "%u", status);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_admin");
	TCase *tests = tcase_create("api_admin");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_flush_says_what_it_wrote);
	tcase_add_test(tests, a_compaction_leaves_one_version);
	tcase_add_test(tests, one_after_the_other_is_never_too_soon);
	tcase_add_test(tests, a_checkpoint_is_a_store);
	tcase_add_test(tests, names_of_checkpoints_are_one_plain_component);
	tcase_add_loop_test(tests, without_a_place_there_is_no_checkpoint, 0, 2);
	tcase_add_test(tests, another_file_system_is_told_and_left_clean);
	tcase_add_test(tests, one_at_a_time_and_the_others_are_told);
	tcase_add_test(tests, capabilities_name_features_and_limits);
	tcase_add_test(tests, stats_tell_amplification_and_large_values);
	tcase_add_test(tests, a_checkpoint_that_was_made_is_never_told_as_not_made);
	tcase_add_loop_test(tests, every_failed_allocation_is_survived, 0, 3);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
