/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/import over sockets and a real store: what an export held is there afterwards, and a failure says how far it came. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "http/lifetime.h"
#include "support/fake_server.h"
#include "support/runner.h"

#include <jansson.h>
#include <stdio.h>

enum {
	LINE_BYTES = 2 << 20,  /* of any import */
	PART_BYTES = 256 << 10, /* of an export */
};

static void setup_with(uint64_t max_batch_bytes)
{
	fake_server_prepare();
	fake.options.max_value_bytes = 8 << 20;
	fake.options.max_batch_bytes = max_batch_bytes;
	fake_server_start();
}

static void setup(void)
{
	setup_with(1 << 20);
}

static void setup_small(void)
{
	setup_with(1024);
}

static void setup_large(void)
{
	setup_with(3 << 20);
}

/* Sends the body in one piece. */
static const struct rawhttp_reply *import_bytes(const char *query, struct slice body)
{
	struct buf request = { 0 };
	const struct rawhttp_reply *reply;

	ck_assert_int_eq(buf_printf(&request, "POST /v1/import%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
		query, body.len), KV_OK);
	ck_assert_int_eq(buf_append_slice(&request, body), KV_OK);
	reply = fake_server_send(request.data, request.len);
	buf_free(&request);
	return reply;
}

static const struct rawhttp_reply *import_text(const char *text)
{
	return import_bytes("", slice_of_string(text));
}

static int64_t number_of(const struct rawhttp_reply *reply, const char *name)
{
	json_t *json = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	int64_t n;

	ck_assert_msg(json != NULL, "%s", fake_server_text(reply));
	ck_assert_msg(json_is_integer(json_object_get(json, name)), "%s", fake_server_text(reply));
	n = json_integer_value(json_object_get(json, name));
	json_decref(json);
	return n;
}

/* An export without what differs from one to the next: the version in the first and last line. */
static struct buf export_all(void)
{
	const struct rawhttp_reply *reply = fake_server_call("GET", "/v1/export", NULL, NULL);
	struct buf copy = { 0 };

	ck_assert_uint_eq(reply->status, 200);
	ck_assert(!reply->cut);
	ck_assert_int_eq(buf_append_slice(&copy, buf_slice(&reply->body)), KV_OK);
	return copy;
}

static struct slice items_of(const struct buf *export)
{
	const uint8_t *first = memchr(export->data, '\n', export->len);
	const uint8_t *last = memrchr(export->data, '\n', export->len - 1);

	ck_assert(first && last >= first);
	return slice_of(first, (size_t)(last - first));
}

static void put(struct store_batch *batch, struct slice key, struct slice value, uint64_t expires)
{
	ck_assert_int_eq(store_batch_put(batch, key, value, expires, NULL), KV_OK);
}

static void commit(struct store_batch *batch)
{
	ck_assert_int_eq(store_write(fake.store, batch), KV_OK);
	store_batch_free(batch);
}

static void put_large(const char *key, size_t size)
{
	struct store_batch *batch = store_batch_new(fake.store);
	struct store_upload *upload;
	struct buf bytes = { 0 };

	ck_assert_int_eq(buf_append_zeros(&bytes, size), KV_OK);
	for (size_t i = 0; i < size; i++)
		bytes.data[i] = (uint8_t)(i * 7 + i / 1000);
	ck_assert_int_eq(store_upload_new(fake.store, &upload, NULL), KV_OK);
	ck_assert_int_eq(store_upload_append(upload, buf_slice(&bytes), NULL), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, slice_of_string(key), upload, 0, NULL), KV_OK);
	commit(batch);
	buf_free(&bytes);
}

/* Keys of any bytes, empty values, values that end, and three with files of their own. */
static void fill(void)
{
	struct store_batch *batch = store_batch_new(fake.store);
	uint64_t rnd = runner_seed(), soon = clock_wall_ms() + 3600 * 1000;

	for (int i = 0; i < 3000; i++) {
		uint8_t bytes[8];

		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)(runner_random(&rnd) >> 50);
		put(batch, slice_of(bytes, 1 + (size_t)i % 8), slice_of(bytes, (size_t)i % 5), i % 3 == 0 ? soon : 0);
	}
	put(batch, slice_of_string("text \"\\\n\t"), slice_of_string("\x7f \xc3\xa4"), 0);
	commit(batch);
	put_large("large", 300 * 1024);
	put_large("larger", 256 * 1024);
	put_large("largest", 3 * 1024 * 1024 + 1);
}

