/* SPDX-License-Identifier: BSD-2-Clause */
/* What a document of operations may hold and what it may not, over a real store; and every allocation on the way failing. */
#include "http/batchread.h"

#include "support/fake_store.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdio.h>

enum { NOW_MS = 1000000, VALUE_MAX = 100 };

static struct store *store;

static void setup(void)
{
	store = fake_store_new();
}

static void teardown(void)
{
	store = fake_store_free(store);
}

static struct batchread read_of(const char *text, enum jsonlist_form form)
{
	return (struct batchread){ .text = slice_of_string(text), .form = form,
		.access = { .role = ACCESS_WRITE }, .value_max = VALUE_MAX, .now_unix_ms = NOW_MS };
}

/* Reads and commits. */
static kv_status run(struct batchread *read)
{
	struct store_batch *batch = store_batch_new(store);
	kv_status status = batch ? batchread_run(read, batch) : KV_NO_MEMORY;

	if (status == KV_OK)
		status = store_write(store, batch);
	store_batch_free(batch);
	return status;
}

static void expect(const char *key, const char *value)
{
	struct store_value got;
	kv_status status = store_get(store, NULL, slice_of_string(key), &got, NULL);

	ck_assert_int_eq(status, value ? KV_OK : KV_NOT_FOUND);
	if (value) {
		ck_assert(slice_equal(got.value.bytes, slice_of_string(value)));
		store_value_release(&got);
	}
}

static void check_good(const char *text, enum jsonlist_form form, size_t count)
{
	struct batchread read = read_of(text, form);

	ck_assert_msg(run(&read) == KV_OK, "%s: %s", text, read.problem.text);
	ck_assert_uint_eq(read.kinds.len, count);
	batchread_free(&read);
}

START_TEST(arrays_and_lines_are_batches)
{
	check_good("[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"},\n {\"value_b64\":\"AP8=\",\"key_b64\":\"Yg==\",\"op\":\"put\"}]",
		JSONLIST_ARRAY, 2);
	expect("a", "1");
	check_good("{\"op\":\"check\",\"key\":\"a\",\"if_match\":\"*\"}\n\n{\"op\":\"delete\",\"key\":\"a\"}\r\n"
		"{\"op\":\"check\",\"key\":\"a\",\"if_absent\":true}\n{\"op\":\"put\",\"key\":\"c\",\"value\":\"\",\"if_absent\":false}",
		JSONLIST_LINES, 4);
	expect("a", NULL);
	expect("c", "");
	check_good("[{\"op\":\"delete\",\"key\":\"never there\"}]", JSONLIST_ARRAY, 1);
	check_good("[{\"op\":\"put\",\"key\":\"t\",\"value\":\"1\",\"ttl\":\"1ms\"}]", JSONLIST_ARRAY, 1); /* long ago: NOW_MS */
	expect("t", NULL);
	check_good("[{\"op\":\"put\",\"key\":\"t\",\"value\":\"1\",\"expires\":253402300799999,\"if_absent\":true}]", JSONLIST_ARRAY, 1);
	expect("t", "1");
}
END_TEST

