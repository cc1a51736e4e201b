/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A body that is a list: of mget, of a batch. Items are pieces of the text, one behind the other; a text that JSON's own parser takes for an array
 * of strings and flat objects is one here, of as many items with the same content.
 */
#include "fuzz/fuzz.h"
#include "http/jsonlist.h"
#include "http/jsonread.h"

static bool is_flat(const json_t *item)
{
	const char *name;
	json_t *member;

	if (!json_is_object(item))
		return json_is_string(item);
	json_object_foreach((json_t *)(uintptr_t)item, name, member) {
		if (json_is_object(member) || json_is_array(member))
			return false;
	}
	return json_object_size(item) <= JSONLIST_MEMBERS_MAX;
}

static bool is_flat_array(const json_t *json)
{
	for (size_t i = 0; i < json_array_size(json); i++)
		if (!is_flat(json_array_get(json, i)))
			return false;
	return json_is_array(json);
}

/* What mget and batches look for in an item. */
static void read_members(const json_t *json)
{
	static const char *const names[] = { "key", "key_b64", "op", "ttl", "n", "b", NULL };
	struct problem problem = { 0 };
	struct buf decoded = { 0 };
	struct slice bytes;
	uint64_t number;
	bool flag;

	(void)jsonread_check(json, names, &problem);
	(void)jsonread_bytes(json, "key", &decoded, &bytes, &problem);
	(void)jsonread_string(json, "ttl", &bytes, &problem);
	(void)jsonread_uint64(json, "n", &number, &problem);
	(void)jsonread_bool(json, "b", &flag, &problem);
	buf_free(&decoded);
}

/* `array`: what the items are, when that is known. */
static void walk(struct slice text, enum jsonlist_form form, const json_t *array)
{
	const uint8_t *last_end = text.data;
	struct problem problem = { 0 };
	struct jsonlist list;
	struct slice item;
	size_t count = 0;
	kv_status status;

	jsonlist_init(&list, text, form);
	while ((status = jsonlist_next(&list, &item)) == KV_OK) {
		json_t *json = NULL;

		FUZZ_REQUIRE(item.len >= 2 && item.data >= last_end && item.data + item.len <= text.data + text.len);
		last_end = item.data + item.len;
		if (jsonread_parse(item, &json, &problem) == KV_OK) {
			FUZZ_REQUIRE(is_flat(json));
			read_members(json);
		}
		if (array)
			FUZZ_REQUIRE(json_equal(json, json_array_get(array, count)));
		json_decref(json);
		count++;
	}
	FUZZ_REQUIRE(status == KV_NOT_FOUND || status == KV_INVALID);
	FUZZ_REQUIRE(list.fault == SIZE_MAX || (status == KV_INVALID && list.fault == count));
	FUZZ_REQUIRE(!array || (status == KV_NOT_FOUND && count == json_array_size(array)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	struct problem problem = { 0 };
	json_t *json = NULL;

	if (size == 0)
		return 0;
	(void)jsonread_parse(text, &json, &problem);
	walk(text, JSONLIST_ARRAY, is_flat_array(json) ? json : NULL);
	walk(text, JSONLIST_LINES, NULL);
	json_decref(json);
	return 0;
}
