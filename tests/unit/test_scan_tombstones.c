/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A prefix with a million deleted keys, in tables and in memory, between two that live: reads come back within their time, and together get
 * over it. Other clients of the same workers are served meanwhile.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/fake_server.h"
#include "support/runner.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DELETED = RUNNER_STEP == 1 ? 1000 * 1000 : 300 * 1000, /* many pieces in either case */
	BATCH = 20 * 1000,
	PIECE_US = 10 * 1000,
	PAGE_MAX_US = 60 * 1000 * 1000, /* a page has 100 ms; a busy machine may take as long as it likes */
};

static void put(const char *key)
{
	struct store_batch *batch = store_batch_new(fake.store);

	ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string("v"), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(fake.store, batch), KV_OK);
	store_batch_free(batch);
}

static void delete_many(void)
{
	for (unsigned n = 0; n < DELETED; n += BATCH) {
		struct store_batch *batch = store_batch_new(fake.store);

		for (unsigned i = n; i < n + BATCH; i++) {
			char key[16];

			snprintf(key, sizeof key, "m%07u", i);
			ck_assert_int_eq(store_batch_delete(batch, slice_of_string(key), NULL), KV_OK);
		}
		ck_assert_int_eq(store_write(fake.store, batch), KV_OK);
		store_batch_free(batch);
	}
}

/* A snapshot from before the deletions keeps compaction from dropping them. */
static struct store_snapshot *before;

static void setup(void)
{
	fake_server_setup();
	put("a");
	put("m0000000");
	put("z");
	before = store_snapshot_new(fake.store);
	delete_many();
}

static void teardown(void)
{
	before = store_snapshot_free(before);
	fake_server_teardown();
}

START_TEST(an_iterator_gets_over_them_piece_by_piece)
{
	for (int backward = 0; backward < 2; backward++) {
		struct buf position = { 0 };
		struct store_iter *iter;
		unsigned pieces = 0;

		ck_assert_int_eq(store_iter_open(fake.store, NULL, &iter, NULL), KV_OK);
		ck_assert_int_eq(buf_set(&position, slice_of_string(backward ? "n" : "m")), KV_OK);
		do {
			uint64_t begun_us = clock_monotonic_us();

			store_iter_set_deadline(iter, begun_us + PIECE_US);
			if (backward)
				store_iter_seek_before(iter, buf_slice(&position));
			else
				store_iter_seek(iter, buf_slice(&position));
			ck_assert_uint_lt(clock_monotonic_us() - begun_us, PAGE_MAX_US);
			if (store_iter_valid(iter))
				break;
			ck_assert_int_eq(store_iter_status(iter, NULL), KV_BUSY);
			ck_assert_int_eq(buf_set(&position, store_iter_key(iter)), KV_OK);
		} while (++pieces < DELETED / 64);
		ck_assert(store_iter_valid(iter));
		ck_assert_uint_gt(pieces, 0);
		ck_assert(slice_equal(store_iter_key(iter), slice_of_string(backward ? "a" : "z")));
		store_iter_close(iter);
		buf_free(&position);
	}
}
END_TEST

/* One page; appends its keys to `keys`. Returns the cursor or NULL. */
static char *page(const char *query, const char *cursor, char *keys, size_t size)
{
	char target[512];
	const struct rawhttp_reply *reply;
	uint64_t begun_us = clock_monotonic_us();
	json_t *json, *item;
	char *next = NULL;
	size_t i;

	snprintf(target, sizeof target, "/v1/kv?%s%s%s", query, cursor ? "&cursor=" : "", cursor ? cursor : "");
	reply = fake_server_call("GET", target, NULL, NULL);
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_uint_lt(clock_monotonic_us() - begun_us, PAGE_MAX_US);
	json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	json_array_foreach(json_object_get(json, "items"), i, item)
		snprintf(keys + strlen(keys), size - strlen(keys), " %s", json_string_value(json_object_get(item, "key")));
	if (json_is_string(json_object_get(json, "cursor")))
		next = strdup(json_string_value(json_object_get(json, "cursor")));
	json_decref(json);
	return next;
}

START_TEST(pages_come_back_in_time_and_end)
{
	static const char *const queries[] = { "keys=1", "keys=1&reverse=1", "prefix=m" };
	static const char *const expected[] = { " a z", " z a", "" };

	for (int q = 0; q < 3; q++) {
		char keys[64] = "", *cursor = NULL;
		int pages = 0;

		do {
			char *next = page(queries[q], cursor, keys, sizeof keys);

			free(cursor);
			cursor = next;
			ck_assert_int_lt(++pages, 10000);
			/* somebody else is served between the pages and while they are made */
			ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/a", NULL, NULL)->status, 200);
		} while (cursor);
		ck_assert_str_eq(keys, expected[q]);
	}
}
END_TEST

START_TEST(lines_and_counts_get_over_them)
{
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/count", NULL, NULL)), "2\n");
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/count?prefix=m", NULL, NULL)), "0\n");
	ck_assert_ptr_nonnull(strstr(fake_server_text(fake_server_call("GET", "/v1/kv?keys=1",
		"Accept: application/x-ndjson\r\n", NULL)), "{\"key\":\"a\"}\n{\"key\":\"z\"}\n{\"complete\":true,\"count\":2,"));
	ck_assert_ptr_nonnull(strstr(fake_server_text(fake_server_call("GET", "/v1/export?prefix=m", NULL, NULL)),
		"{\"complete\":true,\"count\":0,"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan_tombstones");
	TCase *tc = tcase_create("scan_tombstones");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, an_iterator_gets_over_them_piece_by_piece);
	tcase_add_test(tc, pages_come_back_in_time_and_end);
	tcase_add_test(tc, lines_and_counts_get_over_them);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