static void empty_the_store(void)
{
	struct store_iter *iter;
	struct store_batch *batch = store_batch_new(fake.store);

	ck_assert_int_eq(store_iter_open(fake.store, NULL, &iter, NULL), KV_OK);
	for (store_iter_seek_first(iter); store_iter_valid(iter); store_iter_next(iter))
		ck_assert_int_eq(store_batch_delete(batch, store_iter_key(iter), NULL), KV_OK);
	store_iter_close(iter);
	commit(batch);
}

/* What takes the most characters in an export: a value as long as one line takes, of bytes that are escaped, under a key of the same. */
static void put_longest_line(void)
{
	struct store_batch *batch = store_batch_new(fake.store);
	struct buf bytes = { 0 };

	ck_assert_int_eq(buf_append_zeros(&bytes, PART_BYTES), KV_OK);
	memset(bytes.data, 1, bytes.len);
	put(batch, slice_of(bytes.data, STORE_KEY_MAX), buf_slice(&bytes), LIFETIME_LAST_MS);
	commit(batch);
	buf_free(&bytes);
}

static uint64_t count(void)
{
	return (uint64_t)number_of(fake_server_call("GET", "/v1/count", "Accept: application/json\r\n", NULL), "count");
}

START_TEST(what_was_exported_is_there_after_an_import)
{
	struct buf before, after;
	const struct rawhttp_reply *reply;
	uint64_t keys;

	fill();
	keys = count();
	before = export_all();
	empty_the_store();
	ck_assert_uint_eq(count(), 0);
	reply = import_bytes("?durability=os", buf_slice(&before));
	ck_assert_msg(reply->status == 200, "%s", fake_server_text(reply));
	ck_assert_uint_eq((uint64_t)number_of(reply, "imported"), keys);
	after = export_all();
	ck_assert_uint_eq(before.len > 4 << 20, 1);
	ck_assert(slice_equal(items_of(&before), items_of(&after)));
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(a_server_takes_its_own_export_however_small_its_batches_are)
{
	struct buf before, after;
	const struct rawhttp_reply *reply;

	fill();
	put_longest_line();
	before = export_all();
	ck_assert_ptr_nonnull(memmem(before.data, before.len, "\\u0001\\u0001", 12)); /* not base64, which is shorter */
	empty_the_store();
	reply = import_bytes("?durability=os", buf_slice(&before));
	ck_assert_msg(reply->status == 200, "%s", fake_server_text(reply));
	after = export_all();
	ck_assert(slice_equal(items_of(&before), items_of(&after)));
	buf_free(&before);
	buf_free(&after);
}
END_TEST

/* What stands at the edges of UTF-8, as keys and as values, alone and within text. */
static const struct {
	const char *bytes;
	size_t len;
	bool text;
} edges[] = {
	{ "\x00", 1, true }, { "\x7f", 1, true }, { "\x80", 1, false }, { "\xc0\x80", 2, false }, { "\xc1\xbf", 2, false },
	{ "\xc2\x80", 2, true }, { "\xe0\x9f\xbf", 3, false }, { "\xe0\xa0\x80", 3, true }, { "\xe2\x80\xa8", 3, true },
	{ "\xed\x9f\xbf", 3, true }, { "\xed\xa0\x80", 3, false }, { "\xed\xbf\xbf", 3, false }, { "\xee\x80\x80", 3, true },
	{ "\xed\xa0\x80\xed\xb0\x80", 6, false }, { "\xef\xb7\x90", 3, true }, { "\xef\xbb\xbf", 3, true },
	{ "\xef\xbf\xbe", 3, true }, { "\xef\xbf\xbf", 3, true }, { "\xf0\x8f\xbf\xbf", 4, false }, { "\xf0\x90\x80\x80", 4, true },
	{ "\xf4\x8f\xbf\xbf", 4, true }, { "\xf4\x90\x80\x80", 4, false }, { "\xf5\x80\x80\x80", 4, false }, { "\xff", 1, false },
};

START_TEST(bytes_at_the_edges_of_utf8_survive_export_and_import)
{
	enum { EDGES = sizeof edges / sizeof edges[0] };
	struct store_batch *batch = store_batch_new(fake.store);
	struct buf export;
	size_t texts = 0, lines = 0;

	for (size_t i = 0; i < EDGES; i++) {
		put(batch, slice_of(edges[i].bytes, edges[i].len), slice_of(edges[i].bytes, edges[i].len), 0);
		texts += edges[i].text;
	}
	commit(batch);
	export = export_all();
	for (const uint8_t *at = export.data; at; at = memmem(at + 1, (size_t)(export.data + export.len - at - 1), "{\"key\":", 7))
		lines++;
	ck_assert_uint_eq(lines - 1, texts);
	empty_the_store();
	ck_assert_uint_eq(import_bytes("", buf_slice(&export))->status, 200);
	for (size_t i = 0; i < EDGES; i++) {
		struct store_value value;

		ck_assert_int_eq(store_get(fake.store, NULL, slice_of(edges[i].bytes, edges[i].len), &value, NULL), KV_OK);
		ck_assert(slice_equal(value.value.bytes, slice_of(edges[i].bytes, edges[i].len)));
		store_value_release(&value);
	}
	ck_assert_uint_eq(count(), EDGES);
	buf_free(&export);
}
END_TEST

START_TEST(a_cut_import_is_noticed_wherever_it_is_cut)
{
	struct buf whole;
	uint64_t rnd = runner_seed();

	fill();
	whole = export_all();
	for (int i = 0; i < 20; i++) {
		size_t len = 1 + (size_t)((runner_random(&rnd) >> 20) % (whole.len - 2));
		const struct rawhttp_reply *reply = import_bytes("?durability=os", slice_of(whole.data, len));

		ck_assert_msg(reply->status == 400, "%zu of %zu: %s", len, whole.len, fake_server_text(reply));
		ck_assert_int_ge(number_of(reply, "line"), 1);
	}
	buf_free(&whole);
}
END_TEST

START_TEST(a_line_at_fault_ends_it_after_those_before_and_says_where)
{
	struct buf lines = { 0 };
	const struct rawhttp_reply *reply;

	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(buf_printf(&lines, i == 7000 ? "{\"key\":\"bad\"\n" : "{\"key\":\"k%05d\",\"value\":\"%d\"}\n", i, i), KV_OK);
	reply = import_bytes("", buf_slice(&lines));
	ck_assert_uint_eq(reply->status, 400);
	ck_assert_int_eq(number_of(reply, "line"), 7001);
	ck_assert_int_eq(number_of(reply, "imported"), 7000);
	ck_assert_uint_eq(count(), 7000);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/k06999", NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/k07001", NULL, NULL)->status, 404);
	buf_free(&lines);
}
END_TEST

