/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/kv over sockets: what the pages hold together is the range, in order, nothing twice, nothing left out. */
#include "http/cursor.h"
#include "http/scan_walk.h"
#include "support/fake_server.h"
#include "support/runner.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void put(const char *encoded_key, const char *value)
{
	char target[256];

	snprintf(target, sizeof target, "/v1/kv/%s", encoded_key);
	ck_assert_uint_le(fake_server_call("PUT", target, NULL, value)->status, 204);
}

/* Appends the keys of a page to `keys` (" a b c"); returns the cursor or NULL. The caller frees. */
static char *page(const char *query, const char *cursor, char *keys, size_t size, size_t *ret_items)
{
	char target[1024];
	const struct rawhttp_reply *reply;
	json_t *json, *item;
	char *next = NULL;
	size_t i;

	snprintf(target, sizeof target, "/v1/kv?%s%s%s", query, cursor ? "&cursor=" : "", cursor ? cursor : "");
	reply = fake_server_call("GET", target, NULL, NULL);
	ck_assert_msg(reply->status == 200, "%u %s", reply->status, fake_server_text(reply));
	json = json_loadb((const char *)reply->body.data, reply->body.len, JSON_ALLOW_NUL, NULL);
	ck_assert_ptr_nonnull(json);
	json_array_foreach(json_object_get(json, "items"), i, item) {
		json_t *key = json_object_get(item, "key");
		const char *text;

		if (!key)
			key = json_object_get(item, "key_b64");
		text = json_string_value(key);
		snprintf(keys + strlen(keys), size - strlen(keys), " %s%s", text,
			strlen(text) < json_string_length(key) ? "(NUL)" : "");
	}
	*ret_items = i;
	if (json_is_string(json_object_get(json, "cursor")))
		next = strdup(json_string_value(json_object_get(json, "cursor")));
	ck_assert_int_eq(json_is_true(json_object_get(json, "complete")), next == NULL);
	json_decref(json);
	return next;
}

static char all[4096];

/* The keys of all pages. */
static const char *walk(const char *query, size_t limit)
{
	char *cursor = NULL;
	int pages = 0;

	all[0] = '\0';
	do {
		size_t items;
		char *next = page(query, cursor, all, sizeof all, &items);

		ck_assert_uint_le(items, limit);
		ck_assert_int_lt(++pages, 200);
		free(cursor);
		cursor = next;
	} while (cursor);
	return all;
}

static void fill(void)
{
	static const char *const keys[] = { "a", "a%00", "aa", "ab", "b", "ba", "bb", "bba", "c", "%ff", "%ff%ff" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		put(keys[i], "v");
}

START_TEST(pages_hold_keys_and_values_in_order)
{
	put("b", "2");
	put("a", "1");
	put("%ff", "%fe");
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/kv", NULL, NULL)),
		"{\"items\":[\n{\"key\":\"a\",\"value\":\"1\",\"etag\":\"\\\"2\\\"\"},\n"
		"{\"key\":\"b\",\"value\":\"2\",\"etag\":\"\\\"1\\\"\"},\n"
		"{\"key_b64\":\"/w==\",\"value\":\"%fe\",\"etag\":\"\\\"3\\\"\"}\n],"
		"\"version\":3,\"cursor\":null,\"complete\":true}\n");
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/kv?keys=1&limit=2&start=b", NULL, NULL)),
		"{\"items\":[\n{\"key\":\"b\"},\n{\"key_b64\":\"/w==\"}\n],\"version\":3,\"cursor\":null,\"complete\":true}\n");
}
END_TEST

START_TEST(an_empty_store_is_complete)
{
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/kv", NULL, NULL)),
		"{\"items\":[\n],\"version\":0,\"cursor\":null,\"complete\":true}\n");
}
END_TEST

static const struct {
	const char *query;
	const char *keys;
} ranges[] = {
	{ "", " a a(NUL) aa ab b ba bb bba c /w== //8=" },
	{ "reverse=1", " //8= /w== c bba bb ba b ab aa a(NUL) a" },
	{ "prefix=b", " b ba bb bba" },
	{ "prefix=b&reverse=1", " bba bb ba b" },
	{ "prefix=%ff", " /w== //8=" },
	{ "prefix=%ff&reverse=1", " //8= /w==" },
	{ "prefix=zz", "" },
	{ "prefix=zz&reverse=1", "" },
	{ "start=ab&end=bb", " ab b ba" },
	{ "start=ab&end=bb&reverse=1", " ba b ab" },
	{ "start=abx&end=bbx", " b ba bb bba" },
	{ "start=bb&end=ab", "" },
	{ "start=bb&end=ab&reverse=1", "" },
	{ "start=a&end=a", "" },
	{ "prefix=b&start=ba", " ba bb bba" },
	{ "prefix=b&start=a", " b ba bb bba" },
	{ "prefix=b&end=bb", " b ba" },
	{ "prefix=b&end=bb&reverse=1", " ba b" },
	{ "prefix=b&end=z&reverse=1", " bba bb ba b" },
	{ "prefix=b&start=bb&reverse=1", " bba bb" },
	{ "prefix=&start=&end=", " a a(NUL) aa ab b ba bb bba c /w== //8=" },
};