/* Each stands as the second operation of a batch whose first one is good. */
static const struct {
	const char *operation;
	unsigned status;
	const char *says;
} malformed[] = {
	{ "1", 400, "" },
	{ "null", 400, "" },
	{ "[]", 400, "" },
	{ "{", 400, "" },
	{ "\"put\"", 400, "not a JSON object" },
	{ "{}", 400, "'op' is missing" },
	{ "{\"op\":1,\"key\":\"b\"}", 400, "'op' is not a string" },
	{ "{\"op\":\"PUT\",\"key\":\"b\",\"value\":\"\"}", 400, "none of put, delete, check" },
	{ "{\"op\":\"put\\u0000\",\"key\":\"b\",\"value\":\"\"}", 400, "none of put, delete, check" },
	{ "{\"op\":\"put\",\"value\":\"\"}", 400, "neither 'key' nor 'key_b64'" },
	{ "{\"op\":\"put\",\"key\":\"b\"}", 400, "neither 'value' nor 'value_b64'" },
	{ "{\"op\":\"put\",\"key\":\"\",\"value\":\"\"}", 400, "the key is empty" },
	{ "{\"op\":\"put\",\"key_b64\":\"\",\"value\":\"\"}", 400, "the key is empty" },
	{ "{\"op\":\"put\",\"key\":1,\"value\":\"\"}", 400, "'key' is not a string" },
	{ "{\"op\":\"put\",\"key\":null,\"value\":\"\"}", 400, "'key' is not a string" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":7}", 400, "'value' is not a string" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":{}}", 400, "" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"key_b64\":\"Yg==\",\"value\":\"\"}", 400, "both 'key'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"value_b64\":\"\"}", 400, "both 'value'" },
	{ "{\"op\":\"put\",\"key_b64\":\"Yg=\",\"value\":\"\"}", 400, "not base64" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value_b64\":\"=\"}", 400, "not base64" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"colour\":1}", 400, "unknown member 'colour'" },
	{ "{\"op\":\"put\",\"op\":\"put\",\"key\":\"b\",\"value\":\"\"}", 400, "given twice" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"key\":\"b\",\"value\":\"\"}", 400, "given twice" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"ttl\":60}", 400, "'ttl' is not a string" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"ttl\":\"60\"}", 400, "'ttl'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"ttl\":\"0s\"}", 400, "'ttl'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"expires\":\"60\"}", 400, "'expires'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"expires\":0}", 400, "'expires'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"expires\":-5}", 400, "'expires'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"expires\":253402300800000}", 400, "'expires'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"expires\":1e3}", 400, "'expires'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"expires\":99999999999999999999}", 400, "not JSON" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"ttl\":\"1s\",\"expires\":5}", 400, "both 'ttl' and 'expires'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_match\":\"1f\"}", 400, "'if_match'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_match\":\"\\\"1f\"}", 400, "'if_match'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_match\":\"\\\"1f\\\", \\\"20\\\"\"}", 400, "'if_match'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_match\":1}", 400, "'if_match' is not a string" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_absent\":1}", 400, "'if_absent' is neither" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_absent\":\"true\"}", 400, "'if_absent' is neither" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\",\"if_absent\":true,\"if_match\":\"*\"}", 400, "both 'if_match'" },
	{ "{\"op\":\"delete\",\"key\":\"b\",\"value\":\"\"}", 400, "unknown member 'value'" },
	{ "{\"op\":\"delete\",\"key\":\"b\",\"ttl\":\"1s\"}", 400, "unknown member 'ttl'" },
	{ "{\"op\":\"delete\",\"key\":\"b\",\"if_absent\":true}", 400, "unknown member 'if_absent'" },
	{ "{\"op\":\"check\",\"key\":\"b\"}", 400, "a check has" },
	{ "{\"op\":\"check\",\"key\":\"b\",\"if_absent\":false}", 400, "a check has" },
	{ "{\"op\":\"check\",\"key\":\"b\",\"value\":\"\",\"if_absent\":true}", 400, "unknown member 'value'" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\xff\"}", 400, "not JSON" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\\ud800\"}", 400, "not JSON" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\n\"}", 400, "" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\"},", 400, "" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\"} x", 400, "" },
	{ "{\"op\":\"put\",\"key\":\"b\",\"value\":\"\"", 400, "" },
};

static void check_bad(const char *text, enum jsonlist_form form, unsigned status, size_t index, const char *says)
{
	struct batchread read = read_of(text, form);
	uint64_t before = fake_store_changes(store);

	ck_assert_msg(run(&read) == KV_INVALID, "%s", text);
	ck_assert_uint_eq(read.problem.status, status);
	ck_assert_msg(strstr(read.problem.text, says) != NULL, "%s: %s", text, read.problem.text);
	ck_assert_msg(read.index == index, "%s: index %zd", text, read.index);
	ck_assert_uint_eq(fake_store_changes(store), before);
	batchread_free(&read);
}

START_TEST(a_malformed_operation_is_named_and_nothing_is_written)
{
	static const char good[] = "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}";

	for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
		const char *bad = malformed[i].operation;
		size_t len = strlen(bad);
		size_t index = 1;
		char text[400];

		if (len > 1 && strcmp(bad + len - 2, "},") == 0) /* behind it an operation is missing */
			index = 2;
		else if (len > 1 && strcmp(bad + len - 1, "x") == 0) /* in an array it stands behind the operation */
			index = SIZE_MAX;

		snprintf(text, sizeof text, "[%s,%s]", good, bad);
		check_bad(text, JSONLIST_ARRAY, malformed[i].status, index, malformed[i].says);
		snprintf(text, sizeof text, "%s\n%s\n", good, bad);
		check_bad(text, JSONLIST_LINES, malformed[i].status, 1, malformed[i].says);
	}
	expect("a", NULL);
}
END_TEST

START_TEST(what_is_no_list_at_all_has_no_index)
{
	check_bad("", JSONLIST_ARRAY, 400, SIZE_MAX, "not a JSON array");
	check_bad("{\"op\":\"delete\",\"key\":\"a\"}", JSONLIST_ARRAY, 400, SIZE_MAX, "not a JSON array");
	check_bad("[]", JSONLIST_ARRAY, 400, SIZE_MAX, "the batch is empty");
	check_bad("\n", JSONLIST_LINES, 400, SIZE_MAX, "the batch is empty");
	check_bad("[]]", JSONLIST_ARRAY, 400, SIZE_MAX, "not a JSON array");
	check_bad("[{\"op\":\"delete\",\"key\":\"a\"}", JSONLIST_ARRAY, 400, SIZE_MAX, "not a JSON array");
	check_bad("[{\"op\":\"delete\",\"key\":\"a\"}]]", JSONLIST_ARRAY, 400, SIZE_MAX, "not a JSON array");
}
END_TEST

