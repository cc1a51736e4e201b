/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines: a cursor, and the range it is used with. One that is accepted has a key and leads, written again, to the same place; the bounds of a range
 * agree with what the parameters say, and where a scan may begin it is in them, in both directions; base64 and JSON strings come back as they went.
 */
#include "fuzz/fuzz.h"
#include "http/base64.h"
#include "http/cursor.h"
#include "http/jsonread.h"
#include "http/jsontext.h"
#include "http/scan_range.h"
#include "http/snapshots.h"

#include <stdlib.h>

static void check_cursor(struct slice text, const struct cursor_range *range)
{
	struct buf storage = { 0 }, again = { 0 }, storage_again = { 0 };
	struct cursor cursor = { 0 }, other = { 0 };

	if (cursor_decode(text, range, &storage, &cursor) == KV_OK) {
		FUZZ_REQUIRE(cursor.key.len > 0);
		FUZZ_REQUIRE(cursor_encode(&cursor, range, &again) == KV_OK);
		FUZZ_REQUIRE(cursor_decode(buf_slice(&again), range, &storage_again, &other) == KV_OK);
		FUZZ_REQUIRE(slice_equal(cursor.key, other.key) && cursor.included == other.included);
		FUZZ_REQUIRE(!cursor.snapshot == !other.snapshot);
		if (cursor.snapshot)
			FUZZ_REQUIRE(memcmp(cursor.snapshot, other.snapshot, SNAPSHOT_ID_BYTES) == 0);
	}
	buf_free(&storage);
	buf_free(&storage_again);
	buf_free(&again);
}

static void check_range(struct slice prefix, struct slice start, struct slice end, struct slice key)
{
	struct scan_range range = { 0 };
	bool in, wanted = slice_starts_with(key, prefix) && slice_compare(key, start) >= 0 &&
		(end.len == 0 || slice_compare(key, end) < 0);

	FUZZ_REQUIRE(scan_range_set(&range, prefix, start, end) == KV_OK);
	in = !range.empty && slice_compare(key, range.low) >= 0 && scan_range_has(&range, key);
	if (key.len > 0)
		FUZZ_REQUIRE(in == wanted);
	for (unsigned reverse = 0; reverse < 2 && !range.empty && key.len > 0; reverse++) {
		range.reverse = reverse != 0;
		FUZZ_REQUIRE(scan_range_contains(&range, key) == wanted);
		FUZZ_REQUIRE((scan_range_may_begin(&range, key, true) && scan_range_has(&range, key)) == wanted);
	}
	FUZZ_REQUIRE(!range.reverse || !scan_range_may_begin(&range, slice_of(NULL, 0), false));
	scan_range_free(&range);
}

static void check_base64(struct slice bytes, enum base64_form form)
{
	uint8_t *text = malloc(base64_encoded_size(bytes.len) + 1), *back = malloc(base64_decoded_size(bytes.len * 2 + 4));
	size_t len, back_len = 0;

	FUZZ_REQUIRE(text && back);
	len = base64_encode(text, bytes, form);
	FUZZ_REQUIRE(len <= base64_encoded_size(bytes.len));
	FUZZ_REQUIRE(base64_decode(back, slice_of(text, len), form, &back_len));
	FUZZ_REQUIRE(slice_equal(slice_of(back, back_len), bytes));
	if (base64_decode(back, bytes, form, &back_len)) { /* there is one text of these bytes */
		free(text);
		text = malloc(base64_encoded_size(back_len) + 1);
		FUZZ_REQUIRE(text != NULL);
		FUZZ_REQUIRE(slice_equal(slice_of(text, base64_encode(text, slice_of(back, back_len), form)), bytes));
	}
	free(text);
	free(back);
}

static void check_json(struct slice bytes)
{
	struct buf text = { 0 }, decoded = { 0 };
	struct problem problem = { 0 };
	struct slice got = { 0 };
	json_t *json = NULL;

	FUZZ_REQUIRE(buf_append_byte(&text, '{') == KV_OK && jsontext_bytes(&text, "x", bytes) == KV_OK &&
		buf_append_byte(&text, '}') == KV_OK);
	FUZZ_REQUIRE(jsonread_parse(buf_slice(&text), &json, &problem) == KV_OK);
	FUZZ_REQUIRE(jsonread_bytes(json, "x", &decoded, &got, &problem) == KV_OK);
	FUZZ_REQUIRE(slice_equal(got, bytes));
	json_decref(json);
	buf_free(&text);
	buf_free(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	struct slice text = fuzz_line(&input), prefix = fuzz_line(&input), start = fuzz_line(&input);
	struct slice end = fuzz_line(&input);
	struct cursor_range range = { .prefix = prefix, .start = start, .end = end, .reverse = size % 2 != 0 };

	check_cursor(text, &range);
	check_range(prefix, start, end, input);
	check_base64(text, BASE64_URL);
	check_base64(text, BASE64_STANDARD);
	check_json(slice_of(data, size));
	return 0;
}