START_TEST(every_range_is_walked_whole_at_every_page_size)
{
	fill();
	for (size_t limit = 1; limit < 13; limit += limit > 3 ? 4 : 1) {
		char query[128];

		snprintf(query, sizeof query, "%s&limit=%zu", ranges[_i].query, limit);
		ck_assert_str_eq(walk(query, limit), ranges[_i].keys);
	}
}
END_TEST

/* The iterator's patience ends in the middle of pages, also before the first item. */
START_TEST(pages_cut_by_time_lose_nothing)
{
	fill();
	for (unsigned patience = 1; patience < 6; patience++) {
		fake_store_set_patience(fake.store, patience);
		ck_assert_str_eq(walk(ranges[_i].query, 1000), ranges[_i].keys);
	}
}
END_TEST

START_TEST(a_page_is_bounded_by_bytes)
{
	struct buf value = { 0 };
	size_t items;
	char *cursor;

	ck_assert_int_eq(buf_append_zeros(&value, 1 << 20), KV_OK);
	memset(value.data, 'v', value.len - 1);
	for (char key[2] = "a"; key[0] < 'j'; key[0]++)
		put(key, (const char *)value.data);
	all[0] = '\0';
	cursor = page("", NULL, all, sizeof all, &items);
	ck_assert_ptr_nonnull(cursor);
	ck_assert_uint_lt(items, 9);
	ck_assert_str_eq(walk("", 9), " a b c d e f g h i");
	free(cursor);
	buf_free(&value);
}
END_TEST

START_TEST(all_pages_show_the_state_of_the_first)
{
	static const char *const queries[] = { "limit=3", "limit=3&reverse=1" };
	static const char *const expected[] = { " a a(NUL) aa ab b ba", " //8= /w== c bba bb ba" };

	for (int i = 0; i < 2; i++) {
		size_t items;
		char *cursor;

		fill();
		all[0] = '\0';
		cursor = page(queries[i], NULL, all, sizeof all, &items);
		ck_assert_uint_eq(fake_server_call("DELETE", "/v1/kv/ab", NULL, NULL)->status, 204); /* the next key */
		ck_assert_uint_eq(fake_server_call("DELETE", "/v1/kv/bba", NULL, NULL)->status, 204);
		put("aaa", "v"); /* behind it */
		put("abb", "v"); /* ahead */
		free(page(queries[i], cursor, all, sizeof all, &items));
		ck_assert_str_eq(all, expected[i]);
		free(cursor);
		ck_assert_uint_eq(fake_server_call("DELETE", "/v1/kv/aaa", NULL, NULL)->status, 204);
		ck_assert_uint_eq(fake_server_call("DELETE", "/v1/kv/abb", NULL, NULL)->status, 204);
	}
}
END_TEST

static uint64_t open_pictures(void)
{
	struct store_stats stats;

	store_get_stats(fake.store, &stats);
	return stats.snapshots;
}

START_TEST(only_a_page_with_a_cursor_keeps_a_snapshot)
{
	size_t items;
	char *cursor;

	fill();
	free(page("", NULL, all, sizeof all, &items));
	ck_assert_uint_eq(open_pictures(), 0);
	cursor = page("limit=3", NULL, all, sizeof all, &items);
	ck_assert_uint_eq(open_pictures(), 1);
	free(page("limit=3", cursor, all, sizeof all, &items));
	ck_assert_uint_eq(open_pictures(), 1);
	free(cursor);
}
END_TEST

static void setup_small(void)
{
	fake_server_prepare();
	fake.options.snapshot_limit = 2;
	fake_server_start();
}

START_TEST(a_cursor_whose_snapshot_had_to_go_is_gone)
{
	char *cursors[3], target[256];
	size_t items;

	fill();
	for (int i = 0; i < 3; i++)
		cursors[i] = page("limit=3", NULL, all, sizeof all, &items);
	ck_assert_uint_eq(open_pictures(), 2);
	snprintf(target, sizeof target, "/v1/kv?limit=3&cursor=%s", cursors[0]);
	ck_assert_uint_eq(fake_server_call("GET", target, NULL, NULL)->status, 410);
	snprintf(target, sizeof target, "/v1/kv?limit=3&cursor=%s", cursors[2]);
	ck_assert_uint_eq(fake_server_call("GET", target, NULL, NULL)->status, 200);
	for (int i = 0; i < 3; i++)
		free(cursors[i]);
}
END_TEST

