/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that reads ranges, over HTTP and a real store, against a sorted array: random keys of few different bytes (so that prefixes, ends
 * in 0xff and neighbours are frequent), random parameters, deleted and overwritten keys in memory and in tables.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/fake_server.h"
#include "support/httpclient.h"
#include "support/jsonitem.h"
#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS_MAX = 400, KEY_BYTES_MAX = 4, ROUNDS = 250 };

struct pair {
	uint8_t key[KEY_BYTES_MAX];
	size_t len;
	uint64_t number; /* its value in decimal */
	uint64_t expires;
};

static struct pair pairs[KEYS_MAX];
static size_t pair_count;
static uint64_t rnd;
static struct httpclient *client;

static uint64_t below(uint64_t n)
{
	return (runner_random(&rnd) >> 20) % n;
}

static size_t random_key(uint8_t *key, size_t min)
{
	static const uint8_t bytes[] = { 0, 'a', 'b', 0x80, 0xff, 0xff };
	size_t len = min + below(KEY_BYTES_MAX + 1 - min);

	for (size_t i = 0; i < len; i++)
		key[i] = bytes[below(sizeof bytes)];
	return len;
}

static struct slice key_of(const struct pair *pair)
{
	return slice_of(pair->key, pair->len);
}

static size_t find(struct slice key)
{
	size_t at = 0;

	while (at < pair_count && slice_compare(key_of(&pairs[at]), key) < 0)
		at++;
	return at;
}

static void put(struct slice key)
{
	struct store_batch *batch = store_batch_new(fake.store);
	size_t at = find(key);
	struct pair pair = { .len = key.len, .number = runner_random(&rnd),
		.expires = below(4) == 0 ? clock_wall_ms() + 1000000 + below(1000) : 0 };
	char value[24];

	memcpy(pair.key, key.data, key.len);
	snprintf(value, sizeof value, "%llu", (unsigned long long)pair.number);
	ck_assert_int_eq(store_batch_put(batch, key, slice_of_string(value), pair.expires, NULL), KV_OK);
	ck_assert_int_eq(store_write(fake.store, batch), KV_OK);
	store_batch_free(batch);
	if (at == pair_count || !slice_equal(key_of(&pairs[at]), key)) {
		memmove(&pairs[at + 1], &pairs[at], (pair_count - at) * sizeof pairs[0]);
		pair_count++;
	}
	pairs[at] = pair;
}

static void delete(struct slice key)
{
	struct store_batch *batch = store_batch_new(fake.store);
	size_t at = find(key);

	ck_assert_int_eq(store_batch_delete(batch, key, NULL), KV_OK);
	ck_assert_int_eq(store_write(fake.store, batch), KV_OK);
	store_batch_free(batch);
	if (at < pair_count && slice_equal(key_of(&pairs[at]), key))
		memmove(&pairs[at], &pairs[at + 1], (--pair_count - at) * sizeof pairs[0]);
}

static void change(int times)
{
	for (int i = 0; i < times; i++) {
		uint8_t key[KEY_BYTES_MAX];
		size_t len = random_key(key, 1);

		if (below(3) == 0 || pair_count == KEYS_MAX - 1)
			delete(slice_of(key, len));
		else
			put(slice_of(key, len));
	}
}

static void setup(void)
{
	rnd = runner_seed();
	pair_count = 0;
	fake_server_setup();
	client = httpclient_new(fake.port, 1, 120000);
	for (int i = 0; i < 4; i++) {
		change(120);
		ck_assert_int_eq(i < 3 ? store_flush(fake.store, NULL) : KV_OK, KV_OK);
	}
}

static void teardown(void)
{
	client = httpclient_free(client);
	fake_server_teardown();
}

/* ---- a query and what it should give ---- */

struct query {
	uint8_t prefix[KEY_BYTES_MAX], start[KEY_BYTES_MAX], end[KEY_BYTES_MAX];
	size_t prefix_len, start_len, end_len;
	bool reverse, keys_only;
	uint64_t limit; /* 0: none */
};

static struct query random_query(void)
{
	struct query query = { .reverse = below(2) == 0, .keys_only = below(3) == 0, .limit = below(3) == 0 ? 0 : 1 + below(40) };

	if (below(2) == 0)
		query.prefix_len = random_key(query.prefix, 0) % 3;
	if (below(2) == 0)
		query.start_len = random_key(query.start, 0);
	if (below(2) == 0)
		query.end_len = random_key(query.end, 0);
	return query;
}