START_TEST(plain_lines_deletions_and_blank_ones_are_taken)
{
	const struct rawhttp_reply *reply = import_text("{\"key\":\"a\",\"value\":\"1\"}\r\n\n"
		"{\"key_b64\":\"/w==\",\"value_b64\":\"AAE=\",\"etag\":\"x\"}\n{\"op\":\"put\",\"key\":\"b\",\"value\":\"\"}\n"
		"{\"op\":\"delete\",\"key\":\"a\"}");

	ck_assert_msg(reply->status == 200, "%s", fake_server_text(reply));
	ck_assert_str_eq(fake_server_text(reply), "{\"imported\":4,\"lines\":5}\n");
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/a", NULL, NULL)->status, 404);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/b", NULL, NULL)->status, 200);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/%ff", NULL, NULL)->body.len, 2);
	ck_assert_uint_eq(import_text("")->status, 200);
	ck_assert_uint_eq(fake_server_call("POST", "/v1/import", NULL, NULL)->status, 200);
}
END_TEST

static const struct {
	const char *text;
	int64_t line;
} faults[] = {
	{ "x", 1 }, { "[]", 1 }, { "{}", 1 }, { "{\"key\":1,\"value\":\"\"}", 1 }, { "{\"key\":\"a\"}", 1 },
	{ "{\"key\":\"\",\"value\":\"\"}", 1 }, { "{\"key\":\"a\",\"key_b64\":\"YQ==\",\"value\":\"\"}", 1 },
	{ "{\"key\":\"a\",\"key\":\"b\",\"value\":\"\"}", 1 }, { "{\"key_b64\":\"?\",\"value\":\"\"}", 1 },
	{ "{\"key\":\"a\",\"value\":\"\",\"more\":1}", 1 }, { "{\"key\":\"a\",\"value\":\"\",\"expires\":-1}", 1 },
	{ "{\"key\":\"a\",\"value\":\"\",\"expires\":0}", 1 }, { "{\"key\":\"a\",\"value\":\"\",\"expires\":253402300800000}", 1 },
	{ "{\"key\":\"a\",\"value\":\"\",\"expires\":999999999999999999}", 1 }, { "{\"key\":\"a\",\"value\":\"\",\"expires\":1.5}", 1 },
	{ "{\"op\":\"delete\",\"key\":\"a\",\"expires\":0}", 1 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\",\"expires\":0}", 1 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\",\"expires\":253402300799999}\n"
	  "{\"key\":\"a\",\"size\":4,\"offset\":2,\"value\":\"ab\",\"expires\":253402300799998}", 2 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\",\"expires\":253402300799999}\n"
	  "{\"key\":\"a\",\"size\":4,\"offset\":2,\"value\":\"ab\"}", 2 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\"}\n"
	  "{\"key\":\"a\",\"size\":4,\"offset\":2,\"value\":\"ab\",\"expires\":253402300799999}", 2 },
	{ "{\"key\":\"a\",\"value\":\"\",\"expires\":\"1\"}", 1 }, { "{\"op\":\"check\",\"key\":\"a\"}", 1 },
	{ "{\"op\":\"delete\",\"key\":\"a\",\"value\":\"\"}", 1 }, { "{\"key\":\"a\",\"large\":5}", 1 },
	{ "\n{\"kvstored_export\":2}", 2 }, { "{\"kvstored_export\":1}", 2 }, { "{\"kvstored_export\":1}\n{\"kvstored_export\":1}\n", 2 },
	{ "{\"kvstored_export\":1}\n{\"complete\":true,\"count\":1}\n", 2 }, { "{\"complete\":true}", 1 },
	{ "{\"key\":\"a\",\"size\":4,\"value\":\"ab\"}", 1 }, { "{\"key\":\"a\",\"offset\":0,\"value\":\"ab\"}", 1 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"abcde\"}", 1 }, { "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"\"}", 1 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":2,\"value\":\"ab\"}", 1 }, { "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\"}", 2 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\"}\n{\"key\":\"b\",\"size\":4,\"offset\":2,\"value\":\"ab\"}", 2 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\"}\n{\"key\":\"a\",\"size\":5,\"offset\":2,\"value\":\"ab\"}", 2 },
	{ "{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\"}\n{\"key\":\"b\",\"value\":\"ab\"}", 2 },
	{ "{\"kvstored_export\":1,\"key\":\"a\",\"value\":\"\"}", 1 }, { "{\"kvstored_export\":1,\"complete\":true,\"count\":0}", 1 },
	{ "{\"complete\":true,\"count\":0,\"key\":\"a\",\"value\":\"\"}", 1 }, { "{\"complete\":true,\"count\":0,\"op\":\"delete\"}", 1 },
	{ "{\"key\":\"a\",\"value\":\"\",\"count\":1}", 1 },
	{ "{\"op\":\"delete\",\"key\":\"a\",\"size\":4,\"offset\":0}", 1 },
	{ "{\"key\":\"a\",\"size\":18446744073709551615,\"offset\":0,\"value\":\"ab\"}", 1 },
};