START_TEST(pages_of_a_named_snapshot_need_its_name_and_no_other)
{
	char query[128], target[256];
	const struct rawhttp_reply *reply;
	size_t items;
	json_t *json;
	char *cursor;

	fill();
	reply = fake_server_call("POST", "/v1/snapshots", NULL, NULL);
	json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	snprintf(query, sizeof query, "limit=3&snapshot=%s", json_string_value(json_object_get(json, "id")));
	json_decref(json);
	put("0", "v");
	all[0] = '\0';
	cursor = page(query, NULL, all, sizeof all, &items);
	ck_assert_uint_eq(open_pictures(), 1);
	snprintf(target, sizeof target, "/v1/kv?limit=3&cursor=%s", cursor);
	ck_assert_uint_eq(fake_server_call("GET", target, NULL, NULL)->status, 400);
	free(page(query, cursor, all, sizeof all, &items));
	ck_assert_str_eq(all, " a a(NUL) aa ab b ba");
	free(cursor);
}
END_TEST

/* A client's tokens are judged by the range; so no cursor may lead out of it, whoever made its checksum. */
START_TEST(a_forged_cursor_does_not_lead_out_of_its_range)
{
	static const struct {
		const char *query, *key;
		bool reverse, included;
		unsigned status;
	} cases[] = {
		{ "prefix=b", "a", false, true, 400 }, { "prefix=b", "", false, false, 400 },
		{ "prefix=b&reverse=1", "c", true, true, 400 }, { "prefix=b&reverse=1", "zz", true, false, 400 },
		{ "prefix=b&reverse=1", "", true, true, 400 }, { "prefix=b&reverse=1", "", true, false, 400 },
		{ "prefix=b", "b", false, true, 200 }, { "prefix=b", "zz", false, true, 200 },
		{ "prefix=b&reverse=1", "c", true, false, 200 }, { "prefix=b&reverse=1", "a", true, true, 200 },
	};

	fill();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cursor_range range = { .prefix = slice_of_string("b"), .reverse = cases[i].reverse };
		struct cursor cursor = { .key = slice_of_string(cases[i].key), .included = cases[i].included };
		struct buf text = { 0 };
		char target[256];

		ck_assert_int_eq(cursor_encode(&cursor, &range, &text), KV_OK);
		snprintf(target, sizeof target, "/v1/kv?%s&cursor=%.*s", cases[i].query, (int)text.len,
			(const char *)text.data);
		ck_assert_msg(fake_server_call("GET", target, NULL, NULL)->status == cases[i].status, "case %zu", i);
		buf_free(&text);
	}
}
END_TEST

START_TEST(a_forged_cursor_without_a_key_does_not_begin_at_the_end_of_the_store)
{
	static const struct {
		const char *query;
		struct cursor_range range;
	} cases[] = {
		{ "prefix=b", { .prefix = { (const uint8_t *)"b", 1 }, .reverse = true } },
		{ "start=b&end=c", { .start = { (const uint8_t *)"b", 1 }, .end = { (const uint8_t *)"c", 1 }, .reverse = true } },
		{ "end=b", { .end = { (const uint8_t *)"b", 1 }, .reverse = true } },
	};

	fill();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cursor cursor = { .key = slice_of(NULL, 0) };
		struct buf text = { 0 };
		char target[256];

		ck_assert_int_eq(cursor_encode(&cursor, &cases[i].range, &text), KV_OK);
		snprintf(target, sizeof target, "/v1/kv?%s&reverse=1&cursor=%.*s", cases[i].query, (int)text.len,
			(const char *)text.data);
		ck_assert_msg(fake_server_call("GET", target, NULL, NULL)->status == 400, "case %zu", i);
		ck_assert_msg(fake_server_call("GET", target, "Accept: application/x-ndjson\r\n", NULL)->status == 400,
			"lines of case %zu", i);
		buf_free(&text);
	}
}
END_TEST