static void append_range(struct buf *to, const struct query *query)
{
	ck_assert_int_eq(buf_printf(to, "prefix="), KV_OK);
	httpclient_encode(to, slice_of(query->prefix, query->prefix_len));
	ck_assert_int_eq(buf_printf(to, "&start="), KV_OK);
	httpclient_encode(to, slice_of(query->start, query->start_len));
	ck_assert_int_eq(buf_printf(to, "&end="), KV_OK);
	httpclient_encode(to, slice_of(query->end, query->end_len));
}

static void append_query(struct buf *to, const struct query *query)
{
	append_range(to, query);
	ck_assert_int_eq(buf_printf(to, "&reverse=%d&keys=%d", query->reverse, query->keys_only), KV_OK);
	if (query->limit > 0)
		ck_assert_int_eq(buf_printf(to, "&limit=%u", (unsigned)query->limit), KV_OK);
}

static bool is_in(const struct query *query, const struct pair *pair)
{
	return slice_starts_with(key_of(pair), slice_of(query->prefix, query->prefix_len)) &&
		slice_compare(key_of(pair), slice_of(query->start, query->start_len)) >= 0 &&
		(query->end_len == 0 || slice_compare(key_of(pair), slice_of(query->end, query->end_len)) < 0);
}

static size_t expect(const struct query *query, const struct pair **ret)
{
	size_t count = 0;

	for (size_t i = 0; i < pair_count; i++) {
		const struct pair *pair = &pairs[query->reverse ? pair_count - 1 - i : i];

		if (is_in(query, pair))
			ret[count++] = pair;
	}
	return count;
}

static void check_item(const json_t *item, const struct pair *pair, const struct query *query)
{
	struct buf bytes = { 0 };
	char value[24];

	ck_assert(jsonitem_bytes(item, "key", &bytes));
	ck_assert(slice_equal(buf_slice(&bytes), key_of(pair)));
	snprintf(value, sizeof value, "%llu", (unsigned long long)pair->number);
	if (query->keys_only) {
		ck_assert_uint_eq(json_object_size(item), 1);
	} else {
		ck_assert_str_eq(json_string_value(json_object_get(item, "value")), value);
		ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(item, "expires")), pair->expires);
	}
	buf_free(&bytes);
}

static json_t *get_json(const struct buf *target)
{
	const struct httpclient_reply *reply = httpclient_call(client,
		&(struct httpclient_request){ .method = "GET", .target = buf_slice(target) });
	json_t *json;

	ck_assert_msg(reply->status == 200, "%.*s: %u %.*s", (int)target->len, (const char *)target->data, reply->status,
		(int)reply->body.len, (const char *)reply->body.data);
	json = json_loadb((const char *)reply->body.data, reply->body.len, JSON_ALLOW_NUL, NULL);
	ck_assert_ptr_nonnull(json);
	return json;
}

/* Walks all pages; between them, `between` may change the store. */
static void check_pages(const struct query *query, const struct pair *const *expected, size_t count,
	void (*between)(void))
{
	struct buf target = { 0 };
	size_t seen = 0;
	bool complete = false;
	char cursor[256] = "";

	while (!complete) {
		json_t *page, *item;
		size_t i;

		buf_clear(&target);
		ck_assert_int_eq(buf_printf(&target, "/v1/kv?cursor=%s&", cursor), KV_OK);
		if (cursor[0] == '\0')
			target.len = strlen("/v1/kv?");
		append_query(&target, query);
		page = get_json(&target);
		json_array_foreach(json_object_get(page, "items"), i, item) {
			ck_assert_uint_lt(seen, count);
			check_item(item, expected[seen++], query);
		}
		ck_assert(query->limit == 0 || i <= query->limit);
		complete = json_is_true(json_object_get(page, "complete"));
		if (!complete)
			snprintf(cursor, sizeof cursor, "%s", json_string_value(json_object_get(page, "cursor")));
		json_decref(page);
		if (between && !complete)
			between();
	}
	ck_assert_uint_eq(seen, count);
	buf_free(&target);
}

START_TEST(pages_are_what_a_sorted_array_has)
{
	const struct pair *expected[KEYS_MAX];

	for (int round = 0; round < ROUNDS; round++) {
		struct query query = random_query();

		check_pages(&query, expected, expect(&query, expected), NULL);
	}
}
END_TEST

static void change_and_compact(void)
{
	change(20);
	ck_assert_int_eq(store_flush(fake.store, NULL), KV_OK);
	if (below(4) == 0)
		ck_assert_int_eq(store_compact(fake.store, NULL), KV_OK);
}