START_TEST(a_line_that_is_none_is_refused_and_nothing_of_it_stored)
{
	const struct rawhttp_reply *reply = import_text(faults[_i].text);

	ck_assert_msg(reply->status == 400, "%u for %s", reply->status, faults[_i].text);
	ck_assert_msg(number_of(reply, "line") == faults[_i].line, "%s for %s", fake_server_text(reply), faults[_i].text);
	ck_assert_int_eq(number_of(reply, "imported"), 0);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* A line of 16 MiB would take half a GiB as a tree of JSON. */
START_TEST(a_line_of_many_or_nested_members_is_refused_before_it_is_parsed)
{
	static const char *const begins[] = { "{\"key\":\"a\",\"value\":\"\",\"x\":[", "{\"key\":\"a\",\"value\":\"\",\"x\":{\"y\":[", "[", "[[[[[[" };

	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
		struct buf line = { 0 };
		const struct rawhttp_reply *reply;

		ck_assert_int_eq(buf_append_slice(&line, slice_of_string(begins[i])), KV_OK);
		for (int n = 0; n < 1000; n++)
			ck_assert_int_eq(buf_append(&line, "1,", 2), KV_OK);
		ck_assert_int_eq(buf_append_byte(&line, '\0'), KV_OK);
		reply = import_text((const char *)line.data);
		ck_assert_uint_eq(reply->status, 400);
		ck_assert_msg(strstr(fake_server_text(reply), "not a flat JSON object"), "%s", fake_server_text(reply));
		buf_free(&line);
	}
}
END_TEST