START_TEST(a_fault_of_the_first_operation_has_the_index_0)
{
	static const char *const bad[] = { "1", "null", "[]", "{", "{\"op\":\"put\",\"key\":\"a\",\"value\":{}}", "{\"op\":\"put\",\"key\":\"a\"}" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[100];

		snprintf(text, sizeof text, "[%s]", bad[i]);
		check_bad(text, JSONLIST_ARRAY, 400, 0, "");
		check_bad(bad[i], JSONLIST_LINES, 400, 0, "");
	}
	check_bad("[", JSONLIST_ARRAY, 400, 0, "breaks off");
}
END_TEST

START_TEST(keys_and_values_have_their_limits)
{
	struct buf text = { 0 };

	ck_assert_int_eq(buf_printf(&text, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"%0*d\"}]", VALUE_MAX + 1, 0), KV_OK);
	ck_assert_int_eq(buf_append_byte(&text, 0), KV_OK);
	check_bad((char *)text.data, JSONLIST_ARRAY, 413, 0, "max_value_size, which is 100 bytes");
	buf_clear(&text);
	ck_assert_int_eq(buf_printf(&text, "[{\"op\":\"delete\",\"key\":\"%0*d\"}]", STORE_KEY_MAX + 1, 0), KV_OK);
	ck_assert_int_eq(buf_append_byte(&text, 0), KV_OK);
	check_bad((char *)text.data, JSONLIST_ARRAY, 414, 0, "4096 bytes");
	buf_clear(&text);
	ck_assert_int_eq(buf_printf(&text, "[{\"op\":\"put\",\"key\":\"%0*d\",\"value\":\"%0*d\"}]", STORE_KEY_MAX, 0, VALUE_MAX, 0),
		KV_OK);
	ck_assert_int_eq(buf_append_byte(&text, 0), KV_OK);
	check_good((char *)text.data, JSONLIST_ARRAY, 1);
	buf_free(&text);
}
END_TEST

START_TEST(a_batch_has_so_many_operations)
{
	struct buf text = { 0 };
	struct batchread read;
	static const char check[] = "{\"op\":\"check\",\"key\":\"k\",\"if_absent\":true}\n";

	for (unsigned i = 0; i < BATCHREAD_OPERATIONS_MAX; i++)
		ck_assert_int_eq(buf_append(&text, check, sizeof check - 1), KV_OK);
	read = read_of("", JSONLIST_LINES);
	read.text = buf_slice(&text);
	ck_assert_int_eq(run(&read), KV_OK);
	batchread_free(&read);
	ck_assert_int_eq(buf_append(&text, check, sizeof check - 1), KV_OK);
	read = read_of("", JSONLIST_LINES);
	read.text = buf_slice(&text);
	ck_assert_int_eq(run(&read), KV_INVALID);
	ck_assert_uint_eq(read.problem.status, 413);
	batchread_free(&read);
	buf_free(&text);
}
END_TEST

START_TEST(a_key_out_of_the_clients_prefix_is_refused)
{
	struct batchread read = read_of("[{\"op\":\"put\",\"key\":\"mine/1\",\"value\":\"\"},"
		"{\"op\":\"check\",\"key\":\"theirs/1\",\"if_absent\":true}]", JSONLIST_ARRAY);

	read.access.prefix = slice_of_string("mine/");
	ck_assert_int_eq(run(&read), KV_INVALID);
	ck_assert_uint_eq(read.problem.status, 403);
	ck_assert_uint_eq(read.index, 1);
	batchread_free(&read);
	expect("mine/1", NULL);
}
END_TEST

START_TEST(without_memory_all_or_nothing_is_written)
{
	kv_status status;
	uint64_t nth = 0;

	do {
		struct batchread read = read_of("[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\",\"if_absent\":true},"
			"{\"op\":\"put\",\"key_b64\":\"Yg==\",\"value_b64\":\"Mg==\",\"ttl\":\"10000000000s\"},"
			"{\"op\":\"check\",\"key\":\"c\",\"if_absent\":true}]", JSONLIST_ARRAY);

		fault_alloc_fail_here(++nth); /* (we lead the commit; the store's threads are not meant) */
		status = run(&read);
		fault_alloc_fail_here(0);
		ck_assert_msg(status == KV_OK || status == KV_NO_MEMORY, "allocation %u: %s", (unsigned)nth, read.problem.text);
		batchread_free(&read);
		expect("a", status == KV_OK ? "1" : NULL);
		expect("b", status == KV_OK ? "2" : NULL);
	} while (status != KV_OK);
	ck_assert_uint_gt(nth, 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batchread");
	TCase *tcase = tcase_create("batchread");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, arrays_and_lines_are_batches);
	tcase_add_test(tcase, a_malformed_operation_is_named_and_nothing_is_written);
	tcase_add_test(tcase, what_is_no_list_at_all_has_no_index);
	tcase_add_test(tcase, a_fault_of_the_first_operation_has_the_index_0);
	tcase_add_test(tcase, keys_and_values_have_their_limits);
	tcase_add_test(tcase, a_batch_has_so_many_operations);
	tcase_add_test(tcase, a_key_out_of_the_clients_prefix_is_refused);
	tcase_add_test(tcase, without_memory_all_or_nothing_is_written);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