START_TEST(pages_stay_what_they_were_while_the_store_changes_and_compacts)
{
	static struct pair before[KEYS_MAX];
	const struct pair *expected[KEYS_MAX];

	for (int round = 0; round < ROUNDS / 10; round++) {
		struct query query = random_query();
		size_t count = expect(&query, expected);

		memcpy(before, pairs, sizeof before);
		for (size_t i = 0; i < count; i++)
			expected[i] = &before[expected[i] - pairs];
		check_pages(&query, expected, count, change_and_compact);
	}
}
END_TEST

/* ---- lines ---- */

/* Fetches lines into an array of objects. */
static json_t *get_lines(struct buf *target)
{
	const struct rawhttp_reply *reply;
	json_t *lines = json_array();
	const char *at, *end;

	ck_assert_int_eq(buf_append_byte(target, 0), KV_OK);
	reply = fake_server_call("GET", (const char *)target->data, "Accept: application/x-ndjson\r\n", NULL);
	at = (const char *)reply->body.data;
	end = at + reply->body.len;
	ck_assert_msg(reply->status == 200 && !reply->cut, "%s: %u", (const char *)target->data, reply->status);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/x-ndjson");
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		json_t *line;

		ck_assert_ptr_nonnull(newline);
		line = json_loadb(at, (size_t)(newline - at), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
		ck_assert_msg(line != NULL, "%.*s", (int)(newline - at), at);
		json_array_append_new(lines, line);
		at = newline + 1;
	}
	return lines;
}

static void check_last_line(const json_t *lines, size_t count)
{
	const json_t *last = json_array_get(lines, json_array_size(lines) - 1);

	ck_assert(json_is_true(json_object_get(last, "complete")));
	ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(last, "count")), count);
}

START_TEST(lines_are_what_a_sorted_array_has)
{
	const struct pair *expected[KEYS_MAX];
	struct buf target = { 0 };

	for (int round = 0; round < ROUNDS; round++) {
		struct query query = random_query();
		size_t count = expect(&query, expected), seen = 0;
		char cursor[256] = "";
		bool complete = false;

		while (!complete) {
			json_t *lines;
			const json_t *last;

			buf_clear(&target);
			ck_assert_int_eq(buf_printf(&target, "/v1/kv?cursor=%s&", cursor), KV_OK);
			if (cursor[0] == '\0')
				target.len = strlen("/v1/kv?");
			append_query(&target, &query);
			lines = get_lines(&target);
			for (size_t i = 0; i + 1 < json_array_size(lines); i++)
				check_item(json_array_get(lines, i), expected[seen++], &query);
			last = json_array_get(lines, json_array_size(lines) - 1);
			ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(last, "count")), json_array_size(lines) - 1);
			complete = json_is_true(json_object_get(last, "complete"));
			if (!complete)
				snprintf(cursor, sizeof cursor, "%s", json_string_value(json_object_get(last, "cursor")));
			json_decref(lines);
		}
		ck_assert_uint_eq(seen, count);
	}
	buf_free(&target);
}
END_TEST

START_TEST(an_export_has_a_head_all_items_and_an_end)
{
	const struct pair *expected[KEYS_MAX];
	struct buf target = { 0 };

	for (int round = 0; round < ROUNDS / 4; round++) {
		struct query query = random_query();
		json_t *lines;
		size_t count;

		query.reverse = query.keys_only = false;
		count = expect(&query, expected);
		buf_clear(&target);
		ck_assert_int_eq(buf_printf(&target, "/v1/export?"), KV_OK);
		append_range(&target, &query);
		lines = get_lines(&target);
		ck_assert_uint_eq(json_array_size(lines), count + 2);
		ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(lines, 0), "kvstored_export")), 1);
		for (size_t i = 0; i < count; i++)
			check_item(json_array_get(lines, i + 1), expected[i], &query);
		check_last_line(lines, count);
		json_decref(lines);
	}
	buf_free(&target);
}
END_TEST

static void get_count(const char *path, const struct query *query, json_t **ret)
{
	struct buf target = { 0 };
	const struct rawhttp_reply *reply;

	ck_assert_int_eq(buf_printf(&target, "%s", path), KV_OK);
	append_range(&target, query);
	ck_assert_int_eq(buf_append_byte(&target, 0), KV_OK);
	reply = fake_server_call("GET", (const char *)target.data, "Accept: application/json\r\n", NULL);
	ck_assert_uint_eq(reply->status, 200);
	*ret = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	ck_assert_ptr_nonnull(*ret);
	buf_free(&target);
}