START_TEST(parts_make_a_value_small_or_large)
{
	const struct rawhttp_reply *reply = import_text("{\"key\":\"a\",\"size\":4,\"offset\":0,\"value\":\"ab\"}\n"
		"{\"key\":\"a\",\"size\":4,\"offset\":2,\"value\":\"cd\"}\n{\"key\":\"b\",\"value\":\"x\"}\n");

	ck_assert_msg(reply->status == 200, "%s", fake_server_text(reply));
	ck_assert_int_eq(number_of(reply, "imported"), 2);
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/kv/a", NULL, NULL)), "abcd");
}
END_TEST

START_TEST(the_first_and_the_last_expiry_are_kept_with_a_value_whole_or_in_parts)
{
	const struct rawhttp_reply *reply = import_text("{\"key\":\"gone\",\"value\":\"x\",\"expires\":1}\n"
		"{\"key\":\"whole\",\"value\":\"x\",\"expires\":253402300799999}\n"
		"{\"key\":\"parts\",\"size\":4,\"offset\":0,\"value\":\"ab\",\"expires\":253402300799999}\n"
		"{\"key\":\"parts\",\"size\":4,\"offset\":2,\"value\":\"cd\",\"expires\":253402300799999}\n");

	ck_assert_msg(reply->status == 200, "%s", fake_server_text(reply));
	ck_assert_uint_eq(fake_server_call("GET", "/v1/kv/gone", NULL, NULL)->status, 404);
	ck_assert_str_eq(rawhttp_header(fake_server_call("GET", "/v1/kv/whole", NULL, NULL), "Expires"),
		"Fri, 31 Dec 9999 23:59:59 GMT");
	ck_assert_str_eq(rawhttp_header(fake_server_call("GET", "/v1/kv/parts", NULL, NULL), "Expires"),
		"Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

START_TEST(a_key_has_the_limits_of_any_other_write)
{
	struct buf lines = { 0 };
	const struct rawhttp_reply *reply;

	ck_assert_int_eq(buf_printf(&lines, "{\"key\":\"%0*d\",\"value\":\"\"}\n{\"key\":\"%0*d\",\"value\":\"\"}\n", STORE_KEY_MAX, 0,
		STORE_KEY_MAX + 1, 0), KV_OK);
	reply = import_bytes("", buf_slice(&lines));
	ck_assert_msg(reply->status == 414, "%s", fake_server_text(reply));
	ck_assert_ptr_nonnull(strstr(fake_server_text(reply), "\"error\":\"key_too_long\""));
	ck_assert_int_eq(number_of(reply, "line"), 2);
	ck_assert_int_eq(number_of(reply, "imported"), 1);
	buf_free(&lines);
}
END_TEST

START_TEST(a_line_or_value_beyond_its_limit_is_413)
{
	struct buf lines = { 0 };
	const struct rawhttp_reply *reply;

	for (int newline = 0; newline < 2; newline++) {
		buf_clear(&lines);
		ck_assert_int_eq(buf_printf(&lines, "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\""), KV_OK);
		for (int i = 0; i < LINE_BYTES; i++)
			ck_assert_int_eq(buf_append_byte(&lines, 'v'), KV_OK);
		ck_assert_int_eq(buf_printf(&lines, newline ? "\"}\n" : "vvvvvvvv"), KV_OK);
		reply = import_bytes("", buf_slice(&lines));
		ck_assert_uint_eq(reply->status, 413);
		ck_assert_int_eq(number_of(reply, "line"), 2);
		ck_assert_int_eq(number_of(reply, "imported"), 1);
	}
	buf_free(&lines);
	reply = import_text("{\"key\":\"a\",\"size\":8388609,\"offset\":0,\"value\":\"ab\"}");
	ck_assert_uint_eq(reply->status, 413);
}
END_TEST

/* An import of one line that has so many bytes, without its newline. */
static unsigned status_of_line(size_t bytes)
{
	static const char begin[] = "{\"key\":\"a\",\"value\":\"", end[] = "\"}";
	struct buf line = { 0 };
	unsigned status;

	ck_assert_int_eq(buf_append_zeros(&line, bytes), KV_OK);
	memset(line.data, 'v', bytes);
	memcpy(line.data, begin, strlen(begin));
	memcpy(line.data + bytes - strlen(end), end, strlen(end));
	ck_assert_int_eq(buf_append_byte(&line, '\n'), KV_OK);
	status = import_bytes("", buf_slice(&line))->status;
	buf_free(&line);
	return status;
}

START_TEST(a_line_has_2_mib_at_least)
{
	ck_assert_uint_eq(status_of_line(LINE_BYTES), 200);
	ck_assert_uint_eq(status_of_line(LINE_BYTES + 1), 413);
}
END_TEST

START_TEST(a_line_has_as_much_as_a_batch_where_that_is_more)
{
	ck_assert_uint_eq(status_of_line(3 << 20), 200);
	ck_assert_uint_eq(status_of_line((3 << 20) + 1), 413);
}
END_TEST

START_TEST(wrong_parameters_are_refused)
{
	ck_assert_uint_eq(import_bytes("?durability=never", slice_of_string("{}"))->status, 400);
	ck_assert_uint_eq(import_bytes("?prefix=a", slice_of_string("{}"))->status, 400);
	ck_assert_uint_eq(fake_server_call("GET", "/v1/import", NULL, NULL)->status, 405);
}
END_TEST

START_TEST(a_chunked_body_in_tiny_pieces_is_the_same)
{
	static const char text[] = "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"2\"}\n";
	struct buf request = { 0 };

	ck_assert_int_eq(buf_printf(&request, "POST /v1/import HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"), KV_OK);
	for (const char *at = text; *at != '\0'; at++)
		ck_assert_int_eq(buf_printf(&request, "1\r\n%c\r\n", *at), KV_OK);
	ck_assert_int_eq(buf_printf(&request, "0\r\n\r\n"), KV_OK);
	ck_assert_str_eq(fake_server_text(fake_server_send(request.data, request.len)), "{\"imported\":2,\"lines\":2}\n");
	buf_free(&request);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_import");
	TCase *tc = tcase_create("api_import");

	tcase_add_checked_fixture(tc, setup, fake_server_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_was_exported_is_there_after_an_import);
	tcase_add_test(tc, bytes_at_the_edges_of_utf8_survive_export_and_import);
	tcase_add_test(tc, a_cut_import_is_noticed_wherever_it_is_cut);
	tcase_add_test(tc, a_line_at_fault_ends_it_after_those_before_and_says_where);
	tcase_add_test(tc, plain_lines_deletions_and_blank_ones_are_taken);
	tcase_add_loop_test(tc, a_line_that_is_none_is_refused_and_nothing_of_it_stored, 0, sizeof faults / sizeof faults[0]);
	tcase_add_test(tc, a_line_of_many_or_nested_members_is_refused_before_it_is_parsed);
	tcase_add_test(tc, parts_make_a_value_small_or_large);
	tcase_add_test(tc, the_first_and_the_last_expiry_are_kept_with_a_value_whole_or_in_parts);
	tcase_add_test(tc, a_key_has_the_limits_of_any_other_write);
	tcase_add_test(tc, a_line_or_value_beyond_its_limit_is_413);
	tcase_add_test(tc, wrong_parameters_are_refused);
	tcase_add_test(tc, a_chunked_body_in_tiny_pieces_is_the_same);
	suite_add_tcase(suite, tc);

	tc = tcase_create("small_batches");
	tcase_add_checked_fixture(tc, setup_small, fake_server_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_server_takes_its_own_export_however_small_its_batches_are);
	tcase_add_test(tc, a_line_has_2_mib_at_least);
	suite_add_tcase(suite, tc);

	tc = tcase_create("large_batches");
	tcase_add_checked_fixture(tc, setup_large, fake_server_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_line_has_as_much_as_a_batch_where_that_is_more);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