/* Whoever let it begin there. */
START_TEST(a_walk_that_begins_outside_of_its_range_is_at_its_end)
{
	static const struct {
		const char *from;
		bool reverse;
		enum scan_walk_state state;
	} cases[] = {
		{ "", true, SCAN_WALK_END }, { "zz", true, SCAN_WALK_END }, { "a", false, SCAN_WALK_END },
		{ "", false, SCAN_WALK_END }, { "c", true, SCAN_WALK_ITEM }, { "b", false, SCAN_WALK_ITEM },
	};

	fill();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct scan_range range = { .reverse = cases[i].reverse };
		struct scan_walk walk = { .store = fake.store, .range = &range };

		ck_assert_int_eq(scan_range_set(&range, slice_of_string("b"), slice_of(NULL, 0), slice_of(NULL, 0)), KV_OK);
		ck_assert_int_eq(scan_walk_set_from(&walk, slice_of_string(cases[i].from), false), KV_OK);
		ck_assert_msg(scan_walk_begin(&walk, 0, NULL) == cases[i].state, "case %zu", i);
		scan_walk_free(&walk);
		scan_range_free(&range);
	}
}
END_TEST

START_TEST(wrong_parameters_are_refused)
{
	static const char *const wrong[] = { "limit=0", "limit=-1", "limit=x", "limit=", "limit=1x", "reverse=2",
		"reverse=yes", "keys=true", "cursor=", "cursor=AAAA", "cursor=!", "prefix=a&prefix=b", "snapshot=1",
		"start=%zz" };

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char target[64];

		snprintf(target, sizeof target, "/v1/kv?%s", wrong[i]);
		ck_assert_msg(fake_server_call("GET", target, NULL, NULL)->status == 400, "%s", wrong[i]);
	}
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv?limit=99999999999999999999", NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_server_call("POST", "/v1/kv", NULL, "")->status, 405);
}
END_TEST

START_TEST(failures_of_the_store_have_their_status)
{
	fake_store_fail_reads(fake.store, KV_CORRUPT);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv", NULL, NULL)->status, 500);
	fake_store_fail_reads(fake.store, KV_NO_MEMORY);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv", NULL, NULL)->status, 503);
}
END_TEST

START_TEST(lines_and_exports_fail_before_the_first_byte_with_a_status)
{
	static const char *const targets[] = { "/v1/kv", "/v1/export", "/v1/count" };

	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		fake_store_fail_reads(fake.store, KV_CORRUPT);
		ck_assert_uint_eq(fake_server_call("GET", targets[i], "Accept: application/x-ndjson\r\n", NULL)->status, 500);
		fake_store_fail_reads(fake.store, KV_NO_MEMORY);
		ck_assert_uint_eq(fake_server_call("GET", targets[i], "Accept: application/x-ndjson\r\n", NULL)->status, 503);
	}
}
END_TEST

START_TEST(an_import_that_cannot_be_committed_says_so)
{
	static const struct {
		kv_status status;
		unsigned http;
	} failures[] = { { KV_NO_SPACE, 507 }, { KV_BUSY, 503 }, { KV_IO, 503 }, { KV_UNCERTAIN, 500 } };

	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		const struct rawhttp_reply *reply;

		fake_store_fail_writes(fake.store, failures[i].status);
		reply = fake_server_call("POST", "/v1/import", NULL, "{\"key\":\"a\",\"value\":\"\"}\n{\"key\":\"b\",\"value\":\"\"}\n");
		ck_assert_uint_eq(reply->status, failures[i].http);
		ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "\"line\":1,\"imported\":0}"));
	}
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_scan");
	TCase *tc = tcase_create("api_scan");
	TCase *small = tcase_create("small");
	int count = sizeof ranges / sizeof ranges[0];

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, pages_hold_keys_and_values_in_order);
	tcase_add_test(tc, an_empty_store_is_complete);
	tcase_add_loop_test(tc, every_range_is_walked_whole_at_every_page_size, 0, count);
	tcase_add_loop_test(tc, pages_cut_by_time_lose_nothing, 0, count);
	tcase_add_test(tc, a_page_is_bounded_by_bytes);
	tcase_add_test(tc, all_pages_show_the_state_of_the_first);
	tcase_add_test(tc, only_a_page_with_a_cursor_keeps_a_snapshot);
	tcase_add_test(tc, pages_of_a_named_snapshot_need_its_name_and_no_other);
	tcase_add_test(tc, a_forged_cursor_does_not_lead_out_of_its_range);
	tcase_add_test(tc, a_forged_cursor_without_a_key_does_not_begin_at_the_end_of_the_store);
	tcase_add_test(tc, a_walk_that_begins_outside_of_its_range_is_at_its_end);
	tcase_add_test(tc, wrong_parameters_are_refused);
	tcase_add_test(tc, failures_of_the_store_have_their_status);
	tcase_add_test(tc, lines_and_exports_fail_before_the_first_byte_with_a_status);
	tcase_add_test(tc, an_import_that_cannot_be_committed_says_so);
	tcase_add_checked_fixture(small, setup_small, fake_server_teardown);
	tcase_add_test(small, a_cursor_whose_snapshot_had_to_go_is_gone);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, small);
	return runner_run(suite);
}