START_TEST(counts_are_exact_and_estimates_bounded)
{
	const struct pair *expected[KEYS_MAX];

	for (int round = 0; round < ROUNDS / 2; round++) {
		struct query query = random_query();
		size_t count;
		json_t *json;

		query.reverse = false;
		count = expect(&query, expected);
		get_count("/v1/count?", &query, &json);
		ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(json, "count")), count);
		json_decref(json);
		get_count("/v1/count?estimate=1&", &query, &json);
		/* every change has made one entry */
		ck_assert_uint_le((uint64_t)json_integer_value(json_object_get(json, "count")), 4 * 120);
		ck_assert(json_is_true(json_object_get(json, "estimate")));
		json_decref(json);
	}
	ck_assert_uint_eq(fake_server_call("GET", "/v1/count?estimate=2", NULL, NULL)->status, 400);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/count?limit=2", NULL, NULL)->status, 400);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/count?snapshot=AAAAAAAAAAAAAAAAAAAAAA", NULL, NULL)->status, 410);
}
END_TEST

static void delete_range(const struct query *query)
{
	struct buf target = { 0 };
	const struct rawhttp_reply *reply;
	bool all = query->prefix_len + query->start_len + query->end_len == 0;
	size_t left = 0;

	ck_assert_int_eq(buf_printf(&target, "/v1/kv?%s", all ? "all=1&" : ""), KV_OK);
	append_range(&target, query);
	ck_assert_int_eq(buf_append_byte(&target, 0), KV_OK);
	reply = fake_server_call("DELETE", (const char *)target.data, NULL, NULL);
	ck_assert_msg(reply->status == 200, "%s: %u %s", (const char *)target.data, reply->status, fake_server_text(reply));
	buf_free(&target);
	for (size_t i = 0; i < pair_count; i++)
		if (!is_in(query, &pairs[i]))
			pairs[left++] = pairs[i];
	pair_count = left;
}

START_TEST(deleted_ranges_are_gone_and_nothing_else)
{
	const struct query everything = { .limit = 0 };
	const struct pair *expected[KEYS_MAX];

	for (int round = 0; round < ROUNDS / 4; round++) {
		struct query query = random_query();
		json_t *json;

		query.reverse = false;
		delete_range(&query);
		check_pages(&everything, expected, expect(&everything, expected), NULL);
		get_count("/v1/count?", &query, &json);
		ck_assert_int_eq(json_integer_value(json_object_get(json, "count")), 0);
		json_decref(json);
		if (round % 3 == 0)
			change_and_compact();
		else
			change(50);
	}
}
END_TEST

START_TEST(everything_is_only_deleted_when_it_is_said)
{
	static const char *const refused[] = { "", "?prefix=", "?prefix=&start=&end=", "?all=0", "?all=2", "?all=1&prefix=a",
		"?limit=1", "?prefix=a&durability=x" };
	const struct query everything = { .limit = 0 };
	const struct pair *expected[KEYS_MAX];

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		char target[64];

		snprintf(target, sizeof target, "/v1/kv%s", refused[i]);
		ck_assert_msg(fake_server_call("DELETE", target, NULL, NULL)->status == 400, "%s", target);
	}
	ck_assert_uint_eq(fake_server_call("DELETE", "/v1/kv?prefix=a", "If-Match: *\r\n", NULL)->status, 400);
	check_pages(&everything, expected, expect(&everything, expected), NULL);
	ck_assert_str_eq(fake_server_text(fake_server_call("DELETE", "/v1/kv?start=b&end=a", NULL, NULL)), "{\"version\":null}\n");
	ck_assert_str_eq(fake_server_text(fake_server_call("DELETE", "/v1/kv?end=%00", NULL, NULL)), "{\"version\":null}\n");
	check_pages(&everything, expected, expect(&everything, expected), NULL);
	ck_assert_uint_eq(fake_server_call("DELETE", "/v1/kv?all=1&durability=commit", NULL, NULL)->status, 200);
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/count", NULL, NULL)), "0\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan_ranges");
	TCase *tc = tcase_create("scan_ranges");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, pages_are_what_a_sorted_array_has);
	tcase_add_test(tc, pages_stay_what_they_were_while_the_store_changes_and_compacts);
	tcase_add_test(tc, lines_are_what_a_sorted_array_has);
	tcase_add_test(tc, an_export_has_a_head_all_items_and_an_end);
	tcase_add_test(tc, counts_are_exact_and_estimates_bounded);
	tcase_add_test(tc, deleted_ranges_are_gone_and_nothing_else);
	tcase_add_test(tc, everything_is_only_deleted_when_it_is_said);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
